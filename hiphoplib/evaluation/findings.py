"""What one model's held-out scores say: the numbers that a results file holds of it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hiphoplib.dataset.splits import artist_groups
from hiphoplib.evaluation.bootstrap import (
    estimate,
    estimate_over_seeds,
    metrics_with_intervals,
    resample_artists,
)
from hiphoplib.evaluation.selection import sieve, within_artist_auc, within_groups_auc
from hiphoplib.models.calibration import brier_skill, reliability

SIEVES = ((10, 1), (10, 3))  # pick so many of ten finished songs


@dataclass
class Heldout:
    """The tracks that models are judged on, once each.

    Parameters
    ----------
    tracks : pd.DataFrame
        Their rows of the tracks table, indexed by track id.
    y_true : np.ndarray of 0 and 1 [shape=(n,)]
        By the threshold of the fold that holds a track out.
    weights : np.ndarray [shape=(resamples, n)]
        From `metrics.resample_artists`.
    """

    tracks: pd.DataFrame
    y_true: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, task, ids, resamples):
        """Those of a task that have the given ids."""
        tracks = task.tracks.loc[ids]
        return cls(tracks, heldout_labels(task)[ids].to_numpy(),
                   resample_artists(artist_groups(tracks), resamples))


def heldout_labels(task):
    """Label of every held-out track by its own fold's threshold, pd.Series of int."""
    return pd.concat([task.labels[fold][side == "holdout"] for fold, side in task.sides.items()])


def findings(heldout, scores, draws):
    """All that is told of one model.

    Parameters
    ----------
    heldout : Heldout
    scores : np.ndarray [shape=(n, seeds)]
        Probability of being popular.
    draws : dict of np.ndarray [shape=(resamples,)]
        From `metrics.over_seeds`.

    Returns
    -------
    dict
        ``auc``, ``accuracy``, ``brier``, each with ``mean``, ``low``, ``high`` and ``by_seed``;
        ``brier_skill``; ``within_artist`` and ``within_genre``, None where there is no pair;
        ``sieve``; ``reliability``.
    """
    y_true, weights = heldout.y_true, heldout.weights
    told = metrics_with_intervals(y_true, scores, draws)
    told["brier_skill"] = estimate_over_seeds(brier_skill, y_true, scores, weights)
    told["within_artist"] = _within_artist(heldout, scores)
    told["within_genre"] = _within_genre(heldout, scores)
    told["sieve"] = sieve(y_true, scores, weights, SIEVES)
    told["reliability"] = reliability(y_true, scores.mean(axis=1)).to_dict("records")
    return told


def recovered(models, draws, oracle="oracle"):
    """Share of the oracle's lift over chance that each model recovers, dict of estimates.

    Parameters
    ----------
    models : dict of str to dict
        From `findings`.
    draws : dict of str to dict
        From `metrics.over_seeds`.
    """
    lift = models[oracle]["auc"]["mean"] - 0.5, draws[oracle]["auc"] - 0.5
    return {name: estimate((model["auc"]["mean"] - 0.5) / lift[0],
                           (draws[name]["auc"] - 0.5) / lift[1]) for name, model in models.items()}


def _within_artist(heldout, scores):
    artists = heldout.tracks["artists"].str[0].to_numpy()

    def auc(y_true, score, weights):
        return within_artist_auc(y_true, score, artists, weights)[0]

    _, n_artists = within_artist_auc(heldout.y_true, scores[:, 0], artists, heldout.weights[:1])
    if not n_artists:
        return None
    return {**estimate_over_seeds(auc, heldout.y_true, scores, heldout.weights),
            "artists": n_artists}


def _within_genre(heldout, scores):
    if "genre" not in heldout.tracks or heldout.tracks["genre"].nunique() < 2:
        return None
    genres = heldout.tracks["genre"].to_numpy()

    def auc(y_true, score, weights):
        return within_groups_auc(y_true, score, genres, weights)

    return estimate_over_seeds(auc, heldout.y_true, scores, heldout.weights) | {
        "genres": int(heldout.tracks["genre"].nunique())}
