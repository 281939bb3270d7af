"""A credential is said nowhere, whoever logs it and however."""

import io
import logging

import pytest

from hiphoplib.errors import BadInput
from hiphoplib.tracks.sources import credentials
from hiphoplib.tracks.sources.credentials import conceal, from_environment, redact

SECRET = "5ec7e7-s3cr3t/value+"


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """As in a process that knows no secret yet."""
    factory = logging.getLogRecordFactory()
    logging.setLogRecordFactory(logging.LogRecord)
    monkeypatch.setattr(credentials, "_secrets", set())
    yield
    logging.setLogRecordFactory(factory)


@pytest.fixture
def log():
    """A logger that says everything, and what it said."""
    logger, said = logging.Logger("anyone", logging.DEBUG), io.StringIO()
    logger.addHandler(logging.StreamHandler(said))
    return logger, said


def test_credentials_come_from_the_environment_without_blanks(monkeypatch):
    monkeypatch.setenv("SOME_ID", "  an-id\n")
    monkeypatch.setenv("SOME_SECRET", SECRET)
    assert from_environment("SOME_ID", "SOME_SECRET", advice="") == ["an-id", SECRET]
    assert redact(f"an-id:{SECRET}") == "[hidden]:[hidden]"
    assert redact("secret=5ec7e7-s3cr3t%2Fvalue%2B") == "secret=[hidden]"


def test_all_that_is_missing_is_named(monkeypatch):
    monkeypatch.setenv("SOME_ID", "an-id")
    monkeypatch.setenv("SOME_SECRET", "  ")
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(BadInput) as error:
        from_environment("SOME_ID", "SOME_SECRET", "SOME_KEY", advice="make them at example.org")
    assert str(error.value) == ("SOME_SECRET and SOME_KEY: not set in the environment; "
                                "make them at example.org")


@pytest.mark.parametrize("value", ["gehéim-1234", "two words", "a\r\nHost: b", "“quoted”"])
def test_what_no_header_can_carry_is_refused_and_not_repeated(monkeypatch, value):
    monkeypatch.setenv("SOME_SECRET", value)
    with pytest.raises(BadInput, match="^SOME_SECRET: .*; copy it again, see there$") as error:
        from_environment("SOME_SECRET", advice="see there")
    assert value not in repr(error.value) and error.value.__context__ is None
    assert redact(value) == "[hidden]"


class Odd:
    """Says a secret where it is shown."""

    def __str__(self):
        return f"<{SECRET}>"


@pytest.mark.parametrize("message, arguments", [
    (f"key {SECRET}", ()), ("key %s", (SECRET,)), ("key %r", ({"key": [SECRET]},)),
    ("%(key)s", ({"key": SECRET},)), ("%s and %d", (Odd(), 3)), (Odd(), ())])
def test_a_record_says_no_secret(log, message, arguments):
    logger, said = log
    logger.debug(message, *arguments)
    assert SECRET in said.getvalue()  # or this test shows nothing
    conceal(SECRET)
    logger.debug(message, *arguments)
    assert said.getvalue().count(SECRET) == 1
    assert "[hidden]" in said.getvalue()


def test_a_traceback_says_no_secret(log):
    logger, said = log
    conceal(SECRET)
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise RuntimeError(f"no {SECRET}") from error
    except RuntimeError:
        logger.exception("failed", stack_info=True)
        logger.error("again", exc_info=True)
    assert SECRET not in said.getvalue()
    assert said.getvalue().count("RuntimeError: no [hidden]") == 2
    assert said.getvalue().count("KeyError: '[hidden]'") == 2


def test_a_stack_says_no_secret():
    conceal(SECRET)
    record = logging.getLogRecordFactory()("a", 10, "f", 1, "here", (), None,
                                           sinfo=f'File "f.py"\n  ask("{SECRET}")')
    assert record.stack_info == 'File "f.py"\n  ask("[hidden]")'


def test_a_traceback_without_secrets_stays(log):
    logger, said = log
    conceal(SECRET)
    try:
        raise KeyError("else")
    except KeyError:
        logger.exception("failed")
    assert said.getvalue().count("KeyError: 'else'") == 1


@pytest.mark.parametrize("message, arguments", [
    ("%s and %s", (SECRET,)), ("%d", (SECRET,)), ("%(other)s", ({"key": SECRET},)),
    ("%s", (SECRET, "too many")), ("no place", (SECRET,))])
def test_a_record_with_wrong_arguments_stops_nobody(log, capsys, message, arguments):
    logger, said = log
    conceal(SECRET)
    logger.debug(message, *arguments)
    out, err = capsys.readouterr()
    assert SECRET not in out + err + said.getvalue()
    assert "[hidden]" in err + said.getvalue()


def test_a_record_that_nobody_can_say_stops_nobody(log, capsys):
    class Unsayable:
        def __repr__(self):
            raise RuntimeError("cannot be said")

    conceal(SECRET)
    log[0].debug("%s", Unsayable())
    assert "Logging error" in capsys.readouterr().err


def test_other_records_stay_as_they_are(log):
    conceal(SECRET)
    record = logging.getLogRecordFactory()("a", 10, "f", 1, "%s of %d", ("one", 2), None)
    assert (record.msg, record.args) == ("%s of %d", ("one", 2))


def test_the_factory_is_changed_once():
    conceal(SECRET)
    factory = logging.getLogRecordFactory()
    conceal("another-one")
    assert logging.getLogRecordFactory() is factory
    assert factory("a", 10, "f", 1, f"{SECRET} another-one", (), None).msg == "[hidden] [hidden]"


def test_somebody_elses_factory_goes_on(log):
    def named(*args, **kwargs):
        record = logging.LogRecord(*args, **kwargs)
        record.theirs = True
        return record

    logging.setLogRecordFactory(named)
    conceal(SECRET)
    record = logging.getLogRecordFactory()("a", 10, "f", 1, SECRET, (), None)
    assert record.theirs and record.msg == "[hidden]"


def test_a_longer_secret_goes_before_one_that_it_holds():
    conceal("abc", "abc-def", "")
    assert redact("abc-def abc") == "[hidden] [hidden]"


@pytest.mark.parametrize("text", [
    "{'Authorization': 'Basic dXNlcjpwYXNz'}", '{"authorization": "Bearer BQtoken-1"}',
    "Authorization: Bearer a.b~c", "b'Authorization': b'Basic dXNlcjpwYXNz='",
    '\\"Authorization\\": \\"Bearer BQtoken-1\\"'])
def test_an_authorisation_header_is_blanked_whatever_it_holds(text):
    assert "[hidden]" in redact(text)
    assert not any(part in redact(text) for part in ("dXNl", "BQ", "a.b"))


def test_a_song_title_is_no_header():
    text = '{"name": "Basic Instructions (Bearer OfBadNews Remix)"}'
    assert redact(text) == text
