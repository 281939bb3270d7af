"""Services whose search is read page by page: what came is kept, and the seed draws the order."""

import contextlib
import hashlib
import json
import os
import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import requests

from hiphoplib.errors import BadInput
from hiphoplib.io import progress, write_whole
from hiphoplib.tracks.sources.base import Source
from hiphoplib.tracks.sources.web import AT_ONCE, Web, conceal


class Search(Source):
    """A source that finds its tracks by the search of a service.

    Parameters
    ----------
    n, seed : int
        Tracks that can be used; another seed, other tracks.
    years : (int, int)
        First and last one.
    offline : bool
        Make the table from cached responses, and ask for nothing.
    session : requests.Session, optional
    """

    remote, at_once = True, AT_ONCE
    advice: str  # where to get credentials
    topic: str  # what is searched for, to be shown

    def __init__(
        self,
        n: int,
        seed: int,
        years: Sequence[int],
        offline: bool,
        session: requests.Session | None,
    ):
        self.n, self.seed, self.years = int(n), int(seed), [int(year) for year in years]
        if self.n < 1 or self.seed < 0:
            raise BadInput(
                f"{self.name}: {n} tracks, seed {seed}; at least 1 track and a seed of "
                "0 or more are needed"
            )
        if len(self.years) != 2 or not 1900 <= self.years[0] <= self.years[1] <= 2100:
            raise BadInput(
                f"{self.name}: years {', '.join(map(str, self.years))}; give the first "
                "and the last one, such as 1990 and 2025"
            )
        self.offline, self.web = bool(offline), Web(session)

    def _tracks(self, keep):
        rows: dict[str, dict] = {}
        usable = 0
        with progress(total=self.n, desc="tracks", unit="track") as bar:
            for row in self._rows(keep and keep / "pages"):
                if row["id"] in rows:
                    continue  # found twice, or moved up between two responses
                rows[row["id"]] = row
                counts = self._counts(row)
                usable += counts
                bar.update(counts)
                if usable == self.n:
                    break
        if not rows and self.offline:
            raise BadInput(
                f"{keep or self.name}: no responses with tracks are kept there; gather "
                "without --offline first"
            )
        if not rows:
            raise BadInput(
                f"{self.name}: no track of {self.topic} from {self.years[0]} to "
                f"{self.years[1]} is handed out; try another one or other years"
            )
        return pd.DataFrame(list(rows.values()))

    @abstractmethod
    def _rows(self, folder: Path | None) -> Iterator[dict]:
        """Yield rows of the table in the order in which they are found."""

    def _counts(self, row: dict) -> bool:
        """Return whether a row is one of the `n` that are wanted."""
        return True

    def _credentials(self, *names: str) -> list[str]:
        """Return credentials from environment variables, each concealed from now on."""
        missing = [name for name in names if not os.environ.get(name, "").strip()]
        if missing:
            raise BadInput(f"{' and '.join(missing)}: not set in the environment; {self.advice}")
        values = [os.environ[name].strip() for name in names]
        conceal(*values)
        for name, value in zip(names, values):
            if re.search(r"[^!-~]", value):
                raise BadInput(
                    f"{name}: holds a blank or a sign that is not ASCII; copy it again, "
                    f"{self.advice}"
                )
        return values

    def _turns(self, cells: list, totals: dict, *, size: int, end: int) -> Iterator[tuple]:
        """Yield cell and offset of each page: every cell in turn, its pages as the seed draws them.

        A search puts the popular first; pages from anywhere in it show the unpopular as well. The
        caller fills in `totals` as responses come; a page behind its cell's total ends no turn.
        """
        rng = np.random.default_rng(self.seed)
        order = [cells[i] for i in rng.permutation(len(cells))]
        offsets = {cell: iter(rng.permutation(np.arange(0, end, size)).tolist()) for cell in order}
        for _ in range(0, end, size):
            for cell in order:
                for offset in offsets[cell]:  # goes on where the cell's turn before ended
                    if offset >= totals.get(cell, end):
                        continue
                    yield cell, offset
                    if offset < totals.get(cell, end):
                        break

    # Strangers write the responses: what is of another kind is None, and costs its field alone.

    @staticmethod
    def _json(body: bytes) -> Any:
        try:
            return json.loads(body.decode(errors="replace"))
        except (ValueError, RecursionError):
            return None

    @staticmethod
    def _at(value: Any, *keys: str) -> Any:
        """Return what lies under these keys in dicts of dicts."""
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    @staticmethod
    def _text(value: Any) -> str | None:
        """Return text, or a whole number as such."""
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            return None
        return str(value).encode(errors="replace").decode().strip() or None  # no half surrogates

    @staticmethod
    def _number(value: Any, high: float = 1e15) -> float | None:
        """Return a number of at least 0, or that of a text."""
        try:
            number = -1 if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            return None
        return number if 0 <= number <= high else None

    def _address(self, value: Any) -> str | None:
        """Return an https address."""
        address = self._text(value) or ""
        with contextlib.suppress(ValueError):
            if urlsplit(address).scheme == "https" and urlsplit(address).hostname:
                return address
        return None


def cached(
    folder: Path | str | None,
    query: dict,
    ask: Callable[[], dict] | None = None,
    usable: Callable[[Any], bool] = bool,
) -> dict | None:
    """Return the response to a query, so that a table can be made again without asking.

    Parameters
    ----------
    folder : path-like or None
        Where responses are kept, one JSON file each; nowhere if None.
    query : dict
        Names the file; without credentials.
    ask : callable, optional
        Returns the response; called where no usable one is kept.
    usable : callable
        Whether the content of a file is a response.

    Returns
    -------
    dict or None
        ``query``, ``asked_at``, ``answer``; None if there is none, and nobody to ask.
    """
    path = Path(folder) / _file_name(query) if folder else None
    if path:
        with contextlib.suppress(FileNotFoundError, ValueError, TypeError, LookupError):
            page = json.loads(path.read_bytes())
            if page["query"] == query and usable(page["answer"]) and "asked_at" in page:
                return page
    if ask is None:
        return None
    page = {
        "query": query,
        "asked_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "answer": ask(),
    }
    if path:
        # half a surrogate pair is no UTF-8, but Python's escape of it is JSON's as well
        write_whole(path, json.dumps(page, ensure_ascii=False).encode(errors="backslashreplace"))
    return page


def _file_name(query):
    """Return a name that people can read, and that differs for different queries."""
    text = json.dumps(query, sort_keys=True, ensure_ascii=False)
    words = re.sub(r"[^A-Za-z0-9.=-]+", "_", "_".join(f"{k}={query[k]}" for k in sorted(query)))
    return f"{words[:80]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
