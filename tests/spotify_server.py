"""A Spotify on loopback, of 2021, 2024 or 2026: an invented catalogue, and faults on demand."""

import base64
import itertools
import json
import string
import time
from dataclasses import replace
from functools import lru_cache
from secrets import token_hex

import numpy as np

from hiphoplib.tracks.synthetic.corpus import ARTIST_FORMS, TITLE_FORMS, invented
from tests.loopback import Reply

ACCOUNTS, API, CLIPS = "accounts.spotify.com", "api.spotify.com", "p.scdn.co"
HOSTS = ACCOUNTS, API, CLIPS
CLIENT_ID, SECRET = token_hex(16), token_hex(16)  # new ones each run: test_secrets looks for them
YEARS = 2015, 2020
MARKETS = ["DE", "GB", "US"]
ERAS = {2021: (50, ()), 2024: (50, ("preview_url",)), 2026: (10, ("popularity", "preview_url"))}


@lru_cache
def catalogue(n=1600, seed=0, years=YEARS):
    """Track objects as of 2021: every tenth recording has a second release, with the same ISRC."""
    rng, tracks = np.random.default_rng(seed), []
    for number in range(n):
        if number % 10 == 9:  # the recording before, once more
            track = json.loads(json.dumps(tracks[-1]))
            track["name"] += " (Deluxe)"
            track["album"]["name"] += " (Deluxe)"
        else:
            track = _track(rng, seed, number, years)
        track["id"] = _id(rng)
        track["preview_url"] = f"https://{CLIPS}/mp3-preview/{track['id']}?cid={CLIENT_ID}"
        tracks.append(track)
    return tuple(tracks)


def _id(rng):
    return "".join(rng.choice(list(string.ascii_letters + string.digits), 22))


def _track(rng, seed, number, years):
    year, precision = rng.integers(years[0], years[1] + 1), rng.choice(["year", "month", "day"])
    date = f"{year}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"
    artists = [
        {"id": f"artist{k:016d}", "name": invented(int(k), seed, ARTIST_FORMS)}
        for k in rng.integers(0, 400, size=rng.choice([1, 1, 2]))
    ]
    return {
        "name": invented(number, seed, TITLE_FORMS),
        "popularity": int(rng.integers(0, 101)),
        "duration_ms": int(rng.integers(60_000, 400_000)),
        "explicit": bool(rng.random() < 0.3),
        "artists": artists,
        "external_ids": {"isrc": f"ZZSP1{year % 100:02d}{number:05d}"},
        "available_markets": MARKETS,
        "is_local": False,
        "type": "track",
        "album": {
            "id": f"album{number:017d}",
            "name": invented(number + 7, seed, TITLE_FORMS),
            "album_type": str(rng.choice(["single", "album", "compilation"])),
            "release_date": date[: {"year": 4, "month": 7, "day": 10}[precision]],
            "release_date_precision": str(precision),
            "artists": artists,
            "images": [{"url": f"https://i.scdn.co/image/{number}", "height": 640}],
        },
    }


def after(number, fault):
    """The same fault from one request on."""
    return lambda asked: fault if asked >= number else None


class Spotify:
    """Answers as Spotify does in an era; `happened` are the faults that came.

    `faults` are functions by host that take the number of the request to it and return a name in
    `FAULTS`, a Reply or None; `clips` takes a track id and returns bytes or a Reply. A token says
    that it is good for `expires_in` seconds, and is for so many `uses`.
    """

    def __init__(
        self, tracks=None, *, era=2021, faults=None, clips=None, expires_in=3600, uses=10**9
    ):
        self.max_limit, lost = ERAS[era]
        self.tracks = [_without(track, lost, era) for track in tracks or catalogue()]
        self.faults, self.clips, self.happened = faults or {}, clips, []
        self.expires_in, self.uses, self.tokens = expires_in, uses, {}
        self._numbers = {host: itertools.count() for host in HOSTS}
        self._found = {}

    def __call__(self, request):
        answer = {ACCOUNTS: self._token, API: self._search, CLIPS: self._clip}[request.host]
        fault = self.faults.get(request.host, lambda number: None)(
            next(self._numbers[request.host])
        )
        if fault is None:
            return answer(request)
        self.happened.append(fault)
        return fault if isinstance(fault, Reply) else FAULTS[fault](answer(request))

    def _token(self, request):
        basic = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
        if request.method != "POST" or request.headers.get("authorization") != f"Basic {basic}":
            return page(
                {"error": "invalid_client", "error_description": "Invalid client secret"}, 400
            )
        token = f"BQtoken{len(self.tokens):04d}-" + "x" * 60
        self.tokens[token] = [time.monotonic() + self.expires_in, self.uses]
        return page({"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in})

    def _search(self, request):
        until, uses = self.tokens.get(
            request.headers.get("authorization", "").removeprefix("Bearer "), (0, 0)
        )
        if time.monotonic() > until or uses < 1:
            return error(401, "The access token expired")
        self.tokens[request.headers["authorization"].removeprefix("Bearer ")][1] -= 1
        limit, offset = int(request.query["limit"]), int(request.query["offset"])
        if request.path != "/v1/search" or request.query["type"] != "track":
            return error(404, "Service not found")
        if not 1 <= limit <= self.max_limit:
            return error(400, "Invalid limit")
        if not 0 <= offset <= 1000:
            return error(400, "Invalid offset")
        found = self.find(request.query["q"])
        more = offset + limit < len(found)
        link = f"https://{API}/v1/search?offset={offset + limit}&limit={limit}"
        return page(
            {
                "tracks": {
                    "href": f"https://{API}/v1/search",
                    "items": found[offset : offset + limit],
                    "limit": limit,
                    "next": link if more else None,
                    "offset": offset,
                    "previous": None,
                    "total": len(found),
                }
            }
        )

    def find(self, q):
        """What a query finds: tracks of the year with a word that begins with the letter.

        One in seven stands there twice and there is a null after each eleventh, as in real pages.
        """
        if q not in self._found:
            asked = dict(part.split(":") for part in q.split())
            found = [
                track
                for track in self.tracks
                if track["album"]["release_date"][:4] == asked["year"]
                and f" {asked['track']}" in f" {track['name'].lower()}"
            ]
            listed = []
            for number, track in enumerate(found):
                listed += [track] * (2 if number % 7 == 6 else 1)
                listed += [None] * (number % 11 == 10)
            self._found[q] = listed if asked["genre"] == "hip-hop" else []
        return self._found[q]

    def _clip(self, request):
        clip = self.clips(request.path.rpartition("/")[2]) if self.clips else error(404, "no clip")
        return clip if isinstance(clip, Reply) else Reply(200, clip, {"Content-Type": "audio/mpeg"})


def _without(track, lost, era):
    """A track object as an era gives it: a field that it lost is absent, or null in some."""
    track = {key: value for key, value in track.items() if key not in lost}
    if era == 2026:
        track.pop("available_markets")
    if "preview_url" in lost and track["duration_ms"] % 2:
        track["preview_url"] = None
    return track


def page(content, status=200, **headers):
    """JSON, as Spotify sends it."""
    return Reply(
        status, json.dumps(content).encode(), {"Content-Type": "application/json", **headers}
    )


def error(status, message, reason=None, **headers):
    """An error of the search, as Spotify puts it."""
    said = {"status": status, "message": message} | ({"reason": reason} if reason else {})
    return page({"error": said}, status, **headers)


def _emptied(reply):
    answer = json.loads(reply.body)
    if "tracks" in answer:
        answer["tracks"] |= {"items": [], "total": 0, "next": None}
    return page(answer, reply.status)


FAULTS = {
    "429": lambda reply: error(429, "API rate limit exceeded", **{"Retry-After": "1"}),
    "quota": lambda reply: error(
        429, "Quota exceeded", "QUOTA_EXCEEDED", **{"Retry-After": "46000"}
    ),
    "500": lambda reply: error(500, "Server error"),
    "502": lambda reply: Reply(502, b"<html><body>Bad gateway</body></html>"),
    "503": lambda reply: page("temporarily unavailable", 503),
    "401": lambda reply: error(401, "Invalid access token"),
    "premium": lambda reply: error(
        403, "Active premium subscription required for the owner of the app"
    ),
    "cut": lambda reply: replace(reply, cut=len(reply.body) // 2),
    "slow": lambda reply: replace(reply, delay=0.05),
    "html": lambda reply: Reply(200, b"<!doctype html><title>Log in</title>"),
    "list": lambda reply: page([]),
    "no page": lambda reply: page({"tracks": None}),
    "empty": _emptied,
    "redirect": lambda reply: Reply(302, b"", {"Location": "https://login.example.org/"}),
}
