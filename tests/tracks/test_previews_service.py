"""Clips that a service hands out, or does not: patience, limits, and one row for each failure."""

import threading
import time

import pandas as pd
import pytest

from hiphoplib.errors import TryLater
from hiphoplib.tracks import previews
from hiphoplib.tracks.previews import download_previews
from hiphoplib.tracks.sources import web
from hiphoplib.tracks.sources.base import Folder
from hiphoplib.tracks.table import normalise, read_rejected
from tests.loopback import Reply, serving

HOST = "previews.test"


class Service:
    """Answers for clips: what `faults` says by id, else the clip."""

    def __init__(self, clip):
        self.clip, self.at_once, self.most, self.lock = clip, 0, 0, threading.Lock()

    def __call__(self, request):
        with self.lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        time.sleep(0.01)
        with self.lock:
            self.at_once -= 1
        return self.faults.get(request.path.strip("/")) or Reply(200, self.clip)


@pytest.fixture
def service(tmp_path, noise, mp3, hasty):
    """Function of a table size and faults: table, source, answers, and the server."""
    answers = Service(mp3(noise(-20, 3.5)))

    def start(n, faults=(), scheme="https"):
        answers.faults = dict(faults)
        tracks = normalise(pd.DataFrame({
            "id": [f"{i}" for i in range(n)], "popularity": 50, "track": "t", "artists": "a",
            "preview_url": [f"{scheme}://{HOST}/{i}" for i in range(n)]}))
        return tracks, source, answers, server

    with serving(answers, HOST) as (server, session):
        (tmp_path / "service").mkdir()
        source = Folder(tmp_path / "service", session=session)
        source.remote = True
        yield start


FAULTS = {
    "0": (Reply(403, b"no"), "403", 1), "1": (Reply(404, b"gone"), "404", 1),
    "2": (Reply(200, bytes(9000), cut=8000), "cut", web.TRIES),
    "3": (Reply(200, b"<!DOCTYPE html>\n<html>"), "'<!DOCTYPE html>'", 1),
    "4": (Reply(200, bytes(4_000_000), length=2_000_000_000), "2000 MB, at most 20 MB", 1),
    "5": (Reply(302, b"", {"Location": f"https://{HOST}/5"}), "redirects", 6),
    "6": (Reply(302, b"", {"Location": f"http://{HOST}/7"}), "https is wanted", 1),
    "7": (Reply(200), "0 bytes that are not audio", 1), "8": (Reply(503), "503", web.TRIES)
}


def test_each_bad_preview_costs_its_row_and_says_why(tmp_path, service):
    tracks, source, answers, server = service(
        12, {name: fault for name, (fault, _, _) in FAULTS.items()})
    missing = download_previews(tracks, source, tmp_path / "corpus")
    assert sorted(missing) == sorted(FAULTS)
    for name, (_, said, times) in FAULTS.items():
        assert said in missing[name] and "\n" not in missing[name]
        assert sum(request.path == f"/{name}" for request in server.requests) == times
    there = sorted(path.name for path in (tmp_path / "corpus" / "audio").iterdir())
    assert there == ["10.mp3", "11.mp3", "9.mp3"]
    rejected = read_rejected(tmp_path / "corpus").set_index("id")
    assert rejected["reason"].to_dict() == missing


def test_a_service_that_said_no_is_asked_again_only_if_told(tmp_path, service):
    tracks, source, answers, server = service(3, {"1": Reply(404)})
    first = download_previews(tracks, source, tmp_path / "corpus")
    server.log.clear()
    assert download_previews(tracks, source, tmp_path / "corpus") == first
    assert server.log == []
    answers.faults.clear()
    assert download_previews(tracks, source, tmp_path / "corpus", retry_rejected=True) == {}
    assert [request.path for request in server.requests] == ["/1"]
    assert len(read_rejected(tmp_path / "corpus")) == 0


def test_several_at_a_time_but_no_more_than_a_host_is_asked_for(tmp_path, service):
    tracks, source, answers, server = service(24)
    download_previews(tracks, source, tmp_path / "corpus", jobs=12)
    assert 2 <= answers.most <= 4
    assert len(server.log) == 24


def test_a_long_pause_stops_the_run_and_keeps_what_came(tmp_path, service):
    tracks, source, answers, server = service(30, {
        "9": Reply(429, b"", {"Retry-After": "46000"})})
    with pytest.raises(TryLater, match="go on with the same command after 20"):
        download_previews(tracks, source, tmp_path / "corpus", jobs=1)
    time.sleep(0.1)  # a clip may have been on its way
    here = {path.stem for path in (tmp_path / "corpus" / "audio").glob("*.mp3")}
    assert {f"{i}" for i in range(9)} <= here and len(here) < 29
    answers.faults.clear()
    server.log.clear()
    assert download_previews(tracks, source, tmp_path / "corpus", jobs=1) == {}
    assert sorted(request.path.strip("/") for request in server.requests) == sorted(
        {f"{i}" for i in range(30)} - here)


def test_a_service_that_is_down_stops_the_run_and_costs_no_row(tmp_path, service, monkeypatch):
    monkeypatch.setattr(web, "TRIES", 2)
    tracks, source, answers, server = service(40, {f"{i}": Reply(502) for i in range(3, 40)})
    answers.faults["1"] = Reply(404)
    with pytest.raises(TryLater, match=f"{previews.OUTAGE} clips in a row"):
        download_previews(tracks, source, tmp_path / "corpus", jobs=1)
    assert read_rejected(tmp_path / "corpus")["id"].tolist() == ["1"]
    answers.faults.clear()
    assert list(download_previews(tracks, source, tmp_path / "corpus")) == ["1"]


def test_addresses_without_tls_are_taken_only_if_told(tmp_path, service):
    tracks, source, answers, server = service(2, scheme="http")
    missing = download_previews(tracks, source, tmp_path / "corpus")
    assert len(missing) == 2 and server.log == []
    assert "https is wanted" in missing["0"]
    source.web.allow_http = True
    assert download_previews(tracks, source, tmp_path / "corpus", retry_rejected=True) == {}
