"""What the explanations of many clips say together; every number with its interval over artists."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import hypergeom

from hiphoplib.evaluation.bootstrap import Resampled
from hiphoplib.explanation.faithfulness import area, recovery, top_hit
from hiphoplib.explanation.lime import Attribution
from hiphoplib.explanation.segments import SegmentGrid
from hiphoplib.models.experiment import Experiment

MIN_VALUE = 1.0  # standard deviations from which on a cause is turned clearly up or down
CLASSES = {"popular": 1, "unpopular": 0}


def summarise(clips: Sequence[dict], popular: np.ndarray, weights: np.ndarray) -> dict:
    """Summarise the explanations of many clips.

    Parameters
    ----------
    clips : sequence of dict
        Of each clip: "found", an `Attribution`; "curves", what `faithfulness.curves` returns under
        "both" fill values and under "another clip"; "causes", of a synthetic data set only, what
        `causes_in` returns.
    popular : np.ndarray of 0 and 1 [shape=(clips,)]
    weights : np.ndarray [shape=(resamples, clips)]
        Of a `Bootstrap`.

    Returns
    -------
    dict
        ``recovery`` of a synthetic data set, see `_recovery`; the differences of `_differences`;
        ``curves``; ``stability``, share of the top three segments that two seeds have in common;
        ``r2``; ``claims``, see `count_stable`; ``witnesses``, rank correlation with each other
        method; those of `_where`.
    """
    found = [clip["found"] for clip in clips]
    return {
        **({"recovery": _recovery(clips, weights)} if "causes" in clips[0] else {}),
        **_differences(clips, weights),
        "curves": {way: {order: mean_over([clip["curves"]["both"][way][order] for clip in clips],
                                          weights) for order in ("lime", "random", "loudest")}
                   for way in ("deletion", "insertion")},
        "stability": mean_over([top_overlap(each.runs) for each in found], weights),
        "r2": mean_over([each.r2.mean() for each in found], weights),
        "claims": count_stable(found, weights),
        "witnesses": {name: mean_over([each.correlations[name] for each in found], weights)
                      for name in found[0].other_methods},
        **_where(found, popular, weights),
    }


def mean_over(values: ArrayLike, weights: np.ndarray) -> dict | None:
    """Return the mean over clips with its 95 % interval.

    Parameters
    ----------
    values : array-like [shape=(clips,) or (clips, …)]
        Clips with NaN are left out.
    weights : np.ndarray [shape=(resamples, clips)]
        Of a `Bootstrap`.

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


def _recovery(clips, weights):
    """Return whether the maps find the causes of a synthetic data set, dict.

    ``strongest``: ROC-AUC of the map, with the sign of the cause that moves a clip most, against
    the segments it acts in; ``top1``, ``top3``: whether one of the first segments of that order is
    among them, each with its ``…_by_chance``; ``causes``: ROC-AUC and clips by cause, where it is
    turned clearly up or down.
    """
    leading = [strongest(clip["causes"]) for clip in clips]
    signed = [cause.sign * clip["found"].weights for clip, cause in zip(clips, leading)]
    result = {"strongest": mean_over([recovery(map_, cause.segments)
                                      for map_, cause in zip(signed, leading)], weights)}
    for top in (1, 3):
        result[f"top{top}"] = mean_over([top_hit(map_, cause.segments, top)
                                         for map_, cause in zip(signed, leading)], weights)
        result[f"top{top}_by_chance"] = float(np.mean([hit_by_chance(cause.segments, top)
                                                       for cause in leading]))
    result["causes"] = {}
    for name in clips[0]["causes"]:
        causes = [clip["causes"][name] for clip in clips]
        aucs = [recovery(cause.sign * clip["found"].weights, cause.segments)
                if abs(cause.value) >= MIN_VALUE else np.nan for clip, cause in zip(clips, causes)]
        estimate = mean_over(aucs, weights)
        result["causes"][name] = estimate and {**estimate, "clips": int(np.isfinite(aucs).sum())}
    return result


def hit_by_chance(segments: np.ndarray, top: int) -> float:
    """Return how often a cause acts in one of some segments that are drawn at random.

    Parameters
    ----------
    segments : np.ndarray of bool [shape=(n_bands, n_segments)]
        In which the cause acts.
    top : int
        How many segments are drawn.

    Returns
    -------
    float
    """
    return float(hypergeom.sf(0, segments.size, segments.sum(), top))


def top_overlap(runs: np.ndarray, top: int = 3) -> float:
    """Return the share of the strongest segments that two seeds have in common.

    Parameters
    ----------
    runs : np.ndarray [shape=(n_fills, n_seeds, n_bands, n_segments)]
    top : int
        How many segments.

    Returns
    -------
    float
        Mean over all pairs of seeds.
    """
    tops = [set(np.argsort(-np.ravel(map_), kind="stable")[:top])
            for map_ in np.abs(runs.mean(axis=0))]
    return float(np.mean([len(one & other) / top for one, other in combinations(tops, 2)]))


def _differences(clips, weights):
    """Return whether what a map names first matters more than what other orders name first, dict.

    ``deletion_minus_random``: how much further the probability of the predicted class falls when
    segments go in the order of the map than in a random one, mean over all numbers of segments;
    ``insertion_minus_random``: how much higher it is as they come back; the same
    ``…_minus_loudest``; each ``…_another_clip`` with a donor clip that the explanation has not
    seen.
    """
    differences = {}
    for ending, fill in (("", "both"), ("_another_clip", "another clip")):
        for way, sign in (("deletion", -1), ("insertion", 1)):
            for rival in ("random", "loudest"):
                differences[f"{way}_minus_{rival}{ending}"] = mean_over(
                    [sign * (area(clip["curves"][fill][way]["lime"])
                             - area(clip["curves"][fill][way][rival])) for clip in clips], weights)
    return differences


def count_stable(found: Sequence[Attribution], weights: np.ndarray) -> dict:
    """Return how much is stable.

    Parameters
    ----------
    found : sequence of Attribution
        Of each clip.
    weights : np.ndarray [shape=(resamples, clips)]

    Returns
    -------
    dict
        ``share`` of clips with a stable segment; stable (``cells``) and confirmed (``strong``)
        segments a clip.
    """
    return {"share": mean_over([each.stable.any() for each in found], weights),
            "cells": mean_over([each.stable.sum() for each in found], weights),
            "strong": mean_over([each.confirmed.sum() for each in found], weights)}


def _where(found, popular, weights):
    """Return where the weight lies, dict.

    ``map``: mean weight of each segment. ``bands``: mean weight by band and class of the clip.
    ``seconds``: share of the mean absolute weight in each stretch of ``cell_seconds``.
    """
    maps = np.array([each.weights for each in found])
    bands = {}
    for number, name in enumerate(found[0].grid.bands):
        of_band = maps[:, number].sum(axis=1)
        bands[name] = {each: mean_over(np.where(popular == label, of_band, np.nan), weights)
                       for each, label in CLASSES.items()}
    size = np.abs(maps).sum(axis=1)
    total = np.maximum(size.sum(axis=1, keepdims=True), 1e-12)  # nothing anywhere is no share
    return {"map": mean_over(maps, weights), "bands": bands,
            "seconds": mean_over(size / total, weights),
            "cell_seconds": found[0].grid.segment_seconds}


@dataclass(frozen=True, eq=False)
class Cause:
    """A cause of popularity in one synthetic track.

    Parameters
    ----------
    segments : np.ndarray of bool [shape=(n_bands, n_segments)]
        In which it acts: of bands that it reaches into, and of stretches that it fills at least
        half of, or, where it fills none that far, the stretch that it fills most.
    weight : float
        Of the cause, relative to the others.
    value : float
        In standard deviations, above 0 where it speaks for popularity.
    """

    segments: np.ndarray
    weight: float
    value: float

    @property
    def sign(self) -> int:
        """1 where it speaks for popularity, -1 where against."""
        return 1 if self.value > 0 else -1


def read_truth(experiment: Experiment) -> dict | None:
    """Read what the popularity of a synthetic data set is made of.

    Parameters
    ----------
    experiment : Experiment

    Returns
    -------
    dict or None
        None of any other data set.
    """
    path = experiment.folder / "truth.json"
    return json.loads(path.read_text()) if path.is_file() else None


def causes_in(truth: dict, track_id: str, grid: SegmentGrid) -> dict[str, Cause]:
    """Return the causes in a synthetic track.

    Parameters
    ----------
    truth : dict
        From `read_truth`.
    track_id : str
    grid : SegmentGrid

    Returns
    -------
    dict of str to Cause
    """
    causes = {}
    for name, values in truth["tracks"][track_id]["causes"].items():
        cause = truth["causes"][name]
        low, high = cause["band_hz"]
        bands = [lower < high and upper > low for lower, upper in grid.bands.values()]
        shares = np.array([_filled(grid.span(number), values["times_s"])
                           for number in range(grid.shape[1])])
        stretches = (shares > 0) & (shares >= min(0.5, shares.max()))
        causes[name] = Cause(np.outer(bands, stretches), cause["weight"], values["value"])
    return causes


def strongest(causes: dict[str, Cause]) -> Cause:
    """Return the cause that moves a track most.

    Parameters
    ----------
    causes : dict of str to Cause

    Returns
    -------
    Cause
    """
    return max(causes.values(), key=lambda cause: abs(cause.weight * cause.value))


def _filled(span, times):
    """Return the share of a span in s that lies within some of the times."""
    start, end = span
    return sum(max(0.0, min(end, stop) - max(start, begin)) for begin, stop in times) / (
        end - start)
