"""How sure a metric is: artists and seeds are drawn anew many times, and it is measured again.

A metric here is a function ``(y_true, score, weights)`` of labels [shape=(n,)], scores
[shape=(n,)] and weights [shape=(resamples, n)], how often each track stands in each resample; it
returns an array [shape=(resamples,)], NaN where a resample has no value.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import t

from hiphoplib.run_size import run_size

RESAMPLES = run_size().resamples
BLOCK = 100  # resamples that are measured at a time: of a million clips they fit into memory


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval.

    Parameters
    ----------
    mean, low, high : float

    Examples
    --------
    >>> f"AUC {Estimate(0.646, 0.5904, 0.7):.3f}"
    'AUC 0.646 [0.590, 0.700]'
    """

    mean: float
    low: float
    high: float

    @classmethod
    def read(cls, entry: dict) -> "Estimate":
        """Take an estimate from a results file.

        Parameters
        ----------
        entry : dict
            With ``mean``, ``low`` and ``high``.

        Returns
        -------
        Estimate
        """
        return cls(entry["mean"], entry["low"], entry["high"])

    def __format__(self, spec: str) -> str:
        """Write all three numbers in one format, by default with three decimals."""
        spec = spec or ".3f"
        return f"{self.mean:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


@dataclass(frozen=True, eq=False)
class Resampled:
    """A value and that of every resample; what is computed from two of them is paired.

    Parameters
    ----------
    value : float
    draws : np.ndarray [shape=(resamples,)]
    """

    value: float
    draws: np.ndarray

    def __sub__(self, other):
        """Return the difference to another one of the same resamples, or to a number."""
        value, draws = _parts(other)
        return Resampled(self.value - value, self.draws - draws)

    def __truediv__(self, other):
        """Return the ratio to another one of the same resamples, or to a number."""
        value, draws = _parts(other)
        return Resampled(self.value / value, self.draws / draws)

    def estimate(self) -> Estimate:
        """Return the value with its percentile interval; resamples without a value are left out."""
        low, high = np.nanpercentile(self.draws, [2.5, 97.5])
        return Estimate(float(self.value), float(low), float(high))

    def p_value(self) -> float:
        """Return twice the share of resamples on the other side of 0, as for no difference."""
        draws = self.draws[np.isfinite(self.draws)]
        fewer = min((draws <= 0).sum(), (draws >= 0).sum())
        return float(min(1, 2 * (fewer + 1) / (len(draws) + 1)))


def _parts(other):
    return (other.value, other.draws) if isinstance(other, Resampled) else (other, other)


class Bootstrap:
    """Bootstrap over artists, since the tracks of one are no independent evidence, and seeds.

    Parameters
    ----------
    groups : array-like [shape=(n,)]
        Artist group of each track, see `splits.artist_groups`. Whole groups are drawn, and seeds
        of a model: of each one fewer than there are, so that the spread is that of a mean of all.
        With as many it would be too small by 1 - 1/n (Rao & Wu, JASA 83, 1988).
    resamples, seed : int

    Attributes
    ----------
    weights : np.ndarray [shape=(resamples, n)], uint8
        How often each track stands in each resample.

    Examples
    --------
    >>> boot = Bootstrap(["A", "A", "B", "C", "D"], resamples=500)
    >>> y_true, score = np.array([1, 1, 0, 0, 1]), np.array([0.9, 0.8, 0.3, 0.5, 0.4])
    >>> f"{boot.estimate(weighted_auc, y_true, score):.2f}"
    '0.83 [0.00, 1.00]'
    """

    def __init__(self, groups, resamples: int = RESAMPLES, seed: int = 0):
        self.weights, self._seed = _draws(groups, resamples, seed), seed

    def __getitem__(self, kept):
        """Return the bootstrap of some of the tracks, by a mask or their numbers."""
        some = object.__new__(Bootstrap)
        some.weights, some._seed = self.weights[:, kept], self._seed
        return some

    def outside(self) -> "Bootstrap":
        """Return the tracks that each resample left out, once each."""
        others = self[:]
        others.weights = (self.weights == 0).astype(np.uint8)
        return others

    def resample(self, metric: Callable, y_true: np.ndarray, scores: np.ndarray) -> Resampled:
        """Measure a metric on all tracks once, and on every resample.

        Parameters
        ----------
        metric : callable
            See the top of this module.
        y_true : np.ndarray [shape=(n,)]
            Labels, or what else the metric compares with.
        scores : np.ndarray [shape=(n,) or (n, seeds)]
            Of several seeds the mean of the metric is taken; each resample draws them anew, too,
            and two models with as many seeds have the same ones in it.

        Returns
        -------
        Resampled
        """

        def by_seed(weights):
            return np.array(
                [_in_blocks(metric, y_true, score, weights) for score in np.atleast_2d(scores.T)]
            )

        draws = by_seed(self.weights)
        return Resampled(
            by_seed(np.ones((1, len(y_true)))).mean(),
            (draws * self._seeds(*draws.shape)).sum(axis=0),
        )

    def _seeds(self, n, resamples):
        """How much each of n seeds weighs in each resample [shape=(n, resamples)]."""
        if n == 1:
            return np.ones((1, resamples))
        drawn = np.random.default_rng([self._seed, n]).multinomial(n - 1, [1 / n] * n, resamples)
        return drawn.T / (n - 1)

    def estimate(self, metric: Callable, y_true: np.ndarray, scores: np.ndarray) -> Estimate:
        """Measure a metric with its interval.

        Parameters
        ----------
        metric, y_true, scores
            As for `resample`.

        Returns
        -------
        Estimate
        """
        return self.resample(metric, y_true, scores).estimate()


def _draws(groups, resamples, seed):
    """How often each track stands in each resample of artist groups."""
    member = pd.factorize(np.asarray(groups))[0]
    n_groups = member.max() + 1
    rng, chance = np.random.default_rng(seed), np.full(n_groups, 1 / n_groups)
    weights = np.empty((resamples, len(member)), np.uint8)
    for drawn in weights:
        drawn[:] = rng.multinomial(n_groups - (n_groups > 2), chance)[member]
    return weights


def weighted_auc(y_true: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the ROC-AUC under many weightings of the tracks at once.

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


def _accuracy(y_true, score, weights):
    """Share of right calls, popular from a probability of 0.5 on."""
    weights = _floats(weights)
    return weights @ ((score >= 0.5) == y_true) / weights.sum(axis=1)


def _brier(y_true, score, weights):
    """Mean squared error of probabilities."""
    weights = _floats(weights)
    return weights @ (score - y_true) ** 2 / weights.sum(axis=1)


METRICS = {"auc": weighted_auc, "accuracy": _accuracy, "brier": _brier}


def _in_blocks(metric, y_true, score, weights):
    """A metric of resamples, some of them at a time."""
    return np.concatenate(
        [
            metric(y_true, score, weights[first : first + BLOCK])
            for first in range(0, len(weights), BLOCK)
        ]
    ).astype(float)


def _floats(weights):
    """Weights that can be added up: single precision for those of a `Bootstrap`."""
    return weights.astype(np.promote_types(weights.dtype, np.float32))


def mean_over(values: ArrayLike, weights: np.ndarray) -> dict | None:
    """Return the mean over clips with its 95 % interval.

    Parameters
    ----------
    values : array-like [shape=(clips,) or (clips, …)]; clips with NaN are left out
    weights : np.ndarray [shape=(resamples, clips)], of a `Bootstrap`

    Returns
    -------
    dict or None
        ``mean``, ``low``, ``high``; lists where the values have further axes; None where no clip
        is left.
    """
    array = np.asarray(values, dtype=float)
    there = ~np.isnan(array.reshape(len(array), -1)).any(axis=1)
    if not there.any():
        return None
    array, weights = array[there], weights[:, there].astype(float)
    weights = weights[weights.any(axis=1)]
    draws = np.tensordot(weights / weights.sum(axis=1, keepdims=True), array, axes=1)
    if array.ndim == 1:
        return asdict(Resampled(array.mean(), draws).estimate())
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    return {"mean": array.mean(axis=0).tolist(), "low": low.tolist(), "high": high.tolist()}


def holm(p_values: np.ndarray) -> np.ndarray:
    """Correct p-values for how many there are.

    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6, 1979.

    Parameters
    ----------
    p_values : np.ndarray [shape=(n,)]

    Returns
    -------
    np.ndarray [shape=(n,)]
        Below 0.05: significant, with a risk of 5 % that any of them is so by chance.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03]))
    array([0.03, 0.06, 0.06])
    """
    order, n = np.argsort(p_values), len(p_values)
    corrected = np.empty(n)
    corrected[order] = np.maximum.accumulate(np.sort(p_values) * np.arange(n, 0, -1))
    return np.minimum(corrected, 1)


def verdict(entry: dict, above: Any, below: Any, neither: Any, line: float = 0.0) -> Any:
    """Return one of three, by where an interval lies to a line.

    Parameters
    ----------
    entry : dict
        Of a results file, with ``low`` and ``high``.
    above, below, neither
        What is returned where the interval lies above the line, below it, or includes it.
    line : float

    Returns
    -------
    One of `above`, `below` and `neither`
    """
    return above if entry["low"] > line else below if entry["high"] < line else neither


def over_networks(values: Sequence[float]) -> dict[str, float] | None:
    """Return a mean of shares with its 95 % interval by Student's t.

    Parameters
    ----------
    values : sequence of float
        One a network, 0 to 1; the interval of a single one is all of that.

    Returns
    -------
    dict of str to float, or None
        None without a value.
    """
    n = len(values)
    if not n:
        return None
    mean = float(np.mean(values))
    half = t.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5 if n > 1 else 1.0
    return {"mean": mean, "low": max(0.0, mean - half), "high": min(1.0, mean + half)}
