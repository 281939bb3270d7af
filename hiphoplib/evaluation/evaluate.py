"""How good models are on their test sets: metrics with intervals, and the results file."""

import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from hiphoplib.dataset.splits import artist_groups
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import METRICS, RESAMPLES, Bootstrap, holm
from hiphoplib.evaluation.label import describe_label
from hiphoplib.evaluation.rank_metrics import kendall, spearman, top_tenth_recall
from hiphoplib.evaluation.selection import (
    best_model,
    hit_shares,
    reliable_margin,
    selective_accuracy,
    within_artist,
    within_groups_auc,
)
from hiphoplib.io import write_whole
from hiphoplib.models.calibration import (
    brier_skill,
    calibration_intercept,
    calibration_slope,
    reliability,
    together,
)
from hiphoplib.models.comparison import MODELS, UPPER_BOUND, Scores
from hiphoplib.models.experiment import Experiment
from hiphoplib.models.networks import NETWORKS
from hiphoplib.models.training import read_card, versions
from hiphoplib.tracks.table import read_tracks

LABELLED = ("cnn1", "rnn", "musicnn", "stack", UPPER_BOUND)  # judged by other labels, too
PICKS = ((10, 1), (10, 3))  # pick so many of ten finished songs
RANKS = {"spearman": spearman, "kendall": kendall, "top_tenth_recall": top_tenth_recall}


def evaluate(
    experiment: Experiment,
    models: Sequence[str] | None = None,
    *,
    resamples: int = RESAMPLES,
    command: str | None = None,
) -> tuple[dict, dict[str, pd.DataFrame]]:
    """Evaluate every model on the test sets, with intervals over artists and seeds.

    Parameters
    ----------
    experiment : Experiment
    models : sequence of str, optional
        Names in `MODELS`; all that are trained, or need no more than is there, if not given.
    resamples : int, bootstrap samples of artists
    command : str, optional
        What to write down as the way to repeat this.

    Returns
    -------
    results : dict
        ``corpus``, ``protocol``, ``models``, ``not_applicable`` (models that say the same of every
        track, with the reason), ``best`` (see `selection.best_model`), ``paired``, ``label``,
        ``versions``, ``made``, ``command``; see `write_results`.
    scores : dict of str to pd.DataFrame [shape=(test tracks, seeds)]
        Also of models that do not apply.

    Raises
    ------
    BadInput
        If a model is not trained, or the test tracks have one class only.
    """
    all_scores = Scores(experiment)
    there = [name for name in MODELS if all_scores.seeds(name)]
    for model in models or []:
        if model not in there:
            raise BadInput(f"model {model!r}: {_what_lacks(all_scores, model)}")
    names = [name for name in there if name == "dummy" or not models or name in models]
    if (experiment.folder / "truth.json").is_file():
        names.append(UPPER_BOUND)
    scores = {name: all_scores.on_test(name) for name in names}
    test = TestTracks.of(experiment, scores["dummy"].index, resamples)
    arrays = {name: score.loc[test.tracks.index].to_numpy() for name, score in scores.items()}
    absent = _not_applicable(arrays)
    arrays = {name: array for name, array in arrays.items() if name not in absent}
    measured = {name: _measure(test, array) for name, array in arrays.items()}
    judged = {
        name: _judge(test, array, measured[name]) | _describe_runs(experiment, name)
        for name, array in arrays.items()
    }
    if UPPER_BOUND in judged:
        for name, share in _share_of_gain(measured).items():
            judged[name]["recovered"] = asdict(share.estimate())
    return {
        "corpus": _describe_corpus(experiment),
        "protocol": _describe_protocol(experiment, scores, test.y_true),
        "models": judged,
        "not_applicable": absent,
        "best": _best(test, arrays),
        "paired": _compare(measured, arrays),
        "label": describe_label(
            read_tracks(experiment.folder),
            experiment.tracks,
            test.tracks.index,
            {name: array for name, array in arrays.items() if name in LABELLED},
            test.boot,
        ),
        "versions": versions(),
        "made": datetime.date.today().isoformat(),
        "command": command,
    }, scores


def _not_applicable(arrays):
    """Reason by model where it says the same of every track."""
    return {
        name: "says the same of every track: nothing here that it could use"
        for name, array in arrays.items()
        if name != "dummy" and name not in NETWORKS and (array == arrays["dummy"]).all()
    }


def _measure(test, scores):
    """What each metric is, and in every resample."""
    return {name: test.boot.resample(of, test.y_true, scores) for name, of in METRICS.items()}


def _best(test, arrays):
    """The best of the models that an artist could be given, the choice accounted for."""
    usable = {name for name, entry in MODELS.items() if entry.offered}
    offered = {name: array for name, array in arrays.items() if name in usable}
    if not offered:
        return None
    name, auc = best_model(test.boot, METRICS["auc"], test.y_true, offered)
    return {"model": name, "auc": asdict(auc), "of": len(offered)}


def _compare(measured, arrays):
    """Differences of pairs of models, each with a verdict that counts how many pairs there are."""
    differences = {
        (one, other): {name: measured[one][name] - measured[other][name] for name in METRICS}
        for one, other in _pairs(list(measured))
    }
    # of one training nobody knows how the next one would come out
    once = {name for name in arrays if arrays[name].shape[1] == 1}
    unsure = {name for name in once if name in MODELS and MODELS[name].seeded}
    sure = [pair for pair in differences if unsure.isdisjoint(pair)]
    p = dict(zip(sure, holm(np.array([differences[pair]["auc"].p_value() for pair in sure]))))
    return {
        "-".join(pair): {name: asdict(value.estimate()) for name, value in by_metric.items()}
        | _verdict(by_metric["auc"].value, p.get(pair))
        for pair, by_metric in differences.items()
    }


def _verdict(difference, p):
    if p is None:
        return {"p": None, "verdict": "one training, no verdict"}
    better = "better" if difference > 0 else "worse"
    return {"p": float(p), "verdict": better if p < 0.05 else "no significant difference"}


def _pairs(names):
    """Pairs of models whose difference is told: each and the RNN, each and what it is built on."""
    others = [name for name in names if name not in ("rnn", "dummy", UPPER_BOUND)]
    parts = {name: MODELS[name].built_on for name in names if name in MODELS}
    return [(name, "rnn") for name in others if "rnn" in names] + [
        (name, part) for name in parts for part in parts[name] if part in names
    ]


def _what_lacks(scores, model):
    """Why a model cannot be evaluated, and the next step."""
    if model not in MODELS:
        return f"there is none of that name; there are {', '.join(MODELS)}"
    folder, entry = scores.experiment.folder, MODELS[model]
    for kind in entry.needs:
        if not (folder / f"features-{kind}.npz").is_file():
            return (
                f"needs features of the clips; run `python -m hiphoplib features {folder} "
                f"--kind {kind}` first"
            )
    return (
        f"not trained on this corpus and protocol; run `python -m hiphoplib train {folder} "
        f"--model {model}` first"
    )


def _describe_corpus(experiment):
    kinds = experiment.tracks["popularity_kind"].dropna().unique()
    return {
        "name": experiment.folder.resolve().name,
        "tracks": len(experiment.tracks),
        "artists": int(experiment.tracks["artists"].explode().nunique()),
        "fingerprint": experiment.fingerprint,
        "popularity_kind": ", ".join(map(str, kinds[:5])) or "not said",
    }


def _describe_protocol(experiment, scores, y_true):
    return {
        "grid": experiment.protocol.grid.name,
        "split": experiment.protocol.split,
        "folds": experiment.protocol.folds,
        "seeds": sorted({int(seed) for score in scores.values() for seed in score}),
        "threshold": float(np.mean(experiment.thresholds)),
        "thresholds": experiment.thresholds,
        "test_tracks": len(y_true),
        "positive_share": float(y_true.mean()),
    }


def _describe_runs(experiment, model):
    """Parameters and mean training cost of a network's runs; empty for other models."""
    cards = [
        read_card(experiment.run_folder(model, seed, fold))
        for seed in experiment.trained_seeds(model)
        for fold in experiment.sides
    ]
    if not cards:
        return {}
    return {
        "parameters": cards[0]["parameters"],
        "epochs": float(np.mean([card["epochs"] for card in cards])),
        "seconds_per_clip_epoch": float(np.mean([c["seconds_per_clip_epoch"] for c in cards])),
    }


def write_results(results: dict, path: Path | str) -> None:
    """Write a results file.

    Parameters
    ----------
    results : dict, of `evaluate`
    path : path-like
    """
    write_whole(path, json.dumps(results, indent=1) + "\n")


def read_results(path: Path | str) -> dict:
    """Read a results file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict
    """
    return json.loads(Path(path).read_bytes())


def real_results(*folders: Path | str) -> list[dict]:
    """Read the results files of real recordings: those without an upper bound.

    Parameters
    ----------
    *folders : path-like
        Of two files of one corpus, that of the later folder is taken.

    Returns
    -------
    list of dict
    """
    results = [
        read_results(path) for folder in folders for path in sorted(Path(folder).glob("*.json"))
    ]
    return list(
        {
            each["corpus"]["name"]: each
            for each in results
            if "models" in each and UPPER_BOUND not in each["models"]
        }.values()
    )


@dataclass
class TestTracks:
    """The tracks that models are judged on, once each.

    Parameters
    ----------
    tracks : pd.DataFrame
        Their rows of the tracks table, indexed by track id.
    y_true : np.ndarray of 0 and 1 [shape=(n,)]
        By the threshold of the fold in whose test set a track is.
    fold : np.ndarray of int [shape=(n,)]
    boot : Bootstrap
        Over their artists.
    """

    __test__ = False  # for pytest
    tracks: pd.DataFrame
    y_true: np.ndarray
    fold: np.ndarray
    boot: Bootstrap

    @classmethod
    def of(cls, experiment: Experiment, ids: pd.Index, resamples: int) -> "TestTracks":
        """Take the tracks of an experiment that have the given ids.

        Parameters
        ----------
        experiment : Experiment
        ids : pd.Index of str
        resamples : int, of the bootstrap

        Returns
        -------
        TestTracks
        """
        tracks, labels = experiment.tracks.loc[ids], labels_on_test(experiment).loc[ids]
        return cls(
            tracks,
            labels["label"].to_numpy(),
            labels["fold"].to_numpy(),
            Bootstrap(artist_groups(tracks), resamples),
        )

    @property
    def artists(self) -> np.ndarray:
        """Main artist of each track."""
        return self.tracks["artists"].str[0].to_numpy()


def labels_on_test(experiment: Experiment) -> pd.DataFrame:
    """Return the fold in whose test set every track is, and its label by that fold's threshold.

    Parameters
    ----------
    experiment : Experiment

    Returns
    -------
    pd.DataFrame, indexed by track id
        ``label``, 0 or 1, and ``fold``.
    """
    return pd.concat(
        [
            pd.DataFrame({"label": experiment.labels[fold][side == "test"], "fold": fold})
            for fold, side in experiment.sides.items()
        ]
    )


def _judge(test, scores, measured):
    """What a results file holds of one model, by its scores [shape=(n, seeds)] and metrics."""
    y_true, boot, once = test.y_true, test.boot, np.ones((1, len(test.y_true)))
    popularity = test.tracks["popularity"].to_numpy()
    shipped = together(scores.T)  # all seeds as one model

    def estimate(metric, truth=y_true, scores=scores):
        return asdict(boot.estimate(metric, truth, scores))

    result = {
        name: {
            **asdict(value.estimate()),
            "by_seed": [float(METRICS[name](y_true, score, once)[0]) for score in scores.T],
        }
        for name, value in measured.items()
    }
    if scores.shape[1] > 1:
        result["mean_of_seeds"] = {
            name: estimate(metric, scores=shipped) for name, metric in METRICS.items()
        }
    if np.ptp(scores):  # what is the same for all tracks has no order
        result |= {name: estimate(metric, popularity) for name, metric in RANKS.items()}
        result["calibration_slope"] = estimate(calibration_slope)
        result["calibration_intercept"] = estimate(calibration_intercept)
    return result | {
        "auc_within_folds": _within_groups(test, test.fold, scores),
        "brier_skill": estimate(brier_skill),
        "within_artist": within_artist(y_true, popularity, scores, test.artists),
        "within_genre": _within_groups(test, test.tracks.get("genre"), scores),
        "selective_accuracy": selective_accuracy(popularity, shipped, test.artists),
        "order": reliable_margin(popularity, shipped, test.artists),
        "precision_at_k": hit_shares(boot, y_true, scores, PICKS),
        "reliability": reliability(y_true, shipped).to_dict("records"),
    }


def _share_of_gain(measured):
    """Each model's share of the achievable gain: its AUC over chance, by the upper bound's."""
    most = measured[UPPER_BOUND]["auc"] - 0.5
    return {name: (metrics["auc"] - 0.5) / most for name, metrics in measured.items()}


def _within_groups(test, groups, scores):
    """AUC within groups, None where there are fewer than two."""
    groups = pd.Series(groups)
    if groups.nunique() < 2:
        return None

    auc = partial(within_groups_auc, groups=groups.to_numpy())
    return {**asdict(test.boot.estimate(auc, test.y_true, scores)), "groups": groups.nunique()}
