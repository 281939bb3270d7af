"""One row a recording: which one stays, what went and why, what is flagged."""

import time

import numpy as np
import pandas as pd
import pytest

from hiphoplib.tracks import cleaning
from hiphoplib.tracks.cleaning import FLAGS, clean_tracks, read_clean, recordings
from hiphoplib.tracks.gather import get_tracks
from hiphoplib.tracks.table import read_tracks, write_tracks
from tests.tables import table

FOUR = ["rows gathered", "one row a recording", "popularity known", "preview there"]


def messy_table():
    """Return 200 rows with releases, ties, gaps, withheld rows and missing values."""
    rng = np.random.default_rng(0)
    recording = rng.integers(0, 80, 200)
    popularity = rng.integers(0, 8, 200) * 10.0
    popularity[rng.random(200) < 0.1] = np.nan
    durations = 100_000 + recording * 10.0 + rng.integers(0, 900, 200)
    durations[rng.random(200) < 0.1] = np.nan
    additions = rng.choice(["", " (feat. B)", " - Remix", " (Karaoke Version)"], 200)
    return table(
        200,
        popularity=popularity,
        duration_ms=durations,
        track=[f"Song {i}{more}" for i, more in zip(recording, additions)],
        artists=[[f"Artist {i % 30}", *["B"] * int(rng.integers(2))] for i in recording],
        isrc=[f"USUM720{i:05d}" if rng.random() < 0.5 else None for i in recording],
        withheld=rng.choice(
            [None, "licence forbids derivatives", "artist asked"], 200, p=[0.8, 0.15, 0.05]
        ),
        preview_url=[f"{i}.mp3" if rng.random() < 0.7 else None for i in range(200)],
    )


def test_the_label_is_that_of_the_most_popular_release_and_the_row_can_be_heard():
    one, other = "USUM72000001", "USUM72000002"
    rows = table(
        4,
        isrc=[one, one, one, other],
        popularity=[30, 80, 40, 10],
        preview_url=["a.mp3", None, "c.mp3", "d.mp3"],
    )
    clean, steps = clean_tracks(rows)
    assert clean[["id", "popularity", "releases"]].values.tolist() == [
        ["0002", 80, 3],
        ["0003", 10, 1],
    ]
    assert steps["step"].tolist() == FOUR
    assert steps["left"].tolist() == [4, 2, 2, 2]


def test_a_permuted_table_gives_the_same_recordings():
    rows = messy_table()
    clean, steps = clean_tracks(rows)
    for seed in range(3):
        permuted, same = clean_tracks(rows.sample(frac=1, random_state=seed))
        pd.testing.assert_frame_equal(
            permuted.sort_values("id", ignore_index=True),
            clean.sort_values("id", ignore_index=True),
        )
        pd.testing.assert_frame_equal(same, steps)


def test_the_steps_add_up_and_what_is_left_can_be_used():
    rows = messy_table()
    before = rows.copy()
    clean, steps = clean_tracks(rows)
    pd.testing.assert_frame_equal(rows, before)
    assert list(steps) == ["step", "gone", "left"]
    assert steps["left"].iloc[0] == len(rows)
    assert steps["left"].iloc[-1] == len(clean)
    assert (steps["left"].shift(fill_value=len(rows)) - steps["gone"] == steps["left"]).all()
    assert clean["popularity"].notna().all() and clean["preview_url"].notna().all()
    assert clean["withheld"].isna().all()
    assert recordings(clean).is_unique
    assert set(clean["flag"]) == {None, "karaoke"}


def test_a_clean_table_stays_as_it_is():
    clean, _ = clean_tracks(messy_table())
    again, steps = clean_tracks(clean)
    pd.testing.assert_frame_equal(again, clean)
    assert not steps["gone"].any() and steps["step"].tolist() == FOUR


def test_a_clean_table_is_one_of_the_schema(tmp_path):
    for rows in (messy_table(), table()):  # with and without a flag
        clean, _ = clean_tracks(rows)
        write_tracks(clean, tmp_path)
        pd.testing.assert_frame_equal(read_tracks(tmp_path), clean)


def test_a_table_without_rows_can_be_cleaned():
    for rows in (table(0), table(0, withheld=[]), table(2, withheld=["licence"] * 2)):
        clean, steps = clean_tracks(rows)
        assert len(clean) == 0
        assert {"releases", "flag"} <= set(clean)
        assert steps["step"].tolist()[-3:] == FOUR[1:] and steps["left"].iloc[-1] == 0
        assert len(recordings(clean)) == 0


def test_rows_withheld_go_first_reason_by_reason_and_join_nothing():
    a, b = "USUM72000001", "USUM72000002"
    rows = table(
        6,
        isrc=[a, a, a, b, b, None],
        popularity=[90, 20, 10, 30, 40, 50],
        withheld=["licence", None, None, "artist asked", "licence", None],
    )
    clean, steps = clean_tracks(rows)
    assert steps["step"].tolist() == [FOUR[0], "licence", "artist asked", *FOUR[1:]]
    assert steps["gone"].tolist() == [0, 2, 1, 1, 0, 0]
    assert clean["id"].tolist() == ["0001", "0005"]
    assert clean["popularity"].tolist() == [20, 50]  # not the 90 of what may not be used
    assert clean["releases"].tolist() == [2, 1]


@pytest.mark.parametrize("withheld", [{}, {"withheld": [None] * 3}, {"withheld": ["", " ", None]}])
def test_no_step_for_what_nobody_withholds(withheld):
    assert clean_tracks(table(3, **withheld))[1]["step"].tolist() == FOUR


def test_twenty_thousand_rows_take_seconds():
    rng = np.random.default_rng(0)
    rows = table(
        20_000,
        track=rng.choice(["Intro", "Go", "Go (feat. B)"], 20_000),
        artists=[[f"Artist {i}"] for i in rng.integers(0, 5000, 20_000)],
        duration_ms=rng.integers(100_000, 300_000, 20_000),
    )
    start = time.perf_counter()
    clean_tracks(rows)
    assert time.perf_counter() - start < 10  # about 2 s


# what is not music of the query


def flag_of(track="Go", album=None, artist="A"):
    return clean_tracks(table(1, track=[track], album_name=[album], artists=[[artist, "B"]]))[0][
        "flag"
    ][0]


@pytest.mark.parametrize(
    "words, flag",
    [
        ("The A Podcast", "podcast"),
        ("PÓDCASTS 3", "podcast"),
        ("Go (Karaoke Version)", "karaoke"),
        ("Karaoke - Karaoke Version", "karaoke"),
        ("Karaoke All-Stars", "karaoke"),
        ("Go (Originally Performed By B)", "karaoke"),
        ("Go [In the Style of B]", "karaoke"),
        ("Best Ringtones Vol. 2", "ringtone"),
        ("Go - Ring Tone", "ringtone"),
        ("B Type Beat", "type beat"),
        ("B type-beats 2020", "type beat"),
        ("Go (Audiobook)", "audiobook"),
        ("Go - Das Hörspiel", "audiobook"),
        ("100 Sound Effects", "sound effects"),
    ],
)
def test_a_flag_is_found_in_title_album_and_artists(words, flag):
    assert flag in FLAGS
    assert flag_of(track=words) == flag_of(album=words) == flag_of(artist=words) == flag


def test_other_words_are_no_flag():
    words = "Go, Podcasting, Beat It, My Type, Ringing, Sound, Effects, Karaokee, Style".split(", ")
    assert [word for word in words if flag_of(word, word, word)] == []


@pytest.mark.parametrize(
    "title",
    ["Karaoke", "KARAOKE!", "Karaoke (feat. B)", "Ringtone (Remix)", "Podcast - Remastered"],
)
def test_a_song_or_album_may_be_called_so_but_no_artist(title):
    assert flag_of(track=title, album=title) is None
    assert flag_of(artist="Karaoke") == "karaoke"


@pytest.fixture
def gathered(tmp_path):
    """A corpus of a table with every kind of missing cell, and what cleaning makes of it."""
    tracks = get_tracks("synthetic", n=400).assign(listens=np.arange(400.0), withheld=None)
    tracks.loc[3, "withheld"] = "licence unclear"
    tracks.loc[4, "track"] = "Karaoke Nights, Vol. 3"
    write_tracks(tracks, tmp_path)
    return tmp_path, clean_tracks(read_tracks(tmp_path))[0]


def test_the_cleaned_table_is_a_file_that_reads_as_it_was_made(gathered, monkeypatch):
    folder, expected = gathered
    pd.testing.assert_frame_equal(read_clean(folder), expected)
    monkeypatch.setattr(cleaning, "clean_tracks", None)  # not needed any more
    again = read_clean(folder)
    pd.testing.assert_frame_equal(again, expected)
    assert again["flag"].notna().any() and again["releases"].max() > 1 and not again.attrs


@pytest.mark.parametrize("damage", ["another table", "cut", "empty", "gone", "other rules"])
def test_it_is_made_anew_where_it_is_not_of_this_table(gathered, damage, monkeypatch):
    folder, expected = gathered
    read_clean(folder)
    path = folder / "clean.parquet"
    if damage == "another table":
        write_tracks(read_tracks(folder)[50:], folder)
        expected = clean_tracks(read_tracks(folder))[0]
    elif damage == "gone":
        path.unlink()
    elif damage == "other rules":
        whole, rules = path.read_bytes(), folder / "rules.py"
        rules.write_text("other ones")
        monkeypatch.setattr(cleaning, "__file__", str(rules))
    else:
        path.write_bytes(path.read_bytes()[:1000] if damage == "cut" else b"")
    pd.testing.assert_frame_equal(read_clean(folder), expected)
    pd.testing.assert_frame_equal(read_clean(folder), expected)
    assert damage != "other rules" or path.read_bytes() != whole
    assert sorted(path.name for path in folder.glob("*.parquet*")) == [
        "clean.parquet",
        "tracks.parquet",
    ]
