"""Jamendo, against one on loopback: errors, junk, and a credential that is nowhere."""

import io
import itertools
import json
import logging
import traceback

import numpy as np
import pandas as pd
import pytest

from hiphoplib.errors import BadInput, TryLater, Unreachable
from hiphoplib.tracks.gather import get_tracks
from hiphoplib.tracks.sources.jamendo import Jamendo
from tests.jamendo_server import (
    CLIENT_ID,
    COUNTS,
    HOSTS,
    YEARS,
    Service,
    catalogue,
    failed,
    same,
    usable,
)
from tests.loopback import Reply, serving

# errors


@pytest.mark.parametrize(
    "code, message, error, said",
    [
        (6, "Rate limit exceeded", TryLater, "go on with the same command"),
        (1, "The rate limit of this IP is reached", TryLater, "what came is kept"),
        (5, "Your credential is not authorized.", BadInput, "JAMENDO_CLIENT_ID: Your credential"),
        ("11", "Suspended", BadInput, "devportal.jamendo.com"),
        (12, "Token", BadInput, "JAMENDO_CLIENT_ID"),
        (
            3,
            f"One of\n{CLIENT_ID}\x1b[31m is wrong " + "x" * 10_000,
            BadInput,
            r"One of \[hidden\]",
        ),
        (None, None, BadInput, "does not say which"),
        ({}, ["a"], BadInput, "api.jamendo.com"),
    ],
)
def test_an_error_that_comes_as_http_200_is_one(jamendo, tmp_path, code, message, error, said):
    service = Service(instead=lambda number: failed(code, message))
    with pytest.raises(error, match=said) as caught:
        jamendo(service).tracks(tmp_path)
    assert type(caught.value) is error and len(service.asked) == 1
    text = str(caught.value)
    assert text.isprintable() and len(text) < 400 and CLIENT_ID not in text and "; " in text
    assert list(tmp_path.rglob("*.json")) == []


def reply(value):
    return Reply(200, value if isinstance(value, bytes) else json.dumps(value).encode())


NOT_ANSWERS = [
    b"<!DOCTYPE html><html>Maintenance</html>",
    b"",
    b"[" * 100_000,
    b"\xff\xfe",
    [],
    {},
    "x",
    7,
    None,
    {"headers": {}},
    {"headers": [], "results": []},
    {"results": []},
    {"headers": {"status": "success"}},
    {"headers": {"status": "success"}, "results": {}},
    {"headers": {"status": 1}, "results": []},
]


@pytest.mark.parametrize("value", NOT_ANSWERS, ids=range(len(NOT_ANSWERS)))
def test_what_is_no_answer_is_asked_for_again(jamendo, tmp_path, value):
    service = Service(instead=lambda number: reply(value) if number < 2 else None)
    assert len(jamendo(service, n=10).tracks(tmp_path))
    assert service.asked[0] == service.asked[1] == service.asked[2] != service.asked[3]
    with pytest.raises(Unreachable, match="api.jamendo.com/v3.0/tracks/: .*, 6 times"):
        jamendo(Service(instead=lambda number: reply(value))).tracks()


def test_an_empty_answer_with_a_warning_of_the_limit_is_no_end(jamendo, tmp_path):
    empty = {
        "headers": {"status": "success", "code": 0, "warnings": "Rate Limit exceeded"},
        "results": [],
    }
    service = Service(instead=lambda number: reply(empty) if number == COUNTS else None)
    with pytest.raises(TryLater, match="Rate Limit exceeded"):
        jamendo(service).tracks(tmp_path)
    assert len(list(tmp_path.rglob("*.json"))) == COUNTS


def test_without_a_client_id_nothing_is_asked(jamendo, monkeypatch):
    monkeypatch.delenv("JAMENDO_CLIENT_ID")
    service = Service()
    with pytest.raises(BadInput, match="^JAMENDO_CLIENT_ID: not set.*devportal.jamendo.com$"):
        jamendo(service).tracks()
    assert service.asked == []


def test_a_tag_of_no_tracks_is_an_error(jamendo):
    with pytest.raises(BadInput, match="no track of tag 'hiphop' from 1990 to 1991 .*try another"):
        jamendo(Service(), years=(1990, 1991)).tracks()
    with pytest.raises(BadInput, match="no track of tag 'hiphop'"):
        jamendo(
            Service([{**track, "audiodownload_allowed": False} for track in catalogue(20)])
        ).tracks()


@pytest.mark.parametrize(
    "options",
    [
        {"n": 0},
        {"n": -1},
        {"seed": -1},
        {"tag": " "},
        {"years": (2012, 2010)},
        {"years": (2012,)},
        {"years": (0, 2012)},
        {"years": (2010, 2011, 2012)},
    ],
)
def test_settings_that_make_no_sense_are_refused(options):
    with pytest.raises(BadInput, match="^jamendo: .*(needed|give)"):
        Jamendo(**options)


def test_settings_tell_corpora_apart_that_are_not_one_that_grew():
    assert Jamendo(n=10).settings == Jamendo(n=20, offline=True).settings
    others = [{"seed": 1}, {"tag": "rap"}, {"years": (2010, 2011)}, {"no_derivatives": True}, {}]
    settings = [json.dumps(Jamendo(**options).settings) for options in others]
    assert len(set(settings)) == len(others)


def test_the_client_id_is_nowhere(jamendo, tmp_path, caplog):
    said = []
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "urllib3"):
        source = jamendo(Service(audio=b"no audio"))
        tracks = source.tracks(tmp_path / "corpus")
        said += [repr(source), repr(vars(source)), repr(source.settings), tracks.to_csv()]
        for fault in (
            Reply(500),
            Reply(403),
            Reply(200, b"x" * 99, cut=5),
            Reply(200, b"?"),
            Reply(302, headers={"Location": f"/x?client_id={CLIENT_ID}"}),
            failed(6, f"of {CLIENT_ID}"),
            failed(5, CLIENT_ID),
        ):
            with pytest.raises(BadInput) as caught:
                jamendo(Service(instead=lambda number, fault=fault: fault)).tracks()
            said += [repr(caught.value), *traceback.format_exception(caught.value)]
        with pytest.raises(BadInput):
            source.preview(next(tracks.itertuples()))
    assert "GET /v3.0/tracks/?" in caplog.text  # it was logged, but
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > COUNTS
    texts = [caplog.text, *said, *(path.read_text() for path in files), *map(str, files)]
    assert not any(CLIENT_ID in text for text in texts)


# strangers write the catalogue

JUNK = [
    None,
    "",
    "  ",
    0,
    -1,
    1.5,
    10**400,
    True,
    False,
    [],
    {},
    [None],
    {"a": 1},
    "\x00",
    "NaN",
    "\ud83d",
    "<script>",
    "../../x",
    "0000-00-00",
    "2018-13-45",
    "9999-12-31",
    "https://[::1",
    "javascript:alert(1)",
    "http://x.example/",
    "https://",
    "x" * 100_000,
    float("inf"),
    "é漢",
]
FIELDS = [*catalogue(1)[0], "rate_listened_total"]


LAST = YEARS[1], YEARS[1]
SOUND = [{**track, "audiodownload_allowed": True} for track in catalogue(3 * len(JUNK), years=LAST)]


@pytest.fixture(scope="module")
def plain():
    """The table of a catalogue without junk, by id."""
    with serving(Service(SOUND), *HOSTS) as (_, session), pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAMENDO_CLIENT_ID", CLIENT_ID)
        return get_tracks(Jamendo(n=1000, years=LAST, session=session)).set_index("id")


@pytest.mark.parametrize("field", FIELDS)
def test_junk_costs_its_field_or_its_row_and_no_other(jamendo, plain, field):
    tracks = [dict(track) for track in SOUND]
    for track, junk in zip(tracks, JUNK):
        if field == "rate_listened_total":
            track["stats"] = {field: junk}
        else:
            track[field] = junk
    without = tracks[len(JUNK) : 2 * len(JUNK)]
    for track in without:
        track.pop(field, None)
    if field == "releasedate":  # which tracks are of the year is not what is tried here
        tracks = [{**track, "went_up": f"{YEARS[1]}-06-01"} for track in tracks]
    found = get_tracks(jamendo(Service(tracks), n=1000, years=LAST))
    assert found["id"].str.fullmatch(r"[\w-]{1,40}").all()
    found.to_parquet(io.BytesIO())
    found, rest = found.set_index("id"), [track["id"] for track in tracks[2 * len(JUNK) :]]
    columns = [name for name in plain if name not in ("popularity", "collected_at")]
    pd.testing.assert_frame_equal(found.loc[rest, columns], plain.loc[rest, columns])
    urls = [*found["preview_url"].dropna(), *found["image"].dropna()]
    assert all(url.startswith("https://") for url in urls)
    numbers = found[["listens", "duration_ms"]].stack().dropna()
    assert (numbers >= 0).all() and np.isfinite(numbers).all()
    assert not found[["track", "album_name", "licence"]].isin(["True", "False"]).any(axis=None)
    if field not in ("id", "artist_name", "audiodownload_allowed"):
        assert len(found) == len(plain)
    else:
        assert not set(found.index) & {track.get("id") for track in without}
        assert (
            found["artists"]
            .map(
                lambda names: (
                    isinstance(names[0], str) and names[0] not in ("None", "True", "False", "nan")
                )
            )
            .all()
        )
    if field == "rate_listened_total":  # 0, 1.5, "NaN" and the like: a count or none
        assert found["listens"][[tracks[JUNK.index(True)]["id"]]].isna().all()


def changed(service, change):
    """The service, whose answers are changed in place."""
    page = service._page

    def answering(request):
        answer = json.loads(page(request).body)
        change(answer)
        return reply(answer)

    service._page = answering
    return service


@pytest.mark.parametrize("row", [None, 7, "x", [], [{}], {}, {"id": "1"}])
def test_what_is_no_row_costs_itself(jamendo, row):
    tracks = [*catalogue(50), {"releasedate": "2010-06-01"}]
    service = changed(Service(tracks), lambda answer: answer["results"].insert(1, row))
    assert same(jamendo(service, n=1000).tracks(), jamendo(Service(tracks), n=1000).tracks())


def test_a_row_that_comes_twice_is_one(jamendo):
    twice = sorted([*catalogue(300), *catalogue(300)[::3]], key=lambda track: track["releasedate"])
    once = jamendo(Service(catalogue(300)), n=1000).tracks()
    found = jamendo(Service(twice), n=1000).tracks()
    assert sorted(found["id"]) == sorted(once["id"])
    assert usable(jamendo(Service(twice), n=90).tracks()).sum() == 90


def test_rows_without_clip_or_listens_come_but_do_not_count(jamendo):
    lacks = itertools.cycle([{}, {"audiodownload": ""}, {"stats": {}}])
    tracks = jamendo(Service([{**track, **next(lacks)} for track in catalogue()]), n=60).tracks()
    assert usable(tracks).sum() == 60
    assert tracks["preview_url"].isna().any() and tracks["popularity"].isna().any()


@pytest.mark.parametrize("total", [None, "x", -5, 10**9, [], 1e400])
def test_a_total_that_is_none_or_wrong_is_no_way_into_endless_asking(jamendo, total):
    service = changed(
        Service(catalogue(150)),
        lambda answer: answer["headers"].update({"results_fullcount": total}),
    )
    allowed = sum(track["audiodownload_allowed"] for track in catalogue(150))
    assert len(jamendo(service, n=5000).tracks()) == allowed and len(service.asked) < 40
