"""Jamendo: Creative Commons music, and how often each track was listened to.

The service: https://developer.jamendo.com/v3.0/tracks, 35,000 requests a month, for uses that are
not commercial. It needs a client id, which is free.
"""

import json
import math
import re
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd

from hiphoplib.audio.files import middle
from hiphoplib.errors import BadInput, TryLater
from hiphoplib.io import progress
from hiphoplib.tracks.sources import base as licences
from hiphoplib.tracks.sources.answers import Transient, printable
from hiphoplib.tracks.sources.base import percentile_within
from hiphoplib.tracks.sources.credentials import from_environment, redact
from hiphoplib.tracks.sources.pages import Pages, turns
from hiphoplib.tracks.sources.web import Web

API = "https://api.jamendo.com/v3.0/tracks/"
ADVICE = "a free one is to be had at https://devportal.jamendo.com"
YEARS = (2005, 2025)  # the first whole year of the service, and the last whole one now
SIZE = 200  # entries of an answer; the service gives no more
END = 10_000  # entries of a year; no year has as many, should its total not be known
KIND = "Jamendo listens, percentile among the gathered tracks that went up in the same year"

SUCCESS = ("success", "succeed")  # what it sends, and what its documentation says
RATE_LIMIT = 6  # codes of https://developer.jamendo.com/v3.0/response-codes
CLIENT_ID = (5, 11, 12)  # unknown, suspended, not accepted


class Jamendo:
    """Tracks with a tag that may be downloaded, year by year in an order drawn by the seed.

    Parameters
    ----------
    n : int
        Tracks that may be trained on and whose popularity and clip are known.
    seed : int
        Another seed, other tracks.
    tag : str
        As Jamendo spells it: "hiphop", "rap".
    years : tuple of int, optional
        First and last year in which they went up; `YEARS` if not given.
    offline : bool
        Make the table from the answers that are kept, and ask for none.
    no_derivatives : bool
        Take tracks whose licence forbids derivatives for any other ones.
    session : requests.Session, optional

    Raises
    ------
    BadInput
        If a number makes no sense.
    """

    name, remote, at_once = "jamendo", True, 4

    def __init__(self, n=1000, seed=0, tag="hiphop", years=None, offline=False,
                 no_derivatives=False, session=None):
        self.n, self.seed, self.tag = int(n), int(seed), tag.strip()
        self.years = tuple(int(year) for year in years or YEARS)
        if self.n < 1 or self.seed < 0 or not self.tag:
            raise BadInput(f"Jamendo, {n} tracks of {tag!r}, seed {seed}: at least 1 track, a tag "
                           "and a seed of 0 or more are needed")
        if len(self.years) != 2 or not 1900 <= self.years[0] <= self.years[1] <= 2100:
            raise BadInput(f"Jamendo, years {self.years}: give the first and the last one")
        self.offline, self.no_derivatives = bool(offline), bool(no_derivatives)
        self.web = Web(session, per_host=self.at_once)

    @property
    def settings(self):
        """What tells a corpus of this source from another one, dict."""
        return {"tag": self.tag, "years": list(self.years), "seed": self.seed,
                "no_derivatives": self.no_derivatives}

    def tracks(self, keep=None):
        """Tracks in the order in which they came, until `n` of them are of use.

        Popularity is the percentile of the listens among the gathered tracks that went up in the
        same year (a track gains listens with age), ties sharing their middle.

        Parameters
        ----------
        keep : path-like, optional
            Where answers are kept: what is there is not asked for again.

        Returns
        -------
        pd.DataFrame
            Only tracks that may be downloaded. ``withheld`` says why a row may not be trained on,
            ``listens`` how often it was played; one without either clip or popularity, or
            withheld, is not among the `n`.

        Raises
        ------
        BadInput
            If the service refuses, ``JAMENDO_CLIENT_ID`` is not set, or there is no such track.
        Unreachable, TryLater
            If the service does not answer, or asks for a pause.
        """
        rows, usable = {}, 0
        with progress(total=self.n, desc="tracks", unit="track") as bar:
            for row in self._rows(Pages(Path(keep) / "pages" if keep else None)):
                if row["id"] in rows:
                    continue  # entries move up when one before them goes, between two answers
                rows[row["id"]] = row
                if row["preview_url"] and row["listens"] is not None and row["release_date"]:
                    usable += row["withheld"] is None
                    bar.update(row["withheld"] is None)
                if usable == self.n:
                    break
        if not rows:
            raise BadInput(self._nothing(keep))
        table = pd.DataFrame(list(rows.values()))
        year = pd.Series([row["release_date"] and row["release_date"][:4]
                          for row in rows.values()])
        table["listens"] = table["listens"].astype(float)
        return table.assign(popularity=percentile_within(table["listens"], year),
                            source=self.name, popularity_kind=KIND)

    def preview(self, row):
        """The middle 30 s of a track, which comes whole; bytes of an mp3.

        Raises
        ------
        BadInput
            If it is not to be had, or is no audio.
        Unreachable, TryLater
            If the service does not answer, or asks for a pause.
        """
        return middle(self.web.get(row.preview_url), name=f"clip {row.id}")

    def _rows(self, pages):
        """Rows of the table without popularity, asked for as they are taken."""
        years = list(range(self.years[0], self.years[1] + 1))
        totals = {year: self._total(pages, year) for year in years}
        for year, offset in turns(years, totals, size=SIZE, end=END, seed=self.seed):
            page = self._page(pages, year, offset)
            found = _entries(page)
            if page and not found:
                totals[year] = min(totals[year], offset)  # fewer than it said, or it did not say
            for row in filter(None, map(_row, found)):
                withheld = licences.withheld(row["licence"], no_derivatives=self.no_derivatives)
                yield {**row, "withheld": withheld, "collected_at": page.asked_at}

    def _total(self, pages, year):
        """How many entries a year has, int."""
        page = self._page(pages, year, offset=0, limit=1)
        total = _number(page.answer["headers"].get("results_fullcount")) if page else None
        return END if total is None else int(min(max(total, 0), END))

    def _page(self, pages, year, offset, limit=None):
        """An answer that is kept, or is asked for and kept; None where it may not be asked for."""
        query = {"datebetween": f"{year}-01-01_{year}-12-31",
                 "offset": offset, "limit": limit or SIZE, "tags": self.tag,
                 "type": "single albumtrack",  # without it, no singles
                 "order": "id",  # by default the most relevant first, and another order each time
                 "include": "musicinfo stats licenses", "fullcount": "true", "format": "json",
                 "audioformat": "mp31", "audiodlformat": "mp31"}  # 96 kbit/s, as previews have
        page = pages.get(query)
        kept = page if page and _is_answer(page.answer) else None
        if kept or self.offline:
            return kept
        client_id, = from_environment("JAMENDO_CLIENT_ID", advice=ADVICE)
        return pages.put(query, self.web.get(API, params={"client_id": client_id, **query},
                                             parse=_answer))

    def _nothing(self, keep):
        """Why there is no row, and what to do."""
        if self.offline:
            return (f"{keep or 'Jamendo'}: no answers with tracks are kept there; gather without "
                    "--offline first")
        return (f"Jamendo, tag {self.tag!r}, {self.years[0]}-{self.years[1]}: no track that may be "
                "downloaded; take another tag or more years")


def _answer(body):
    """What came, if it is an answer; the errors of this service come as HTTP 200."""
    try:
        answer = json.loads(body.decode(errors="replace"))
        headers = answer["headers"]
        status = headers["status"]
    except (ValueError, TypeError, LookupError, RecursionError):
        raise Transient("no answer of this service came, but something else") from None
    if isinstance(status, str) and status not in SUCCESS:
        raise _failure(headers)
    if status not in SUCCESS or not _is_answer(answer):
        raise Transient("an answer without a list of tracks came")
    warnings = str(headers.get("warnings") or "")
    if not answer["results"] and re.search("limit|quota", warnings, re.IGNORECASE):
        raise _failure({"code": RATE_LIMIT, "error_message": warnings})
    return answer


def _failure(headers):
    """The error that an answer stands for."""
    said = printable(redact(" ".join(str(headers.get("error_message") or "").split())))[:200]
    said = said or "the service reports an error and does not say which"
    code = _number(headers.get("code"))
    if code == RATE_LIMIT or "rate limit" in said.lower():
        return TryLater(f"api.jamendo.com: {said}; what came is kept, go on with the same command "
                        "in an hour, or next month if all 35,000 requests of this one are used")
    if code in CLIENT_ID:
        return BadInput(f"JAMENDO_CLIENT_ID: {said}; {ADVICE}")
    return BadInput(f"api.jamendo.com: {said}; what came is kept, the same command asks again")


def _is_answer(answer):
    return (isinstance(answer, dict) and isinstance(answer.get("headers"), dict)
            and isinstance(answer.get("results"), list))


def _entries(page):
    return page.answer["results"] if page else []


def _row(found):
    """A row from a track as the service describes it, or None: strangers may write anything."""
    if not isinstance(found, dict) or found.get("audiodownload_allowed") not in (True, "true"):
        return None
    track_id, artist = _text(found.get("id")), _text(found.get("artist_name"))
    if not artist or not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", track_id or ""):
        return None
    artist_id, seconds = _text(found.get("artist_id")), _number(found.get("duration"))
    stats = found.get("stats")
    listens = _number(stats.get("rate_listened_total")) if isinstance(stats, dict) else None
    return {
        "id": track_id, "track": _text(found.get("name")), "artists": [artist],
        "artist_ids": [artist_id] if artist_id else None,
        "album_name": _text(found.get("album_name")), "release_date": _day(found),
        "image": _address(found.get("image")),
        "duration_ms": seconds * 1000 if seconds and seconds > 0 else None,
        "preview_url": _address(found.get("audiodownload")),
        "licence": _text(found.get("license_ccurl")),
        "listens": listens if listens is not None and listens >= 0 else None}


def _text(value):
    """Text, or a whole number as such; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return None
    return value.encode(errors="replace").decode().strip() or None  # no half surrogate pairs


def _number(value):
    """A finite number, or text of one; None for anything else."""
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _day(found):
    """The date on which a track went up, "2018-05-06"; None where it is none."""
    try:
        day = date.fromisoformat(found.get("releasedate"))
    except (TypeError, ValueError):
        return None
    return day.isoformat() if 1900 <= day.year <= 2200 else None  # pandas takes no others


def _address(value):
    """An https address; None for anything else."""
    address = _text(value) or ""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return address if parts.scheme == "https" and parts.hostname else None
