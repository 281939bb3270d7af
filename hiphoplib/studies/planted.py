"""Spectrograms with one planted cause each, to see whether an explanation finds it.

In every clip one segment is louder (kind "level"), or its level jumps from frame to frame
("texture"): in the upper of two bands that speaks for popularity, in the lower against. Some of the
training clips have none, and a label by chance: else a network that hears nothing would be sure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from lime import lime_image

from hiphoplib.audio.mel import MelGrid
from hiphoplib.evaluation.bootstrap import Bootstrap
from hiphoplib.explanation.faithfulness import mean_over, recovery, top_hit
from hiphoplib.explanation.lime import SEEDS, explain, lime_run, no_progress_bar, probabilities
from hiphoplib.explanation.segments import Fill, SegmentGrid, fills
from hiphoplib.io import progress
from hiphoplib.models.training import Run, fit
from hiphoplib.run_size import run_size

SMALL = MelGrid(32, 4096, name="planted")
BANDS = {"level": ("sub and bass", "low mids"), "texture": ("vocals and snare", "hats and air")}
LOUDER, JUMP = 8.0, 6.0  # dB
WHOLE, SHIFT = "sub and bass", (2.0, 6.0)  # dB, of the whole band, louder or quieter
_WITHOUT = 0.25  # share of the training and validation clips
_CLIPS = {"train": run_size().planted, "validation": 200, "test": 100}
_EXPLAINED = 30  # clips of each kind
PATIENCE = {"crnn": 10, "rnn": 20}  # the RNN begins to learn late


@dataclass(frozen=True, eq=False)
class Planted:
    """Spectrograms with a planted cause, and a small network that learns it."""

    S_db: np.ndarray  # in dB [shape=(clips, n_mels, frames)]
    labels: pd.Series  # 0 or 1
    sides: pd.Series  # "train", "validation" or "test"
    segments: np.ndarray  # that decide, bool [shape=(clips, n_bands, n_segments)]
    network: str = "crnn"
    seed: int = 0

    @cached_property
    def run(self) -> Run:
        """The network, trained when it is first asked for."""
        store: Any = SimpleNamespace(grid=SMALL, batch=lambda ids: self.S_db[list(ids)])
        return fit(self.network, store, self.labels, self.sides, seed=self.seed, epochs=30,
                   patience=PATIENCE[self.network])

    @cached_property
    def scores(self) -> pd.Series:
        """Its probabilities of the test clips."""
        test = self.sides.index[self.sides == "test"]
        return pd.Series(self.run.predict(self.S_db[test]), test)


def plant(kind: str, clips: Mapping[str, int] = _CLIPS, *, network: str = "crnn", seed: int = 0,
          late: float = 0.0, shuffled: bool = False) -> Planted:
    """Make a corpus of spectrograms with a planted cause.

    Parameters
    ----------
    kind : {"level", "texture", "band"}
    clips : dict of str to int
        Clips of the training, validation and test sets.
    network : str, in `NETWORKS`
    seed : int, of the clips and of the network
    late : float
        By how much of a segment the cause is off the grid: it lies in two segments then.
    shuffled : bool
        Whether the labels of the training and validation sets are shuffled: nothing decides.

    Returns
    -------
    Planted
    """
    rng, grid, n = np.random.default_rng(seed), SegmentGrid(SMALL), sum(clips.values())
    S_db = np.array([_beat(rng) for _ in range(n)], np.float32)
    labels, stretches = rng.permutation(np.arange(n) % 2), rng.integers(0, grid.shape[1], n)
    names, segments = list(grid.bands), np.zeros((n, *grid.shape), bool)
    jump = JUMP * (-1.0) ** (np.arange(SMALL.frames) // 2)
    sides = np.repeat(list(clips), list(clips.values()))
    without = (rng.random(n) < _WITHOUT) & (sides != "test")
    rows = grid.labels()[:, :1] // grid.shape[1]
    for i in np.flatnonzero(~without):
        if kind == "band":
            band, there = names.index(WHOLE), rows == names.index(WHOLE)
            segments[i, band] = True
            S_db[i] += there * (2 * labels[i] - 1) * rng.uniform(*SHIFT)
            continue
        start = min(stretches[i] + late, grid.shape[1] - 1)
        band = names.index(BANDS[kind][labels[i]])
        segments[i, band, int(np.floor(start)): int(np.ceil(start)) + 1] = True
        times = SMALL.times() / grid.segment_seconds - start
        there = (rows == band) & (times >= 0) & (times < 1)
        S_db[i] += np.where(there, LOUDER if kind == "level" else jump, 0)
    if shuffled:
        learnt = np.flatnonzero(sides != "test")
        labels[learnt] = rng.permutation(labels[learnt])
    return Planted(S_db, pd.Series(labels), pd.Series(sides), segments, network, seed)


def _beat(rng):
    """Return something like a beat in dB: a tilt, four rhythms, drift, noise."""
    t, row = SMALL.times(), np.arange(SMALL.n_mels)
    S_db = rng.normal(-8, 3) - 0.9 * row[:, None] * rng.uniform(0.8, 1.2)
    S_db = S_db + rng.normal(0, 3, SMALL.shape)
    seconds = 60 / rng.uniform(80, 150)
    for band, beats in zip(np.split(row, 4), (1, 2, 0.5, 0.25)):
        since = (t / (beats * seconds) + rng.uniform()) % 1
        drift = np.interp(t, np.linspace(0, SMALL.seconds, 11), rng.normal(0, 2, 11))
        S_db[band] += rng.uniform(4, 9) * np.exp(-4 * since) + drift
    return S_db


def _find(planted, clips=_EXPLAINED, seeds=SEEDS):
    """Explain test clips that the network classifies correctly; find the segment that decides.

    Returns a pd.DataFrame, one row a clip: ``recovery`` and ``top1`` (is its first segment it?) of
    the map, turned to the side of the predicted class, and of other maps; ``claimed``, whether
    that segment is, ``elsewhere``, how many others are; ``strong…``, the same of confirmed ones.
    """
    run, scores, grid = planted.run, planted.scores, SegmentGrid(SMALL)
    right = scores.index[(scores >= 0.5) == (planted.labels[scores.index] == 1)][:clips]
    rows = {}
    for clip in progress(right, desc="planted", unit="clip"):
        S_db, segment = planted.S_db[clip], planted.segments[clip]
        side = 1 if scores[clip] >= 0.5 else -1
        found = explain(run, S_db, grid, fills(run.scaler.mean), seeds=seeds)
        own = Fill("own mean", grid.means(S_db).ravel()[grid.labels()])
        maps = {"": found.weights, "_silence": found.runs[0].mean(axis=0),
                "_training_mean": found.runs[1].mean(axis=0),
                "_own_mean": lime_run(run, S_db, grid, own, seeds[0])[0],
                "_lime_default": lime_default(run, S_db, grid)}
        rows[clip] = {f"{name}{of}": measure(side * map_, segment) for of, map_ in maps.items()
                      for name, measure in (("recovery", recovery), ("top1", top_hit))} | {
            "claimed": found.stable[segment].sum(), "elsewhere": found.stable[~segment].sum(),
            "strong": found.confirmed[segment].sum(),
            "strong_elsewhere": found.confirmed[~segment].sum()}
    return pd.DataFrame.from_dict(rows, orient="index").astype(float)


def lime_default(model: Run, S_db: np.ndarray, grid: SegmentGrid) -> np.ndarray:
    """Return the weights of LIME with default settings, mean over each segment of a grid.

    Its own segments (quickshift on the picture), fill value (the mean of each) and 1,000 samples.

    Parameters
    ----------
    model : Run
    S_db : np.ndarray [shape=(n_mels, frames)]
        In dB.
    grid : SegmentGrid

    Returns
    -------
    np.ndarray [shape=(n_bands, n_segments)]
    """
    low, high = S_db.min(), S_db.max()

    def classify(pictures):
        p = probabilities(model, (pictures[..., 0] * (high - low) + low).astype(np.float32))
        return np.column_stack([1 - p, p])

    picture = np.repeat(((S_db - low) / (high - low))[..., None], 3, axis=2).astype(float)
    with no_progress_bar():
        result = lime_image.LimeImageExplainer(random_state=0).explain_instance(
            picture, classify, labels=(1,), top_labels=None, random_seed=0, batch_size=500)
    weight = dict(result.local_exp[1])
    return grid.means(np.vectorize(lambda segment: weight.get(segment, 0.0))(result.segments))


def check_planted() -> dict:
    """Return what explanations find of both kinds of cause, a network each.

    Means over the clips of both; ``kinds`` holds by kind the network's ``auc``, ``clips``, and the
    measures of `_find`, each with its 95 % interval over clips.
    """
    kinds, tables = {}, []
    for kind in BANDS:
        planted = plant(kind)
        table, popular = _find(planted), planted.labels[planted.scores.index] == 1
        weights = Bootstrap(np.arange(len(table))).weights  # each clip stands for itself
        kinds[kind] = {"auc": recovery(planted.scores.to_numpy(), popular.to_numpy()),
                       "clips": len(table),
                       **{name: mean_over(values, weights) for name, values in table.items()}}
        tables.append(table)
    both = pd.concat(tables).mean()
    return {**{name: float(both[name]) for name in (
        "recovery", "top1", "recovery_lime_default", "top1_lime_default")}, "kinds": kinds}
