"""How networks are best trained, and what the parts of the stack bring: on validation tracks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

from hiphoplib.dataset.splits import artist_groups, divide, percentile
from hiphoplib.evaluation.bootstrap import Bootstrap, Estimate, Resampled, weighted_auc
from hiphoplib.evaluation.evaluate import write_results
from hiphoplib.evaluation.selection import within_groups_auc
from hiphoplib.io import progress, write_whole
from hiphoplib.models import networks
from hiphoplib.models.calibration import log_odds
from hiphoplib.models.comparison import MODELS
from hiphoplib.models.experiment import prepare
from hiphoplib.models.networks import AUGMENT, Augment
from hiphoplib.models.stack import CRNN, PARTS, fit_head, fit_stack, network_odds, read_members
from hiphoplib.models.training import fit

FOLDS, RESAMPLES = 5, 1000
STOPPING = 0.15  # share of the training tracks by which a training is stopped here


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
    "random-start": {"START": "glorot_uniform"},
    "last-weights": {"AVERAGED": 1e-9},
    "slow-moving-means": {"MOMENTUM": 0.99},
    "batches-of-8": {"BATCH": 8},
}
CHOICES = {
    BASE: Choice(),
    "halved-label": Choice(percentiles=False),
    "no-augmentation": Choice(augment=Augment()),
    "mixup": Choice(augment=Augment(mixup=0.4)),
    "masks": Choice(augment=Augment(masks=1)),
    "mixup-and-masks": Choice(augment=Augment(mixup=0.4, masks=1)),
    **{name: Choice(settings=settings) for name, settings in _FORMER.items()},
    # of the RNN, its rate was 3e-4
    "before": Choice(
        False,
        Augment(),
        {
            of: value
            for name, settings in _FORMER.items()
            if name != "rate-3e-4"
            for of, value in settings.items()
        },
    ),
}


def compare_training(
    folder: Path | str,
    model: str,
    choices: Sequence[str] = tuple(CHOICES),
    seeds: Sequence[int] = (0,),
    subset: tuple[int, int] | None = None,
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
    experiment = prepare(folder, folds=FOLDS, subset=subset)
    runs = [
        (choice, seed, fold) for seed in seeds for choice in choices for fold in experiment.sides
    ]
    trained = {
        run: _trained(experiment, model, *run)
        for run in progress(runs, desc=f"{experiment.folder.name} {model}", unit="run")
    }
    ids = {fold: experiment.ids(fold, "validation") for fold in experiment.sides}
    labels = np.concatenate([experiment.labels.loc[ids[fold], fold] for fold in ids])
    folds = np.repeat(list(ids), [len(of) for of in ids.values()])
    boot = Bootstrap(
        artist_groups(experiment.tracks)[np.concatenate(list(ids.values()))], RESAMPLES
    )

    auc = partial(boot.resample, partial(within_groups_auc, groups=folds), labels)
    aucs, result = {}, {}
    for choice in choices:
        by_seed = [[trained[choice, seed, fold] for fold in ids] for seed in seeds]
        odds = np.column_stack([np.concatenate([run["odds"] for run in of]) for of in by_seed])
        aucs[choice] = auc(odds)
        losses = pd.DataFrame([run["loss"] for of in by_seed for run in of])
        result[choice] = {
            "auc": asdict(aucs[choice].estimate()),
            "loss": losses.mean().round(4).tolist(),
            "lowest": float(losses.min(axis=1).mean()),
        }
        if len(seeds) > 1:
            result[choice]["gain"] = asdict((auc(odds.mean(axis=1)) - aucs[choice]).estimate())
    differences = {choice: aucs[choice] - aucs[BASE] for choice in choices if choice != BASE}
    for choice, difference in differences.items():
        result[choice]["difference"] = asdict(difference.estimate())
    return {"tracks": len(experiment.tracks), "seeds": len(seeds), "choices": result}, differences


def _trained(experiment, model, choice, seed, fold):
    """Log odds of the validation tracks, and losses by epoch, dict; from disk where it stands."""
    runs = experiment.folder / "runs" / experiment.protocol.name
    path = runs / "training_choices" / model / f"{choice}-seed{seed}-fold{fold}.json"
    constants = [getattr(networks, of) for settings in _FORMER.values() for of in settings]
    wanted = {
        "networks": networks.VERSION,
        "fingerprint": experiment.fingerprint,
        "settings": repr([CHOICES[choice], AUGMENT.get(model), *constants]),
    }
    if path.is_file():
        kept = json.loads(path.read_bytes())
        if kept.items() >= wanted.items():
            return kept
    how, sides = CHOICES[choice], _sides(experiment, fold)
    train = (sides == "train").to_numpy()
    labels = (
        percentile(experiment.tracks["popularity"], train)
        if how.percentiles
        else experiment.labels[fold]
    )
    with patch.dict(vars(networks), how.settings):
        run = fit(model, experiment.store, labels, sides, seed=seed, augment=how.augment)
    judged = experiment.store.batch(experiment.ids(fold, "validation"))
    result = wanted | {
        "odds": log_odds(run.predict(judged)).round(5).tolist(),
        "loss": run.history["val_loss"].round(5).tolist(),
        "seconds": float(run.history["seconds"].sum()),
    }
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


def training_choices(
    corpora: Sequence[str],
    models: Sequence[str],
    choices: Sequence[str],
    seeds: int,
    out: Path | None,
    command: str | None,
) -> None:
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
    there = json.loads(out.read_bytes()) if out and out.is_file() else {}
    found, differences = there.get("corpora", {}), []
    for corpus in corpora:
        folder, _, tracks = corpus.partition(":")
        for model in models:
            result, difference = compare_training(
                folder, model, choices, range(seeds), (int(tracks), 0) if tracks else None
            )
            found.setdefault(Path(corpus).name, {})[model] = result
            differences.append(difference)
            for choice, of in result["choices"].items():
                print(
                    f"{corpus:24} {model:5} {choice:18} AUC {Estimate.read(of['auc'])}, lowest "
                    f"loss {of['lowest']:.3f}"
                )
    if out:
        mean = {
            choice: _mean([of[choice] for of in differences if choice in of])
            for choice in choices
            if choice != BASE
        }
        write_results({"command": command, "corpora": found, "mean": mean}, out)


def _mean(differences):
    """Mean over corpora and networks, with its interval, dict."""
    mean = Resampled(
        float(np.mean([each.value for each in differences])),
        np.mean([each.draws for each in differences], axis=0),
    )
    return asdict(mean.estimate()) | {"of": len(differences)}


def stack_gains(corpora: Sequence[Path], out: Path | None, command: str | None) -> None:
    """Measure what soft labels, more tracks, more networks and the stack bring, out of fold.

    Parameters
    ----------
    corpora : sequence of path-like
    out : path-like or None
        For a results file: by corpus ``tracks``, ``folds``, ``auc`` by way, ``gains``.
    command : str or None
        Written down.
    """
    results = {path.name: _gains(prepare(path)) for path in corpora}
    for name, gains in results.items():
        for gain, value in gains["gains"].items():
            print(f"{name:24} {gain:32} {Estimate.read(value):+.3f}")
    if out:
        write_results({"corpora": results, "command": command}, out)


def _gains(experiment):
    """AUC of each way out of fold, mean of the folds, and the differences between ways, dict."""
    folds = [_ways(experiment, fold) for fold in experiment.sides]
    boot = Bootstrap(artist_groups(experiment.tracks))

    def auc(way):
        each = [
            boot[experiment.tracks.index.get_indexer(ids)].resample(
                weighted_auc, popular, ways[way]
            )
            for ids, popular, ways in folds
        ]
        return Resampled(
            np.mean([one.value for one in each]), np.mean([one.draws for one in each], axis=0)
        )

    aucs = {way: auc(way) for way in folds[0][2]}
    pairs = {"soft labels": ("", ", halves"), "training and validation": ("", ", training only")}
    gains = {
        f"{gain}, {kind}": (kind + one, kind + other)
        for gain, (one, other) in pairs.items()
        for kind in aucs
        if kind + other in aucs
    }
    gains |= {
        "two more networks": ("stack of heads", "stack of two heads"),
        "the CRNN": ("stack", "stack of heads"),
    }
    gains |= {
        f"stack over {way}": ("stack", way)
        for way in aucs
        if f"{way}, halves" in aucs or way in ("musicnn, halves", CRNN)
    }
    return {
        "tracks": len(experiment.tracks),
        "folds": experiment.protocol.folds,
        "auc": {way: asdict(value.estimate()) for way, value in aucs.items()},
        "gains": {
            gain: asdict((aucs[one] - aucs[other]).estimate())
            for gain, (one, other) in gains.items()
        },
    }


def _ways(experiment, fold):
    """Ids of a fold's training and validation tracks, their labels, their log odds by way."""
    ids = experiment.ids(fold, "train", "validation")
    tracks, popular = experiment.tracks.loc[ids], experiment.labels.loc[ids, fold].to_numpy()
    groups = artist_groups(tracks).to_numpy()
    parts = divide(popular == 1, groups, PARTS)
    soft = percentile(tracks["popularity"], np.full(len(ids), True)).to_numpy()
    train = experiment.sides.loc[ids, fold].to_numpy() == "train"
    features = {kind: X.loc[ids] for kind, X in read_members(experiment.folder).items()}
    ways = {}
    for kind, X in features.items():
        for name, target, learnt in (
            ("", soft, True),
            (", halves", popular, True),
            (", training only", soft, train),
        ):
            odds = ways[kind + name] = np.empty(len(ids))
            for part in range(PARTS):
                rows = learnt & (parts != part)
                odds[parts == part] = fit_head(X[rows], target[rows]).predict(X[parts == part])
    network = network_odds(experiment, fold, MODELS[CRNN].fit)
    odds = None if network is None else network[ids].to_numpy()
    if network is not None:
        ways[CRNN] = odds
    arguments = tracks["popularity"], popular, groups
    two = {kind: features[kind] for kind in ("handcrafted", "musicnn")}
    ways["stack"] = fit_stack(features, *arguments, odds)[1]
    ways["stack of heads"] = fit_stack(features, *arguments)[1]
    ways["stack of two heads"] = fit_stack(two, *arguments)[1]
    return ids, popular, ways
