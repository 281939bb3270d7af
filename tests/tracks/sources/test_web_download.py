"""Large files come whole, whatever cuts them short, against a server on loopback."""

import gzip
import io

import pytest
from tqdm import tqdm

from hiphoplib.errors import BadInput, Unreachable
from hiphoplib.tracks.sources import web
from tests.loopback import Reply, ranged
from tests.web_server import (
    CONTENT,
    ENDLESS,
    UNANNOUNCED,
    URL,
    Replies,
    sent,
)

pytestmark = pytest.mark.usefixtures("hasty")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "made" / "file.zip"


def fetched(path):
    """The file, if nothing else lies beside it."""
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    return path.read_bytes()


def ranges(answers):
    return [request.headers.get("range") for request in answers.asked]


def whole_or_rest(request):
    return ranged(request, CONTENT)


def test_a_file_comes_whole_and_as_it_lies_there(reach, path):
    answers = Replies(whole_or_rest)
    reach(answers).download(URL, path, max_bytes=len(CONTENT))
    assert fetched(path) == CONTENT and ranges(answers) == [None]
    assert answers.asked[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("cut", [1, 1000, 200_000])
def test_a_download_that_was_cut_goes_on_where_it_was(reach, path, cut):
    answers = Replies(lambda request: ranged(request, CONTENT, cut=cut), whole_or_rest)
    reach(answers).download(URL, path, max_bytes=len(CONTENT))
    assert fetched(path) == CONTENT and ranges(answers) == [None, f"bytes={cut}-"]


def test_one_that_was_killed_goes_on_where_it_was(reach, path):
    path.parent.mkdir()
    path.with_name("file.zip.part").write_bytes(CONTENT[:123_456])
    answers = Replies(whole_or_rest)
    asking = reach(answers)
    asking.download(URL, path, max_bytes=len(CONTENT))
    assert fetched(path) == CONTENT and ranges(answers) == ["bytes=123456-"]
    assert sent(asking, 1) == [len(CONTENT) - 123_456]


def test_one_that_was_killed_after_its_last_byte_asks_for_none(reach, path):
    path.parent.mkdir()
    path.with_name("file.zip.part").write_bytes(CONTENT)
    answers = Replies(whole_or_rest)
    reach(answers).download(URL, path, max_bytes=len(CONTENT))
    assert fetched(path) == CONTENT and ranges(answers) == [f"bytes={len(CONTENT)}-"]


def misplaced(request):
    return Reply(206, CONTENT[5:], {"Content-Range": f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}"})


@pytest.mark.parametrize("part, replies", [
    (CONTENT[:50_000], [Reply(200, CONTENT)]), (CONTENT + b"more", [whole_or_rest]),
    (CONTENT[:50_000], [misplaced, whole_or_rest]), (b"", [misplaced, whole_or_rest]),
    (CONTENT[:50_000], [Reply(206, CONTENT), whole_or_rest]),
    (CONTENT[:50_000], [Reply(416), whole_or_rest]),
    (CONTENT[:9], [Reply(206, CONTENT, {"Content-Range": "bytes \xb2-9/\xb2"}), whole_or_rest])],
    ids=["no ranges", "too long", "misplaced", "not asked for", "placeless", "no size", "garbage"])
def test_what_does_not_fit_is_fetched_anew(reach, path, part, replies):
    path.parent.mkdir()
    path.with_name("file.zip.part").write_bytes(part)
    answers = Replies(*replies)
    reach(answers).download(URL, path, max_bytes=len(CONTENT))
    assert fetched(path) == CONTENT and ranges(answers)[-1] is None or len(replies) == 1


def test_one_that_never_fits_is_given_up(reach, path):
    answers = Replies(misplaced)
    with pytest.raises(Unreachable, match="does not fit, 6 times"):
        reach(answers).download(URL, path, max_bytes=len(CONTENT))
    assert len(answers.asked) == 6


def test_progress_gives_it_all_its_tries_again(reach, path, monkeypatch):
    monkeypatch.setattr(web, "TRIES", 2)
    monkeypatch.setattr(web, "PAUSE", 0.01)
    replies = [lambda request: ranged(request, CONTENT, cut=10_000), Reply(500)]
    answers = Replies(*replies * 40)
    reach(answers).download(URL, path, max_bytes=len(CONTENT))
    assert fetched(path) == CONTENT and len(answers.asked) == 59
    assert min(b - a for a, b in zip(answers.times, answers.times[1:])) >= 0.01


@pytest.mark.parametrize("replies", [
    [Reply(200, CONTENT, cut=1000)],
    [Reply(200, CONTENT, cut=cut) for cut in (1000, 2000) * 50],
    [lambda request: ranged(request, CONTENT, cut=0)],
    [Reply(200, CONTENT, cut=1000), Reply(206, b"", {"Content-Range": "bytes 1000-1000/300000"})]],
    ids=["no ranges, cut in one place", "in two places", "nothing comes", "empty parts"])
def test_without_progress_it_is_given_up(reach, path, replies):
    answers = Replies(*replies)
    with pytest.raises(Unreachable, match="6 times"):
        reach(answers).download(URL, path, max_bytes=len(CONTENT))
    assert len(answers.asked) < 20 and not path.exists()


def test_a_server_that_sends_less_than_it_is_asked_for_is_asked_for_the_rest(reach, path):
    def sparingly(request):
        start = int(request.headers.get("range", "bytes=0-")[6:-1])
        end = min(start + 100_000, len(CONTENT))
        return Reply(206, CONTENT[start:end],
                     {"Content-Range": f"bytes {start}-{end - 1}/{len(CONTENT)}"})

    answers = Replies(sparingly)
    reach(answers).download(URL, path, max_bytes=len(CONTENT))
    assert fetched(path) == CONTENT and len(answers.asked) == 3


@pytest.mark.parametrize("have", [0, 250_000])
@pytest.mark.parametrize("reply", [Reply(200, ENDLESS),
                                   Reply(**UNANNOUNCED),
                                   whole_or_rest])
def test_a_file_that_is_too_large_gets_no_name(reach, path, reply, have):
    path.parent.mkdir()
    path.with_name("file.zip.part").write_bytes(CONTENT[:have])
    asking = reach(Replies(reply))
    with pytest.raises(BadInput, match="are taken; left out"):
        asking.download(URL, path, max_bytes=len(CONTENT) - 1)
    assert not path.exists() and sent(asking, 1)[0] < 20e6


def test_what_comes_compressed_is_not_the_file(reach, path):
    answers = Replies(Reply(200, gzip.compress(CONTENT), {"Content-Encoding": "gzip"}))
    with pytest.raises(BadInput, match="comes compressed, which was not asked for"):
        reach(answers).download(URL, path, max_bytes=10**6)
    assert not path.exists() and len(answers.asked) == 1


def test_a_refusal_keeps_what_came(reach, path):
    answers = Replies(lambda request: ranged(request, CONTENT, cut=1000), Reply(403))
    with pytest.raises(BadInput, match="HTTP 403"):
        reach(answers).download(URL, path, max_bytes=len(CONTENT))
    assert path.with_name("file.zip.part").read_bytes() == CONTENT[:1000]
    reach(Replies(whole_or_rest)).download(URL, path, max_bytes=len(CONTENT))
    assert fetched(path) == CONTENT


@pytest.mark.parametrize("have", [0, 100_000])
def test_the_bar_ends_at_the_size_of_the_file(reach, path, monkeypatch, have):
    bars = []

    def shown(**options):
        bars.append(tqdm(file=io.StringIO(), **options))
        return bars[-1]

    monkeypatch.setattr(web, "progress", shown)
    path.parent.mkdir()
    path.with_name("file.zip.part").write_bytes(CONTENT[:have])
    answers = Replies(lambda request: ranged(request, CONTENT, cut=1000), whole_or_rest)
    reach(answers).download(URL, path, max_bytes=len(CONTENT), desc="a file")
    assert (bars[0].n, bars[0].total, bars[0].desc) == (len(CONTENT), len(CONTENT), "a file")
