"""Which addresses are asked, how much is read, and what is said of it; no credential is."""

import gzip
import threading
import time
import traceback
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from hiphoplib.errors import BadInput, Unreachable
from hiphoplib.tracks.sources import web
from hiphoplib.tracks.sources.jamendo import Jamendo
from hiphoplib.tracks.sources.web import Web, _host_path, conceal, legible
from tests.loopback import Reply, ranged, rerouted
from tests.web_server import CONTENT, ENDLESS, UNANNOUNCED, URL, Replies, sent

pytestmark = pytest.mark.usefixtures("hasty")


# which addresses are asked


def test_a_body_comes_as_it_is_with_the_query_and_a_name(reach):
    replies = Replies(Reply(200, CONTENT))
    assert reach(replies).get(URL, params={"offset": 3}) == CONTENT
    (request,) = replies.asked
    assert (request.path, request.query) == ("/a/clip.mp3", {"offset": "3"})
    assert request.headers["user-agent"].startswith("hiphoplib (https://")


def test_another_address_than_https_is_asked_where_that_is_allowed(reach):
    replies = Replies(Reply(302, headers={"Location": "http://music.example/b"}), Reply(200, b"x"))
    assert reach(replies, allow_http=True).get(URL.replace("https", "http")) == b"x"
    with pytest.raises(BadInput, match="ftp address"):
        reach(replies, allow_http=True).get("ftp://music.example/a")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "music.example/a",
        "//music.example/a",
        "https://",
        "https:///a",
        "https://[::1",
        "https://music.example:port/",
        "https://music.example:99999/",
        "https://a..b/",
        "https://.b/",
        "https://a b/",
        "https://\x00/",
        "https://" + "a" * 70 + ".example/",
        "https://\ud800/",
        "file:///etc/passwd",
        "data:,x",
        "https://user:secret@[::1/?secret",
        "https://.b/?secret",
        "https://music.example:99999/?secret",
        "http://music.example/?secret",
    ],
)
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
    replies = Replies(Reply(200, b"x"), Reply(404))
    asking = reach(replies, "[::1]")
    assert asking.get("https://[::1]/a") == b"x"
    with pytest.raises(BadInput, match="^::1/a: HTTP 404"):
        asking.get("https://[::1]/a")


# redirects


def hops(count):
    return [
        Reply(302, headers={"Location": f"https://music.example/{i}?at={i}"}) for i in range(count)
    ]


def test_five_redirects_are_followed_and_the_query_is_not_repeated(reach):
    replies = Replies(*hops(5), Reply(200, b"x"))
    assert reach(replies).get(URL, params={"client_id": "secret"}) == b"x"
    assert [request.query for request in replies.asked] == [
        {"client_id": "secret"},
        *({"at": str(i)} for i in range(5)),
    ]


@pytest.mark.parametrize(
    "replies", [hops(6), [Reply(307, headers={"Location": URL})]], ids=["six", "a loop"]
)
def test_a_sixth_one_is_not(reach, replies):
    replies = Replies(*replies)
    with pytest.raises(BadInput, match="more than 5 redirects; not followed"):
        reach(replies).get(URL)
    assert len(replies.asked) == 6


@pytest.mark.parametrize(
    "target, host, path",
    [
        ("/b/c", "music.example", "/b/c"),
        ("c", "music.example", "/a/c"),
        ("../c", "music.example", "/c"),
        ("//music.example/c", "music.example", "/c"),
        ("https://store.example/c", "store.example", "/c"),
    ],
)
def test_a_redirect_may_be_relative_or_lead_to_another_host(reach, target, host, path):
    replies = Replies(Reply(302, headers={"Location": target}), Reply(200, b"x"))
    assert reach(replies, "music.example", "store.example").get(URL, params={"q": "1"}) == b"x"
    second = replies.asked[1]
    assert (second.host, second.path, second.query) == (host, path, {})


@pytest.mark.parametrize(
    "target, said",
    [
        ("https://[::1", "no address"),
        ("https://music.example:port/", "no address"),
        ("ftp://x/", "ftp address"),
        ("http://music.example/b", "music.example/b: http address where"),
    ],
)
def test_a_redirect_to_no_address_is_bad_input(reach, target, said):
    replies = Replies(Reply(302, headers={"Location": target}))
    with pytest.raises(BadInput, match=said):
        reach(replies).get(URL)
    assert len(replies.asked) == 1


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


def test_an_endless_body_is_read_as_far_as_is_taken(reach, monkeypatch):
    monkeypatch.setattr(web, "MAX_BYTES", 3_000_000)
    asking = reach(Replies(Reply(**UNANNOUNCED)))
    with pytest.raises(BadInput, match="3 MB, at most 3 MB are taken"):
        asking.get(URL)
    assert sent(asking, 1)[0] < 20e6


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_a_body_of_just_the_size_is_taken_and_one_byte_more_is_not(reach, size, monkeypatch):
    monkeypatch.setattr(web, "MAX_BYTES", size)
    asking = reach(Replies(Reply(200, CONTENT[:size]), Reply(200, CONTENT[: size + 1])))
    assert asking.get(URL) == CONTENT[:size]
    with pytest.raises(BadInput, match="are taken"):
        asking.get(URL)


def test_what_unpacks_to_more_than_is_taken_is_not_unpacked(reach, monkeypatch):
    monkeypatch.setattr(web, "MAX_BYTES", 2_000_000)
    bomb = gzip.compress(gzip.compress(bytes(300_000_000), 1), 9)
    assert len(bomb) < 30_000
    asking = reach(Replies(Reply(200, bomb, {"Content-Encoding": "gzip, gzip"})))
    tracemalloc.start()
    with pytest.raises(BadInput, match="are taken"):
        asking.get(URL)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


def test_a_compressed_body_is_unpacked(reach):
    replies = Replies(Reply(200, gzip.compress(CONTENT), {"Content-Encoding": "gzip"}))
    assert reach(replies).get(URL) == CONTENT


def test_a_body_that_drips_is_given_up(reach, monkeypatch):
    monkeypatch.setattr(web, "MAX_SECONDS", 0.3)
    monkeypatch.setattr(web, "TRIES", 2)
    replies = Replies(Reply(200, CONTENT, piece=1, pause=0.02))  # 100 minutes
    start = time.monotonic()
    with pytest.raises(Unreachable, match="not whole after 0.3 s, 2 times; try again later"):
        reach(replies).get(URL)
    assert time.monotonic() - start < 10


# requests at a time


def test_no_more_requests_at_a_time_than_wanted(reach):
    lock, now, most = threading.Lock(), [], []

    def slowly(request):
        with lock:
            now.append(request)
            most.append(len(now))
        time.sleep(0.02)
        with lock:
            now.pop()
        return Reply(200, b"x")

    asking = reach(slowly)
    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(asking.get, [URL] * 12)) == {b"x"}
    assert max(most) == web.AT_ONCE


# parts of files


def test_a_part_comes_as_it_lies_there(reach):
    replies = Replies(lambda request: ranged(request, CONTENT))
    asking = reach(replies)
    assert asking.part(URL, 5, 8) == (5, CONTENT[5:9], len(CONTENT))
    assert asking.part(URL, 299_990, 400_000) == (299_990, CONTENT[-10:], len(CONTENT))
    assert asking.part(URL, -7) == (len(CONTENT) - 7, CONTENT[-7:], len(CONTENT))
    assert {request.headers["accept-encoding"] for request in replies.asked} == {"identity"}
    with pytest.raises(BadInput, match="0 MB, at most 0 MB are taken"):
        asking.part(URL, 0, 9, max_bytes=9)


@pytest.mark.parametrize(
    "reply",
    [
        lambda request: ranged(request, CONTENT, cut=9),
        lambda request: Reply(206, CONTENT[6:10], {"Content-Range": "bytes 6-9/300000"}),
        lambda request: Reply(206, CONTENT[5:8], {"Content-Range": "bytes 5-7/300000"}),
        lambda request: Reply(200, b"<html>", {"Content-Type": "text/html"}),
    ],
    ids=["cut", "another one", "less", "a web page"],
)
def test_a_part_that_does_not_fit_is_asked_for_again(reach, reply):
    replies = Replies(reply, reply, lambda request: ranged(request, CONTENT))
    assert reach(replies).part(URL, 5, 99)[1] == CONTENT[5:100]
    assert len(replies.asked) == 3


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, CONTENT),
        Reply(206, CONTENT),
        Reply(206, b"", {"Content-Range": "bytes */9"}),
        Reply(206, CONTENT, {"Content-Range": "bytes \xb2-9/\xb2"}),
    ],
)
def test_a_server_that_sends_no_parts_is_not_asked_again(reach, reply):
    replies = Replies(reply)
    with pytest.raises(BadInput, match="the server cannot send parts of it"):
        reach(replies).part(URL, 5, 8)
    assert len(replies.asked) == 1


# what is said


@pytest.mark.parametrize(
    "replies",
    [
        [Reply(403)],
        [Reply(404)],
        [Reply(500)],
        [Reply(200, CONTENT, cut=5)],
        [Reply(200, ENDLESS)],
        [Reply(429, headers={"Retry-After": "900"})],
        [Reply(429, headers={"Retry-After": "0"})],
        [Reply(302, headers={"Location": "https://music.example/?client_id=secret"})],
        [Reply(302, headers={"Location": "http://music.example/?client_id=secret"})],
        [Reply(302, headers={"Location": "https://[::1?client_id=secret"})],
        [Reply(302, headers={"Location": "https://music.example:port/?client_id=secret"})],
        None,
    ],
)
def test_no_query_stands_in_an_error(reach, replies):
    if replies:
        asking = reach(Replies(*replies))
    else:
        asking = Web(rerouted("http://127.0.0.1:1", "music.example"))
    for url, params in ((f"{URL}?client_id=secret", None), (URL, {"client_id": "secret"})):
        with pytest.raises(BadInput) as caught:
            asking.get(url, params=params)
        said = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        assert "client_id=" not in said and "secret" not in said
        assert str(caught.value).isprintable()


def test_a_place_is_host_and_path_of_whatever_is_given():
    assert _host_path("https://me:secret@music.example:8443/a/b?c=secret#d") == "music.example/a/b"
    assert _host_path("https://music.example/\x1b[31m\x07") == "music.example/?[31m?"
    assert len(_host_path("https://music.example/" + "a" * 5000)) == 120
    assert "secret" not in _host_path("https://me:secret@[::1/?secret")


SECRET = "5ec7e7-s3cr3t/value+"


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """As in a process that knows no secret yet."""
    monkeypatch.setattr(web, "_secrets", set())


def credentials(*names):
    source = Jamendo()
    source.advice = "see there"
    return source._credentials(*names)


def test_credentials_come_from_the_environment_without_blanks(monkeypatch):
    monkeypatch.setenv("SOME_ID", "  an-id\n")
    monkeypatch.setenv("SOME_SECRET", SECRET)
    assert credentials("SOME_ID", "SOME_SECRET") == ["an-id", SECRET]
    assert legible(f"an-id:{SECRET}") == "[hidden]:[hidden]"
    assert legible("secret=5ec7e7-s3cr3t%2Fvalue%2B") == "secret=[hidden]"


def test_all_that_is_missing_is_named(monkeypatch):
    monkeypatch.setenv("SOME_ID", "an-id")
    monkeypatch.setenv("SOME_SECRET", "  ")
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(BadInput) as error:
        credentials("SOME_ID", "SOME_SECRET", "SOME_KEY")
    assert str(error.value) == "SOME_SECRET and SOME_KEY: not set in the environment; see there"


@pytest.mark.parametrize("value", ["gehéim-1234", "two words", "a\r\nHost: b", "“quoted”"])
def test_what_no_header_can_carry_is_refused_and_not_repeated(monkeypatch, value):
    monkeypatch.setenv("SOME_SECRET", value)
    with pytest.raises(BadInput, match="^SOME_SECRET: .*; copy it again, see there$") as error:
        credentials("SOME_SECRET")
    assert value not in repr(error.value) and error.value.__context__ is None
    assert legible(value) == "[hidden]"


def test_a_longer_secret_goes_before_one_that_it_holds():
    conceal("abc", "abc-def", "")
    assert legible("abc-def abc") == "[hidden] [hidden]"


def test_what_a_service_repeats_comes_without_it(reach):
    conceal('5ec"7e\\7', "true", "c11e27")
    content = {
        "next": "https://example.org/?client_id=c11e27&offset=50",
        "explicit": True,
        "names": ["Bearer ofTidings", 'a 5ec"7e\\7 b'],
        "c11e27": {"deep": ["c11e27"]},
    }
    assert reach(Replies(Reply(200))).get(URL, parse=lambda body: content) == {
        "next": "https://example.org/?client_id=[hidden]&offset=50",
        "explicit": True,
        "names": ["Bearer ofTidings", "a [hidden] b"],
        "[hidden]": {"deep": ["[hidden]"]},
    }


@pytest.mark.parametrize("header", ["Basic dXNlcjpwYXNz", "Bearer BQtoken-1"])
def test_what_authorises_a_request_is_a_secret(reach, header):
    replies = Replies(Reply(200, b"x"))
    reach(replies).get(URL, headers={"Authorization": header})
    assert replies.asked[0].headers["authorization"] == header
    assert legible(f"{{'Authorization': '{header}'}}") == (
        f"{{'Authorization': '{header.split()[0]} [hidden]'}}"
    )


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "10.0.0.8",
        "192.168.1.1",
        "169.254.169.254",
        "[::1]",
        "[fe80::1]",
        "[::ffff:10.0.0.8]",
        "0.0.0.0",
        "2130706433",
        "100.64.0.1",
    ],
)
def test_a_redirect_into_a_private_network_is_not_followed(reach, host):
    replies = Replies(Reply(302, headers={"Location": f"https://{host}/latest/meta-data"}))
    with pytest.raises(BadInput, match="clip.mp3: redirects into a private network.*not followed"):
        reach(replies, "music.example").get(URL)
    assert len(replies.asked) == 1


def test_a_server_in_ones_own_network_may_redirect_within_it(reach):
    replies = Replies(Reply(302, headers={"Location": "/b"}), Reply(200, b"x"))
    assert reach(replies, "127.0.0.1").get("https://127.0.0.1/a") == b"x"


def test_what_netrc_holds_for_a_host_is_not_sent(reach, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    replies = Replies(Reply(302, headers={"Location": "/b"}), Reply(200, b"x"))
    asking = reach(replies, "music.example")
    asking._session.trust_env = True
    monkeypatch.setenv("NO_PROXY", "*")
    asking.get(URL, headers={"Authorization": "Bearer own"})
    assert [request.headers.get("authorization") for request in replies.asked] == ["Bearer own"] * 2
