"""Spotify's credentials: asked for by name, said nowhere, kept nowhere."""

import base64
import logging

import pytest

from hiphoplib.errors import BadInput
from hiphoplib.tracks.gather import get_tracks
from hiphoplib.tracks.sources.spotify import Spotify
from tests import spotify_server
from tests.loopback import serving
from tests.spotify_gathering import ALWAYS, refused
from tests.spotify_server import ACCOUNTS, API, CLIENT_ID, HOSTS, SECRET, YEARS, after, at, error

pytestmark = pytest.mark.usefixtures("spotify")


def test_credentials_are_asked_for_by_name(monkeypatch):
    monkeypatch.delenv("SPOTIPY_CLIENT_ID")
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", "")
    said = refused(spotify_server.Spotify())
    assert said.startswith("SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET: not set")
    assert "developer.spotify.com/dashboard" in said
    monkeypatch.setenv("SPOTIPY_CLIENT_ID", "kopiért")
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", SECRET)
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
    repeats = error(403, f"no premium for {CLIENT_ID}:{SECRET}")
    faults = [{}, {API: after(2, "premium")}, {API: after(2, "401")}, {API: at({1: "html"})},
              {API: after(2, repeats)}, {ACCOUNTS: after(ALWAYS, repeats)}, {API: at({1: "cut"})},
              {ACCOUNTS: after(ALWAYS, "html")}, {API: after(5, "quota")}]
    services = [spotify_server.Spotify(faults=fault, clips=lambda track_id: b"clip")
                for fault in faults]
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
    secrets = [SECRET, CLIENT_ID, base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()]
    for secret in [*secrets, *tokens]:
        assert not any(secret in said for said in everything)
    assert len(tokens) >= 8
    # a library's complaints would stand on standard error beside ours
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
