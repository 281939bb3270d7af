"""Requests that are polite, patient where that helps, and bounded in size, time and trust.

They raise `BadInput` where the service refuses, a response is too large or an address not https,
`Unreachable` where no try brings a whole response, `TryLater` for a pause above `MAX_WAIT`.
"""

import contextlib
import io
import ipaddress
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests
import urllib3

from hiphoplib.errors import BadInput, TryLater, Unreachable

AT_ONCE = 4  # requests at a time
MAX_BYTES = 20_000_000  # of a response; a preview has 0.4 MB, a whole track of Jamendo about 10
MAX_REDIRECTS = 5
MAX_SECONDS = 300  # from the first byte of a response's body to its last one
MAX_WAIT = 60  # s; a service that asks for more is left alone
PAUSE = 0.25  # s, doubled with each further try
TIMEOUT = (10, 30)  # s to connect, and between two bytes
TRIES = 6
USER_AGENT = "hiphoplib (https://github.com/NicholasIndorf/HipHopPopularity)"

_retry = urllib3.Retry(retry_after_max=365 * 86400)  # no clock overflows when that is added
_CUT = (requests.RequestException, urllib3.exceptions.HTTPError)
_ENDS = ("Content-Length", "Transfer-Encoding")  # one of them tells where a body ends
_secrets: set[str] = set()


class Transient(Exception):
    """A failure that another try may not meet; `wait` is what the service asks for, in s."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait


class Web:
    """A `requests.Session` with manners; `allow_http` is for addresses that are not https."""

    def __init__(self, session: requests.Session | None = None, *, allow_http: bool = False):
        self.allow_http = allow_http
        self._session = session or requests.Session()
        self._session.max_redirects = MAX_REDIRECTS
        os.environ["NETRC"] = os.devnull  # `requests` would send what ~/.netrc holds instead
        self._slots, self._not_before = threading.BoundedSemaphore(AT_ONCE), 0.0

    def get(
        self,
        url: str,
        *,
        parse: Callable[[bytes], Any] = bytes,
        refusal: Callable[[int, bytes, Exception], Exception] | None = None,
        **request: Any,
    ) -> Any:
        """Return what `parse` makes of the body of a response, without credentials.

        Parameters
        ----------
        url : str
        parse : callable
            Takes the body; where it raises `Transient`, the request is repeated.
        refusal : callable, optional
            Takes a status from 300 to 499, the body and an error; returns the error to raise.
        **request
            As of `requests.Session.request`: ``params``, ``headers``; with ``data``, a POST.

        Returns
        -------
        bytes, or the result of `parse`
        """
        return self._patiently(
            url, lambda response: _redact(parse(_body(response, MAX_BYTES))), refusal, **request
        )

    def part(
        self, url: str, first: int, last: int | None = None, *, max_bytes: int = MAX_BYTES
    ) -> tuple[int, bytes, int]:
        """Return a part of a file; `BadInput` also if the server cannot send parts.

        Parameters
        ----------
        url : str
        first, last : int
            Its first and last byte, the latter at most; or minus the length of the file's end.
        max_bytes : int

        Returns
        -------
        first : int
        part : bytes
        total : int
            Bytes of the whole file.
        """

        def read(response):
            if "html" in response.headers.get("Content-Type", ""):
                raise Transient("a web page came instead of the file")
            match = re.fullmatch(
                r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18})",
                response.headers.get("Content-Range", ""),
            )
            if not match:
                raise BadInput(
                    f"{_host_path(url)}: the server cannot send parts of it, and the "
                    f"whole file has {_announced(response) / 2**30:.3g} GiB"
                )
            start, total = map(int, match.groups())
            body = _body(response, max_bytes)
            end = total if last is None else min(last + 1, total)
            if start != (max(total + first, 0) if first < 0 else first) or start + len(body) != end:
                raise Transient("another part came than was asked for")
            return start, body, total

        wanted = f"{first}" if last is None else f"{first}-{last}"
        return self._patiently(
            url, read, headers={"Range": f"bytes={wanted}", "Accept-Encoding": "identity"}
        )

    @contextlib.contextmanager
    def _open(self, url, refusal, *, headers=None, **request):
        """Yield a response whose body is not read yet; raise what a failure means."""
        headers = {"User-Agent": USER_AGENT, **(headers or {})}
        conceal(headers.get("Authorization", "").rpartition(" ")[2])
        try:
            self._check(url)
            response = self._session.request(
                "POST" if "data" in request else "GET",
                url,
                headers=headers,
                stream=True,
                timeout=TIMEOUT,
                hooks={"response": self._check_redirect},
                **request,
            )
        except requests.TooManyRedirects:
            raise BadInput(
                f"{_host_path(url)}: more than {MAX_REDIRECTS} redirects; not followed"
            ) from None
        except BadInput:
            raise
        except ValueError:  # of `requests` and `urllib`; its text may hold the query
            raise BadInput(
                f"{_host_path(url)}: no address that can be asked for, or redirects to "
                "none; left out"
            ) from None
        with response:
            if not 200 <= response.status_code < 300:
                error = _failure(response)
                if refusal and response.status_code < 500:
                    error = refusal(response.status_code, _body(response, MAX_BYTES), error)
                raise error
            yield response

    def _check(self, url):
        scheme = urlsplit(url).scheme
        if scheme != "https" and not (self.allow_http and scheme == "http"):
            raise BadInput(
                f"{_host_path(url)}: {scheme or 'no'} address where https is wanted; not asked for"
            )

    def _check_redirect(self, response, **_):
        if response.is_redirect:
            response.close()  # `requests` would read its body, however much that is
            target = urljoin(response.url, self._session.get_redirect_target(response))
            requests.PreparedRequest().prepare_url(target, None)  # raises where it is no address
            self._check(target)
            if _is_private(target) and not _is_private(response.url):
                raise BadInput(
                    f"{_host_path(response.url)}: redirects into a private network, to "
                    f"{_host_path(target)}; not followed"
                )

    def _patiently(self, url, read, refusal=None, **request):
        for attempt in range(TRIES):
            with self._slots:
                while (left := self._not_before - time.monotonic()) > 0:
                    time.sleep(left)  # and look again: another one may have been sent away
                try:
                    with self._open(url, refusal, **request) as response:
                        return read(response)
                except Transient as error:
                    problem, wait = str(error), error.wait
                except _CUT as error:
                    problem, wait = _connection_problem(error), None
            pause = PAUSE * 2**attempt
            if wait is None:
                time.sleep(pause if attempt + 1 < TRIES else 0)
            elif wait > MAX_WAIT:
                raise TryLater(f"{_host_path(url)}: {problem}; {_when(wait)}")
            else:  # for everyone who asks
                self._not_before = max(self._not_before, time.monotonic() + max(wait, pause))
        if wait is not None:
            raise TryLater(f"{_host_path(url)}: {problem}, {TRIES} times; {_when(wait)}")
        raise Unreachable(f"{_host_path(url)}: {problem}, {TRIES} times; try again later")


def _body(response, max_bytes):
    """Read a body, unless it is too large or comes too slowly."""
    size, body, end = _announced(response), io.BytesIO(), time.monotonic() + MAX_SECONDS
    while size <= max_bytes:
        # `read1` comes back with whatever is there; others wait for all, however slowly it drips
        chunk = response.raw.read1(1 << 16, decode_content=True)
        if not chunk:
            if not size and not any(name in response.headers for name in _ENDS):
                raise Transient("the response was cut")  # within its head, for all one can tell
            return body.getvalue()
        body.write(chunk)
        size = max(size, body.tell())
        if time.monotonic() > end:
            raise Transient(f"not whole after {MAX_SECONDS} s")
    raise BadInput(
        f"{_host_path(response.url)}: {size / 1e6:.0f} MB, at most "
        f"{max_bytes / 1e6:.0f} MB are taken; left out"
    )


def _is_private(url):
    """Whether a host is in a private network, or this machine: what strangers name is not asked."""
    try:
        found = socket.getaddrinfo(urlsplit(url).hostname, None)
    except (OSError, UnicodeError):
        return False  # no address, and nobody to ask
    ends = (ipaddress.ip_address(str(address[0]).partition("%")[0]) for *_, address in found)
    return any(not (getattr(end, "ipv4_mapped", None) or end).is_global for end in ends)


def _announced(response):
    """Return the Content-Length, 0 where there is no sensible one."""
    text = response.headers.get("Content-Length", "")
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else 0


def _failure(response):
    status = response.status_code
    text = legible(f"HTTP {status} {response.reason or ''}")[:80]
    if status == 429 or status >= 500:
        return Transient(text, _retry_after(response.headers, 1 if status == 429 else None))
    return BadInput(f"{_host_path(response.url)}: {text}; the service does not hand it out")


def _retry_after(headers, default=None):
    """Return the seconds that a Retry-After header asks for, at most a year."""
    with contextlib.suppress(
        urllib3.exceptions.InvalidHeader, LookupError, ValueError, OverflowError
    ):
        return _retry.parse_retry_after(headers["Retry-After"])
    return default


def _when(seconds):
    at = datetime.now().astimezone() + timedelta(seconds=seconds)
    return f"what came is kept, go on with the same command after {at:%Y-%m-%d %H:%M %Z}"


def _connection_problem(error):
    """Return what went wrong with a connection; the library's text holds addresses."""
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return "no response in time"
    if isinstance(error, (requests.exceptions.SSLError, urllib3.exceptions.SSLError)):
        return "no trustworthy certificate"
    return "the connection failed or was cut"


def _host_path(url):
    """Return host and path of whatever is given as an address; its query may hold a secret."""
    try:
        parts = urlsplit(url)
        return legible(f"{parts.hostname or ''}{parts.path}")[:120]
    except ValueError:
        return legible(re.sub(r"[?#].*|.*@", "", url))[:120]


def legible(text: str) -> str:
    """Return a stranger's text as an error may show it.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        At most 200 characters on one line, without credentials and control characters.
    """
    return "".join(char if char.isprintable() else "?" for char in _redact(text)).strip()[:200]


def conceal(*secrets: str) -> None:
    """Keep secrets out of messages, cached responses and the log of requests.

    Parameters
    ----------
    *secrets : str
    """
    for secret in filter(None, secrets):
        _secrets.update((secret, quote(secret, safe="")))  # as it stands in an address
        for name in ("connectionpool", "util.retry"):  # what logs addresses
            logging.getLogger(f"urllib3.{name}").addFilter(_redact_record)


def _redact(value):
    """Return a value without what was concealed; the texts in lists and dicts are gone through."""
    if isinstance(value, dict):
        return {_redact(key): _redact(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_redact(inner) for inner in value]
    if isinstance(value, str):
        for secret in sorted(_secrets, key=len, reverse=True):
            value = value.replace(secret, "[hidden]")
    return value


def _redact_record(record):
    record.msg, record.args = _redact(record.getMessage()), ()
    return True
