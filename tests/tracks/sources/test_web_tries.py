"""What is tried again and when, against a server on loopback that fails."""

import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from email.utils import formatdate

import pytest

from hiphoplib.errors import BadInput, TryLater, Unreachable
from hiphoplib.tracks.sources import web
from hiphoplib.tracks.sources.web import Transient, Web
from hiphoplib.tracks.sources.web import _retry_after as retry_after
from tests.loopback import Reply, rerouted
from tests.web_server import CONTENT, URL, Replies

pytestmark = pytest.mark.usefixtures("hasty")


@pytest.fixture
def raw():
    """A `Web` that reaches a server which sends these bytes, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ExitStack() as stack:

        def make(answer):
            def serve():
                while True:
                    try:
                        connection, _ = listening.accept()
                    except OSError:
                        return
                    with connection:
                        connection.recv(65_536)
                        connection.sendall(answer)

            threading.Thread(target=serve, daemon=True).start()
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            return Web(stack.enter_context(rerouted(url, "music.example")))

        yield make
        listening.shutdown(socket.SHUT_RDWR)


# what is tried again, and what is not


@pytest.mark.parametrize(
    "failure",
    [
        Reply(500),
        Reply(502),
        Reply(503),
        Reply(200, CONTENT, cut=1000),
        Reply(200, CONTENT, cut=0),
        Reply(200, b"no gzip", {"Content-Encoding": "gzip"}),
        Reply(429, headers={"Retry-After": "0"}),
        Reply(503, headers={"Retry-After": "0"}),
    ],
    ids=["500", "502", "503", "cut", "empty", "gzip", "429", "503, 0 s"],
)
def test_a_failure_that_may_pass_is_tried_again(reach, failure):
    replies = Replies(failure, failure, Reply(200, CONTENT))
    assert reach(replies).get(URL) == CONTENT
    assert len(replies.asked) == 3


@pytest.mark.parametrize(
    "failure, reason",
    [(Reply(500), "HTTP 500 Internal Server Error"), (Reply(200, CONTENT, cut=9), "failed or was")],
)
def test_but_not_for_ever(reach, failure, reason):
    replies = Replies(failure)
    with pytest.raises(Unreachable, match=f"{reason}.*, 6 times; try again later$"):
        reach(replies).get(URL)
    assert len(replies.asked) == 6


def test_a_server_that_says_nothing_is_given_up(reach, monkeypatch):
    monkeypatch.setattr(web, "TIMEOUT", (1, 0.1))
    monkeypatch.setattr(web, "TRIES", 2)
    for reply in (Reply(200, CONTENT, delay=0.5), Reply(200, CONTENT, pause=0.5)):
        with pytest.raises(Unreachable, match="no response in time, 2 times"):
            reach(Replies(reply)).get(URL)


def test_a_server_that_is_not_there_is_unreachable():
    with pytest.raises(Unreachable, match="the connection failed or was cut, 6 times"):
        Web(rerouted("http://127.0.0.1:1", "music.example")).get(URL)


@pytest.mark.parametrize("status", [300, 301, 302, 304, 400, 401, 403, 404, 410, 418, 451])
def test_a_refusal_is_taken_at_its_word(reach, status):
    replies = Replies(Reply(status))
    with pytest.raises(BadInput, match=f"music.example/a/clip.mp3: HTTP {status}.*; the service"):
        reach(replies).get(URL)
    assert len(replies.asked) == 1


def test_each_pause_is_twice_as_long(reach, monkeypatch):
    monkeypatch.setattr(web, "PAUSE", 0.01)
    for failure in (Reply(500), Reply(429, headers={"Retry-After": "0"})):
        replies = Replies(failure)
        with pytest.raises((Unreachable, TryLater)):
            reach(replies).get(URL)
        gaps = [b - a for a, b in zip(replies.times, replies.times[1:])]
        assert all(gap >= 0.01 * 2**i for i, gap in enumerate(gaps)) and len(gaps) == 5


def test_what_is_made_of_a_body_may_have_it_asked_again(reach):
    def number(body):
        if body == b"busy":
            raise Transient("busy")
        if body == b"no":
            raise BadInput("refused")
        return int(body)

    replies = Replies(Reply(200, b"busy"), Reply(200, b"7"), Reply(200, b"no"), Reply(200, b"busy"))
    asking = reach(replies)
    assert asking.get(URL, parse=number) == 7
    with pytest.raises(BadInput, match="^refused$"):
        asking.get(URL, parse=number)
    assert len(replies.asked) == 3
    with pytest.raises(Unreachable, match="music.example/a/clip.mp3: busy, 6 times"):
        asking.get(URL, parse=number)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nwhole",
        b"HTTP/1.0 200 OK\r\n\r\nwhole",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nwhole",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\nwhole",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nwhole",
    ],
)
def test_a_length_that_is_none_is_not_looked_at(raw, head):
    assert raw(head).get(URL) == b"whole"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00" * 100,
        b"HTTP/1.1 ABC\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nwhole",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nwhole\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: https://music.example/\xff\xfe\r\n\r\n",
        b"HTTP/1.1 403 \x1b[31mRed\rX" + b"y" * 500 + b"\r\n\r\n",
        b"HTTP/1.1 404 caf\xe9\r\n\r\n",
        b"HTTP/1.1 999 odd\r\n\r\n",
    ],
)
def test_an_answer_that_is_none_is_an_error_of_one_printable_line(raw, monkeypatch, answer):
    monkeypatch.setattr(web, "TRIES", 2)
    with pytest.raises(BadInput) as caught:
        raw(answer).get(URL)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 250


def test_a_body_longer_than_announced_does_not_spoil_the_next_one(reach):
    asking = reach(Replies(Reply(200, b"0123456789", length=4), Reply(200, b"next")))
    assert [asking.get(URL), asking.get(URL)] == [b"0123", b"next"]


# pauses that a service asks for


def test_everyone_waits_when_a_service_asks_for_it(reach):
    replies = Replies(Reply(429, headers={"Retry-After": "1"}), Reply(200, b"x"))
    asking = reach(replies)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(asking.get, URL)
        while not replies.asked:
            time.sleep(0.01)
        time.sleep(0.1)
        others = [pool.submit(asking.get, URL) for _ in range(2)]
        assert {job.result() for job in (first, *others)} == {b"x"}
    assert len(replies.times) == 4 and min(replies.times[1:]) - replies.times[0] >= 1


def test_of_several_pauses_the_longest_counts_also_for_those_who_wait_already(reach):
    in_flight, go = threading.Barrier(3), threading.Event()

    def sent_away_once(wait, before=lambda: None):
        times = []

        def parse(body):
            times.append(time.monotonic())
            if len(times) == 1:
                before()
                raise Transient("busy", wait)
            return times[-1]

        return parse

    def late(seconds):
        in_flight.wait()
        go.wait()
        time.sleep(seconds)

    asking = reach(Replies(Reply(200, b"x")))
    with ThreadPoolExecutor(4) as pool:
        jobs = [
            pool.submit(asking.get, URL, parse=sent_away_once(1, lambda: late(0))),
            pool.submit(asking.get, URL, parse=sent_away_once(0, lambda: late(0.1))),
        ]
        in_flight.wait()
        jobs.append(pool.submit(asking.get, URL, parse=sent_away_once(0.5)))
        time.sleep(0.1)  # it waits until 0.5 s
        since = time.monotonic()
        go.set()
        assert min(job.result() for job in jobs) >= since + 1


def test_a_long_pause_is_not_slept_through(reach):
    start = time.monotonic()
    for value in (
        "46000",
        formatdate(time.time() + 46_000, usegmt=True),
        "9" * 500,
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ):
        replies = Replies(Reply(429, headers={"Retry-After": value}))
        with pytest.raises(
            TryLater,
            match=r"clip.mp3: HTTP 429 Too Many Requests; what came is "
            r"kept, go on with the same command after 2\d\d\d-\d\d-\d\d \d\d:\d\d ",
        ):
            reach(replies).get(URL)
        assert len(replies.asked) == 1
    assert time.monotonic() - start < 10
    with pytest.raises(TryLater, match="HTTP 503"):
        reach(Replies(Reply(503, headers={"Retry-After": "46000"}))).get(URL)


def test_it_says_when_to_go_on(reach):
    with pytest.raises(TryLater) as caught:
        reach(Replies(Reply(429, headers={"Retry-After": "7200"}))).get(URL)
    said = str(caught.value).split(" after ")[1]
    at = time.mktime(time.strptime(said[:16], "%Y-%m-%d %H:%M"))
    assert abs(at - time.time() - 7200) < 90


def test_a_pause_that_is_not_stated_is_a_second_and_pauses_without_end_are_given_up(
    reach, monkeypatch
):
    monkeypatch.setattr(web, "TRIES", 2)
    replies = Replies(Reply(429))
    with pytest.raises(TryLater, match="HTTP 429 Too Many Requests, 2 times; what came is kept"):
        reach(replies).get(URL)
    assert 1 <= replies.times[1] - replies.times[0] < 10 and len(replies.asked) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "-5",
        "1.5",
        "1e3",
        "\xb2",
        "٣",
        "Wed, 99 Foo 2026 99:99:99 GMT",
        ",,,",
        "GMT",
        "0x10",
        " ",
        "-" * 1000,
    ],
)
def test_a_pause_that_is_none_is_the_default(text):
    assert retry_after({"Retry-After": text}, 7) == 7


def test_any_other_pause_is_a_time_from_now(monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    now = time.time()
    assert retry_after({}) is None and retry_after({"Retry-After": " 12 "}) == 12
    for text in (
        formatdate(now + 100, usegmt=True),
        formatdate(now + 100, localtime=True),
        formatdate(now + 100, usegmt=True).removesuffix(" GMT"),
    ):
        assert retry_after({"Retry-After": text}) == pytest.approx(100, abs=2)
    for text in (formatdate(now - 100, usegmt=True), "1 Jan 0000 00:00:00 -9999"):
        assert retry_after({"Retry-After": text}) == 0
    monkeypatch.undo()
    time.tzset()
    rng = random.Random(0)
    for _ in range(2000):
        text = "".join(rng.choices("0123456789 ,:+-GMTJanWed\xb2\xff", k=rng.randrange(40)))
        found = retry_after({"Retry-After": text})
        assert found is None or 0 <= found <= 366 * 86_400
