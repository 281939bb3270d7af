"""Tracks of Spotify's search with Spotify's popularity, for those whom Spotify permits it."""

import contextlib
import os
import re
import string
import sys
import time
from base64 import b64encode
from collections.abc import Sequence
from functools import partial

import requests

from hiphoplib.errors import BadInput, TryLater
from hiphoplib.tracks.sources.search import Search, cached
from hiphoplib.tracks.sources.web import MAX_WAIT, Transient, legible

YEARS = (1990, 2025)
TERMS = (
    "Spotify's terms (Developer Policy III.14, Developer Terms v10 IV.2.a.i) forbid training "
    "a model on what it serves unless Spotify has permitted it to you; "
    "`python -m hiphoplib gather fma` gathers music that is licensed for it"
)
PERMISSION = "HIPHOP_SPOTIFY_PERMISSION"

_SIZES = (50, 10)  # entries of a page: with extended quota, and in development mode since 2026
_END = 1000  # no page begins later, whatever the total
_ENOUGH = 50  # rows that tell whether a field is there at all
_DAY = 86_400  # s
_LOST = {
    "popularity": "a `popularity` (since February-March 2026 Spotify gives none to applications "
    "in development mode)",
    "preview_url": "a `preview_url` (since 27 November 2024 Spotify gives none to new "
    "applications)",
}
_SEARCH = "https://api.spotify.com/v1/search"
_TOKEN = "https://accounts.spotify.com/api/token"
_DASHBOARD = "https://developer.spotify.com/dashboard"
_TOKEN_WANTED = "an access token"


class Spotify(Search):
    """Tracks of a genre, found by the search of the 2021 study, made systematic.

    The search is split by year and first letter of a word in the title; the seed draws the pages.

    Parameters
    ----------
    n, seed, years, offline, session
        As of `Search`; by default the `YEARS` of release.
    genre : str
        As Spotify's search names it.
    permission : bool
        That Spotify has permitted you to train on what it serves, which the environment variable
        ``HIPHOP_SPOTIFY_PERMISSION=yes`` says as well.
    """

    name = "spotify"
    advice = f"see {_DASHBOARD}"

    def __init__(
        self,
        n: int = 1000,
        *,
        seed: int = 0,
        genre: str = "hip-hop",
        years: Sequence[int] = YEARS,
        permission: bool = False,
        offline: bool = False,
        session: requests.Session | None = None,
    ):
        super().__init__(n, seed, years, offline, session)
        self.genre, self.permission = genre.strip(), permission
        self.topic = f"genre {self.genre!r}"
        if not self.genre or '"' in self.genre:
            raise BadInput(f"spotify: genre {genre!r} is none; give one such as hip-hop")
        self._warned, self._token, self._token_ends = False, "", 0.0

    @property
    def settings(self):
        return {"genre": self.genre, "years": self.years, "seed": self.seed}

    def ready(self) -> None:
        """Show what Spotify's terms allow, once, before anything is asked for.

        Raises
        ------
        BadInput, TryLater
            Without permission; if nothing may be asked for.
        """
        if self.offline:
            raise TryLater(
                "spotify: clips are missing, and offline none is asked for; the same "
                "command without --offline fetches them"
            )
        if not (self.permission or os.environ.get(PERMISSION, "").strip().lower() == "yes"):
            raise BadInput(
                f"{TERMS}; with Spotify's permission, say so by --i-have-permission "
                f"(permission=True) or {PERMISSION}=yes"
            )
        if not self._warned:
            print(TERMS, file=sys.stderr)
        self._warned = True

    def _tracks(self, keep):
        if not self.offline:
            self.ready()
        table = super()._tracks(keep)
        _check_fields(table.to_dict("records"))
        return table.assign(
            popularity_kind="Spotify popularity",
            licence="Spotify content: no training of models without Spotify's permission",
        )

    def _clip(self, row):
        return self.web.get(row.preview_url)

    def _rows(self, folder):
        known = {}
        for page in self._pages(folder):
            before = len(known)
            for row in filter(None, map(self._row, _items(page["answer"]))):
                known[row["id"]] = row
                yield {**row, "collected_at": page["asked_at"]}
            if before < _ENOUGH <= len(known):
                _check_fields(known.values())

    def _row(self, track):
        """Return a row from a track as the search describes it, None where it is none."""
        at, text = self._at, self._text
        track_id = text(at(track, "id")) or ""
        artists = [artist for artist in _list(at(track, "artists")) if text(at(artist, "name"))]
        if not re.fullmatch(r"[A-Za-z0-9]{1,64}", track_id) or not artists:
            return None  # null, a local file, an episode
        artist_ids = [text(artist.get("id")) for artist in artists]
        explicit, preview_url = track.get("explicit"), self._address(track.get("preview_url"))
        images = _list(at(track, "album", "images"))
        return {
            "id": track_id,
            "popularity": self._number(track.get("popularity"), 100),
            "track": text(track.get("name")),
            "artists": [text(a["name"]) for a in artists],
            "album_name": text(at(track, "album", "name")),
            "album_type": text(at(track, "album", "album_type")),
            "release_date": text(at(track, "album", "release_date")),
            "image": self._address(at(images[0], "url")) if images else None,
            "duration_ms": self._number(track.get("duration_ms"), 1e9) or None,
            # without the application's id, which Spotify puts behind it
            "preview_url": preview_url and re.sub(r"\?cid=[^&]*$", "", preview_url),
            "artist_ids": artist_ids if all(artist_ids) else None,
            "isrc": text(at(track, "external_ids", "isrc")),
            "explicit": explicit if isinstance(explicit, bool) else None,
        }

    def _pages(self, folder):
        """Yield the pages, cached ones and new ones, in an order that no interruption changes."""
        totals, most, asked = {}, {}, [] if self.offline else list(_SIZES)
        cells = [
            (year, letter)
            for year in range(self.years[0], self.years[1] + 1)
            for letter in string.ascii_lowercase
        ]
        genre = f'"{self.genre}"' if " " in self.genre else self.genre
        for size in _SIZES:  # of the size that is not asked for, what is cached counts as well
            for cell, offset in self._turns(cells, totals, size=size, end=_END):
                query = {
                    "q": f"genre:{genre} year:{cell[0]} track:{cell[1]}",
                    "type": "track",
                    "limit": size,
                    "offset": offset,
                }
                ask = partial(self._search, query) if asked[:1] == [size] else None
                try:
                    page = cached(folder, query, ask, _is_page)
                except _LimitRefused:
                    asked.remove(size)
                    if not asked:
                        raise
                    continue
                if page is None:
                    continue
                most[cell] = max(most.get(cell, 0), _total(page["answer"]))
                if most[cell]:
                    totals[cell] = most[cell]
                elif not _items(page["answer"]):  # nothing here and behind, but perhaps before
                    totals[cell] = min(totals.get(cell, _END), offset)
                yield page

    def _search(self, query):
        """Ask for a page; for an empty one that should not be, once more."""
        for _ in range(2):
            page = self._page(query)
            if _items(page) or query["offset"] >= _total(page) > 0:
                break
        return page

    def _page(self, query):
        for fresh in (False, True):  # a token may be withdrawn before its time
            token = self._bearer(fresh)
            try:
                return self.web.get(
                    _SEARCH,
                    params=query,
                    parse=_parsed_page,
                    headers={"Authorization": f"Bearer {token}"},
                    refusal=partial(_refusal, "a page of the search"),
                    allow_redirects=False,
                )
            except _TokenRefused:
                if fresh:
                    raise

    def _bearer(self, fresh):
        """Return an access token, a new one if the last one is about to end."""
        if fresh or time.monotonic() > self._token_ends - 60:
            client = ":".join(self._credentials("SPOTIPY_CLIENT_ID", "SPOTIPY_CLIENT_SECRET"))
            self._token, seconds = self.web.get(
                _TOKEN,
                data={"grant_type": "client_credentials"},
                parse=_parsed_token,
                headers={"Authorization": f"Basic {b64encode(client.encode()).decode()}"},
                refusal=partial(_refusal, _TOKEN_WANTED),
                allow_redirects=False,
            )
            self._token_ends = time.monotonic() + seconds
        return self._token


class _LimitRefused(BadInput):
    """The search hands out no pages of this size."""


class _TokenRefused(BadInput):
    """The access token is not, or no longer, good for the search."""


def _refusal(wanted, status, body, error):
    """Return what a status means; Spotify's two services put their messages in their own way."""
    content, at = Spotify._json(body), Spotify._at
    problem = at(content, "error")
    message, reason = at(problem, "message"), at(problem, "reason")
    if problem and not isinstance(problem, dict):
        message = f"{problem}: {at(content, 'error_description')}"
    if status == 429 and reason == "QUOTA_EXCEEDED":
        return Transient(
            "the application's quota is used up (QUOTA_EXCEEDED)",
            error.wait if error.wait > MAX_WAIT else _DAY,
        )
    if status == 429:
        return error
    if status < 400:
        return Transient(f"HTTP {status}, a redirect; does this network want a login?")
    message = legible(str(message or ""))
    text = f"spotify: HTTP {status}{message and f' {message!r}'}, when asked for {wanted}"
    if wanted == _TOKEN_WANTED or status == 401:
        return _TokenRefused(
            f"{text}; check SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET against {_DASHBOARD}"
        )
    if status == 400 and "limit" in message.lower():
        return _LimitRefused(f"{text}; Spotify has changed what it hands out, gather fma")
    if status == 403 and "premium" in message.lower():
        return BadInput(
            f"{text}; since February-March 2026 the owner of an application in "
            "development mode needs Spotify Premium: subscribe, or gather fma"
        )
    return BadInput(
        f"{text}; "
        + (
            "check the genre and the years"
            if status == 400
            else f"see what {_DASHBOARD} says of the application, or gather fma"
        )
    )


def _parsed_page(body):
    page = Spotify._json(body)
    if not _is_page(page):
        raise Transient("the response is no page of a search")
    return page


def _parsed_token(body):
    content = Spotify._json(body)
    with contextlib.suppress(ValueError, LookupError, TypeError):
        if re.fullmatch(r"[!-~]+", content["access_token"]):
            return content["access_token"], float(content["expires_in"])
    raise Transient("the response holds no access token")


def _list(value):
    return value if isinstance(value, list) else []


def _is_page(page):
    return isinstance(_items(page), list)


def _items(page):
    return Spotify._at(page, "tracks", "items")


def _total(page):
    """Return how many tracks the search finds; 0 where the page does not tell."""
    total = page["tracks"].get("total")
    return total if isinstance(total, int) else 0


def _check_fields(rows):
    """Say which of Spotify's changes it is that leaves every row without a field."""
    lost = [why for field, why in _LOST.items() if all(row[field] is None for row in rows)]
    if lost:
        raise BadInput(
            f"spotify: none of {len(rows)} tracks has {' or '.join(lost)}; gather into "
            "another folder with an application of extended quota, or licensed music: "
            "`python -m hiphoplib gather fma` or `gather jamendo`"
        )
