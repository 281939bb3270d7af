"""Metrics of an order by popularity itself, not by a half of it, under many weightings at once.

Each is a metric as `bootstrap` has them, with the popularity in the place of labels.
"""

import numpy as np

PAIRS_AT_A_TIME = 2_000_000


def spearman(popularity: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Spearman's rank correlation.

    Parameters
    ----------
    popularity, score : np.ndarray [shape=(n,)]
        Of equals, each has the mean of their ranks.
    weights : np.ndarray [shape=(resamples, n)]

    Returns
    -------
    np.ndarray [shape=(resamples,)]
        NaN where either is the same for all tracks of a resample.

    Examples
    --------
    >>> spearman(np.array([10, 20, 30, 40]), np.array([0.1, 0.4, 0.3, 0.9]), np.ones((1, 4)))
    array([0.8])
    """
    weights = weights.astype(float)
    total = weights.sum(axis=1, keepdims=True)
    a, b = (_ranks(of, weights) - (total + 1) / 2 for of in (popularity, score))
    with np.errstate(invalid="ignore"):
        return (weights * a * b).sum(axis=1) / np.sqrt(
            (weights * a**2).sum(axis=1) * (weights * b**2).sum(axis=1)
        )


def _ranks(values, weights):
    """Rank of each row among the rows of each resample, of equals their mean."""
    equal, row = _ties(values, weights)
    return (np.cumsum(equal, axis=1) - (equal - 1) / 2)[:, row]


def _ties(values, weights):
    """Weight of each distinct value, ascending, in each resample, and which one each row has."""
    row = np.unique(values, return_inverse=True)[1]
    order = np.argsort(row, kind="stable")
    starts = np.flatnonzero(np.diff(row[order], prepend=-1))
    return np.add.reduceat(weights[:, order], starts, axis=1), row


def kendall(popularity: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Kendall's τ-b: of pairs that differ, those in order less those that are not.

    Parameters
    ----------
    popularity, score : np.ndarray [shape=(n,)]
    weights : np.ndarray [shape=(resamples, n)]

    Returns
    -------
    np.ndarray [shape=(resamples,)]
        NaN where either is the same for all tracks of a resample.

    Examples
    --------
    >>> kendall(np.array([10, 20, 30, 40]), np.array([0.1, 0.4, 0.3, 0.9]), np.ones((1, 4)))
    array([0.66666667])
    """
    # single precision holds the counts of a few thousand tracks to six digits, twice as fast
    weights, n = weights.astype(np.float32), len(score)
    in_order, columns = np.zeros(len(weights)), max(1, PAIRS_AT_A_TIME // n)
    codes = [np.unique(of, return_inverse=True)[1].astype(np.int32) for of in (popularity, score)]
    for first in range(0, n, columns):
        part = slice(first, first + columns)
        one, other = (np.sign(code[:, None] - code[None, part]) for code in codes)
        in_order += ((weights @ (one * other).astype(np.float32)) * weights[:, part]).sum(axis=1)
    differing = [_differing(of, weights.astype(float)) for of in (popularity, score)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return in_order / np.sqrt(differing[0] * differing[1])


def _differing(values, weights):
    """Ordered pairs of each resample whose values differ."""
    equal, _ = _ties(values, weights)
    return weights.sum(axis=1) ** 2 - (equal**2).sum(axis=1)


def top_tenth_recall(popularity: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return how much of the most popular tenth lies in the tenth with the highest scores.

    As recall@100 of 1,000 songs in Yang et al., "Revisiting the problem of audio-based hit song
    prediction using convolutional neural networks", ICASSP 2017; chance is 0.1.

    Parameters
    ----------
    popularity, score : np.ndarray [shape=(n,)]
        Where the tenth ends among equals, each of them is in it by the same share.
    weights : np.ndarray [shape=(resamples, n)]

    Returns
    -------
    np.ndarray [shape=(resamples,)]
    """
    weights = weights.astype(float)
    tenth = weights.sum(axis=1) / 10
    return (weights * _top(popularity, weights) * _top(score, weights)).sum(axis=1) / tenth


def _top(values, weights):
    """Share of each row that belongs to the highest tenth of each resample."""
    equal, row = _ties(-np.asarray(values, float), weights)
    before = np.cumsum(equal, axis=1) - equal
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = np.clip((weights.sum(axis=1, keepdims=True) / 10 - before) / equal, 0, 1)
    return np.where(equal > 0, inside, 0)[:, row]
