"""What an answer says: whether to ask again and when, and what may be shown of it."""

import contextlib
import email.utils
import re
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import requests
import urllib3

from hiphoplib.errors import BadInput

_YEAR = 365 * 86400  # s; no clock overflows when this is added


class Transient(Exception):
    """A failure that another try may not meet; ``wait`` is what the service asks for, in s."""

    def __init__(self, reason, wait=None):
        super().__init__(reason)
        self.wait = wait


def raise_for(response):
    """Raise what an answer without content means to the one who asked.

    Raises
    ------
    Transient
        429 and 5xx, with the wait of Retry-After.
    BadInput
        Any other status but 2xx.
    """
    status = response.status_code
    if 200 <= status < 300:
        return
    said = printable(f"HTTP {status} {response.reason or ''}").strip()[:80]
    if status == 429 or status >= 500:
        raise Transient(said, retry_after(response.headers, 1 if status == 429 else None))
    raise BadInput(f"{place(response.url)}: {said}; the service does not hand it out")


def retry_after(headers, default=None):
    """Seconds that a Retry-After header asks for, float; `default` where there is none."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _YEAR)
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        at = email.utils.parsedate_to_datetime(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return min(max(0.0, at.timestamp() - time.time()), _YEAR)
    return default


def when(seconds):
    """When to go on, in local time."""
    at = datetime.now().astimezone() + timedelta(seconds=seconds)
    return f"what came is kept, go on with the same command after {at:%Y-%m-%d %H:%M %Z}"


def connection_problem(error):
    """What went wrong with a connection, in the user's words; addresses are left out."""
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return "no answer in time"
    if isinstance(error, (requests.exceptions.SSLError, urllib3.exceptions.SSLError)):
        return "no trustworthy certificate"
    return "the connection failed or was cut"


def place(url):
    """Host and path of an address, str; the query may hold what is nobody's business."""
    try:
        parts = urlsplit(url)
        where = f"{parts.hostname or ''}{parts.path}"
    except ValueError:
        where = re.sub(r"[?#].*|.*@", "", url)
    return printable(where)[:120]


def printable(text):
    """One line of it without control characters: strangers wrote it, and a terminal obeys them."""
    return "".join(char if char.isprintable() else "?" for char in text)


def announced(response):
    """Content-Length, int; 0 where there is no sensible one."""
    text = response.headers.get("Content-Length", "")
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else 0


def content_range(response):
    """First byte and size of the file that a Content-Range names, None where it does not."""
    said = re.fullmatch(r"bytes (?:([0-9]{1,18})-[0-9]+|\*)/(?:([0-9]{1,18})|\*)",
                        response.headers.get("Content-Range", ""))
    return tuple(text and int(text) for text in said.groups()) if said else (None, None)
