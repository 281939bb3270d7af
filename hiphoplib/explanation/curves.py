"""Whether an explanation holds: does it find what is there, and does what it names matter?

An explanation is not judged by how plausible it looks, nor by its R². Deletion and insertion are
those of Petsiuk, Das & Saenko (BMVC 2018), with cells for pixels.
"""

from itertools import combinations

import numpy as np
from scipy.integrate import trapezoid
from sklearn.metrics import roc_auc_score

from hiphoplib.explanation.attribution import probabilities
from hiphoplib.explanation.lime import Explanation
from hiphoplib.explanation.segments import compose

STEP = 2  # cells at a time
DRAWS = 10  # random orders


def own_side(probability):
    """1 where a model calls a clip popular, -1 where not."""
    return 1 if probability >= 0.5 else -1


def recovery(weights, truth):
    """ROC-AUC of a map of weights against the cells where a cause acts, float; 0.5 is chance.

    Parameters
    ----------
    weights : np.ndarray [shape=(n_bands, n_cells)]
        Higher where the explanation puts the cause.
    truth : np.ndarray of bool [shape=(n_bands, n_cells)]

    Returns
    -------
    float
        NaN where the cause acts nowhere or everywhere.
    """
    if truth.all() or not truth.any():
        return np.nan
    return float(roc_auc_score(truth.ravel(), weights.ravel()))


def hit(weights, truth, top=1):
    """Whether one of the cells with the highest weights is one where the cause acts, bool."""
    return bool(truth.ravel()[ranked(weights)[:top]].any())


def top_overlap(runs, top=3):
    """How many of the strongest cells two seeds have in common, share, mean over all pairs.

    Parameters
    ----------
    runs : np.ndarray [shape=(n_fillings, n_seeds, n_bands, n_cells)]
    """
    tops = [set(ranked(map_)[:top]) for map_ in np.abs(runs.mean(axis=0))]
    return float(np.mean([len(one & other) / top for one, other in combinations(tops, 2)]))


def curves(model, S_db, found: Explanation, fillings, seed=0):
    """The model's probability of its own answer, as cells go, and as they come back.

    Parameters
    ----------
    model, S_db, fillings
        As for `explain.explain`; curves are means over the fillings.
    found : Explanation
    seed : int
        Of the random orders.

    Returns
    -------
    dict of dict of np.ndarray [shape=(1 + cells / STEP,)]
        ``deletion`` and ``insertion``, each of the orders "lime" (what speaks most for the model's
        own answer first), "loudest" first, and "random", the mean of `DRAWS` orders.
    """
    grid, side = found.grid, own_side(found.probability)
    rng = np.random.default_rng(seed)
    orders = {"lime": [ranked(side * found.weights)], "loudest": [ranked(grid.means(S_db))],
              "random": [rng.permutation(grid.size) for _ in range(DRAWS)]}
    return {way: {name: np.mean([_curve(model, S_db, grid, filling, order, side, way == "insertion")
                                 for order in several for filling in fillings], axis=0)
                  for name, several in orders.items()} for way in ("deletion", "insertion")}


def ranked(scores):
    """Cells in the order of their scores, the highest first, int [shape=(cells,)]."""
    return np.argsort(-np.ravel(scores), kind="stable")


def _curve(model, S_db, grid, filling, order, side, insert):
    """Probability of the own answer after 0, STEP, 2 STEP, … cells of an order."""
    counts = [*range(0, grid.size, STEP), grid.size]
    masks = np.ones((len(counts), grid.size), dtype=bool)
    for mask, count in zip(masks, counts):
        mask[order[:count]] = False
    if insert:
        masks = ~masks
    p = probabilities(model, compose(S_db, masks.reshape(-1, *grid.shape), grid, filling))
    return p if side > 0 else 1 - p


def area(curve):
    """Mean height of a curve over the share of the cells, trapezoidal, float."""
    return float(trapezoid(curve, dx=1 / (len(curve) - 1)))
