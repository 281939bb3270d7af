"""Jamendo: Creative Commons music, and how often each track was listened to.

The service: https://developer.jamendo.com/v3.0/tracks, 35,000 requests a month, for uses that are
not commercial. It needs a client id, which is free.
"""

import json
import re
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal
from urllib.parse import urlsplit

import requests
from pydantic import (
    AfterValidator,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
)

from hiphoplib.audio.files import middle
from hiphoplib.errors import BadInput, TryLater
from hiphoplib.tracks.sources.base import percentile_within, withheld
from hiphoplib.tracks.sources.search import Line, Number, OrNone, Search
from hiphoplib.tracks.sources.web import Transient, legible

API = "https://api.jamendo.com/v3.0/tracks/"
YEARS = (2005, 2025)  # the first whole year of the service, and the last whole one now
SIZE = 200  # entries of a page; the service gives no more

_END = 10_000  # entries of a year; no year has as many, should its total not be known
_SUCCESS = ("success", "succeed")  # what it sends, and what its documentation says
_RATE_LIMIT = 6  # codes of https://developer.jamendo.com/v3.0/response-codes
_CLIENT_ID = (5, 11, 12)  # unknown, suspended, not accepted


class Jamendo(Search):
    """Tracks with a tag that may be downloaded, year by year in an order drawn by the seed.

    Popularity is the percentile of the listens among the gathered tracks that went up in the same
    year, ties sharing their middle. A clip is the middle 30 s of a track, which comes whole.

    Parameters
    ----------
    n : int
        Tracks that may be trained on and whose popularity and clip are known.
    seed : int
        Another seed, other tracks.
    tag : str
        As Jamendo spells it: "hiphop", "rap".
    years : (int, int), optional
        First and last year in which they went up; `YEARS` if not given.
    offline : bool
        Make the table from cached responses, and ask for nothing.
    no_derivatives : bool
        Take tracks whose licence forbids derivatives like any other ones.
    session : requests.Session, optional

    Raises
    ------
    BadInput
        If an option makes no sense.
    """

    name = "jamendo"
    advice = "a free one is to be had at https://devportal.jamendo.com"

    def __init__(self, n: int = 1000, seed: int = 0, tag: str = "hiphop",
                 years: Sequence[int] | None = None, offline: bool = False,
                 no_derivatives: bool = False, session: requests.Session | None = None):
        super().__init__(n, seed, years or YEARS, offline, session)
        self.tag, self.no_derivatives = tag.strip(), bool(no_derivatives)
        self.topic = f"tag {self.tag!r}"
        if not self.tag:
            raise BadInput("jamendo: no tag; give one such as hiphop")

    @property
    def settings(self):
        return {"tag": self.tag, "years": self.years, "seed": self.seed,
                "no_derivatives": self.no_derivatives}

    def _tracks(self, keep):
        table = super()._tracks(keep)
        table["listens"] = table["listens"].astype(float)
        return table.assign(
            popularity=percentile_within(table["listens"], table["release_date"].str[:4]),
            popularity_kind="Jamendo listens, percentile among the gathered tracks that went up in "
                            "the same year")

    def _clip(self, row):
        return middle(self.web.get(row.preview_url), name=f"clip {row.id}")

    def _counts(self, row):
        return bool(row["preview_url"] and row["listens"] is not None and row["release_date"]
                    and not row["withheld"])

    def _rows(self, cache):
        years = list(range(self.years[0], self.years[1] + 1))
        totals = {year: self._total(cache, year) for year in years}
        for year, offset in self._turns(years, totals, size=SIZE, end=_END):
            page = self._page(cache, year, offset)
            results = page.content["results"] if page else []
            if page and not results:
                totals[year] = min(totals[year], offset)  # fewer than it said, or it did not say
            for row in self._valid(_Track, results):
                why = withheld(row["licence"], no_derivatives=self.no_derivatives)
                yield {**row, "withheld": why, "collected_at": page.asked_at}

    def _total(self, cache, year):
        """Return how many entries a year has."""
        page = self._page(cache, year, offset=0, limit=1)
        total = _COUNT.validate_python(page and page.content["headers"].get("results_fullcount"))
        return _END if total is None else int(min(total, _END))

    def _page(self, cache, year, offset, limit=None):
        """Return a cached response, or ask for it; None where nothing may be asked for."""
        query = {"datebetween": f"{year}-01-01_{year}-12-31",
                 "offset": offset, "limit": limit or SIZE, "tags": self.tag,
                 "type": "single albumtrack",  # without it, no singles
                 "order": "id",  # by default the most relevant first, and another order each time
                 "include": "musicinfo stats licenses", "fullcount": "true", "format": "json",
                 "audioformat": "mp31", "audiodlformat": "mp31"}  # 96 kbit/s, as previews have

        def ask():
            client_id, = self._credentials("JAMENDO_CLIENT_ID")
            return self.web.get(API, params={"client_id": client_id, **query}, parse=_response)

        return cache.get(query, None if self.offline else ask, _is_response)


def _response(body):
    """Return what came, if it is a response; the errors of this service come as HTTP 200."""
    try:
        content = json.loads(body.decode(errors="replace"))
        headers = content["headers"]
        status = headers["status"]
    except (ValueError, TypeError, LookupError, RecursionError):
        raise Transient("no response of this service came, but something else") from None
    if isinstance(status, str) and status not in _SUCCESS:
        raise _failure(headers.get("code"), headers.get("error_message"))
    if status not in _SUCCESS or not _is_response(content):
        raise Transient("a response without a list of tracks came")
    warnings = str(headers.get("warnings") or "")
    if not content["results"] and re.search("limit|quota", warnings, re.IGNORECASE):
        raise _failure(_RATE_LIMIT, warnings)
    return content


def _failure(code, message):
    """Return the error that a response stands for."""
    message = legible(" ".join(str(message or "").split())) or (
        "the service reports an error and does not say which")
    code = _COUNT.validate_python(code)
    if code == _RATE_LIMIT or "rate limit" in message.lower():
        return TryLater(f"api.jamendo.com: {message}; what came is kept, go on with the same "
                        "command in an hour, or next month if all 35,000 requests are used")
    if code in _CLIENT_ID:
        return BadInput(f"JAMENDO_CLIENT_ID: {message}; {Jamendo.advice}")
    return BadInput(f"api.jamendo.com: {message}; what came is kept, the same command asks again")


def _is_response(content):
    return (isinstance(content, dict) and isinstance(content.get("headers"), dict)
            and isinstance(content.get("results"), list))


def _https(address):
    parts = urlsplit(address)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("no https address")
    return address


def _day(text):
    day = date.fromisoformat(text)
    if not 1900 <= day.year <= 2200:  # pandas takes no others
        raise ValueError("no day on which a track went up")
    return day.isoformat()


_COUNT = TypeAdapter(OrNone[Number])
_Address = Annotated[Line, AfterValidator(_https)]
_Listed = Annotated[list[Line], BeforeValidator(lambda value: [value])]


class _Track(BaseModel):
    """A row of the table, out of a track as the service describes it."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    allowed: Literal[True, "true"] = Field(alias="audiodownload_allowed", exclude=True)
    id: Annotated[Line, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
    track: OrNone[Line] = Field(None, alias="name")
    artists: _Listed = Field(alias="artist_name")
    artist_ids: OrNone[_Listed] = Field(None, alias="artist_id")
    album_name: OrNone[Line] = None
    release_date: OrNone[Annotated[str, AfterValidator(_day)]] = Field(None, alias="releasedate")
    image: OrNone[_Address] = None
    duration_ms: OrNone[Annotated[Number, Field(gt=0), AfterValidator(lambda s: 1000 * s)]] = Field(
        None, alias="duration")
    preview_url: OrNone[_Address] = Field(None, alias="audiodownload")
    licence: OrNone[Line] = Field(None, alias="license_ccurl")
    listens: OrNone[Number] = Field(
        None, validation_alias=AliasPath("stats", "rate_listened_total"))
