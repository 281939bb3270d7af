"""What many explained clips say together; every figure with the interval of artists drawn anew."""

import json
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np
from scipy.integrate import trapezoid
from scipy.stats import hypergeom
from sklearn.metrics import roc_auc_score

from hiphoplib.evaluation.bootstrap import Resampled
from hiphoplib.explanation.lime import Explanation, probabilities
from hiphoplib.explanation.segments import compose

CLEAR = 1.0  # standard deviations from which on a cause is turned clearly up or down
SIDES = {"popular": 1, "unpopular": 0}
STEP = 2  # cells at a time
DRAWS = 10  # random orders


def measured(rows, popular, weights):
    """What the clips say together.

    Parameters
    ----------
    rows : list of dict
        Of each clip: "found", an `Explanation`; "curves", by fillings what `faithful.curves`
        gives; "causes", of a synthetic corpus what `causes.acting` gives.
    popular : np.ndarray of 0 and 1 [shape=(clips,)]
    weights : np.ndarray [shape=(resamples, clips)]
        From `Bootstrap`.

    Returns
    -------
    dict
        ``recovery``, of a synthetic corpus, see `recovered`; those of `compared`; ``curves`` of the
        probability; ``stability``, share of the top three cells that two seeds have in common;
        ``r2``; ``claims``, see `claimed`; ``witnesses``, rank correlation with each; those of
        `listened`.
    """
    found = [row["found"] for row in rows]
    return {
        **({"recovery": recovered(rows, weights)} if "causes" in rows[0] else {}),
        **compared(rows, weights),
        "curves": {way: {order: mean_over([row["curves"]["both"][way][order] for row in rows],
                                          weights) for order in ("lime", "random", "loudest")}
                   for way in ("deletion", "insertion")},
        "stability": mean_over([top_overlap(each.runs) for each in found], weights),
        "r2": mean_over([each.r2.mean() for each in found], weights),
        "claims": claimed(found, weights),
        "witnesses": {name: mean_over([each.correlations[name] for each in found], weights)
                      for name in found[0].witnesses},
        **listened(found, popular, weights),
    }


def mean_over(values, weights):
    """Mean over clips with its 95 % interval, dict of ``mean``, ``low``, ``high``.

    Parameters
    ----------
    values : sequence [shape=(clips,) or (clips, …)]
        Clips with NaN are left out.
    weights : np.ndarray [shape=(resamples, clips)]
        From `Bootstrap`.

    Returns
    -------
    dict or None
        Lists where the values have further axes; None where no clip is left.
    """
    values = np.asarray(values, float)
    there = ~np.isnan(values.reshape(len(values), -1)).any(axis=1)
    if not there.any():
        return None
    values, weights = values[there], weights[:, there].astype(float)
    weights = weights[weights.any(axis=1)]
    draws = np.tensordot(weights / weights.sum(axis=1, keepdims=True), values, axes=1)
    if values.ndim == 1:
        return asdict(Resampled(values.mean(), draws).estimate())
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    return {"mean": values.mean(axis=0).tolist(), "low": low.tolist(), "high": high.tolist()}


def recovered(rows, weights):
    """Whether the maps find the planted causes.

    Returns
    -------
    dict
        ``strongest``: ROC-AUC of the map, turned to the side of the cause that moves a clip most,
        against the cells it acts in; ``top1``, ``top3``: whether one of the first cells of that
        order is among them, each with its ``…_by_chance``. ``causes``: ROC-AUC and clips by cause,
        where it is turned clearly up or down.
    """
    leading = [strongest(row["causes"]) for row in rows]
    turned = [cause.side * row["found"].weights for row, cause in zip(rows, leading)]
    told = {"strongest": mean_over([recovery(map_, cause.cells)
                                    for map_, cause in zip(turned, leading)], weights)}
    for top in (1, 3):
        told[f"top{top}"] = mean_over([hit(map_, cause.cells, top)
                                       for map_, cause in zip(turned, leading)], weights)
        told[f"top{top}_by_chance"] = float(np.mean([by_chance(cause.cells, top)
                                                     for cause in leading]))
    told["causes"] = {}
    for name in rows[0]["causes"]:
        causes = [row["causes"][name] for row in rows]
        aucs = [recovery(cause.side * row["found"].weights, cause.cells)
                if abs(cause.value) >= CLEAR else np.nan for row, cause in zip(rows, causes)]
        told["causes"][name] = mean_over(aucs, weights) and {
            **mean_over(aucs, weights), "clips": int(np.isfinite(aucs).sum())}
    return told


def by_chance(cells, top):
    """How often one of `top` cells drawn at random is among those where a cause acts, float."""
    return float(hypergeom.sf(0, cells.size, cells.sum(), top))


def compared(rows, weights):
    """Whether what a map names first matters more than what other orders name first.

    Returns
    -------
    dict of dict
        ``deletion_minus_random``: how much further the probability of the model's own answer falls
        when cells go in the order of the map than in a random one, mean over all numbers of cells;
        ``insertion_minus_random``: how much higher it is as they come back; the same
        ``…_minus_loudest``; each ``…_another_clip`` with holes filled by a clip that the
        explanation has not seen.
    """
    told = {}
    for ending, filling in (("", "both"), ("_another_clip", "another clip")):
        for way, sign in (("deletion", -1), ("insertion", 1)):
            for rival in ("random", "loudest"):
                differences = [sign * (area(row["curves"][filling][way]["lime"])
                                       - area(row["curves"][filling][way][rival])) for row in rows]
                told[f"{way}_minus_{rival}{ending}"] = mean_over(differences, weights)
    return told


def claimed(found, weights):
    """How much can be claimed: share of clips with a claim, claimed and strong cells a clip."""
    return {"share": mean_over([each.claimed.any() for each in found], weights),
            "cells": mean_over([each.claimed.sum() for each in found], weights),
            "strong": mean_over([each.strong.sum() for each in found], weights)}


def listened(found, popular, weights):
    """Where the network listens.

    Returns
    -------
    dict
        ``map``: mean weight of each cell, lists [shape=(n_bands, n_cells)]. ``bands``: mean weight
        by band and by what the clip is. ``seconds``: share of the mean absolute weight that lies in
        each stretch [shape=(n_cells,)]; ``cell_seconds``.
    """
    maps = np.array([each.weights for each in found])
    bands = {}
    for number, name in enumerate(found[0].grid.bands):
        of_band = maps[:, number].sum(axis=1)
        bands[name] = {side: mean_over(np.where(popular == label, of_band, np.nan), weights)
                       for side, label in SIDES.items()}
    size = np.abs(maps).sum(axis=1)
    total = np.maximum(size.sum(axis=1, keepdims=True), 1e-12)  # nothing anywhere is no share
    return {"map": mean_over(maps, weights), "bands": bands,
            "seconds": mean_over(size / total, weights),
            "cell_seconds": found[0].grid.cell_seconds}


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


@dataclass(frozen=True, eq=False)
class Acting:
    """A cause in one track.

    Parameters
    ----------
    cells : np.ndarray of bool [shape=(n_bands, n_cells)]
        Cells that it acts in: of bands that it reaches into, and of stretches that it fills at
        least half of, or, where it fills none that far, the stretch that it fills most.
    weight : float
        Of the cause, relative to the others.
    value : float
        In standard deviations, above 0 where it speaks for popularity.
    """

    cells: np.ndarray
    weight: float
    value: float

    @property
    def side(self):
        """1 where it speaks for popularity, -1 where against."""
        return 1 if self.value > 0 else -1


def read_truth(experiment):
    """What a synthetic corpus' popularity is made of, dict; None of any other corpus."""
    path = experiment.folder / "truth.json"
    return json.loads(path.read_text()) if path.is_file() else None


def acting(truth, track_id, grid):
    """The causes in a track, dict of str to Acting.

    Parameters
    ----------
    truth : dict
        From `read_truth`.
    track_id : str
    grid : Grid
    """
    causes = {}
    for name, found in truth["tracks"][track_id]["causes"].items():
        cause = truth["causes"][name]
        low, high = cause["band_hz"]
        bands = [lower < high and upper > low for lower, upper in grid.bands.values()]
        shares = np.array([_filled(grid.span(cell), found["times_s"])
                           for cell in range(grid.shape[1])])
        stretches = (shares > 0) & (shares >= min(0.5, shares.max()))
        causes[name] = Acting(np.outer(bands, stretches), cause["weight"], found["value"])
    return causes


def strongest(causes):
    """The cause that moves a track most, Acting, of what `acting` gives."""
    return max(causes.values(), key=lambda cause: abs(cause.weight * cause.value))


def _filled(span, times):
    """Share of a span in s that lies within some of the times."""
    start, end = span
    return sum(max(0.0, min(end, stop) - max(start, begin)) for begin, stop in times) / (
        end - start)
