"""``python -m hiphoplib bench``: how fast all of it is here, and how much memory it takes.

Ratios are of runs that alternate, so that what else the machine does falls on both sides alike.
The other figures hold for the machine that they were measured on.
"""

import argparse
import datetime
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from hiphoplib.errors import BadInput
from hiphoplib.io import write_whole
from hiphoplib.studies.resources import ROOT, machine, seconds

PROGRAM = "python -m hiphoplib bench"
RESULTS = Path("notebooks/results/bench.json")
SCRATCH = Path("build")  # on the disk of the corpora: the system's temporary folder may be memory
SO_FAR = SCRATCH / RESULTS.name  # results while it runs: a stopped bench leaves `RESULTS` as it is
AUDIO = {".mp3", ".wav", ".flac", ".ogg"}
PARTS = {  # where each is: a function of a `Bench` that gives its tables and its ratios, two dicts
    "report": ("bench", "report", "stages of the last `make report` here, read from its file"),
    "startup": ("bench", "startup", "starts of the command line"),
    "mel": ("bench_mel", "mel_throughput", "from a file to its mel spectrogram, on one core"),
    "workers": ("bench_mel", "workers", "the same by one process, by two, by two of Dask"),
    "training": ("bench_training", "training_cost", "every model on both grids, a clip and epoch"),
    "explain": ("bench_training", "explaining", "explaining one track, scoring one"),
    "memory": ("bench_memory", "peak_memory", "peak memory of the stages, at two sizes of corpus"),
}


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Parameters
    ----------
    clips, rounds : int
        Different clips at most, which larger tables repeat, and measurements of each.
    rows, warm_rows : int
        Rows of the table that workers are compared on, and of the one that gets them going.
    pairs : int
        Runs of each kind that alternate.
    models : tuple of str
        Empty for every one of the registry.
    seconds : float
        About so long is a measurement of training, in s.
    sizes : tuple of (int, int)
        Clips of the two corpora that peak memory is compared on.
    training_seconds : float
        How long each model is trained on each of them, in s, or an epoch if that is shorter.
    disk_gb : float
        Free disk that all of it needs, in GB of 10⁹ bytes.
    startups, scored, seeds : int
        Starts of the command line, tracks that are scored, LIME's runs for each filling.
    """

    clips: int = 40
    rounds: int = 3
    rows: int = 320
    warm_rows: int = 120
    pairs: int = 5
    models: tuple = ()
    seconds: float = 2.0
    sizes: tuple = (2000, 16_000)
    training_seconds: float = 10.0
    disk_gb: float = 7
    startups: int = 5
    scored: int = 10
    seeds: int = 5


SHORT = Effort(clips=4, rounds=1, rows=48, warm_rows=16, pairs=1, models=("mlp", "rnn", "crnn"),
               seconds=0.1, sizes=(24, 48), training_seconds=1.0, disk_gb=1, startups=1, scored=2,
               seeds=1)


@dataclass(frozen=True)
class Bench:
    """What the parts of a bench share.

    Parameters
    ----------
    folder : Path
        What is written there is not kept.
    clips : list of Path
        Encoded audio.
    effort : Effort
    """

    folder: Path
    clips: list
    effort: Effort = Effort()

    def say(self, text):
        """Tell how far it is, on standard error."""
        print(f"{datetime.datetime.now():%H:%M:%S}  {text}", file=sys.stderr, flush=True)

    def corpus(self, name, rows):
        """Folder of a corpus whose rows repeat the clips, each with an id and artist of its own."""
        import pandas as pd

        from hiphoplib.tracks.table import normalise, write_tracks

        folder = self.folder / name
        (folder / "audio").mkdir(parents=True)
        for number, clip in enumerate(self.clips):
            shutil.copy(clip, folder / "audio" / f"{number}{clip.suffix}")
        ids = [f"{row:06d}" for row in range(rows)]
        names = [f"audio/{number}{clip.suffix}" for number, clip in enumerate(self.clips)]
        write_tracks(normalise(pd.DataFrame({
            "id": ids, "popularity": [row * 37 % 101 for row in range(rows)], "track": ids,
            "artists": [[f"Artist {row}"] for row in ids],
            "preview_url": [names[row % len(names)] for row in range(rows)]})), folder)
        return folder


def report(bench):
    """The stages that took longest in the last `make report`, and their sum."""
    from hiphoplib.studies.stage_times import TIMES, longest, read_times

    made_on, stages = read_times(TIMES)
    if made_on["processor"] != machine()["processor"]:
        raise BadInput(f"{TIMES}: is of another processor; run `make report` here")
    return {"stages": [asdict(stage) for stage in longest(stages)]}, {}


def startup(bench):
    """Time until the command line has told what it can do."""
    taken = {}
    for arguments in (["--help"], ["mels", "--help"]):
        start = partial(subprocess.run, [sys.executable, "-m", "hiphoplib", *arguments], cwd=ROOT,
                        stdout=subprocess.DEVNULL, check=True)
        taken[" ".join(["python -m hiphoplib", *arguments])] = statistics.median(
            seconds(start) for _ in range(bench.effort.startups))
    return {"starts": bench.effort.startups, "seconds": taken}, {}


def run(names, bench, results, save):
    """Measure some parts, one after the other; one that fails costs the others nothing.

    Parameters
    ----------
    names : list of str
        Of `PARTS`.
    bench : Bench
    results : dict
        Gets what is found.
    save : callable
        Of the results, after each part.
    """
    for name in names:
        module, function, what = PARTS[name]
        bench.say(f"{name}: {what}")
        try:
            measure = getattr(import_module(f"hiphoplib.studies.{module}"), function)
            results[name], ratios = measure(bench)
            results["ratios"] |= ratios
        except Exception as error:  # of any kind: minutes of other figures stay
            traceback.print_exc()
            results["failed"][name] = f"{type(error).__name__}: {error}"
        save(results)


def find_clips(folder, effort, scratch):
    """Encoded clips to measure on, and what they are called.

    Parameters
    ----------
    folder : Path or None
        Audio files in it and below; of a folder that has more, some from everywhere. None for
        the project's own: of the default corpus where that is gathered, else rendered now.
    effort : Effort
    scratch : Path
        Where they are rendered.

    Returns
    -------
    clips : list of Path
    name : str

    Raises
    ------
    BadInput
        If the folder holds none.
    """
    name = folder.resolve().name if folder else "synthetic"
    folder = folder or Path("data/synthetic/audio")
    if folder == Path("data/synthetic/audio") and not folder.is_dir():
        from hiphoplib.tracks.gather import gather

        gather("synthetic", scratch / "synthetic", n=effort.clips)
        folder = scratch / "synthetic" / "audio"
    clips = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO)
    if not clips:
        raise BadInput(f"{folder}: no audio there; name a folder with "
                       f"{', '.join(sorted(AUDIO))} files")
    n = min(effort.clips, len(clips))
    return [clips[number * len(clips) // n] for number in range(n)], name


def main(arguments=None):
    """Run the bench; the exit status is 0, or 1 where something could not be measured."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    try:
        results = _measure(options, " ".join([PROGRAM, *arguments]))
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped" + (f"; what was measured is in {SO_FAR}" if SO_FAR.is_file() else ""),
              file=sys.stderr)
        return 130
    from hiphoplib.studies.bench_table import bench_markdown

    print(bench_markdown(results))
    for name, why in results["failed"].items():
        print(f"error: {name} could not be measured: {why}; the rest is in {SO_FAR}",
              file=sys.stderr)
    return 1 if results["failed"] else 0


def _measure(options, command):
    """The results of the parts that are asked for, dict; if none failed, in their file as well."""
    os.environ["TQDM_DISABLE"] = "1"
    partly, names = options.short or options.only, options.only or PARTS
    path = options.json or (SO_FAR if partly else RESULTS)
    effort, begin = SHORT if options.short else Effort(), time.perf_counter()
    SCRATCH.mkdir(exist_ok=True)
    SO_FAR.unlink(missing_ok=True)
    if "memory" in names:  # now, and not when all other parts are done
        from hiphoplib.studies.bench_memory import check_disk

        check_disk(SCRATCH, effort.disk_gb)
    with tempfile.TemporaryDirectory(dir=SCRATCH, prefix="bench-") as scratch:
        scratch = Path(scratch).resolve()
        clips, name = find_clips(options.clips, effort, scratch)
        results = {"machine": machine(), "short": options.short,
                   "corpus": {"name": name, "clips": len(clips)}, "ratios": {}, "failed": {},
                   "made": datetime.date.today().isoformat(), "command": command}

        def save(results):
            results["minutes"] = (time.perf_counter() - begin) / 60
            write_whole(SO_FAR, json.dumps(results, indent=1) + "\n")

        run(names, Bench(scratch, clips, effort), results, save)
    if not results["failed"]:
        write_whole(path, SO_FAR.read_bytes())
    return results


def _parser():
    parser = argparse.ArgumentParser(
        prog=PROGRAM, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measure speed and peak memory on this machine, about 20 minutes on two "
                    "cores;\nthe table goes to standard output, progress to standard error.",
        epilog="parts:\n" + "\n".join(f"  {name:9s} {what}" for name, (*_, what) in PARTS.items())
               + f"\n\nIt takes {Effort.disk_gb} GB of disk in {SCRATCH}/ while it runs.")
    parser.add_argument("--json", type=Path, metavar="FILE",
                        help=f"write the results here when all is measured (default {RESULTS}, or "
                             f"{SO_FAR} of a run that is short or of some parts); while it runs "
                             f"they are in {SO_FAR}")
    parser.add_argument("--clips", type=Path, metavar="FOLDER",
                        help="measure on these recordings (default: clips of the synthetic corpus)")
    parser.add_argument("--only", action="append", choices=list(PARTS), metavar="PART",
                        help="only this part; can be repeated")
    parser.add_argument("--short", action="store_true",
                        help="a try of a few minutes whose figures mean little")
    return parser


if __name__ == "__main__":
    sys.exit(main())
