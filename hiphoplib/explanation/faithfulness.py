"""What many explained clips say together; every figure with the interval of artists drawn anew."""

import numpy as np
from scipy.stats import hypergeom

from hiphoplib.evaluation.bootstrap import estimate
from hiphoplib.explanation.curves import area, hit, recovery, top_overlap
from hiphoplib.tracks.synthetic.causes import strongest

CLEAR = 1.0  # standard deviations from which on a cause is turned clearly up or down
SIDES = {"popular": 1, "unpopular": 0}


def measured(rows, popular, weights):
    """What the clips say together.

    Parameters
    ----------
    rows : list of dict
        Of each clip: "found", an `Explanation`; "curves", by fillings what `faithful.curves`
        gives; "causes", of a synthetic corpus what `causes.acting` gives.
    popular : np.ndarray of 0 and 1 [shape=(clips,)]
    weights : np.ndarray [shape=(resamples, clips)]
        From `metrics.resample_artists`.

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
        From `metrics.resample_artists`.

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
        return estimate(values.mean(), draws)
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
