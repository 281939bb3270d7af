"""Run a function on many tasks in processes: of this machine, or of a Dask cluster.

One of this machine talks by its standard streams: however it dies, they end, which costs its own
task only. A pool of `concurrent.futures` or loky is broken then; pebble waits for ever on exit 0.
"""

import atexit
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import islice
from operator import call
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import cloudpickle
import joblib
import psutil

from hiphoplib.errors import BadInput
from hiphoplib.io import keep_memory

if sys.platform != "win32":
    import fcntl

DIED = "died"  # instead of a result: the task ends its worker, even when it runs alone
AHEAD = 2  # tasks handed out for each process: one that it works on, and the next
MAX_DEATHS = 5  # in a row, of tasks that run alone: more are the fault of the workers
MAX_IDLE = 30  # s without work after which a process ends; calls soon after each other share it
WAIT = 5  # s for another run to end: the processes of one that was killed take a moment
MAX_BYTES = 3 * 10**9  # that a process may hold on to between two tasks
CLUSTER_TASKS = 256  # handed out to a cluster at once
LOOK = 5  # s without a result after which a cluster's workers are looked for
ANSWER = 10  # s in which its scheduler has to answer
ABSENT = 60  # s that it may be without any worker
# each thread of a library would be one too many, and of a GPU each process wants all memory
ONE_THREAD = """OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS NUMEXPR_NUM_THREADS
VECLIB_MAXIMUM_THREADS TF_NUM_INTRAOP_THREADS TF_NUM_INTEROP_THREADS""".split()
ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "-1"} | dict.fromkeys(ONE_THREAD, "1")


def unordered(
    work: Callable[[Any], Any],
    tasks: Iterable,
    *,
    jobs: int = -1,
    cluster: str | None = None,
    seconds: float | None = None,
) -> Generator[tuple[int, Any], None, None]:
    """Yield the results of a function for many tasks, in order of completion.

    The function always runs in other processes, so it may crash. A task that ends its worker is
    run once more in a new one with nothing beside it, and given up if it ends that one too: a
    worker that was killed from outside costs no task.

    Parameters
    ----------
    work : callable
        Is given a task and returns its result; both travel pickled.
    tasks : iterable
        Taken as workers become free: neither tasks nor results pile up.
    jobs : int
        Processes; -1 takes every core. Ignored with a cluster.
    cluster : str, optional
        Address of a Dask scheduler, ``tcp://HOST:PORT``; its workers do the work.
    seconds : float, optional
        After which a process of this machine is ended that still works on a task.

    Yields
    ------
    number : int
        Of the task, each exactly once.
    result
        What `work` returned, or `DIED`.

    Raises
    ------
    BadInput
        If the cluster does not answer, has no workers, or lacks this project; or if the workers
        end whatever they are given.

    Examples
    --------
    >>> sorted(unordered(abs, [-3, 4], jobs=1))
    [(0, 3), (1, 4)]
    """
    with closing(_Cluster(cluster) if cluster else _Processes(jobs, seconds)) as pool:
        yield from _unordered(pool, work, enumerate(tasks))


@contextmanager
def alone(folder: Path | str) -> Iterator[None]:
    """Keep other runs out of a folder, which is made; a run that is killed leaves no lock.

    There are no such locks on Windows and on some network disks: nobody is kept out there.

    Parameters
    ----------
    folder : path-like

    Yields
    ------
    None

    Raises
    ------
    BadInput
        If another run still works there.
    """
    folder, until = Path(folder), time.monotonic() + WAIT
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    directory = os.open(folder, os.O_RDONLY)
    try:
        while True:
            try:
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise BadInput(
                        f"{folder}: another run works there; wait until it ends, the "
                        "same command goes on from there"
                    ) from None
                time.sleep(0.05)
                continue
            except OSError:  # a disk without locks
                pass
            break
        yield
    finally:
        os.close(directory)


def jobs_that_fit(jobs: int, bytes_each: int, tasks: int) -> int:
    """Return how many processes to start, no more than there are tasks and memory for.

    Parameters
    ----------
    jobs : int
        Wanted; -1 for one a core.
    bytes_each, tasks : int
        What one process takes at most, and how many tasks there are.

    Returns
    -------
    int
        At least 1; or 0 if that was wanted, which `unordered` refuses.
    """
    room = int(psutil.virtual_memory().available // bytes_each)
    return max(1, min(_count(jobs), room, tasks)) if jobs else jobs


def _count(jobs):
    """Processes that are meant; `joblib.effective_n_jobs` allows one in a daemonic process."""
    return jobs if jobs > 0 else max(1, joblib.cpu_count() + 1 + jobs)


def _unordered(pool, work, waiting):
    """Hand out tasks and collect results, on either pool."""
    flying, done, suspects, deaths = {}, SimpleQueue(), deque(), 0
    while True:
        if suspects:  # they ended their workers, and run alone
            batch = [] if flying else [suspects[0]]
        else:
            batch = islice(waiting, pool.room - len(flying))
        for task in batch:
            future = pool.submit(work, task[1], anew=bool(suspects))
            flying[future] = task
            future.add_done_callback(done.put)
        if not flying:
            return
        try:
            future = done.get(timeout=LOOK)
        except Empty:
            pool.look()
            continue
        task, result = flying.pop(future), pool.result(future)
        if suspects and task is suspects[0]:
            suspects.popleft()
        elif result is DIED:
            suspects.append(task)
            continue
        deaths = deaths + 1 if result is DIED else 0
        if deaths == MAX_DEATHS:
            raise BadInput(
                f"the workers end whatever they are given, {MAX_DEATHS} tasks in a row, "
                "for too little memory perhaps, or a broken library; free memory or "
                "install the requirements anew, the same command goes on from here"
            )
        yield task[0], result


class _Processes:
    """Processes of this machine, each waited for by a thread."""

    idle: list[subprocess.Popen] = []  # of all calls, for the next one

    def __init__(self, jobs, seconds):
        if jobs == 0:
            raise BadInput("jobs: 0 processes cannot work; give at least 1")
        self._seconds = seconds
        self.room = AHEAD * _count(jobs)
        self._threads = ThreadPoolExecutor(_count(jobs))
        self._busy, self._lock, self._closed = set(), threading.Lock(), False

    def submit(self, work, task, anew=False):
        packed = cloudpickle.dumps((os.getcwd(), work, task))
        return self._threads.submit(self._run, packed, anew)

    def _run(self, packed, anew):
        with self._lock:
            if self._closed:
                return DIED
            process = self._process(anew)
            self._busy.add(process)
        # a decoder that hangs may hold the interpreter, so that it could not end itself
        alarm = threading.Timer(self._seconds or 0, process.kill)
        if self._seconds:
            alarm.start()
        try:
            pickle.dump(packed, process.stdin)
            process.stdin.flush()
            error, result = pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            error, result = None, DIED
        finally:
            alarm.cancel()
        usable = False
        with suppress(OSError, psutil.Error):  # a system may tell nobody how large a process is
            usable = result is not DIED and (
                psutil.Process(process.pid).memory_info().rss < MAX_BYTES
            )
        self._busy.remove(process)
        if usable:
            self.idle.append(process)
        else:
            _end(process)
        if error:
            raise error
        return result

    def _process(self, anew):
        while self.idle:
            process = self.idle.pop()
            if anew:  # this one may be about to end by itself, and the task would be blamed
                _end(process)
                break
            if process.poll() is None:
                return process
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from hiphoplib.parallel import _serve; _serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(sys.path)},
            # in a group of its own, which Ctrl-C in a terminal does not reach
            start_new_session=True,
            creationflags=512 if os.name == "nt" else 0,
        )
        atexit.register(_end, process)
        return process

    def look(self):
        """Do nothing: a process that dies is noticed."""

    def result(self, future):
        return future.result()

    def close(self):
        with self._lock:
            self._closed = True
            for process in tuple(self._busy):
                process.kill()
        self._threads.shutdown(cancel_futures=True)


def _end(process):
    with suppress(OSError), process:  # closes the pipes, and waits for its end
        process.kill()


def _serve():
    """Do the tasks that come in, pickled, by standard input: the program of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_memory()
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no result
    tasks = SimpleQueue()

    def receive():
        with suppress(EOFError):
            while True:
                tasks.put(pickle.load(sys.stdin.buffer))
        os._exit(1)  # the parent is gone; a task may be under way

    threading.Thread(target=receive, daemon=True).start()
    with suppress(Empty):
        while True:
            folder, work, task = pickle.loads(tasks.get(timeout=MAX_IDLE))
            try:
                os.chdir(folder)
                reply = cloudpickle.dumps((None, work(task)))
            except Exception as error:
                error.add_note(traceback.format_exc())
                reply = cloudpickle.dumps((error, None))
            results.write(reply)
            results.flush()


class _Cluster:
    """Workers of a Dask cluster, which may come and go; the first task connects to it."""

    room = CLUSTER_TASKS

    def __init__(self, address):
        self._address, self._executor, self._opened = address, None, ExitStack()

    def submit(self, work, task, anew=False):
        if self._executor is None:
            self._connect()
        try:  # a lambda travels as code: the scheduler unpacks it, and may lack this project
            return self._executor.submit(
                lambda packed: call(*pickle.loads(packed)), pickle.dumps((work, task))
            )
        except Exception as error:  # of classes that differ with Dask's version
            raise self._gone() from error

    def _connect(self):
        try:
            import distributed
        except ImportError:
            raise BadInput(
                f"{self._address}: clusters need Dask, which is not installed; "
                "pip install 'dask[distributed]'"
            ) from None
        self._dask = distributed
        for name in ("distributed", "distributed.client", "tornado.application"):
            self._opened.enter_context(
                self._dask.utils.silence_logging_cmgr(logging.CRITICAL + 1, name)
            )
        try:
            self._client = self._opened.enter_context(
                self._dask.Client(self._address, timeout=ANSWER, set_as_default=False)
            )
        except (OSError, ValueError) as error:
            raise BadInput(
                f"{self._address}: no Dask scheduler answers there; start one with "
                "`dask scheduler`, or leave out --dask"
            ) from error
        self._executor = self._client.get_executor(pure=False)  # fetches results as they come
        self.look()

    def look(self):
        try:
            self._client.wait_for_workers(1, timeout=ABSENT)
        except TimeoutError as error:
            raise BadInput(
                f"{self._address}: no workers for {ABSENT} s; start some with "
                "`dask worker`, the same command goes on from here"
            ) from error
        except Exception as error:
            raise self._gone() from error

    def result(self, future):
        try:
            return future.result()
        except self._dask.KilledWorker:  # it was in the hands of four workers that died
            return DIED
        except CancelledError as error:
            raise self._gone() from error
        except ImportError as error:
            raise BadInput(
                f"{self._address}: its workers lack this project ({error}); install it "
                "there, in the same version"
            ) from error

    def _gone(self):
        return BadInput(
            f"{self._address}: the scheduler is gone; start it again, the same "
            "command goes on from here"
        )

    def close(self):
        with suppress(OSError):  # the scheduler may be gone
            self._opened.close()
