"""A gathering from Spotify that is stopped goes on, and one that is done needs no Spotify."""

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

from hiphoplib.errors import BadInput, TryLater
from hiphoplib.tracks.gather import get_tracks
from hiphoplib.tracks.previews import Clip
from hiphoplib.tracks.sources.spotify import Spotify
from tests import spotify_server
from tests.loopback import rerouted, serving
from tests.paths import ROOT
from tests.spotify_gathering import gather, same, searches, undisturbed
from tests.spotify_server import API, CLIPS, HOSTS, YEARS, after

pytestmark = pytest.mark.usefixtures("spotify")


def test_a_quota_says_when_to_go_on_and_going_on_loses_nothing(tmp_path):
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
            [sys.executable, "-c", CHILD, server.url], stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT)})
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
    more = get_tracks(Spotify(10_000, **options), tmp_path)  # all that is there, and no more
    assert len(more) >= 120 and list(more["id"][:120]) == list(tracks["id"])
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
        get_tracks(Spotify(120, years=YEARS, offline=True), tmp_path), tracks)


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
