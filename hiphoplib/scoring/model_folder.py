"""A trained model as a folder that can be copied, mailed and loaded: all that scoring needs.

``model.json`` says what it is and holds the scalers, calibrations, reference scores and hashes;
``network0.keras`` and so on hold the weights; ``card.md`` is for people. The network is built by
this project's own code, and only numbers are read from the files, so that no code in them can run.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from hiphoplib.audio.mel import STORE_VERSION, MelGrid
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import Estimate
from hiphoplib.evaluation.evaluate import evaluate
from hiphoplib.io import replacing
from hiphoplib.models.calibration import calibrated
from hiphoplib.models.comparison import Scores
from hiphoplib.models.networks import NETWORKS, load_network
from hiphoplib.models.training import Run, Scaler, load_run, versions
from hiphoplib.tracks.synthetic.corpus import CAVEAT

FORMAT = 1
MANIFEST, CARD = "model.json", "card.md"
SAME = 1e-3  # in probability: how far another version of a library may move an answer
TOLD = ("auc", "accuracy", "brier", "brier_skill", "within_artist", "precision_at_k")
MOST_BYTES = 2**30  # of a file of it: the largest network of 2021 has a quarter of that


@dataclass(frozen=True)
class Network:
    """One training of a model: another seed or another fold.

    Parameters
    ----------
    run : Run
    calibration : (float, float)
        Slope and offset for `calibration.calibrated`, learnt on its test side.
    reference : np.ndarray [shape=(tracks,)]
        Its calibrated scores of the tracks that it was held out from, ascending.
    """

    run: Run
    calibration: tuple
    reference: np.ndarray

    def predict(self, S_db):
        """Calibrated probability of being popular, np.ndarray [shape=(n,)]."""
        return calibrated(self.run.predict(S_db), *self.calibration)

    def gradient(self, S_db):
        """Gradient of that probability by each clip's dB, np.ndarray [shape=(n, n_mels, t)]."""
        raw = np.clip(self.run.predict(S_db), 1e-6, 1 - 1e-6)
        p = calibrated(raw, *self.calibration)
        # the chain rule through the log odds
        slope = self.calibration[0] * p * (1 - p) / (raw * (1 - raw))
        return slope[:, None, None] * self.run.gradient(S_db)


@dataclass(frozen=True)
class TrainedModel:
    """A model to score with: several trainings of one network, which answer together.

    Parameters
    ----------
    networks : list of Network
    card : dict
        ``model``, ``corpus``, ``protocol``, ``results`` (what `findings` tells of it),
        ``synthetic``, ``threshold``, ``versions``, ``made``.
    """

    networks: list
    card: dict

    @property
    def grid(self):
        """Mel grid that it hears on, MelGrid."""
        return _grid(self.card)

    @property
    def mean_db(self):
        """Mean of each band over what it learnt from, in dB, np.ndarray [shape=(n_mels,)]."""
        return np.mean([network.run.scaler.mean for network in self.networks], axis=0)

    def scores(self, S_db):
        """Calibrated probabilities, np.ndarray [shape=(n_networks, n)], of dB [(n, n_mels, t)]."""
        return np.array([network.predict(S_db) for network in self.networks])

    def predict(self, S_db):
        """Mean of the networks' probabilities, np.ndarray [shape=(n,)]."""
        return self.scores(S_db).mean(axis=0)

    def gradient(self, S_db):
        """Gradient of that mean by each clip's dB, np.ndarray [shape=(n, n_mels, t)]."""
        return np.mean([network.gradient(S_db) for network in self.networks], axis=0)

    def percentile(self, scores):
        """Share of the reference tracks that clips score above, in percent.

        Each network compares with the tracks that were held out from it, one clip each; mean over
        the networks and clips, ties half.

        Parameters
        ----------
        scores : np.ndarray [shape=(n_networks, n)]
        """
        shares = [sum(np.searchsorted(network.reference, mine, side)
                      for side in ("left", "right")) / 2 / len(network.reference)
                  for network, mine in zip(self.networks, scores)]
        return 100 * float(np.mean(shares))


def save_model(experiment, model, folder, seeds=(0,)):
    """Put the trained networks of a model into one folder; one that is there is replaced.

    Parameters
    ----------
    experiment : Experiment
    model : str
        A name in `NETWORKS`, trained on every fold and these seeds.
    folder : path-like
    seeds : sequence of int

    Returns
    -------
    folder : Path

    Raises
    ------
    BadInput
        If `folder` holds something else than a model, or the model is not trained.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / MANIFEST).is_file() and (
            not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder}: holds something else than a model; name a new folder")
    results, _ = evaluate(experiment, [model])
    runs = [(seed, fold) for seed in seeds for fold in experiment.sides]
    with replacing(folder) as new:
        networks = [_keep(experiment, model, seed, fold, new / f"network{number}.keras")
                    for number, (seed, fold) in enumerate(runs)]
        first = load_run(experiment.run_folder(model, *runs[0]))
        manifest = {
            "format": FORMAT, "store_version": STORE_VERSION, "model": model,
            "grid": first.card["grid"], "corpus": results["corpus"],
            "protocol": results["protocol"], "threshold": float(np.mean(experiment.thresholds)),
            "synthetic": (experiment.folder / "truth.json").is_file(),
            "results": {name: results["models"][model][name] for name in TOLD},
            "versions": versions(), "made": results["made"], "networks": networks}
        (new / CARD).write_text(folder_card(manifest), encoding="utf-8")
        text = json.dumps({**manifest, "sha256": _hash_of(manifest)}, indent=1) + "\n"
        (new / MANIFEST).write_text(text, encoding="utf-8")
    return folder


def _keep(experiment, model, seed, fold, path):
    """Write one network's weights; what the manifest says of it, dict."""
    run = load_run(experiment.run_folder(model, seed, fold))
    network = NETWORKS[model](tuple(run.card["grid"]["shape"]))  # without what training needs
    network.set_weights(run.model.get_weights())
    network.save(path)
    scores = Scores(experiment)
    calibration = scores.calibration(model, fold, seed)
    test = scores.of(model, fold, seed)[experiment.ids(fold, "test")]
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "seed": int(seed), "fold": int(fold), "calibration": list(calibration),
            "scaler": {"mean": run.scaler.mean.tolist(), "std": run.scaler.std.tolist()},
            "reference": sorted(calibrated(test, *calibration).round(6).tolist()),
            "probe": run.predict(_probe(run.card["grid"]["shape"])).tolist()}


def load_model(folder):
    """A model from its folder, checked: every hash, the version, and what it answers.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    TrainedModel

    Raises
    ------
    BadInput
        If there is none, it is damaged, or it is of a version that cannot be read here.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    try:
        networks = [_load_network(folder, manifest, told) for told in manifest["networks"]]
        card = {name: manifest[name] for name in (
            "model", "grid", "corpus", "protocol", "threshold", "synthetic", "results", "versions",
            "made")}
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder, f"{MANIFEST} lacks {error}") from error
    if not networks:
        raise _damaged(folder, "it holds no network")
    return TrainedModel(networks, card)


def _read_manifest(folder):
    path = folder / MANIFEST
    if not path.is_file():
        raise BadInput(f"{folder}: no model there (no {MANIFEST}); make one with "
                       f"`python -m hiphoplib train data/NAME --model crnn --out {folder}`")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found, said = _hash_of(manifest), manifest.pop("sha256")
        version = manifest["format"], manifest["store_version"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder, f"{MANIFEST} cannot be read") from error
    if version != (FORMAT, STORE_VERSION):
        raise BadInput(f"{folder}: a model of another version of this project (format "
                       f"{version[0]}, spectrograms {version[1]}; here {FORMAT}, {STORE_VERSION}); "
                       "train it anew with this one")
    if found != said:
        raise _damaged(folder, f"{MANIFEST} is not as it was written")
    if manifest.get("model") not in NETWORKS:
        raise BadInput(f"{folder}: a model named {manifest.get('model')!r}, which this version "
                       f"does not know; it has {', '.join(NETWORKS)}")
    return manifest


def _load_network(folder, manifest, told):
    path = folder / told["file"]
    if path.parent != folder or not path.is_file():
        raise _damaged(folder, f"{told['file']} is missing")
    if path.stat().st_size > MOST_BYTES:
        raise _damaged(folder, f"{told['file']} is too large for a network")
    if hashlib.sha256(path.read_bytes()).hexdigest() != told["sha256"]:
        raise _damaged(folder, f"{told['file']} is not as it was written")
    shape = _grid(manifest).shape
    try:
        network = load_network(manifest["model"], shape, path)
    except (ValueError, OSError, KeyError, BadZipFile, UserWarning) as error:
        raise BadInput(f"{folder}: the weights are of another network than this version's "
                       f"{manifest['model']}; train it anew") from error
    scaler = Scaler(*(np.array(told["scaler"][name]) for name in ("mean", "std")))
    card = {"model": manifest["model"], "grid": manifest["grid"]}
    run = Run(network, scaler, card)
    probe = run.predict(_probe(shape))
    if not np.allclose(probe, told["probe"], atol=SAME):
        made_with = ", ".join(f"{name} {manifest['versions'][name]}"
                              for name in ("keras", "tensorflow"))
        raise BadInput(f"{folder}: answers otherwise here than where it was trained, with "
                       f"{made_with}; install these, or train it anew")
    return Network(run, tuple(told["calibration"]), np.array(told["reference"]))


def _grid(card):
    """MelGrid of a card."""
    return MelGrid(**{name: value for name, value in card["grid"].items() if name != "shape"})


def _probe(shape):
    """Spectrograms to which a network gives the same answers wherever it is sound, in dB."""
    # sines, not random numbers, which another version of numpy may draw otherwise
    band, frame = np.ogrid[: shape[0], : shape[1]]
    return np.stack([-30 - 20 * np.sin(band / 5 + turn) * np.cos(frame * (turn + 1) / 17)
                     for turn in range(3)]).astype(np.float32)


def _hash_of(manifest):
    """Hash of all that a manifest says, but the hash itself."""
    said = {name: value for name, value in manifest.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _damaged(folder, what):
    return BadInput(f"{folder}: the model is damaged ({what}); copy it again or train it anew")


def folder_card(manifest):
    """Card of a model that is made to be handed on, Markdown.

    Parameters
    ----------
    manifest : dict
        What `model_folder.save_model` writes down of it.
    """
    networks, grid, protocol = (manifest[name] for name in ("networks", "grid", "protocol"))
    members = ", ".join(f"seed {each['seed']} fold {each['fold']}" for each in networks)
    how = f"{protocol['folds']} folds" if protocol["folds"] else "one holdout"
    return _markdown([
        f"# {manifest['model']}, learnt from {_quoted(manifest['corpus']['name'])}",
        f"{len(networks)} trainings of one network ({members}), whose mean answer is the "
        "probability that 30 s of a song are popular: a popularity of at least "
        f"{manifest['threshold']:.4g}. `python -m hiphoplib score FOLDER --model THIS` uses it.",
        "## Learnt from",
        *_learnt_from(manifest["corpus"], manifest["corpus"]["fingerprint"]),
        f"- Split by {protocol['split']}, {how}; mel spectrograms of "
        f"{grid['shape'][0]} bands × {grid['shape'][1]} frames",
        "## How good it is on tracks that it has not seen",
        *_how_good(manifest["results"], protocol),
        "## What it is not for",
        *_not_for(manifest["synthetic"]),
        "## Versions",
        _versions(manifest)])


def _learnt_from(corpus, fingerprint):
    return [f"- Corpus {_quoted(corpus['name'])}, {corpus['tracks']:,} tracks by "
            f"{corpus['artists']:,} artists, fingerprint `{fingerprint}`",
            f"- What popularity is there: {_quoted(corpus['popularity_kind'])}"]


def _how_good(results, protocol):
    auc, accuracy, skill = (Estimate.read(results[name])
                            for name in ("auc", "accuracy", "brier_skill"))
    within = results["within_artist"]
    return [f"All seeds and folds of this network: AUC {auc}, accuracy {accuracy}, Brier skill "
            f"{skill} (95 % intervals over artists, {protocol['test_tracks']} tracks).",
            (f"Among the tracks of one artist: AUC {Estimate.read(within)}, {within['artists']} "
             "artists." if within else "No artist has enough tracks to be judged within.")]


def _not_for(synthetic):
    return ["- Deciding about a single song: the interval above is about the order of many.",
            "- Music of another kind than the corpus', or another meaning of popular.",
            "- Saying why a song is popular: it hears what goes with popularity in that corpus.",
            *([f"- {CAVEAT}"] if synthetic else [])]


def _versions(results):
    return (", ".join(f"{name} {number}" for name, number in results["versions"].items())
            + f"; {results['made']}")


def _markdown(lines):
    return "\n\n".join(lines).replace("\n\n- ", "\n- ") + "\n"


def _quoted(words):
    """What others wrote, as code: Markdown and HTML in it are not read."""
    return "`" + " ".join(words.replace("`", "'").split()) + "`"
