"""What the models reached on tracks that they never saw: metrics with intervals, results file."""

import datetime
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hiphoplib.dataset.splits import artist_groups
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import (
    RESAMPLES,
    estimate,
    estimate_over_seeds,
    metrics_with_intervals,
    over_seeds,
    paired_differences,
    resample_artists,
)
from hiphoplib.evaluation.label import describe_label
from hiphoplib.evaluation.selection import sieve, within_artist_auc, within_groups_auc
from hiphoplib.io import progress, write_whole
from hiphoplib.models.calibration import brier_skill, calibrated, reliability
from hiphoplib.models.comparison import LADDER, answered, platt_on_test
from hiphoplib.models.networks import MODELS, VERSION
from hiphoplib.models.training import read_card, versions
from hiphoplib.scoring.model_folder import write_model_cards
from hiphoplib.tracks.table import read_tracks

SEEDS = 5  # of a model that is fitted in seconds
LABELLED = ("cnn1", "rnn", "transfer", "ensemble", "oracle")  # judged by other labels, too
SIEVES = ((10, 1), (10, 3))  # pick so many of ten finished songs


def heldout_scores(task, model):
    """Probabilities of the held-out tracks, by models that saw neither them nor their artists.

    Each fold's scores are calibrated on its own test side, so that those of all folds compare.
    Where a model says the same of all tracks it knows nothing, and the dummy's one number stands:
    a number of each fold's own would rank the folds.

    Parameters
    ----------
    task : Task
    model : str
        A name in `LADDER`, or "oracle": the synthetic corpus' own truth.

    Returns
    -------
    scores : pd.DataFrame [shape=(tracks, seeds)], indexed by track id
        Every track once with folds, those of the holdout else.
    """
    heldout = {fold: side.index[side == "holdout"] for fold, side in task.sides.items()}
    if model == "oracle":
        truth = json.loads((task.folder / "truth.json").read_text())["tracks"]
        ids = np.concatenate(list(heldout.values()))
        return pd.DataFrame({0: [truth[track_id]["oracle"] for track_id in ids]}, index=ids)
    parts = {seed: [] for seed in seeds_of(task, model)}
    runs = [(seed, fold) for seed in parts for fold in heldout]
    for seed, fold in progress(runs, desc=f"score {model}", unit="run"):
        score = answered(task, model, fold, seed)
        if score.nunique() == 1:
            score = answered(task, "dummy", fold, seed)
        else:
            score = pd.Series(calibrated(score, *platt_on_test(task, fold, score)), score.index)
        parts[seed].append(score[heldout[fold]])
    return pd.DataFrame({seed: pd.concat(scores) for seed, scores in parts.items()})


def seeds_of(task, model):
    """Seeds that a rung of the ladder can answer for, list of int; none where something lacks.

    A network has those that it was trained with, what is built on networks theirs, and what
    depends on no seed has one.
    """
    rung = LADDER[model]
    if rung.needs and not (task.folder / f"features-{rung.needs}.npz").is_file():
        return []
    if model in MODELS:
        return trained_seeds(task, model)
    if rung.built_on:
        return sorted(set.intersection(*(set(seeds_of(task, name)) for name in rung.built_on
                                         if LADDER[name].seeded)))
    return list(range(SEEDS)) if rung.seeded else [0]


def trained_seeds(task, model):
    """Seeds of which every fold of a model is trained on this very corpus, list of int."""
    cards = {}
    for path in (task.folder / "runs" / task.protocol.name / model).glob("*/card.json"):
        card = read_card(path.parent)
        if (card and card.get("fingerprint") == task.fingerprint
                and card.get("networks") == VERSION):
            cards.setdefault(card["seed"], []).append(card["fold"])
    return sorted(seed for seed, folds in cards.items() if set(folds) >= set(task.sides))


def evaluate(task, models=None, *, resamples=RESAMPLES, command=None):
    """Metrics of every model with intervals over artists, as a results file holds them.

    Parameters
    ----------
    task : Task
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
    there = [name for name in LADDER if seeds_of(task, name)]
    for model in models or []:
        if model not in there:
            raise BadInput(f"model {model!r}: {_what_lacks(task, model)}")
    names = [name for name in there if name == "dummy" or not models or name in models]
    if (task.folder / "truth.json").is_file():
        names.append("oracle")
    scores = {name: heldout_scores(task, name) for name in names}
    heldout = Heldout.of(task, scores["dummy"].index, resamples)
    arrays = {name: score.loc[heldout.tracks.index].to_numpy() for name, score in scores.items()}
    draws = {name: over_seeds(heldout.y_true, array, heldout.weights)
             for name, array in arrays.items()}
    models = {name: findings(heldout, arrays[name], draws[name]) | _describe_runs(task, name)
              for name in names}
    if "oracle" in models:
        for name, share in recovered(models, draws).items():
            models[name]["recovered"] = share
    results = {
        "corpus": _describe_corpus(task),
        "protocol": _describe_protocol(task, scores, heldout.y_true), "models": models,
        "paired": paired_differences(heldout.y_true, arrays, draws, _pairs(names)),
        "label": describe_label(
            read_tracks(task.folder), task.tracks, heldout.tracks.index,
            {name: arrays[name] for name in arrays if name in LABELLED}, heldout.weights),
        "versions": versions(), "made": datetime.date.today().isoformat(), "command": command,
    }
    write_model_cards(task, results, {name: list(scores[name]) for name in names if name in MODELS})
    return results, scores


def _pairs(names):
    """Pairs of models whose difference is told: each and the RNN, each and what it is built on."""
    pairs = [(name, "rnn") for name in names if name != "rnn" and "rnn" in names]
    return pairs + [(name, part) for name in names if name in LADDER
                    for part in LADDER[name].built_on if part in names]


def _what_lacks(task, model):
    """Why a model cannot be evaluated, and the next step."""
    if model not in LADDER:
        return f"there is none of that name; there are {', '.join(LADDER)}"
    rung = LADDER[model]
    if rung.needs and not (task.folder / f"features-{rung.needs}.npz").is_file():
        return (f"needs features of the clips; run `python -m hiphoplib features {task.folder} "
                f"--kind {rung.needs}` first")
    lacking = next((part for part in rung.built_on if not seeds_of(task, part)), None)
    if lacking:
        return _what_lacks(task, lacking)
    return (f"not trained on this corpus and protocol; run `python -m hiphoplib train "
            f"{task.folder} --model {model}` first")


def _describe_corpus(task):
    kinds = task.tracks["popularity_kind"].dropna().unique()
    return {"name": task.folder.resolve().name, "tracks": len(task.tracks),
            "artists": int(task.tracks["artists"].explode().nunique()),
            "fingerprint": task.fingerprint,
            "popularity_kind": ", ".join(map(str, kinds[:5])) or "not said"}


def _describe_protocol(task, scores, y_true):
    seeds = sorted(set().union(*(score.columns for score in scores.values())))
    return {"grid": task.protocol.grid.name, "split": task.protocol.split,
            "folds": task.protocol.folds, "seeds": [int(seed) for seed in seeds],
            "threshold": float(np.mean(task.thresholds)), "thresholds": task.thresholds,
            "heldout": len(y_true), "positive_share": float(y_true.mean())}


def _describe_runs(task, model):
    """Parameters and mean training cost of a model's runs; empty for dummy and oracle."""
    cards = [read_card(task.run_folder(model, seed, fold))
             for seed in trained_seeds(task, model) for fold in task.sides]
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
                 if "models" in each and "oracle" not in each["models"]}.values())


@dataclass
class Heldout:
    """The tracks that models are judged on, once each.

    Parameters
    ----------
    tracks : pd.DataFrame
        Their rows of the tracks table, indexed by track id.
    y_true : np.ndarray of 0 and 1 [shape=(n,)]
        By the threshold of the fold that holds a track out.
    weights : np.ndarray [shape=(resamples, n)]
        From `metrics.resample_artists`.
    """

    tracks: pd.DataFrame
    y_true: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, task, ids, resamples):
        """Those of a task that have the given ids."""
        tracks = task.tracks.loc[ids]
        return cls(tracks, heldout_labels(task)[ids].to_numpy(),
                   resample_artists(artist_groups(tracks), resamples))


def heldout_labels(task):
    """Label of every held-out track by its own fold's threshold, pd.Series of int."""
    return pd.concat([task.labels[fold][side == "holdout"] for fold, side in task.sides.items()])


def findings(heldout, scores, draws):
    """All that is told of one model.

    Parameters
    ----------
    heldout : Heldout
    scores : np.ndarray [shape=(n, seeds)]
        Probability of being popular.
    draws : dict of np.ndarray [shape=(resamples,)]
        From `metrics.over_seeds`.

    Returns
    -------
    dict
        ``auc``, ``accuracy``, ``brier``, each with ``mean``, ``low``, ``high`` and ``by_seed``;
        ``brier_skill``; ``within_artist`` and ``within_genre``, None where there is no pair;
        ``sieve``; ``reliability``.
    """
    y_true, weights = heldout.y_true, heldout.weights
    told = metrics_with_intervals(y_true, scores, draws)
    told["brier_skill"] = estimate_over_seeds(brier_skill, y_true, scores, weights)
    told["within_artist"] = _within_artist(heldout, scores)
    told["within_genre"] = _within_genre(heldout, scores)
    told["sieve"] = sieve(y_true, scores, weights, SIEVES)
    told["reliability"] = reliability(y_true, scores.mean(axis=1)).to_dict("records")
    return told


def recovered(models, draws, oracle="oracle"):
    """Share of the oracle's lift over chance that each model recovers, dict of estimates.

    Parameters
    ----------
    models : dict of str to dict
        From `findings`.
    draws : dict of str to dict
        From `metrics.over_seeds`.
    """
    lift = models[oracle]["auc"]["mean"] - 0.5, draws[oracle]["auc"] - 0.5
    return {name: estimate((model["auc"]["mean"] - 0.5) / lift[0],
                           (draws[name]["auc"] - 0.5) / lift[1]) for name, model in models.items()}


def _within_artist(heldout, scores):
    artists = heldout.tracks["artists"].str[0].to_numpy()

    def auc(y_true, score, weights):
        return within_artist_auc(y_true, score, artists, weights)[0]

    _, n_artists = within_artist_auc(heldout.y_true, scores[:, 0], artists, heldout.weights[:1])
    if not n_artists:
        return None
    return {**estimate_over_seeds(auc, heldout.y_true, scores, heldout.weights),
            "artists": n_artists}


def _within_genre(heldout, scores):
    if "genre" not in heldout.tracks or heldout.tracks["genre"].nunique() < 2:
        return None
    genres = heldout.tracks["genre"].to_numpy()

    def auc(y_true, score, weights):
        return within_groups_auc(y_true, score, genres, weights)

    return estimate_over_seeds(auc, heldout.y_true, scores, heldout.weights) | {
        "genres": int(heldout.tracks["genre"].nunique())}
