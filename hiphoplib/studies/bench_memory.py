"""Peak memory of each stage on a small corpus and on a large one, each in a process of its own."""

import json
import shutil
import sys
import time
from pathlib import Path

from hiphoplib.audio.mel import FULL
from hiphoplib.errors import BadInput
from hiphoplib.studies.resources import ROOT, watch

FOLDS = 3  # every clip is scored once
SCORED = "crnn"
EXPLAINED = "rnn"


def peak_memory(bench):
    """Peak memory of mels, training each model, evaluation at two sizes; of explaining a track."""
    from hiphoplib.models.networks import NETWORKS

    sizes, models = bench.effort.sizes, bench.effort.models or tuple(NETWORKS)
    figures = {"sizes": list(sizes), "training_seconds": bench.effort.training_seconds,
               "mels": {}, "training": {name: {} for name in models}, "evaluate": {}}
    for size in sizes:
        folder, key = bench.corpus(f"memory-{size}", size), str(size)
        figures["mels"][key] = _stage(["hiphoplib", "mels", folder, "--grid", "full",
                                       "--jobs", "2"])
        bench.say(f"memory: mels of {size:,} clips done")
        for name in models:
            figures["training"][name][key] = _stage(
                [__spec__.name, "train", folder, name, bench.effort.training_seconds])
            bench.say(f"memory: training {name} on {size:,} clips done")
        figures["evaluate"][key] = _stage([__spec__.name, "evaluate", folder])
        bench.say(f"memory: evaluation of {size:,} clips done")
        shutil.rmtree(folder)
    figures["explain"] = _explaining(bench)
    return figures, _ratios(figures)


def _explaining(bench):
    """What the command takes that explains one track, dict."""
    from hiphoplib.studies.bench_training import explainable

    experiment = explainable(bench, "memory-explain", [EXPLAINED])
    track = experiment.tracks["id"].iloc[0]
    return {"clips": len(experiment.tracks), "model": EXPLAINED} | _stage(
        ["hiphoplib", "explain", experiment.folder, track, "--model", EXPLAINED, "--folds", "0",
         "--out", experiment.folder / "why.png"])


def _ratios(figures):
    """Large corpus against the small one, dict."""
    small, large = map(str, figures["sizes"])
    mels = {who: figures["mels"][large][f"{who}_mb"] / figures["mels"][small][f"{who}_mb"]
            for who in ("parent", "worker")}
    return {"memory_16000_vs_2000": max(mels.values()),
            **{f"memory_{who}_16000_vs_2000": ratio for who, ratio in mels.items()},
            "memory_training_16000_vs_2000": max(
                of[large]["parent_mb"] / of[small]["parent_mb"]
                for of in figures["training"].values())}


def check_disk(folder, needed_gb):
    """Raise `BadInput` where the disk of a folder has not so many GB of 10⁹ bytes free."""
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < needed_gb:
        raise BadInput(f"{folder.name}/: {free_gb:.1f} GB free on its disk, {needed_gb:,} GB are "
                       "needed; make room, or leave out the part memory")


def _stage(arguments):
    """What a stage took as a command of Python, dict."""
    use = watch([sys.executable, "-m", *map(str, arguments)], cwd=ROOT)
    if use.status:
        last = (use.errors.strip().splitlines() or ["it says nothing"])[-1]
        raise BadInput(f"{' '.join(map(str, arguments[:2]))}: ended with status {use.status} "
                       f"({last})")
    if use.parent_mb is None:
        raise BadInput("peak memory: told by Linux only; measure it there")
    told = {"parent_mb": use.parent_mb, "seconds": use.seconds}
    if use.worker_mb is not None:
        told["worker_mb"] = use.worker_mb
    return told | (json.loads(use.output) if use.output.startswith("{") else {})


def train_stage(folder, name, seconds):
    """Train a model on the whole store for a while; what was trained on, dict.

    An epoch of the slowest would take an hour. Before the first step all clips are read for the
    scaler, and the steps take clips from all over the store. The rest is as in `training.fit`:
    validation, a checkpoint after the epoch, the best weights at the end.
    """
    from hiphoplib.dataset.store import MelStore
    from hiphoplib.keras_backend import keras
    from hiphoplib.models.checkpoint import Checkpoint
    from hiphoplib.models.networks import build_model
    from hiphoplib.studies.bench_training import FEWEST, deterministic, some_clips

    class Stop(keras.callbacks.Callback):
        """End the epoch after so many seconds of steps, the first one, which compiles, left out."""

        steps, begin = 0, None

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            self.begin = self.begin or time.monotonic()
            if time.monotonic() - self.begin > seconds:
                self.model.stop_training = True

        def on_epoch_end(self, epoch, logs=None):
            checkpoint.keep({"epoch": epoch, **logs})

    deterministic()
    store = MelStore(folder, FULL)
    model = build_model(name, FULL.shape)
    clips, stop = some_clips(store, model), Stop()
    checkpoint = Checkpoint(folder / name, model, {})
    model.fit(clips, validation_data=some_clips(store, model, FEWEST), shuffle=False, verbose=0,
              callbacks=[stop])
    model.set_weights(checkpoint.best)
    n = len(clips.labels)
    return {"in_training_set": n, "trained_on": min(stop.steps * clips.batch, n)}


def evaluate_stage(folder):
    """Score every clip of a corpus by untrained networks and evaluate that; how many, dict."""
    from hiphoplib.evaluation.evaluate import evaluate
    from hiphoplib.models.experiment import prepare
    from hiphoplib.models.training import save_run
    from hiphoplib.studies.bench_training import untrained

    experiment = prepare(folder, FULL.name, folds=FOLDS)
    run = untrained(experiment, SCORED)
    for fold in range(FOLDS):
        run.card |= {"fold": fold, "fingerprint": experiment.fingerprint}
        save_run(run, experiment.run_folder(SCORED, 0, fold))
    results, _ = evaluate(experiment, [SCORED])
    return {"scored": results["protocol"]["test_tracks"]}


if __name__ == "__main__":
    stage, folder, *options = sys.argv[1:]
    if stage == "train":
        told = train_stage(Path(folder), options[0], float(options[1]))
    else:
        told = evaluate_stage(Path(folder))
    print(json.dumps(told))
