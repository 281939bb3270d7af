"""What stages cost in time and memory, and the machine that they ran on."""

import platform
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

import joblib
import psutil

TIMES = Path("build/report_times.json")  # of `make report`
_PACKAGES = ("numpy", "scipy", "librosa", "soundfile", "soxr", "tensorflow", "keras", "joblib",
             "dask")
_LOOK = 0.5  # s between two looks at the memory


class Stage(NamedTuple):
    """Cost of one stage: times in s, most resident memory in MB of 10⁶ bytes, of all processes."""

    name: str
    wall: float
    user: float
    kernel: float
    memory_mb: float  # what processes share counts for each


class StageTimes:
    """Measures stages one after the other, as a context manager; `stages` lists them."""

    def __init__(self):
        self.stages = []
        self._name, self._began, self._resident = "", [0.0], [0.0]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.begin("")
        self._over.set()
        self._thread.join()

    def begin(self, name: str) -> None:
        """End the stage that runs, and begin another.

        Parameters
        ----------
        name : str
            An empty one begins none.
        """
        self._look()
        times = of_processes(psutil.Process.cpu_times)
        now = [time.perf_counter(), sum(each.user + each.children_user for each in times),
               sum(each.system + each.children_system for each in times)]
        if self._name:
            # times of a process are lost where nobody waits for its end: no stage gives time back
            wall, user, kernel = (max(end - start, 0.0) for start, end in zip(self._began, now))
            self.stages.append(Stage(self._name, wall, user, kernel, max(self._resident)))
        self._name, self._began, self._resident = name, now, [0.0]

    def _watch(self):
        while not self._over.wait(_LOOK):
            self._look()

    def _look(self):
        resident = of_processes(lambda process: process.memory_info().rss)
        self._resident.append(sum(resident) / 1e6)


def of_processes(what: Callable, root: psutil.Process | None = None) -> list:
    """Return something of a process and of all below it.

    Parameters
    ----------
    what : callable
        Of a `psutil.Process`; one that has ended meanwhile is left out.
    root : psutil.Process, optional
        By default this process.

    Returns
    -------
    list
    """
    results, root = [], root or psutil.Process()
    with suppress(psutil.Error):
        for process in [root, *root.children(recursive=True)]:
            with suppress(psutil.Error, OSError, IndexError):
                results.append(what(process))
    return results


def machine() -> dict:
    """Return what this runs on: processor, cores that it may use, memory, system, packages."""
    try:
        processor = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())[0]
    except (OSError, IndexError):  # another system, or a processor without a name
        processor = platform.processor() or platform.machine()
    installed = {re.sub("[-_]cpu$", "", each.name): each.version for each in distributions()}
    return {"processor": processor, "cores": joblib.cpu_count(),
            "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
            "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
            "python": platform.python_version(),
            "packages": {name: installed[name] for name in _PACKAGES if name in installed}}
