"""A trained model as a folder that can be copied, mailed and loaded: all that scoring needs.

Its networks and heads are built by this project's own code, and only numbers are read from the
files, so that no code in them can run.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from hiphoplib.audio.mel import STORE_VERSION, MelGrid
from hiphoplib.dataset.features import FEATURES, kinds_of, make_features
from hiphoplib.dataset.store import Scaler
from hiphoplib.errors import BadInput
from hiphoplib.explanation.segments import SegmentGrid
from hiphoplib.explanation.swap_test import read_donors, write_donors
from hiphoplib.io import replacing
from hiphoplib.models.calibration import Domain, calibrated, fit_domain, log_odds
from hiphoplib.models.comparison import MODELS, Scores
from hiphoplib.models.experiment import Experiment
from hiphoplib.models.networks import MAX_BYTES, NETWORKS, load_network
from hiphoplib.models.stack import CRNN, Head
from hiphoplib.models.training import Run, load_run, versions
from hiphoplib.scoring.trained_model import Member, TrainedModel, Training, card_text, head_features
from hiphoplib.tracks.cleaning import read_clean

FORMAT, WITHOUT_DOMAIN = 3, 2
MANIFEST, CARD, DOMAIN, DONORS = "model.json", "card.md", "domain.csv", "donors.npz"
RESULTS = ("auc", "accuracy", "brier", "brier_skill", "within_artist", "precision_at_k", "order")
MAX_DIFFERENCE = 1e-3  # of a probability, by another version of a library


def saveable() -> list[str]:
    """Return the names of the models that can be put into a folder.

    Returns
    -------
    list of str
    """
    return [name for name, entry in MODELS.items() if name in NETWORKS or entry.stack]


def save_model(
    experiment: Experiment,
    results: dict,
    model: str,
    folder: Path | str,
    seeds: Sequence[int] = (0,),
) -> Path:
    """Put what a model learnt on every fold into one folder; one that is there is replaced.

    Parameters
    ----------
    experiment : Experiment
    results : dict, of `evaluate` on that experiment
    model : str, a network trained on every fold and these seeds, or a model with a `stack`
    folder : path-like
    seeds : sequence of int
        Of a network.

    Returns
    -------
    Path, of the folder

    Raises
    ------
    BadInput
        If `folder` holds something else, the model cannot be saved, or the results are of another.
    """
    folder = Path(folder)
    if (
        folder.exists()
        and not (folder / MANIFEST).is_file()
        and (not folder.is_dir() or any(folder.iterdir()))
    ):
        raise BadInput(f"{folder}: holds something else than a model; name a new folder")
    if model not in results["models"] or results["corpus"]["fingerprint"] != experiment.fingerprint:
        raise BadInput(f"results: not of {model!r} on {experiment.folder}; evaluate it first")
    if model not in saveable():
        raise BadInput(f"model {model!r}: cannot be saved; there are {', '.join(saveable())}")
    runs = [
        (seed, fold) for seed in (seeds if model in NETWORKS else [0]) for fold in experiment.sides
    ]
    scores = Scores(experiment)
    with replacing(folder) as new:
        trainings = [
            {
                "seed": int(seed),
                "fold": int(fold),
                **_write_training(_fitted(scores, model, seed, fold), new),
            }
            for seed, fold in runs
        ]
        write_donors(experiment, MODELS[model].needs, new / DONORS)
        manifest = {
            "format": FORMAT,
            "store_version": STORE_VERSION,
            "model": model,
            "features": {kind: way.version for kind, way in FEATURES.items()},
            "grid": asdict(experiment.protocol.grid),
            "corpus": results["corpus"],
            "protocol": results["protocol"],
            "threshold": results["protocol"]["threshold"],
            "synthetic": (experiment.folder / "truth.json").is_file(),
            "results": {name: results["models"][model].get(name) for name in RESULTS},
            "versions": versions(),
            "made": results["made"],
            "domain": _write_domain(experiment, new / DOMAIN),
            "donors": _file(new / DONORS),
            "trainings": trainings,
        }
        (new / CARD).write_text(card_text(manifest), encoding="utf-8")
        text = json.dumps({**manifest, "sha256": _hash_of(manifest)}, indent=1) + "\n"
        (new / MANIFEST).write_text(text, encoding="utf-8")
    return folder


def _fitted(scores, model, seed, fold):
    """The training of a model on a fold."""
    experiment = scores.experiment

    def runs(name, seeds, weight):
        return [
            Member(load_run(experiment.run_folder(name, each, fold)), weight / len(seeds))
            for each in seeds
        ]

    if model in NETWORKS:
        members, offset = runs(model, [seed], 1.0), 0.0
    else:
        stack = MODELS[model].stack(experiment, fold)
        members = [Member(head, stack.weights[kind]) for kind, head in stack.heads.items()]
        if CRNN in stack.weights:
            members += runs(CRNN, experiment.trained_seeds(CRNN), stack.weights[CRNN])
        offset = stack.offset
    slope, base = scores.calibration(model, fold, seed)
    test = scores.of(model, fold, seed)[experiment.ids(fold, "test")]
    return Training(
        [replace(member, weight=slope * member.weight) for member in members if member.weight],
        slope * offset + base,
        np.sort(calibrated(test, slope, base)).round(6),
    )


def _write_training(training, folder):
    """Write what its members learnt, and return its entry in the manifest."""
    return {
        "offset": training.offset,
        "reference": training.reference.tolist(),
        "members": [
            {"weight": member.weight, **_write_member(member.model, folder)}
            for member in training.members
        ],
    }


def _write_member(model, folder):
    """Write a file of one member, and return its entry in the manifest."""
    number = len(list(folder.iterdir()))
    if isinstance(model, Head):
        path = folder / f"head{number}.csv"
        model.table.to_csv(path)
        return {
            **_file(path),
            "offset": model.offset,
            "limit": model.limit if np.isfinite(model.limit) else None,
        }
    name, shape = model.card["model"], tuple(model.card["grid"]["shape"])
    path, network = folder / f"network{number}.keras", NETWORKS[name](shape)
    network.set_weights(model.model.get_weights())  # without what training needs
    network.save(path)
    return {
        **_file(path),
        "network": name,
        "probe": model.predict(_probe(shape)).tolist(),
        "scaler": {of: getattr(model.scaler, of).tolist() for of in ("mean", "std")},
    }


def _write_domain(experiment, path):
    """Describe what the model learnt from, and return the description's entry in the manifest."""
    X = make_features(read_clean(experiment.folder), experiment.folder, "handcrafted")
    domain = fit_domain(
        X,
        [
            (experiment.ids(fold, "train"), experiment.ids(fold, "validation"))
            for fold in experiment.sides
        ],
    )
    domain.table.to_csv(path)
    return {**_file(path), "noise": domain.noise, "limit": domain.limit}


def _file(path):
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def load_model(folder: Path | str) -> TrainedModel:
    """Load a model from its folder, and check every hash, the version, and its predictions.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    TrainedModel

    Raises
    ------
    BadInput
        If there is none, it is damaged, it is of a version that cannot be read here, or the weights
        of a tagger that it needs are not installed.
    """
    folder = Path(folder)
    card = _read_manifest(folder)
    try:
        trainings = [
            Training(
                [
                    Member(_read_member(folder, card, member), member["weight"])
                    for member in entry["members"]
                ],
                entry["offset"],
                np.array(entry["reference"]),
            )
            for entry in _entries(card)
        ]
        domain = _read_domain(folder, card.pop("domain", None))
        donors = _read_donors(folder, card, card.pop("donors", None), trainings)
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder, f"{MANIFEST} lacks {error}") from error
    except ValueError as error:  # of a number that is none; our own say it themselves
        raise error if isinstance(error, BadInput) else _damaged(folder, str(error)) from error
    if not trainings or not all(training.members for training in trainings):
        raise _damaged(folder, "it holds no network and no head")
    model = TrainedModel(trainings, card, domain, donors)
    for kind in model.kinds:
        FEATURES[kind].ready()
    return model


def _read_manifest(folder):
    """The manifest, which is as it was written and of a version that can be read here."""
    if not (folder / MANIFEST).is_file():
        raise BadInput(
            f"{folder}: no model there (no {MANIFEST}); make one with "
            f"`python -m hiphoplib train data/NAME --out {folder}`"
        )
    try:
        card = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        expected, version = card.pop("sha256"), (card["format"], card["store_version"])
        features = {kind: card.get("features", {}).get(kind) for kind in FEATURES}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder, f"{MANIFEST} cannot be read") from error
    if version not in ((FORMAT, STORE_VERSION), (WITHOUT_DOMAIN, STORE_VERSION)) or any(
        features[kind] not in (None, way.version) for kind, way in FEATURES.items()
    ):
        raise BadInput(
            f"{folder}: a model of another version of this project (format "
            f"{version[0]}, spectrograms {version[1]}; here {FORMAT}, {STORE_VERSION}); "
            "train it again with this one"
        )
    if _hash_of(card) != expected:
        raise _damaged(folder, f"{MANIFEST} is not as it was written")
    if card.get("model") not in saveable():
        raise BadInput(
            f"{folder}: a model named {card.get('model')!r}, which this version "
            f"does not know; it has {', '.join(saveable())}"
        )
    return card


def _entries(card):
    """Entries of the trainings; those of an older folder as they are written today."""
    if card["format"] == FORMAT:
        return card.pop("trainings")
    return [
        {
            "offset": offset,
            "reference": entry["reference"],
            "members": [entry | {"network": card["model"], "weight": slope}],
        }
        for entry in card.pop("networks")
        for slope, offset in [entry["calibration"]]
    ]


def _checked(folder, entry):
    """Path of one of a folder's files, which is as it was written."""
    path = folder / entry["file"]
    if path.parent != folder or not path.is_file():
        raise _damaged(folder, f"{path.name} is missing")
    if path.stat().st_size > MAX_BYTES:
        raise _damaged(folder, f"{path.name} is too large for a model")
    if hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
        raise _damaged(folder, f"{path.name} is not as it was written")
    return path


def _read_table(folder, entry, columns):
    """A table of finite numbers, by the names of features that are known here."""
    path, known = _checked(folder, entry), {name for way in FEATURES.values() for name in way.names}
    try:
        table = pd.read_csv(path, index_col=0).astype(float)
    except ValueError as error:
        raise _damaged(folder, f"{path.name} is no table of numbers") from error
    if (
        not known.issuperset(table.index)
        or not table.index.is_unique
        or list(table.columns[:3]) != columns
        or not np.isfinite(table).all(axis=None)
    ):
        raise _damaged(folder, f"{path.name} is not of features that this version knows")
    return table


def _read_domain(folder, entry):
    if entry is None:
        return None
    return Domain(
        _read_table(folder, entry, ["mean", "scale", "centre"]),
        float(entry["noise"]),
        float(entry["limit"]),
    )


def _read_donors(folder, card, entry, trainings):
    """Clips to swap parts with; the spread of log odds is that over each training's test set."""
    if entry is None or not all(len(each.reference) for each in trainings) or not trainings:
        return None
    path, grid = _checked(folder, entry), SegmentGrid(MelGrid(**card["grid"]))
    spread = float(np.mean([log_odds(each.reference).std() for each in trainings]))
    try:
        return read_donors(
            path,
            grid,
            kinds_of(head_features(trainings)),
            spread,
            card["results"]["auc"]["low"] > 0.5,
        )
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise _damaged(folder, f"{path.name} cannot be read") from error


def _read_member(folder, card, entry):
    """A network or a head."""
    if "network" not in entry:
        limit = np.inf if entry["limit"] is None else float(entry["limit"])
        return Head(
            _read_table(folder, entry, ["mean", "scale", "weight"]), float(entry["offset"]), limit
        )
    path, grid, name = _checked(folder, entry), MelGrid(**card["grid"]), entry["network"]
    if name not in NETWORKS:
        raise _damaged(folder, f"{name!r} is no network")
    try:
        network = load_network(name, grid.shape, path)
    except (ValueError, OSError, KeyError, BadZipFile, UserWarning) as error:
        raise BadInput(
            f"{folder}: the weights are of another network than this version's "
            f"{name}; train it again"
        ) from error
    scaler = Scaler(*(np.array(entry["scaler"][of]) for of in ("mean", "std")))
    run = Run(network, scaler, {"model": name, "grid": card["grid"] | {"shape": list(grid.shape)}})
    if not np.allclose(run.predict(_probe(grid.shape)), entry["probe"], atol=MAX_DIFFERENCE):
        raise BadInput(
            f"{folder}: predicts otherwise here than where it was trained, with "
            "keras {keras}, tensorflow {tensorflow}; install these, or train it again".format(
                **card["versions"]
            )
        )
    return run


def _probe(shape):
    """Return spectrograms in dB on which a sound network predicts the same everywhere."""
    # sines, not random numbers, which another version of numpy may draw otherwise
    band, frame = np.ogrid[: shape[0], : shape[1]]
    return np.stack(
        [-30 - 20 * np.sin(band / 5 + turn) * np.cos(frame * (turn + 1) / 17) for turn in range(3)]
    ).astype(np.float32)


def _hash_of(manifest):
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _damaged(folder, what):
    return BadInput(f"{folder}: the model is damaged ({what}); copy it again or train it again")
