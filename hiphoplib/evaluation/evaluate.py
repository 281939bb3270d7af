"""How good models are on their test sets: metrics with intervals, and the results file."""

import datetime
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hiphoplib.dataset.splits import artist_groups
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import METRICS, RESAMPLES, Bootstrap, Resampled
from hiphoplib.evaluation.label import describe_label
from hiphoplib.evaluation.selection import hit_shares, within_artist_auc, within_groups_auc
from hiphoplib.io import progress, write_whole
from hiphoplib.models.calibration import brier_skill, calibrated, reliability
from hiphoplib.models.comparison import MODELS, platt_on_validation, scores_of
from hiphoplib.models.networks import NETWORKS, VERSION
from hiphoplib.models.training import read_card, versions
from hiphoplib.tracks.table import read_tracks

SEEDS = 5  # of a model that is fitted in seconds
LABELLED = ("cnn1", "rnn", "musicnn", "ensemble", "upper_bound")  # judged by other labels, too
PICKS = ((10, 1), (10, 3))  # pick so many of ten finished songs


def scores_on_test(experiment, model):
    """Probabilities of the held-out tracks, by models that saw neither them nor their artists.

    Each fold's scores are calibrated on its own test side, so that those of all folds compare.
    Where a model says the same of all tracks it knows nothing, and the dummy's one number stands:
    a number of each fold's own would rank the folds.

    Parameters
    ----------
    experiment : Experiment
    model : str
        A name in `MODELS`, or "upper_bound": the synthetic corpus' own truth.

    Returns
    -------
    scores : pd.DataFrame [shape=(tracks, seeds)], indexed by track id
        Every track once with folds, those of the holdout else.
    """
    heldout = {fold: side.index[side == "test"] for fold, side in experiment.sides.items()}
    if model == "upper_bound":
        truth = json.loads((experiment.folder / "truth.json").read_text())["tracks"]
        ids = np.concatenate(list(heldout.values()))
        return pd.DataFrame({0: [truth[track_id]["upper_bound"] for track_id in ids]}, index=ids)
    parts = {seed: [] for seed in seeds_of(experiment, model)}
    runs = [(seed, fold) for seed in parts for fold in heldout]
    for seed, fold in progress(runs, desc=f"score {model}", unit="run"):
        score = scores_of(experiment, model, fold, seed)
        if score.nunique() == 1:
            score = scores_of(experiment, "dummy", fold, seed)
        else:
            score = pd.Series(
                calibrated(score, *platt_on_validation(experiment, fold, score)), score.index
            )
        parts[seed].append(score[heldout[fold]])
    return pd.DataFrame({seed: pd.concat(scores) for seed, scores in parts.items()})


def seeds_of(experiment, model):
    """Seeds that an entry of the ladder can answer for, list of int; none where something lacks.

    A network has those that it was trained with, what is built on networks theirs, and what
    depends on no seed has one.
    """
    entry = MODELS[model]
    if entry.needs and not (experiment.folder / f"features-{entry.needs}.npz").is_file():
        return []
    if model in NETWORKS:
        return trained_seeds(experiment, model)
    if entry.built_on:
        return sorted(set.intersection(*(set(seeds_of(experiment, name)) for name in entry.built_on
                                         if MODELS[name].seeded)))
    return list(range(SEEDS)) if entry.seeded else [0]


def trained_seeds(experiment, model):
    """Seeds of which every fold of a model is trained on this very corpus, list of int."""
    cards = {}
    for path in (experiment.folder / "runs" / experiment.protocol.name / model).glob("*/card.json"):
        card = read_card(path.parent)
        if (card and card.get("fingerprint") == experiment.fingerprint
                and card.get("networks") == VERSION):
            cards.setdefault(card["seed"], []).append(card["fold"])
    return sorted(seed for seed, folds in cards.items() if set(folds) >= set(experiment.sides))


def evaluate(experiment, models=None, *, resamples=RESAMPLES, command=None):
    """Metrics of every model with intervals over artists, as a results file holds them.

    Parameters
    ----------
    experiment : Experiment
    models : list of str, optional
        Of the ladder; all that are trained, or need no more than is there, if not given.
    resamples : int
        Bootstrap samples of artists.
    command : str, optional
        What to write down as the way to repeat this.

    Returns
    -------
    results : dict
        ``corpus``, ``protocol``, ``models``, ``paired``, ``label``, ``versions``, ``made``,
        ``command``; see `write_results`.
    scores : dict of str to pd.DataFrame [shape=(held-out tracks, seeds)]

    Raises
    ------
    BadInput
        If a model is not trained, or the held-out tracks have one class only.
    """
    there = [name for name in MODELS if seeds_of(experiment, name)]
    for model in models or []:
        if model not in there:
            raise BadInput(f"model {model!r}: {_what_lacks(experiment, model)}")
    names = [name for name in there if name == "dummy" or not models or name in models]
    if (experiment.folder / "truth.json").is_file():
        names.append("upper_bound")
    scores = {name: scores_on_test(experiment, name) for name in names}
    test = TestTracks.of(experiment, scores["dummy"].index, resamples)
    arrays = {name: score.loc[test.tracks.index].to_numpy() for name, score in scores.items()}
    measured = {name: {metric: test.boot.resample(function, test.y_true, array)
                       for metric, function in METRICS.items()}
                for name, array in arrays.items()}
    models = {name: judge(test, arrays[name], measured[name]) | _describe_runs(experiment, name)
              for name in names}
    if "upper_bound" in models:
        for name, share in share_of_gain(measured).items():
            models[name]["recovered"] = asdict(share.estimate())
    return {
        "corpus": _describe_corpus(experiment),
        "protocol": _describe_protocol(experiment, scores, test.y_true), "models": models,
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


def _what_lacks(experiment, model):
    """Why a model cannot be evaluated, and the next step."""
    if model not in MODELS:
        return f"there is none of that name; there are {', '.join(MODELS)}"
    entry = MODELS[model]
    if entry.needs and not (experiment.folder / f"features-{entry.needs}.npz").is_file():
        return (
            f"needs features of the clips; run `python -m hiphoplib features {experiment.folder} "
            f"--kind {entry.needs}` first"
        )
    lacking = next((part for part in entry.built_on if not seeds_of(experiment, part)), None)
    if lacking:
        return _what_lacks(experiment, lacking)
    return (f"not trained on this corpus and protocol; run `python -m hiphoplib train "
            f"{experiment.folder} --model {model}` first")


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
    """Parameters and mean training cost of a model's runs; empty for dummy and oracle."""
    cards = [read_card(experiment.run_folder(model, seed, fold))
             for seed in trained_seeds(experiment, model) for fold in experiment.sides]
    if not cards:
        return {}
    return {"parameters": cards[0]["parameters"],
            "epochs": float(np.mean([card["epochs"] for card in cards])),
            "seconds_per_clip_epoch": float(np.mean([c["seconds_per_clip_epoch"] for c in cards]))}


def write_results(results, path):
    """Write a results file."""
    write_whole(path, json.dumps(results, indent=1) + "\n")


def read_results(path):
    """Read a results file."""
    return json.loads(Path(path).read_text())


def real_results(*folders):
    """Results files of real recordings, those without an oracle, list of dict.

    One a corpus: of two by one name, that of the later folder.
    """
    found = [read_results(path) for folder in folders
             for path in sorted(Path(folder).glob("*.json"))]
    return list({each["corpus"]["name"]: each for each in found
                 if "models" in each and "upper_bound" not in each["models"]}.values())


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
    def of(cls, experiment, ids, resamples: int):
        """Return those of an experiment that have the given ids."""
        tracks = experiment.tracks.loc[ids]
        return cls(tracks, labels_on_test(experiment)[ids].to_numpy(),
                   Bootstrap(artist_groups(tracks), resamples))


def labels_on_test(experiment) -> pd.Series:
    """Return the label of every test track by its own fold's threshold, pd.Series of int."""
    return pd.concat([experiment.labels[fold][side == "test"]
                      for fold, side in experiment.sides.items()])


def judge(test: TestTracks, scores: np.ndarray, measured: dict[str, Resampled]) -> dict:
    """Return all that a results file says of one model.

    Parameters
    ----------
    test : TestTracks
    scores : np.ndarray [shape=(n, seeds)]
        Probability of being popular.
    measured : dict of str to Resampled
        By metric.

    Returns
    -------
    dict
        ``auc``, ``accuracy``, ``brier``, each with ``mean``, ``low``, ``high`` and ``by_seed``;
        ``brier_skill``; ``within_artist`` and ``within_genre``, None where there is no pair;
        ``precision_at_k``; ``reliability``.
    """
    y_true, boot, once = test.y_true, test.boot, np.ones((1, len(test.y_true)))
    result = {metric: {**asdict(value.estimate()),
                       "by_seed": [float(METRICS[metric](y_true, score, once)[0])
                                   for score in scores.T]} for metric, value in measured.items()}
    return result | {
        "brier_skill": asdict(boot.estimate(brier_skill, y_true, scores)),
        "within_artist": _within_artist(test, scores), "within_genre": _within_genre(test, scores),
        "precision_at_k": hit_shares(boot, y_true, scores, PICKS),
        "reliability": reliability(y_true, scores.mean(axis=1)).to_dict("records")}


def share_of_gain(measured: dict[str, dict[str, Resampled]]) -> dict[str, Resampled]:
    """Return each model's share of the achievable gain: its AUC over chance by the upper bound's.

    Parameters
    ----------
    measured : dict of str to dict
        By model and metric; "upper_bound" is one of the models.
    """
    most = measured["upper_bound"]["auc"] - 0.5
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
