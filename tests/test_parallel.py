"""Work in other processes: every task once, whatever happens to the process that does it."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from operator import call
from types import SimpleNamespace

import pytest

from hiphoplib import parallel
from hiphoplib.errors import BadInput
from hiphoplib.parallel import AHEAD, DIED, jobs_that_fit, unordered
from tests.mel_runs import ROOT, gone, linux, posix

PAUSE = partial(time.sleep, 0.02)
WHO = partial(os.getpid)


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_has_its_result_once_and_is_done_elsewhere(jobs):
    tasks = [partial(call, WHO) if n % 3 == 0 else partial(abs, -n) for n in range(40)]
    results = dict(unordered(call, tasks, jobs=jobs))
    assert results.keys() == {*range(40)}
    assert all(result == n for n, result in results.items() if n % 3)
    workers = {result for n, result in results.items() if n % 3 == 0}
    assert os.getpid() not in workers and 1 <= len(workers) <= jobs


def test_calls_soon_after_each_other_share_a_worker():
    assert list(unordered(call, [WHO], jobs=1)) == list(unordered(call, [WHO], jobs=1))


@posix
def test_two_work_at_the_same_time(tmp_path):
    def meet(here, there):
        command = f"touch {here}; until [ -e {there} ]; do sleep 0.01; done"
        return partial(subprocess.run, ["sh", "-c", command], timeout=20)

    here, there = tmp_path / "here", tmp_path / "there"
    met = list(unordered(call, [meet(here, there), meet(there, here)], jobs=2))
    assert sorted(number for number, _ in met) == [0, 1]


def test_a_function_of_a_notebook_works_in_the_folder_of_its_caller(tmp_path, monkeypatch):
    def here(task):
        print(task, file=sys.stderr)
        print(task)  # is no result
        return os.getcwd()

    for folder in (tmp_path, ROOT):
        monkeypatch.chdir(folder)
        assert list(unordered(here, ["chatter"], jobs=1)) == [(0, str(folder))]


def test_a_worker_that_holds_on_to_memory_is_replaced(monkeypatch):
    monkeypatch.setattr(parallel, "MAX_BYTES", 400_000_000)
    grow = "setattr(os, 'kept', [*getattr(os, 'kept', ()), b'x' * 150_000_000]) or os.getpid()"
    tasks = [f"[{grow} for os in [__import__('os')]][0]"] * 6
    workers = [worker for _, worker in unordered(eval, tasks, jobs=1)]
    assert 1 < len(set(workers)) < 6


def test_a_worker_has_one_thread_and_no_gpu_and_is_deaf_to_ctrl_c():
    names = [
        "OMP_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "CUDA_VISIBLE_DEVICES",
    ]
    assert [value for _, value in sorted(unordered(os.getenv, names, jobs=1))] == ["1"] * 3 + ["-1"]
    assert list(unordered(signal.getsignal, [signal.SIGINT], jobs=1)) == [(0, signal.SIG_IGN)]


def test_there_are_no_more_jobs_than_tasks_and_memory_for_them(monkeypatch):
    monkeypatch.setattr(parallel.joblib, "cpu_count", lambda: 8)
    free = SimpleNamespace(available=20_000_000_000)
    monkeypatch.setattr(parallel.psutil, "virtual_memory", lambda: free)
    for wanted, each, tasks, jobs in [
        (-1, 1e9, 99, 8),
        (-2, 1e9, 99, 7),
        (-99, 1e9, 99, 1),
        (-1, 1e9, 3, 3),
        (-1, 5e9, 99, 4),
        (2, 1e9, 99, 2),
        (-1, 1e12, 99, 1),
        (1, 1, 1, 1),
    ]:
        assert jobs_that_fit(wanted, each, tasks) == jobs
    with pytest.raises(BadInput, match="jobs: 0 processes"):
        list(unordered(abs, [1], jobs=jobs_that_fit(0, 1e9, 1)))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_task_that_ends_its_worker_costs_only_itself(jobs):
    deadly = {3: partial(os._exit, 0), 8: partial(signal.raise_signal, signal.SIGSEGV)}
    results = list(unordered(call, [deadly.get(n, PAUSE) for n in range(12)], jobs=jobs))
    assert Counter(number for number, _ in results) == Counter(range(12))
    assert {number for number, result in results if result is DIED} == set(deadly)


@posix
def test_a_worker_that_is_killed_from_outside_costs_no_task():
    results = unordered(call, [WHO, *[PAUSE] * 20], jobs=2)
    first = next(results)
    os.kill(first[1], signal.SIGKILL)
    rest = list(results)
    assert sorted(number for number, _ in [first, *rest]) == list(range(21))
    assert all(result is not DIED for _, result in rest)


def test_idle_workers_that_end_as_they_are_handed_a_task_cost_none(monkeypatch):
    ended = [
        subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in ended:
        process.wait()
        process.poll = lambda: None  # as if it ended a moment later
    monkeypatch.setattr(parallel._Processes, "idle", ended)
    assert list(unordered(call, [partial(abs, -3)], jobs=1)) == [(0, 3)]


def test_workers_that_end_whatever_they_are_given_are_reported(monkeypatch):
    monkeypatch.setattr(parallel, "MAX_DEATHS", 2)
    end = partial(os._exit, 1)
    assert dict(unordered(call, [end, WHO, WHO, WHO, end], jobs=1)).keys() == {*range(5)}
    with pytest.raises(BadInput, match="the workers end whatever they are given, 2 tasks in a row"):
        list(unordered(call, [WHO, end, end, WHO], jobs=1))


def test_tasks_are_taken_no_faster_than_results_are_used():
    taken = 0

    def tasks():
        nonlocal taken
        for _ in range(30):
            taken += 1
            yield partial(abs, -1)

    for used, _ in enumerate(unordered(call, tasks(), jobs=2)):
        time.sleep(0.01)  # much slower than the workers
        assert taken <= used + 1 + AHEAD * 2


def test_an_error_of_the_work_is_raised_and_nobody_works_on(tmp_path):
    tasks = [partial(int, "x"), *[partial(tempfile.mkstemp, dir=tmp_path)] * 50]
    with pytest.raises(ValueError, match="invalid literal") as error:
        list(unordered(call, tasks, jobs=1))
    assert "in _serve" in "".join(error.value.__notes__)
    written = len(list(tmp_path.iterdir()))
    time.sleep(0.1)
    assert len(list(tmp_path.iterdir())) == written <= 2


@linux
def test_who_stops_listening_leaves_nobody_at_work(tmp_path):
    results = unordered(call, [WHO, *[partial(_long, tmp_path / "begun")] * 2], jobs=1)
    _, worker = next(results)
    until = time.monotonic() + 30  # between two tasks a worker only waits, and may be used again
    while not (tmp_path / "begun").exists() and time.monotonic() < until:
        time.sleep(0.01)
    results.close()
    assert gone([worker])


def _long(note):
    """Say that it has begun, and take a minute."""
    note.touch()
    time.sleep(60)


SCRIPT = """
import os, time
from functools import partial
from operator import call
from hiphoplib.parallel import unordered

try:  # no process imports this program again
    for _, pid in unordered(call, [partial(os.getpid), partial(time.sleep, 60)], jobs=JOBS):
        print(pid, flush=True)
except KeyboardInterrupt:
    pass
"""


@pytest.fixture(params=[1, 2])
def parent(tmp_path, request):
    """A program whose one worker is at work, and a second one idle."""
    (tmp_path / "program.py").write_text(SCRIPT.replace("JOBS", str(request.param)))
    with subprocess.Popen(
        [sys.executable, tmp_path / "program.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as parent:
        yield parent
        parent.kill()


@linux
def test_workers_end_with_a_parent_that_is_killed(parent):
    worker = int(parent.stdout.readline())
    parent.kill()
    assert gone([worker])


@linux
def test_ctrl_c_is_for_the_parent_alone_which_ends_its_workers(parent):
    worker = int(parent.stdout.readline())
    os.killpg(parent.pid, signal.SIGINT)
    assert parent.communicate(timeout=60) == ("", "") and parent.returncode == 0
    assert gone([worker])
