"""Spectrograms with one planted cause each, to see whether an explanation finds it.

In every clip one cell decides. In a corpus of kind "level" it is louder, in one of kind "texture"
its level jumps from frame to frame and is the same in the mean. In the upper of two bands that
speaks for popularity, in the lower against; which 3 seconds it is, chance says. Nothing else
differs. Of the clips that are learnt from some have no such cell, and a label by chance: without
them a network would be sure of one label where it hears nothing, and nothing in a clip of that
label would matter to it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from lime import lime_image

from hiphoplib.audio.mel import MelGrid
from hiphoplib.evaluation.bootstrap import Bootstrap
from hiphoplib.explanation.faithfulness import hit, mean_over, own_side, recovery
from hiphoplib.explanation.lime import SEEDS, explain, lime_run, no_progress_bar, probabilities
from hiphoplib.explanation.segments import Filling, Grid, fillings
from hiphoplib.io import progress
from hiphoplib.models.training import fit
from hiphoplib.run_size import run_size

SMALL = MelGrid(32, 4096, name="planted")
KINDS = {"level": ("sub and bass", "low mids"), "texture": ("vocals and snare", "hats and air")}
LOUDER, JUMP = 8.0, 6.0  # dB
WITHOUT = 0.25  # share of the clips learnt from
SIDES = {"train": run_size().planted, "validation": 100, "test": 100}
NETWORK, EPOCHS, PATIENCE = "crnn", 20, 4
CLIPS = 30  # explained, of each kind


@dataclass(frozen=True, eq=False)
class Planted:
    """A corpus of spectrograms, of which `fit` can learn like of a `MelStore`.

    Parameters
    ----------
    S_db : np.ndarray [shape=(clips, n_mels, frames)]
        In dB.
    labels : pd.Series of int [shape=(clips,)]
    sides : pd.Series of str [shape=(clips,)]
    cells : np.ndarray of bool [shape=(clips, n_bands, n_cells)]
        The one that decides.
    grid : MelGrid
    """

    S_db: np.ndarray
    labels: pd.Series
    sides: pd.Series
    cells: np.ndarray
    grid: MelGrid = SMALL

    def batch(self, ids):
        """Spectrograms of several clips, as `MelStore.batch`."""
        return self.S_db[list(ids)]


def plant(kind, seed=0, clips=SIDES):
    """A corpus with a planted cause, Planted.

    Parameters
    ----------
    kind : {"level", "texture"}
    seed : int
    clips : dict of str to int
        Clips of each side.
    """
    rng, grid, n = np.random.default_rng(seed), Grid(SMALL), sum(clips.values())
    S_db = np.array([_beat(rng) for _ in range(n)], np.float32)
    labels, stretches = rng.permutation(np.arange(n) % 2), rng.integers(0, grid.shape[1], n)
    names, cells = list(grid.bands), np.zeros((n, *grid.shape), bool)
    jump = JUMP * (-1.0) ** np.arange(SMALL.frames)
    sides = np.repeat(list(clips), list(clips.values()))
    without = (rng.random(n) < WITHOUT) & (sides != "test")
    for i in np.flatnonzero(~without):
        cells[i, names.index(KINDS[kind][labels[i]]), stretches[i]] = True
        there = grid.spread(cells[i])
        S_db[i] += np.where(there, LOUDER if kind == "level" else jump, 0)
    return Planted(S_db, pd.Series(labels), pd.Series(sides), cells)


def _beat(rng):
    """Something like a beat, dB [shape=(n_mels, frames)]: a tilt, four rhythms, drift, noise."""
    t, row = SMALL.times(), np.arange(SMALL.n_mels)
    S_db = rng.normal(-8, 3) - 0.9 * row[:, None] * rng.uniform(0.8, 1.2)
    S_db = S_db + rng.normal(0, 3, SMALL.shape)
    seconds = 60 / rng.uniform(80, 150)
    for band, beats in zip(np.split(row, 4), (1, 2, 0.5, 0.25)):
        since = (t / (beats * seconds) + rng.uniform()) % 1
        drift = np.interp(t, np.linspace(0, SMALL.seconds, 11), rng.normal(0, 2, 11))
        S_db[band] += rng.uniform(4, 9) * np.exp(-4 * since) + drift
    return S_db


def learn(planted, seed=0):
    """A small network that has learnt the cause, Run."""
    return fit(NETWORK, planted, planted.labels, planted.sides, seed=seed, epochs=EPOCHS,
               patience=PATIENCE)


def scores_on_test(planted, run):
    """Probabilities of the clips held out, pd.Series."""
    heldout = planted.sides.index[planted.sides == "test"]
    return pd.Series(run.predict(planted.batch(heldout)), heldout)


def find(planted, run, clips=CLIPS, seeds=SEEDS):
    """Whether explanations find the cell that decides, in clips that the network calls right.

    Parameters
    ----------
    planted : Planted
    run : Run
    clips : int
        At most so many.
    seeds : sequence of int
        As for `explain.explain`.

    Returns
    -------
    pd.DataFrame
        One row a clip: ``recovery``, ROC-AUC of the map, turned to the side of the answer;
        ``top1``, whether its first cell is the one; the same of single fillings, ``…_silence`` and
        ``…_training_mean``, of the cells' own mean, ``…_own_mean``, and of LIME as it comes,
        ``…_lime_default``; ``claimed``, whether the cell is claimed; ``elsewhere``, ``strong`` and
        ``strong_elsewhere``: how many other cells are, and the same of strong claims.
    """
    answers, grid = scores_on_test(planted, run), Grid(planted.grid)
    right = answers.index[(answers >= 0.5) == (planted.labels[answers.index] == 1)][:clips]
    rows = {}
    for clip in progress(right, desc="planted", unit="clip"):
        S_db, cell, side = planted.S_db[clip], planted.cells[clip], own_side(answers[clip])
        found = explain(run, S_db, grid, fillings(run.scaler.mean), seeds=seeds)
        own = Filling("own mean", grid.spread(grid.means(S_db)))
        maps = {"": found.weights, "_silence": found.runs[0].mean(axis=0),
                "_training_mean": found.runs[1].mean(axis=0),
                "_own_mean": lime_run(run, S_db, grid, own, seeds[0])[0],
                "_lime_default": lime_default(run, S_db, grid)}
        rows[clip] = {f"{name}{of}": measure(side * map_, cell) for of, map_ in maps.items()
                      for name, measure in (("recovery", recovery), ("top1", hit))} | {
            "claimed": found.claimed[cell].sum(), "elsewhere": found.claimed[~cell].sum(),
            "strong": found.strong[cell].sum(), "strong_elsewhere": found.strong[~cell].sum()}
    return pd.DataFrame.from_dict(rows, orient="index").astype(float)


def lime_default(model, S_db, grid, seed=0):
    """Weights of LIME as it comes, mean over each cell, np.ndarray [shape=(n_bands, n_cells)].

    Its own segments (quickshift on the picture, scaled to 0..1), its own filling (the mean of each
    segment), 1,000 samples.
    """
    low, high = S_db.min(), S_db.max()

    def classify(pictures):
        p = probabilities(model, (pictures[..., 0] * (high - low) + low).astype(np.float32))
        return np.column_stack([1 - p, p])

    picture = np.repeat(((S_db - low) / (high - low))[..., None], 3, axis=2).astype(float)
    with no_progress_bar():
        result = lime_image.LimeImageExplainer(random_state=seed).explain_instance(
            picture, classify, labels=(1,), top_labels=None, random_seed=seed, batch_size=500)
    weight = dict(result.local_exp[1])
    return grid.means(np.vectorize(lambda segment: weight.get(segment, 0.0))(result.segments))


def check_planted(clips=CLIPS, seed=0):
    """Both kinds, a network each, and what the explanations find.

    Returns
    -------
    dict
        ``recovery``, ``top1``, ``recovery_lime_default``, ``top1_lime_default``: means over the
        clips of both kinds. ``kinds``: by kind the network's ``auc`` and the columns of `find`,
        each with its 95 % interval over clips; ``clips``.
    """
    kinds, tables = {}, []
    for kind in KINDS:
        planted = plant(kind, seed)
        run = learn(planted, seed)
        answers = scores_on_test(planted, run)
        popular = planted.labels[answers.index].to_numpy() == 1
        tables.append(find(planted, run, clips))
        drawn_anew = Bootstrap(np.arange(len(tables[-1]))).weights  # each clip stands for itself
        kinds[kind] = {"auc": recovery(answers.to_numpy(), popular), "clips": len(tables[-1]),
                       **{name: mean_over(of, drawn_anew) for name, of in tables[-1].items()}}
    both = pd.concat(tables).mean()
    return {**{name: float(both[name]) for name in (
        "recovery", "top1", "recovery_lime_default", "top1_lime_default")}, "kinds": kinds}
