"""The tracks table: what is let in, what is said about the rest, one row a recording."""

import json

import numpy as np
import pandas as pd
import pytest

from hiphoplib.errors import BadInput
from hiphoplib.tracks import (
    COLUMNS,
    REQUIRED,
    clean_tracks,
    get_tracks,
    normalise,
    read_rejected,
    read_tracks,
    record_rejected,
    recordings,
    write_tracks,
)


def table(n=2, **columns):
    """Return a raw table of n rows, different recordings unless `columns` say otherwise."""
    return pd.DataFrame({"id": [f"{i:04d}" for i in range(n)], "popularity": [50.0] * n,
                         "track": [f"Song {i}" for i in range(n)],
                         "artists": [[f"Artist {i}"] for i in range(n)],
                         "preview_url": [f"audio/{i}.mp3" for i in range(n)]} | columns)


def from_csv(folder, text):
    (folder / "tracks.csv").write_text(text)
    return read_tracks(folder)


HEAD = "id,popularity,track,artists,preview_url,release_date\n"


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_column_cannot_be_left_out(name):
    with pytest.raises(BadInput, match=f"no column {name}; a corpus needs") as error:
        normalise(table().drop(columns=name), where="my.csv")
    assert str(error.value).startswith("my.csv")


def test_the_columns_stand_in_the_order_of_the_schema_and_own_ones_behind():
    tracks = normalise(table(genre=["trap", "drill"])[["genre", *reversed(REQUIRED)]])
    assert list(tracks) == [*COLUMNS, "genre"]
    assert tracks["genre"].tolist() == ["trap", "drill"]


@pytest.mark.parametrize("column, cells, said", [
    ("id", ["a", "a"], "twice"),
    ("id", ["a", None], "is empty"),
    ("popularity", [50, 101], "outside 0-100"),
    ("popularity", [50, -0.5], "outside 0-100"),
    ("popularity", [50, np.inf], "outside 0-100"),
    ("popularity", ["50", "a lot"], "not a number"),
    ("duration_ms", [1000, 0], "is no length"),
    ("duration_ms", ["1000", "3:20"], "not a number"),
    ("artists", [["A"], []], "is empty"),
    ("artists", [["A"], None], "is empty"),
    ("artists", ["A", "[]"], "is empty"),
    ("artists", ["A", " "], "is empty"),
])
def test_a_bad_cell_is_told_in_one_line_with_its_row_and_the_next_step(column, cells, said):
    with pytest.raises(BadInput) as error:
        normalise(table(**{column: cells}), where="my.csv")
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"my.csv, row {1 if said == 'twice' else 2}")
    assert column in message and said in message
    assert any(step in message for step in ("delete", "correct", "give", "fill", "name at least"))


def test_a_cell_with_line_breaks_is_still_told_in_one_line():
    with pytest.raises(BadInput) as error:
        normalise(table(popularity=["50", "a\nlot"]))
    assert "\n" not in str(error.value)


def test_many_bad_rows_are_counted():
    with pytest.raises(BadInput, match="2 more like it"):
        normalise(table(4, popularity=[1, 101, 102, 103]))


def test_popularity_and_a_preview_may_be_missing():
    tracks = normalise(table(popularity=["", None], preview_url=["", None]))
    assert tracks["popularity"].isna().all()
    assert tracks["preview_url"].isna().all()


@pytest.mark.parametrize("cell, names", [
    (["A", "B"], ["A", "B"]),
    (np.array(["A", "B"], dtype=object), ["A", "B"]),
    ('["A", "B"]', ["A", "B"]),
    ("A, the First", ["A, the First"]),
    ("[A$AP] Mob", ["[A$AP] Mob"]),
    ([" A ", ""], ["A"]),
])
def test_artists_may_be_a_list_json_or_plain_text(cell, names):
    artists = pd.Series([cell, ["B"]], dtype=object)
    assert normalise(table(artists=artists))["artists"][0] == names


@pytest.mark.parametrize("text, day", [
    ("2019", "2019-01-01"), ("2019-06", "2019-06-01"), ("2019-06-14", "2019-06-14"),
    ("2019-06-14T23:30:00Z", "2019-06-14T23:30"), ("", None), ("0000", None), ("soon", None)])
def test_dates_of_every_precision(text, day):
    dates = normalise(table(release_date=[text, "2020-02-02"]))["release_date"]
    assert str(dates.dtype) == "datetime64[ns]"
    assert dates[0] == pd.Timestamp(day) if day else pd.isna(dates[0])
    assert dates[1] == pd.Timestamp("2020-02-02")


@pytest.mark.parametrize("other", ["2018", "2018-05", "2018-05-02", ""])
def test_years_of_a_csv_stay_dates_whatever_stands_below_them(tmp_path, other):
    tracks = from_csv(tmp_path, f"{HEAD}1,5,t,a,x,2019\n2,5,t,a,x,{other}\n")
    assert tracks["release_date"][0] == pd.Timestamp("2019-01-01")
    assert pd.isna(tracks["release_date"][1]) == (other == "")


def test_words_that_pandas_takes_for_nothing_are_names_as_well(tmp_path):
    tracks = from_csv(tmp_path, f"{HEAD}NA,5,None,null,x,\nnan,5,N/A,NaN,x,\n")
    assert tracks["id"].tolist() == ["NA", "nan"]
    assert tracks["track"].tolist() == ["None", "N/A"]
    assert tracks["artists"].tolist() == [["null"], ["NaN"]]


def test_ids_of_digits_stay_text_through_csv_and_parquet(tmp_path):
    read = from_csv(tmp_path, f"{HEAD}0001,5,0042,007,x,\n0002,6,t,[\"a\"],x,2019\n".replace(
        '["a"]', '"[""a""]"'))
    write_tracks(read, tmp_path)
    again = read_tracks(tmp_path)  # the parquet, which goes before the csv
    for tracks in (read, again):
        assert tracks["id"].tolist() == ["0001", "0002"]
        assert tracks["track"].tolist() == ["0042", "t"]
        assert tracks["artists"].tolist() == [["007"], ["a"]]
    pd.testing.assert_frame_equal(read, again)
    assert not list(tmp_path.glob("*.new"))


def test_a_table_without_rows_can_be_read_and_cleaned(tmp_path):
    clean, steps = clean_tracks(from_csv(tmp_path, HEAD))
    assert len(clean) == 0
    assert steps["left"].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("name, content", [
    ("tracks.csv", b""), ("tracks.csv", b"\xff\xfe\x00\x01"), ("tracks.csv", b'a,b\n"1,2\n3'),
    ("tracks.parquet", b""), ("tracks.parquet", b"no parquet at all")])
def test_a_damaged_table_is_told_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput) as error:
        read_tracks(tmp_path)
    assert name in str(error.value) and "\n" not in str(error.value)


def test_no_table_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(BadInput, match="python -m hiphoplib gather"):
        read_tracks(tmp_path / "nothing")


def test_get_tracks_names_the_sources_there_are():
    with pytest.raises(BadInput, match="'nope'.*synthetic, folder"):
        get_tracks("nope")


def test_get_tracks_of_a_folder(source_folder):
    tracks = get_tracks("folder", path=source_folder)
    assert len(tracks) == 40
    assert (tracks["source"] == "folder").all()


def test_the_real_corpus_fits_the_schema(liked_songs):
    tracks = get_tracks("folder", path=liked_songs)
    assert len(tracks) == 400
    assert tracks["id"].str.fullmatch(r"\d{4}").all()
    assert tracks["popularity"].between(0, 100).all()
    assert len(clean_tracks(tracks)[0]) == 400


# one row a recording


@pytest.mark.parametrize("columns, same", [
    ({"isrc": ["X1", "X1"]}, True),
    ({"isrc": ["X1", "X2"]}, False),
    ({"isrc": [None, None]}, False),
    ({"track": ["Go", "GO (Deluxe)"], "artists": [["A"], ["a"]]}, True),
    ({"track": ["Go", "Go - Remastered 2011"], "artists": [["A"], ["A"]]}, True),
    ({"track": ["Go", "Go (feat. B)"], "artists": [["A", "B"], ["B", "A"]]}, True),
    ({"track": ["Café", "Cafe"], "artists": [["Beyoncé"], ["Beyonce"]]}, True),
    ({"track": ["Go", "Go"], "artists": [["A"], ["B"]]}, False),
    ({"track": ["東京 2", "大阪 2"], "artists": [["A"], ["A"]]}, False),
    ({"track": ["(Intro)", "(Outro)"], "artists": [["A"], ["A"]]}, False),
    ({"track": ["Go", "Go"], "artists": [["A"], ["A"]], "duration_ms": [100_000, 102_000]}, True),
    ({"track": ["Go", "Go"], "artists": [["A"], ["A"]], "duration_ms": [100_000, 102_001]}, False),
    ({"track": ["", ""], "artists": [["A"], ["A"]]}, False),
])
def test_what_makes_two_rows_one_recording(columns, same):
    number = recordings(normalise(table(**columns)))
    assert (number[0] == number[1]) == same


def test_being_one_recording_carries_over():
    """a-b share an ISRC, b-c a title, c-d an ISRC: one recording, in whatever order."""
    rows = normalise(table(4, isrc=["X", "X", "Y", "Y"], track=["p", "q", "q", "r"],
                           artists=[["A"]] * 4))
    for order in ([0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]):
        assert recordings(rows.iloc[order].reset_index(drop=True)).nunique() == 1


def test_the_label_is_that_of_the_most_popular_release_and_the_row_can_be_heard():
    rows = normalise(table(4, isrc=["X", "X", "X", "Y"], popularity=[30, 80, 40, 10],
                           preview_url=["a.mp3", None, "c.mp3", "d.mp3"]))
    clean, steps = clean_tracks(rows)
    assert clean["id"].tolist() == ["0002", "0003"]
    assert clean["popularity"].tolist() == [80, 10]
    assert clean["releases"].tolist() == [3, 1]
    assert steps["left"].tolist() == [4, 2, 2, 2]


def messy_table():
    """Return 200 rows with releases, ties, gaps and missing values."""
    rng = np.random.default_rng(0)
    recording = rng.integers(0, 80, 200)
    popularity = rng.integers(0, 8, 200) * 10.0
    popularity[rng.random(200) < 0.1] = np.nan
    return normalise(table(
        200, popularity=popularity, track=[f"Song {i}" for i in recording],
        artists=[[f"Artist {i % 30}"] for i in recording],
        isrc=[f"X{i}" if rng.random() < 0.5 else None for i in recording],
        duration_ms=100_000 + recording * 10.0 + rng.integers(0, 900, 200),
        preview_url=[f"{i}.mp3" if rng.random() < 0.7 else None for i in range(200)]))


def test_a_permuted_table_gives_the_same_recordings():
    rows = messy_table()
    clean = clean_tracks(rows)[0].sort_values("id", ignore_index=True)
    for seed in range(3):
        permuted = clean_tracks(rows.sample(frac=1, random_state=seed, ignore_index=True))[0]
        pd.testing.assert_frame_equal(permuted.sort_values("id", ignore_index=True), clean)


def test_the_steps_add_up_and_what_is_left_can_be_used():
    rows = messy_table()
    clean, steps = clean_tracks(rows)
    assert steps["left"].iloc[0] == len(rows)
    assert steps["left"].iloc[-1] == len(clean)
    assert (steps["left"].shift(fill_value=len(rows)) - steps["gone"] == steps["left"]).all()
    assert clean["popularity"].notna().all() and clean["preview_url"].notna().all()
    assert recordings(clean).is_unique
    assert clean_tracks(clean.drop(columns="releases"))[0]["id"].tolist() == clean["id"].tolist()


def test_a_cleaned_table_is_one_of_the_schema(tmp_path):
    clean, _ = clean_tracks(messy_table())
    write_tracks(clean, tmp_path)
    pd.testing.assert_frame_equal(read_tracks(tmp_path), clean)


def test_rejected_keeps_the_stages_apart_and_the_latest_reasons(tmp_path):
    assert len(read_rejected(tmp_path)) == 0
    record_rejected(tmp_path, "previews", {"0001": "gone, really"})
    record_rejected(tmp_path, "mels", {"0003": "silent", "0002": 'a "short" one'})
    record_rejected(tmp_path, "mels", {"0003": "silent"})
    rejected = read_rejected(tmp_path)
    assert json.loads(rejected.to_json(orient="values")) == [
        ["0001", "previews", "gone, really"], ["0003", "mels", "silent"]]
    record_rejected(tmp_path, "mels", {})
    record_rejected(tmp_path, "previews", {})
    assert len(read_rejected(tmp_path)) == 0


def test_lists_as_pandas_writes_them_to_csv_are_lists():
    table = pd.DataFrame({"id": ["1"], "popularity": [1.0], "track": ["a"], "preview_url": ["a"],
                          "artists": ["['MC Ampere', 'DJ Ohm']"]})
    assert normalise(table)["artists"][0] == ["MC Ampere", "DJ Ohm"]
