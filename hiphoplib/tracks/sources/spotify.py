"""Tracks of Spotify's search with Spotify's popularity, for those whom Spotify permits it."""

import os
import re
import string
import sys
from pathlib import Path

import pandas as pd

from hiphoplib.errors import BadInput, TryLater
from hiphoplib.io import progress
from hiphoplib.tracks.sources.pages import Pages, turns
from hiphoplib.tracks.sources.spotify_search import LimitRefused, Search, items, total
from hiphoplib.tracks.sources.web import Web

SIZES = (50, 10)  # entries of a page: with extended quota, and in development mode since 2026
YEARS = (1990, 2025)
END = 1000  # no page begins later, whatever the total
ENOUGH = 50  # rows that tell whether a field is there at all

TERMS = ("Spotify's terms (Developer Policy III.14, Developer Terms v10 IV.2.a.i) forbid training "
         "a model on what it serves unless Spotify has permitted it to you; "
         "`python -m hiphoplib gather fma` gathers music that is licensed for it")
PERMISSION = "HIPHOP_SPOTIFY_PERMISSION"
LOST = {
    "popularity": "a `popularity` (since February-March 2026 Spotify gives none to applications "
                  "in development mode)",
    "preview_url": "a `preview_url` (since 27 November 2024 Spotify gives none to new "
                   "applications)",
}


class Spotify:
    """Tracks of a genre, found by the search of the 2021 study, made systematic.

    The search is split by year and first letter of a word in the title, and its pages are asked
    for in an order that the seed draws: the same table comes whether or not a run was stopped.

    Parameters
    ----------
    n : int
        Tracks to gather, > 0; fewer come if the search knows no more.
    seed : int
        Another seed, other pages.
    genre : str
        As Spotify's search names it.
    years : (int, int), optional
        First and last year of release, by default `YEARS`.
    permission : bool
        That Spotify has permitted you to train on what it serves; the environment variable
        ``HIPHOP_SPOTIFY_PERMISSION=yes`` says the same.
    offline : bool
        Make the table from the pages that are kept, without any request.
    session : requests.Session, optional
        Its adapters and proxies hold.

    Raises
    ------
    BadInput
        If an option makes no sense.
    """

    name = "spotify"
    remote = True
    at_once = 4  # clips

    def __init__(self, n=1000, *, seed=0, genre="hip-hop", years=None, permission=False,
                 offline=False, session=None):
        self.n, self.seed, self.genre = int(n), int(seed), genre.strip()
        self.years = [int(year) for year in years or YEARS]
        if self.n < 1 or self.seed < 0:
            raise BadInput(f"spotify: {n} tracks, seed {seed}; at least 1 track and a seed of 0 "
                           "or more are needed")
        if len(self.years) != 2 or not 1900 <= self.years[0] <= self.years[1] <= 2100:
            raise BadInput(f"spotify: years {', '.join(map(str, self.years))}; give the first and "
                           "the last one, such as 1990 and 2025")
        if not self.genre or '"' in self.genre:
            raise BadInput(f"spotify: genre {genre!r} is none; give one such as hip-hop")
        self.permission, self.offline, self._told = permission, offline, False
        self.web = Web(session)
        self.search = Search(self.web)

    @property
    def settings(self):
        """What tells a corpus of this source from another one, dict."""
        return {"genre": self.genre, "years": self.years, "seed": self.seed}

    def tracks(self, keep=None):
        """One row a track, as it was found first; pd.DataFrame of up to `n` rows.

        Parameters
        ----------
        keep : path-like, optional
            Folder for the pages as they come; what lies there is not asked for again.

        Raises
        ------
        BadInput
            Without permission or credentials, if Spotify refuses, or if the rows lack what this
            project needs.
        Unreachable, TryLater
            As of `Web.patiently`; what came is kept.
        """
        if not self.offline:
            self.ready()
        rows = {}
        with progress(total=self.n, desc="tracks", unit="track") as bar:
            for page in self._walk(Pages(Path(keep) / "pages" if keep else None)):
                before = len(rows)
                for row in _rows(page):
                    rows.setdefault(row["id"], row)
                bar.update(min(len(rows), self.n) - before)
                if before < ENOUGH <= len(rows):
                    _check_fields(rows.values())
                if len(rows) >= self.n:
                    break
        if not rows:
            raise BadInput(self._nothing(keep))
        _check_fields(rows.values())
        return pd.DataFrame(list(rows.values())[:self.n])

    def preview(self, row):
        """The clip of a row, bytes of an mp3 of 30 s.

        Raises
        ------
        BadInput, Unreachable, TryLater
            As of `Web.get`.
        """
        self.ready()
        return self.web.get(row.preview_url)

    def ready(self):
        """Say what Spotify's terms allow, once, before anything is asked for.

        Raises
        ------
        BadInput
            Without permission.
        TryLater
            If nothing is to be asked for.
        """
        if self.offline:
            raise TryLater("spotify: clips are missing, and offline none is asked for; the same "
                           "command without --offline fetches them")
        if not (self.permission or os.environ.get(PERMISSION, "").strip().lower() == "yes"):
            raise BadInput(f"{TERMS}; with Spotify's permission, say so by --i-have-permission "
                           f"(permission=True) or {PERMISSION}=yes")
        self._tell()

    def _tell(self):
        if not self._told:
            print(TERMS, file=sys.stderr)
        self._told = True

    def _nothing(self, keep):
        if self.offline:
            return f"{keep or 'spotify'}: no track in pages kept there; gather without --offline"
        return (f"spotify: no track of genre {self.genre!r} from {self.years[0]} to "
                f"{self.years[1]}; take another genre or other years")

    def _walk(self, pages):
        """The pages, kept ones and new ones, in an order that no interruption changes."""
        totals, said, asked = {}, {}, [] if self.offline else list(SIZES)
        cells = [(year, letter) for year in range(self.years[0], self.years[1] + 1)
                 for letter in string.ascii_lowercase]
        for size in SIZES:  # of the size that is not asked for, what is kept counts as well
            for cell, offset in turns(cells, totals, size=size, end=END, seed=self.seed):
                query = {"q": self._words(*cell), "type": "track", "limit": size, "offset": offset}
                page = pages.get(query)
                if page is None and asked[:1] == [size]:
                    try:
                        page = pages.put(query, self.search(query))
                    except LimitRefused:
                        asked.remove(size)
                        if not asked:
                            raise
                if page is not None:
                    said[cell] = max(said.get(cell, 0), total(page.answer))
                    if said[cell]:
                        totals[cell] = said[cell]
                    elif not items(page.answer):  # nothing here and behind, but perhaps before
                        totals[cell] = min(totals.get(cell, END), offset)
                    yield page

    def _words(self, year, letter):
        genre = f'"{self.genre}"' if " " in self.genre else self.genre
        return f"genre:{genre} year:{year} track:{letter}"


def _check_fields(rows):
    """Say which of Spotify's changes it is that leaves every row without a field."""
    lost = [why for field, why in LOST.items() if all(row[field] is None for row in rows)]
    if lost:
        raise BadInput(f"spotify: none of {len(rows)} tracks has {' or '.join(lost)}; gather into "
                       "another folder with an application of extended quota, or licensed music: "
                       "`python -m hiphoplib gather fma` or `gather jamendo`")


def _rows(page):
    """Rows of the tracks of a page; what is no track is left out."""
    for item in items(page.answer) or []:
        item = item if isinstance(item, dict) else {}
        album = item.get("album") if isinstance(item.get("album"), dict) else {}
        artists = [artist for artist in _dicts(item.get("artists")) if _text(artist.get("name"))]
        if not re.fullmatch(r"[A-Za-z0-9]{1,64}", _text(item.get("id")) or "") or not artists:
            continue  # null, a local file, an episode
        artist_ids = [_text(artist.get("id")) for artist in artists]
        ids = item.get("external_ids")
        yield {
            "id": _text(item["id"]), "popularity": _number(item.get("popularity"), 0, 100),
            "track": _text(item.get("name")),
            "artists": [_text(artist["name"]) for artist in artists],
            "album_name": _text(album.get("name")), "album_type": _text(album.get("album_type")),
            "release_date": _date(album.get("release_date")),
            "image": next((_text(image.get("url")) for image in _dicts(album.get("images"))), None),
            "duration_ms": _number(item.get("duration_ms"), 1, 1e9),
            "preview_url": _clip(_text(item.get("preview_url"))),
            "artist_ids": artist_ids if all(artist_ids) else None,
            "isrc": _text(ids.get("isrc")) if isinstance(ids, dict) else None,
            "explicit": item["explicit"] if isinstance(item.get("explicit"), bool) else None,
            "source": Spotify.name, "popularity_kind": "Spotify popularity",
            "collected_at": page.asked_at,
            "licence": "Spotify content: no training of models without Spotify's permission",
        }


def _dicts(values):
    values = values if isinstance(values, list) else []
    return [value for value in values if isinstance(value, dict)]


def _text(value):
    """Text that any file can hold; None where there is none."""
    if not isinstance(value, str):
        return None
    return value.encode(errors="replace").decode().strip() or None


def _clip(url):
    """The address without the application's id, which Spotify puts behind it."""
    return re.sub(r"\?cid=[^&]*$", "", url) if url else None


def _number(value, low, high):
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    return value if good else None


def _date(value):
    """A date of any precision, of a year that a table can hold."""
    value = _text(value) or ""
    return value if re.fullmatch(r"(1\d|2[01])\d\d(-\d\d){0,2}", value) else None
