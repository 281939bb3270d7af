"""Services on loopback: what the tests of their sources have in common."""

import pytest

from hiphoplib.tracks.sources import jamendo as jamendo_source
from hiphoplib.tracks.sources import web
from hiphoplib.tracks.sources.spotify import PERMISSION
from tests import jamendo_server, spotify_server


@pytest.fixture
def jamendo(monkeypatch, hasty):
    """Function of a service: a source that reaches it; with a client id, and small pages."""
    monkeypatch.setenv("JAMENDO_CLIENT_ID", jamendo_server.CLIENT_ID)
    monkeypatch.setattr(jamendo_source, "SIZE", jamendo_server.SIZE)
    with jamendo_server.reaching() as make:
        yield make


@pytest.fixture
def spotify(monkeypatch, tmp_path, hasty):
    """Credentials of the invented application, and an empty working directory."""
    monkeypatch.setenv("SPOTIPY_CLIENT_ID", spotify_server.CLIENT_ID)
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", spotify_server.SECRET)
    monkeypatch.delenv(PERMISSION, raising=False)
    monkeypatch.setattr(web, "_secrets", set())
    monkeypatch.chdir(tmp_path)
