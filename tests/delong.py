"""The variance of an AUC without resampling, to check the bootstrap by.

DeLong, DeLong & Clarke-Pearson, "Comparing the areas under two or more correlated receiver
operating characteristic curves: a nonparametric approach", Biometrics 44(3), 1988; by midranks as
in Sun & Xu, "Fast implementation of DeLong's algorithm", IEEE Signal Processing Letters 21(11),
2014. Every track counts as evidence of its own: artists are not known to it.
"""

import numpy as np
from scipy.stats import norm, rankdata


def delong(y_true, scores):
    """AUC of models on the same tracks, and how they vary together.

    Parameters
    ----------
    y_true : np.ndarray of 0 and 1 [shape=(n,)]
    scores : np.ndarray [shape=(n, models)]

    Returns
    -------
    auc : np.ndarray [shape=(models,)]
    covariance : np.ndarray [shape=(models, models)]
    """
    popular = np.asarray(y_true, dtype=bool)
    pos, neg = scores[popular], scores[~popular]
    m, n = len(pos), len(neg)
    among_all = rankdata(np.vstack([pos, neg]), axis=0)
    # of a popular track, the share of the others below it; of another, that of the popular above
    below = (among_all[:m] - rankdata(pos, axis=0)) / n
    above = 1 - (among_all[m:] - rankdata(neg, axis=0)) / m
    covariance = np.cov(below, rowvar=False) / m + np.cov(above, rowvar=False) / n
    return below.mean(axis=0), np.atleast_2d(covariance)


def width(variance):
    """Width of the 95 % interval of a normal estimate, float."""
    return float(2 * norm.ppf(0.975) * np.sqrt(variance))
