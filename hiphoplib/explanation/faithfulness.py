"""How right an attribution is, by the network and by a cause that is known.

Deletion and insertion curves (Petsiuk, Das & Saenko, BMVC 2018) ask the network; `recovery` and
`top_hit` compare with the segments in which a known cause acts.
"""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import trapezoid
from sklearn.metrics import roc_auc_score

from hiphoplib.evaluation.bootstrap import Resampled
from hiphoplib.explanation.lime import Attribution, Model, probabilities
from hiphoplib.explanation.segments import Fill, compose

STEP = 2  # segments at a time
RANDOM_ORDERS = 10


def curves(model: Model, S_db: np.ndarray, attribution: Attribution, fills: Sequence[Fill],
           seed: int = 0) -> dict[str, dict[str, np.ndarray]]:
    """Return the probability of the predicted class as segments go, and as they come back.

    Parameters
    ----------
    model : Model
    S_db : np.ndarray [shape=(n_mels, frames)], in dB
    attribution : Attribution
    fills : sequence of Fill, over which curves are averaged
    seed : int

    Returns
    -------
    dict of dict of np.ndarray [shape=(1 + segments / STEP,)]
        ``deletion`` and ``insertion``, each of the orders "lime" (what speaks most for the
        predicted class first), "loudest" first, and "random", the mean of `RANDOM_ORDERS`.
    """
    grid, sign = attribution.grid, 1 if attribution.probability >= 0.5 else -1
    rng = np.random.default_rng(seed)
    orders = {"lime": [_ranked(sign * attribution.weights)],
              "loudest": [_ranked(grid.means(S_db))],
              "random": [rng.permutation(grid.size) for _ in range(RANDOM_ORDERS)]}
    counts = [*range(0, grid.size, STEP), grid.size]

    def curve(order, fill, way):
        off = np.zeros((len(counts), grid.size), dtype=bool)
        for row, count in zip(off, counts):
            row[order[:count]] = True
        masks = (off if way == "insertion" else ~off).reshape(-1, *grid.shape)
        p = probabilities(model, compose(S_db, masks, grid, fill))
        return p if sign > 0 else 1 - p

    return {way: {name: np.mean([curve(order, fill, way) for order in several for fill in fills],
                                axis=0)
                  for name, several in orders.items()} for way in ("deletion", "insertion")}


def area(curve: np.ndarray) -> float:
    """Return the area under a deletion or insertion curve: its mean height.

    Parameters
    ----------
    curve : np.ndarray [shape=(points,)]

    Returns
    -------
    float
    """
    return float(trapezoid(curve, dx=1 / (len(curve) - 1)))


def recovery(weights: np.ndarray, truth: np.ndarray) -> float:
    """Return the ROC-AUC of a map of weights against the segments in which a cause acts.

    Parameters
    ----------
    weights : np.ndarray [shape=(n_bands, n_segments)], higher where the explanation puts the cause
    truth : np.ndarray of bool [shape=(n_bands, n_segments)]

    Returns
    -------
    float, 0.5 is chance; NaN where the cause acts nowhere or everywhere

    Examples
    --------
    >>> recovery(np.array([[0.2, 0.1, -0.3]]), np.array([[True, False, True]]))
    0.5
    """
    if truth.all() or not truth.any():
        return np.nan
    return float(roc_auc_score(truth.ravel(), weights.ravel()))


def top_hit(weights: np.ndarray, truth: np.ndarray, top: int = 1) -> bool:
    """Return whether a cause acts in one of the segments with the highest weights.

    Parameters
    ----------
    weights : np.ndarray [shape=(n_bands, n_segments)]
    truth : np.ndarray of bool [shape=(n_bands, n_segments)]
    top : int

    Returns
    -------
    bool
    """
    return bool(truth.ravel()[_ranked(weights)[:top]].any())


def _ranked(scores):
    """Return the numbers of segments in the order of their scores, the highest first."""
    return np.argsort(-np.ravel(scores), kind="stable")


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
