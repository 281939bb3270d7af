"""Which addresses are asked, how much is read, and what is said of it, on loopback."""

import gzip
import sys
import threading
import time
import traceback
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from hiphoplib.errors import BadInput, Unreachable
from hiphoplib.tracks.sources import web
from hiphoplib.tracks.sources.web import _place as place
from hiphoplib.tracks.sources.web import Web
from tests.loopback import Reply, rerouted
from tests.web_server import (
    CONTENT,
    ENDLESS,
    UNANNOUNCED,
    URL,
    Replies,
    sent,
)

pytestmark = pytest.mark.usefixtures("hasty")


# which addresses are asked

def test_a_body_comes_as_it_is_with_the_query_and_a_name(reach):
    answers = Replies(Reply(200, CONTENT))
    assert reach(answers).get(URL, params={"offset": 3}) == CONTENT
    (request,) = answers.asked
    assert (request.path, request.query) == ("/a/clip.mp3", {"offset": "3"})
    assert request.headers["user-agent"].startswith("hiphoplib (https://")


def test_an_address_that_is_not_https_is_not_asked(reach):
    answers = Replies(Reply(200, CONTENT))
    asking = reach(answers)
    with pytest.raises(BadInput, match="music.example/a/clip.mp3: http address where https is"):
        asking.get(URL.replace("https", "http"))
    assert answers.asked == []


def test_nor_is_one_that_a_redirect_leads_to(reach):
    answers = Replies(Reply(302, headers={"Location": "http://music.example/b"}))
    with pytest.raises(BadInput, match="music.example/b: http address where https is wanted"):
        reach(answers).get(URL)
    assert len(answers.asked) == 1


def test_unless_that_is_allowed(reach):
    answers = Replies(Reply(302, headers={"Location": "http://music.example/b"}), Reply(200, b"x"))
    assert reach(answers, allow_http=True).get(URL.replace("https", "http")) == b"x"
    with pytest.raises(BadInput, match="ftp address"):
        reach(answers, allow_http=True).get("ftp://music.example/a")


@pytest.mark.parametrize("url", [
    "", "music.example/a", "//music.example/a", "https://", "https:///a", "https://[::1",
    "https://music.example:port/", "https://music.example:99999/", "https://a..b/", "https://.b/",
    "https://a b/", "https://\x00/", "https://" + "a" * 70 + ".example/", "https://\ud800/",
    "file:///etc/passwd", "data:,x", "https://user:secret@[::1/?secret", "https://.b/?secret",
    "https://music.example:99999/?secret", "http://music.example/?secret"])
def test_what_is_no_address_is_bad_input_at_once(url):
    with requests.Session() as session:  # nothing of this gets as far as the network
        session.trust_env = False
        with pytest.raises(BadInput) as caught:
            Web(session).get(url)
    said = str(caught.value)
    assert not isinstance(caught.value, Unreachable)
    assert said.isprintable() and "; " in said
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_an_ipv6_address_is_an_address(reach):
    answers = Replies(Reply(200, b"x"), Reply(404))
    asking = reach(answers, "[::1]")
    assert asking.get("https://[::1]/a") == b"x"
    with pytest.raises(BadInput, match="^::1/a: HTTP 404"):
        asking.get("https://[::1]/a")


# redirects

def hops(count):
    return [Reply(302, headers={"Location": f"https://music.example/{i}?at={i}"})
            for i in range(count)]


def test_five_redirects_are_followed_and_the_query_is_not_repeated(reach):
    answers = Replies(*hops(5), Reply(200, b"x"))
    assert reach(answers).get(URL, params={"client_id": "secret"}) == b"x"
    assert [request.query for request in answers.asked] == [
        {"client_id": "secret"}, *({"at": str(i)} for i in range(5))]


@pytest.mark.parametrize("replies", [
    hops(6), [Reply(307, headers={"Location": URL})], [Reply(301, headers={"Location": ""})]],
    ids=["six", "a loop", "to nowhere"])
def test_a_sixth_one_is_not(reach, replies):
    answers = Replies(*replies)
    with pytest.raises(BadInput, match="more than 5 redirects; not followed"):
        reach(answers).get(URL)
    assert len(answers.asked) == 6


@pytest.mark.parametrize("target, path", [
    ("/b/c", "/b/c"), ("c", "/a/c"), ("../c", "/c"), ("//music.example/c", "/c")])
def test_a_relative_redirect_is_followed(reach, target, path):
    answers = Replies(Reply(302, headers={"Location": target}), Reply(200, b"x"))
    assert reach(answers).get(URL, params={"q": "1"}) == b"x"
    assert (answers.asked[1].path, answers.asked[1].query) == (path, {})


def test_a_redirect_may_lead_to_another_host(reach):
    answers = Replies(Reply(302, headers={"Location": "https://store.example/c"}), Reply(200, b"x"))
    assert reach(answers, "music.example", "store.example").get(URL) == b"x"
    assert [request.host for request in answers.asked] == ["music.example", "store.example"]


@pytest.mark.parametrize("target", ["https://[::1", "https://music.example:port/", "ftp://x/"])
def test_a_redirect_to_no_address_is_bad_input(reach, target):
    answers = Replies(Reply(302, headers={"Location": target}))
    with pytest.raises(BadInput):
        reach(answers).get(URL)
    assert len(answers.asked) == 1


@pytest.mark.parametrize("status", [302, 500, 404])
def test_a_body_that_nobody_wants_is_not_read(reach, status):
    replies = [{**vars(Reply(200, ENDLESS)), "status": status}, {**UNANNOUNCED, "status": status}]
    for reply in replies:
        reply["headers"] = {**reply.get("headers", {}), "Location": "/b"}
        asking = reach(Replies(Reply(**reply), Reply(200, b"x")))
        if status == 404:
            with pytest.raises(BadInput, match="HTTP 404"):
                asking.get(URL)
        else:
            assert asking.get(URL) == b"x"
        assert sum(sent(asking, 1 + (status != 404))) < 20e6


# sizes and times

def test_a_body_that_is_announced_as_too_large_is_not_read(reach):
    asking = reach(Replies(Reply(200, ENDLESS)))
    with pytest.raises(BadInput, match="clip.mp3: 2000 MB, at most 20 MB are taken; left out"):
        asking.get(URL)
    assert sent(asking, 1)[0] < 20e6


def test_an_endless_body_is_read_as_far_as_is_taken(reach):
    asking = reach(Replies(Reply(**UNANNOUNCED)))
    with pytest.raises(BadInput, match="3 MB, at most 3 MB are taken"):
        asking.get(URL, max_bytes=3_000_000)
    assert sent(asking, 1)[0] < 20e6


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_a_body_of_just_the_size_is_taken_and_one_byte_more_is_not(reach, size):
    asking = reach(Replies(Reply(200, CONTENT[:size]), Reply(200, CONTENT[:size + 1])))
    assert asking.get(URL, max_bytes=size) == CONTENT[:size]
    with pytest.raises(BadInput, match="are taken"):
        asking.get(URL, max_bytes=size)


def test_what_unpacks_to_more_than_is_taken_is_not_unpacked(reach):
    bomb = gzip.compress(gzip.compress(bytes(300_000_000), 1), 9)
    assert len(bomb) < 30_000
    asking = reach(Replies(Reply(200, bomb, {"Content-Encoding": "gzip, gzip"})))
    tracemalloc.start()
    with pytest.raises(BadInput, match="are taken"):
        asking.get(URL, max_bytes=2_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


def test_a_compressed_body_is_unpacked_and_its_size_is_the_unpacked_one(reach):
    text = CONTENT[:1000] * 50
    asking = reach(Replies(Reply(200, gzip.compress(text), {"Content-Encoding": "gzip"})))
    assert asking.get(URL, max_bytes=50_000) == text
    with pytest.raises(BadInput, match="are taken"):
        asking.get(URL, max_bytes=49_999)


def test_a_body_that_drips_is_given_up(reach, monkeypatch):
    monkeypatch.setattr(web, "MAX_SECONDS", 0.3)
    monkeypatch.setattr(web, "TRIES", 2)
    answers = Replies(Reply(200, CONTENT, piece=1, pause=0.02))  # 100 minutes
    start = time.monotonic()
    with pytest.raises(Unreachable, match="not whole after 0.3 s, 2 times; try again later"):
        reach(answers).get(URL)
    assert time.monotonic() - start < 10


# requests at a time

@pytest.mark.parametrize("at_once", [1, 3])
def test_no_more_requests_at_a_time_than_a_host_is_to_have(reach, at_once):
    lock, now, most = threading.Lock(), [], []

    def slowly(request):
        with lock:
            now.append(request)
            most.append(len(now))
        time.sleep(0.02)
        with lock:
            now.pop()
        return Reply(200, b"x")

    asking = reach(slowly, at_once=at_once)
    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(asking.get, [URL] * 12)) == {b"x"}
    assert max(most) == at_once


def test_nor_when_all_begin_at_once(reach):
    before, now, most = sys.getswitchinterval(), [], []
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(100):
            asking, start = Web(requests.Session(), at_once=1), threading.Barrier(8)

            def take(asking=asking, start=start):
                def ask():
                    now.append(1)
                    most.append(len(now))
                    time.sleep(0)
                    now.pop()

                start.wait()
                asking._patiently(URL, ask)

            threads = [threading.Thread(target=take) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(before)
    assert len(most) == 800 and max(most) == 1


# what is said

@pytest.mark.parametrize("answers", [
    [Reply(403)], [Reply(404)], [Reply(500)], [Reply(200, CONTENT, cut=5)], [Reply(200, ENDLESS)],
    [Reply(429, headers={"Retry-After": "900"})], [Reply(429, headers={"Retry-After": "0"})],
    [Reply(302, headers={"Location": "https://music.example/?client_id=secret"})],
    [Reply(302, headers={"Location": "http://music.example/?client_id=secret"})],
    [Reply(302, headers={"Location": "https://[::1?client_id=secret"})],
    [Reply(302, headers={"Location": "https://music.example:port/?client_id=secret"})], None])
def test_no_query_stands_in_an_error(reach, answers):
    if answers:
        asking = reach(Replies(*answers))
    else:
        asking = Web(rerouted("http://127.0.0.1:1", "music.example"))
    for url, params in ((f"{URL}?client_id=secret", None), (URL, {"client_id": "secret"})):
        with pytest.raises(BadInput) as caught:
            asking.get(url, params=params)
        said = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        assert "client_id=" not in said and "secret" not in said
        assert str(caught.value).isprintable()


def test_a_place_is_host_and_path_of_whatever_is_given():
    assert place("https://me:secret@music.example:8443/a/b?c=secret#d") == "music.example/a/b"
    assert place("https://music.example/\x1b[31m\x07") == "music.example/?[31m?"
    assert len(place("https://music.example/" + "a" * 5000)) == 120
    assert "secret" not in place("https://me:secret@[::1/?secret")
