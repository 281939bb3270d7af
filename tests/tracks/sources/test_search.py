"""Responses are cached whole and found by their query alone; pages come in a fair order."""

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest

from hiphoplib.tracks.sources.jamendo import Jamendo
from hiphoplib.tracks.sources.search import cached

QUERY = {"q": "genre:hip-hop year:1999 track:q", "type": "track", "limit": 50, "offset": 150}
CELLS = [(year, letter) for year in (1999, 2000, 2001) for letter in "abcd"]


def test_what_came_comes_back_without_asking_again(tmp_path):
    assert cached(tmp_path, QUERY) is None and cached(None, QUERY) is None
    content = {"tracks": {"items": [None, {"name": "Beyoncé 漢 \ud83d half a pair", "n": 1.5}]}}
    first = cached(tmp_path, QUERY, lambda: content)
    assert cached(tmp_path, QUERY) == first and first["answer"] == content
    assert cached(tmp_path, dict(reversed(QUERY.items()))) == first
    assert cached(tmp_path, QUERY, pytest.fail) == first
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]
    asked_at = datetime.fromisoformat(first["asked_at"])
    assert asked_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - asked_at) < timedelta(minutes=1)


def test_two_queries_never_share_a_response(tmp_path):
    words = ["a", "A", "a b", "a_b", "a/b", "../a", "a:b", "á", "漢" * 99, "x" * 300, "x" * 301, ""]
    queries = [{"q": q, "offset": offset} for q in words for offset in (1, 10, "1", None)]
    queries += [{"q": "a"}, {"offset": 1}, {"q": "a_offset=1"}, {"q": {"a": 1}}, {}]
    pages = tmp_path / "pages"
    for number, query in enumerate(queries):
        cached(pages, query, lambda number=number: {"number": number})
    files = list(pages.iterdir())
    assert len({path.name.lower() for path in files}) == len(files) == len(queries)
    assert all(len(path.name) < 200 and path.name.isascii() for path in files)
    assert list(tmp_path.iterdir()) == [pages]  # nothing beside the folder
    for number, query in enumerate(queries):
        assert cached(pages, query)["answer"] == {"number": number}


OTHER = json.dumps({"query": {**QUERY, "offset": 0}, "asked_at": "", "answer": {"a": 1}})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"\xff\xfe\x00",
        b'{"query": {}}',
        OTHER.encode(),
        OTHER.replace('": 0', '": 150').replace('{"a": 1}', "null").encode(),
    ],
    ids=[
        "empty",
        "cut",
        "list",
        "null",
        "no fields",
        "no text",
        "one field",
        "another query's",
        "nothing came",
    ],
)
def test_a_damaged_response_is_asked_for_again(tmp_path, content):
    cached(tmp_path, QUERY, lambda: {"a": 1})
    [path] = tmp_path.iterdir()
    path.with_name(f"{path.name}.part").write_bytes(b"half")  # of a run that was killed
    for damaged in (content, path.read_bytes()[:-9]):
        path.write_bytes(damaged)
        assert cached(tmp_path, QUERY) is None
        assert cached(tmp_path, QUERY, lambda: {"a": 2}) == cached(tmp_path, QUERY)
        assert cached(tmp_path, QUERY)["answer"] == {"a": 2}
    assert [each for each in tmp_path.iterdir() if each.suffix != ".part"] == [path]


def turns(cells, totals, size=50, seed=0):
    return Jamendo(seed=seed)._turns(cells, totals, size=size, end=1000)


def walk(found, seed=0, size=50, stop=None):
    """(cell, offset) as they are asked for, when the responses tell how much a cell holds."""
    totals, asked = {}, []
    for cell, offset in itertools.islice(turns(CELLS, totals, size, seed), stop):
        asked.append((cell, offset))
        totals[cell] = found[cell]
    return asked


FOUND = dict(zip(CELLS, [0, 1, 49, 50, 51, 120, 400, 999, 1000, 1001, 5000, 3]))


def test_every_page_has_its_turn_once_where_no_total_is_known():
    asked = list(turns(CELLS, {}))
    assert len(asked) == len(set(asked))
    assert set(asked) == set(itertools.product(CELLS, range(0, 1000, 50)))


@pytest.mark.parametrize("size", [50, 10])
def test_all_that_a_cell_holds_is_asked_for_and_little_else(size):
    asked = walk(FOUND, size=size)
    assert len(asked) == len(set(asked))
    for cell, held in FOUND.items():
        offsets = [offset for asked_cell, offset in asked if asked_cell == cell]
        assert {o for o in offsets if o < held} == set(range(0, min(held, 1000), size))
        assert sum(o >= held for o in offsets) <= 1  # that one told the total
    first = [turn for turn in asked if turn[1] < FOUND[turn[0]]][: sum(map(bool, FOUND.values()))]
    assert len({cell for cell, _ in first}) == len(first)  # no cell waits for another


def test_known_totals_spare_the_pages_behind_them():
    assert set(turns(CELLS, dict(FOUND))) == {
        (cell, o) for cell in CELLS for o in range(0, min(FOUND[cell], 1000), 50)
    }


def test_the_order_is_the_seeds_alone():
    assert walk(FOUND, seed=3) == walk(FOUND, seed=3)
    orders = [walk(FOUND, seed=seed) for seed in range(4)]
    assert all(a != b for a, b in itertools.combinations(orders, 2))
    assert walk(FOUND, stop=20) == walk(FOUND)[:20]
    first = [walk(FOUND, seed=seed, stop=1)[0][1] for seed in range(20)]
    assert len(set(first)) > 5  # not the most popular ones each time
