"""Spotify's track objects, real ones and broken ones, as rows of the table."""

import json

import pandas as pd
import pytest

from tests import spotify_server
from tests.paths import SHARED
from tests.spotify_gathering import ALWAYS, gather, refused, serve
from tests.spotify_server import API, CLIPS, after, page

pytestmark = pytest.mark.usefixtures("spotify")


GOOD = spotify_server.catalogue()[0]
ODD = [None, "track", 7, [], {}, {**GOOD, "id": None}, {**GOOD, "id": "../../x"},
       {**GOOD, "id": "x" * 300}, {**GOOD, "artists": None}, {**GOOD, "artists": []},
       {**GOOD, "artists": [None, {"name": " "}]}, {**GOOD, "id": ["a"]}]
TAKEN = {
    "name": [None, 5, "", "half \ud83d a pair", "x" * 9999],
    "album": [None, [], "DAMN.", {}, {"name": 1, "images": "none", "release_date": 2017}],
    "external_ids": [None, [], "isrc", {"isrc": 5}], "explicit": [None, "yes", 1],
    "popularity": [None, True, "fifty", -1, 101, 1e400, float("nan"), [50]],
    "duration_ms": [None, 0, -5, "long", 1e300, True], "preview_url": [None, 5, ""],
    "artists": [[{"name": "A"}], [{"name": "A", "id": []}, None, {"name": "\ud83d", "id": "x"}]],
    "external_urls": [None], "is_local": [True], "type": ["episode"],
}
DATES = {"2017": "2017-01-01", "2017-04": "2017-04-01", "2017-04-14": "2017-04-14", "0000": None,
         "2017-13-45": None, "9999-12-31": None, "": None, "last year": None, None: None}


def table_of(items):
    """What becomes of these items, when every page holds them."""
    answer = page({"tracks": {"items": items, "total": 1}})
    service = spotify_server.Spotify(faults={API: after(ALWAYS, answer)})
    return gather(service, n=len(items), years=(2017, 2017))[0].set_index("id")


def test_what_is_no_track_costs_one_row():
    assert list(table_of([*ODD, GOOD, *ODD]).index) == [GOOD["id"]]


def test_of_a_track_that_comes_twice_the_first_counts():
    table = table_of([GOOD, {**GOOD, "popularity": 101 - GOOD["popularity"]}])
    assert list(table["popularity"]) == [GOOD["popularity"]]


def test_a_field_of_another_kind_is_missing_in_that_row_alone():
    odd = [{**GOOD, "id": f"odd{field.replace('_', '')}{number}", field: value}
           for field, values in TAKEN.items() for number, value in enumerate(values)]
    whole, table = table_of([GOOD]).iloc[0], table_of([GOOD, *odd])
    assert list(table.index) == [GOOD["id"], *(track["id"] for track in odd)]
    for track in odd[:5]:
        assert table.loc[track["id"]].drop("track").equals(table.iloc[0].drop("track"))
    assert whole["track"] == table.iloc[0]["track"]
    for field in ("popularity", "duration_ms", "explicit", "preview_url"):
        rows = table.loc[[track["id"] for track in odd if track["id"].startswith(
            f"odd{field.replace('_', '')}")]]
        assert rows[field].isna().all()
    assert list(table.loc["oddartists1", "artists"]) == ["A", "?"]
    assert table.loc["oddartists1", "artist_ids"] is None  # not those of others


def test_dates_of_every_precision():
    table = table_of([{**GOOD, "id": f"date{number}", "album": {"release_date": date}}
                      for number, date in enumerate(DATES)])
    for date, expected in zip(table["release_date"], DATES.values()):
        assert date == pd.Timestamp(expected) if expected else pd.isna(date)


def real_pages(era):
    """The answers that an application of an era got."""
    folder = SHARED / "spotify" / f"search_pages_{era}"
    if not folder.is_dir():
        pytest.skip(f"no real pages at {folder}; they are not part of the repository")
    return [json.loads(path.read_text()) for path in sorted(folder.iterdir())]


def test_real_pages_of_2021_become_rows(tmp_path):
    pages = real_pages(2021)
    items = {item["id"]: item for answer in pages for item in answer["tracks"]["items"]}
    table, _ = gather(serve(pages), n=len(items), keep=tmp_path)
    assert len(table) == len(items) == 300
    for row in table.itertuples():
        item = items[row.id]
        assert (row.track, row.popularity, row.artists[0], row.isrc, row.duration_ms) == (
            item["name"].strip(), item["popularity"], item["artists"][0]["name"],
            item["external_ids"]["isrc"], item["duration_ms"])
        assert str(row.release_date.year) == item["album"]["release_date"][:4]
        assert (row.preview_url is None) == (item["preview_url"] is None)
        assert not row.preview_url or row.preview_url == item["preview_url"].partition("?")[0]
    assert table["image"].notna().all() and table["artist_ids"].notna().all()


def test_real_pages_of_2026_are_explained():
    pages = real_pages(2026)
    assert "none of 5" in refused(serve(pages), n=59)
    for answer in pages:  # were there anything to listen to and to predict, they would be rows
        for item in filter(None, answer["tracks"]["items"]):
            item |= {"popularity": 50, "preview_url": f"https://{CLIPS}/mp3-preview/x"}
    table, _ = gather(serve(pages), n=59)
    assert len(table) == 59 and table["isrc"].notna().all()
