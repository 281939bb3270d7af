"""Costs in time and memory: of stages, on which machine, as the tables of docs/performance.md."""

import json
import platform
import re
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

import joblib
import psutil

from hiphoplib.errors import BadInput
from hiphoplib.evaluation.evaluate import read_results
from hiphoplib.report.style import label_of

TIMES = Path("build/report_times.json")  # of `make report`
ROOT = Path(__file__).resolve().parents[2]  # where `python -m hiphoplib` finds this project
_PACKAGES = "numpy scipy librosa soundfile soxr tensorflow keras joblib dask".split()
_LOOK, _LOOK_AT_PEAK = 0.5, 0.2  # s between two looks at the memory
BEGIN, END = "<!-- bench -->", "<!-- /bench -->"  # the page has the tables between them
RATIOS = {  # what each is of, and the bar that it has to meet
    "mel_vs_librosa": (
        "file to mel spectrogram on one core, times as fast as with librosa",
        "at least 1.5",
    ),
    "mel_vs_decode": ("the same, against decoding the file and nothing else", "–"),
    "workers_2_vs_1": ("two worker processes, times as fast as one", "at least 1.8"),
    "dask_2_vs_workers_2": (
        "two workers of a Dask cluster here, times as fast as two processes",
        "–",
    ),
    "rnn_vs_crnn_cost": (
        "training, cost of the RNN in those of the CRNN, full grid",
        "at least 20",
    ),
    "rnn_vs_crnn_cost_quick": ("the same on the quick grid", "–"),
    "side_by_side": ("training two folds side by side, times as fast as one after the other", "–"),
    "memory_parent_16000_vs_2000": (
        "peak memory of `mels`, 16,000 clips against 2,000",
        "at most 1.2",
    ),
    "memory_worker_16000_vs_2000": ("the same of its largest worker", "at most 1.2"),
    "memory_training_16000_vs_2000": ("the same of training, the model that grows most", "–"),
}


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
        now = [
            time.perf_counter(),
            sum(each.user + each.children_user for each in times),
            sum(each.system + each.children_system for each in times),
        ]
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


def costs_of_python(*arguments: object) -> dict:
    """Return what running Python costs: wall time, peak memory of it and of its largest worker.

    Parameters
    ----------
    *arguments
        Of the command line.

    Returns
    -------
    dict
        ``seconds``, ``parent_mb``, ``worker_mb`` if there is one, and the JSON that it prints.

    Raises
    ------
    BadInput
        If it fails, or the system is not Linux.
    """
    command, output = [sys.executable, *map(str, arguments)], None
    peaks: dict[psutil.Process, float] = {}
    began = time.perf_counter()
    process = psutil.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        while output is None:
            # The kernel keeps the peak of a process. The last look counts, not the highest: one
            # that is just being started is a copy of its parent, whose peak `os.wait4` would give.
            peaks |= dict(of_processes(_peak_mb, process))
            with suppress(subprocess.TimeoutExpired):
                output, errors = process.communicate(timeout=_LOOK_AT_PEAK)
    except BaseException:
        process.kill()
        raise
    costs = {"seconds": time.perf_counter() - began}
    if process.returncode:
        last = (errors.strip().splitlines() or ["no message"])[-1]
        raise BadInput(f"{' '.join(command[1:4])}: ended with status {process.returncode} ({last})")
    if process not in peaks:
        raise BadInput("peak memory: only Linux keeps it; measure it there")
    costs["parent_mb"] = peaks.pop(process)
    if peaks:
        costs["worker_mb"] = max(peaks.values())
    return costs | (json.loads(output) if output.startswith("{") else {})


def _peak_mb(process):
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8", errors="replace")
    return process, int(re.findall(r"VmHWM:\s*(\d+)", status)[0]) * 1024 / 1e6


def machine() -> dict:
    """Return what this runs on: processor, cores that it may use, memory, system, packages."""
    try:
        known = Path("/proc/cpuinfo").read_text("utf-8")
        processor = re.findall(r"model name\s*: (.*)", known)[0]
    except (OSError, IndexError):  # another system, or a processor without a name
        processor = platform.processor() or platform.machine()
    installed = {re.sub("[-_]cpu$", "", each.name): each.version for each in distributions()}
    return {
        "processor": processor,
        "cores": joblib.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: installed[name] for name in _PACKAGES if name in installed},
    }


def bench_markdown(results: dict) -> str:
    """Return the results of a bench as Markdown tables; parts that are missing are left out.

    Parameters
    ----------
    results : dict
        As `bench` writes them.

    Returns
    -------
    str
    """
    parts = {
        "report": _report,
        "mel": _mel,
        "workers": _workers,
        "training": _training,
        "memory": _memory,
        "explain": _explain,
        "startup": _startup,
    }
    tables = [table(results[name]) for name, table in parts.items() if name in results]
    return "\n\n".join([_machine(results), *_ratios(results), *tables])


def _machine(results):
    of, corpus = results["machine"], results["corpus"]
    packages = ", ".join(map(" ".join, of["packages"].items()))
    return textwrap.fill(
        f"Measured by `make bench` on {results['made']}, in {results['minutes']:.0f} minutes, on "
        f"this machine: {of['processor']}, {of['cores']} cores, {of['memory_gb']:.0f} GB; "
        f"{of['system']}; Python {of['python']}, {packages}. Clips: {corpus['clips']} of "
        f"“{corpus['name']}”, repeated where a corpus is larger.",
        100,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _ratios(results):
    ratios = results["ratios"]
    pairs = {
        name: " [{low:.2f}, {high:.2f}]".format(**pair)
        for part in results.values()
        if isinstance(part, dict)
        for name, pair in part.get("pairs", {}).items()
    }
    rows = [
        (what, f"{ratios[name]:.2f}{pairs.get(name, '')}", bar)
        for name, (what, bar) in RATIOS.items()
        if name in ratios
    ]
    return [_table({"measured": "", "bar": ""}, rows, "ratio")] if rows else []


def _report(part):
    return "`make report`, its longest stages and all of it:\n\n" + _table(
        dict.fromkeys(("wall (s)", "user (s)", "kernel (s)", "memory (MB)"), ",.0f"),
        [tuple(stage.values()) for stage in part["stages"]],
        "stage",
    )


def _mel(part):
    ways = {
        "full": "read_clip + mel_spectrogram, full grid",
        "quick": "the same, quick grid",
        "librosa": "librosa.load, melspectrogram, power_to_db",
        "decode": "decoding alone",
    }
    rows = [
        (way, part["ms_per_clip"][name], 1000 / part["ms_per_clip"][name])
        for name, way in ways.items()
    ]
    return (
        f"Audio to mel, one thread, {part['measurements']} measurements ({part['kind']}):\n\n"
        + _table({"ms a clip": ".1f", "clips/s": ".0f"}, rows, "way")
    )


def _workers(part):
    ways = {"1": "1 process", "2": "2 processes", "dask 2": "2 Dask workers"}
    rows = [
        (workers, part["clips_per_second"][name], part["parent_cpu_ms_per_clip"][name])
        for name, workers in ways.items()
    ]
    wanted, fed = part["workers_for_a_million_in_an_hour"], part["workers_that_one_writer_feeds"]
    computed = [
        ("Dask workers that a million clips in one hour want", wanted),
        ("Dask workers that one writer keeps up with, by its own CPU time", fed),
        (
            "hours that it takes to write a million clips",
            f"{1e6 / part['writer_clips_per_second'] / 3600:.1f}",
        ),
    ]
    return (
        f"`mels --grid full` of {part['clips']} clips, and what follows from it:\n\n"
        + _table({"clips/s": ".1f", "writer's CPU, ms a clip": ".1f"}, rows, "workers")
        + "\n\n"
        + _table({"": ""}, computed, "computed, not run")
    )


def _training(part):
    cost = "ms_per_clip_epoch"
    rows = [
        (label_of(name), of["parameters"], part["quick"][name][cost], of[cost])
        for name, of in part["full"].items()
    ]
    columns = {"parameters on full": ",", "quick: ms a clip and epoch": ".1f"}
    columns["full: ms a clip and epoch"] = ".1f"
    return "Training:\n\n" + _table(columns, rows, "model")


def _memory(part):
    sizes = [str(size) for size in part["sizes"]]

    def row(what, of, bar, who="parent_mb"):
        small, large = (of[size][who] for size in sizes)
        steps, ratio = of[sizes[1]].get("trained_on"), f"{large / small:.2f}"
        trained_on = f"{steps:,}" if steps else "–"
        return what, f"{small:,.0f}", f"{large:,.0f}", ratio, bar, trained_on

    mels, explain = part["mels"], part["explain"]
    rows = [
        row(f"`mels` ({mels[sizes[1]]['seconds']:.0f} s)", mels, "ratio at most 1.2"),
        row("`mels`, largest of 2 workers", mels, "ratio at most 1.2", "worker_mb"),
        *(
            row(f"training {label_of(name)}", of, "at most 2,500 MB")
            for name, of in part["training"].items()
        ),
        row("scoring every clip by the CRNN and evaluating", part["evaluate"], "–"),
        (
            f"explaining one track of {explain['clips']} by the {label_of(explain['model'])}, "
            "quick grid",
            f"{explain['parent_mb']:,.0f}",
            *"––––",
        ),
    ]
    columns = [*(f"{int(size):,} clips" for size in sizes), "ratio", "bar", "clips trained on"]
    return _table(dict.fromkeys(columns, ""), rows, "peak memory in MB, full grid")


def _explain(part):
    return "One track, quick grid:\n\n" + _table(
        {"explaining it (s)": ".1f", "bar (s)": "", "scoring it from its file on (ms)": ".0f"},
        [
            (label_of(name), of["explain_seconds"], "at most 30", of["score_ms"])
            for name, of in part.items()
        ],
        "model",
    )


def _startup(part):
    return f"Start-up, median of {part['starts']}:\n\n" + _table(
        {"s": ".2f"}, [(f"`{command}`", s) for command, s in part["seconds"].items()], "command"
    )


def _table(columns, rows, first):
    """Return a table of a column of text and others, whose formats are given by their heads."""
    lines = [
        [first, *columns],
        ["---", *["---:"] * len(columns)],
        *([name, *map(format, cells, columns.values())] for name, *cells in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def insert_bench(readme: Path | str, results: Path | str) -> None:
    """Put the tables of a bench between their markers in a page.

    Parameters
    ----------
    readme, results : path-like
        The page, and what `bench` has written.

    Raises
    ------
    BadInput
        If the markers are not there.
    """
    tables = f"{BEGIN}\n\n{bench_markdown(read_results(results))}\n\n{END}"
    text, found = re.subn(
        f"{BEGIN}.*?{END}", lambda _: tables, Path(readme).read_text("utf-8"), count=1, flags=re.S
    )
    if not found:
        raise BadInput(
            f"{readme}: the lines {BEGIN} and {END} are not in it; put them where the tables belong"
        )
    Path(readme).write_text(text, "utf-8")
