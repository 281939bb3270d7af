"""One piece of work on many tasks at once: in processes of this machine, or of a Dask cluster.

Both are joblib's ways to work in parallel, loky and Dask, taken as executors and not through
`joblib.Parallel`. That one gathers results without bound where the caller is slower than the
workers, runs in the caller's own process where there is one worker, throws away what was finished
when a worker dies, and on Dask waits for ever for a task that ended its workers.
"""

import logging
import multiprocessing.resource_tracker
import os
import pickle
import signal
import threading
import time
import warnings
from collections import deque
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import chain
from queue import Empty, SimpleQueue

import joblib
import psutil
from joblib.externals.loky import get_reusable_executor, process_executor
from joblib.externals.loky.backend import resource_tracker as loky_tracker

from hiphoplib.errors import BadInput
from hiphoplib.memory import keep_memory

DIED = "died"  # instead of a result: the task ends its worker, even when it runs alone
LONE = 5  # of them in a row are the fault of the workers
AHEAD = 2  # tasks handed out for each worker: one that it works on, and the next
IDLE = 30  # s after which a process without work ends; calls soon after each other share them
ANSWER = 10  # s in which a scheduler has to answer, and to have a worker
LOOK = 5  # s between two looks at who works in a cluster
ABSENT = 60  # s that a cluster may be without any worker
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                            "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
                            "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
WORKER = {**ONE_THREAD, "CUDA_VISIBLE_DEVICES": "-1"}  # several on one GPU want all of its memory
GROWS = 2 * 10**9  # bytes a worker may grow by; loky's 300 MB are less than a network takes

# loky replaces a worker that has grown by 300 MB or had no work, which costs nothing, and says so
warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)


def unordered(work, tasks, *, jobs=-1, cluster=None):
    """Results of a function for many tasks, in order of completion.

    The function runs in other processes always, so that it may crash. When a worker dies, the
    tasks that were handed out and have no result are suspects: each is run again with nothing
    beside it, and only one that ends its worker then as well is given up. A worker that was
    killed from outside costs its time and no task.

    Parameters
    ----------
    work : callable
        Of a task; a function of a module, which the workers import.
    tasks : iterable
        Taken as workers become free: neither tasks nor results pile up.
    jobs : int
        Processes; -1 takes every core. Without meaning where there is a cluster.
    cluster : str, optional
        Address of a Dask scheduler, ``tcp://HOST:PORT``; its workers do the work.

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
    """
    waiting = enumerate(tasks)
    first = next(waiting, None)
    if first is None:
        return  # nothing to do needs nobody
    pool = _Cluster(cluster) if cluster else _Processes(jobs)
    try:
        yield from _unordered(pool, work, chain([first], waiting))
    except BaseException:  # also where the caller stops listening
        pool.stop()
        raise
    pool.release()


def jobs_that_fit(jobs, bytes_each, tasks):
    """How many processes to start for a number of tasks, int: no more than memory is there for.

    Parameters
    ----------
    jobs : int
        Wanted; -1 for one a core.
    bytes_each : int
        What one of them takes at most.
    tasks : int
    """
    room = int(psutil.virtual_memory().available // bytes_each)
    return max(1, min(joblib.effective_n_jobs(jobs), room, tasks)) if jobs else jobs


def _unordered(pool, work, waiting):
    """Hand out and collect, on any pool."""
    suspects, alone, flying, done = deque(), None, {}, SimpleQueue()
    deaths = 0  # of workers with one task and nothing else, since the last result

    def hand_out(task):
        future = pool.submit(work, task[1])
        flying[future] = task
        future.add_done_callback(done.put)

    more = True
    while more or suspects or flying:
        room = pool.room()  # none for a while, where all workers of a cluster died
        if suspects and not flying:
            alone = suspects.popleft()
            hand_out(alone)
        while more and not suspects and alone is None and len(flying) < room:
            task = next(waiting, None)
            if task is None:
                more = False
            else:
                hand_out(task)
        if not (flying or more):
            return
        try:
            future = done.get(timeout=LOOK)
        except Empty:
            continue
        task = flying.pop(future)
        result = pool.result(future)
        if result is DIED and task is not alone:
            suspects.append(task)
            continue
        alone = None
        deaths = deaths + 1 if result is DIED else 0
        if deaths == LONE:
            raise BadInput(f"the workers end whatever they are given, {LONE} tasks in a row, for "
                           "too little memory perhaps, or a broken library; free memory or install "
                           "the requirements anew, the same command goes on from here")
        yield task[0], result


class _Processes:
    """Processes of this machine."""

    def __init__(self, jobs):
        if jobs == 0:
            raise BadInput("jobs: 0 processes cannot work; give at least 1")
        self._jobs = joblib.effective_n_jobs(jobs)
        self._executor = self._last = None

    def room(self):
        return AHEAD * self._jobs

    def submit(self, work, task):
        with _deaf_children():
            while True:
                self._executor = get_reusable_executor(self._jobs, timeout=IDLE, env=WORKER,
                                                       initializer=_prepare,
                                                       initargs=(os.getpid(), GROWS))
                try:
                    self._last = self._executor.submit(work, task)
                    return self._last
                except BrokenProcessPool:
                    pass  # a worker died just now; the next executor is a new one

    def result(self, future):
        try:
            return future.result()
        except BrokenProcessPool:
            return DIED

    def stop(self):
        if self._executor:
            until = time.monotonic() + 1  # loky takes a task in milliseconds
            while self._last and not (self._last.running() or self._last.done()):
                if time.monotonic() > until:
                    break
                time.sleep(0.001)  # it stumbles over one that it has not taken when it is stopped
            self._executor.shutdown(kill_workers=True)

    def release(self):
        """Keep the processes for the next call, which then need not start."""


def _prepare(parent, grows):
    """Make this process deaf to Ctrl-C, and end it when its parent is gone or it has grown.

    A parent that is killed ends nobody. On Windows `os.getppid` does not change then: there a
    process ends when it has had no work for a while.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_memory()
    process_executor._MAX_MEMORY_LEAK_SIZE = grows  # a new one loads TensorFlow again, 4 s

    def watch():
        while os.getppid() == parent:
            time.sleep(0.1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _deaf_children():
    """Processes that are started inside do not hear Ctrl-C even before they can say so.

    A terminal sends it to all of them, and each would write where it was just then; the one that
    started them ends them.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    for tracker in (multiprocessing.resource_tracker, loky_tracker):
        tracker.ensure_running()  # started inside, it would open the ears again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _unpack():
    """Function that does a packed piece of work; an inner one, which Dask sends as code.

    So the workers need this project, but the scheduler, which opens what passes through, does not.
    """
    def do(packed):
        import pickle

        try:
            work, task = pickle.loads(packed)
        except AttributeError as error:
            raise ImportError(str(error)) from error
        return work(task)

    return do


class _Cluster:
    """Workers of a Dask cluster, which may come and go."""

    def __init__(self, address):
        try:
            from distributed import Client, KilledWorker
        except ImportError:
            raise BadInput(f"{address}: clusters need Dask, which is not installed; "
                           "pip install 'dask[distributed]'") from None
        self._address, self._killed = address, KilledWorker
        self._silenced = [log for name, log in logging.root.manager.loggerDict.items()
                          if isinstance(log, logging.Logger) and not log.disabled
                          and f"{name}.".startswith(("distributed.", "tornado.application."))]
        self._client = Client.__new__(Client)  # one that cannot connect has to be closed as well
        found = "no Dask scheduler answers there; start one with `dask scheduler`"
        try:
            for log in self._silenced:
                log.disabled = True  # what goes wrong is told here, in one line
            self._client.__init__(address, timeout=ANSWER, set_as_default=False)
            found = "there are no workers; start some with `dask worker`"
            self._client.wait_for_workers(1, timeout=ANSWER)
        except (OSError, ValueError) as error:
            self.stop()
            raise BadInput(f"{address}: {found}, or leave out --dask") from error
        except BaseException:  # Ctrl-C
            self.stop()
            raise
        self._executor = self._client.get_executor(pure=False)
        self._room, self._looked, self._seen = 0, -LOOK, time.monotonic()

    def room(self):
        """Tasks to hand out; workers may have come or gone since the last look."""
        now = time.monotonic()
        if now - self._looked >= LOOK:
            self._looked = now
            try:
                self._room = AHEAD * sum(self._client.nthreads().values())
            except Exception as error:  # of classes that differ with Dask's version
                raise self._gone() from error
            self._seen = now if self._room else self._seen
            if now - self._seen > ABSENT:
                raise BadInput(f"{self._address}: no workers for {ABSENT} s; start some with "
                               "`dask worker`, the same command goes on from here")
        return self._room

    def submit(self, work, task):
        packed = pickle.dumps((work, task))
        try:
            return self._executor.submit(_unpack(), packed)
        except Exception as error:
            raise self._gone() from error

    def result(self, future):
        try:
            return future.result()
        except self._killed:  # it was in the hands of four workers that died
            return DIED
        except CancelledError as error:
            raise self._gone() from error
        except ImportError as error:
            raise BadInput(f"{self._address}: its workers lack this project ({error}); install it "
                           "there, in the same version") from error

    def _gone(self):
        return BadInput(f"{self._address}: the scheduler is gone; start it again, the same "
                        "command goes on from here")

    def stop(self):
        with suppress(OSError):  # the scheduler may be gone
            self._client.close(timeout=ANSWER)
        for log in self._silenced:
            log.disabled = False

    release = stop
