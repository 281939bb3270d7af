"""The tracks table: what is let in, and what is said about the rest."""

import numpy as np
import pandas as pd
import pytest

from hiphoplib.errors import BadInput
from hiphoplib.tracks.cleaning import clean_tracks
from hiphoplib.tracks.gather import get_tracks
from hiphoplib.tracks.table import COLUMNS, REQUIRED, normalise, read_tracks, write_tracks
from tests.tables import raw_table as table


def from_csv(folder, text):
    folder.mkdir(exist_ok=True)
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


@pytest.mark.parametrize(
    "column, cells, said",
    [
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
        ("popularity", ["50", "a\nlot"], "not a number"),
    ],
)
def test_a_bad_cell_is_told_in_one_line_with_its_row_and_the_next_step(column, cells, said):
    with pytest.raises(BadInput) as error:
        normalise(table(**{column: cells}), where="my.csv")
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"my.csv, row {1 if said == 'twice' else 2}")
    assert column in message and said in message
    assert any(step in message for step in ("delete", "correct", "give", "fill"))


def test_many_bad_rows_are_counted():
    with pytest.raises(BadInput, match="2 more like it"):
        normalise(table(4, popularity=[1, 101, 102, 103]))


def test_popularity_and_a_preview_may_be_missing():
    tracks = normalise(table(popularity=["", None], preview_url=["", None]))
    assert tracks["popularity"].isna().all()
    assert tracks["preview_url"].isna().all()


@pytest.mark.parametrize(
    "cell, names",
    [
        (["A", "B"], ["A", "B"]),
        (np.array(["A", "B"], dtype=object), ["A", "B"]),
        ([" A ", ""], ["A"]),
    ],
)
def test_artists_may_be_a_list(cell, names):
    artists = pd.Series([cell, ["B"]], dtype=object)
    assert normalise(table(artists=artists))["artists"][0] == names


@pytest.mark.parametrize(
    "text, day",
    [
        ("2019", "2019-01-01"),
        ("2019-06", "2019-06-01"),
        ("2019-06-14", "2019-06-14"),
        ("2019-06-14T23:30:00Z", "2019-06-14T23:30"),
        ("", None),
        ("0000", None),
        ("soon", None),
        ("9999-12-31", None),
    ],
)
def test_dates_of_every_precision(text, day):
    dates = normalise(table(release_date=[text, "2020-02-02"]))["release_date"]
    assert str(dates.dtype) == "datetime64[ns]"
    assert dates[0] == pd.Timestamp(day) if day else pd.isna(dates[0])
    assert dates[1] == pd.Timestamp("2020-02-02")


def test_words_that_pandas_takes_for_nothing_are_names_as_well(tmp_path):
    tracks = from_csv(tmp_path, f"{HEAD}NA,5,None,null,x,\nnan,5,N/A,NaN,x,\n")
    assert tracks["id"].tolist() == ["NA", "nan"]
    assert tracks["track"].tolist() == ["None", "N/A"]
    assert tracks["artists"].tolist() == [["null"], ["NaN"]]


def test_ids_of_digits_stay_text_through_csv_and_parquet(tmp_path):
    read = from_csv(tmp_path, f"{HEAD}0001,5,0042,007,x,\n0002,6,t,a,x,2019\n")
    write_tracks(read, tmp_path)
    again = read_tracks(tmp_path)  # the parquet, which goes before the csv
    for tracks in (read, again):
        assert tracks["id"].tolist() == ["0001", "0002"]
        assert tracks["track"].tolist() == ["0042", "t"]
        assert tracks["artists"].tolist() == [["007"], ["a"]]
    pd.testing.assert_frame_equal(read, again)
    assert not list(tmp_path.glob("*.new"))


def test_why_a_row_is_withheld_is_text_or_none_in_tables_that_say_it(tmp_path):
    assert not {"withheld", "flag"} & set(normalise(table()))
    tracks = normalise(table(3, withheld=[" licence ", "", np.nan]))
    assert tracks["withheld"].tolist() == ["licence", None, None]
    write_tracks(tracks, tmp_path)
    pd.testing.assert_frame_equal(read_tracks(tmp_path), tracks)
    head = HEAD.replace("\n", ",withheld\n")
    read = from_csv(tmp_path / "csv", f"{head}1,5,t,a,x,,3\n2,5,u,a,y,,\n")
    assert read["withheld"].tolist() == ["3", None]


@pytest.mark.parametrize("content", [b"", b"no parquet at all"])
def test_a_damaged_parquet_is_told_in_one_line(tmp_path, content):
    (tmp_path / "tracks.parquet").write_bytes(content)
    with pytest.raises(BadInput) as error:
        read_tracks(tmp_path)
    assert "tracks.parquet" in str(error.value) and "\n" not in str(error.value)


def test_no_table_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(BadInput, match="python -m hiphoplib gather"):
        read_tracks(tmp_path / "nothing")


def test_get_tracks_names_its_source_and_those_there_are(source_folder):
    assert (get_tracks("folder", path=source_folder)["source"] == "folder").all()
    with pytest.raises(BadInput, match="'nope'.*synthetic, folder"):
        get_tracks("nope")


def test_the_real_corpus_fits_the_schema(liked_songs):
    tracks = get_tracks("folder", path=liked_songs)
    assert len(tracks) == 400
    assert tracks["id"].str.fullmatch(r"\d{4}").all()
    assert tracks["popularity"].between(0, 100).all()
    assert len(clean_tracks(tracks)[0]) == 400


def test_half_a_character_does_not_keep_a_table_from_being_written(tmp_path):
    half = pd.Series(["a \ud83d b", "c"], dtype=object)
    tracks = normalise(table(track=half, artists=['["\\ud83d x"]', '["y"]']))
    write_tracks(tracks, tmp_path)
    assert read_tracks(tmp_path)["track"].tolist() == ["a ? b", "c"]
    assert read_tracks(tmp_path)["artists"].tolist() == [["? x"], ["y"]]
