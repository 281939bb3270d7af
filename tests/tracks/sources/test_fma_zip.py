"""FMA's clips, whatever its server does and whenever it is killed; and out of a zip on disk."""

import hashlib
import multiprocessing
import time
from collections import Counter
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from hiphoplib.errors import BadInput, TryLater, Unreachable
from hiphoplib.tracks.gather import gather
from hiphoplib.tracks.previews import Clip
from hiphoplib.tracks.sources import fma, web
from hiphoplib.tracks.table import read_rejected, read_tracks
from tests.fma_server import (
    CLIPS,
    HOST,
    METADATA,
    Archive,
    clips_zip,
    end_record,
    flipped,
    invented_clips,
    patched,
    same_corpus,
    zipped,
    zips,
)
from tests.loopback import Reply, Server, ranged, rerouted, serving

N = 20
PAGE = Reply(200, b"<!DOCTYPE html><title>Back soon</title>", {"Content-Type": "text/html"})
ONCE = "429", "garbled", "slow, but whole"  # the others come three times in a row
PASSING = {  # each meets one clip
    "429": lambda request, content: Reply(429, headers={"Retry-After": "1"}),
    "500": lambda request, content: Reply(500),
    "502": lambda request, content: Reply(502),
    "503": lambda request, content: Reply(503, headers={"Retry-After": "0"}),
    "page": lambda request, content: PAGE,
    "cut": lambda request, content: ranged(request, content, cut=9000),
    "cut before the first byte": lambda request, content: ranged(request, content, cut=0),
    "short": lambda request, content: ranged(request, content, cut=9000, length=9000),
    "another part": lambda request, content: ranged(
        replace(request, headers={"range": "bytes=0-20000"}), content
    ),
    "garbled": lambda request, content: garbled(ranged(request, content)),
    "slow, but whole": lambda request, content: ranged(
        request, content, delay=0.2, piece=4096, pause=0.01
    ),
}


def garbled(reply):
    """An answer with some bytes changed on the way."""
    return replace(reply, body=flipped(reply.body, len(reply.body) // 2))


@pytest.fixture(scope="module", autouse=True)
def published():
    """The invented metadata are the published ones, and nobody waits long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fma, "METADATA_SHA1", hashlib.sha1(zips()[0]).hexdigest())
        patch.setattr(web, "PAUSE", 0.002)
        yield


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """Folder, archive and server of a run that nothing disturbed."""
    folder, archive = tmp_path_factory.mktemp("calm"), Archive(*zips())
    with serving(archive, HOST) as (server, session):
        gather("fma", folder, n=N, session=session)
    return folder, archive, server


@pytest.fixture(scope="module")
def ids(calm):
    """Of the clips that a run fetches, in the order of the table."""
    table = read_tracks(calm[0])
    return table["id"][table["withheld"].isna()].tolist()


def audio(folder):
    """Bytes by id of a corpus' clips."""
    return {path.stem: path.read_bytes() for path in folder.glob("audio/*.mp3")}


def test_clips_are_those_of_the_zip_and_only_of_what_may_be_trained_on(calm, ids):
    assert audio(calm[0]) == {name: invented_clips()[name] for name in ids} and len(ids) == N


def test_no_more_is_read_than_the_clips_and_the_directory(calm, ids):
    _, archive, server = calm
    asked = archive.asked()
    assert sorted(name for name in asked if name) == sorted(ids)  # each once
    sent = archive.sent(server)
    wanted = sum(end - start for start, end in map(archive.spans.get, ids)) + archive.directory
    assert wanted <= sent <= 1.05 * wanted and sent < 0.2 * len(zips()[1])
    assert asked.count(None) <= 3  # the directory, once for all threads


def test_a_corpus_that_is_there_asks_for_nothing_and_grows_by_what_is_missing(calm, tmp_path, ids):
    archive = Archive(*zips())
    with serving(archive, HOST) as (_, session):
        gather("fma", tmp_path, n=N // 2, session=session)
        seen = len(archive.requests)
        gather("fma", tmp_path, n=N // 2, session=session)
        assert len(archive.requests) == seen
        gather("fma", tmp_path, n=N, session=session)
    asked = [name for name in archive.asked() if name]
    assert sorted(asked) == sorted(ids) and same_corpus(tmp_path, calm[0])
    assert archive.asked(METADATA) == [None]


def test_passing_faults_leave_no_trace(calm, tmp_path, ids):
    archive = Archive(*zips())
    for name, fault in zip(ids, PASSING):
        archive.faults[name] = [PASSING[fault]] * (1 if fault in ONCE else 3)
    archive.faults[METADATA] = [PASSING["502"], PASSING["page"], PASSING["cut"]]
    archive.faults[CLIPS] = [
        PASSING["503"],
        PASSING["page"],
        PASSING["short"],
        lambda request, content: ranged(request, content, cut=100),
    ]
    with serving(archive, HOST) as (_, session):
        gather("fma", tmp_path, n=N, session=session)
    assert same_corpus(tmp_path, calm[0]) and not any(archive.faults.values())
    asked = archive.asked()
    for name, fault in zip(ids, [*PASSING, *["slow, but whole"] * N]):
        assert asked.count(name) == {"slow, but whole": 1, "429": 2, "garbled": 2}.get(fault, 4)


def test_clips_that_are_not_to_be_had_cost_their_rows_and_say_why(calm, tmp_path, ids):
    missing, damaged, headless, huge, bomb = ids[:5]
    content = clips_zip({name: invented_clips()[name] for name in ids if name != missing})
    at = Archive(zips()[0], content).spans
    content = flipped(content, sum(at[damaged]) // 2)
    content = flipped(content, at[headless][0])
    content = patched(content, huge, packed=2**31, size=2**31)
    content = patched(content, bomb, size=2**31)
    archive = Archive(zips()[0], content)
    with serving(archive, HOST) as (_, session):
        gather("fma", tmp_path, n=N, session=session)
        reasons = read_rejected(tmp_path).set_index("id")["reason"]
        assert audio(tmp_path) == {
            name: clip for name, clip in audio(calm[0]).items() if name not in ids[:5]
        }
        for name, said in [
            (missing, "not in fma_large.zip"),
            (damaged, "damaged in fma_large.zip"),
            (headless, "damaged in fma_large.zip"),
            (huge, "2147 MB, at most 20 MB"),
            (bomb, "2147 MB, at most 20 MB"),
        ]:
            assert reasons[name].startswith(f"clip {name}: {said}") and "\n" not in reasons[name]
        asked = archive.asked()
        assert not {missing, huge, bomb} & set(asked) and asked.count(damaged) == 2
        seen = len(archive.requests)
        gather("fma", tmp_path, n=N, session=session)  # they are not asked for again
        assert len(archive.requests) == seen


def test_a_directory_that_is_too_large_is_not_asked_for(monkeypatch):
    monkeypatch.setattr(fma, "_DIRECTORY_MAX_BYTES", 2000)
    archive = Archive(*zips())
    with serving(archive, HOST) as (server, session):
        with pytest.raises(BadInput, match="fma_large.zip: not a zip that can be read"):
            fma.FMA(session=session).ready()
        assert archive.sent(server) == 1024


@pytest.mark.parametrize("name", ["../../etc/passwd", "000/../1", "1", "٠٠٠٠٠٢", ""])
def test_only_names_of_the_layout_are_looked_for(name, tmp_path):
    (tmp_path / "fma_large.zip").write_bytes(zips()[1])
    source = fma.FMA(zip=tmp_path / "fma_large.zip")
    with pytest.raises(BadInput, match="not an id of FMA"):
        source.preview(Clip(name, None))


@pytest.mark.parametrize("length, said", [(93 * 2**30, "93 GiB"), (2**30 // 2, "0.5 GiB")])
def test_a_server_without_ranges_stops_the_run_at_once(tmp_path, length, said):
    archive = Archive(*zips())
    archive.faults[CLIPS] = [lambda request, content: Reply(200, content, length=length)] * 9
    with serving(archive, HOST) as (_, session):
        with pytest.raises(BadInput, match=f"fma_large.zip: .*{said}; .*--zip FILE"):
            gather("fma", tmp_path, n=N, session=session)
    assert archive.asked() == [None] and not (tmp_path / "audio").exists()
    assert read_rejected(tmp_path).empty


@pytest.mark.parametrize(
    "fault, error, said",
    [
        (lambda request, content: Reply(503), Unreachable, "HTTP 503"),
        (lambda request, content: PAGE, Unreachable, "a web page came"),
        (
            lambda request, content: Reply(429, headers={"Retry-After": "46000"}),
            TryLater,
            "after 20",
        ),
        (lambda request, content: Reply(404), BadInput, "HTTP 404"),
        (
            lambda request, content: Reply(302, headers={"Location": f"http://{HOST}{CLIPS}"}),
            BadInput,
            "http address where https is wanted",
        ),
    ],
)
def test_a_server_that_is_down_stops_the_run_and_another_run_finishes(
    calm, tmp_path, fault, error, said
):
    archive = Archive(*zips())
    archive.faults[CLIPS] = [fault] * 9
    with serving(archive, HOST) as (_, session):
        with pytest.raises(error, match=said):
            gather("fma", tmp_path, n=N, session=session)
        assert read_rejected(tmp_path).empty
        archive.faults.clear()
        gather("fma", tmp_path, n=N, session=session)
    assert same_corpus(tmp_path, calm[0])


DAMAGE = {
    "its end is missing": lambda content: content[:-3000],
    "its end is zero": lambda content: content[:-3000] + bytes(3000),
    "an entry is garbage": lambda content: flipped(content, content.rindex(b"PK\1\2"), 4),
    "a larger directory": lambda content: end_record(content, size=2**32 - 2),
    "a smaller directory": lambda content: end_record(content, size=9),
    "an offset outside": lambda content: end_record(content, offset=2**31),
    "a size and an offset outside": lambda content: end_record(content, size=2**31, offset=1),
    "the wrong layout": lambda content: zipped({"fma_small/000/000002.mp3": "0"}),
    "no zip": lambda content: bytes(70_000),
    "nothing": lambda content: b"",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_directory_is_found_at_once_remote_or_not(tmp_path, damage):
    content = damage(zips()[1])
    archive = Archive(*zips())
    archive.files[CLIPS] = content
    with serving(archive, HOST) as (server, session):
        source = fma.FMA(session=session)
        with pytest.raises(BadInput, match="fma_large.zip: .*(--zip FILE|has to be|HTTP 416)"):
            source.ready()
        assert len(archive.requests) < 9 and archive.sent(server) < 200_000
        archive.files[CLIPS] = zips()[1]
        source.ready()  # nothing damaged was kept
    (tmp_path / "fma_large.zip").write_bytes(content)
    with pytest.raises(BadInput, match="fma_large.zip: .*(download it again|has to be)"):
        fma.FMA(zip=tmp_path / "fma_large.zip")


def test_a_zip_at_hand_is_read_and_the_server_only_asked_for_metadata(calm, tmp_path):
    path = tmp_path / "fma_large.zip"
    path.write_bytes(zips()[1])
    archive = Archive(*zips())
    with serving(archive, HOST) as (_, session):
        gather("fma", tmp_path / "corpus", n=N, zip=path, session=session)
    assert same_corpus(tmp_path / "corpus", calm[0]) and archive.asked() == []
    for there, said in (tmp_path / "nowhere.zip", "no such file"), (tmp_path, "not a zip"):
        with pytest.raises(BadInput, match=said):
            fma.FMA(zip=there)


KILLS = 20
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "pytest",
        "pyarrow.parquet",
        "hiphoplib.tracks.gather",
        "hiphoplib.tracks.sources.fma",
        "tests.fma_server",
    ]
)


def attempt(url, name, folder, sha1):
    """Gather, and tell the server which attempt it is."""
    fma.METADATA_SHA1, web.PAUSE = sha1, 0.002
    session = rerouted(url, HOST)
    session.headers["Attempt"] = name
    gather("fma", folder, n=N, session=session)


def run(url, name, moment, folder):
    """Exit code of an attempt that is killed at a moment in s, negative if it was."""
    process = PROCESSES.Process(
        target=attempt, args=(url, name, folder, hashlib.sha1(zips()[0]).hexdigest())
    )
    process.start()
    process.join(moment)
    process.kill()
    process.join()
    return process.exitcode


def phase(folder):
    """How far a run came."""
    if not (folder / "raw" / "fma_metadata.zip").is_file():
        return "metadata"
    return "clips" if audio(folder) else "table"


def test_killed_at_random_moments_it_ends_as_a_run_that_nobody_disturbed(
    calm, tmp_path, monkeypatch
):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    archive = Archive(*zips(), piece=8192, pause=0.01)
    there, left, finished = {}, Counter(), []
    with Server(archive) as server:
        run(server.url, "first", 0, tmp_path / "first")  # it waits until all is imported
        start = time.monotonic()
        code = run(server.url, "whole", 60, tmp_path / "whole")
        seconds = time.monotonic() - start
        assert code == 0
        rng, enough = np.random.default_rng(0), False
        # early ones first, while the metadata are on their way
        moments = chain(
            sorted(rng.uniform(0, seconds / 2, KILLS)), iter(lambda: rng.uniform(0, seconds), None)
        )
        while code or not enough:
            folder, name = tmp_path / f"corpus_{len(finished)}", str(len(there))
            there[name] = set(audio(folder))
            code = run(server.url, name, 60 if enough else next(moments), folder)
            assert code in (0, -9)
            if code:
                left[phase(folder)] += 1
            else:
                finished.append(folder)
            enough = left.total() >= KILLS and left["metadata"] and left["clips"]
    for part in tmp_path.rglob("*.[0-9]*.part"):  # of a killed write
        part.unlink()
    assert all(same_corpus(folder, calm[0]) for folder in finished)
    for request in archive.requests:
        assert archive.clip(request) not in there.get(request.headers["attempt"], ())
