"""How fast all of it is here, and how much memory it takes.

Ratios are of runs that alternate, so that other work of the machine slows down both sides alike.
"""

import datetime
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import librosa
import numpy as np
import pandas as pd
import soundfile as sf
from threadpoolctl import threadpool_limits

from hiphoplib.audio.files import read_clip
from hiphoplib.audio.mel import FULL, QUICK, mel_spectrogram
from hiphoplib.dataset.store import MelStore, make_mels
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.evaluate import write_results
from hiphoplib.explanation.tracks import explain_track
from hiphoplib.io import write_whole
from hiphoplib.keras_backend import keras, tf
from hiphoplib.models.experiment import prepare, train
from hiphoplib.models.networks import BATCH, NETWORKS, build_model, clips_a_step
from hiphoplib.models.training import Checkpoint, ClipBatches, Scaler, load_run
from hiphoplib.studies.costs import ROOT, TIMES, bench_markdown, costs_of_python, machine
from hiphoplib.tracks.gather import gather
from hiphoplib.tracks.table import normalise, read_tracks, write_tracks

RESULTS = Path("notebooks/results/bench.json")
SO_FAR = Path("build/bench.json")  # while it runs: a stopped bench leaves `RESULTS` as it is
_CLIPS = 40  # different ones, which larger corpora repeat
DISK_GB = 7  # free disk that the part memory needs, in GB of 10⁹ bytes
_EPOCH = 2.0  # s, about so long is an epoch in the part training
_TRAINING = 10.0  # s of steps in the part memory, or an epoch if that is shorter
# Dask would have its workers give memory back at once, and take it anew for the next clip
_KEEP_FREED = {"MALLOC_TRIM_THRESHOLD_": "134217728", "MALLOC_MMAP_THRESHOLD_": "33554432"}


@dataclass(frozen=True)
class _Bench:
    """What the parts share."""

    folder: Path  # not kept
    clips: list[Path]
    repeats: int = 5  # runs of each kind that alternate, starts, runs of LIME
    rows: int = 320  # of the corpora of the parts workers and training; clips are repeated
    models: tuple[str, ...] = tuple(NETWORKS)
    sizes: tuple[int, int] = (2000, 16_000)  # of the corpora that memory is compared on

    def corpus(self, name, rows):
        """Write a corpus whose rows repeat the clips, each with an id and artist of its own."""
        folder, ids = self.folder / name, [f"{row:06d}" for row in range(rows)]
        (folder / "audio").mkdir(parents=True)
        for clip in self.clips:
            shutil.copy(clip, folder / "audio")
        table = {
            "id": ids,
            "popularity": np.arange(rows) * 37 % 101,
            "track": ids,
            "artists": [[f"Artist {row}"] for row in ids],
            "preview_url": np.resize([f"audio/{clip.name}" for clip in self.clips], rows),
        }
        write_tracks(normalise(pd.DataFrame(table)), folder)
        return folder


def bench(
    only: Sequence[str] = (), out: Path | str | None = None, command: str | None = None
) -> None:
    """Measure speed and peak memory on this machine, and print them as Markdown.

    A part that fails costs the others nothing.

    Parameters
    ----------
    only : sequence of str, names in `PARTS`; none for all
    out : path-like, optional
        Where to write the results when all is measured; `RESULTS`, or `SO_FAR` of some parts.
    command : str, optional
        What to write down as the way to repeat this.

    Raises
    ------
    BadInput
        If the disk is too small, or if a part could not be measured.
    """
    began, names = time.perf_counter(), only or tuple(PARTS)
    SO_FAR.parent.mkdir(exist_ok=True)
    SO_FAR.unlink(missing_ok=True)
    free_gb = shutil.disk_usage(SO_FAR.parent).free / 1e9
    if "memory" in names and free_gb < DISK_GB:
        raise BadInput(
            f"build/: {free_gb:.1f} GB free on its disk, {DISK_GB:,} GB are needed; "
            "make room, or leave out the part memory"
        )
    # on the disk of the corpora: the system's temporary folder may be memory
    with (
        tempfile.TemporaryDirectory(dir=SO_FAR.parent, prefix="bench-") as scratch,
        patch.dict(os.environ, TQDM_DISABLE="1"),
    ):
        folder = Path(scratch).resolve()
        gather("synthetic", folder / "synthetic", n=_CLIPS)
        clips = filter(_can_be_read, sorted((folder / "synthetic" / "audio").iterdir()))
        this = _Bench(folder, list(clips))
        results: dict[str, Any] = {
            "machine": machine(),
            "ratios": {},
            "failed": {},
            "command": command,
            "corpus": {"name": "synthetic", "clips": len(this.clips)},
            "made": datetime.date.today().isoformat(),
        }
        for name in names:
            now = datetime.datetime.now()
            print(f"{now:%H:%M:%S}  {name}; results so far: {SO_FAR}", file=sys.stderr, flush=True)
            try:
                results[name] = PARTS[name](this)
                pairs = results[name].get("pairs", {})
                results["ratios"] |= {ratio: each["median"] for ratio, each in pairs.items()}
                results["ratios"] |= results[name].pop("ratios", {})
            except Exception as error:  # of any kind: minutes of other figures stay
                traceback.print_exc()
                results["failed"][name] = f"{type(error).__name__}: {error}"
            results["minutes"] = (time.perf_counter() - began) / 60
            write_results(results, SO_FAR)
    print(bench_markdown(results))
    if results["failed"]:
        raise BadInput(f"could not be measured: {results['failed']}; the rest is in {SO_FAR}")
    write_whole(out or (SO_FAR if only else RESULTS), SO_FAR.read_bytes())


def _seconds(work, *arguments):
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began


def _alternate(works, turns):
    """Return the times of functions by name, in s, each called with every argument in turn."""
    taken = {name: [] for name in works}
    for number, argument in enumerate(turns):
        for name in np.roll(list(works), number):
            taken[name].append(_seconds(works[name], argument))
    return taken


def _times_as_fast(slow, fast):
    """Return median and middle half of the ratios of runs that alternated, dict."""
    low, middle, high = np.percentile(np.divide(slow, fast), [25, 50, 75])
    return {"median": float(middle), "low": float(low), "high": float(high)}


def _report(this):
    content = json.loads(TIMES.read_bytes()) if TIMES.is_file() else {"machine": {}}
    if content["machine"].get("processor") != machine()["processor"]:
        raise BadInput(f"{TIMES}: no times of this processor there; `make report` leaves them")
    return {"stages": content["stages"]}


def _startup(this):
    def start(command):
        arguments = [sys.executable, *command.split()[1:]]
        subprocess.run(arguments, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)

    commands = "python -m hiphoplib --help", "python -m hiphoplib mels --help"
    times = {of: [_seconds(start, of) for _ in range(this.repeats)] for of in commands}
    return {"starts": this.repeats, "seconds": {of: median(times[of]) for of in commands}}


def _can_be_read(path):
    try:
        return bool(read_clip(path))
    except BadInput:  # some are damaged or short on purpose
        return False


def _librosa_mel(path):
    y, sr = librosa.load(path, sr=FULL.sr, duration=FULL.seconds)
    S = librosa.feature.melspectrogram(
        y=y, sr=sr, n_fft=FULL.n_fft, hop_length=FULL.hop_length, n_mels=FULL.n_mels
    )
    return librosa.power_to_db(S)


def _our_mel(path, grid=FULL):
    return mel_spectrogram(*read_clip(path, grid.seconds), grid)


_WAYS = {
    "decode": partial(read_clip, seconds=FULL.seconds),
    "full": _our_mel,
    "quick": partial(_our_mel, grid=QUICK),
    "librosa": _librosa_mel,
}


def _mel(this):
    with threadpool_limits(1):
        _alternate(_WAYS, this.clips[:1])  # imports and tables are made once a process
        taken = _alternate(_WAYS, this.clips * 3)
    first = sf.info(this.clips[0])
    return {
        "measurements": len(taken["full"]),
        "kind": f"{first.format}, {first.samplerate} Hz, channels: {first.channels}",
        "ms_per_clip": {name: 1000 * median(times) for name, times in taken.items()},
        "pairs": {
            f"mel_vs_{name}": _times_as_fast(taken[name], taken["full"])
            for name in ("librosa", "decode")
        },
    }


def _workers(this):
    folder, few = (this.corpus(f"workers-{n}", n) for n in (this.rows, this.rows // 3))
    taken, own = ({"1": [], "2": [], "dask 2": []} for _ in range(2))
    for _ in range(this.repeats):
        own_processes = {str(jobs): nullcontext({"jobs": jobs}) for jobs in (1, 2)}
        for name, workers in {**own_processes, "dask 2": _dask_workers()}.items():
            with workers as options:
                _make_store(few, options)  # a worker takes a second or two to start and to import
                began = time.process_time()
                taken[name].append(_seconds(_make_store, folder, options))
                own[name].append(time.process_time() - began)
    rates = {name: this.rows / median(times) for name, times in taken.items()}
    cpu = {name: 1000 * median(times) / this.rows for name, times in own.items()}
    each, most = rates["dask 2"] / 2, 1000 / cpu["dask 2"]  # of a worker, of the one that writes
    return {
        "clips": this.rows,
        "clips_per_second": rates,
        "parent_cpu_ms_per_clip": cpu,
        "dask_clips_per_second_and_worker": each,
        "workers_for_a_million_in_an_hour": math.ceil(1e6 / 3600 / each),
        "writer_clips_per_second": most,
        "workers_that_one_writer_feeds": int(most / each),
        "pairs": {
            "workers_2_vs_1": _times_as_fast(taken["1"], taken["2"]),
            "dask_2_vs_workers_2": _times_as_fast(taken["2"], taken["dask 2"]),
        },
    }


@contextmanager
def _dask_workers():
    """Start two Dask workers; afterwards they and their settings in the environment are gone."""
    from distributed import LocalCluster

    two = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with patch.dict(os.environ, _KEEP_FREED), LocalCluster(**two, silence_logs="ERROR") as cluster:
        yield {"cluster": cluster.scheduler_address}


def _make_store(folder, options):
    """Make the whole store of a corpus, from nothing."""
    shutil.rmtree(Path(folder) / f"mels-{FULL.name}", ignore_errors=True)
    make_mels(read_tracks(folder), folder, FULL, **options)


def _training(this):
    tf.config.experimental.enable_op_determinism()  # as in `training.fit`; it costs some speed
    keras.utils.set_random_seed(0)
    folder, pairs, figures = this.corpus("training", this.rows), {}, {}
    for grid, end in ((QUICK, "_quick"), (FULL, "")):
        store = make_mels(read_tracks(folder), folder, grid)
        figures[grid.name], epochs, clips = {}, {}, {}
        for name in this.models:
            model = build_model(name, grid.shape)
            few = _some_clips(store, model, 4 * BATCH)
            epoch = partial(model.fit, shuffle=False, verbose=0)
            epoch(few)  # compiles
            batches = max(2, round(_EPOCH / _seconds(epoch, few) * 4))
            clips[name] = _some_clips(store, model, BATCH * batches)
            epochs[name] = lambda _, epoch=epoch, clips=clips[name]: epoch(clips)
            figures[grid.name][name] = {"parameters": model.count_params()}
        taken = {
            name: np.divide(times, len(clips[name].labels))
            for name, times in _alternate(epochs, range(this.repeats)).items()
        }
        for name, of in figures[grid.name].items():
            of["ms_per_clip_epoch"] = 1000 * median(taken[name])
        pairs[f"rnn_vs_crnn_cost{end}"] = _times_as_fast(taken["rnn"], taken["crnn"])

    def train_two(jobs):  # from the start of their processes on
        shutil.rmtree(folder / "runs", ignore_errors=True)
        train(experiment, "cnn2", folds=[0, 1], epochs=4, jobs=jobs)

    experiment = prepare(folder, QUICK.name, folds=3)
    taken = [[_seconds(train_two, jobs) for jobs in (1, 2)] for _ in range(this.repeats)]
    return figures | {"pairs": pairs | {"side_by_side": _times_as_fast(*np.transpose(taken))}}


def _some_clips(store, model, n=None):
    """Return the first clips of a store for training, in random order, every second one popular."""
    ids = store.ids[:n]
    labels = pd.Series(np.arange(len(ids)) % 2, index=ids)
    return ClipBatches(store, labels, Scaler.fit(store, ids), clips_a_step(model), seed=0)


def _explain(this):
    experiment, figures = _trained(this, "explain", ["rnn", "crnn"]), {}
    track_id = experiment.tracks.index[0]
    explain = partial(explain_track, experiment, track_id=track_id, seeds=range(this.repeats))
    for model in ("rnn", "crnn"):
        run = load_run(experiment.run_of(model, track_id))
        scoring = [
            _seconds(lambda path, run=run: run.predict(_our_mel(path, QUICK)[None]), path)
            for path in np.resize(this.clips, 11)
        ][1:]  # the first builds the graph
        seconds = _seconds(explain, model)
        figures[model] = {"score_ms": 1000 * median(scoring), "explain_seconds": seconds}
    return figures


def _trained(this, name, models):
    """Return a little experiment on the quick grid with networks of one epoch."""
    folder = this.corpus(name, 60)
    make_mels(read_tracks(folder), folder, QUICK)
    experiment = prepare(folder, QUICK.name, folds=0)
    train(experiment, models, epochs=1)
    return experiment


def _memory(this):
    training = {name: {} for name in this.models}
    figures = {"sizes": list(this.sizes), "mels": {}, "evaluate": {}, "training": training}
    code = "import sys; from hiphoplib.studies import bench; bench._train_for(*sys.argv[1:])"
    hiphoplib = partial(costs_of_python, "-m", "hiphoplib")
    for size in this.sizes:
        folder, key = this.corpus(f"memory-{size}", size), str(size)
        figures["mels"][key] = hiphoplib("mels", folder, "--grid", "full", "--jobs", "2")
        for name in this.models:
            training[name][key] = costs_of_python("-c", code, folder, name, _TRAINING)
        protocol = [folder, "--model", "crnn", "--grid", "full", "--folds", "3"]  # all scored once
        hiphoplib("train", *protocol, "--epochs", "1")
        figures["evaluate"][key] = hiphoplib("evaluate", *protocol)
        shutil.rmtree(folder)
    experiment = _trained(this, "memory-explain", ["rnn"])
    track = [experiment.folder, experiment.tracks.index[0], "--model", "rnn", "--folds", "0"]
    figures["explain"] = {"clips": len(experiment.tracks), "model": "rnn"}
    figures["explain"] |= hiphoplib("explain", *track, "--out", experiment.folder / "why.png")

    def growth(of, who="parent_mb"):
        small, large = (of[str(size)][who] for size in this.sizes)
        return large / small

    figures["ratios"] = {
        "memory_parent_16000_vs_2000": growth(figures["mels"]),
        "memory_worker_16000_vs_2000": growth(figures["mels"], "worker_mb"),
        "memory_training_16000_vs_2000": max(map(growth, training.values())),
    }
    return figures


def _train_for(folder, name, seconds):
    """Train a network on a whole store for some seconds, and print on how many clips.

    An epoch of the slowest would take an hour. The rest is as in `training.fit`.
    """
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    store, model, steps = MelStore(folder, FULL), build_model(name, FULL.shape), []
    clips, checkpoint = _some_clips(store, model), Checkpoint(Path(folder, name), model, {})

    def stop_in_time(batch, logs):  # the first step, which compiles, is left out
        steps.append(time.monotonic())
        model.stop_training = steps[-1] - steps[0] > float(seconds)

    def keep(epoch, logs):
        checkpoint.keep({"epoch": epoch, **logs, "val_rank": 0.0})

    each = keras.callbacks.LambdaCallback(on_train_batch_end=stop_in_time, on_epoch_end=keep)
    validation = _some_clips(store, model, 2 * BATCH)
    model.fit(clips, validation_data=validation, shuffle=False, verbose=0, callbacks=[each])
    model.set_weights(checkpoint.best)
    print(json.dumps({"trained_on": min(len(steps) * clips.batch, len(clips.labels))}))


_ALL = _report, _startup, _mel, _workers, _training, _explain, _memory
PARTS = {part.__name__.strip("_"): part for part in _ALL}
