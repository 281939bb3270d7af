"""Gathering from Spotify: its tracks become rows, its changes and its terms are explained."""

import json

import pandas as pd
import pytest

from hiphoplib.errors import BadInput
from hiphoplib.tracks.gather import get_tracks
from hiphoplib.tracks.previews import Clip
from hiphoplib.tracks.sources.spotify import PERMISSION, TERMS, Spotify
from hiphoplib.tracks.table import COLUMNS
from tests import spotify_server
from tests.loopback import serving
from tests.paths import SHARED
from tests.spotify_gathering import ALWAYS, gather, refused, searches, serve, undisturbed
from tests.spotify_server import API, CLIPS, HOSTS, YEARS, after, page

pytestmark = pytest.mark.usefixtures("spotify")


def test_rows_are_what_the_service_said():
    assert list(undisturbed().columns) == COLUMNS and len(undisturbed()) == 1000
    said = {track["id"]: track for track in spotify_server.catalogue()}
    for row in undisturbed().itertuples():
        track = said[row.id]
        assert (row.track, row.popularity, row.duration_ms, row.explicit, row.isrc) == (
            track["name"],
            track["popularity"],
            track["duration_ms"],
            track["explicit"],
            track["external_ids"]["isrc"],
        )
        assert row.artists == [artist["name"] for artist in track["artists"]]
        assert row.artist_ids == [artist["id"] for artist in track["artists"]]
        assert (row.album_name, row.album_type, row.image) == (
            track["album"]["name"],
            track["album"]["album_type"],
            track["album"]["images"][0]["url"],
        )
        precision = len(track["album"]["release_date"])
        assert f"{row.release_date:%Y-%m-%d}"[:precision] == track["album"]["release_date"]
        assert row.preview_url == f"https://{CLIPS}/mp3-preview/{row.id}"  # no application's id
        assert (row.source, row.popularity_kind) == ("spotify", "Spotify popularity")
        assert "no training" in row.licence
    assert undisturbed()["isrc"].duplicated().sum() > 20  # a recording may have several releases
    assert undisturbed()["release_date"].dt.year.nunique() == YEARS[1] - YEARS[0] + 1


def test_pages_are_no_charts():  # not only what the search puts first
    _, server = gather(spotify_server.Spotify(), 300)
    assert len({offset for _, _, offset in searches(server)}) > 10
    other, _ = gather(spotify_server.Spotify(), 300, seed=1)
    assert len(set(other["id"]) & set(undisturbed(300)["id"])) < 200


@pytest.mark.parametrize(
    "era, named, not_named",
    [
        (2026, ["`popularity`", "February-March 2026", "development mode", "`preview_url`"], []),
        (2024, ["`preview_url`", "27 November 2024"], ["`popularity`"]),
    ],
)
def test_what_spotify_no_longer_gives_is_explained(tmp_path, era, named, not_named):
    said = refused(spotify_server.Spotify(era=era), keep=tmp_path)
    assert all(word in said for word in [*named, "extended quota", "gather fma"])
    assert not any(word in said for word in not_named)
    assert len(list((tmp_path / "pages").iterdir())) < 40  # found out early, and kept
    assert refused(spotify_server.Spotify(era=era), keep=tmp_path, offline=True) == said


def test_lost_popularity_alone_is_explained_too():
    tracks = [
        {key: value for key, value in track.items() if key != "popularity"}
        for track in spotify_server.catalogue()
    ]
    said = refused(spotify_server.Spotify(tracks), n=5)  # fewer than are needed to be sure early
    assert "`popularity`" in said and "`preview_url`" not in said


def test_a_field_that_some_rows_have_is_not_lost():
    tracks = [
        track if number % 25 == 0 else {**track, "popularity": None, "preview_url": None}
        for number, track in enumerate(spotify_server.catalogue())
    ]
    table, _ = gather(spotify_server.Spotify(tracks), 200)
    assert 0 < table["popularity"].notna().sum() < 50


def test_without_permission_nothing_is_asked_for(tmp_path):
    with pytest.raises(BadInput) as caught:
        gather(spotify_server.Spotify(), keep=tmp_path, permission=False)
    assert caught.value.server.log == []
    said = str(caught.value)
    assert said.startswith(TERMS) and "--i-have-permission" in said and PERMISSION in said
    with serving(spotify_server.Spotify(), *HOSTS) as (server, session):
        with pytest.raises(BadInput, match="--i-have-permission"):
            Spotify(session=session).preview(Clip("x", f"https://{CLIPS}/mp3-preview/x"))
        assert server.log == []


def test_the_terms_are_said_once_before_the_first_request(monkeypatch, capsys):
    monkeypatch.setenv(PERMISSION, "yes")
    service, said = spotify_server.Spotify(clips=lambda track_id: b"clip"), []

    def listening(request):
        said.append(capsys.readouterr().err)
        return service(request)

    with serving(listening, *HOSTS) as (_, session):
        source = Spotify(20, years=YEARS, session=session)
        tracks = get_tracks(source)
        assert source.preview(next(tracks.itertuples())) == b"clip"
    assert said[0] == f"{TERMS}\n" and not any(said[1:])
    assert all(word in TERMS for word in ("III.14", "IV.2.a.i", "forbid training", "gather fma"))


def test_settings_tell_corpora_apart_and_hold_no_credential():
    settings = Spotify(5, seed=3, genre="boom bap", years=(1990, 1999)).settings
    assert settings == json.loads(json.dumps(settings))
    assert (
        settings
        == Spotify(50, seed=3, genre="boom bap", years=[1990, 1999], permission=True).settings
    )
    others = [Spotify(seed=4), Spotify(genre="rap"), Spotify(years=(1990, 2000)), Spotify()]
    assert len({json.dumps(source.settings) for source in others}) == 4


def test_a_genre_of_two_words_is_one_genre():
    with pytest.raises(BadInput, match="no track of genre 'boom bap' from 2017 to 2017"):
        gather(serve([{"tracks": {"items": [], "total": 0}}]), genre="boom bap", years=(2017, 2017))
    service = serve([{"tracks": {"items": [spotify_server.catalogue()[0]], "total": 1}}])
    _, server = gather(service, n=1, genre="boom bap", years=(2017, 2017))
    assert searches(server)[0][0].startswith('genre:"boom bap" year:2017 track:')


@pytest.mark.parametrize(
    "options",
    [
        {"n": 0},
        {"seed": -1},
        {"genre": ""},
        {"genre": 'a" year:"1'},
        {"years": (2000, 1999)},
        {"years": (1, 2)},
        {"years": (2000,)},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(BadInput, match="^spotify: "):
        Spotify(**options)


GOOD = spotify_server.catalogue()[0]
ODD = [
    None,
    "track",
    7,
    [],
    {},
    {**GOOD, "id": None},
    {**GOOD, "id": "../../x"},
    {**GOOD, "id": "x" * 300},
    {**GOOD, "artists": None},
    {**GOOD, "artists": []},
    {**GOOD, "artists": [None, {"name": " "}]},
    {**GOOD, "id": ["a"]},
]
TAKEN = {
    "name": [None, 5, "", "half \ud83d a pair", "x" * 9999],
    "album": [None, [], "DAMN.", {}, {"name": 1, "images": "none", "release_date": 2017}],
    "external_ids": [None, [], "isrc", {"isrc": 5}],
    "explicit": [None, "yes", 1],
    "popularity": [None, True, "fifty", -1, 101, 1e400, float("nan"), [50]],
    "duration_ms": [None, 0, -5, "long", 1e300, True],
    "preview_url": [None, 5, ""],
    "artists": [[{"name": "A"}], [{"name": "A", "id": []}, None, {"name": "\ud83d", "id": "x"}]],
    "external_urls": [None],
    "is_local": [True],
    "type": ["episode"],
}
DATES = {
    "2017": "2017-01-01",
    "2017-04": "2017-04-01",
    "2017-04-14": "2017-04-14",
    "0000": None,
    "2017-13-45": None,
    "9999-12-31": None,
    "": None,
    "last year": None,
    None: None,
}


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
    odd = [
        {**GOOD, "id": f"odd{field.replace('_', '')}{number}", field: value}
        for field, values in TAKEN.items()
        for number, value in enumerate(values)
    ]
    whole, table = table_of([GOOD]).iloc[0], table_of([GOOD, *odd])
    assert list(table.index) == [GOOD["id"], *(track["id"] for track in odd)]
    for track in odd[:5]:
        assert table.loc[track["id"]].drop("track").equals(table.iloc[0].drop("track"))
    assert whole["track"] == table.iloc[0]["track"]
    for field in ("popularity", "duration_ms", "explicit", "preview_url"):
        rows = table.loc[
            [track["id"] for track in odd if track["id"].startswith(f"odd{field.replace('_', '')}")]
        ]
        assert rows[field].isna().all()
    assert list(table.loc["oddartists1", "artists"]) == ["A", "?"]
    assert table.loc["oddartists1", "artist_ids"] is None  # not those of others


def test_dates_of_every_precision():
    table = table_of(
        [
            {**GOOD, "id": f"date{number}", "album": {"release_date": date}}
            for number, date in enumerate(DATES)
        ]
    )
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
            item["name"].strip(),
            item["popularity"],
            item["artists"][0]["name"],
            item["external_ids"]["isrc"],
            item["duration_ms"],
        )
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
