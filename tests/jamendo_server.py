"""Jamendo on loopback: an invented catalogue, its pages, its errors that come as HTTP 200."""

import json
from contextlib import ExitStack, contextmanager
from functools import lru_cache

import numpy as np
import pandas as pd

from hiphoplib.tracks.sources.jamendo import Jamendo
from hiphoplib.tracks.synthetic.corpus import ARTIST_FORMS, TITLE_FORMS, invented
from tests.loopback import Reply, serving

HOSTS = API, STORE = "api.jamendo.com", "prod-1.storage.jamendo.com"
CLIENT_ID = "0dec0de5"
YEARS = 2010, 2013
COUNTS = YEARS[1] - YEARS[0] + 1  # queries for the totals of the years
SIZE = 40  # entries of a page, so that a year has three
LICENCES = ["by/3.0", "by-sa/3.0", "by-nc-sa/3.0", "by-nc-nd/3.0"]


@lru_cache
def catalogue(n=400, seed=0, years=YEARS):
    """Tracks as the service describes them, with ids in the order in which they went up.

    Every fourth licence or so forbids derivatives, every tenth track may not be downloaded.
    """
    rng = np.random.default_rng(seed)
    days = np.sort(rng.integers(0, 365 * (years[1] - years[0] + 1), n))
    return tuple(
        _track(rng, seed, number, np.datetime64(f"{years[0]}-01-01") + int(day))
        for number, day in enumerate(days)
    )


def _track(rng, seed, number, day):
    track_id, artist, allowed = str(1000 + number), int(rng.integers(0, 300)), rng.random() > 0.1
    download = f"https://{STORE}/download/track/{track_id}/mp31/"
    return {
        "id": track_id,
        "name": invented(number, seed, TITLE_FORMS),
        "duration": int(rng.integers(90, 400)),
        "artist_id": str(artist),
        "artist_name": invented(artist, seed, ARTIST_FORMS),
        "album_id": "",
        "album_name": "",
        "license_ccurl": f"http://creativecommons.org/licenses/{rng.choice(LICENCES)}/",
        "releasedate": str(day),
        "album_image": "",
        "image": f"https://img.example?{track_id}",
        "audio": f"https://{STORE}/?trackid={track_id}&format=mp31",
        "audiodownload": download if allowed else "",
        "audiodownload_allowed": bool(allowed),
        "stats": {
            "rate_downloads_total": int(rng.integers(0, 50)),
            "rate_listened_total": int(rng.lognormal(5, 1.5)),
        },
        "musicinfo": {"tags": {"genres": ["hiphop"]}},
        "waveform": '{"peaks":[0,3,9]}',
    }


def failed(code, message):
    """An error as the service sends it."""
    headers = {
        "status": "failed",
        "code": code,
        "error_message": message,
        "warnings": "",
        "results_count": 0,
    }
    return Reply(200, json.dumps({"headers": headers, "results": []}).encode())


class Service:
    """Answers like the service; `asked` are the queries that came, `clips` the paths.

    `audio` is that of every track; ``instead(number)`` of a query, from 0, may be another `Reply`.
    """

    def __init__(self, tracks=None, audio=b"", instead=lambda number: None):
        self.tracks = list(catalogue() if tracks is None else tracks)
        self.audio, self.instead, self.asked, self.clips = audio, instead, [], []

    def __call__(self, request):
        if request.host == STORE:
            self.clips.append(request.path)
            return Reply(200, self.audio)
        self.asked.append(request.query)
        return self.instead(len(self.asked) - 1) or self._page(request)

    def _page(self, request):
        query = dict(request.query)
        if query.pop("client_id", None) != CLIENT_ID:
            return failed(5, "Your credential is not authorized.")
        if request.path != "/v3.0/tracks/":
            return failed(7, "Method not found.")
        if query["tags"] != "hiphop" or query["order"] != "id" or query["format"] != "json":
            return failed(3, "A parameter has an unexpected value.")
        first, last = query["datebetween"].split("_")
        found = [
            track
            for track in self.tracks
            if first <= (track.get("went_up") or track["releasedate"]) <= last
        ]
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", 10))
        if limit > 200:
            return failed(3, "limit: at most 200.")
        page = found[offset : offset + limit]
        headers = {
            "status": "success",
            "code": 0,
            "error_message": "",
            "warnings": "",
            "results_count": len(page),
            "next": f"https://{API}{request.path}?client_id={CLIENT_ID}&offset={offset + limit}",
        }
        if query.get("fullcount") == "true" and offset < max(len(found), 1):
            headers["results_fullcount"] = len(found)
        return Reply(
            200,
            json.dumps({"headers": headers, "results": page}).encode(),
            {"Content-Type": "application/json"},
        )


@contextmanager
def reaching():
    """What makes a source that reaches a service."""
    with ExitStack() as stack:

        def make(service, **options):
            _, session = stack.enter_context(serving(service, *HOSTS))
            return Jamendo(**{"n": 150, "years": YEARS, "session": session, **options})

        yield make


def same(one, other):
    """Whether two tables differ at most in when they were asked for."""
    columns = [name for name in one if name != "collected_at"]
    pd.testing.assert_frame_equal(one[columns], other[columns])
    return True


def usable(tracks):
    return tracks["withheld"].isna() & tracks["preview_url"].notna() & tracks["popularity"].notna()
