"""Runs of ``mels`` in processes of their own, and what they leave on the disk."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from hiphoplib.audio.mel import QUICK, clip_to_mel
from hiphoplib.dataset.store import DONE, MelStore
from tests.paths import ROOT

CRASHES = "0017"
posix = pytest.mark.skipif(os.name != "posix", reason="sends signals that this system lacks")
linux = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc")


def crashing_work(task):
    """What a worker does with a clip, but for one that ends it as a bad decoder would."""
    if task[0].stem == CRASHES:
        signal.raise_signal(signal.SIGSEGV)
    return clip_to_mel(task)


def store_bytes(folder):
    """Bytes of the files of a corpus' quick store, by name."""
    return {path.name: path.read_bytes() for path in (folder / "mels-quick").iterdir()}


def same_clips(folder, other):
    """Whether the quick stores of two corpora read alike, wherever their rows lie."""
    one, two = MelStore(folder), MelStore(other)
    return one.ids.equals(two.ids) and one.checksum(one.ids) == two.checksum(two.ids)


def stored(folder):
    """Spectrograms of a corpus' quick store, row by row, which a test may change."""
    return np.memmap(folder / "mels-quick" / "mels.float16", np.float16, "r+").reshape(
        -1, *QUICK.shape
    )


def states(folder):
    """States of its rows, which a test may change."""
    return np.memmap(folder / "mels-quick" / "states.uint8", np.uint8, "r+")


def start(folder, *arguments, limit=None):
    """Start ``mels`` in a process group of its own, as a terminal does; files end at `limit`."""
    code = "import sys; from hiphoplib.cli import main; sys.exit(main(sys.argv[1:]))"
    if limit:
        code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit},) * 2); {code}"
    return subprocess.Popen(
        [sys.executable, "-c", code, "mels", str(folder), *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a shell that runs the tests in the background makes its children deaf to Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def rows_done(folder):
    """How many clips a store has; it may just be made."""
    try:
        return int((states(folder) == DONE).sum())
    except (OSError, ValueError):
        return 0


def wait_for_rows(process, folder, n):
    """Wait until a process has put some clips into a store."""
    until = time.monotonic() + 60
    while rows_done(folder) < n and process.poll() is None and time.monotonic() < until:
        time.sleep(0.001)
    assert process.poll() is None, process.communicate()


def children(pid):
    """Ids of the processes that a process has started."""
    return [child.pid for child in psutil.Process(pid).children()]


def alive(pid):
    """Whether a process runs; one that ended and was not asked for its status does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(pids, seconds=10):
    """Wait for processes to end; whether they did."""
    until = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(map(alive, pids))


def kill(process):
    """End a process at once, as the system does where memory runs out."""
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
