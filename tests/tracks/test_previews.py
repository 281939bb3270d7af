"""Clips are there whole or not at all, inside the corpus, and fetched once, with patience."""

import subprocess
import sys
import textwrap
import threading
import time

import pandas as pd
import pytest

from hiphoplib.errors import BadInput, TryLater
from hiphoplib.parallel import DIED, unordered
from hiphoplib.tracks import previews
from hiphoplib.tracks.gather import gather
from hiphoplib.tracks.previews import Clip, clip_path, download_previews
from hiphoplib.tracks.sources import web
from hiphoplib.tracks.sources.base import Folder
from hiphoplib.tracks.table import read_rejected, read_tracks
from tests.loopback import Reply, serving
from tests.tables import raw_table, table


class Counted(Folder):
    """The folder source, with a list of what was asked of it."""

    def __init__(self, path):
        super().__init__(path)
        self.asked = []

    def preview(self, row):
        self.asked.append(row.id)
        return super().preview(row)


@pytest.fixture
def source(tmp_path, write_corpus, noise, mp3):
    """Four rows on disk; the clip of the last one is missing."""
    ids = ["0001", "0002", "0003", "0004"]
    rows = raw_table(4, id=ids, preview_url=[f"audio/{i}.mp3" for i in ids])
    audio = {f"audio/{i}.mp3": mp3(noise(-20, 3.5, seed=int(i))) for i in ids[:3]}
    return Counted(write_corpus(tmp_path / "source", rows, audio))


@pytest.mark.parametrize("url", ["../out.mp3", "audio/../../out.mp3", "/etc/passwd", "~/../../x"])
def test_a_path_that_leads_outside_is_refused(tmp_path, source, url):
    with pytest.raises(BadInput, match="outside the corpus; put it inside"):
        clip_path(tmp_path / "corpus", Clip("1", url))
    with pytest.raises(BadInput):
        source.preview(Clip("1", url))


def test_a_link_that_leads_outside_is_refused(tmp_path):
    (tmp_path / "secret.mp3").write_bytes(b"x")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.mp3").symlink_to(tmp_path / "secret.mp3")
    with pytest.raises(BadInput, match="outside"):
        clip_path(tmp_path / "corpus", Clip("1", "a.mp3"))


@pytest.mark.parametrize(
    "url, said", [("https://[", "no address"), ("../source/audio/0002.mp3", "outside")]
)
def test_a_row_without_a_place_costs_only_itself(tmp_path, source, url, said):
    tracks = read_tracks(source.path)
    tracks.loc[1, "preview_url"] = url
    missing = download_previews(tracks, source, tmp_path / "corpus", jobs=1)
    assert sorted(missing) == ["0002", "0004"] and said in missing["0002"]


@pytest.mark.parametrize("track_id", ["0001", "../../x", "a/b", "spotify:track:4", "..", "ü ?"])
def test_the_clip_of_an_address_is_named_after_the_id_and_inside(tmp_path, track_id):
    path = clip_path(tmp_path, Clip(track_id, "https://p.scdn.co/mp3-preview/1?cid=2"))
    assert path.resolve().parent == (tmp_path / "audio").resolve()


def test_a_missing_file_costs_one_row(tmp_path, source):
    tracks, folder = read_tracks(source.path), tmp_path / "corpus"
    missing = download_previews(tracks, source, folder, jobs=2)
    assert list(missing) == ["0004"]
    rejected = read_rejected(folder)
    assert rejected[["id", "stage"]].values.tolist() == [["0004", "previews"]]
    assert rejected["reason"][0] == missing["0004"]
    assert "no such file" in missing["0004"] and "\n" not in missing["0004"]
    for track_id in ("0001", "0002", "0003"):
        copy, original = (at / f"audio/{track_id}.mp3" for at in (folder, source.path))
        assert copy.read_bytes() == original.read_bytes()


def test_a_clip_that_ends_its_process_costs_its_row(tmp_path, source, monkeypatch):
    def dying(work, tasks, *, jobs):
        yield from ((i, work(task) if i != 1 else DIED) for i, task in enumerate(tasks))

    source.parallel = "processes"
    monkeypatch.setattr(previews, "unordered", dying)
    missing = download_previews(read_tracks(source.path), source, tmp_path / "corpus")
    assert sorted(missing) == ["0002", "0004"] and "ended its process" in missing["0002"]


def test_a_second_run_fetches_only_what_is_not_there(tmp_path, source):
    tracks, folder = read_tracks(source.path), tmp_path / "corpus"
    download_previews(tracks, source, folder, jobs=1)
    source.asked.clear()
    download_previews(tracks, source, folder, jobs=1)
    assert source.asked == ["0004"]
    (source.path / "audio/0004.mp3").write_bytes((source.path / "audio/0001.mp3").read_bytes())
    assert download_previews(tracks, source, folder, jobs=1) == {}
    assert len(read_rejected(folder)) == 0
    source.asked.clear()
    download_previews(tracks, source, folder, jobs=1)
    assert source.asked == []


def test_a_half_written_clip_never_counts(tmp_path, source):
    tracks, folder = read_tracks(source.path), tmp_path / "corpus"
    (folder / "audio").mkdir(parents=True)
    (folder / "audio" / "0001.mp3.123.part").write_bytes(b"half")

    class Stopped(Folder):
        def preview(self, row):
            if row.id == "0002":
                raise KeyboardInterrupt
            return super().preview(row)

    with pytest.raises(KeyboardInterrupt):
        download_previews(tracks, Stopped(source.path), folder, jobs=1)
    assert [path.name for path in (folder / "audio").glob("*.mp3")] == ["0001.mp3"]
    download_previews(tracks, source, folder, jobs=1)
    for track_id in ("0001", "0002", "0003"):
        copy, original = (at / f"audio/{track_id}.mp3" for at in (folder, source.path))
        assert copy.read_bytes() == original.read_bytes()


def test_rows_that_name_one_file_share_it(tmp_path, source):
    tracks = pd.concat([read_tracks(source.path)[:1]] * 12, ignore_index=True)
    tracks["id"] = [f"{i}" for i in range(12)]
    for turn in range(5):
        assert download_previews(tracks, source, tmp_path / f"corpus{turn}", jobs=4) == {}


def test_rows_without_a_preview_are_left_out(tmp_path, source):
    tracks = read_tracks(source.path)
    tracks["preview_url"] = None
    assert download_previews(tracks, source, tmp_path, jobs=1) == {}
    assert source.asked == []


def test_a_full_disk_stops_the_run_in_one_line_and_leaves_no_half_clip(tmp_path, source):
    """A file of this process may have 60 kB: there is no room for the second clip."""
    (source.path / "audio" / "0002.mp3").write_bytes(
        (source.path / "audio" / "0002.mp3").read_bytes() * 4
    )
    program = textwrap.dedent("""
        import resource, signal, sys
        from hiphoplib.cli import main
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
        sys.exit(main(sys.argv[1:]))""")
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            program,
            "gather",
            "folder",
            source.path,
            "--out",
            tmp_path / "corpus",
            "--jobs",
            "1",
        ],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ") and ended.stderr.count("\n") == 1
    assert "0002.mp3" in ended.stderr and "make room" in ended.stderr
    assert [path.name for path in (tmp_path / "corpus" / "audio").iterdir()] == ["0001.mp3"]


def test_a_corpus_is_gathered_after_other_work_in_processes(tmp_path):
    """Processes of `joblib.Parallel` could not follow those of `workers` in one program."""
    assert dict(unordered(len, ["a", "bc"])) == {0: 1, 1: 2}
    gather("synthetic", tmp_path / "synthetic", n=3)
    assert len(list((tmp_path / "synthetic" / "audio").iterdir())) == 3


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
        ids = [f"{i}" for i in range(n)]
        tracks = table(n, id=ids, preview_url=[f"{scheme}://{HOST}/{i}" for i in ids])
        return tracks, source, answers, server

    with serving(answers, HOST) as (server, session):
        (tmp_path / "service").mkdir()
        source = Folder(tmp_path / "service", session=session)
        source.remote = True
        yield start


FAULTS = {
    "0": (Reply(403, b"no"), "403", 1),
    "1": (Reply(404, b"gone"), "404", 1),
    "2": (Reply(200, bytes(9000), cut=8000), "cut", web.TRIES),
    "3": (Reply(200, b"<!DOCTYPE html>\n<html>"), "'<!DOCTYPE html>'", 1),
    "4": (Reply(200, bytes(4_000_000), length=2_000_000_000), "2000 MB, at most 20 MB", 1),
    "5": (Reply(302, b"", {"Location": f"https://{HOST}/5"}), "redirects", 6),
    "6": (Reply(302, b"", {"Location": f"http://{HOST}/7"}), "https is wanted", 1),
    "7": (Reply(200), "0 bytes that are not audio", 1),
    "8": (Reply(503), "503", web.TRIES),
}


def test_each_bad_preview_costs_its_row_and_says_why(tmp_path, service):
    tracks, source, answers, server = service(
        12, {name: fault for name, (fault, _, _) in FAULTS.items()}
    )
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
    tracks, source, answers, server = service(30, {"9": Reply(429, b"", {"Retry-After": "46000"})})
    with pytest.raises(TryLater, match="go on with the same command after 20"):
        download_previews(tracks, source, tmp_path / "corpus", jobs=1)
    time.sleep(0.1)  # a clip may have been on its way
    here = {path.stem for path in (tmp_path / "corpus" / "audio").glob("*.mp3")}
    assert {f"{i}" for i in range(9)} <= here and len(here) < 29
    answers.faults.clear()
    server.log.clear()
    assert download_previews(tracks, source, tmp_path / "corpus", jobs=1) == {}
    assert sorted(request.path.strip("/") for request in server.requests) == sorted(
        {f"{i}" for i in range(30)} - here
    )


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
