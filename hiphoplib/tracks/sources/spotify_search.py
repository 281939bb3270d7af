"""Spotify's search by way of spotipy: what goes wrong is either survived or said in one line."""

import base64
import io
import json
import re
from functools import cached_property

import requests
import spotipy
from spotipy.cache_handler import MemoryCacheHandler
from spotipy.oauth2 import SpotifyClientCredentials

from hiphoplib.errors import BadInput
from hiphoplib.tracks.sources.answers import (
    Transient,
    connection_problem,
    printable,
    raise_for,
    retry_after,
)
from hiphoplib.tracks.sources.credentials import conceal, from_environment, redact
from hiphoplib.tracks.sources.web import CUT, MAX_BYTES, MAX_WAIT, TIMEOUT, USER_AGENT, chunks

SEARCH = "https://api.spotify.com/v1/search"
TOKEN = SpotifyClientCredentials.OAUTH_TOKEN_URL
DASHBOARD = "https://developer.spotify.com/dashboard"
DAY = 86_400  # s
ADVICE = {
    400: "check the genre and the years",
    401: f"check SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET against {DASHBOARD}",
    403: f"see what {DASHBOARD} says of the application, or gather fma",
}
PREMIUM = ("since February-March 2026 the owner of an application in development mode needs "
           "Spotify Premium: subscribe, or gather fma")


class LimitRefused(BadInput):
    """The search hands out no pages of this size."""


class Search:
    """The search, asked with the credentials that the environment holds.

    Parameters
    ----------
    web : Web
        Whose session and patience are used.
    """

    def __init__(self, web):
        self.web = web

    def __call__(self, query):
        """One page, dict as Spotify sends it; an empty one that should not be is asked for again.

        Parameters
        ----------
        query : dict
            ``q``, ``type``, ``limit``, ``offset``.

        Raises
        ------
        LimitRefused
            If pages of this size are not handed out.
        BadInput, Unreachable, TryLater
            If Spotify refuses, is not there, or wants to be left alone.
        """
        for _ in range(2):
            answer = self.web.patiently(SEARCH, lambda: self._page(query))
            if items(answer) or query["offset"] >= total(answer) > 0:
                break
        return answer

    def _page(self, query):
        for fresh in (False, True):  # a token may be withdrawn before its time
            self._client.set_auth(self._token(fresh))
            try:
                answer = self._client.search(**query)
                break
            except _Refused as error:
                if error.status != 401 or fresh:
                    raise _explained(error) from None
        if items(answer) is None:
            raise Transient("the answer is no page of a search")
        return answer

    @cached_property
    def _client(self):
        client_id, secret = from_environment("SPOTIPY_CLIENT_ID", "SPOTIPY_CLIENT_SECRET",
                                             advice=f"see {DASHBOARD}")
        conceal(base64.b64encode(f"{client_id}:{secret}".encode()).decode())
        wire = _Wire(self.web.session)
        manager = SpotifyClientCredentials(
            client_id, secret, requests_session=wire, requests_timeout=TIMEOUT,
            cache_handler=MemoryCacheHandler())  # the usual one writes a file
        return spotipy.Spotify(auth_manager=manager, requests_session=wire,
                               requests_timeout=TIMEOUT)

    def _token(self, fresh):
        """An access token, a new one if the last one is about to expire or `fresh` is wanted."""
        manager = self._client.auth_manager
        if fresh:
            manager.cache_handler.save_token_to_cache(None)

        def ask():
            try:
                token = manager.get_access_token(as_dict=False)
                if not re.fullmatch(r"[!-~]+", token):
                    raise ValueError
            except (ValueError, LookupError, TypeError):  # spotipy takes any answer for a token
                manager.cache_handler.save_token_to_cache(None)
                raise Transient("the answer holds no access token") from None
            conceal(token)
            return token

        try:
            return self.web.patiently(TOKEN, ask)
        except _Refused as error:
            raise BadInput(f"spotify: {error}, when asked for an access token; "
                           f"{ADVICE[401]}") from None


class _Refused(Exception):
    """An answer of status 4xx that another try will not change."""

    def __init__(self, status, said):
        super().__init__(f"HTTP {status} {said!r}" if said else f"HTTP {status}")
        self.status, self.said = status, said


def _explained(error):
    """A refusal of the search, with the next step."""
    said = f"spotify: {error}, when asked for a page of the search"
    if error.status == 400 and "limit" in error.said.lower():
        return LimitRefused(f"{said}; Spotify has changed what it hands out, gather fma")
    if error.status == 403 and "premium" in error.said.lower():
        return BadInput(f"{said}; {PREMIUM}")
    return BadInput(f"{said}; {ADVICE.get(error.status, ADVICE[403])}")


class _Wire(requests.Session):
    """What spotipy sends through: the session handed in, bounded, without redirects.

    What goes wrong is raised here, for spotipy makes None of a `ValueError`, loses what
    Retry-After says, and stumbles over errors of another shape.
    """

    def __init__(self, session):
        super().__init__()
        self.session = session

    def request(self, method, url, *, headers, verify=None, **options):
        try:  # `verify` is the session's to say
            with self.session.request(method, url, **options, stream=True, allow_redirects=False,
                                      headers={"User-Agent": USER_AGENT, **headers}) as response:
                body = b"".join(chunks(response, MAX_BYTES))
        except BadInput:
            raise Transient("too large an answer") from None
        except CUT as error:
            raise Transient(connection_problem(error)) from None
        _raise_for(response, body)
        whole = requests.Response()
        whole.status_code, whole.raw = response.status_code, io.BytesIO(body)
        return whole


def _raise_for(response, body):
    """Raise what an answer without content means: `Transient` or `_Refused`."""
    status, (said, reason) = response.status_code, _complaint(body)
    if status == 429 and reason == "QUOTA_EXCEEDED":
        raise Transient("the application's quota is used up (QUOTA_EXCEEDED)",
                        max(retry_after(response.headers, DAY), MAX_WAIT + 1))
    if 300 <= status < 400:
        raise Transient(f"HTTP {status}, a redirect; does this network want a login?")
    if 400 <= status < 500 and status != 429:
        raise _Refused(status, said)
    raise_for(response)


def _complaint(body):
    """Message and reason of an error, which both of Spotify's services put in their own way."""
    try:
        answer = json.loads(body)
    except ValueError:
        return "", None
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict):
        said, reason = error.get("message") or "", error.get("reason")
    else:
        said, reason = f"{error}: {answer.get('error_description')}" if error else "", None
    return printable(redact(str(said)))[:200], reason


def items(answer):
    """The tracks of a page, list of whatever came; None where it is no page."""
    tracks = answer.get("tracks") if isinstance(answer, dict) else None
    found = tracks.get("items") if isinstance(tracks, dict) else None
    return found if isinstance(found, list) else None


def total(answer):
    """How many tracks the search finds, int; 0 where the page does not say."""
    said = answer["tracks"].get("total") if items(answer) is not None else None
    return said if isinstance(said, int) else 0
