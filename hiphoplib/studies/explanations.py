"""Do the explanations of a network hold? Many test clips of a corpus, explained and measured."""

import datetime
import json
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import hypergeom

from hiphoplib.dataset.splits import artist_groups
from hiphoplib.evaluation.bootstrap import RESAMPLES, Bootstrap, Estimate, mean_over
from hiphoplib.evaluation.evaluate import labels_on_test, read_results, write_results
from hiphoplib.explanation.lime import area, curves, rank_correlation, recovery, top_hit
from hiphoplib.explanation.segments import Fill, fills
from hiphoplib.explanation.tracks import (
    example_tracks,
    explain_ahead,
    explain_track,
    remember,
    swap_track,
)
from hiphoplib.io import progress
from hiphoplib.models.comparison import Scores
from hiphoplib.models.experiment import prepare
from hiphoplib.models.training import load_run, versions
from hiphoplib.report.figures_explanation import explanation
from hiphoplib.report.sentences import FOUR_KINDS, explanation_summary
from hiphoplib.report.style import label_of, use_style
from hiphoplib.studies.planted_check import PLANTED

_RANDOMISED = 12  # clips of the randomisation check
_MIN_VALUE = 1.0  # standard deviations from which on a cause is turned clearly up or down


def check_explanations(
    corpus: Path | str,
    model: str = "rnn",
    *,
    clips: int = 60,
    folds: int | None = None,
    pictures: Path | str | None = None,
    out: Path | str | None = None,
    command: str | None = None,
) -> None:
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
    pictures, out : path-like, optional
        A folder to draw four tracks into, whose titles name none; a file for the results.
    command : str, optional
        What to write down as the way to repeat this.
    """
    experiment = prepare(corpus, folds=folds)
    name = experiment.folder.resolve().name
    labels = labels_on_test(experiment)["label"].sort_index()
    drawn = np.random.default_rng(0).permutation(labels.index)[:clips]
    weights = Bootstrap(artist_groups(experiment.tracks.loc[drawn]), RESAMPLES).weights
    path, rows = experiment.folder / "truth.json", []
    truth = json.loads(path.read_bytes()) if path.is_file() else None  # of a synthetic corpus
    explain_ahead(partial(_explained, experiment, model), list(drawn))
    for track_id in progress(drawn, desc="explain clips", unit="clip"):
        rows.append(_explained(experiment, model, track_id))
        if truth:
            rows[-1]["causes"] = _causes_in(truth, track_id, rows[-1]["found"].grid)
    few = min(_RANDOMISED, len(rows))
    chosen = example_tracks(labels, Scores(experiment).on_test(model)[0])
    four = {kind: explain_track(experiment, model, track_id) for kind, track_id in chosen.items()}
    results = {
        "corpus": {"name": name, "fingerprint": experiment.fingerprint},
        "model": model,
        "clips": len(rows),
        **_summarise(rows, labels[drawn].to_numpy(), partial(mean_over, weights=weights)),
        "sanity": _randomisation_check(
            experiment,
            model,
            list(drawn[:few]),
            [row["found"] for row in rows[:few]],
            partial(mean_over, weights=weights[:, :few]),
        ),
        "four": {
            kind: explanation_summary(found, swap_track(experiment, model, chosen[kind]), model)
            for kind, (found, _) in four.items()
        },
        "versions": versions(),
        "made": datetime.date.today().isoformat(),
        "command": command,
    }
    if pictures:
        title = f"what the {label_of(model)} listens to"
        _draw(four, title, {kind: Path(pictures, f"lime_{name}_{kind}.png") for kind in four})
    for measure in ("deletion_minus_random", "insertion_minus_random", "stability"):
        print(f"{measure:22s} {Estimate.read(results[measure])}")
    if out:
        kept = read_results(Path(out)) if Path(out).is_file() else {}
        write_results({**{name: kept[name] for name in PLANTED if name in kept}, **results}, out)


def _draw(four, title, paths):
    """Draw an explanation of each kind of track, small enough for notebooks."""
    use_style()
    for kind, (found, S_db) in four.items():
        paths[kind].parent.mkdir(parents=True, exist_ok=True)
        explanation(S_db, found, f"{FOUR_KINDS[kind].capitalize()}: {title}")
        plt.savefig(paths[kind], dpi=80)
        plt.close()


def _explained(experiment, model, track_id):
    """Return a clip's explanation, and the curves that judge it, dict."""
    found, S_db = explain_track(experiment, model, track_id)
    folder, side = experiment.run_of(model, track_id), experiment.sides.loc[track_id]
    train = experiment.ids(side.index[side == "test"][0], "train")
    number = experiment.tracks.index.get_loc(track_id)
    other = experiment.store[train[number % len(train)]]

    def compute():
        run = load_run(folder)
        return {
            "both": curves(run, S_db, found, fills(run.scaler.mean), number),
            "another clip": curves(run, S_db, found, [Fill("another clip", other)], number),
        }

    return {
        "found": found,
        "curves": remember(folder, track_id, "curves", [S_db, other, found.runs, number], compute),
    }


def _randomisation_check(experiment, model, drawn, found, mean):
    """Compare explanations with those of the same network with random weights, dict.

    One that hardly changes does not tell what was learnt (Adebayo et al., "Sanity checks for
    saliency maps", NeurIPS 2018).
    """
    explain_ahead(partial(_explain_randomised, experiment, model, drawn), drawn)
    again = [
        _explain_randomised(experiment, model, drawn, track_id)
        for track_id in progress(drawn, desc="randomisation check", unit="clip")
    ]
    pairs = [(one.weights, other.weights) for one, other in zip(found, again)]
    return {
        "clips": len(again),
        "correlation": mean([rank_correlation(*pair) for pair in pairs]),
        "correlation_of_size": mean([rank_correlation(*np.abs(pair)) for pair in pairs]),
        "seconds_over_randomised": (
            _shares(found).mean(axis=0) / np.maximum(_shares(again).mean(axis=0), 1e-12)
        ).tolist(),
        "claims": _count_stable(again, mean),
        "claims_trained": _count_stable(found, mean),
    }


def _shares(found):
    """Share of each stretch of time in a map's absolute weight [shape=(clips, n_segments)]."""
    size = np.abs([each.weights for each in found]).sum(axis=1)
    return size / np.maximum(size.sum(axis=1, keepdims=True), 1e-12)  # nothing anywhere is no share


def _explain_randomised(experiment, model, drawn, track_id):
    return explain_track(experiment, model, track_id, randomised=drawn.index(track_id))[0]


@dataclass(frozen=True, eq=False)
class _Cause:
    """A cause of popularity in one synthetic track."""

    segments: np.ndarray  # in which it acts, bool [shape=(n_bands, n_segments)]
    weight: float  # relative to the other causes
    value: float  # in standard deviations, above 0 where it speaks for popularity

    @property
    def sign(self):
        return 1 if self.value > 0 else -1


def _causes_in(truth, track_id, grid):
    """Return the causes in a synthetic track by name.

    One acts in the bands that it reaches into, and in the stretches that it fills at least half of,
    or else most.
    """
    causes = {}
    for name, values in truth["tracks"][track_id]["causes"].items():
        cause = truth["causes"][name]
        low, high = cause["band_hz"]
        bands = [lower < high and upper > low for lower, upper in grid.bands.values()]
        shares = np.array([_filled(span, values["times_s"]) for span in grid.spans])
        stretches = (shares > 0) & (shares >= min(0.5, shares.max()))
        causes[name] = _Cause(np.outer(bands, stretches), cause["weight"], values["value"])
    return causes


def _filled(span, times):
    """Return the share of a span in s that lies within some of the times."""
    start, end = span
    return sum(max(0.0, min(end, stop) - max(start, begin)) for begin, stop in times) / (
        end - start
    )


def _strongest(causes):
    """Return the cause that moves a track most."""
    return max(causes.values(), key=lambda cause: abs(cause.weight * cause.value))


def _summarise(clips, popular, mean):
    """Return what the explanations of many clips say together, by the keys of a results file.

    A clip is a dict as `_explained` returns it, with "causes" if it is synthetic; `popular` are 0
    or 1 [shape=(clips,)]; `mean` takes a value a clip, see `mean_over`.
    """
    found = [clip["found"] for clip in clips]
    return {
        **({"recovery": _recovery(clips, mean)} if "causes" in clips[0] else {}),
        **_differences(clips, mean),
        "curves": {
            way: {
                order: mean([clip["curves"]["both"][way][order] for clip in clips])
                for order in ("lime", "random", "loudest")
            }
            for way in ("deletion", "insertion")
        },
        "stability": mean([_top_overlap(each.runs) for each in found]),
        "r2": mean([each.r2.mean() for each in found]),
        "claims": _count_stable(found, mean),
        "other_methods": {
            name: mean([each.correlations[name] for each in found])
            for name in found[0].other_methods
        },
        **_where(found, popular, mean),
    }


def _recovery(clips, mean):
    """Return whether the maps find the causes of a synthetic data set, dict.

    ``strongest``: ROC-AUC of the map, with the sign of the cause that moves a clip most, against
    its segments; ``top1``, ``top3``: whether one of the first of that order is among them, and
    ``…_by_chance``; ``causes``: ROC-AUC and clips by cause, where it is turned clearly up or down,
    also ``more`` and ``less``, where there is more or less of it than usual.
    """
    leading = [_strongest(clip["causes"]) for clip in clips]
    signed = [cause.sign * clip["found"].weights for clip, cause in zip(clips, leading)]
    result = {
        "strongest": mean([recovery(map_, cause.segments) for map_, cause in zip(signed, leading)])
    }
    for top in (1, 3):
        result[f"top{top}"] = mean(
            [top_hit(map_, cause.segments, top) for map_, cause in zip(signed, leading)]
        )
        result[f"top{top}_by_chance"] = float(
            np.mean([_hit_by_chance(cause.segments, top) for cause in leading])
        )
    result["causes"] = {}
    for name in clips[0]["causes"]:
        causes = [clip["causes"][name] for clip in clips]
        aucs = np.array(
            [
                recovery(cause.sign * clip["found"].weights, cause.segments)
                if abs(cause.value) >= _MIN_VALUE
                else np.nan
                for clip, cause in zip(clips, causes)
            ]
        )
        more = np.array([cause.value > 0 for cause in causes])
        estimate = mean(aucs)
        result["causes"][name] = estimate and {
            **estimate,
            "clips": int(np.isfinite(aucs).sum()),
            **{
                sign: mean(np.where(which, aucs, np.nan))
                for sign, which in (("more", more), ("less", ~more))
            },
        }
    return result


def _hit_by_chance(segments, top):
    """Return how often a cause acts in one of some segments that are drawn at random."""
    return float(hypergeom.sf(0, segments.size, segments.sum(), top))


def _top_overlap(runs, top=3):
    """Return the share of the strongest segments that two seeds have in common, mean of all pairs.

    `runs` are weights [shape=(n_fills, n_seeds, n_bands, n_segments)].
    """
    tops = [
        set(np.argsort(-np.ravel(map_), kind="stable")[:top]) for map_ in np.abs(runs.mean(axis=0))
    ]
    return float(np.mean([len(one & other) / top for one, other in combinations(tops, 2)]))


def _differences(clips, mean):
    """Return whether what a map names first matters more than what other orders name first, dict.

    How much further the predicted class' probability falls, mean over all numbers of segments, or
    how much higher it comes back; ``…_another_clip`` with one that the explanation never saw.
    """
    return {
        f"{way}_minus_{rival}{ending}": mean(
            [
                sign
                * (area(clip["curves"][fill][way]["lime"]) - area(clip["curves"][fill][way][rival]))
                for clip in clips
            ]
        )
        for ending, fill in (("", "both"), ("_another_clip", "another clip"))
        for way, sign in (("deletion", -1), ("insertion", 1))
        for rival in ("random", "loudest")
    }


def _count_stable(found, mean):
    """Return the share of clips with a stable segment, and stable and confirmed ones a clip."""
    return {
        "share": mean([each.stable.any() for each in found]),
        "cells": mean([each.stable.sum() for each in found]),
        "strong": mean([each.confirmed.sum() for each in found]),
    }


def _where(found, popular, mean):
    """Return where the weight lies, dict.

    ``map``: mean of each segment; ``bands``: mean by band and class of the clip; ``seconds``: share
    of the mean absolute weight in each stretch of ``cell_seconds``.
    """
    maps = np.array([each.weights for each in found])
    bands = {
        name: {
            each: mean(np.where(popular == label, of_band, np.nan))
            for each, label in (("popular", 1), ("unpopular", 0))
        }
        for name, of_band in zip(found[0].grid.bands, maps.sum(axis=2).T)
    }
    return {
        "map": mean(maps),
        "bands": bands,
        "seconds": mean(_shares(found)),
        "cell_seconds": found[0].grid.segment_seconds,
    }
