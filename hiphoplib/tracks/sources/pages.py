"""Answers of a service, kept as they came: a table can be made again without asking."""

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hiphoplib.io import write_whole
from hiphoplib.tracks.sources.credentials import without_secrets


class Page(NamedTuple):
    """An answer: the query that it is to, when that was asked (ISO 8601, UTC), and what came."""

    query: dict
    asked_at: str
    answer: dict


class Pages:
    """The pages of a corpus, one JSON file each, named after their query.

    Parameters
    ----------
    folder : path-like, optional
        Where they are kept; only in memory if not given.
    """

    def __init__(self, folder=None):
        self.folder = Path(folder) if folder else None
        self._memory = {}

    def get(self, query):
        """The page of a query, or None: not asked yet, or its file is damaged."""
        query = without_secrets(query)
        if self.folder is None:
            return self._memory.get(_name(query))
        try:
            page = Page(**json.loads((self.folder / _name(query)).read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return page if page.query == query else None

    def put(self, query, answer):
        """Keep an answer, without any credential that it repeats; the page that `get` returns."""
        page = Page(query, datetime.now(UTC).isoformat(timespec="seconds"), answer)
        page = Page(*without_secrets(list(page)))
        if self.folder is None:
            self._memory[_name(page.query)] = page
        else:
            text = json.dumps(page._asdict(), ensure_ascii=False)
            # half a surrogate pair is no UTF-8, but Python's escape of it is JSON's as well
            write_whole(self.folder / _name(page.query), text.encode(errors="backslashreplace"))
        return page


def _name(query):
    """File name of a query: to be read by people, and different for different queries."""
    text = json.dumps(query, sort_keys=True, ensure_ascii=False)
    said = "_".join(f"{key}={query[key]}" for key in sorted(query))
    said = re.sub(r"[^A-Za-z0-9.=-]+", "_", said)[:80]
    return f"{said}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"


def turns(cells, totals, *, size, end, seed):
    """Which page to ask for next: every cell in turn, its pages in an order drawn by the seed.

    A search puts the popular first; pages from anywhere in it show the unpopular as well. A page
    behind the end of its cell brings nothing but the cell's total: the next one comes at once.

    Parameters
    ----------
    cells : list
        Parts that the query is split into, for instance (year, letter); hashable.
    totals : dict
        How much each cell holds, where it is known yet: the caller fills it in as answers come.
    size : int
        Entries of a page.
    end : int
        No page begins here or later, since the service does not serve it.
    seed : int

    Yields
    ------
    cell, offset
    """
    rng = np.random.default_rng(seed)
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
