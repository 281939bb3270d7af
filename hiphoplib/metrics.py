"""What a ranking is worth, under many weightings of the tracks at once: metrics, intervals."""

import numpy as np
import pandas as pd

RESAMPLES = 2000
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
    blocks = [_measure(y_true, score, _floats(weights[first: first + BLOCK]))
              for first in range(0, len(weights), BLOCK)]
    return {metric: np.concatenate([block[metric] for block in blocks]) for metric in METRICS}


def _measure(y_true, score, weights):
    total = weights.sum(axis=1)
    return {"auc": weighted_auc(y_true, score, weights),
            "accuracy": weights @ ((score >= 0.5) == y_true) / total,
            "brier": weights @ (score - y_true) ** 2 / total}


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


def metrics_with_intervals(y_true, scores, weights):
    """Metrics of one model over its seeds.

    Parameters
    ----------
    y_true : np.ndarray of 0 and 1 [shape=(n,)]
    scores : np.ndarray [shape=(n, seeds)]
        Probability of being popular.
    weights : np.ndarray [shape=(resamples, n)]
        From `resample_artists`.

    Returns
    -------
    dict
        By metric: ``mean`` over seeds, ``low`` and ``high`` of the 95 % interval of that mean
        over artists, ``by_seed``.
    """
    once = np.ones((1, len(y_true)))
    points = [measure(y_true, score, once) for score in scores.T]
    draws = [measure(y_true, score, weights) for score in scores.T]
    return {metric: {"mean": float(np.mean([point[metric][0] for point in points])),
                     **interval(np.mean([draw[metric] for draw in draws], axis=0)),
                     "by_seed": [float(point[metric][0]) for point in points]}
            for metric in METRICS}


def paired_differences(y_true, scores, weights, versus="rnn"):
    """Metric of every other model minus that of one, resample by resample.

    Parameters
    ----------
    scores : dict of str to np.ndarray [shape=(n, seeds)]

    Returns
    -------
    dict
        ``{"cnn1-rnn": {"auc": {"mean", "low", "high"}, …}, …}``
    """
    def over_seeds(model, weights):
        draws = [measure(y_true, score, weights) for score in scores[model].T]
        return {metric: np.mean([draw[metric] for draw in draws], axis=0) for metric in METRICS}

    if versus not in scores:
        return {}
    once, many = np.ones((1, len(y_true))), {model: over_seeds(model, weights) for model in scores}
    point = {model: over_seeds(model, once) for model in scores}
    return {f"{model}-{versus}": {
                metric: {"mean": float(point[model][metric][0] - point[versus][metric][0]),
                         **interval(many[model][metric] - many[versus][metric])}
                for metric in METRICS}
            for model in scores if model != versus}
