"""How many tracks a finding needs, recognised artists, and how networks are best trained."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

from hiphoplib.dataset.splits import SPLITS, artist_groups, percentile
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import RESAMPLES, Bootstrap, Estimate, Resampled, weighted_auc
from hiphoplib.evaluation.evaluate import TestTracks, labels_on_test
from hiphoplib.evaluation.selection import within_groups_auc
from hiphoplib.io import progress, write_whole
from hiphoplib.models import networks
from hiphoplib.models.calibration import log_odds
from hiphoplib.models.comparison import Scores
from hiphoplib.models.experiment import Experiment, prepare, train
from hiphoplib.models.networks import AUGMENT, Augment
from hiphoplib.models.training import fit

DRAWS = {"musicnn": 20, "crnn": 2}  # corpora of each size; a network takes minutes to train
BARS = (0.5, 0.6)  # of the AUC
POWER = 0.8  # share of corpora of a size whose interval has to lie above a bar
_SIZES = (125, 250, 500, 1000, 2000, 4000)
_CURVE_FOLDS, _CURVE_RESAMPLES = 5, 1000
_COMPARED = ("handcrafted", "artist_identification", "cnn1", "crnn", "musicnn", "stack",
             "artist_mean")
STOPPING = 0.15  # share of the training tracks by which a training is stopped here
_FOLDS = 5  # of a corpus whose protocol has none: the gap between two small test sets is noise


def learning_curve(experiment: Experiment, draws: Mapping[str, int] = DRAWS,
                   sizes: Sequence[int] = _SIZES) -> dict:
    """Measure the AUC and its interval on corpora of several sizes, drawn from one by artists.

    Each is cross-validated in five artist-disjoint folds, so that all of its tracks are judged.

    Parameters
    ----------
    experiment : Experiment
    draws : dict of str to int
        By model, how many corpora of each size; a network is trained on each, once.
    sizes : sequence of int
        In tracks; the whole corpus is the last one.

    Returns
    -------
    dict
        ``models``: by model a list of ``tracks``, ``draws``, ``auc`` (means over the draws) and
        ``excludes``, by bar the share of the draws whose interval lies above it. ``needed``: by
        model and bar the smallest size from which on at least 80 % of them do, or None.
    """
    whole = len(experiment.tracks)
    sizes = [size for size in sizes if size < whole] + [whole]
    models: dict[str, list[dict]] = {model: [] for model in draws}
    cases = [(model, size) for model in draws for size in sizes]
    for model, size in progress(cases, desc="learning curve", unit="size"):
        subsets = [(size, draw) for draw in range(draws[model])] if size < whole else [None]
        aucs = [_auc(experiment, model, subset) for subset in subsets]
        models[model].append({
            "tracks": size, "draws": len(aucs),
            "auc": {end: float(np.mean([auc[end] for auc in aucs])) for end in aucs[0]},
            "excludes": {str(bar): float(np.mean([auc["low"] > bar for auc in aucs]))
                         for bar in BARS}})
    return {"models": models, "needed": {model: {str(bar): _needed(rows, bar) for bar in BARS}
                                         for model, rows in models.items()}}


def _needed(rows, bar):
    """Return the smallest size from which on the interval is above a bar often enough, or None."""
    enough = takewhile(lambda row: row["excludes"][str(bar)] >= POWER, reversed(rows))
    return min((row["tracks"] for row in enough), default=None)


def _auc(experiment, model, subset):
    """Return AUC and interval of a model on a part of a corpus, dict."""
    part = prepare(experiment.folder, experiment.protocol.grid.name, "artist", _CURVE_FOLDS, subset)
    if model in networks.NETWORKS:
        train(part, model)
    scores = Scores(part).on_test(model)[[0]]
    test = TestTracks.of(part, scores.index, _CURVE_RESAMPLES)
    return asdict(test.boot.estimate(weighted_auc, test.y_true, scores.to_numpy()))


def compare_splits(experiment: Experiment, models: Sequence[str] = _COMPARED,
                   resamples: int = RESAMPLES) -> dict:
    """Measure the AUC of models under each split, and its gap to the artist-disjoint split.

    Differences are paired: in folds every track is tested once by artist and once at random. Only
    pairs of one fold are compared: over all, thresholds and calibrations that differ may put a
    model without any knowledge off 0.5. A gap that comes from recognised artists is among tracks
    whose artists the random split has in the training set of their fold.

    Parameters
    ----------
    experiment : Experiment
    models : sequence of str
        One that is not trained under a split is left out there.
    resamples : int
        Bootstrap samples of artists.

    Returns
    -------
    dict
        ``folds``, ``tracks``, ``known`` (by split, the share of test tracks with an artist that is
        learnt from), ``models``: by model and split the AUC with its interval, and the gaps
        ``random-artist``, ``time-artist``, ``known`` and ``unknown`` (of artists).
    """
    experiments = _under_each_split(experiment)
    known = {split: _known_artists(each) for split, each in experiments.items()}
    boot, gaps = Bootstrap(artist_groups(experiment.tracks), resamples), {}
    for model in models:
        tested = {split: _tested(each, model) for split, each in experiments.items()
                  if Scores(each).seeds(model)}
        if {"artist", "random"} <= set(tested):
            gaps[model] = _gaps(tested, known["random"], boot, experiment.tracks.index)
    return {"folds": experiments["artist"].protocol.folds, "tracks": len(experiment.tracks),
            "known": {split: float(share.mean()) for split, share in known.items()},
            "models": gaps}


def _under_each_split(experiment):
    """Return the experiment in folds under each split, by name; by time only with dates."""
    folds, experiments = experiment.protocol.folds or _FOLDS, {}
    for split in SPLITS:
        try:
            experiments[split] = prepare(experiment.folder, experiment.protocol.grid.name, split,
                                         folds)
        except BadInput:
            if split != "time":
                raise
    return experiments


def _known_artists(experiment):
    """Return whether a test track's main artist is in its fold's training set, pd.Series."""
    artists = experiment.tracks["artists"].str[0]
    return pd.concat([artists[side == "test"].isin(set(artists[side == "train"]))
                      for _, side in experiment.sides.items()])


def _tested(experiment, model):
    """Return scores by seed, label and fold of the test tracks, pd.DataFrame."""
    return Scores(experiment).on_test(model).join(labels_on_test(experiment))


def _gaps(tested, known, boot, rows):
    """Return the AUC by split, and the differences on tracks that are in both's test sets, dict."""
    def auc(split, ids):
        table = tested[split].loc[ids]
        labels, folds = table.pop("label").to_numpy(), table.pop("fold").to_numpy()
        return boot[rows.get_indexer(ids)].resample(
            lambda y_true, score, weights: within_groups_auc(y_true, score, folds, weights),
            labels, table.to_numpy())

    result = {split: asdict(auc(split, table.index).estimate()) for split, table in tested.items()}
    cases = {"random-artist": ("random", known.index),
             "known": ("random", known.index[known]), "unknown": ("random", known.index[~known])}
    if "time" in tested:
        cases["time-artist"] = "time", tested["time"].index
    for name, (split, ids) in cases.items():
        if tested[split]["label"][ids].nunique() == 2:
            result[name] = asdict((auc(split, ids) - auc("artist", ids)).estimate())
    return result


@dataclass(frozen=True)
class Choice:
    """A way to train a network."""

    percentiles: bool = True  # or the halved label
    augment: Augment | None = None  # that of the network
    settings: Mapping[str, Any] = field(default_factory=dict)  # constants of `models.networks`


BASE = "now"  # what each is compared with
_FORMER: dict[str, dict[str, Any]] = {
    "rate-1e-3": {"LEARNING_RATE": {}, "DEFAULT_RATE": 1e-3},
    "rate-3e-4": {"LEARNING_RATE": {}, "DEFAULT_RATE": 3e-4},
    "random-start": {"START": "glorot_uniform"}, "last-weights": {"AVERAGED": 1e-9},
    "slow-moving-means": {"MOMENTUM": 0.99}, "batches-of-8": {"BATCH": 8}}
CHOICES = {
    BASE: Choice(),
    "halved-label": Choice(percentiles=False),
    "no-augmentation": Choice(augment=Augment()),
    "mixup": Choice(augment=Augment(mixup=0.4)),
    "masks": Choice(augment=Augment(masks=1)),
    "mixup-and-masks": Choice(augment=Augment(mixup=0.4, masks=1)),
    **{name: Choice(settings=settings) for name, settings in _FORMER.items()},
    # of the RNN, its rate was 3e-4
    "before": Choice(False, Augment(), {of: value for name, settings in _FORMER.items()
                                        if name != "rate-3e-4" for of, value in settings.items()}),
}


def compare_training(folder: Path | str, model: str, choices: Sequence[str] = tuple(CHOICES),
                     seeds: Sequence[int] = (0,), subset: tuple[int, int] | None = None
                     ) -> tuple[dict, dict[str, Resampled]]:
    """Compare ways to train a network by what it predicts on the validation sets of five folds.

    No training is stopped by what it is judged on: a part of the training artists does that here
    instead of the validation set. Test sets are not used. What is trained is kept: the same call
    goes on.

    Parameters
    ----------
    folder : path-like, of the corpus
    model : str
        A name in `NETWORKS`.
    choices : sequence of str
        Names in `CHOICES`.
    seeds : sequence of int
    subset : (int, int), optional
        As for `prepare`.

    Returns
    -------
    result : dict
        ``tracks``, ``seeds``, ``choices``: by name ``auc`` of the halved label within the folds,
        mean over seeds; ``difference`` to `BASE`; ``gain`` of the mean of the seeds' log odds over
        one seed, each with its interval over artists and seeds; ``loss``, by which trainings are
        stopped (of other labels another one), by epoch, mean over those that lasted, and
        ``lowest``, mean of the lowest ones.
    differences : dict of str to Resampled
        By choice, for means over several corpora.
    """
    experiment = prepare(folder, folds=_CURVE_FOLDS, subset=subset)
    runs = [(choice, seed, fold) for seed in seeds for choice in choices
            for fold in experiment.sides]
    trained = {run: _trained(experiment, model, *run)
               for run in progress(runs, desc=f"{experiment.folder.name} {model}", unit="run")}
    ids = {fold: experiment.ids(fold, "validation") for fold in experiment.sides}
    labels = np.concatenate([experiment.labels.loc[ids[fold], fold] for fold in ids])
    folds = np.repeat(list(ids), [len(of) for of in ids.values()])
    boot = Bootstrap(artist_groups(experiment.tracks)[np.concatenate(list(ids.values()))],
                     _CURVE_RESAMPLES)

    def auc(scores):
        return boot.resample(lambda y_true, score, weights: within_groups_auc(
            y_true, score, folds, weights), labels, scores)

    aucs, result = {}, {}
    for choice in choices:
        odds = np.column_stack([np.concatenate([trained[choice, seed, fold]["odds"]
                                                for fold in ids]) for seed in seeds])
        aucs[choice] = auc(odds)
        losses = pd.DataFrame([trained[choice, seed, fold]["loss"]
                               for seed in seeds for fold in ids])
        result[choice] = {"auc": asdict(aucs[choice].estimate()),
                          "loss": losses.mean().round(4).tolist(),
                          "lowest": float(losses.min(axis=1).mean())}
        if len(seeds) > 1:
            result[choice]["gain"] = asdict((auc(odds.mean(axis=1)) - aucs[choice]).estimate())
    differences = {choice: aucs[choice] - aucs[BASE] for choice in choices if choice != BASE}
    for choice, difference in differences.items():
        result[choice]["difference"] = asdict(difference.estimate())
    return {"tracks": len(experiment.tracks), "seeds": len(seeds), "choices": result}, differences


def _trained(experiment, model, choice, seed, fold):
    """Log odds of the validation tracks, and losses by epoch, dict; from disk where it stands."""
    path = (experiment.folder / "runs" / experiment.protocol.name / "training_choices" / model /
            f"{choice}-seed{seed}-fold{fold}.json")
    wanted = {"networks": networks.VERSION, "fingerprint": experiment.fingerprint,
              "settings": repr([CHOICES[choice], AUGMENT.get(model), *(
                  getattr(networks, of) for settings in _FORMER.values() for of in settings)])}
    if path.is_file():
        kept = json.loads(path.read_text())
        if kept.items() >= wanted.items():
            return kept
    how, sides = CHOICES[choice], _sides(experiment, fold)
    train = (sides == "train").to_numpy()
    labels = (percentile(experiment.tracks["popularity"], train) if how.percentiles
              else experiment.labels[fold])
    with patch.dict(vars(networks), how.settings):
        run = fit(model, experiment.store, labels, sides, seed=seed, augment=how.augment)
    judged = experiment.store.batch(experiment.ids(fold, "validation"))
    result = wanted | {"odds": log_odds(run.predict(judged)).round(5).tolist(),
                       "loss": run.history["val_loss"].round(5).tolist(),
                       "seconds": float(run.history["seconds"].sum())}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(result))
    return result


def _sides(experiment, fold):
    """Sides of a fold whose test set is the validation set, and whose validation set is new."""
    train = experiment.ids(fold, "train")
    groups = artist_groups(experiment.tracks)[train]
    order = np.random.default_rng(fold).permutation(groups.unique())
    size = groups.value_counts()[order].cumsum()
    stopping = groups.index[groups.isin(size.index[size <= STOPPING * len(train)])]
    sides = experiment.sides[fold].replace({"test": "unused", "validation": "test"})
    sides[stopping] = "validation"
    return sides


def training_choices(corpora: Sequence[str], models: Sequence[str], choices: Sequence[str],
                     seeds: int, out: Path | None, command: str | None) -> None:
    """Compare ways to train networks on several corpora, and write a results file.

    Parameters
    ----------
    corpora : sequence of str
        Folders; ``data/NAME:300`` is 300 tracks of one, by artists drawn at random.
    models, choices : sequence of str
        Names in `NETWORKS` and in `CHOICES`.
    seeds : int
    out : path-like or None
        What stands there of other networks and corpora stays.
    command : str or None
        Written down.
    """
    choices = tuple(dict.fromkeys([BASE, *choices]))
    there = json.loads(out.read_text()) if out and out.is_file() else {}
    found, differences = there.get("corpora", {}), []
    for corpus in corpora:
        folder, _, tracks = corpus.partition(":")
        for model in models:
            result, difference = compare_training(folder, model, choices, range(seeds),
                                                  (int(tracks), 0) if tracks else None)
            found.setdefault(Path(corpus).name, {})[model] = result
            differences.append(difference)
            for choice, of in result["choices"].items():
                print(f"{corpus:24} {model:5} {choice:18} AUC {Estimate.read(of['auc'])}, lowest "
                      f"loss {of['lowest']:.3f}")
    if out:
        mean = {choice: _mean([of[choice] for of in differences if choice in of])
                for choice in choices if choice != BASE}
        write_whole(out, json.dumps({"command": command, "corpora": found, "mean": mean},
                                    indent=1) + "\n")


def _mean(differences):
    """Mean over corpora and networks, with its interval, dict."""
    mean = Resampled(float(np.mean([each.value for each in differences])),
                     np.mean([each.draws for each in differences], axis=0))
    return asdict(mean.estimate()) | {"of": len(differences)}
