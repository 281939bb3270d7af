"""How many tracks a finding needs: smaller corpora drawn from one, each judged as a whole."""

import numpy as np
import pandas as pd

from hiphoplib.dataset.splits import SPLITS, artist_groups
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import (
    RESAMPLES,
    estimate,
    in_blocks,
    over_seeds,
    resample_artists,
)
from hiphoplib.evaluation.evaluate import Heldout, heldout_labels, heldout_scores, seeds_of
from hiphoplib.evaluation.selection import within_groups_auc
from hiphoplib.io import progress
from hiphoplib.models.experiment import prepare, train
from hiphoplib.models.networks import MODELS

SIZES = (125, 250, 500, 1000, 2000, 4000)
DRAWS = {"transfer": 20, "crnn": 2}  # corpora of each size; a network takes minutes to train
CURVE_FOLDS = 5
BARS = (0.5, 0.6)
POWER = 0.8  # share of corpora of a size whose interval has to exclude a bar
CURVE_RESAMPLES = 1000
COMPARED = ("statistics", "recogniser", "cnn1", "crnn", "transfer", "ensemble", "artist_mean")
FOLDS = 5  # of a corpus whose protocol has none: a gap between two small holdouts says nothing


def power(task, draws, sizes=SIZES):
    """AUC and its interval on corpora of several sizes, drawn from one by whole artists.

    Each is cross-validated in five folds, artists held out, so that all of its tracks are judged.

    Parameters
    ----------
    task : Task
        The corpus and its grid.
    draws : dict of str to int
        By model, how many corpora of each size; the whole corpus is one. A network is trained on
        each, once; what stands from an earlier call is not repeated.
    sizes : sequence of int
        In tracks; a last one of at least the corpus' takes all of it.

    Returns
    -------
    dict
        ``models``: by model a list of ``tracks``, ``draws``, ``auc`` (means over the draws of the
        AUC and of the ends of its interval) and ``excludes``, by bar the share of the draws whose
        interval lies above it. ``needed``: by model and bar the smallest size from which on at
        least 80 % of them do, None if no size is enough.
    """
    sizes = [size for size in sizes if size < len(task.tracks)] + [len(task.tracks)]
    found = {model: [] for model in draws}
    cases = [(model, size) for model in draws for size in sizes]
    for model, size in progress(cases, desc="power", unit="size"):
        aucs = [_auc(task, model, size, draw)
                for draw in range(draws[model] if size < len(task.tracks) else 1)]
        found[model].append({
            "tracks": size, "draws": len(aucs),
            "auc": {end: float(np.mean([auc[end] for auc in aucs])) for end in aucs[0]},
            "excludes": {str(bar): float(np.mean([auc["low"] > bar for auc in aucs]))
                         for bar in BARS}})
    return {"models": found, "needed": {model: {str(bar): needed(rows, bar) for bar in BARS}
                                        for model, rows in found.items()}}


def needed(rows, bar):
    """Smallest number of tracks from which on the interval excludes a bar often enough, or None."""
    enough = None
    for row in reversed(rows):
        if row["excludes"][str(bar)] < POWER:
            break
        enough = row["tracks"]
    return enough


def _auc(task, model, size, draw):
    """AUC and interval of a model on a corpus of some size."""
    subset = (size, draw) if size < len(task.tracks) else None
    part = prepare(task.folder, task.protocol.grid.name, "artist", CURVE_FOLDS, subset)
    if model in MODELS:
        train(part, model)
    scores = heldout_scores(part, model)[[0]]
    heldout = Heldout.of(part, scores.index, CURVE_RESAMPLES)
    once = np.ones((1, len(scores)))
    point, many = (over_seeds(heldout.y_true, scores.to_numpy(), weights)["auc"]
                   for weights in (once, heldout.weights))
    return estimate(point[0], many)


def split_tasks(task):
    """The corpus of a task under each split, in folds, dict of Task; by time only with dates."""
    folds, tasks = task.protocol.folds or FOLDS, {}
    for split in SPLITS:
        try:
            tasks[split] = prepare(task.folder, task.protocol.grid.name, split, folds)
        except BadInput:
            if split != "time":
                raise
    return tasks


def compare_splits(task, models=COMPARED, resamples=RESAMPLES):
    """AUC of models under each split, and how far it is from that with artists held out.

    With folds every track is held out once by artist and once at random, so that both are judged
    on the same tracks and the difference is paired; by time, on those tracks that are held out.
    Only pairs of one fold are compared: folds differ in their thresholds and calibrations, so that
    over all pairs a model without any knowledge may be off 0.5, and not alike under each split.
    The gap is also told apart for tracks whose artists the random split has, or has not, in the
    training data of their fold: where it comes from recognised artists, it is among the former.

    Parameters
    ----------
    task : Task
    models : sequence of str
        Of the ladder; one that is not trained under a split is left out there.
    resamples : int
        Bootstrap samples of artists.

    Returns
    -------
    dict
        ``folds``, ``tracks``, ``known`` (by split, the share of held-out tracks with an artist
        that is learnt from), ``models``: by model and split the AUC with its interval, and
        ``random-artist``, ``time-artist``, ``known`` and ``unknown``, the gaps.
    """
    tasks = split_tasks(task)
    known = {split: known_artists(each) for split, each in tasks.items()}
    weights = resample_artists(artist_groups(task.tracks), resamples)
    weights = pd.DataFrame(weights.T, index=task.tracks.index)
    told = {}
    for model in models:
        judged = {split: Judged(each, model, weights) for split, each in tasks.items()
                  if seeds_of(each, model)}
        if {"artist", "random"} <= set(judged):
            told[model] = _gaps(judged, known["random"])
    return {"folds": tasks["artist"].protocol.folds, "tracks": len(task.tracks),
            "known": {split: float(share.mean()) for split, share in known.items()},
            "models": told}


def known_artists(task):
    """Whether the main artist of a held-out track is learnt from in its fold, pd.Series of bool."""
    artists = task.tracks["artists"].str[0]
    return pd.concat([artists[side == "holdout"].isin(set(artists[side == "train"]))
                      for _, side in task.sides.items()])


class Judged:
    """A model under one split: labels, scores, folds of the tracks that it holds out."""

    def __init__(self, task, model, weights):
        self.labels = heldout_labels(task)
        self.ids = self.labels.index
        self.scores = heldout_scores(task, model).loc[self.ids]
        self.folds = pd.concat([pd.Series(fold, side.index[side == "holdout"])
                                for fold, side in task.sides.items()])
        self.weights = weights

    def draws(self, ids, once=False):
        """AUC within folds on some of the tracks, np.ndarray [shape=(resamples,)]."""
        weights = np.ones((1, len(ids))) if once else self.weights.loc[ids].to_numpy().T
        y_true, folds = self.labels[ids].to_numpy(), self.folds[ids].to_numpy()
        return np.mean([in_blocks(
            lambda block, score=score: within_groups_auc(y_true, score, folds, block), weights)
            for score in self.scores.loc[ids].to_numpy().T], axis=0)

    def told(self):
        """AUC with its interval."""
        return estimate(self.draws(self.ids, True)[0], self.draws(self.ids))


def _gaps(judged, known):
    """AUC by split, and the differences on the tracks that both hold out."""
    told = {split: each.told() for split, each in judged.items()}
    cases = {"random-artist": ("random", known.index),
             "known": ("random", known.index[known]), "unknown": ("random", known.index[~known])}
    if "time" in judged:
        cases["time-artist"] = "time", judged["time"].ids
    for name, (split, ids) in cases.items():
        if judged[split].labels[ids].nunique() == 2:
            one, other = judged[split], judged["artist"]
            told[name] = estimate((one.draws(ids, True) - other.draws(ids, True))[0],
                                  one.draws(ids) - other.draws(ids))
    return told
