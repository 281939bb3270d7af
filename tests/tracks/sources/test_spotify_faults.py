"""Spotify's faults are survived, or told in one line; what was stopped goes on."""

import base64
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

import pandas as pd
import pytest
from urllib3.util import Retry

from hiphoplib.errors import BadInput, TryLater, Unreachable
from hiphoplib.tracks.gather import get_tracks
from hiphoplib.tracks.previews import Clip
from hiphoplib.tracks.sources.spotify import Spotify
from tests import spotify_server
from tests.loopback import Reply, rerouted, serving
from tests.paths import ROOT
from tests.spotify_gathering import ALWAYS, gather, refused, same, searches, undisturbed
from tests.spotify_server import ACCOUNTS, API, CLIPS, HOSTS, YEARS, after, error, page

pytestmark = pytest.mark.usefixtures("spotify")


SURVIVED = [
    *(
        (API, kind)
        for kind in (
            "429",
            "500",
            "502",
            "503",
            "cut",
            "slow",
            "html",
            "list",
            "no page",
            "empty",
            "redirect",
            "401",
        )
    ),
    *(
        (ACCOUNTS, kind)
        for kind in ("500", "503", "cut", "slow", "html", "list", "redirect", "no token")
    ),
]


@pytest.mark.parametrize("host, kind", SURVIVED)
def test_a_fault_is_survived(host, kind):
    number = 3 if host == API else 0
    fault = page({"access_token": "a\r\nb", "expires_in": 3600}) if kind == "no token" else kind
    service = spotify_server.Spotify(faults={host: {number: fault}.get})
    started = time.monotonic()
    tracks, _ = gather(service)
    assert service.happened == [fault]
    same(tracks, undisturbed(120))
    assert kind != "429" or time.monotonic() - started >= 1  # what Retry-After asks for


@pytest.mark.parametrize("promised", ["all", "nothing", "nothing any more"])
def test_a_page_that_stays_empty_is_believed(promised):
    """The search hands out less than it has; the walk goes on with the other pages."""
    service, kept_back, told = spotify_server.Spotify(), {"items": []}, set()
    kept_back |= {} if promised == "all" else {"total": 0}
    service.max_limit = 10

    def sparing(request):
        reply, q = service(request), request.query.get("q")
        if request.query.get("offset") == "20" and (promised != "nothing any more" or q in told):
            return page({"tracks": json.loads(reply.body).get("tracks", {}) | kept_back})
        told.add(q)
        return reply

    def ids(offsets):
        return {
            track["id"]
            for found in service._found.values()
            for offset in offsets
            for track in found[offset : offset + 10]
            if track
        }

    tracks, server = gather(sparing, 2000, years=(2016, 2016))
    assert ids([0, 10]) <= set(tracks["id"]) < ids(range(0, 1000, 10))
    assert promised == "nothing" or set(tracks["id"]) >= ids({*range(0, 1000, 10)} - {20})
    assert max(Counter(searches(server)).values()) == 2  # asked for once more, and then believed


def test_what_is_empty_is_soon_left():
    with pytest.raises(BadInput, match="no track of genre 'hip-hop' from 1950") as caught:
        gather(spotify_server.Spotify(), years=(1950, 1950))
    assert len(caught.value.server.log) < 26 * 10  # requests; a cell has 20 pages, asked for twice


def test_nothing_behind_is_not_nothing_before():
    """A search that tells no total behind the end hides nothing by that."""
    service = spotify_server.Spotify()

    def silent(request):
        reply = service(request)
        if request.host != API or json.loads(reply.body)["tracks"]["items"]:
            return reply
        return page({"tracks": {"items": [], "total": 0}})

    tracks, server = gather(silent, 2000, years=(2016, 2016))
    assert set(tracks["id"]) == {
        track["id"] for found in service._found.values() for track in found if track
    }
    assert len(server.log) < 26 * 2 * 8
    assert {size for _, size, _ in searches(server)} == {50}


REPLIES = {
    "words": page("no", 403),
    "list": page(["no"], 403),
    "error of words": page({"error": "no"}, 403),
    "null": page({"error": None}, 403),
    "no JSON": Reply(403, b"<p>no</p>"),
    "no body": Reply(403),
    "long": error(403, "no\n\x1b[31m" + "x" * 9999),
}
STOPPED = [
    (
        API,
        "premium",
        BadInput,
        ["HTTP 403", "Active premium subscription required", "Premium", "gather fma"],
    ),
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
    (API, error(429, "Quota exceeded", "QUOTA_EXCEEDED"), TryLater, ["QUOTA_EXCEEDED", "go on"]),
    (
        ACCOUNTS,
        page({"error": "invalid_client", "error_description": "Invalid client"}, 400),
        BadInput,
        ["HTTP 400", "Invalid client", "SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET"],
    ),
    *(
        (ACCOUNTS, reply, BadInput, ["HTTP 403", "access token", "SPOTIPY_CLIENT_SECRET"])
        for reply in REPLIES.values()
    ),
    (ACCOUNTS, "503", Unreachable, [f"{ACCOUNTS}/api/token", "HTTP 503"]),
    (ACCOUNTS, "cut", Unreachable, [f"{ACCOUNTS}/api/token", "connection"]),
    (ACCOUNTS, "html", Unreachable, [f"{ACCOUNTS}/api/token", "no access token"]),
    *(
        (ACCOUNTS, page(answer), Unreachable, [f"{ACCOUNTS}/api/token", "no access token"])
        for answer in (
            None,
            [],
            "token",
            {"access_token": "x"},
            {"expires_in": 3600},
            {"access_token": None, "expires_in": 3600},
            {"access_token": "a\r\nb", "expires_in": 3600},
            {"access_token": "x", "expires_in": "soon"},
        )
    ),
]


@pytest.mark.parametrize("host, fault, kind, words", STOPPED)
def test_what_cannot_be_survived_is_said_in_one_line(tmp_path, host, fault, kind, words):
    service = spotify_server.Spotify(faults={host: after(ALWAYS, fault)})
    said = refused(service, kind, keep=tmp_path / "raw")
    assert all(word in said for word in words), said
    assert len(service.happened) <= 6
    assert not list(tmp_path.rglob("*.json"))


def test_a_session_that_tries_again_itself_is_no_trouble():
    service = spotify_server.Spotify(faults={API: after(ALWAYS, "503")})
    with serving(service, *HOSTS) as (_, session):
        session.get_adapter(f"https://{API}/").max_retries = Retry(
            total=1, status_forcelist=[503], backoff_factor=0
        )
        with pytest.raises(Unreachable, match=f"{API}/v1/search: the connection"):
            get_tracks(Spotify(20, years=YEARS, permission=True, session=session))


@pytest.mark.parametrize("tokens", [{"expires_in": 30}, {"uses": 4}])
def test_a_token_that_ends_in_the_middle_is_renewed(tokens):
    service = spotify_server.Spotify(**tokens)
    tracks, _ = gather(service)
    assert len(service.tokens) > 3
    same(tracks, undisturbed(120))


def test_credentials_are_asked_for_by_name(monkeypatch):
    monkeypatch.delenv("SPOTIPY_CLIENT_ID")
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", "")
    said = refused(spotify_server.Spotify())
    assert said.startswith("SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET: not set")
    assert "developer.spotify.com/dashboard" in said
    monkeypatch.setenv("SPOTIPY_CLIENT_ID", "kopiért")
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", spotify_server.SECRET)
    assert "kopi" not in refused(spotify_server.Spotify())


def inside(value, depth=4):
    """Representations of an object and of what it holds."""
    yield repr(value)
    for inner in getattr(value, "__dict__", {}).values() if depth else ():
        if type(inner).__module__.startswith(("hiphoplib", "requests")):
            yield from inside(inner, depth - 1)


class Echoing(spotify_server.Spotify):
    """Refuses, and repeats the credential that it was sent."""

    def __init__(self, host):
        super().__init__()
        self.host = host

    def __call__(self, request):
        if request.host == self.host:
            return error(403, f"not for {request.headers['authorization'].split()[1]}")
        return super().__call__(request)


def test_no_credential_is_said_or_kept(tmp_path, capfd, caplog):
    """Two services repeat what they were sent: without redaction this test fails."""
    everything, tokens = [], []
    client = f"{spotify_server.CLIENT_ID}:{spotify_server.SECRET}"
    repeats = error(403, f"no premium for {client}")
    faults = [
        {},
        {API: after(2, "premium")},
        {API: after(2, "401")},
        {API: {1: "html"}.get},
        {API: after(2, repeats)},
        {ACCOUNTS: after(ALWAYS, repeats)},
        {API: {1: "cut"}.get},
        {ACCOUNTS: after(ALWAYS, "html")},
        {API: after(5, "quota")},
    ]
    services = [
        spotify_server.Spotify(faults=fault, clips=lambda track_id: b"clip") for fault in faults
    ]
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "urllib3")
    for number, service in enumerate([*services, Echoing(API), Echoing(ACCOUNTS)]):
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
    everything += [caplog.text, *capfd.readouterr()]
    everything += [repr(vars(record)) for record in caplog.records]
    everything += [f"{path} {path.read_text()}" for path in tmp_path.rglob("*") if path.is_file()]
    assert len(list(tmp_path.rglob("*.json"))) > 10 and not list(tmp_path.glob(".cache*"))
    assert "POST /api/token" in caplog.text and "/v1/search?" in caplog.text
    secrets = [*client.split(":"), base64.b64encode(client.encode()).decode()]
    for secret in [*secrets, *tokens]:
        assert not any(secret in said for said in everything)
    assert len(tokens) >= 8
    # a library's complaints would stand on standard error beside ours
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_quota_says_when_to_go_on_and_going_on_loses_nothing(tmp_path):
    limited = spotify_server.Spotify(faults={API: after(20, "quota")})
    with pytest.raises(TryLater) as caught:
        gather(limited, keep=tmp_path, n=300)
    then = datetime.now().astimezone() + timedelta(seconds=46_000)
    assert "QUOTA_EXCEEDED" in str(caught.value)
    assert any(
        f"{moment:%Y-%m-%d %H:%M}" in str(caught.value)
        for moment in (then, then - timedelta(minutes=1))
    )
    assert limited.happened == ["quota"]  # asked no more
    before = set(searches(caught.value.server)[:20])
    tracks, server = gather(spotify_server.Spotify(), keep=tmp_path, n=300)
    same(tracks, undisturbed(300))
    assert not before & set(searches(server))


CHILD = textwrap.dedent("""
    import sys
    from hiphoplib.tracks.sources.spotify import Spotify
    from tests.loopback import rerouted
    from tests.spotify_server import HOSTS, YEARS
    Spotify(300, years=YEARS, permission=True, session=rerouted(sys.argv[1], *HOSTS)).tracks("raw")
""")


def test_killed_it_goes_on(tmp_path):
    service = spotify_server.Spotify(faults={API: lambda number: "slow" if number > 12 else None})
    with serving(service, *HOSTS) as (server, _):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, server.url],
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        while len(server.requests) < 18 and child.poll() is None:
            time.sleep(0.005)
        child.kill()
        assert child.wait() == -signal.SIGKILL
    before = searches(server)
    tracks, server = gather(spotify_server.Spotify(), keep=tmp_path / "raw", n=300)
    same(tracks, undisturbed(300))
    assert len(set(before) & set(searches(server))) <= 1


def test_a_table_grows_by_what_is_new(tmp_path):
    _, server = gather(spotify_server.Spotify(), keep=tmp_path, n=200)
    first = set(searches(server))
    tracks, server = gather(spotify_server.Spotify(), keep=tmp_path, n=400)
    same(tracks, undisturbed(400))
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
    with pytest.raises(TryLater, match="without --offline"):
        source.preview(Clip("x", f"https://{CLIPS}/mp3-preview/x"))
    with pytest.raises(BadInput, match="no responses with tracks.*without --offline"):
        get_tracks(Spotify(120, **options), tmp_path / "elsewhere")


def test_pages_of_the_size_that_the_server_allows(tmp_path):
    service = spotify_server.Spotify()
    service.max_limit = 10
    tracks, server = gather(service, keep=tmp_path)
    assert [size for _, size, _ in searches(server)[:3]] == [50, 10, 10]
    assert {size for _, size, _ in searches(server)[1:]} == {10}
    assert len(tracks) == 120 and tracks["id"].is_unique
    pd.testing.assert_frame_equal(  # and the pages of that size make the table again
        get_tracks(Spotify(120, years=YEARS, offline=True), tmp_path), tracks
    )


def test_pages_kept_of_another_size_count(tmp_path):
    with pytest.raises(TryLater):
        gather(spotify_server.Spotify(faults={API: after(20, "quota")}), 300, tmp_path)
    files = {path.name for path in (tmp_path / "pages").iterdir()}
    service = spotify_server.Spotify()
    service.max_limit = 10
    tracks, server = gather(service, 300, tmp_path)
    assert Counter(size for _, size, _ in searches(server))[50] == 1
    assert len(tracks) == 300 and tracks["id"].is_unique
    assert len(files) > 10 and files < {path.name for path in (tmp_path / "pages").iterdir()}
    same(tracks[:50], undisturbed(50))  # they come first
