"""Jamendo: Creative Commons music, and how often each track was listened to.

https://developer.jamendo.com/v3.0/tracks: 35,000 requests a month with a client id, which is free,
for uses that are not commercial.
"""

import contextlib
import re
from collections.abc import Sequence
from datetime import date

import numpy as np
import requests
import soxr

from hiphoplib.audio.files import NO_AUDIO, Recording, beginning, encode
from hiphoplib.errors import BadInput, TryLater
from hiphoplib.tracks.sources.base import percentile_within, withheld
from hiphoplib.tracks.sources.search import Search, cached
from hiphoplib.tracks.sources.web import Transient, legible

API = "https://api.jamendo.com/v3.0/tracks/"
YEARS = (2005, 2025)  # the first whole year of the service, and the last whole one now
MP3_RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # Hz
MAX_SECONDS = 7200.0  # of a recording whose middle is looked for
SIZE = 200  # entries of a page; the service gives no more

_END = 10_000  # entries of a year; no year has as many, should its total not be known
_SUCCESS = ("success", "succeed")  # what it sends, and what its documentation says
_RATE_LIMIT = 6  # codes of https://developer.jamendo.com/v3.0/response-codes
_CLIENT_ID = (5, 11, 12)  # unknown, suspended, not accepted


class Jamendo(Search):
    """Tracks with a tag that may be downloaded, year by year in an order drawn by the seed.

    Popularity is the percentile of the listens among the gathered tracks that went up in the same
    year. A clip is the middle 30 s of a track, which comes whole.

    Parameters
    ----------
    n, seed, years, offline, session
        As of `Search`; by default the `YEARS` in which tracks went up.
    tag : str
        As Jamendo spells it: "hiphop", "rap".
    no_derivatives : bool
        Take tracks whose licence forbids derivatives like any other ones.
    """

    name = "jamendo"
    advice = "get a free one at https://devportal.jamendo.com"

    def __init__(
        self,
        n: int = 1000,
        seed: int = 0,
        tag: str = "hiphop",
        years: Sequence[int] = YEARS,
        offline: bool = False,
        no_derivatives: bool = False,
        session: requests.Session | None = None,
    ):
        super().__init__(n, seed, years, offline, session)
        self.tag, self.no_derivatives = tag.strip(), bool(no_derivatives)
        self.topic = f"tag {self.tag!r}"
        if not self.tag:
            raise BadInput("jamendo: no tag; give one such as hiphop")

    @property
    def settings(self):
        return {
            "tag": self.tag,
            "years": self.years,
            "seed": self.seed,
            "no_derivatives": self.no_derivatives,
        }

    def _tracks(self, keep):
        table = super()._tracks(keep).astype({"listens": float})
        return table.assign(
            popularity=percentile_within(table["listens"], table["release_date"].str[:4]),
            popularity_kind="Jamendo listens, percentile among the gathered tracks that went up in "
            "the same year",
        )

    def _clip(self, row):
        return middle(self.web.get(row.preview_url), name=f"clip {row.id}")

    def _counts(self, row):
        return bool(
            row["preview_url"]
            and row["listens"] is not None
            and row["release_date"]
            and not row["withheld"]
        )

    def _rows(self, folder):
        years = list(range(self.years[0], self.years[1] + 1))
        totals = {year: self._total(folder, year) for year in years}
        for year, offset in self._turns(years, totals, size=SIZE, end=_END):
            page = self._page(folder, year, offset, SIZE)
            results = page["answer"]["results"] if page else []
            if page and not results:
                totals[year] = min(totals[year], offset)  # fewer than announced
            for row in filter(None, map(self._row, results)):
                yield {**row, "collected_at": page["asked_at"]}

    def _row(self, track):
        """Return a row from a track as the service describes it, None where it is none."""
        track_id, artist, artist_id, name, album, licence = (
            self._text(self._at(track, field))
            for field in ("id", "artist_name", "artist_id", "name", "album_name", "license_ccurl")
        )
        if (
            self._at(track, "audiodownload_allowed") not in (True, "true")
            or not artist
            or not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", track_id or "")
        ):
            return None
        seconds = self._number(track.get("duration"))
        return {
            "id": track_id,
            "track": name,
            "artists": [artist],
            "artist_ids": artist_id and [artist_id],
            "album_name": album,
            "release_date": _day(track.get("releasedate")),
            "image": self._address(track.get("image")),
            "duration_ms": 1000 * seconds if seconds else None,
            "preview_url": self._address(track.get("audiodownload")),
            "licence": licence,
            "withheld": withheld(licence, no_derivatives=self.no_derivatives),
            "listens": self._number(self._at(track, "stats", "rate_listened_total")),
        }

    def _total(self, folder, year):
        page = self._page(folder, year, offset=0, limit=1)
        total = self._number(page and page["answer"]["headers"].get("results_fullcount"))
        return _END if total is None else int(min(total, _END))

    def _page(self, folder, year, offset, limit):
        """Return a cached response, or ask for it; None where nothing may be asked for."""
        query = {
            "datebetween": f"{year}-01-01_{year}-12-31",
            "offset": offset,
            "limit": limit,
            "tags": self.tag,
            "type": "single albumtrack",  # without it, no singles
            "order": "id",  # by default the most relevant first, and another order each time
            "include": "musicinfo stats licenses",
            "fullcount": "true",
            "format": "json",
            "audioformat": "mp31",
            # 96 kbit/s, as previews have
            "audiodlformat": "mp31",
        }

        def ask():
            (client_id,) = self._credentials("JAMENDO_CLIENT_ID")
            return self.web.get(API, params={"client_id": client_id, **query}, parse=_response)

        return cached(folder, query, None if self.offline else ask, _is_response)


def _response(body):
    """Return what came, if it is a response; the errors of this service come as HTTP 200."""
    content = Jamendo._json(body)
    status = Jamendo._at(content, "headers", "status")
    if isinstance(status, str) and status not in _SUCCESS:
        raise _failure(content["headers"].get("code"), content["headers"].get("error_message"))
    if status not in _SUCCESS or not _is_response(content):
        raise Transient("no list of tracks came, but something else")
    warnings = str(content["headers"].get("warnings") or "")
    if not content["results"] and re.search("limit|quota", warnings, re.IGNORECASE):
        raise _failure(_RATE_LIMIT, warnings)
    return content


def _failure(code, message):
    message = legible(" ".join(str(message or "").split())) or (
        "the service reports an error and does not say which"
    )
    code = Jamendo._number(code)
    if code == _RATE_LIMIT or "rate limit" in message.lower():
        return TryLater(
            f"api.jamendo.com: {message}; what came is kept, go on with the same "
            "command in an hour, or next month if all 35,000 requests are used"
        )
    if code in _CLIENT_ID:
        return BadInput(f"JAMENDO_CLIENT_ID: {message}; {Jamendo.advice}")
    return BadInput(f"api.jamendo.com: {message}; what came is kept, the same command asks again")


def _is_response(content):
    return isinstance(Jamendo._at(content, "headers"), dict) and isinstance(
        content.get("results"), list
    )


def _day(text):
    """Return the date on which a track went up, "2018-05-06"; None where it is none."""
    with contextlib.suppress(TypeError, ValueError):
        return date.fromisoformat(text).isoformat()
    return None


def middle(content: bytes, seconds: float = 30.0, name: str = "recording") -> bytes:
    """Return the middle of a recording as an mp3 of 96 kbit/s; all of it if it is shorter.

    Intro and end say little about a track, and services do not cut their previews there either.
    Channels and sampling rate stay, where an mp3 can have them.

    Parameters
    ----------
    content : bytes
        Of a file that a `Recording` decodes.
    seconds : float > 0
    name : str

    Returns
    -------
    bytes

    Raises
    ------
    BadInput
        If it is no such audio.
    """
    try:
        with Recording(content) as recording:  # to count what is there
            for _ in recording.channels():
                if recording.seconds > MAX_SECONDS:
                    raise BadInput(f"longer than {MAX_SECONDS / 3600:.0f} hours")
            skip = max(0, int((recording.seconds - seconds) / 2 * recording.sr))
        with Recording(content) as recording:
            sr, parts = recording.sr, _after(recording.channels(), skip)
            y = beginning(_of_one_width(parts), int(seconds * sr))
    except BadInput as error:
        reason = (
            f"{len(content):,} bytes that are not audio"
            if str(error).startswith(NO_AUDIO)
            else str(error)
        )
        raise BadInput(f"{name}: {reason}; left out") from error
    if sr not in MP3_RATES:
        y, sr = soxr.resample(y.T, sr, MP3_RATES[-2]).T, MP3_RATES[-2]
    return encode(y, sr)


def _of_one_width(blocks):
    """Yield blocks with one or two channels, which LAME encodes, as many as the first one has."""
    width = 0
    for y in blocks:
        width = width or (len(y) if len(y) < 3 else 1)
        yield y if len(y) == width else np.repeat(y.mean(axis=0, keepdims=True), width, axis=0)


def _after(blocks, skip):
    """Yield what comes after so many samples."""
    for y in blocks:
        if y.shape[-1] > skip:
            yield y[..., skip:]
        skip = max(0, skip - y.shape[-1])
