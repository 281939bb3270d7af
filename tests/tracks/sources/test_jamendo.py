"""Jamendo, against one on loopback: which rows come, and that none is asked for twice."""

import json

import pandas as pd
import pytest

from hiphoplib.errors import BadInput, TryLater
from hiphoplib.tracks.gather import get_tracks
from hiphoplib.tracks.sources.base import percentile_within
from tests.jamendo_server import (
    CLIENT_ID,
    COUNTS,
    SIZE,
    YEARS,
    Service,
    catalogue,
    failed,
    same,
    usable,
)

# the table

def test_rows_are_what_the_service_says(jamendo):
    tracks = get_tracks(jamendo(Service()))
    known = {track["id"]: track for track in catalogue()}
    for row in tracks.itertuples():
        track = known[row.id]
        assert track["audiodownload_allowed"] and row.preview_url == track["audiodownload"]
        assert (row.track, row.artists, row.artist_ids) == (
            track["name"], [track["artist_name"]], [track["artist_id"]])
        assert row.duration_ms == track["duration"] * 1000 and row.image == track["image"]
        assert f"{row.release_date:%Y-%m-%d}" == track["releasedate"] and row.album_name is None
        assert row.listens == track["stats"]["rate_listened_total"]
        assert row.licence == track["license_ccurl"] and row.source == "jamendo"
        assert (row.withheld is not None) == ("-nd/" in track["license_ccurl"])
    assert set(tracks["withheld"].dropna()) == {"licence forbids derivatives"}
    assert usable(tracks).sum() == 150 and usable(tracks).iloc[-1]


def test_popularity_is_the_percentile_among_the_gathered_of_the_same_year(jamendo):
    tracks = get_tracks(jamendo(Service()))
    assert "among the gathered tracks" in tracks["popularity_kind"][0]
    expected = percentile_within(tracks["listens"], tracks["release_date"].dt.year)
    pd.testing.assert_series_equal(tracks["popularity"], expected, check_names=False)


def test_licences_that_forbid_derivatives_are_taken_where_the_user_says_so(jamendo):
    tracks = get_tracks(jamendo(Service(), no_derivatives=True))
    assert tracks["withheld"].isna().all() and len(tracks) == 150
    assert tracks["licence"].str.contains("-nd/").any()


def test_every_page_is_asked_for_once_and_no_more_than_are_needed(jamendo):
    service = Service()
    get_tracks(jamendo(service))
    asked = [tuple(sorted(query.items())) for query in service.asked]
    assert len(set(asked)) == len(asked)
    pages = [query for query in service.asked if query["limit"] == str(SIZE)]
    assert len(asked) - len(pages) == COUNTS
    one_less = get_tracks(jamendo(Service(instead=lambda number: failed(6, "")
                          if number == len(asked) - 1 else None), n=150 - SIZE))
    assert usable(one_less).sum() == 150 - SIZE
    assert all({**query, "client_id": CLIENT_ID} == query and query["tags"] == "hiphop"
               and query["type"] == "single albumtrack" for query in service.asked)


def test_the_seed_says_which_tracks_and_another_seed_says_others(jamendo):
    one, other, again = (get_tracks(jamendo(Service(), seed=seed)) for seed in (0, 1, 0))
    assert same(one, again) and set(one["id"]) != set(other["id"])


def test_all_there_is_comes_where_that_is_less(jamendo):
    service = Service()
    tracks = get_tracks(jamendo(service, n=5000))
    allowed = [track["id"] for track in catalogue() if track["audiodownload_allowed"]]
    assert sorted(tracks["id"]) == sorted(allowed)
    assert len(service.asked) - COUNTS == sum(
        -(-sum(track["releasedate"][:4] == str(year) for track in catalogue()) // SIZE)
        for year in range(YEARS[0], YEARS[1] + 1))


# going on

def test_a_table_is_made_again_without_asking(jamendo, tmp_path, monkeypatch):
    first = jamendo(Service()).tracks(tmp_path)
    assert all(path.parent == tmp_path / "pages" for path in tmp_path.rglob("*.json"))
    monkeypatch.delenv("JAMENDO_CLIENT_ID")
    for offline in (False, True):
        service = Service()
        again = jamendo(service, offline=offline).tracks(tmp_path)
        pd.testing.assert_frame_equal(again, first)
        assert service.asked == []


def test_a_page_says_what_was_asked_and_when(jamendo, tmp_path):
    tracks = jamendo(Service()).tracks(tmp_path)
    pages = [json.loads(path.read_text()) for path in (tmp_path / "pages").iterdir()]
    assert set(tracks["collected_at"]) <= {page["asked_at"] for page in pages}
    for page in pages:
        assert page["query"]["tags"] == "hiphop" and "client_id" not in page["query"]
        assert page["answer"]["headers"]["status"] == "success"


def test_wherever_it_is_stopped_it_goes_on_to_the_same_table(jamendo, tmp_path):
    service = Service()
    whole, count = jamendo(service, n=120).tracks(), len(service.asked)
    assert count > COUNTS + 3
    for stop in range(count):
        keep = tmp_path / str(stop)
        stopped = Service(instead=lambda number, stop=stop: failed(6, "Rate limit exceeded.")
                          if number == stop else None)
        with pytest.raises(TryLater):
            jamendo(stopped, n=120).tracks(keep)
        assert len(stopped.asked) == stop + 1
        rest = Service()
        assert same(jamendo(rest, n=120).tracks(keep), whole)
        assert stopped.asked[:-1] + rest.asked == service.asked


def test_a_damaged_page_is_asked_for_again(jamendo, tmp_path):
    first = jamendo(Service()).tracks(tmp_path)
    pages = {path: json.loads(path.read_text()) for path in (tmp_path / "pages").iterdir()}
    path, page = next(item for item in pages.items() if item[1]["query"]["limit"] == SIZE)
    damages = [b"", b"{", path.read_bytes()[:5000], b"[]",
               *(json.dumps({**page, "answer": answer}).encode()
                 for answer in (None, [], {}, {"headers": 1, "results": []}))]
    for damage in damages:
        path.write_bytes(damage)
        path.with_name(f"{path.name}.part").write_bytes(b"half")
        service = Service()
        assert same(jamendo(service).tracks(tmp_path), first)
        assert len(service.asked) == 1


def test_more_tracks_begin_with_the_fewer(jamendo, tmp_path):
    few = jamendo(Service(), n=100).tracks(tmp_path)
    service = Service()
    many = jamendo(service, n=200).tracks(tmp_path)
    assert many["id"].tolist()[:len(few)] == few["id"].tolist() and usable(many).sum() == 200
    assert same(many, jamendo(Service(), n=200).tracks())
    assert service.asked and not any(query["limit"] == "1" for query in service.asked)


def test_offline_takes_what_is_there(jamendo, tmp_path):
    stopped = Service(instead=lambda number: failed(6, "") if number == COUNTS + 2 else None)
    with pytest.raises(TryLater):
        jamendo(stopped, n=200).tracks(tmp_path)
    service = Service()
    some = jamendo(service, n=200, offline=True).tracks(tmp_path)
    whole = jamendo(Service(), n=200).tracks()
    assert some["id"].tolist() == whole["id"].tolist()[:len(some)] and 0 < len(some) < len(whole)
    assert service.asked == []


def test_offline_passes_over_a_damaged_page(jamendo, tmp_path):
    jamendo(Service()).tracks(tmp_path)
    for path in list((tmp_path / "pages").iterdir()):
        page = json.loads(path.read_text())
        path.write_text(json.dumps({**page, "answer": [None]}))
        service = Service()
        assert len(jamendo(service, offline=True).tracks(tmp_path)) and service.asked == []
        path.write_text(json.dumps(page))


@pytest.mark.parametrize("kept", ["nowhere", "nothing", "only totals"])
def test_offline_without_answers_is_an_error(jamendo, tmp_path, kept):
    if kept == "only totals":
        service = Service(instead=lambda number: failed(6, "") if number == COUNTS else None)
        with pytest.raises(TryLater):
            jamendo(service).tracks(tmp_path)
    with pytest.raises(BadInput, match="no responses with tracks are kept.*without --offline"):
        jamendo(Service(), offline=True).tracks(None if kept == "nowhere" else tmp_path)
