"""What a ranking is worth, under many weightings of the tracks at once: metrics, intervals."""

import numpy as np
import pandas as pd

from hiphoplib.run_size import run_size

RESAMPLES = run_size().resamples
BLOCK = 100  # resamples that are measured at a time: of a million clips they fit into memory
METRICS = ("auc", "accuracy", "brier")


def weighted_auc(y_true, score, weights):
    """ROC-AUC under many weightings of the tracks at once.

    Parameters
    ----------
    y_true : np.ndarray of 0 and 1 [shape=(n,)]
    score : np.ndarray [shape=(n,)]
        Ties count half.
    weights : np.ndarray [shape=(resamples, n)]
        How often each track stands in each resample.

    Returns
    -------
    np.ndarray [shape=(resamples,)]
        NaN where a resample has one class only.
    """
    order = np.argsort(score, kind="stable")
    ranked, positive = score[order], y_true[order].astype(bool)
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    weights = _floats(weights[:, order])
    pos = np.add.reduceat(weights * positive, starts, axis=1)
    neg = np.add.reduceat(weights * ~positive, starts, axis=1)
    below = np.cumsum(neg, axis=1) - neg / 2
    with np.errstate(invalid="ignore"):
        return (pos * below).sum(axis=1) / (pos.sum(axis=1) * neg.sum(axis=1))


def measure(y_true, score, weights):
    """Every metric under many weightings, dict of np.ndarray [shape=(resamples,)].

    ``accuracy`` calls a track popular from a probability of 0.5 on; ``brier`` is the mean squared
    error of the probability.
    """
    def measured(weights):
        weights = _floats(weights)
        total = weights.sum(axis=1)
        return np.column_stack([weighted_auc(y_true, score, weights),
                                weights @ ((score >= 0.5) == y_true) / total,
                                weights @ (score - y_true) ** 2 / total])

    return dict(zip(METRICS, in_blocks(measured, weights).T))


def in_blocks(function, weights):
    """What a function says of resamples, some of them at a time.

    Parameters
    ----------
    function : callable
        From weights [shape=(block, n)] to an np.ndarray whose first axis is the block's.
    weights : np.ndarray [shape=(resamples, n)]

    Returns
    -------
    np.ndarray [shape=(resamples, …)]
    """
    return np.concatenate([function(weights[first: first + BLOCK])
                           for first in range(0, len(weights), BLOCK)])


def _floats(weights):
    """Weights that can be added up: single precision for those of `resample_artists`."""
    return weights.astype(np.promote_types(weights.dtype, np.float32))


def resample_artists(groups, resamples=RESAMPLES, seed=0):
    """How often each track stands in each bootstrap sample of artist groups.

    Tracks of one artist are no independent evidence, so whole groups are drawn.

    Returns
    -------
    np.ndarray [shape=(resamples, n)], uint8
    """
    member = pd.factorize(np.asarray(groups))[0]
    n_groups = member.max() + 1
    rng, chance = np.random.default_rng(seed), np.full(n_groups, 1 / n_groups)
    weights = np.empty((resamples, len(member)), np.uint8)
    for drawn in weights:
        drawn[:] = rng.multinomial(n_groups, chance)[member]
    return weights


def interval(draws):
    """Ends of the 95 % percentile interval, resamples without a value left out."""
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return {"low": float(low), "high": float(high)}


def estimate(point, draws):
    """A value and the 95 % interval of its resamples, dict of ``mean``, ``low`` and ``high``."""
    return {"mean": float(point), **interval(draws)}


def estimate_over_seeds(metric, y_true, scores, weights):
    """Mean over seeds of a metric with the interval of that mean, as `estimate` gives it.

    Parameters
    ----------
    metric : callable
        ``(y_true, score, weights)`` to np.ndarray [shape=(resamples,)], as `weighted_auc`.
    y_true, scores, weights
        As for `over_seeds`.
    """
    def mean(weights):
        return np.mean([in_blocks(lambda block, score=score: metric(y_true, score, block), weights)
                        for score in scores.T], axis=0)

    return estimate(mean(np.ones((1, len(y_true))))[0], mean(weights))


def verdict(found, above, below, neither, line=0.0):
    """One of three, by where the interval of an estimate lies to a line."""
    return above if found["low"] > line else below if found["high"] < line else neither


def over_seeds(y_true, scores, weights):
    """Metrics of one model, mean over its seeds.

    Parameters
    ----------
    y_true : np.ndarray of 0 and 1 [shape=(n,)]
    scores : np.ndarray [shape=(n, seeds)]
        Probability of being popular.
    weights : np.ndarray [shape=(resamples, n)]
        From `resample_artists`.

    Returns
    -------
    dict of np.ndarray [shape=(resamples,)]
    """
    draws = [measure(y_true, score, weights) for score in scores.T]
    return {metric: np.mean([draw[metric] for draw in draws], axis=0) for metric in METRICS}


def metrics_with_intervals(y_true, scores, draws):
    """Metrics of one model over its seeds.

    Parameters
    ----------
    y_true, scores
        As for `over_seeds`.
    draws : dict of np.ndarray
        What `over_seeds` gives for the resamples.

    Returns
    -------
    dict
        By metric: ``mean`` over seeds, ``low`` and ``high`` of the 95 % interval of that mean
        over artists, ``by_seed``.
    """
    once = np.ones((1, len(y_true)))
    points = [measure(y_true, score, once) for score in scores.T]
    return {metric: {**estimate(np.mean([point[metric][0] for point in points]), draws[metric]),
                     "by_seed": [float(point[metric][0]) for point in points]}
            for metric in METRICS}


def paired_differences(y_true, scores, draws, pairs):
    """Metric of one model minus that of another, resample by resample.

    Parameters
    ----------
    y_true : np.ndarray of 0 and 1 [shape=(n,)]
    scores : dict of str to np.ndarray [shape=(n, seeds)]
    draws : dict of str to dict
        What `over_seeds` gives for each model.
    pairs : list of (str, str)

    Returns
    -------
    dict
        ``{"cnn1-rnn": {"auc": {"mean", "low", "high"}, …}, …}``
    """
    once = np.ones((1, len(y_true)))
    point = {model: over_seeds(y_true, scores[model], once) for pair in pairs for model in pair}
    return {f"{one}-{other}": {metric: estimate(
                point[one][metric][0] - point[other][metric][0],
                draws[one][metric] - draws[other][metric]) for metric in METRICS}
            for one, other in pairs}
