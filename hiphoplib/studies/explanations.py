"""Do the explanations of a network hold? Many test clips of a corpus, explained and measured."""

import datetime
from collections.abc import Sequence
from functools import partial
from itertools import combinations
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import hypergeom

from hiphoplib.dataset.splits import artist_groups
from hiphoplib.evaluation.bootstrap import RESAMPLES, Bootstrap, Estimate
from hiphoplib.evaluation.evaluate import labels_on_test, write_results
from hiphoplib.explanation.faithfulness import area, curves, mean_over, recovery, top_hit
from hiphoplib.explanation.lime import Attribution, rank_correlation
from hiphoplib.explanation.segments import Fill, fills
from hiphoplib.explanation.tracks import example_tracks, explain_ahead, explain_track, remember
from hiphoplib.io import progress
from hiphoplib.models.comparison import Scores
from hiphoplib.models.experiment import prepare
from hiphoplib.models.training import load_run, versions
from hiphoplib.report.figures_explanation import explanation
from hiphoplib.report.sentences import FOUR_KINDS, explanation_summary
from hiphoplib.report.style import label_of, use_style
from hiphoplib.studies.planted import causes_in, check_planted, read_truth, strongest

_RANDOMISED = 12  # clips of the randomisation check
MIN_VALUE = 1.0  # standard deviations from which on a cause is turned clearly up or down
CLASSES = {"popular": 1, "unpopular": 0}


def check_explanations(corpus: Path | str, model: str = "rnn", *, clips: int = 60,
                       folds: int | None = None, planted: bool = False,
                       pictures: Path | str | None = None, out: Path | str | None = None,
                       command: str | None = None) -> dict:
    """Explain test clips of a corpus, measure whether the explanations hold, and print the most.

    Each explanation is kept beside the network: the same call goes on where it was stopped.

    Parameters
    ----------
    corpus : path-like
        Its folder.
    model : str
        A trained network; the run of seed 0 that never saw a clip explains it.
    clips : int
        How many test clips, drawn by a fixed seed; all if there are no more.
    folds : int, optional
        As for `prepare`.
    planted : bool
        Also train small networks on planted causes, and check whether those are found.
    pictures : path-like, optional
        Draw four tracks into this folder; titles name no track.
    out : path-like, optional
        Write the results here.
    command : str, optional
        What to write down as the way to repeat this.

    Returns
    -------
    dict
        ``corpus``, ``model``, ``clips``; what `summarise` gives; ``sanity``, the randomisation
        check; ``four``, sentences on four tracks; ``planted`` if asked for, see `check_planted`;
        ``versions``, ``made``, ``command``.
    """
    experiment = prepare(corpus, folds=folds)
    name = experiment.folder.resolve().name
    labels = labels_on_test(experiment)["label"].sort_index()
    drawn = np.random.default_rng(0).permutation(labels.index)[:clips]
    weights = Bootstrap(artist_groups(experiment.tracks.loc[drawn]), RESAMPLES).weights
    truth, rows = read_truth(experiment), []
    explain_ahead(partial(_explained, experiment, model), list(drawn))
    for track_id in progress(drawn, desc="explain clips", unit="clip"):
        rows.append(_explained(experiment, model, track_id))
        if truth:
            rows[-1]["causes"] = causes_in(truth, track_id, rows[-1]["found"].grid)
    few = min(_RANDOMISED, len(rows))
    four = {kind: explain_track(experiment, model, track_id) for kind, track_id in example_tracks(
        labels, Scores(experiment).on_test(model)[0]).items()}
    results = {
        "corpus": {"name": name, "fingerprint": experiment.fingerprint},
        "model": model, "clips": len(rows),
        **summarise(rows, labels[drawn].to_numpy(), weights),
        "sanity": _randomisation_check(experiment, model, list(drawn[:few]),
                                       [row["found"] for row in rows[:few]], weights[:, :few]),
        "four": {kind: explanation_summary(found, model) for kind, (found, _) in four.items()},
        "versions": versions(), "made": datetime.date.today().isoformat(), "command": command,
    }
    if pictures:
        use_style()
        for kind, (found, S_db) in four.items():
            title = f"{FOUR_KINDS[kind].capitalize()}: what the {label_of(model)} listens to"
            explanation(S_db, found, title)
            plt.savefig(Path(pictures, f"lime_{name}_{kind}.png"), dpi=80)  # for notebooks
            plt.close()
    if planted:
        results["planted"] = check_planted()
    for measure in ("deletion_minus_random", "insertion_minus_random", "stability"):
        print(f"{measure:22s} {Estimate.read(results[measure])}")
    if out:
        write_results(results, out)
    return results


def _explained(experiment, model, track_id):
    """Return a clip's explanation, and the curves that judge it, dict."""
    found, S_db = explain_track(experiment, model, track_id)
    folder, side = experiment.run_of(model, track_id), experiment.sides.loc[track_id]
    train = experiment.ids(side.index[side == "test"][0], "train")
    number = experiment.tracks.index.get_loc(track_id)
    other = experiment.store[train[number % len(train)]]

    def compute():
        run = load_run(folder)
        return {"both": curves(run, S_db, found, fills(run.scaler.mean), number),
                "another clip": curves(run, S_db, found, [Fill("another clip", other)], number)}

    return {"found": found, "curves": remember(
        folder, track_id, "curves", [S_db, other, found.runs, number], compute)}


def _randomisation_check(experiment, model, drawn, found, weights):
    """Compare explanations with those of the same network with random weights, dict.

    One that hardly changes tells of the clip or of how the network is built, not of what it has
    learnt (Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018).
    """
    explain_ahead(partial(_explain_randomised, experiment, model, drawn), drawn)
    again = [_explain_randomised(experiment, model, drawn, track_id)
             for track_id in progress(drawn, desc="randomisation check", unit="clip")]
    pairs = [(one.weights, other.weights) for one, other in zip(found, again)]
    return {"clips": len(again),
            "correlation": mean_over([rank_correlation(*pair) for pair in pairs], weights),
            "correlation_of_size": mean_over([rank_correlation(*np.abs(pair)) for pair in pairs],
                                             weights),
            "claims": count_stable(again, weights), "claims_trained": count_stable(found, weights)}


def _explain_randomised(experiment, model, drawn, track_id):
    return explain_track(experiment, model, track_id, randomised=drawn.index(track_id))[0]


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
