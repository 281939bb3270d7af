"""Polite requests: few at a time, patient where that helps, bounded in size, time and trust."""

import contextlib
import threading
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from hiphoplib.errors import BadInput, TryLater, Unreachable
from hiphoplib.io import progress
from hiphoplib.tracks.sources.answers import (  # noqa: F401
    Transient,
    announced,
    connection_problem,
    content_range,
    place,
    raise_for,
    retry_after,
    when,
)

MAX_BYTES = 20_000_000  # of an answer; a preview has 0.4 MB, a whole track of Jamendo about 10
MAX_REDIRECTS = 5
MAX_SECONDS = 300  # from the first byte of an answer's body to its last one
MAX_WAIT = 60  # s; a service that asks for more is left alone, see `TryLater`
PAUSE = 0.25  # s, doubled with each further try
TIMEOUT = (10, 30)  # s to connect, and between two bytes
TRIES = 6
USER_AGENT = "hiphoplib (https://github.com/NicholasIndorf/HipHopPopularity)"
CHUNK = 1 << 16


class Web:
    """A `requests.Session` with manners.

    Parameters
    ----------
    session : requests.Session, optional
        Its adapters and proxies hold; its own retries and redirects are not needed.
    per_host : int
        Requests at a time to one host.
    allow_http : bool
        Also take addresses that are not https, in the first place or by a redirect.
    """

    def __init__(self, session=None, *, per_host=4, allow_http=False):
        self.session = session or requests.Session()
        self.allow_http = allow_http
        self._lock = threading.Lock()
        self._slots = defaultdict(lambda: threading.BoundedSemaphore(per_host))
        self._not_before = defaultdict(float)

    def get(self, url, *, params=None, max_bytes=MAX_BYTES, parse=bytes):
        """The body of an answer, bytes, or what `parse` makes of it.

        Parameters
        ----------
        url : str
        params : dict, optional
            The query.
        max_bytes : int
            More is an error.
        parse : callable
            Takes the body; where it raises `Transient`, the answer is asked for again.

        Raises
        ------
        BadInput
            If the service refuses, the answer is too large, or the address is not https.
        Unreachable
            If no try brought a whole answer.
        TryLater
            If the service asks for a longer pause than `MAX_WAIT`.
        """
        def ask():
            with self.open(url, params=params) as response:
                return parse(b"".join(chunks(response, max_bytes)))

        return self.patiently(url, ask)

    def download(self, url, path, *, max_bytes, desc=None):
        """Download a large file to `path`, going on from ``path.part`` where that is there.

        Raises
        ------
        BadInput, Unreachable, TryLater
            As for `get`; what came is kept.
        """
        part, most, whole = Path(f"{path}.part"), 0, False
        part.parent.mkdir(parents=True, exist_ok=True)
        with progress(desc=desc or Path(path).name, unit="B", unit_scale=True) as bar:
            while not whole:  # a connection that was cut after progress is no failed try
                whole = self.patiently(url, partial(self._go_on, url, part, max_bytes, bar, most))
                most = part.stat().st_size
                time.sleep(0 if whole else PAUSE)
        part.replace(path)

    def _go_on(self, url, part, max_bytes, bar, most):
        """Append what is missing; whether that was all. Without more than `most`, it failed."""
        have = part.stat().st_size if part.is_file() else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self.open(url, headers={"Accept-Encoding": "identity", **headers},
                       accept=(416,) if have else ()) as response:
            if "html" in response.headers.get("Content-Type", ""):
                raise Transient("a web page came instead of the file")
            start, total = content_range(response)
            if response.status_code == 416 and total == have:
                return True  # stopped after the last byte, before the file got its name
            if response.status_code == 416 or (response.status_code == 206 and start != have):
                part.unlink(missing_ok=True)  # not a beginning of this file
                raise Transient("what was downloaded before does not fit")
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise BadInput(f"{place(url)}: comes compressed, which was not asked for; "
                               "not downloaded")  # positions in it would not be the file's
            if response.status_code != 206:
                have = 0  # the server knows no ranges: from the start
            bar.total, bar.n = have + announced(response) or None, have
            with part.open("ab" if have else "wb") as file:
                try:
                    for chunk in chunks(response, max_bytes, have, decode=False):
                        have += file.write(chunk)
                        bar.update(len(chunk))
                except (*CUT, Transient):
                    if have <= most:
                        raise
                    return False
        if total is not None and most >= have < total:
            raise Transient("no more of the file came")
        return total is None or have >= total

    @contextlib.contextmanager
    def open(self, url, *, params=None, headers=None, accept=()):
        """One answer, its body not read yet; redirects are followed, failures raised.

        Parameters
        ----------
        accept : tuple of int
            Statuses of 300 and more that are no failure to the caller.

        Yields
        ------
        requests.Response

        Raises
        ------
        BadInput
            If the service refuses or redirects too often, or an address is not https.
        Transient
            If another try may help.
        """
        headers = {"User-Agent": USER_AGENT, **(headers or {})}
        for _ in range(MAX_REDIRECTS + 1):
            with _as_bad_input(url):
                self._check(url)
                response = self.session.get(
                    url, params=params, headers=headers, stream=True, timeout=TIMEOUT,
                    allow_redirects=False, hooks={"response": _close_redirect})
                if not response.is_redirect:
                    break
                url = urljoin(url, self.session.get_redirect_target(response))
                params = None  # the service repeats in its address what it wants repeated
        else:
            raise BadInput(f"{place(url)}: more than {MAX_REDIRECTS} redirects; not followed")
        with response:
            if response.status_code not in accept:
                raise_for(response)
            yield response

    def patiently(self, url, ask):
        """What ``ask()`` returns, tried again while it raises `Transient` or a connection fails.

        Raises
        ------
        Unreachable
            If no try succeeded.
        TryLater
            If the service asks for a longer pause than `MAX_WAIT`, or for pauses without end.
        """
        host = place(url).partition("/")[0]
        for attempt in range(TRIES):
            with self._turn(host):
                try:
                    return ask()
                except Transient as error:
                    problem = error
                except CUT as error:
                    problem = Transient(connection_problem(error))
            wait, pause = problem.wait, PAUSE * 2 ** attempt
            if wait is None:
                time.sleep(pause if attempt + 1 < TRIES else 0)
                continue
            if wait > MAX_WAIT:
                raise TryLater(f"{place(url)}: {problem}; {when(wait)}")
            with self._lock:  # for everyone who asks there
                self._not_before[host] = max(self._not_before[host],
                                             time.monotonic() + max(wait, pause))
        if wait is not None:
            raise TryLater(f"{place(url)}: {problem}, {TRIES} times; {when(wait)}")
        raise Unreachable(f"{place(url)}: {problem}, {TRIES} times; try again later")

    @contextlib.contextmanager
    def _turn(self, host):
        """Hold one of the host's slots, from when it may be asked again."""
        with self._lock:
            slots = self._slots[host]
        with slots:
            while (wait := self._not_before[host] - time.monotonic()) > 0:
                time.sleep(wait)  # and look again: another one may have been sent away meanwhile
            yield

    def _check(self, url):
        scheme = urlsplit(url).scheme
        if scheme != "https" and not (self.allow_http and scheme == "http"):
            raise BadInput(f"{place(url)}: {scheme or 'no'} address where https is wanted; "
                           "not asked for")


CUT = (requests.RequestException, urllib3.exceptions.HTTPError)
_ENDS = ("Content-Length", "Transfer-Encoding")  # one of them tells where a body ends


def _close_redirect(response, **_):
    """Leave the body of a redirect where it is: `requests` would read all of it, however much."""
    if response.is_redirect:
        response.close()


@contextlib.contextmanager
def _as_bad_input(url):
    """What `requests` and `urllib` raise of an address that is none, as the user's error."""
    try:
        yield
    except BadInput:
        raise
    except ValueError:  # its text may hold the query
        raise BadInput(f"{place(url)}: no address that can be asked for, or redirects to none; "
                       "left out") from None


def chunks(response, max_bytes, have=0, *, decode=True):
    """The body in pieces, as long as it is not too large and does not take too long.

    Parameters
    ----------
    response : requests.Response
        Opened with ``stream=True``.
    max_bytes : int
        Of the whole file, the `have` bytes before this answer included.
    decode : bool
        Undo a Content-Encoding; the limit holds for what comes out.

    Raises
    ------
    BadInput
        If it is too large.
    Transient, urllib3.exceptions.HTTPError
        If it takes longer than `MAX_SECONDS`, or is cut.
    """
    come, end = have + announced(response), time.monotonic() + MAX_SECONDS
    while come <= max_bytes:
        # `read1` comes back with whatever is there; others wait for all, however slowly it drips
        chunk = response.raw.read1(CHUNK, decode_content=decode)
        if not chunk:
            if not come and not any(name in response.headers for name in _ENDS):
                raise Transient("the answer was cut")  # within its head, for all one can tell
            return
        have += len(chunk)
        come = max(come, have)
        if time.monotonic() > end:
            raise Transient(f"not whole after {MAX_SECONDS} s")
        if have <= max_bytes:
            yield chunk
    raise BadInput(f"{place(response.url)}: {come / 1e6:.0f} MB, at most {max_bytes / 1e6:.0f} MB "
                   "are taken; left out")
