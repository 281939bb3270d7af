"""What the models reached on tracks that they never saw: metrics with intervals, results file."""

import datetime
import json
from pathlib import Path

import numpy as np
import pandas as pd

from .errors import BadInput
from .files import write_whole
from .models import MODELS
from .quiet import progress
from .splits import artist_groups
from .training import load_run, read_card, versions

RESAMPLES = 2000
BLOCK = 100  # resamples that are measured at a time: of a million clips they fit into memory
METRICS = ("auc", "accuracy", "brier")


def weighted_auc(y_true, score, weights):
    """ROC-AUC under many weightings of the tracks at once.

    Parameters
    ----------
    y_true : np.ndarray of 0 and 1 [shape=(n,)]
    score : np.ndarray [shape=(n,)]
        Ties count half.
    weights : np.ndarray [shape=(resamples, n)]
        How often each track stands in each resample.

    Returns
    -------
    np.ndarray [shape=(resamples,)]
        NaN where a resample has one class only.
    """
    order = np.argsort(score, kind="stable")
    ranked, positive = score[order], y_true[order].astype(bool)
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    weights = _floats(weights[:, order])
    pos = np.add.reduceat(weights * positive, starts, axis=1)
    neg = np.add.reduceat(weights * ~positive, starts, axis=1)
    below = np.cumsum(neg, axis=1) - neg / 2
    with np.errstate(invalid="ignore"):
        return (pos * below).sum(axis=1) / (pos.sum(axis=1) * neg.sum(axis=1))


def measure(y_true, score, weights):
    """Every metric under many weightings, dict of np.ndarray [shape=(resamples,)].

    ``accuracy`` calls a track popular from a probability of 0.5 on; ``brier`` is the mean squared
    error of the probability.
    """
    blocks = [_measure(y_true, score, _floats(weights[first: first + BLOCK]))
              for first in range(0, len(weights), BLOCK)]
    return {metric: np.concatenate([block[metric] for block in blocks]) for metric in METRICS}


def _measure(y_true, score, weights):
    total = weights.sum(axis=1)
    return {"auc": weighted_auc(y_true, score, weights),
            "accuracy": weights @ ((score >= 0.5) == y_true) / total,
            "brier": weights @ (score - y_true) ** 2 / total}


def _floats(weights):
    """Weights that can be added up: single precision for those of `resample_artists`."""
    return weights.astype(np.promote_types(weights.dtype, np.float32))


def resample_artists(groups, resamples=RESAMPLES, seed=0):
    """How often each track stands in each bootstrap sample of artist groups.

    Tracks of one artist are no independent evidence, so whole groups are drawn.

    Returns
    -------
    np.ndarray [shape=(resamples, n)], uint8
    """
    member = pd.factorize(np.asarray(groups))[0]
    n_groups = member.max() + 1
    rng, chance = np.random.default_rng(seed), np.full(n_groups, 1 / n_groups)
    weights = np.empty((resamples, len(member)), np.uint8)
    for drawn in weights:
        drawn[:] = rng.multinomial(n_groups, chance)[member]
    return weights


def interval(draws):
    """Ends of the 95 % percentile interval, resamples without a value left out."""
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return {"low": float(low), "high": float(high)}


def metrics_with_intervals(y_true, scores, weights):
    """Metrics of one model over its seeds.

    Parameters
    ----------
    y_true : np.ndarray of 0 and 1 [shape=(n,)]
    scores : np.ndarray [shape=(n, seeds)]
        Probability of being popular.
    weights : np.ndarray [shape=(resamples, n)]
        From `resample_artists`.

    Returns
    -------
    dict
        By metric: ``mean`` over seeds, ``low`` and ``high`` of the 95 % interval of that mean
        over artists, ``by_seed``.
    """
    once = np.ones((1, len(y_true)))
    points = [measure(y_true, score, once) for score in scores.T]
    draws = [measure(y_true, score, weights) for score in scores.T]
    return {metric: {"mean": float(np.mean([point[metric][0] for point in points])),
                     **interval(np.mean([draw[metric] for draw in draws], axis=0)),
                     "by_seed": [float(point[metric][0]) for point in points]}
            for metric in METRICS}


def paired_differences(y_true, scores, weights, versus="rnn"):
    """Metric of every other model minus that of one, resample by resample.

    Parameters
    ----------
    scores : dict of str to np.ndarray [shape=(n, seeds)]

    Returns
    -------
    dict
        ``{"cnn1-rnn": {"auc": {"mean", "low", "high"}, …}, …}``
    """
    def over_seeds(model, weights):
        draws = [measure(y_true, score, weights) for score in scores[model].T]
        return {metric: np.mean([draw[metric] for draw in draws], axis=0) for metric in METRICS}

    if versus not in scores:
        return {}
    once, many = np.ones((1, len(y_true))), {model: over_seeds(model, weights) for model in scores}
    point = {model: over_seeds(model, once) for model in scores}
    return {f"{model}-{versus}": {
                metric: {"mean": float(point[model][metric][0] - point[versus][metric][0]),
                         **interval(many[model][metric] - many[versus][metric])}
                for metric in METRICS}
            for model in scores if model != versus}


def heldout_scores(task, model):
    """Scores of the held-out tracks by models that saw neither them nor their artists.

    The holdout is touched here and nowhere else, once a run: the scores are kept beside it.

    Parameters
    ----------
    task : Task
    model : str
        A trained network, "dummy" (the training tracks' share of popular ones) or "oracle"
        (the synthetic corpus' own truth).

    Returns
    -------
    scores : pd.DataFrame [shape=(tracks, seeds)], indexed by track id
        Every track once with folds, those of the holdout else.
    """
    heldout = {fold: side.index[side == "holdout"] for fold, side in task.sides.items()}
    if model == "dummy":
        # one constant over all folds: constants of their own would rank the folds' tracks
        share = np.mean([task.labels[fold][task.sides[fold] == "train"].mean() for fold in heldout])
        return pd.DataFrame({0: share}, index=np.concatenate(list(heldout.values())))
    if model == "oracle":
        truth = json.loads((task.folder / "truth.json").read_text())["tracks"]
        ids = np.concatenate(list(heldout.values()))
        return pd.DataFrame({0: [truth[track_id]["oracle"] for track_id in ids]}, index=ids)
    parts = {seed: [] for seed in trained_seeds(task, model)}
    runs = [(seed, fold) for seed in parts for fold in heldout]
    for seed, fold in progress(runs, desc=f"score {model}", unit="run"):
        parts[seed].append(_run_scores(task, model, seed, fold, heldout[fold]))
    return pd.DataFrame({seed: pd.concat(scores) for seed, scores in parts.items()})


def _run_scores(task, model, seed, fold, ids):
    """Scores of one run on its held-out tracks, computed once and then read."""
    folder = task.run_folder(model, seed, fold)
    path = folder / "scores.csv"
    if path.is_file():
        table = pd.read_csv(path, dtype={"id": str}, keep_default_na=False)
        scores = table.set_index("id")["score"]
        if scores.index.equals(pd.Index(ids, name="id")):
            return scores
    run = load_run(folder)
    batches = (task.store.batch(ids[start: start + 64]) for start in range(0, len(ids), 64))
    answers = np.concatenate([run.predict(S_db) for S_db in batches]).astype(float)
    # six decimals come back from the file as they are now: a second evaluation gives the same
    scores = pd.Series(answers.round(6), index=pd.Index(ids, name="id"), name="score")
    write_whole(path, scores.to_csv())
    return scores


def trained_seeds(task, model):
    """Seeds of which every fold of a model is trained on this very corpus, list of int."""
    cards = {}
    for path in (task.folder / "runs" / task.protocol.name / model).glob("*/card.json"):
        card = read_card(path.parent)
        if card and card.get("fingerprint") == task.fingerprint:
            cards.setdefault(card["seed"], []).append(card["fold"])
    return sorted(seed for seed, folds in cards.items() if set(folds) >= set(task.sides))


def evaluate(task, models=None, *, resamples=RESAMPLES, command=None):
    """Metrics with intervals of every trained model, of the dummy, and of the oracle if any.

    Parameters
    ----------
    task : Task
    models : list of str, optional
        All that are trained, in the registry's order, if not given.
    resamples : int
        Bootstrap samples of artists.
    command : str, optional
        What made the result, put down with it.

    Returns
    -------
    results : dict
        The results file of the project's design.
    scores : dict of str to pd.DataFrame [shape=(tracks, seeds)]
        Held-out scores by model.

    Raises
    ------
    BadInput
        If a model is not trained, or the held-out tracks have one class only.
    """
    trained = [model for model in MODELS if trained_seeds(task, model)]
    for model in models or []:
        if model not in trained:
            raise BadInput(f"model {model!r}: not trained on this corpus and protocol; run "
                           f"`python -m hiphoplib train {task.folder} --model {model}` first")
    names = ["dummy", *(models or trained)]
    if (task.folder / "truth.json").is_file():
        names.append("oracle")
    scores = {name: heldout_scores(task, name) for name in names}
    y_true = heldout_labels(task)
    if y_true.nunique() < 2:
        raise BadInput(f"split: the {len(y_true)} held-out tracks have one class only; "
                       "gather more tracks, or use folds")
    weights = resample_artists(artist_groups(task.tracks)[y_true.index], resamples)
    arrays = {name: score.loc[y_true.index].to_numpy() for name, score in scores.items()}
    results = {
        "corpus": _describe_corpus(task), "protocol": _describe_protocol(task, scores, y_true),
        "models": {name: metrics_with_intervals(y_true.to_numpy(), array, weights)
                   | _describe_runs(task, name) for name, array in arrays.items()},
        "paired": paired_differences(y_true.to_numpy(), arrays, weights),
        "versions": versions(), "made": datetime.date.today().isoformat(), "command": command,
    }
    return results, scores


def heldout_labels(task):
    """Label of every held-out track by its own fold's threshold, pd.Series of int."""
    return pd.concat([task.labels[fold][side == "holdout"] for fold, side in task.sides.items()])


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
