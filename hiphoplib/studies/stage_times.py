"""What the stages of a long run cost: wall time, user and kernel time, memory."""

import json
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from hiphoplib.errors import BadInput
from hiphoplib.io import write_whole
from hiphoplib.studies.resources import machine

TIMES = Path("build/report_times.json")  # of `make report`
LOOK = 0.5  # s between two looks at the memory
SHOWN = 1.0  # s; shorter stages are summed up in one line


@dataclass
class Stage:
    """What one stage took, of this process and all that it started.

    Parameters
    ----------
    name : str
    wall, user, kernel : float
        In s.
    memory_mb : float
        Most that was resident at one time in all processes together, in MB of 10⁶ bytes; what
        they share counts for each.
    """

    name: str
    wall: float
    user: float
    kernel: float
    memory_mb: float


class StageTimes:
    """Measures stage after stage, from `begin` to the next `begin` or the end.

    Used as a context manager, which looks at the memory meanwhile.

    Attributes
    ----------
    stages : list of Stage
    """

    def __init__(self):
        self.stages, self._name, self._memory = [], None, 0.0
        self._over, self._lock = threading.Event(), threading.Lock()

    def __enter__(self):
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.begin(None)
        self._over.set()
        self._thread.join()

    def begin(self, name):
        """End the stage that runs, and begin another one."""
        now, (user, kernel) = time.perf_counter(), _processor_times()
        self._look()
        if self._name:
            began, user_then, kernel_then = self._began
            # what a process took is lost where nobody waits for its end: no stage gives time back
            self.stages.append(Stage(self._name, now - began, max(user - user_then, 0.0),
                                     max(kernel - kernel_then, 0.0), self._memory))
        self._name, self._began, self._memory = name, (now, user, kernel), 0.0

    def _watch(self):
        while not self._over.wait(LOOK):
            self._look()

    def _look(self):
        resident = sum(_of(process, lambda it: it.memory_info().rss, 0) for process in _tree())
        with self._lock:
            self._memory = max(self._memory, resident / 1e6)


def _tree():
    """This process and all below it."""
    me = psutil.Process()
    return [me, *me.children(recursive=True)]


def _of(process, what, otherwise):
    """Something of a process that may end meanwhile."""
    try:
        return what(process)
    except psutil.Error:
        return otherwise


def _processor_times():
    """User and kernel time of all processes of the tree so far, those that have ended too, in s."""
    times = [_of(process, lambda it: it.cpu_times(), None) for process in _tree()]
    times = [each for each in times if each]
    return (sum(each.user + getattr(each, "children_user", 0) for each in times),
            sum(each.system + getattr(each, "children_system", 0) for each in times))


def longest(stages, least=SHOWN):
    """Return the stages of at least so many seconds, one for all others, and one for all."""
    long = [stage for stage in stages if stage.wall >= least]
    rest = _sum("all others", [stage for stage in stages if stage.wall < least])
    return [*long, *([rest] if rest.wall else []), _sum("together", stages)]


def as_table(stages):
    """Return the stages as lines of text, the shortest ones in one line, and their sum."""
    shown = longest(stages)
    width = max(len(stage.name) for stage in shown)
    head = f"{'':{width}s}  {'wall s':>8s}  {'user s':>8s}  {'kernel s':>8s}  {'memory MB':>9s}"
    return "\n".join([head, *(
        f"{stage.name:{width}s}  {stage.wall:8.1f}  {stage.user:8.1f}  {stage.kernel:8.1f}  "
        f"{stage.memory_mb:9,.0f}" for stage in shown)])


def _sum(name, stages):
    return Stage(name, *(sum(getattr(stage, field) for stage in stages)
                         for field in ("wall", "user", "kernel")),
                 max((stage.memory_mb for stage in stages), default=0.0))


def read_times(path=TIMES):
    """Return the machine, dict, and the stages that `write_times` has written.

    Raises
    ------
    BadInput
        If there is no such file.
    """
    try:
        found = json.loads(Path(path).read_text())
        return found["machine"], [Stage(**stage) for stage in found["stages"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise BadInput(f"{path}: no times there; `make report` leaves them") from None


def write_times(stages, path=TIMES):
    """Write the stages and what they ran on to a JSON file."""
    content = {"machine": machine(), "stages": [asdict(stage) for stage in stages]}
    write_whole(Path(path), json.dumps(content, indent=1) + "\n")
