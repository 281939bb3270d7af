"""How good models are on their test sets: metrics with intervals, and the results file."""

import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hiphoplib.dataset.splits import artist_groups
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import METRICS, RESAMPLES, Bootstrap
from hiphoplib.evaluation.label import describe_label
from hiphoplib.evaluation.selection import hit_shares, within_artist_auc, within_groups_auc
from hiphoplib.io import write_whole
from hiphoplib.models.calibration import brier_skill, reliability
from hiphoplib.models.comparison import MODELS, UPPER_BOUND, Scores
from hiphoplib.models.experiment import Experiment
from hiphoplib.models.training import read_card, versions
from hiphoplib.tracks.table import read_tracks

LABELLED = ("cnn1", "rnn", "musicnn", "ensemble", UPPER_BOUND)  # judged by other labels, too
PICKS = ((10, 1), (10, 3))  # pick so many of ten finished songs


def evaluate(experiment: Experiment, models: Sequence[str] | None = None, *,
             resamples: int = RESAMPLES, command: str | None = None
             ) -> tuple[dict, dict[str, pd.DataFrame]]:
    """Evaluate every model on the test sets, with intervals over artists.

    Parameters
    ----------
    experiment : Experiment
    models : sequence of str, optional
        Names in `MODELS`; all that are trained, or need no more than is there, if not given.
    resamples : int
        Bootstrap samples of artists.
    command : str, optional
        What to write down as the way to repeat this.

    Returns
    -------
    results : dict
        ``corpus``, ``protocol``, ``models``, ``paired``, ``label``, ``versions``, ``made``,
        ``command``; see `write_results`.
    scores : dict of str to pd.DataFrame [shape=(test tracks, seeds)]

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
    measured = {name: {metric: test.boot.resample(function, test.y_true, array)
                       for metric, function in METRICS.items()}
                for name, array in arrays.items()}
    judged = {name: _judge(test, arrays[name], measured[name]) | _describe_runs(experiment, name)
              for name in names}
    if UPPER_BOUND in judged:
        for name, share in _share_of_gain(measured).items():
            judged[name]["recovered"] = asdict(share.estimate())
    return {
        "corpus": _describe_corpus(experiment),
        "protocol": _describe_protocol(experiment, scores, test.y_true), "models": judged,
        "paired": {f"{one}-{other}": {
            metric: asdict((measured[one][metric] - measured[other][metric]).estimate())
            for metric in METRICS} for one, other in _pairs(names)},
        "label": describe_label(
            read_tracks(experiment.folder), experiment.tracks, test.tracks.index,
            {name: arrays[name] for name in arrays if name in LABELLED}, test.boot),
        "versions": versions(), "made": datetime.date.today().isoformat(), "command": command,
    }, scores


def _pairs(names):
    """Pairs of models whose difference is told: each and the RNN, each and what it is built on."""
    pairs = [(name, "rnn") for name in names if name != "rnn" and "rnn" in names]
    return pairs + [(name, part) for name in names if name in MODELS
                    for part in MODELS[name].built_on if part in names]


def _what_lacks(scores, model):
    """Why a model cannot be evaluated, and the next step."""
    if model not in MODELS:
        return f"there is none of that name; there are {', '.join(MODELS)}"
    folder, entry = scores.experiment.folder, MODELS[model]
    if entry.needs and not (folder / f"features-{entry.needs}.npz").is_file():
        return (f"needs features of the clips; run `python -m hiphoplib features {folder} "
                f"--kind {entry.needs}` first")
    lacking = next((part for part in entry.built_on if not scores.seeds(part)), None)
    if lacking:
        return _what_lacks(scores, lacking)
    return (f"not trained on this corpus and protocol; run `python -m hiphoplib train {folder} "
            f"--model {model}` first")


def _describe_corpus(experiment):
    kinds = experiment.tracks["popularity_kind"].dropna().unique()
    return {"name": experiment.folder.resolve().name, "tracks": len(experiment.tracks),
            "artists": int(experiment.tracks["artists"].explode().nunique()),
            "fingerprint": experiment.fingerprint,
            "popularity_kind": ", ".join(map(str, kinds[:5])) or "not said"}


def _describe_protocol(experiment, scores, y_true):
    seeds = sorted(set().union(*(score.columns for score in scores.values())))
    return {"grid": experiment.protocol.grid.name, "split": experiment.protocol.split,
            "folds": experiment.protocol.folds, "seeds": [int(seed) for seed in seeds],
            "threshold": float(np.mean(experiment.thresholds)), "thresholds": experiment.thresholds,
            "test_tracks": len(y_true), "positive_share": float(y_true.mean())}


def _describe_runs(experiment, model):
    """Parameters and mean training cost of a network's runs; empty for other models."""
    cards = [read_card(experiment.run_folder(model, seed, fold))
             for seed in experiment.trained_seeds(model) for fold in experiment.sides]
    if not cards:
        return {}
    return {"parameters": cards[0]["parameters"],
            "epochs": float(np.mean([card["epochs"] for card in cards])),
            "seconds_per_clip_epoch": float(np.mean([c["seconds_per_clip_epoch"] for c in cards]))}


def write_results(results: dict, path: Path | str) -> None:
    """Write a results file.

    Parameters
    ----------
    results : dict
        Of `evaluate`.
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
    return json.loads(Path(path).read_text())


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
    results = [read_results(path) for folder in folders
               for path in sorted(Path(folder).glob("*.json"))]
    return list({each["corpus"]["name"]: each for each in results
                 if "models" in each and UPPER_BOUND not in each["models"]}.values())


@dataclass
class TestTracks:
    """The tracks that models are judged on, once each.

    Parameters
    ----------
    tracks : pd.DataFrame
        Their rows of the tracks table, indexed by track id.
    y_true : np.ndarray of 0 and 1 [shape=(n,)]
        By the threshold of the fold in whose test set a track is.
    boot : Bootstrap
        Over their artists.
    """

    __test__ = False  # for pytest
    tracks: pd.DataFrame
    y_true: np.ndarray
    boot: Bootstrap

    @classmethod
    def of(cls, experiment: Experiment, ids: pd.Index, resamples: int) -> "TestTracks":
        """Take the tracks of an experiment that have the given ids.

        Parameters
        ----------
        experiment : Experiment
        ids : pd.Index of str
        resamples : int
            Of the bootstrap.

        Returns
        -------
        TestTracks
        """
        tracks = experiment.tracks.loc[ids]
        return cls(tracks, labels_on_test(experiment)[ids].to_numpy(),
                   Bootstrap(artist_groups(tracks), resamples))


def labels_on_test(experiment: Experiment) -> pd.Series:
    """Return the label of every test track by its own fold's threshold.

    Parameters
    ----------
    experiment : Experiment

    Returns
    -------
    pd.Series of int, indexed by track id
    """
    return pd.concat([experiment.labels[fold][side == "test"]
                      for fold, side in experiment.sides.items()])


def _judge(test, scores, measured):
    """What a results file holds of one model, by its scores [shape=(n, seeds)] and metrics."""
    y_true, boot, once = test.y_true, test.boot, np.ones((1, len(test.y_true)))
    result = {metric: {**asdict(value.estimate()),
                       "by_seed": [float(METRICS[metric](y_true, score, once)[0])
                                   for score in scores.T]} for metric, value in measured.items()}
    return result | {
        "brier_skill": asdict(boot.estimate(brier_skill, y_true, scores)),
        "within_artist": _within_artist(test, scores), "within_genre": _within_genre(test, scores),
        "precision_at_k": hit_shares(boot, y_true, scores, PICKS),
        "reliability": reliability(y_true, scores.mean(axis=1)).to_dict("records")}


def _share_of_gain(measured):
    """Each model's share of the achievable gain: its AUC over chance, by the upper bound's."""
    most = measured[UPPER_BOUND]["auc"] - 0.5
    return {name: (metrics["auc"] - 0.5) / most for name, metrics in measured.items()}


def _within_artist(test, scores):
    artists = test.tracks["artists"].str[0].to_numpy()

    def auc(y_true, score, weights):
        return within_artist_auc(y_true, score, artists, weights)[0]

    _, n_artists = within_artist_auc(test.y_true, scores[:, 0], artists, test.boot.weights[:1])
    if not n_artists:
        return None
    return {**asdict(test.boot.estimate(auc, test.y_true, scores)), "artists": n_artists}


def _within_genre(test, scores):
    if "genre" not in test.tracks or test.tracks["genre"].nunique() < 2:
        return None
    genres = test.tracks["genre"].to_numpy()

    def auc(y_true, score, weights):
        return within_groups_auc(y_true, score, genres, weights)

    return {**asdict(test.boot.estimate(auc, test.y_true, scores)),
            "genres": int(test.tracks["genre"].nunique())}
