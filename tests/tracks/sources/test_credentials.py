"""A credential comes from the environment, and is said and kept nowhere."""

import pytest

from hiphoplib.errors import BadInput
from hiphoplib.tracks.sources import web
from hiphoplib.tracks.sources.jamendo import Jamendo
from hiphoplib.tracks.sources.web import conceal, legible
from tests.loopback import Reply
from tests.web_server import URL, Replies

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
    content = {"next": "https://example.org/?client_id=c11e27&offset=50", "explicit": True,
               "names": ["Bearer ofTidings", 'a 5ec"7e\\7 b'], "c11e27": {"deep": ["c11e27"]}}
    assert reach(Replies(Reply(200))).get(URL, parse=lambda body: content) == {
        "next": "https://example.org/?client_id=[hidden]&offset=50", "explicit": True,
        "names": ["Bearer ofTidings", "a [hidden] b"], "[hidden]": {"deep": ["[hidden]"]}}


@pytest.mark.parametrize("header", ["Basic dXNlcjpwYXNz", "Bearer BQtoken-1"])
def test_what_authorises_a_request_is_a_secret(reach, header):
    replies = Replies(Reply(200, b"x"))
    reach(replies).get(URL, headers={"Authorization": header})
    assert replies.asked[0].headers["authorization"] == header
    assert legible(f"{{'Authorization': '{header}'}}") == (
        f"{{'Authorization': '{header.split()[0]} [hidden]'}}")
