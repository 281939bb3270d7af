"""Gathering from Spotify: nothing lost, nothing twice, no credential given away."""

import base64
import io
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from hiphoplib import credentials, web
from hiphoplib.errors import BadInput, TryLater, Unreachable
from hiphoplib.previews import Clip
from hiphoplib.sources import spotify_search
from hiphoplib.sources.spotify import PERMISSION, TERMS, Spotify
from hiphoplib.tests import spotify_server
from hiphoplib.tests.loopback import Reply, rerouted, serving
from hiphoplib.tests.spotify_server import (
    ACCOUNTS,
    API,
    CLIENT_ID,
    CLIPS,
    HOSTS,
    SECRET,
    YEARS,
    after,
    at,
    at_random,
    error,
    page,
)
from hiphoplib.tracks import COLUMNS, get_tracks

ALWAYS = 0  # `after(ALWAYS, fault)`


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    """Credentials of the invented application, short pauses, an empty working directory."""
    monkeypatch.setenv("SPOTIPY_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", SECRET)
    monkeypatch.delenv(PERMISSION, raising=False)
    monkeypatch.setattr(web, "PAUSE", 0.001)
    monkeypatch.setattr(credentials, "_secrets", set())
    monkeypatch.chdir(tmp_path)
    factory = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(factory)


def gather(service, n=120, keep=None, **options):
    """The table that a service gives, in the schema, and what was asked for."""
    options = {"years": YEARS, "permission": True, **options}
    with serving(service, *HOSTS) as (server, session):
        try:
            return get_tracks(Spotify(n, session=session, **options), keep), server
        except BadInput as refused:
            refused.server = server
            raise


def refused(service, kind=BadInput, **options):
    """The one line that a gathering ends with."""
    with pytest.raises(BadInput) as caught:
        gather(service, **options)
    assert isinstance(caught.value, kind)
    assert kind is not BadInput or not isinstance(caught.value, (Unreachable, TryLater))
    said = str(caught.value)
    assert said.isprintable() and 20 < len(said) < 600
    return said


def searches(server):
    """(query, page size, offset) of every search that a server was asked for."""
    return [(request.query["q"], int(request.query["limit"]), int(request.query["offset"]))
            for request in server.requests if request.host == API]


@pytest.fixture(scope="module")
def undisturbed():
    """The table of 1,000 tracks when nothing goes wrong."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPOTIPY_CLIENT_ID", CLIENT_ID)
        patch.setenv("SPOTIPY_CLIENT_SECRET", SECRET)
        return gather(spotify_server.Spotify(), 1000)[0]


def same(tracks, expected):
    """The same rows in the same order, but for when they were asked for."""
    pd.testing.assert_frame_equal(tracks.drop(columns="collected_at"),
                                  expected.drop(columns="collected_at"))


def test_a_thousand_tracks_come_through_faults(undisturbed, tmp_path):
    service = spotify_server.Spotify(faults={API: at_random(0.05, seed=5),
                                             ACCOUNTS: at({0: "503"})})
    tracks, server = gather(service, 1000, tmp_path)
    assert len(service.happened) >= 6 and len(set(service.happened)) >= 5
    assert len(tracks) == 1000 and tracks["id"].is_unique
    same(tracks, undisturbed)
    assert list(tracks.columns) == COLUMNS
    assert max(Counter(searches(server)).values()) <= 3  # asked again for a fault, no more


def test_rows_are_what_the_service_said(undisturbed):
    said = {track["id"]: track for track in spotify_server.catalogue()}
    for row in undisturbed.itertuples():
        track = said[row.id]
        assert (row.track, row.popularity, row.duration_ms, row.explicit, row.isrc) == (
            track["name"], track["popularity"], track["duration_ms"], track["explicit"],
            track["external_ids"]["isrc"])
        assert row.artists == [artist["name"] for artist in track["artists"]]
        assert row.artist_ids == [artist["id"] for artist in track["artists"]]
        assert (row.album_name, row.album_type, row.image) == (
            track["album"]["name"], track["album"]["album_type"],
            track["album"]["images"][0]["url"])
        precision = len(track["album"]["release_date"])
        assert f"{row.release_date:%Y-%m-%d}"[:precision] == track["album"]["release_date"]
        assert row.preview_url == f"https://{CLIPS}/mp3-preview/{row.id}"  # no application's id
        assert (row.source, row.popularity_kind) == ("spotify", "Spotify popularity")
        assert "no training" in row.licence
    assert undisturbed["isrc"].duplicated().sum() > 20  # a recording may have several releases
    assert undisturbed["release_date"].dt.year.nunique() == YEARS[1] - YEARS[0] + 1


def test_pages_are_no_charts(undisturbed):
    """What is gathered is not only what the search puts first."""
    _, server = gather(spotify_server.Spotify(), 300)
    assert len({offset for _, _, offset in searches(server)}) > 10
    other, _ = gather(spotify_server.Spotify(), 300, seed=1)
    assert len(set(other["id"]) & set(undisturbed["id"][:300])) < 200


SURVIVED = [*((API, kind) for kind in ("429", "500", "502", "503", "cut", "slow", "html", "list",
                                       "no page", "empty", "redirect", "401")),
            *((ACCOUNTS, kind) for kind in ("500", "503", "cut", "slow", "html", "list", "empty",
                                            "redirect"))]


@pytest.mark.parametrize("host, kind", SURVIVED)
def test_a_fault_is_survived(undisturbed, host, kind):
    number = 3 if host == API else 0
    fault = page({"token_type": "Bearer"}) if (host, kind) == (ACCOUNTS, "empty") else kind
    service = spotify_server.Spotify(faults={host: at({number: fault})})
    started = time.monotonic()
    tracks, _ = gather(service)
    assert service.happened == [fault]
    same(tracks, undisturbed[:120])
    assert kind != "429" or time.monotonic() - started >= 1  # what Retry-After asks for


def test_a_page_that_stays_empty_is_believed():
    """The search promises more than it hands out; the walk goes on with other pages."""
    service = spotify_server.Spotify()

    def promising(request):
        reply = service(request)
        if "year:2016 track:b" in request.query.get("q", ""):
            answer = json.loads(reply.body)
            reply.body = json.dumps({"tracks": {**answer["tracks"], "items": []}}).encode()
        return reply

    tracks, server = gather(promising, 2000, years=(2016, 2016))
    del service._found["genre:hip-hop year:2016 track:b"]
    assert set(tracks["id"]) == {track["id"] for found in service._found.values()
                                 for track in found if track}
    assert max(Counter(searches(server)).values()) == 2


REPLIES = {"words": page("no", 403), "list": page(["no"], 403), "error of words": page(
    {"error": "no"}, 403), "null": page({"error": None}, 403), "no JSON": Reply(403, b"<p>no</p>"),
    "no body": Reply(403), "long": error(403, "no\n\x1b[31m" + "x" * 9999)}
STOPPED = [
    (API, "premium", BadInput, ["HTTP 403", "Active premium subscription required", "Premium",
                                "gather fma"]),
    (API, "401", BadInput, ["HTTP 401", "Invalid access token", "SPOTIPY_CLIENT_SECRET"]),
    (API, error(400, "Invalid limit"), BadInput, ["HTTP 400", "Invalid limit", "changed"]),
    (API, error(400, "No search query"), BadInput, ["No search query", "genre", "years"]),
    (API, error(404, "Service not found"), BadInput, ["HTTP 404", "Service not found"]),
    *((API, reply, BadInput, ["HTTP 403", "dashboard"]) for reply in REPLIES.values()),
    (API, "503", Unreachable, [f"{API}/v1/search", "HTTP 503", "try again later"]),
    (API, "cut", Unreachable, [f"{API}/v1/search", "connection", "try again later"]),
    (API, "html", Unreachable, ["no page of a search"]),
    (API, "no page", Unreachable, ["no page of a search"]),
    (API, "redirect", Unreachable, ["HTTP 302", "redirect"]),
    (API, error(429, "slow down", **{"Retry-After": "3600"}), TryLater, ["HTTP 429", "go on"]),
    (ACCOUNTS, page({"error": "invalid_client", "error_description": "Invalid client"}, 400),
     BadInput, ["HTTP 400", "Invalid client", "SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET"]),
    *((ACCOUNTS, reply, BadInput, ["HTTP 403", "access token", "SPOTIPY_CLIENT_SECRET"])
      for reply in REPLIES.values()),
    (ACCOUNTS, "503", Unreachable, [f"{ACCOUNTS}/api/token", "HTTP 503"]),
    (ACCOUNTS, "cut", Unreachable, [f"{ACCOUNTS}/api/token", "connection"]),
    (ACCOUNTS, "html", Unreachable, [f"{ACCOUNTS}/api/token", "no access token"]),
    *((ACCOUNTS, page(answer), Unreachable, [f"{ACCOUNTS}/api/token", "no access token"])
      for answer in (None, [], "token", {"access_token": "x"}, {"expires_in": 3600},
                     {"access_token": None, "expires_in": 3600},
                     {"access_token": "a\r\nb", "expires_in": 3600},
                     {"access_token": "x", "expires_in": "soon"})),
]


@pytest.mark.parametrize("host, fault, kind, words", STOPPED)
def test_what_cannot_be_survived_is_said_in_one_line(tmp_path, host, fault, kind, words):
    service = spotify_server.Spotify(faults={host: after(ALWAYS, fault)})
    said = refused(service, kind, keep=tmp_path / "raw")
    assert all(word in said for word in words), said
    assert len(service.happened) <= 6
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("host", [API, ACCOUNTS])
def test_a_service_that_does_not_answer_in_time_is_named(monkeypatch, host):
    monkeypatch.setattr(spotify_search, "TIMEOUT", (0.05, 0.05))
    monkeypatch.setattr(web, "TRIES", 2)
    service = spotify_server.Spotify(faults={host: after(ALWAYS, Reply(200, b"", delay=0.15))})
    assert refused(service, Unreachable).startswith(host)


def test_an_endless_answer_is_not_taken(monkeypatch):
    monkeypatch.setattr(spotify_search, "MAX_BYTES", 100_000)
    service = spotify_server.Spotify(faults={API: after(ALWAYS, page(["x" * 200_000]))})
    assert "too large" in refused(service, Unreachable)


def test_a_quota_says_when_to_go_on_and_going_on_loses_nothing(undisturbed, tmp_path):
    limited = spotify_server.Spotify(faults={API: after(20, "quota")})
    with pytest.raises(TryLater) as caught:
        gather(limited, keep=tmp_path, n=300)
    then = datetime.now().astimezone() + timedelta(seconds=46_000)
    assert "QUOTA_EXCEEDED" in str(caught.value)
    assert any(f"{moment:%Y-%m-%d %H:%M}" in str(caught.value)
               for moment in (then, then - timedelta(minutes=1)))
    assert limited.happened == ["quota"]  # asked no more
    before = set(searches(caught.value.server)[:20])
    tracks, server = gather(spotify_server.Spotify(), keep=tmp_path, n=300)
    same(tracks, undisturbed[:300])
    assert not before & set(searches(server))


def test_a_quota_without_a_time_stops_as_well():
    fault = error(429, "Quota exceeded", "QUOTA_EXCEEDED")
    assert "QUOTA_EXCEEDED" in refused(
        spotify_server.Spotify(faults={API: after(ALWAYS, fault)}), TryLater)


@pytest.fixture
def ctrl_c():
    """What Ctrl-C does by default; a job in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_interrupted_it_goes_on(undisturbed, tmp_path, ctrl_c):
    service = spotify_server.Spotify()

    def interrupting(request):
        if len(server.requests) == 15:
            os.kill(os.getpid(), signal.SIGINT)
        return service(request)

    with serving(interrupting, *HOSTS) as (server, session), pytest.raises(KeyboardInterrupt):
        Spotify(300, years=YEARS, permission=True, session=session).tracks(tmp_path)
    before = Counter(searches(server))
    tracks, server = gather(spotify_server.Spotify(), keep=tmp_path, n=300)
    same(tracks, undisturbed[:300])
    assert len(set(before) & set(searches(server))) <= 1  # the page that was on its way


CHILD = textwrap.dedent("""
    import sys
    from hiphoplib.sources.spotify import Spotify
    from hiphoplib.tests.loopback import rerouted
    from hiphoplib.tests.spotify_server import HOSTS, YEARS
    Spotify(300, years=YEARS, permission=True, session=rerouted(sys.argv[1], *HOSTS)).tracks("raw")
""")


def test_killed_it_goes_on(undisturbed, tmp_path):
    service = spotify_server.Spotify(faults={API: lambda number: "slow" if number > 12 else None})
    with serving(service, *HOSTS) as (server, _):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, server.url], stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(Path(spotify_server.__file__).parents[2])})
        while len(server.requests) < 18 and child.poll() is None:
            time.sleep(0.005)
        child.kill()
        assert child.wait() == -signal.SIGKILL
    before = searches(server)
    tracks, server = gather(spotify_server.Spotify(), keep=tmp_path / "raw", n=300)
    same(tracks, undisturbed[:300])
    assert len(set(before) & set(searches(server))) <= 1


def test_a_table_grows_by_what_is_new(undisturbed, tmp_path):
    _, server = gather(spotify_server.Spotify(), keep=tmp_path, n=200)
    first = set(searches(server))
    tracks, server = gather(spotify_server.Spotify(), keep=tmp_path, n=400)
    same(tracks, undisturbed[:400])
    assert searches(server) and not first & set(searches(server))
    again, server = gather(spotify_server.Spotify(), keep=tmp_path, n=400)
    assert not server.log
    pd.testing.assert_frame_equal(again, tracks)


def test_offline_the_table_is_made_again(tmp_path, monkeypatch, capsys):
    years = 2016, 2017
    tracks, _ = gather(spotify_server.Spotify(), keep=tmp_path, years=years)
    monkeypatch.delenv("SPOTIPY_CLIENT_SECRET")
    capsys.readouterr()
    options = {"years": years, "offline": True, "session": rerouted("http://127.0.0.1:9")}
    source = Spotify(120, **options)
    pd.testing.assert_frame_equal(get_tracks(source, tmp_path), tracks)
    assert capsys.readouterr().err == ""  # the terms are of requests, and there is none
    more = get_tracks(Spotify(10_000, **options), tmp_path)  # all that is there, and no more
    assert len(more) >= 120 and list(more["id"][:120]) == list(tracks["id"])
    with pytest.raises(TryLater, match="without --offline"):
        source.preview(Clip("x", f"https://{CLIPS}/mp3-preview/x"))
    with pytest.raises(BadInput, match="no track.*without --offline"):
        get_tracks(Spotify(120, **options), tmp_path / "elsewhere")


def test_offline_a_damaged_page_costs_that_page(tmp_path):
    years = 2016, 2017
    gather(spotify_server.Spotify(), keep=tmp_path, n=200, years=years)
    whole = get_tracks(Spotify(900, years=years, offline=True), tmp_path)
    files = sorted((tmp_path / "pages").iterdir())
    damaged = next(path for path in files if len(path.read_text()) > 10_000)
    damaged.write_text(damaged.read_text()[:5000])
    left = get_tracks(Spotify(900, years=years, offline=True), tmp_path)
    assert len(whole) - 50 <= len(left) < len(whole) and set(left["id"]) < set(whole["id"])


def test_pages_of_the_size_that_the_server_allows(undisturbed, tmp_path):
    service = spotify_server.Spotify()
    service.max_limit = 10
    tracks, server = gather(service, keep=tmp_path)
    assert [size for _, size, _ in searches(server)[:3]] == [50, 10, 10]
    assert {size for _, size, _ in searches(server)[1:]} == {10}
    assert len(tracks) == 120 and tracks["id"].is_unique
    pd.testing.assert_frame_equal(  # and the pages of that size make the table again
        get_tracks(Spotify(120, years=YEARS, offline=True), tmp_path), tracks)


def test_pages_kept_of_another_size_count(undisturbed, tmp_path):
    with pytest.raises(TryLater):
        gather(spotify_server.Spotify(faults={API: after(20, "quota")}), 300, tmp_path)
    files = {path.name for path in (tmp_path / "pages").iterdir()}
    service = spotify_server.Spotify()
    service.max_limit = 10
    tracks, server = gather(service, 300, tmp_path)
    assert Counter(size for _, size, _ in searches(server))[50] == 1
    assert len(tracks) == 300 and tracks["id"].is_unique
    assert len(files) > 10 and files < {path.name for path in (tmp_path / "pages").iterdir()}
    same(tracks[:50], undisturbed[:50])  # they come first


@pytest.mark.parametrize("era, named, not_named", [
    (2026, ["`popularity`", "February-March 2026", "development mode", "`preview_url`"], []),
    (2024, ["`preview_url`", "27 November 2024"], ["`popularity`"])])
def test_what_spotify_no_longer_gives_is_explained(tmp_path, era, named, not_named):
    said = refused(spotify_server.Spotify(era=era), keep=tmp_path)
    assert all(word in said for word in [*named, "extended quota", "gather fma"])
    assert not any(word in said for word in not_named)
    assert len(list((tmp_path / "pages").iterdir())) < 40  # found out early, and kept
    assert refused(spotify_server.Spotify(era=era), keep=tmp_path, offline=True) == said


def test_lost_popularity_alone_is_explained_too():
    tracks = [{key: value for key, value in track.items() if key != "popularity"}
              for track in spotify_server.catalogue()]
    said = refused(spotify_server.Spotify(tracks), n=5)  # fewer than are needed to be sure early
    assert "`popularity`" in said and "`preview_url`" not in said


def test_a_field_that_some_rows_have_is_not_lost():
    tracks = [track if number % 25 == 0 else {**track, "popularity": None, "preview_url": None}
              for number, track in enumerate(spotify_server.catalogue())]
    table, _ = gather(spotify_server.Spotify(tracks), 200)
    assert 0 < table["popularity"].notna().sum() < 50


def test_without_permission_nothing_is_asked_for(tmp_path):
    for options in ({"permission": False}, {"permission": False, "years": (2016, 2016)}):
        with pytest.raises(BadInput) as caught:
            gather(spotify_server.Spotify(), keep=tmp_path, **options)
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
        source.preview(next(tracks.itertuples()))
    assert said[0] == f"{TERMS}\n" and not any(said[1:])
    assert all(word in TERMS for word in ("III.14", "IV.2.a.i", "forbid training", "gather fma"))


def test_credentials_are_asked_for_by_name(monkeypatch):
    monkeypatch.delenv("SPOTIPY_CLIENT_ID")
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", "")
    said = refused(spotify_server.Spotify())
    assert said.startswith("SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET: not set")
    assert "developer.spotify.com/dashboard" in said
    monkeypatch.setenv("SPOTIPY_CLIENT_ID", "kopiért")
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", SECRET)
    assert "kopi" not in refused(spotify_server.Spotify())


@pytest.mark.parametrize("tokens", [{"expires_in": 30}, {"uses": 4}])
def test_a_token_that_ends_in_the_middle_is_renewed(undisturbed, tokens):
    service = spotify_server.Spotify(**tokens)
    tracks, _ = gather(service)
    assert len(service.tokens) > 3
    same(tracks, undisturbed[:120])


class Log:
    """All that any logger says, at every level."""

    def __enter__(self):
        self.said, self.records = io.StringIO(), []
        self.handler = logging.StreamHandler(self.said)
        self.handler.addFilter(lambda record: self.records.append(record) or True)
        self.levels = {name: logging.getLogger(name).level
                       for name in ("", "spotipy", "spotipy.client", "spotipy.oauth2", "urllib3")}
        for name in self.levels:
            logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger().addHandler(self.handler)
        return self

    def __exit__(self, *error):
        logging.getLogger().removeHandler(self.handler)
        for name, level in self.levels.items():
            logging.getLogger(name).setLevel(level)


def inside(value, depth=4):
    """Representations of an object and of what it holds."""
    yield repr(value)
    for inner in getattr(value, "__dict__", {}).values() if depth else ():
        if type(inner).__module__.startswith(("hiphoplib", "requests")):
            yield from inside(inner, depth - 1)


def test_no_credential_is_said_or_kept(tmp_path, capfd, monkeypatch):
    """The log holds the places where credentials stand: without redaction this test fails."""
    everything, tokens = [], []
    repeats = error(403, f"no premium for {CLIENT_ID}:{SECRET}")
    faults = [{}, {API: after(2, "premium")}, {API: after(2, "401")}, {API: at({1: "html"})},
              {API: after(2, repeats)}, {ACCOUNTS: after(ALWAYS, repeats)}, {API: at({1: "cut"})},
              {ACCOUNTS: after(ALWAYS, "html")}, {API: after(5, "quota")}]
    with Log() as log:
        for number, fault in enumerate(faults):
            service = spotify_server.Spotify(faults=fault, clips=lambda track_id: b"clip")
            with serving(service, *HOSTS) as (_, session):
                source = Spotify(60, years=YEARS, permission=True, session=session)
                try:
                    tracks = get_tracks(source, tmp_path / str(number))
                    tracks.to_csv(tmp_path / f"{number}.csv")
                    source.preview(next(tracks.itertuples()))
                    everything.append(tracks.to_string())
                except BadInput as error_:
                    chain = [error_, error_.__cause__, error_.__context__]
                    everything += [f"{link} {link!r}" for link in chain]
                everything += inside(source)
            tokens += service.tokens
    everything += [log.said.getvalue(), *capfd.readouterr()]
    everything += [repr(vars(record)) for record in log.records]
    everything += [f"{path} {path.read_text()}" for path in tmp_path.rglob("*") if path.is_file()]
    assert len(list(tmp_path.rglob("*.json"))) > 10 and not list(tmp_path.glob(".cache*"))
    assert "'Authorization': 'Basic [hidden]" in log.said.getvalue()
    assert "'Authorization': 'Bearer [hidden]" in log.said.getvalue()
    secrets = [SECRET, CLIENT_ID, base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()]
    for secret in [*secrets, *tokens]:
        assert not any(secret in said for said in everything)
    assert len(tokens) >= 8
    # spotipy's complaints would stand on standard error beside ours
    assert [record for record in log.records if record.levelno >= logging.WARNING] == []


GOOD = spotify_server.catalogue()[0]
ODD = [None, "track", 7, [], {}, {**GOOD, "id": None}, {**GOOD, "id": "../../x"},
       {**GOOD, "id": "x" * 300}, {**GOOD, "artists": None}, {**GOOD, "artists": []},
       {**GOOD, "artists": [None, {"name": " "}]}, {**GOOD, "id": ["a"]}]
TAKEN = {
    "name": [None, 5, "", "half \ud83d a pair", "x" * 9999],
    "album": [None, [], "DAMN.", {}, {"name": 1, "images": "none", "release_date": 2017}],
    "external_ids": [None, [], "isrc", {"isrc": 5}], "explicit": [None, "yes", 1],
    "popularity": [None, True, "50", -1, 101, 1e400, float("nan"), [50]],
    "duration_ms": [None, 0, -5, "long", 1e300, True], "preview_url": [None, 5, ""],
    "artists": [[{"name": "A"}], [{"name": "A", "id": 5}, None, {"name": "\ud83d", "id": "x"}]],
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


def test_dates_of_every_precision():
    table = table_of([{**GOOD, "id": f"date{number}", "album": {"release_date": date}}
                      for number, date in enumerate(DATES)])
    for date, expected in zip(table["release_date"], DATES.values()):
        assert date == pd.Timestamp(expected) if expected else pd.isna(date)


def real_pages(era):
    """The answers that an application of an era got."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "spotify" / f"search_pages_{era}"
    if not folder.is_dir():
        pytest.skip(f"no real pages at {folder}; they are not part of the repository")
    return [json.loads(path.read_text()) for path in sorted(folder.iterdir())]


def serve(pages):
    """A service that answers every search with the next of these pages."""
    return spotify_server.Spotify(
        faults={API: lambda number: page(pages[number % len(pages)])})


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


def test_clips_are_fetched_over_https_alone():
    service = spotify_server.Spotify(
        clips=lambda track_id: {"good": b"clip"}.get(track_id, Reply(404)))
    with serving(service, *HOSTS) as (server, session):
        source = Spotify(session=session, permission=True)
        assert source.preview(Clip("a", f"https://{CLIPS}/mp3-preview/good")) == b"clip"
        with pytest.raises(BadInput, match="404"):
            source.preview(Clip("a", f"https://{CLIPS}/mp3-preview/gone"))
        asked = len(server.log)
        for url in (f"http://{CLIPS}/mp3-preview/good", "file:///etc/hosts", "audio/a.mp3"):
            with pytest.raises(BadInput, match="https"):
                source.preview(Clip("a", url))
        assert len(server.log) == asked


def test_settings_tell_corpora_apart_and_hold_no_credential():
    settings = Spotify(5, seed=3, genre="boom bap", years=(1990, 1999)).settings
    assert settings == json.loads(json.dumps(settings))
    assert settings == Spotify(50, seed=3, genre="boom bap", years=[1990, 1999],
                               permission=True).settings
    others = [Spotify(seed=4), Spotify(genre="rap"), Spotify(years=(1990, 2000)), Spotify()]
    assert len({json.dumps(source.settings) for source in others}) == 4


def test_a_genre_of_two_words_is_one_genre():
    with pytest.raises(BadInput, match="no track of genre 'boom bap' from 2017 to 2017"):
        gather(serve([{"tracks": {"items": [], "total": 0}}]), genre="boom bap",
               years=(2017, 2017))
    service = serve([{"tracks": {"items": [GOOD], "total": 1}}])
    _, server = gather(service, n=1, genre="boom bap", years=(2017, 2017))
    assert searches(server)[0][0].startswith('genre:"boom bap" year:2017 track:')


@pytest.mark.parametrize("options", [
    {"n": 0}, {"seed": -1}, {"genre": ""}, {"genre": 'a" year:"1'}, {"years": (2000, 1999)},
    {"years": (1, 2)}, {"years": (2000,)}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(BadInput, match="^spotify: "):
        Spotify(**options)
