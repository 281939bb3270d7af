"""What a command costs, wall time and peak memory of it and its workers; and what it runs on."""

import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

EVERY = 0.2  # s between two looks at a process tree
PROC = Path("/proc")
ROOT = Path(__file__).resolve().parents[2]  # where `python -m hiphoplib` finds this project
PACKAGES = ("numpy", "scipy", "librosa", "soundfile", "soxr", "tensorflow", "keras", "joblib",
            "dask")


@dataclass(frozen=True)
class Usage:
    """What a command took.

    Parameters
    ----------
    seconds : float
        Wall time, in s.
    status : int
        Exit status.
    parent_mb, worker_mb : float or None
        Largest resident memory of the command's own process, and of the largest one that it
        started, directly or over others, in MB of 10⁶ bytes. What is mapped from files counts.
        None where there is no such process, or the system is not Linux.
    output, errors : str
        What it wrote to standard output and to standard error.
    """

    seconds: float
    status: int
    parent_mb: float | None
    worker_mb: float | None
    output: str
    errors: str


def watch(command, *, every=EVERY, **options):
    """Run a command and look at the memory of its processes while it runs.

    The kernel keeps the peak of every process (``VmHWM``), so that nothing between two looks is
    missed; only what a process adds after the last look before its end is.

    Parameters
    ----------
    command : list of str
    every : float > 0
        Time between two looks, in s.
    **options
        Handed to `subprocess.Popen`, such as ``cwd``.

    Returns
    -------
    Usage
    """
    peaks, begin = {}, time.perf_counter()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors, **options)
        try:
            while process.poll() is None:
                # The last look counts, not the highest: a process that is just being started is a
                # copy of the one that starts it, and has its peak.
                peaks |= tree_peaks(process.pid)
                time.sleep(every)
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - begin
        said = []
        for file in (output, errors):
            file.seek(0)
            said.append(file.read().decode("utf-8", "replace"))
    parent = [peak for (pid, _), peak in peaks.items() if pid == process.pid]
    workers = [peak for (pid, _), peak in peaks.items() if pid != process.pid]
    return Usage(seconds, process.returncode, max(parent, default=None),
                 max(workers, default=None), *said)


def tree_peaks(pid):
    """Peak resident memory so far of a process and of all below it.

    Parameters
    ----------
    pid : int

    Returns
    -------
    dict of (int, str) to float
        MB by process number and time of start, which tell a process from a later one with the
        same number. Empty where the system is not Linux.
    """
    below, started = {}, {}
    for number in _processes():
        try:
            # the name stands in brackets and may hold any character, blanks and brackets included
            fields = (PROC / str(number) / "stat").read_text().rpartition(")")[2].split()
        except (OSError, UnicodeDecodeError):
            continue  # it has ended
        below.setdefault(int(fields[1]), []).append(number)
        started[number] = fields[19]
    peaks, waiting = {}, [pid]
    while waiting:
        number = waiting.pop()
        waiting += below.get(number, [])
        peak = _peak_mb(number)
        if number in started and peak is not None:
            peaks[number, started[number]] = peak
    return peaks


def _processes():
    """Numbers of all processes, none where the system is not Linux."""
    if not sys.platform.startswith("linux"):
        return []
    return [int(name) for name in os.listdir(PROC) if name.isdigit()]


def _peak_mb(pid):
    """Peak resident memory of one process in MB, None if it has ended."""
    try:
        lines = (PROC / str(pid) / "status").read_text(errors="replace").splitlines()
    except OSError:
        return None
    peak = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), None)
    return None if peak is None else int(peak) * 1024 / 1e6


def seconds(work, *arguments):
    """Wall time of a call, in s."""
    begin = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - begin


def times_as_fast(slow, fast):
    """How many times as fast one thing is as another, from runs that alternated.

    Parameters
    ----------
    slow, fast : sequence of float
        Times of the pairs, in their order.

    Returns
    -------
    dict
        ``median`` of the pairs' ratios, ``low`` and ``high`` of their middle half.
    """
    low, middle, high = np.percentile(np.divide(slow, fast), [25, 50, 75])
    return {"median": float(middle), "low": float(low), "high": float(high)}


def machine():
    """What this runs on, dict: processor, cores, memory, system, Python and packages."""
    return {"processor": _processor(), "cores": _cores(), "memory_gb": _memory_gb(),
            "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
            "python": platform.python_version(), "packages": _packages()}


def _processor():
    try:
        lines = (PROC / "cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _cores():
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _memory_gb():
    """Memory in GB of 10⁹ bytes, None where the system does not tell."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _packages():
    """Versions by name; TensorFlow's may be that of its smaller edition."""
    found = {}
    for name in PACKAGES:
        for edition in (name, f"{name}-cpu"):
            try:
                found[name] = version(edition)
            except PackageNotFoundError:
                continue
            break
    return found
