"""How many tracks a finding needs: smaller corpora drawn from one, each judged as a whole."""

from dataclasses import asdict

import numpy as np
import pandas as pd

from hiphoplib.dataset.splits import SPLITS, artist_groups
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import RESAMPLES, Bootstrap, weighted_auc
from hiphoplib.evaluation.evaluate import TestTracks, labels_on_test
from hiphoplib.evaluation.selection import within_groups_auc
from hiphoplib.io import progress
from hiphoplib.models.comparison import Scores
from hiphoplib.models.experiment import prepare, train
from hiphoplib.models.networks import NETWORKS

SIZES = (125, 250, 500, 1000, 2000, 4000)
DRAWS = {"musicnn": 20, "crnn": 2}  # corpora of each size; a network takes minutes to train
CURVE_FOLDS = 5
BARS = (0.5, 0.6)
POWER = 0.8  # share of corpora of a size whose interval has to exclude a bar
CURVE_RESAMPLES = 1000
COMPARED = (
    "handcrafted",
    "artist_identification",
    "cnn1",
    "crnn",
    "musicnn",
    "ensemble",
    "artist_mean",
)
FOLDS = 5  # of a corpus whose protocol has none: a gap between two small holdouts says nothing


def power(experiment, draws, sizes=SIZES):
    """AUC and its interval on corpora of several sizes, drawn from one by whole artists.

    Each is cross-validated in five folds, artists held out, so that all of its tracks are judged.

    Parameters
    ----------
    experiment : Experiment
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
    sizes = [size for size in sizes if size < len(experiment.tracks)] + [len(experiment.tracks)]
    found = {model: [] for model in draws}
    cases = [(model, size) for model in draws for size in sizes]
    for model, size in progress(cases, desc="power", unit="size"):
        aucs = [_auc(experiment, model, size, draw)
                for draw in range(draws[model] if size < len(experiment.tracks) else 1)]
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


def _auc(experiment, model, size, draw):
    """AUC and interval of a model on a corpus of some size."""
    subset = (size, draw) if size < len(experiment.tracks) else None
    part = prepare(experiment.folder, experiment.protocol.grid.name, "artist", CURVE_FOLDS, subset)
    if model in NETWORKS:
        train(part, model)
    scores = Scores(part).on_test(model)[[0]]
    test = TestTracks.of(part, scores.index, CURVE_RESAMPLES)
    return asdict(test.boot.estimate(weighted_auc, test.y_true, scores.to_numpy()))


def split_tasks(experiment):
    """Return the experiment under each split, in folds, by name; by time only with dates."""
    folds, experiments = experiment.protocol.folds or FOLDS, {}
    for split in SPLITS:
        try:
            experiments[split] = prepare(
                experiment.folder, experiment.protocol.grid.name, split, folds
            )
        except BadInput:
            if split != "time":
                raise
    return experiments


def compare_splits(experiment, models=COMPARED, resamples=RESAMPLES):
    """AUC of models under each split, and how far it is from that with artists held out.

    With folds every track is held out once by artist and once at random, so that both are judged
    on the same tracks and the difference is paired; by time, on those tracks that are held out.
    Only pairs of one fold are compared: folds differ in their thresholds and calibrations, so that
    over all pairs a model without any knowledge may be off 0.5, and not alike under each split.
    The gap is also told apart for tracks whose artists the random split has, or has not, in the
    training data of their fold: where it comes from recognised artists, it is among the former.

    Parameters
    ----------
    experiment : Experiment
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
    experiments = split_tasks(experiment)
    known = {split: known_artists(each) for split, each in experiments.items()}
    boot = Bootstrap(artist_groups(experiment.tracks), resamples)
    told = {}
    for model in models:
        judged = {split: Judged(each, model, boot) for split, each in experiments.items()
                  if Scores(each).seeds(model)}
        if {"artist", "random"} <= set(judged):
            told[model] = _gaps(judged, known["random"])
    return {"folds": experiments["artist"].protocol.folds, "tracks": len(experiment.tracks),
            "known": {split: float(share.mean()) for split, share in known.items()},
            "models": told}


def known_artists(experiment):
    """Whether the main artist of a held-out track is learnt from in its fold, pd.Series of bool."""
    artists = experiment.tracks["artists"].str[0]
    return pd.concat([artists[side == "test"].isin(set(artists[side == "train"]))
                      for _, side in experiment.sides.items()])


class Judged:
    """A model under one split: labels, scores, folds of the tracks in its test sets."""

    def __init__(self, experiment, model, boot):
        self.labels = labels_on_test(experiment)
        self.ids = self.labels.index
        self.scores = Scores(experiment).on_test(model).loc[self.ids]
        self.folds = pd.concat([pd.Series(fold, side.index[side == "test"])
                                for fold, side in experiment.sides.items()])
        self.boot, self.rows = boot, experiment.tracks.index

    def auc(self, ids):
        """AUC within folds on some of the tracks, Resampled."""
        folds = self.folds[ids].to_numpy()

        def within_folds(y_true, score, weights):
            return within_groups_auc(y_true, score, folds, weights)

        return self.boot[self.rows.get_indexer(ids)].resample(
            within_folds, self.labels[ids].to_numpy(), self.scores.loc[ids].to_numpy())


def _gaps(judged, known):
    """AUC by split, and the differences on the tracks that both have in a test set."""
    result = {split: asdict(each.auc(each.ids).estimate()) for split, each in judged.items()}
    cases = {"random-artist": ("random", known.index),
             "known": ("random", known.index[known]), "unknown": ("random", known.index[~known])}
    if "time" in judged:
        cases["time-artist"] = "time", judged["time"].ids
    for name, (split, ids) in cases.items():
        if judged[split].labels[ids].nunique() == 2:
            gap = judged[split].auc(ids) - judged["artist"].auc(ids)
            result[name] = asdict(gap.estimate())
    return result
