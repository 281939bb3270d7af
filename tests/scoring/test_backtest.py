"""The back-test: tables as they come, titles that are files, no more said than songs can tell."""

import numpy as np
import pandas as pd
import pytest

from hiphoplib.cli import main
from hiphoplib.errors import BadInput
from hiphoplib.report.sentences import backtest_lines
from hiphoplib.scoring.backtest import (
    backtest,
    match_titles,
    pairs_in_order,
    read_popularity,
    songs_needed,
)
from tests.scored_songs import trained_model, write_song

TODAY = pd.Timestamp("2026-11-27")


@pytest.fixture
def read(tmp_path):
    """Function: rows by title, kind and lines of a table with this content."""

    def make(content):
        path = tmp_path / "export.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        rows, kind, left_out = read_popularity(path, TODAY)
        return rows.set_index("title")["popularity"].to_dict(), kind, left_out

    return make


TABLE = "Song;Listeners;Streams;Release_Date\nOne;3;1.234.567;2026-11-17\nTwo;1;900;17.11.2026\n"


@pytest.mark.parametrize(
    "content",
    [
        TABLE,
        "\ufeff" + TABLE,
        TABLE.encode("utf-16"),
        TABLE.replace("\n", "\r\n"),
        TABLE.replace(";", ",").replace("1.234.567", '"1,234,567"'),
        TABLE.replace(";", "\t").replace("1.234.567", "1\u202f234\u00a0567"),
        TABLE.replace("1.234.567", "1'234'567").replace("Release_Date", "release date"),
    ],
)
def test_one_table_is_read_however_it_was_exported(read, content):
    assert read(content) == ({"One": 123_456.7, "Two": 90.0}, "streams a day", [])


@pytest.mark.parametrize(
    "text, value",
    [
        ("1,234", 1234),
        ("1.234", 1234),
        ("12,5", 12.5),
        ("1,234.5", 1234.5),
        ("1.234,5", 1234.5),
        ("0", 0),
    ],
)
def test_a_number_is_one_however_it_is_written(read, text, value):
    assert read(f"title;streams\nOne;{text}\n")[0] == {"One": value}


def test_popularity_has_decimals_and_no_days(read):
    assert read("track,popularity,release date\nOne,61.234,2020-01-01\n") == (
        {"One": 61.234},
        "popularity",
        [],
    )


def test_a_row_that_cannot_be_used_is_left_out_with_its_reason(read):
    values, _, left_out = read(
        "title;streams;release date\nOne;many;2024-01-01\nTwo;5;2024-01-01\ntwo;6;2024-01-01\n"
        "Three;-7;2024-01-01\nFour;8;soon\nFive;9;2027-01-01\n;10;2024-01-01\nSix;11;2026-11-26\n"
    )
    assert values == {"Six": 11}
    reasons = "\n".join(left_out)
    for part in (
        "“One”: “many” is no number",
        "“Two”: 2 rows for this song",
        "“Three”: “-7” is no number",
        "“Four”: “soon” is no date",
        "“Five”: “2027-01-01”",
        "“”: no title",
    ):
        assert part in reasons


@pytest.mark.parametrize(
    "content, reason",
    [
        ("", "not a table"),
        ("title,plot\na,b\n", "needs a column with titles"),
        ("title,streams\n", "no row with"),
        ("title,streams\nOne,few\n", "“few” is no number"),
    ],
)
def test_a_table_of_no_use_is_told_in_one_line(read, content, reason):
    with pytest.raises(BadInput, match=reason) as error:
        read(content)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "title, name",
    [
        ("Cold Nights", "Cold Nights.mp3"),
        ("cold nights", "07 - Cold_Nights.wav"),
        ("Café (feat. Ada)", "cafe.flac"),
        ("7 Rings", "7 rings.mp3"),
        ("Nights", "Ada - Nights.mp3"),
        ("a b.mp3", "a b.mp3"),
        ("Ночь", "03 ночь.ogg"),
        ("Cold Nights", "03 cold nights.WMA"),
    ],
)
def test_a_title_finds_its_file(title, name):
    assert match_titles([title], ["other.mp3", name]) == {title: name}


def test_a_title_that_fits_two_files_has_none():
    assert match_titles(["Nights"], ["01 Nights.mp3", "02 nights.wav"]) == {}
    found = match_titles(["Nights", "02 Nights"], ["02 nights.wav"])
    assert found == {"02 Nights": "02 nights.wav"}


def test_the_share_is_that_of_pairs_and_its_interval_holds_the_truth():
    popularity = np.arange(8)
    assert pairs_in_order(popularity, popularity)[0].mean == 1
    assert pairs_in_order(popularity, -popularity)[0].mean == 0
    assert pairs_in_order(popularity // 2, np.zeros(8)) == (
        pairs_in_order(popularity // 2, np.zeros(8))[0],
        24,
    )
    rng, held = np.random.default_rng(0), []
    for _ in range(300):  # normal, correlation 0.5: two of three pairs are in order
        x = rng.normal(size=12)
        share, _ = pairs_in_order(x, 0.5 * x + np.sqrt(0.75) * rng.normal(size=12))
        held.append(share.low <= 2 / 3 <= share.high)
    assert np.mean(held) >= 0.95


def test_so_many_songs_as_are_needed_suffice_and_fewer_do_not():
    for share in (0.6, 0.75, 0.9):
        n = songs_needed(share)
        for songs, above in ((n, True), (n - 1, False)):
            z2, pairs = 1.959964**2, songs / 2
            low = (share + z2 / (2 * pairs)) / (1 + z2 / pairs) - 1.959964 / (
                1 + z2 / pairs
            ) * np.sqrt(share * (1 - share) / pairs + z2 / (4 * pairs**2))
            assert (low > 0.5) == above


@pytest.fixture(scope="module")
def released(tmp_path_factory, noise):
    """Five released songs of noise, numbered by loudness."""
    folder = tmp_path_factory.mktemp("released")
    for number in range(5):
        y = noise(-40 + 7 * number, 33, seed=number)
        write_song(folder / f"0{number} Song {number}.wav", y)
    return folder


def table_of(folder, rows):
    path = folder / "streams.csv"
    path.write_text("title,streams\n" + "\n".join(f"{title},{n}" for title, n in rows))
    return path


def test_a_model_to_which_loud_is_popular_is_right_where_it_is(released, trained, tmp_path):
    trained_model(trained)
    table = table_of(tmp_path, [*((f"Song {n}", 10 + n) for n in range(5)), ("Another", 7)])
    test = backtest(released, table, trained.with_name("songs_model"))
    (share, pairs), (by_loudness, _) = test.by_model, test.by_loudness
    assert share.mean >= 0.8 and (by_loudness.mean, pairs) == (1, 10)
    said = "\n".join(backtest_lines(test))
    assert "“Song 4” = 04 Song 4.wav" in said and "of 10 pairs" in said
    assert "“Another”: no file of that title" in said
    assert "too few to tell" in said or "enough to tell" in said


def test_the_command_writes_the_page_with_the_back_test(released, trained, tmp_path, capsys):
    trained_model(trained)
    table, page = table_of(tmp_path, [(f"Song {n}", 10 + n) for n in range(5)]), tmp_path / "t.html"
    model = trained.with_name("songs_model")
    command = f"backtest {released} --popularity {table} --model {model} --out"
    assert main([*command.split(), str(page)]) == 0
    assert "of 10 pairs" in capsys.readouterr().out
    assert "Does it work for your released songs?" in page.read_text()
    assert main([*command.split(), str(tmp_path / "t.pdf")]) == 1
    assert "can be .html" in capsys.readouterr().err


@pytest.mark.parametrize(
    "rows, reason",
    [
        ([("Nothing", 1), ("Nowhere", 2)], "none of its 2 titles is one of the 5 files"),
        ([("Song 1", 1), ("Nowhere", 2)], "1 of its songs can be compared"),
    ],
)
def test_too_few_songs_are_one_line(released, trained, tmp_path, capsys, rows, reason):
    trained_model(trained)
    table, model = table_of(tmp_path, rows), trained.with_name("songs_model")
    assert main(f"backtest {released} --popularity {table} --model {model}".split()) == 1
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith("error: ") and reason in error.splitlines()[-1]
