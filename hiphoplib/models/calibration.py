"""Calibration: from scores to probabilities, and how reliable those are."""

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, logit

MIN_SLOPE = 0.01  # a calibration turns no ranking around, whatever a small validation set says
BINS = 10


def platt(y_true: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """Fit a calibration on tracks that the model was not trained on.

    Platt, "Probabilistic outputs for support vector machines", 1999: a logistic curve over the
    scores' log odds, towards targets that are drawn in from 0 and 1 by the number of tracks.

    Parameters
    ----------
    y_true, score : np.ndarray [shape=(n,)]
        0 or 1, and between them.

    Returns
    -------
    slope, offset : float
    """
    x, popular = log_odds(score), np.asarray(y_true, dtype=float)
    positive, negative = popular.sum(), (1 - popular).sum()
    target = np.where(popular == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(parameters):
        z = parameters[0] * x + parameters[1]
        error = expit(z) - target
        return (np.logaddexp(0, z) - target * z).sum(), np.array([(error * x).sum(), error.sum()])

    found = minimize(loss, [1.0, 0.0], jac=True, method="L-BFGS-B",
                     bounds=[(MIN_SLOPE, None), (None, None)])
    return float(found.x[0]), float(found.x[1])


def calibrated(score: np.ndarray, slope: float, offset: float) -> np.ndarray:
    """Return the probabilities of a calibration fitted by `platt`.

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
