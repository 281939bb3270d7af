"""How good a choice is: the best k of n songs, and the best of several models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import binom

from hiphoplib.evaluation.bootstrap import Bootstrap, Estimate, Resampled, weighted_auc


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


def best_model(boot: Bootstrap, metric: Callable, y_true: np.ndarray,
               scores: Mapping[str, np.ndarray]) -> tuple[str, Estimate]:
    """Return the best of several models, and how good it is once the choice is accounted for.

    The highest of many values is partly luck. So in each resample the best is chosen on the tracks
    that are in it, and measured on those that are not; the mean of that is the value (Tsamardinos
    et al., "Bootstrapping the out-of-sample predictions for efficient and accurate
    cross-validation", Machine Learning 107, 2018). The interval is as wide as that of the model.

    Parameters
    ----------
    boot : Bootstrap
    metric : callable
        See `bootstrap`; the higher, the better.
    y_true : np.ndarray [shape=(n,)]
    scores : mapping of str to np.ndarray [shape=(n,) or (n, seeds)]

    Returns
    -------
    name : str
    Estimate
    """
    inside = {name: boot.resample(metric, y_true, score) for name, score in scores.items()}
    outside = boot.outside()
    left_out = np.array([outside.resample(metric, y_true, score).draws
                         for score in scores.values()])
    chosen = np.argmax([model.draws for model in inside.values()], axis=0)
    name = max(inside, key=lambda model: inside[model].value)
    value = np.nanmean(left_out[chosen, np.arange(len(chosen))])
    draws = inside[name].draws + (value - inside[name].value)
    return name, Resampled(value, draws).estimate()


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
