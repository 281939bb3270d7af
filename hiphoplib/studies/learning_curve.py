"""How many tracks a finding needs, and what recognised artists are worth: models on parts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import takewhile

import numpy as np
import pandas as pd

from hiphoplib.dataset.splits import SPLITS, artist_groups
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import RESAMPLES, Bootstrap, weighted_auc
from hiphoplib.evaluation.evaluate import TestTracks, labels_on_test
from hiphoplib.evaluation.selection import within_groups_auc
from hiphoplib.io import progress
from hiphoplib.models import networks
from hiphoplib.models.comparison import Scores
from hiphoplib.models.experiment import Experiment, prepare, train

DRAWS = {"musicnn": 20, "crnn": 5}  # corpora of each size; a network takes minutes to train
BARS = (0.5, 0.6)  # of the AUC
POWER = 0.8  # share of corpora of a size whose interval has to lie above a bar
_SIZES = (125, 250, 500, 1000, 2000, 4000)
_CURVE_FOLDS, _CURVE_RESAMPLES = 5, 1000
_COMPARED = "handcrafted", "artist_identification", "crnn", "musicnn", "artist_mean"
_FOLDS = 5  # of a corpus whose protocol has none: the gap between two small test sets is noise


def learning_curve(
    experiment: Experiment, draws: Mapping[str, int] = DRAWS, sizes: Sequence[int] = _SIZES
) -> dict:
    """Measure the AUC and its interval on corpora of several sizes, drawn from one by artists.

    Each is cross-validated in five artist-disjoint folds, so that all of its tracks are judged.

    Parameters
    ----------
    experiment : Experiment
    draws : dict of str to int
        By model, how many corpora of each size; a network is trained on each, once.
    sizes : sequence of int
        In tracks; the whole corpus is the last one.

    Returns
    -------
    dict
        ``models``: by model a list of ``tracks``, ``draws``, ``auc`` (means over the draws) and
        ``excludes``, by bar the share of the draws whose interval lies above it. ``needed``: by
        model and bar the smallest size from which on at least 80 % of them do, or None.
    """
    whole = len(experiment.tracks)
    sizes = [size for size in sizes if size < whole] + [whole]
    models: dict[str, list[dict]] = {model: [] for model in draws}
    cases = [(model, size) for model in draws for size in sizes]
    for model, size in progress(cases, desc="learning curve", unit="size"):
        subsets = [(size, draw) for draw in range(draws[model])] if size < whole else [None]
        aucs = [_auc(experiment, model, subset) for subset in subsets]
        models[model].append(
            {
                "tracks": size,
                "draws": len(aucs),
                "auc": {end: float(np.mean([auc[end] for auc in aucs])) for end in aucs[0]},
                "excludes": {
                    str(bar): float(np.mean([auc["low"] > bar for auc in aucs])) for bar in BARS
                },
            }
        )
    return {
        "models": models,
        "needed": {
            model: {str(bar): _needed(rows, bar) for bar in BARS} for model, rows in models.items()
        },
    }


def _needed(rows, bar):
    """Return the smallest size from which on the interval is above a bar often enough, or None."""
    enough = takewhile(lambda row: row["excludes"][str(bar)] >= POWER, reversed(rows))
    return min((row["tracks"] for row in enough), default=None)


def _auc(experiment, model, subset):
    """Return AUC and interval of a model on a part of a corpus, dict."""
    part = prepare(experiment.folder, experiment.protocol.grid.name, "artist", _CURVE_FOLDS, subset)
    if model in networks.NETWORKS:
        train(part, model)
    scores = Scores(part).on_test(model)[[0]]
    test = TestTracks.of(part, scores.index, _CURVE_RESAMPLES)
    return asdict(test.boot.estimate(weighted_auc, test.y_true, scores.to_numpy()))


def compare_splits(
    experiment: Experiment, models: Sequence[str] = _COMPARED, resamples: int = RESAMPLES
) -> dict:
    """Measure the AUC of models under each split, and its gap to the artist-disjoint split.

    Differences are paired: in folds every track is tested once by artist and once at random. Only
    pairs of one fold are compared: over all, thresholds and calibrations that differ may put a
    model without any knowledge off 0.5. A gap that comes from recognised artists is among tracks
    whose artists the random split has in the training set of their fold.

    Parameters
    ----------
    experiment : Experiment
    models : sequence of str
        One that is not trained under a split is left out there.
    resamples : int
        Bootstrap samples of artists.

    Returns
    -------
    dict
        ``folds``, ``tracks``, ``known`` (by split, the share of test tracks with an artist that is
        learnt from), ``models``: by model and split the AUC with its interval, and the gaps
        ``random-artist``, ``time-artist``, ``known`` and ``unknown`` (of artists).
    """
    experiments = _under_each_split(experiment)
    known = {split: _known_artists(each) for split, each in experiments.items()}
    boot, gaps = Bootstrap(artist_groups(experiment.tracks), resamples), {}
    for model in models:
        tested = {
            split: _tested(each, model)
            for split, each in experiments.items()
            if Scores(each).seeds(model)
        }
        if {"artist", "random"} <= set(tested):
            gaps[model] = _gaps(tested, known["random"], boot, experiment.tracks.index)
    return {
        "folds": experiments["artist"].protocol.folds,
        "tracks": len(experiment.tracks),
        "known": {split: float(share.mean()) for split, share in known.items()},
        "models": gaps,
    }


def _under_each_split(experiment):
    """Return the experiment in folds under each split, by name; by time only with dates."""
    folds, experiments = experiment.protocol.folds or _FOLDS, {}
    for split in SPLITS:
        try:
            experiments[split] = prepare(
                experiment.folder, experiment.protocol.grid.name, split, folds
            )
        except BadInput:
            if split != "time":
                raise
    return experiments


def _known_artists(experiment):
    """Return whether a test track's main artist is in its fold's training set, pd.Series."""
    artists = experiment.tracks["artists"].str[0]
    return pd.concat(
        [
            artists[side == "test"].isin(set(artists[side == "train"]))
            for _, side in experiment.sides.items()
        ]
    )


def _tested(experiment, model):
    """Return scores by seed, label and fold of the test tracks, pd.DataFrame."""
    return Scores(experiment).on_test(model).join(labels_on_test(experiment))


def _gaps(tested, known, boot, rows):
    """Return the AUC by split, and the differences on tracks that are in both's test sets, dict."""

    def auc(split, ids):
        table = tested[split].loc[ids]
        labels, folds = table.pop("label").to_numpy(), table.pop("fold").to_numpy()
        metric = partial(within_groups_auc, groups=folds)
        return boot[rows.get_indexer(ids)].resample(metric, labels, table.to_numpy())

    result = {split: asdict(auc(split, table.index).estimate()) for split, table in tested.items()}
    cases = {
        "random-artist": ("random", known.index),
        "known": ("random", known.index[known]),
        "unknown": ("random", known.index[~known]),
    }
    if "time" in tested:
        cases["time-artist"] = "time", tested["time"].index
    for name, (split, ids) in cases.items():
        if tested[split]["label"][ids].nunique() == 2:
            result[name] = asdict((auc(split, ids) - auc("artist", ids)).estimate())
    return result
