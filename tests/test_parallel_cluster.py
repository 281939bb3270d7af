"""A Dask cluster writes the store of one machine, whatever happens to its workers."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from functools import partial
from operator import call
from pathlib import Path

import dask
import pytest
from distributed import Client, LocalCluster

from hiphoplib import parallel
from hiphoplib.dataset import store as mel
from hiphoplib.dataset.store import MelStore, make_mels
from hiphoplib.errors import BadInput
from hiphoplib.parallel import unordered
from hiphoplib.tracks.table import read_rejected, read_tracks
from tests.mel_runs import (
    CRASHES,
    ROOT,
    crashing_work,
    linux,
    posix,
    same_clips,
    start,
    store_bytes,
    wait_for_rows,
)


@pytest.fixture(scope="module")
def cluster():
    """Two workers, each a process of its own that is replaced when it dies."""
    # by default it gives up a task after four dead workers, and each takes seconds to come back
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster


@pytest.fixture
def impatient(monkeypatch):
    """Patience that a test can wait for."""
    for name in ("ANSWER", "LOOK", "ABSENT"):
        monkeypatch.setattr(parallel, name, 0.5)


def test_a_cluster_writes_the_bytes_of_one_machine(cluster, bare, corpus):
    (bare / "audio" / "0000.mp3").rename(bare / "away.mp3")
    store = make_mels(read_tracks(bare), bare, cluster=cluster.scheduler_address)
    assert len(store) == 39 and read_rejected(bare)["id"].tolist() == ["0000"]
    shutil.move(bare / "away.mp3", bare / "audio" / "0000.mp3")
    make_mels(read_tracks(bare), bare, cluster=cluster.scheduler_address)
    assert same_clips(bare, corpus) and len(read_rejected(bare)) == 0


@posix
def test_a_worker_killed_in_the_middle_costs_no_clip(cluster, bare, corpus):
    process = start(bare, "--dask", cluster.scheduler_address)
    wait_for_rows(process, bare, 2)
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and errors == ""
    assert "40  spectrograms" in output and "0  clips not usable" in output
    assert store_bytes(bare) == store_bytes(corpus)


@posix
def test_a_clip_that_ends_its_workers_costs_only_itself(cluster, bare, corpus, monkeypatch):
    monkeypatch.setattr(mel, "clip_to_mel", crashing_work)
    store = make_mels(read_tracks(bare), bare, cluster=cluster.scheduler_address)
    assert store.ids.tolist() == [i for i in MelStore(corpus).ids if i != CRASHES]
    assert store.checksum(store.ids) == MelStore(corpus).checksum(store.ids)
    assert read_rejected(bare).values.tolist() == [
        [
            CRASHES,
            "mels",
            f"clip {CRASHES}.mp3: decoding it ended the worker, or took over 120 s; "
            "replace the file",
        ]
    ]


def test_nothing_to_do_needs_no_cluster(own_corpus):
    assert len(make_mels(read_tracks(own_corpus), own_corpus, cluster="tcp://127.0.0.1:1")) == 40


def test_a_client_that_was_closed_is_reported(cluster):
    pool = parallel._Cluster(cluster.scheduler_address)
    pool.submit(abs, -1)
    pool.close()  # as Dask's client does itself when it has not reached the scheduler for a while
    for use in (pool.look, partial(pool.submit, abs, -1)):
        with pytest.raises(BadInput, match="the scheduler is gone; start it again"):
            use()


@posix
def test_ctrl_c_is_one_line_and_the_cluster_stays(cluster, bare, corpus):
    process = start(bare, "--dask", cluster.scheduler_address)
    wait_for_rows(process, bare, 2)
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60) == ("", "stopped; the same command goes on from here\n")
    assert process.returncode == 130
    make_mels(read_tracks(bare), bare, cluster=cluster.scheduler_address)
    assert store_bytes(bare) == store_bytes(corpus)


@linux
def test_workers_that_do_not_see_the_clips_are_reported(cluster, bare, monkeypatch):
    monkeypatch.chdir(bare)
    tracks = read_tracks(".")
    with pytest.raises(BadInput, match="do not see it; put the corpus on a disk") as error:
        make_mels(tracks, "/proc/self/cwd", cluster=cluster.scheduler_address)
    assert "/proc/self/cwd/audio/" in str(error.value) and "\n" not in str(error.value)
    assert len(read_rejected(bare)) == 0


def test_workers_without_the_project_are_reported(cluster, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def work(task):\n    return task\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    with pytest.raises(BadInput, match="lack this project .*only_here.*install it there"):
        list(unordered(only_here.work, [1], cluster=cluster.scheduler_address))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nothing", "who://knows"])
def test_an_address_that_nobody_answers_is_reported(address, impatient):
    with pytest.raises(BadInput) as error:
        list(unordered(call, [os.getpid], cluster=address))
    assert str(error.value) == (
        f"{address}: no Dask scheduler answers there; start one with "
        "`dask scheduler`, or leave out --dask"
    )


@pytest.fixture
def lonely(tmp_path):
    """Address of a scheduler that has no workers nor this project, and its process."""
    script = """import asyncio
from distributed import Scheduler
async def serve():
    async with Scheduler(host="127.0.0.1", dashboard_address=":0") as scheduler:
        print(scheduler.address, flush=True)
        await scheduler.finished()
asyncio.run(serve())"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        yield process.stdout.readline().strip(), process
        process.kill()


def test_a_scheduler_without_workers_is_reported(lonely, impatient):
    with pytest.raises(BadInput, match="no workers for 0.5 s; start some with `dask worker`"):
        list(unordered(call, [os.getpid], cluster=lonely[0]))


@posix
def test_ctrl_c_while_the_cluster_is_waited_for_leaves_nothing(lonely):
    handlers = logging.getLogger("distributed.client").handlers
    before = [handler.level for handler in handlers]
    timer = threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT))
    default = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            list(unordered(call, [os.getpid], cluster=lonely[0]))
    finally:
        timer.join()
        signal.signal(signal.SIGINT, default)
    assert [handler.level for handler in handlers] == before
    with Client(lonely[0], set_as_default=False) as client:
        clients = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.clients))
        assert {*clients} == {client.id, "fire-and-forget"}


@pytest.fixture
def worker(lonely, tmp_path):
    """Function that starts a worker there as docs/scaling.md does, in a folder of no meaning."""
    started = []

    def start(*options):
        started.append(
            subprocess.Popen(
                [
                    Path(sysconfig.get_path("scripts"), "dask"),
                    "worker",
                    lonely[0],
                    "--nthreads",
                    "1",
                    "--no-dashboard",
                    *options,
                ],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                cwd=tmp_path,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_workers_that_do_not_come_back_are_reported(lonely, worker, impatient, monkeypatch):
    monkeypatch.setattr(parallel, "ABSENT", 20)
    only = worker("--no-nanny")  # which would replace it
    results = unordered(call, [partial(time.sleep, 0.1)] * 1000, cluster=lonely[0])
    next(results)
    monkeypatch.setattr(parallel, "ABSENT", 0.5)
    only.kill()
    with pytest.raises(BadInput, match="no workers for 0.5 s; .* the same command goes on from"):
        list(results)


@posix
def test_a_scheduler_that_ends_in_the_middle_is_one_line(lonely, worker, bare):
    address, scheduler = lonely
    worker()
    process = start(bare, "--dask", address)
    wait_for_rows(process, bare, 2)
    scheduler.kill()
    assert process.communicate(timeout=60) == (
        "",
        (
            f"error: {address}: the scheduler is gone; start it again, the same command goes on "
            "from here\n"
        ),
    )
    assert process.returncode == 1 and 0 < len(MelStore(bare)) < 40


def test_workers_that_come_later_go_on_where_all_others_went(
    lonely, worker, impatient, monkeypatch
):
    for name in ("ANSWER", "ABSENT"):
        monkeypatch.setattr(parallel, name, 20)
    first = worker("--no-nanny")
    results = unordered(call, [partial(abs, -n) for n in range(9)], cluster=lonely[0])
    done = [next(results)]
    time.sleep(0.5)  # what was handed out is done, and waits here
    first.kill()
    with Client(lonely[0], set_as_default=False) as client:
        while client.nthreads():
            time.sleep(0.05)
    worker()
    assert sorted([*done, *results]) == [(n, n) for n in range(9)]


def test_without_dask_it_is_reported(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)  # as if it were not installed
    with pytest.raises(BadInput, match=r"pip install 'dask\[distributed\]'"):
        list(unordered(call, [os.getpid], cluster="tcp://127.0.0.1:1"))
