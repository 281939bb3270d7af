"""Calibration: from scores to probabilities, how reliable those are, and of which music."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from hiphoplib.dataset.features import standardised

SLOPES = 0.01, 100  # a calibration turns no ranking around, whatever a small validation set says
BINS = 10
AXES = 100  # of a domain: of 10, 30 and 100 those by which validation tracks are likeliest
SHARE = 0.99  # of the validation tracks that lie within a domain
STEPS, LONGEST = 20, 3.0  # of Newton's method, and how far one may go from a poor start


def fit_slope(y_true: np.ndarray, x: np.ndarray, base: np.ndarray) -> float:
    """Fit how much log odds have to be stretched, on tracks that the model was not trained on.

    Platt, "Probabilistic outputs for support vector machines", 1999, with one parameter: two for
    each fold, from some 55 tracks, would cost an AUC over all folds about 0.01. The targets are
    drawn in from 0 and 1 by the number of tracks, as there.

    Parameters
    ----------
    y_true : np.ndarray of 0 and 1 [shape=(n,)]
    x : np.ndarray [shape=(n,)]
        Log odds of the scores, less their mean in each fold.
    base : np.ndarray [shape=(n,)]
        Log odds of being popular in the fold's training set.

    Returns
    -------
    float
    """
    popular = np.asarray(y_true, dtype=float)
    positive, negative = popular.sum(), (1 - popular).sum()
    target = np.where(popular == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(log_slope):
        z = np.exp(log_slope) * x + base
        return (np.logaddexp(0, z) - target * z).sum()

    return float(np.exp(minimize_scalar(loss, bounds=np.log(SLOPES), method="bounded").x))


def fit_calibration(folds: Mapping[int, pd.DataFrame]) -> dict[int, tuple[float, float]]:
    """Fit the calibration of a model: one slope for all folds, the base rate of each.

    Parameters
    ----------
    folds : mapping of int to pd.DataFrame
        Tracks of each fold: log odds of their scores ``x``, which count less their mean in the
        fold, labels ``y``, and ``base`` as for `fit_slope`.

    Returns
    -------
    dict of int to (slope, offset)
        By fold, for `calibrated`.
    """
    middles = {fold: tracks["x"].mean() for fold, tracks in folds.items()}
    centred = pd.concat([tracks.assign(x=tracks["x"] - middles[f]) for f, tracks in folds.items()])
    slope = fit_slope(*(centred[of].to_numpy() for of in ("y", "x", "base")))
    return {
        fold: (slope, float(tracks["base"].iloc[0] - slope * middles[fold]))
        for fold, tracks in folds.items()
    }


def calibrated(score: np.ndarray, slope: float, offset: float) -> np.ndarray:
    """Return the probabilities of a calibration, see `fit_calibration`.

    Parameters
    ----------
    score : np.ndarray [shape=(n,)]
    slope, offset : float

    Returns
    -------
    np.ndarray [shape=(n,)]

    Examples
    --------
    >>> calibrated(np.array([0.2, 0.5, 0.9]), 0.5, 0.1).round(2)
    array([0.36, 0.52, 0.77])
    """
    return expit(slope * log_odds(score) + offset)


def log_odds(score: np.ndarray) -> np.ndarray:
    """Return the logarithm of score / (1 - score), finite.

    Parameters
    ----------
    score : np.ndarray [shape=(n,)]

    Returns
    -------
    np.ndarray [shape=(n,)]
    """
    return logit(np.clip(np.asarray(score, dtype=float), 1e-6, 1 - 1e-6))


def together(probabilities: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Return the probabilities of several trainings as one: the mean of their log odds.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(n_trainings, n)], calibrated

    Returns
    -------
    np.ndarray [shape=(n,)]

    Examples
    --------
    >>> together([[0.2, 0.5], [0.8, 0.9]]).round(2)
    array([0.5 , 0.75])
    """
    return expit(log_odds(np.asarray(probabilities)).mean(axis=0))


@dataclass(frozen=True, eq=False)
class Domain:
    """What a model learnt from, as a region of the space of hand-crafted features.

    Distances are those of probabilistic principal components (Tipping & Bishop, Journal of the
    Royal Statistical Society B 61, 1999): a Mahalanobis distance whose small axes are all alike.

    Parameters
    ----------
    table : pd.DataFrame, indexed by feature
        ``mean`` and ``scale`` of the tracks, ``centre`` once standardised, and an axis a column.
    noise : float
        Variance along all other axes.
    limit : float
        The squared distance within which `SHARE` of tracks lie that it was not fitted on.
    """

    table: pd.DataFrame
    noise: float
    limit: float = np.inf

    def distance(self, X: pd.DataFrame) -> np.ndarray:
        """Return squared distances from the middle.

        Parameters
        ----------
        X : pd.DataFrame [shape=(n, features)]
            Other columns do not matter.

        Returns
        -------
        np.ndarray [shape=(n,)]
        """
        t = self.table
        Z = standardised(X[t.index], t["mean"], t["scale"]) - t["centre"].to_numpy()
        return (Z**2).sum(axis=1) / self.noise - ((Z @ t.iloc[:, 3:].to_numpy()) ** 2).sum(axis=1)

    def outside(self, X: pd.DataFrame) -> bool:
        """Return whether all windows of a song lie outside.

        One inside is enough: intros and bridges differ from the clips that are published of songs.

        Parameters
        ----------
        X : pd.DataFrame [shape=(n_windows, features)]

        Returns
        -------
        bool
        """
        return bool(self.distance(X).min() > self.limit)


def fit_domain(X: pd.DataFrame, sets: Sequence[tuple[pd.Index, pd.Index]]) -> Domain:
    """Describe what a model learnt from.

    Parameters
    ----------
    X : pd.DataFrame [shape=(tracks, features)], indexed by track id
    sets : sequence of (training ids, validation ids)
        Of each fold. How far tracks may lie is learnt from the latter, the rest from all.

    Returns
    -------
    Domain
    """
    away = [_axes(X.loc[train]).distance(X.loc[validation]) for train, validation in sets]
    domain = _axes(X.loc[np.unique(np.concatenate([train for train, _ in sets]))])
    return Domain(domain.table, domain.noise, float(np.quantile(np.concatenate(away), SHARE)))


def _axes(X):
    """A domain without a limit."""
    mean, scale = X.mean().fillna(0), X.std(ddof=0).fillna(0).replace(0, 1)
    with threadpool_limits(1):
        fitted = PCA(min(AXES, len(X) // 2, X.shape[1] - 1), svd_solver="full").fit(
            standardised(X, mean, scale)
        )
    noise = max(fitted.noise_variance_, 1e-6)
    less = np.sqrt(np.maximum(0, 1 / noise - 1 / np.maximum(fitted.explained_variance_, noise)))
    table = pd.DataFrame({"mean": mean, "scale": scale, "centre": fitted.mean_})
    return Domain(
        table.join(
            pd.DataFrame((fitted.components_ * less[:, None]).T, X.columns).add_prefix("axis")
        ),
        float(noise),
    )


def reliability(y_true: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """Compare predicted probabilities with what came true, in bins of equal size.

    Parameters
    ----------
    y_true, probability : np.ndarray [shape=(n,)]

    Returns
    -------
    pd.DataFrame
        ``said``, the mean probability; ``came``, the share of popular tracks; ``tracks``.
    """
    order = np.argsort(probability, kind="stable")
    parts = np.array_split(order, min(BINS, len(order)))
    return pd.DataFrame(
        [
            {"said": probability[part].mean(), "came": y_true[part].mean(), "tracks": len(part)}
            for part in parts
        ]
    )


def brier_skill(y_true: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the share of the base rate's squared error that a model takes away.

    Parameters
    ----------
    y_true, probability : np.ndarray [shape=(n,)]
    weights : np.ndarray [shape=(resamples, n)]

    Returns
    -------
    np.ndarray [shape=(resamples,)]
        1 is perfect, 0 no better than the base rate. NaN where a resample has one class only.
    """
    total = weights.sum(axis=1)
    base = weights @ y_true / total
    guessing = np.where((base > 0) & (base < 1), base * (1 - base), np.nan)
    return 1 - (weights @ (probability - y_true) ** 2 / total) / guessing


def calibration_slope(
    y_true: np.ndarray, probability: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return the slope of the labels' log odds over the predicted ones, by logistic regression.

    Parameters
    ----------
    y_true, probability : np.ndarray [shape=(n,)]
    weights : np.ndarray [shape=(resamples, n)]

    Returns
    -------
    np.ndarray [shape=(resamples,)]
        1 is calibrated, below 1 too sure of itself.
    """
    x = log_odds(probability)
    return _logistic_fit(y_true, np.stack([x, np.ones_like(x)]), 0, weights)[:, 0]


def calibration_intercept(
    y_true: np.ndarray, probability: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return what is missing in the predicted log odds, all alike: 0 if the mean is right.

    Parameters
    ----------
    y_true, probability : np.ndarray [shape=(n,)]
    weights : np.ndarray [shape=(resamples, n)]

    Returns
    -------
    np.ndarray [shape=(resamples,)]
    """
    x = log_odds(probability)
    return _logistic_fit(y_true, np.ones((1, len(x))), x, weights)[:, 0]


def _logistic_fit(y_true, inputs, offset, weights):
    """Coefficients [shape=(resamples, inputs)] under every weighting, by Newton's method."""
    found = np.zeros((len(weights), len(inputs)))
    for _ in range(STEPS):
        p = expit(found @ inputs + offset)
        slopes = (weights * (y_true - p)) @ inputs.T
        curvature = np.einsum("rn,in,jn->rij", weights * p * (1 - p), inputs, inputs, optimize=True)
        step = (np.linalg.pinv(curvature) @ slopes[..., None])[..., 0].clip(-LONGEST, LONGEST)
        found += step
        if np.abs(step).max() < 1e-9:
            break
    return found
