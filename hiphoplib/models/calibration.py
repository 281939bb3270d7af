"""Calibration: from scores to probabilities, and how reliable those are."""

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

SLOPES = 0.01, 100  # a calibration turns no ranking around, whatever a small validation set says
BINS = 10
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


def calibrated(score: np.ndarray, slope: float, offset: float) -> np.ndarray:
    """Return the probabilities of a calibration, see `comparison.Scores`.

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
    return pd.DataFrame([{"said": probability[part].mean(), "came": y_true[part].mean(),
                          "tracks": len(part)} for part in parts])


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


def calibration_slope(y_true: np.ndarray, probability: np.ndarray,
                      weights: np.ndarray) -> np.ndarray:
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


def calibration_intercept(y_true: np.ndarray, probability: np.ndarray,
                          weights: np.ndarray) -> np.ndarray:
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
        curvature = np.einsum("rn,in,jn->rij", weights * p * (1 - p), inputs, inputs,
                              optimize=True)
        step = (np.linalg.pinv(curvature) @ slopes[..., None])[..., 0].clip(-LONGEST, LONGEST)
        found += step
        if np.abs(step).max() < 1e-9:
            break
    return found
