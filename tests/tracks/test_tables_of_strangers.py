"""Tables as people have them: read where there is one way to read them, else refused with a row."""

import io
import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hiphoplib.cli import main
from hiphoplib.dataset.splits import artist_groups, split_tracks
from hiphoplib.errors import BadInput
from hiphoplib.tracks.cells import as_numbers
from hiphoplib.tracks.sources.base import Clip, Folder
from hiphoplib.tracks.table import read_tracks, write_tracks
from tests.paths import SHARED
from tests.tables import raw_table

HEAD = [
    "id",
    "popularity",
    "track",
    "artists",
    "preview_url",
    "release_date",
    "explicit",
    "duration_ms",
]
RAP = SHARED / "spotify" / "rap_tracks_2020.csv"
ROW = ["1", "50", "Song", "A", "audio/1.mp3", "2019-06-14", "True", "200000"]


@pytest.fixture
def read(tmp_path):
    """Function of a file's content, that reads the corpus of which it is the table."""

    def make(content, name="tracks.csv"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_tracks(tmp_path)

    return make


@pytest.fixture
def cells(read):
    """Function of a column's cells, as text in a CSV file, that reads them."""

    def make(column, *texts):
        table = pd.DataFrame([ROW] * len(texts), columns=HEAD).assign(**{column: texts})
        table["id"] = [str(number) for number in range(len(texts))]
        return read(table.to_csv(index=False))[column].tolist()

    return make


def parquet(**columns):
    """Bytes of a parquet file of two rows, as others write it."""
    raw_table(**columns).to_parquet(file := io.BytesIO())
    return file.getvalue()


# ways to write a table

TABLE = (
    ",".join(HEAD) + "\n" + ",".join(ROW) + "\n2,60,Søng,Beyoncé,audio/2.mp3,2019-06-14,False,"
    "200000\n"
)


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode(),
        TABLE.encode("utf-8-sig"),
        TABLE.encode("utf-16"),
        TABLE.encode("cp1252"),
        TABLE.replace("\n", "\r\n"),
        TABLE.replace(",", ";"),
        TABLE.replace(",", "\t"),
        TABLE.replace(",", "|"),
        "sep=;\n" + TABLE.replace(",", ";"),
        "\n\n" + TABLE,
        TABLE.replace("preview_url", " Preview URL "),
        TABLE + ",,,,,,,\n",
        TABLE.replace(",", ", "),
        "\n".join(f"{number},{line}" for number, line in zip(["", 0, 1], TABLE.splitlines())),
        TABLE.replace("\n", ",\n"),
    ],
)
def test_one_table_is_one_however_it_was_saved(read, content):
    tracks = read(content)
    assert tracks["artists"].tolist() == [["A"], ["Beyoncé"]]
    assert tracks["track"].tolist() == ["Song", "Søng"]
    assert tracks["popularity"].tolist() == [50, 60]
    assert set(tracks) == set(read(TABLE))


def test_an_encoding_that_is_a_guess_is_told(read, capsys):
    read(TABLE.encode("cp1252"))
    assert "read as Windows-1252, with words such as “Søng”" in capsys.readouterr().err
    read(TABLE.encode("utf-16"))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "content, said",
    [
        (
            TABLE.replace("Beyoncé", "Скриптонит").encode("cp1251", "replace"),
            "line 3: in no encoding",
        ),
        (
            TABLE.encode("cp1252") + TABLE.splitlines()[2].replace("2,", "3,", 1).encode(),
            "in no encoding",
        ),
        (TABLE.encode("utf-16-le"), "not text"),
        (b"PK\x03\x04" + bytes(range(256)), "not text"),
        (TABLE.encode("utf-16")[:-1], "in no encoding"),
        ("", "it is empty"),
        (TABLE + "3,50,Song\n", "line 4: 3 cells, in the first line 8"),
        (TABLE + "3,50,Go, Now,A,x,2019,True,1\n", "line 4: 9 cells"),
        (TABLE.replace("Song", '"Song'), "line 3"),
        (TABLE + '3,50,"So,A,x,2019,,1\n4,50,"So",A,x,2019,,1\n', "line 5"),
        (TABLE + '3,50,"So,A,x,2019,,1\n4,50,So",A,x,2019,,1\n', "holds whole rows"),
        (TABLE.replace("track", "id", 1), "two columns are called id"),
        (TABLE.replace("track", "ID", 1), "two columns are called id"),
        ("popularity,track\n1,a\n", "no column id, artists, preview_url"),
    ],
)
def test_a_file_that_can_be_read_in_several_ways_is_refused(read, content, said):
    with pytest.raises(BadInput, match=said) as error:
        read(content)
    assert "\n" not in str(error.value) and ";" in str(error.value)


# artists


@pytest.mark.parametrize(
    "text, names",
    [
        ("['A' 'B']", ["A", "B"]),
        ("['It\\'s' \"B's\"\n 'C']", ["It's", "B's", "C"]),
        ("('A', 'B')", ["A", "B"]),
        ("('A',)", ["A"]),
        ("{'A', 'B'}", ["A", "B"]),
        ("array(['A', 'B'], dtype=object)", ["A", "B"]),
        ('["A", "B"]', ["A", "B"]),
        ("[np.str_('A'), np.str_('B')]", ["A", "B"]),
        ("['Jay\\xa0Z']", ["Jay Z"]),
        ("A;B", ["A", "B"]),
        ("A | B", ["A", "B"]),
        ("[A$AP] Mob", ["[A$AP] Mob"]),
        ("[KRTM]", ["[KRTM]"]),
        ("(G)I-DLE", ["(G)I-DLE"]),
        ("Tyler, The Creator", ["Tyler, The Creator"]),
        ("AC/DC", ["AC/DC"]),
        ("Jay  Z", ["Jay Z"]),
        ("nan", ["nan"]),
        ("Beyonce\u0301", ["Beyonc\u00e9"]),
    ],
)
def test_artists_are_read_however_a_list_is_written(cells, text, names):
    assert cells("artists", text, "Other") == [names, ["Other"]]


@pytest.mark.parametrize(
    "text",
    [
        "[A, B]",
        "['D'Angelo']",
        "['A', nan]",
        "['A' 'B' ... 'Z']",
        '[{"name": "A"}]',
        "[1.5, 2.5]",
        '{"name": "A"}',
        '["A"',
        "['A\\d']",
        '[\\A\\"]"',
    ],
)
def test_a_list_that_is_not_clear_is_refused(cells, text):
    with pytest.raises(BadInput, match=r"row 2: artists is .*write it as JSON"):
        cells("artists", "Other", text)


@pytest.mark.parametrize("text", ["Drake, Future", "Future/Drake", "drake , Ada", "Ada, DRAKE"])
def test_one_name_or_several_is_told_where_a_part_stands_alone(cells, capsys, text):
    assert cells("artists", text, "Drake") == [[" ".join(text.split())], ["Drake"]]
    assert f"one name in 1 rows that may name several ('{text}'; rows 1)" in capsys.readouterr().err
    cells("artists", *[text] * 11, "Drake")
    said = capsys.readouterr().err
    assert "in 11 rows" in said and "rows 1, 2, 3, 4, 5, 6, 7, 8, 9, …" in said
    assert cells("artists", f'["{text}"]', "Drake") == [[" ".join(text.split())], ["Drake"]]
    assert cells("artists", "Tyler, The Creator", "Drake")[0] == ["Tyler, The Creator"]
    assert capsys.readouterr().err == ""


def test_as_many_ids_as_names_tell_that_they_are_several(read, capsys):
    tracks = read(
        parquet(artists=["50 Cent, DJ Whoo Kid", "50 Cent"], artist_ids=["a, b", "a"]),
        "tracks.parquet",
    )
    assert tracks["artists"].tolist() == [["50 Cent", "DJ Whoo Kid"], ["50 Cent"]]
    assert tracks["artist_ids"].tolist() == [["a", "b"], ["a"]]
    tracks = read(
        parquet(artists=["Tyler, The Creator", "Tyler"], artist_ids=["a", "b"]), "tracks.parquet"
    )
    assert tracks["artists"].tolist() == [["Tyler, The Creator"], ["Tyler"]]
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not RAP.is_file(), reason="the table is not part of the project")
def test_the_table_of_2020_is_read_whole(read, capsys):
    table = pd.read_csv(RAP, keep_default_na=False)
    names = {
        "track_name": "track",
        "track_artist": "artists",
        "track_popularity": "popularity",
        "track_album_release_date": "release_date",
    }
    tracks = read(table.rename(columns=names).assign(id=table.index, preview_url="x").to_csv())
    assert len(tracks) == len(table) and tracks["release_date"].notna().all()
    several = tracks["artists"][tracks["artists"].str.len() > 1]
    assert several.tolist() == [["Khea", "Omar Varela"]]
    assert (
        "one name in 2 rows that may name several ('50 Cent, DJ Whoo Kid'; rows 2837, 3504)"
        in capsys.readouterr().err
    )


def test_what_pandas_writes_of_its_own_parquet_keeps_every_artist_in_one_set(read, tmp_path):
    guests = [[f"Artist {n}"] if n % 2 else [f"Artist {n}", f"Artist {n + 1}"] for n in range(100)]
    columns = {
        "id": [str(n) for n in range(100)],
        "popularity": np.arange(100.0),
        "track": [f"Song {n}" for n in range(100)],
        "preview_url": "x",
    }
    file = io.BytesIO()
    pd.DataFrame({**columns, "artists": guests}).to_parquet(file)
    again = pd.read_parquet(file).to_csv(index=False)
    assert "['Artist 0' 'Artist 1']" in again
    tracks = read(again)
    assert tracks["artists"].tolist() == guests
    sides = split_tracks(tracks)[0].loc[tracks["id"]].to_numpy()
    assert (
        tracks.assign(side=sides).explode("artists").groupby("artists")["side"].nunique().max() == 1
    )


def test_names_that_look_alike_are_one_artist(cells, read):
    spelled = ["Beyonc\u00e9", "Beyonce\u0301", "beyonc\u00e9", " Beyonc\u00e9\u00a0"]
    cells("artists", *spelled)
    assert artist_groups(read_tracks_of(read, spelled)).nunique() == 1


def read_tracks_of(read, artists):
    table = pd.DataFrame([ROW] * len(artists), columns=HEAD).assign(artists=artists)
    table["id"] = [str(number) for number in range(len(artists))]
    return read(table.to_csv(index=False))


# dates


@pytest.mark.parametrize(
    "texts, days",
    [
        (["6/14/2019", "6/7/2019"], ["2019-06-14", "2019-06-07"]),
        (["14/6/2019", "7/6/2019"], ["2019-06-14", "2019-06-07"]),
        (["14-06-2019", "07-06-2019"], ["2019-06-14", "2019-06-07"]),
        (["7.6.2019", "14. 6. 2019"], ["2019-06-07", "2019-06-14"]),
        (["6/6/2019", "7/7/2019"], ["2019-06-06", "2019-07-07"]),
        (["6/14/2019 0:00", "6/7/2019 12:30 PM"], ["2019-06-14", "2019-06-07"]),
        (["June 14, 2019", "Jun 7 2019"], ["2019-06-14", "2019-06-07"]),
        (["14 June 2019", "7-Jun-2019"], ["2019-06-14", "2019-06-07"]),
        (["June 2019", "06/2019"], ["2019-06-01", "2019-06-01"]),
        (["2019.0", "2019"], ["2019-01-01", "2019-01-01"]),
        (["2019-00-00", "2019-06-00"], ["2019-01-01", "2019-06-01"]),
        (["20190614", "2019/6/7"], ["2019-06-14", "2019-06-07"]),
        (["14/6/2019", "2019-06-07"], ["2019-06-14", "2019-06-07"]),
    ],
)
def test_dates_are_read_as_the_whole_column_shows(cells, capsys, texts, days):
    assert cells("release_date", *texts) == [pd.Timestamp(day) for day in days]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "texts, row",
    [
        (["6/7/2019"], 1),
        (["2019-06-14", "6/7/2019", "7/6/2019"], 2),
        (["6/14/2019", "14/6/2019", "6/7/2019"], 3),
        (["14.6.2019", "6/7/2019"], 2),
    ],
)
def test_a_date_of_which_day_and_month_are_not_clear_is_refused(cells, texts, row):
    with pytest.raises(BadInput, match=f"row {row}: release_date is '6/7/2019'.*like 2019-06-14"):
        cells("release_date", *texts)


def test_a_day_before_the_month_after_the_year_is_refused(cells):
    with pytest.raises(BadInput, match="row 2: release_date is '2019-14-06', so that in others"):
        cells("release_date", "2019-07-06", "2019-14-06")


@pytest.mark.parametrize(
    "text", ["43630", "soon", "1560470400000", "31.02.2019", "14.06.19", "9999-12-31", "12:30"]
)
def test_many_dates_that_cannot_be_read_are_told(cells, capsys, text):
    assert pd.isna(cells("release_date", "2019", text)[1])
    assert f"left out, such as '{text}' in row 2" in capsys.readouterr().err
    cells("release_date", *["2019"] * 99, text)
    assert capsys.readouterr().err == ""  # one in a hundred happens


@pytest.mark.parametrize("text", ["", "0000", "0000-00-00", "N/A", "NaT", "-"])
def test_dates_that_are_not_known_are_no_news(cells, capsys, text):
    assert pd.isna(cells("release_date", "2019", text)[1])
    assert capsys.readouterr().err == ""


# numbers and the rest


@pytest.mark.parametrize(
    "column, text, value",
    [
        ("popularity", "53,5", 53.5),
        ("popularity", "53,125", 53.125),
        ("popularity", " 53 ", 53),
        ("popularity", "53.", 53),
        ("popularity", ",5", 0.5),
        ("popularity", "5.3e1", 53),
        ("popularity", "53.125", 53.125),
        ("popularity", "+7", 7),
        ("popularity", "５３", 53),
        ("duration_ms", "215.000", 215000),
        ("duration_ms", "215,000", 215000),
        ("duration_ms", "1.234.567", 1234567),
        ("duration_ms", "215'000", 215000),
        ("duration_ms", "215\u202f000", 215000),
        ("duration_ms", "215000.0", 215000),
        ("duration_ms", "215,000.5", 215000.5),
        ("duration_ms", "2.15E+05", 215000),
        ("explicit", "1.0", True),
        ("explicit", "Yes", True),
        ("explicit", "no", False),
        ("explicit", "FALSE", False),
        ("explicit", "Y", True),
        ("explicit", "Clean", False),
        ("preview_url", "audio\\1.mp3", "audio/1.mp3"),
        ("preview_url", "https://a.example/b\\c", "https://a.example/b\\c"),
    ],
)
def test_cells_are_read_however_they_are_written(cells, column, text, value):
    assert cells(column, text, text) == [value, value]


def test_a_number_with_both_signs_is_clear_without_its_kind():
    assert as_numbers(pd.Series(["1,234.5", "1.234,5"])).tolist() == [1234.5, 1234.5]


@pytest.mark.parametrize("column", ["popularity", "duration_ms", "explicit", "preview_url"])
def test_words_for_nothing_cost_no_more_than_their_cell(cells, column):
    words = ["N/A", "n/a", "nan", "None", "NULL", "-", "?", "\\N", "#N/A", "unknown", ""]
    *nothing, known = cells(column, *words, ROW[HEAD.index(column)])
    assert pd.isna(nothing).all() and pd.notna(known)


@pytest.mark.parametrize(
    "column, text",
    [
        ("popularity", "53%"),
        ("popularity", "1,2,3"),
        ("popularity", "1,2.3,4"),
        ("popularity", "1 2"),
        ("popularity", "0x1A"),
        ("popularity", "1_0"),
        ("popularity", "inf"),
        ("popularity", "1.234,5"),
        ("popularity", "popularity"),
        ("duration_ms", "3:20"),
        ("duration_ms", "1.23.456"),
        ("duration_ms", "inf"),
        ("explicit", "maybe"),
        ("explicit", "2"),
    ],
)
def test_what_is_neither_known_nor_unknown_is_refused_with_its_row(cells, column, text):
    with pytest.raises(BadInput, match=rf"row 2( \(id '1'\))?: {column} .*(correct|give) it"):
        cells(column, ROW[HEAD.index(column)], text)


@pytest.mark.parametrize(
    "columns, name, read_as",
    [
        ({"release_date": [2019, 2020]}, "release_date", ["2019-01-01", "2020-01-01"]),
        ({"release_date": [2019, None]}, "release_date", ["2019-01-01", "NaT"]),
        (
            {"release_date": np.array(["9999-12-31", "2019-01-01"], "datetime64[us]")},
            "release_date",
            ["NaT", "2019-01-01"],
        ),
        (
            {"release_date": pd.to_datetime(["2019-01-01", "2020-01-01"]).date},
            "release_date",
            ["2019-01-01", "2020-01-01"],
        ),
        ({"artists": [b"A", b"B"]}, "artists", [["A"], ["B"]]),
        ({"artists": [["A", None], ["B"]]}, "artists", [["A"], ["B"]]),
        ({"artists": [[1, 2], [3]]}, "artists", [["1", "2"], ["3"]]),
        ({"artists": pd.Categorical(["A", "B"])}, "artists", [["A"], ["B"]]),
        ({"popularity": pd.Categorical(["1", "2,5"])}, "popularity", [1, 2.5]),
        ({"popularity": pd.array([1, None], "Int64")}, "popularity", [1, np.nan]),
        ({"id": [1, 2]}, "id", ["1", "2"]),
    ],
)
def test_a_parquet_of_other_types_is_read(read, columns, name, read_as):
    found = read(parquet(**columns), "tracks.parquet")[name]
    if name == "release_date":
        found = found.dt.strftime("%Y-%m-%d").fillna("NaT")
    pd.testing.assert_series_equal(found, pd.Series(read_as, name=name), check_dtype=False)


def test_a_parquet_with_ids_as_its_index_is_read(read):
    table = pd.read_parquet(io.BytesIO(parquet())).set_index("id")
    table.to_parquet(file := io.BytesIO())
    assert read(file.getvalue(), "tracks.parquet")["id"].tolist() == ["0000", "0001"]


@pytest.mark.parametrize("name, most", [("MAX_ROWS", 1), ("MAX_BYTES", 10)])
def test_a_parquet_is_not_unpacked_without_end(read, monkeypatch, name, most):
    monkeypatch.setattr(f"hiphoplib.tracks.table.{name}", most)
    with pytest.raises(BadInput, match="2 rows of 0 MiB, more than are unpacked"):
        read(parquet(), "tracks.parquet")


@pytest.mark.parametrize("lists", [False, True])
def test_a_text_that_a_parquet_repeats_counts_unpacked(read, lists):
    """The file holds a megabyte once, and memory would have to hold it 10,000 times."""
    n = 10_000
    artists = pa.DictionaryArray.from_arrays(pa.array([0] * n), pa.array(["x" * 2**20]))
    if lists:
        artists = pa.ListArray.from_arrays(pa.array(range(n + 1), pa.int32()), artists)
    table = pa.table({"id": pa.array(range(n)).cast(pa.string()), "artists": artists})
    pq.write_table(table, file := io.BytesIO(), store_schema=False)
    assert len(file.getvalue()) < 2e6
    with pytest.raises(BadInput, match="10,000 rows of 10,000 MiB, more than are unpacked"):
        read(file.getvalue(), "tracks.parquet")


def test_structures_in_a_parquet_are_refused(read):
    with pytest.raises(BadInput, match="row 1: artists is .*JSON"):
        read(parquet(artists=[[{"name": "A"}], [{"name": "B"}]]), "tracks.parquet")


@pytest.mark.parametrize(
    "columns, said",
    [
        ({"artist_ids": [["a"], None]}, "1 of 2 tracks have no artist id"),
        ({"artists": ["Various Artists", "B"]}, "1 of 2 tracks name nobody as their artist"),
        ({"artists": ["BeyoncÃ©", "B"]}, "1 of 2 tracks have garbled letters"),
        ({"duration_ms": [200.0, 200000.0]}, "1 of 2 tracks are shorter than 10 s"),
        ({"popularity": [0.5, 1.0]}, "1 of 2 tracks have a popularity below 1"),
    ],
)
def test_what_is_read_but_looks_wrong_is_told(read, capsys, columns, said):
    read(parquet(**columns), "tracks.parquet")
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1 and said in shown.err and shown.out == ""
    read(parquet(), "tracks.parquet")
    assert capsys.readouterr().err == ""


def test_a_table_that_was_read_reads_the_same_again(read, tmp_path, capsys):
    tracks = read(TABLE.replace("Beyoncé", '"Tyler, The Creator"'))
    write_tracks(tracks, tmp_path)
    pd.testing.assert_frame_equal(read_tracks(tmp_path), tracks)


# clips


@pytest.mark.parametrize(
    "named, lies",
    [
        ("audio\\1.mp3", "audio/1.mp3"),
        ("Audio/1.MP3", "audio/1.mp3"),
        ("audio/Beyoncé.mp3", unicodedata.normalize("NFD", "audio/Beyoncé.mp3")),
        (unicodedata.normalize("NFD", "Ä/é.mp3"), unicodedata.normalize("NFC", "Ä/é.mp3")),
        ("./audio//1.mp3", "audio/1.mp3"),
    ],
)
def test_a_clip_is_found_however_its_path_is_written(cells, tmp_path, named, lies):
    (tmp_path / lies).parent.mkdir(parents=True)
    (tmp_path / lies).write_bytes(b"sound")
    (place,) = cells("preview_url", named)
    assert Folder(tmp_path).preview(Clip("1", place)) == b"sound"


def test_a_clip_that_two_files_could_be_is_none(tmp_path):
    for name in ("A.mp3", "a.mp3"):
        (tmp_path / name).write_bytes(b"sound")
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("names differ by more than case on this disk")
    with pytest.raises(BadInput, match="no such file"):
        Folder(tmp_path).preview(Clip("1", "A.MP3"))


def test_a_doubtful_table_ends_a_command_in_one_line(read, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "tracks.csv").write_text(TABLE.replace("2019-06-14", "6/7/2019"))
    assert main(["gather", "folder", str(tmp_path / "mine"), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and "row 1" in error
    assert not (tmp_path / "out").exists()
