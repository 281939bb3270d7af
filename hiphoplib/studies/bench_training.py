"""What a clip costs the networks: to learn from, to score, to explain."""

import shutil
from dataclasses import asdict
from functools import partial
from statistics import median

import numpy as np
import pandas as pd

from hiphoplib.audio.files import read_clip
from hiphoplib.audio.mel import FULL, QUICK, mel_spectrogram
from hiphoplib.dataset.store import make_mels
from hiphoplib.explanation.cache import explain_track
from hiphoplib.keras_backend import keras, tf
from hiphoplib.models.experiment import prepare, train
from hiphoplib.models.networks import BATCH, NETWORKS, build_model, clips_a_step
from hiphoplib.models.training import ClipBatches, Run, Scaler, load_run, save_run
from hiphoplib.studies.resources import seconds, times_as_fast
from hiphoplib.tracks.table import read_tracks

EXPLAINED = ("rnn", "crnn")
FEWEST = 2 * BATCH  # clips of a measurement


def training_cost(bench):
    """Training a clip and epoch, each model on both grids; the models take turns."""
    deterministic()
    folder, figures = bench.corpus("training", bench.effort.rows), {"pairs": {}}
    names = bench.effort.models or tuple(NETWORKS)
    for grid in (QUICK, FULL):
        store = make_mels(read_tracks(folder), folder, grid)
        begun = {name: _begin(name, store, bench.effort.seconds) for name in names}
        taken = {name: [] for name in names}
        for _ in range(bench.effort.pairs):
            for name, (model, clips) in begun.items():
                taken[name].append(_epoch(model, clips) / len(clips.labels))
        figures[grid.name] = {
            name: {"ms_per_clip_epoch": 1000 * median(taken[name]), "clips": len(clips.labels),
                   "parameters": model.count_params()} for name, (model, clips) in begun.items()}
        if {"rnn", "crnn"} <= set(names):
            ratio = "rnn_vs_crnn_cost" if grid is FULL else f"rnn_vs_crnn_cost_{grid.name}"
            figures["pairs"][ratio] = times_as_fast(taken["rnn"], taken["crnn"])
        bench.say(f"training: {grid.name} done")
    figures["pairs"]["side_by_side"] = side_by_side(folder, bench)
    return figures, {name: spread["median"] for name, spread in figures["pairs"].items()}


def side_by_side(folder, bench):
    """How much sooner two folds are trained at the same time, from their processes' start on."""
    experiment, taken = prepare(folder, QUICK.name, folds=3), {1: [], 2: []}
    for _ in range(bench.effort.pairs):
        for jobs, seconds_each in taken.items():
            shutil.rmtree(folder / "runs", ignore_errors=True)
            seconds_each.append(seconds(partial(train, experiment, "cnn2", folds=[0, 1], epochs=4,
                                                jobs=jobs)))
    return times_as_fast(taken[1], taken[2])


def deterministic():
    """Train as `training.fit` does: the same numbers every time, which costs some speed."""
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)


def some_clips(store, model, n=None):
    """The first clips of a store, for a model, in random order, every second one popular."""
    ids = store.ids[:n]
    labels = pd.Series(np.arange(len(ids)) % 2, index=ids)
    return ClipBatches(store, labels, Scaler.fit(store, ids), clips_a_step(model), seed=0)


def _begin(name, store, wanted):
    """A compiled model that has trained once, and clips for about so many seconds an epoch."""
    model = build_model(name, store.grid.shape)
    _epoch(model, some_clips(store, model, BATCH))  # compiles
    few, more = (_epoch(model, some_clips(store, model, BATCH * batches)) for batches in (1, 4))
    cost = max(more - few, few / 4) / (3 * BATCH)  # the beginning of an epoch left out
    return model, some_clips(store, model, BATCH * round(max(FEWEST, wanted / cost) / BATCH))


def _epoch(model, clips):
    """Seconds of one epoch."""
    return seconds(lambda: model.fit(clips, shuffle=False, verbose=0))


def explaining(bench):
    """Explaining one track, and scoring one from its file on, by models that are on disk."""
    experiment, figures = explainable(bench, "explain", EXPLAINED), {}
    for model in EXPLAINED:
        run = load_run(experiment.run_folder(model, 0, 0))
        asked = partial(explain_track, experiment, model, experiment.tracks["id"].iloc[0],
                        seeds=range(bench.effort.seeds))
        figures[model] = {"explain_seconds": seconds(asked),
                          "score_ms": 1000 * _scoring(run, bench)}
        bench.say(f"explain: {model} done")
    return figures, {}


def explainable(bench, name, models):
    """Return an `Experiment` on the quick grid with untrained runs of some models on disk."""
    folder = bench.corpus(name, 24)
    make_mels(read_tracks(folder), folder, QUICK)
    experiment = prepare(folder, QUICK.name, folds=0)
    for model in models:
        save_run(untrained(experiment, model), experiment.run_folder(model, 0, 0))
    return experiment


def untrained(experiment, model):
    """A run of a new network: scoring takes as long and as much memory whatever was learnt.

    Parameters
    ----------
    experiment : Experiment
    model : str

    Returns
    -------
    Run
    """
    grid, n_mels = experiment.protocol.grid, experiment.protocol.grid.n_mels
    network = build_model(model, grid.shape)
    network.optimizer.build(network.trainable_variables)  # its state is saved as well
    card = {"model": model, "seed": 0, "parameters": network.count_params(), "epochs": 0,
            "grid": {**asdict(grid), "shape": list(grid.shape)}, "seconds_per_clip_epoch": 0.0}
    scaler = Scaler(np.full(n_mels, -40.0), np.full(n_mels, 20.0))
    return Run(network, scaler, card, pd.DataFrame({"epoch": []}))


def _scoring(run, bench):
    """Seconds to read, transform and score a file, the first one left out."""
    def score(path):
        y, sr = read_clip(path, QUICK.seconds)
        run.predict(mel_spectrogram(y, sr, QUICK)[None])

    taken = [seconds(score, bench.clips[number % len(bench.clips)])
             for number in range(bench.effort.scored + 1)]
    return median(taken[1:])
