"""Gathering from the Spotify on loopback: what its tests have in common."""

from functools import lru_cache

import pandas as pd
import pytest

from hiphoplib.errors import BadInput, TryLater, Unreachable
from hiphoplib.tracks.gather import get_tracks
from hiphoplib.tracks.sources.spotify import Spotify
from tests import spotify_server
from tests.loopback import serving
from tests.spotify_server import API, CLIENT_ID, HOSTS, SECRET, YEARS, page

ALWAYS = 0  # `after(ALWAYS, fault)`


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
    return [
        (request.query["q"], int(request.query["limit"]), int(request.query["offset"]))
        for request in server.requests
        if request.host == API
    ]


@lru_cache
def undisturbed(n=1000):
    """The table of so many tracks when nothing goes wrong; to be read only."""
    if n < 1000:
        return undisturbed()[:n]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPOTIPY_CLIENT_ID", CLIENT_ID)
        patch.setenv("SPOTIPY_CLIENT_SECRET", SECRET)
        return gather(spotify_server.Spotify(), n)[0]


def same(tracks, expected):
    """The same rows in the same order, but for when they were asked for."""
    pd.testing.assert_frame_equal(
        tracks.drop(columns="collected_at"), expected.drop(columns="collected_at")
    )


def serve(pages):
    """A service that answers every search with the next of these pages."""
    return spotify_server.Spotify(faults={API: lambda number: page(pages[number % len(pages)])})
