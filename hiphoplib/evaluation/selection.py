"""How good the picks of a ranking are: the best k of n songs, and the order within an artist."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import binom

from hiphoplib.evaluation.bootstrap import Bootstrap, weighted_auc

MIN_TRACKS = 5  # of an artist within which a ranking is judged


def precision_at_k(y_true: np.ndarray, score: np.ndarray, weights: np.ndarray, *, n: int = 10,
                   k: int = 3, base: float | None = None) -> np.ndarray:
    """Return the share of popular songs among the k that a model puts first of n.

    The n songs are drawn one by one, each popular with probability `base`, its score one of the
    tracks of its class. Whether a song is among the first k depends on how many of the n - 1
    others are above it, a binomial number, so that no songs need be drawn: of ties, which are
    broken at random, the mean over their ranks is an integral with a closed form.

    Parameters
    ----------
    y_true : np.ndarray of 0 and 1 [shape=(tracks,)]
    score : np.ndarray [shape=(tracks,)]
    weights : np.ndarray [shape=(resamples, tracks)]
        How often each track stands in each resample.
    n, k : int
    base : float in (0, 1), optional
        Share of popular songs among those that are drawn from; that of the resample if not given.

    Returns
    -------
    np.ndarray [shape=(resamples,)]
        NaN where a resample has one class only.
    """
    order = np.argsort(-score, kind="stable")
    ranked, popular = score[order], y_true[order].astype(bool)
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    weights = weights[:, order].astype(float)
    pos, neg = (np.add.reduceat(weights * of, starts, axis=1) for of in (popular, ~popular))
    share = (pos.sum(axis=1) / weights.sum(axis=1) if base is None
             else np.full(len(weights), float(base)))[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        pos, neg = (of / of.sum(axis=1, keepdims=True) for of in (pos, neg))
        drawn = share * pos + (1 - share) * neg  # of a song: that it has this score
        above = np.clip(np.cumsum(drawn, axis=1), 0, 1)
        first = np.diff(_expected_first(above, n, k), prepend=0, axis=1)
        return n / k * (share * pos * np.where(drawn > 0, first / drawn, 0)).sum(axis=1)


def _expected_first(above, n, k):
    """Integral, from 0, of the probability that a song with so many above it is among the first k.

    The probability is that at most k - 1 of n - 1 are above; its integral is the mean of
    min(k, how many of n are above), divided by n.
    """
    return sum(binom.sf(j, n, above) for j in range(k)) / n


def _positive_share(y_true, score, weights):
    """Share of popular tracks, whatever their scores."""
    return weights @ y_true / weights.sum(axis=1)


def hit_shares(boot: Bootstrap, y_true: np.ndarray, scores: np.ndarray,
               picks: Sequence[tuple[int, int]],
               base_rates: Sequence[float | None] = (None, 0.2)) -> list[dict]:
    """Measure `precision_at_k` of a model and its lift over a blind pick, with intervals.

    Parameters
    ----------
    boot : Bootstrap
    y_true : np.ndarray of 0 and 1 [shape=(tracks,)]
    scores : np.ndarray [shape=(tracks, seeds)]
    picks : sequence of (n, k)
    base_rates : sequence of float or None
        None is the observed one.

    Returns
    -------
    list of dict
        ``n``, ``k``, ``base`` (None: observed), ``hit_share`` and ``lift``, each with ``mean``,
        ``low`` and ``high``. Lift is how many times as many hits as a blind pick has.
    """
    rows = []
    for (n, k), base in ((pick, base) for pick in picks for base in base_rates):
        share = boot.resample(partial(precision_at_k, n=n, k=k, base=base), y_true, scores)
        blind = base or boot.resample(_positive_share, y_true, scores[:, 0])
        rows.append({"n": n, "k": k, "base": base, "hit_share": asdict(share.estimate()),
                     "lift": asdict((share / blind).estimate())})
    return rows


def within_artist_auc(y_true: np.ndarray, score: np.ndarray, artists: np.ndarray,
                      weights: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the AUC among the tracks of one artist, over all artists that have enough of them.

    An artist compares their own songs, and fame is the same in each of these pairs.

    Parameters
    ----------
    y_true : np.ndarray of 0 and 1 [shape=(tracks,)]
    score : np.ndarray [shape=(tracks,)]
    artists : np.ndarray [shape=(tracks,)]
        The main artist of each.
    weights : np.ndarray [shape=(resamples, tracks)]
        From `Bootstrap`: one number for all tracks of an artist.

    Returns
    -------
    auc : np.ndarray [shape=(resamples,)]
        Share of the pairs of a popular and an unpopular track by one artist, of artists with at
        least five tracks and both classes, that are in the right order. NaN where there are none.
    n_artists : int
    """
    right = np.zeros(len(weights))
    pairs = np.zeros(len(weights))
    n_artists = 0
    for rows in pd.Series(np.arange(len(y_true))).groupby(np.asarray(artists)).indices.values():
        popular = int(y_true[rows].sum())
        if len(rows) < MIN_TRACKS or popular in (0, len(rows)):
            continue
        n_artists += 1
        n_pairs = popular * (len(rows) - popular)
        times = weights[:, rows[0]].astype(float) * n_pairs
        right += times * weighted_auc(y_true[rows], score[rows], np.ones((1, len(rows))))[0]
        pairs += times
    with np.errstate(invalid="ignore"):
        return right / pairs, n_artists


def within_groups_auc(y_true: np.ndarray, score: np.ndarray, groups: np.ndarray,
                      weights: np.ndarray) -> np.ndarray:
    """Return the AUC among tracks of one genre, or fold: share of pairs within a group in order.

    Parameters
    ----------
    y_true : np.ndarray of 0 and 1 [shape=(tracks,)]
    score : np.ndarray [shape=(tracks,)]
    groups : np.ndarray [shape=(tracks,)]
        A track without a group counts for none.
    weights : np.ndarray [shape=(resamples, tracks)]

    Returns
    -------
    np.ndarray [shape=(resamples,)]
    """
    right, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for rows in pd.Series(np.arange(len(y_true))).groupby(np.asarray(groups)).indices.values():
        inside = weights[:, rows].astype(float)
        n_pairs = (inside @ y_true[rows]) * (inside @ (1 - y_true[rows]))
        auc = weighted_auc(y_true[rows], score[rows], inside)
        right += np.where(n_pairs > 0, auc * n_pairs, 0)
        pairs += n_pairs
    with np.errstate(invalid="ignore"):
        return right / pairs
