"""Pages are kept whole, found again by their query alone, and asked for in a fair order."""

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest

from hiphoplib.tracks.sources import credentials
from hiphoplib.tracks.sources.pages import Pages, turns

QUERY = {"q": "genre:hip-hop year:1999 track:q", "type": "track", "limit": 50, "offset": 150}
CELLS = [(year, letter) for year in (1999, 2000, 2001) for letter in "abcd"]


@pytest.fixture(params=["disk", "memory"])
def pages(request, tmp_path):
    return Pages(tmp_path / "pages" if request.param == "disk" else None)


def test_what_was_put_comes_back(pages):
    assert pages.get(QUERY) is None
    answer = {"tracks": {"items": [None, {"name": "Beyoncé 漢 \ud83d half a pair", "n": 1.5}]}}
    put = pages.put(QUERY, answer)
    assert pages.get(QUERY) == put == (QUERY, put.asked_at, answer)
    assert pages.get(dict(reversed(QUERY.items()))) == put
    asked_at = datetime.fromisoformat(put.asked_at)
    assert asked_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - asked_at) < timedelta(minutes=1)


def test_another_run_finds_it(tmp_path):
    put = Pages(tmp_path).put(QUERY, {"a": 1})
    assert Pages(tmp_path).get(QUERY) == put
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]


def test_the_last_answer_counts(pages):
    pages.put(QUERY, {"a": 1})
    pages.put(QUERY, {"a": 2})
    assert pages.get(QUERY).answer == {"a": 2}


def test_two_queries_never_share_a_page(tmp_path):
    words = ["a", "A", "a b", "a_b", "a/b", "../a", "a:b", "á", "漢" * 99, "x" * 300, "x" * 301, ""]
    queries = [{"q": q, "offset": offset} for q in words for offset in (1, 10, "1", None)]
    queries += [{"q": "a"}, {"offset": 1}, {"q": "a_offset=1"}, {"q": {"a": 1}}, {}]
    pages = Pages(tmp_path / "pages")
    for number, query in enumerate(queries):
        pages.put(query, {"number": number})
    files = list((tmp_path / "pages").iterdir())
    assert len({path.name.lower() for path in files}) == len(files) == len(queries)
    assert all(len(path.name) < 200 and path.name.isascii() for path in files)
    assert list(tmp_path.iterdir()) == [tmp_path / "pages"]  # nothing beside the folder
    for number, query in enumerate(queries):
        assert pages.get(query).answer == {"number": number}


OTHER = json.dumps({"query": {**QUERY, "offset": 0}, "asked_at": "", "answer": {}})


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"null", b"{}", b"\xff\xfe\x00", b'{"query": {}}', OTHER.encode()],
    ids=["empty", "cut", "list", "null", "no fields", "no text", "one field", "another query's"])
def test_a_damaged_page_is_asked_for_again(tmp_path, content):
    pages = Pages(tmp_path)
    pages.put(QUERY, {"a": 1})
    [path] = tmp_path.iterdir()
    for damaged in (content, path.read_bytes()[:-9]):
        path.write_bytes(damaged)
        assert pages.get(QUERY) is None
        pages.put(QUERY, {"a": 2})
        assert pages.get(QUERY).answer == {"a": 2}


def test_a_page_that_was_being_written_when_the_run_was_killed_is_none(tmp_path):
    pages = Pages(tmp_path)
    pages.put(QUERY, {"a": 1})
    [path] = tmp_path.iterdir()
    path.rename(f"{path}.part")
    assert pages.get(QUERY) is None
    pages.put(QUERY, {"a": 2})
    assert list(tmp_path.iterdir()) == [path]


def test_a_page_holds_no_credential_and_else_what_came(pages, tmp_path, monkeypatch):
    monkeypatch.setattr(credentials, "_secrets", {'5ec"7e\\7', "true", "c11e27"})
    query = {"q": "a", "key": "c11e27"}
    answer = {"next": "https://example.org/?client_id=c11e27&offset=50", "explicit": True,
              "names": ["Basic Instructions", "Bearer ofTidings", 'a 5ec"7e\\7 b'],
              "c11e27": {"deep": ["c11e27"]}}
    put = pages.put(query, answer)
    assert pages.get(query) == put
    assert put.answer == {"next": "https://example.org/?client_id=[hidden]&offset=50",
                          "explicit": True,
                          "names": ["Basic Instructions", "Bearer ofTidings", "a [hidden] b"],
                          "[hidden]": {"deep": ["[hidden]"]}}
    for path in tmp_path.rglob("*.json"):
        assert "c11e27" not in path.name + path.read_text()


def test_every_page_has_its_turn_once_where_no_total_is_known():
    asked = list(turns(CELLS, {}, size=50, end=1000, seed=0))
    assert len(asked) == len(set(asked))
    assert set(asked) == set(itertools.product(CELLS, range(0, 1000, 50)))


def walk(found, seed=0, size=50, stop=None):
    """(cell, offset) as they are asked for, when the answers tell how much a cell holds."""
    totals, asked = {}, []
    order = turns(CELLS, totals, size=size, end=1000, seed=seed)
    for cell, offset in itertools.islice(order, stop):
        asked.append((cell, offset))
        totals[cell] = found[cell]
    return asked


FOUND = dict(zip(CELLS, [0, 1, 49, 50, 51, 120, 400, 999, 1000, 1001, 5000, 3]))


@pytest.mark.parametrize("size", [50, 10])
def test_all_that_a_cell_holds_is_asked_for_and_little_else(size):
    asked = walk(FOUND, size=size)
    assert len(asked) == len(set(asked))
    for cell, held in FOUND.items():
        offsets = [offset for asked_cell, offset in asked if asked_cell == cell]
        assert {o for o in offsets if o < held} == set(range(0, min(held, 1000), size))
        assert sum(o >= held for o in offsets) <= 1  # that one told the total


def test_no_cell_waits_for_another():
    asked = [turn for turn in walk(FOUND) if turn[1] < FOUND[turn[0]]]
    filled = sum(held > 0 for held in FOUND.values())
    assert len({cell for cell, _ in asked[:filled]}) == filled


def test_known_totals_spare_the_pages_behind_them():
    asked = set(turns(CELLS, dict(FOUND), size=50, end=1000, seed=0))
    assert asked == {(cell, o) for cell in CELLS for o in range(0, min(FOUND[cell], 1000), 50)}


def test_the_order_is_the_seeds_alone():
    assert walk(FOUND, seed=3) == walk(FOUND, seed=3)
    orders = [walk(FOUND, seed=seed) for seed in range(4)]
    assert all(a != b for a, b in itertools.combinations(orders, 2))
    assert walk(FOUND, stop=20) == walk(FOUND)[:20]
    first = [walk(FOUND, seed=seed, stop=1)[0][1] for seed in range(20)]
    assert len(set(first)) > 5  # not the most popular ones each time
