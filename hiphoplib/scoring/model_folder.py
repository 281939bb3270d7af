"""A trained model as a folder that can be copied, mailed and loaded: all that scoring needs.

The network is built by this project's own code, and only numbers are read from the files, so that
no code in them can run.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from scipy.special import expit

from hiphoplib.audio.mel import STORE_VERSION, MelGrid
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import Estimate
from hiphoplib.io import replacing
from hiphoplib.models.calibration import calibrated, log_odds
from hiphoplib.models.comparison import Scores
from hiphoplib.models.experiment import Experiment
from hiphoplib.models.networks import NETWORKS, load_network
from hiphoplib.models.training import Run, Scaler, load_run, versions
from hiphoplib.tracks.synthetic.corpus import CAVEAT

FORMAT = 2
MANIFEST, CARD = "model.json", "card.md"
RESULTS = ("auc", "accuracy", "brier", "brier_skill", "within_artist", "precision_at_k")
MAX_DIFFERENCE = 1e-3  # of a probability, by another version of a library
MAX_BYTES = 2**30  # of one of its files: the largest network of 2021 has a quarter of that


@dataclass(frozen=True)
class _Network:
    """One training of a model, with one seed on one fold."""

    run: Run
    calibration: tuple[float, float]  # for `calibrated`, fitted on its validation set
    reference: np.ndarray  # its calibrated scores of its test set, ascending

    def predict(self, S_db):
        return calibrated(self.run.predict(S_db), *self.calibration)

    def odds_gradient(self, S_db):
        raw = np.clip(self.run.predict(S_db), 1e-6, 1 - 1e-6)
        slope = self.calibration[0] / (raw * (1 - raw))
        return slope[:, None, None] * self.run.gradient(S_db)


def together(probabilities: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Return the probabilities of several networks as one: the mean of their log odds.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(n_networks, n)], calibrated

    Returns
    -------
    np.ndarray [shape=(n,)]

    Examples
    --------
    >>> together([[0.2, 0.5], [0.8, 0.9]]).round(2)
    array([0.5 , 0.75])
    """
    return expit(log_odds(np.asarray(probabilities)).mean(axis=0))


@dataclass(frozen=True)
class TrainedModel:
    """A model to score with: several trainings of one network, whose mean log odds count."""

    networks: list[_Network]
    card: dict  # the manifest, less networks and hash

    @property
    def grid(self) -> MelGrid:
        """Mel grid of its spectrograms."""
        return MelGrid(**self.card["grid"])

    @property
    def mean_db(self) -> np.ndarray:
        """Mean of each band over its training sets, in dB [shape=(n_mels,)]."""
        return np.mean([network.run.scaler.mean for network in self.networks], axis=0)

    def predict(self, S_db: np.ndarray) -> np.ndarray:
        """Return the probability of being popular, `together` of all networks.

        Parameters
        ----------
        S_db : np.ndarray [shape=(n, n_mels, frames)], in dB

        Returns
        -------
        np.ndarray [shape=(n,)]
        """
        return together([network.predict(S_db) for network in self.networks])

    def gradient(self, S_db: np.ndarray) -> np.ndarray:
        """Return the gradient of that probability by each clip's dB.

        Parameters
        ----------
        S_db : np.ndarray [shape=(n, n_mels, frames)], in dB

        Returns
        -------
        np.ndarray [shape=(n, n_mels, frames)]
        """
        odds = [network.odds_gradient(S_db) for network in self.networks]
        p = self.predict(S_db)
        return (p * (1 - p))[:, None, None] * np.mean(odds, axis=0)


def save_model(experiment: Experiment, results: dict, model: str, folder: Path | str,
               seeds: Sequence[int] = (0,)) -> Path:
    """Put the trained networks of a model into one folder; one that is there is replaced.

    Parameters
    ----------
    experiment : Experiment
    results : dict, of `evaluate` on that experiment
    model : str, a name in `NETWORKS`, trained on every fold and these seeds
    folder : path-like
    seeds : sequence of int

    Returns
    -------
    Path, of the folder

    Raises
    ------
    BadInput
        If `folder` holds something else, the model is not trained, or the results are of another.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / MANIFEST).is_file() and (
            not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder}: holds something else than a model; name a new folder")
    if (model not in results["models"]
            or results["corpus"]["fingerprint"] != experiment.fingerprint):
        raise BadInput(f"results: not of {model!r} on {experiment.folder}; evaluate it first")
    runs = [(seed, fold) for seed in seeds for fold in experiment.sides]
    with replacing(folder) as new:
        networks = [_save_network(experiment, model, seed, fold, new / f"network{number}.keras")
                    for number, (seed, fold) in enumerate(runs)]
        manifest = {
            "format": FORMAT, "store_version": STORE_VERSION, "model": model,
            "grid": asdict(experiment.protocol.grid), "corpus": results["corpus"],
            "protocol": results["protocol"], "threshold": results["protocol"]["threshold"],
            "synthetic": (experiment.folder / "truth.json").is_file(),
            "results": {name: results["models"][model][name] for name in RESULTS},
            "versions": versions(), "made": results["made"], "networks": networks}
        (new / CARD).write_text(_card_text(manifest), encoding="utf-8")
        text = json.dumps({**manifest, "sha256": _hash_of(manifest)}, indent=1) + "\n"
        (new / MANIFEST).write_text(text, encoding="utf-8")
    return folder


def _save_network(experiment, model, seed, fold, path):
    """Write one network's weights, and return its entry in the manifest."""
    run, shape = load_run(experiment.run_folder(model, seed, fold)), experiment.protocol.grid.shape
    network = NETWORKS[model](shape)  # without what training needs
    network.set_weights(run.model.get_weights())
    network.save(path)
    scores = Scores(experiment)
    calibration = scores.calibration(model, fold, seed)
    test = scores.of(model, fold, seed)[experiment.ids(fold, "test")]
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "seed": int(seed), "fold": int(fold), "calibration": list(calibration),
            "scaler": {"mean": run.scaler.mean.tolist(), "std": run.scaler.std.tolist()},
            "reference": sorted(calibrated(test, *calibration).round(6).tolist()),
            "probe": run.predict(_probe(shape)).tolist()}


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
        If there is none, it is damaged, or it is of a version that cannot be read here.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        raise BadInput(f"{folder}: no model there (no {MANIFEST}); make one with "
                       f"`python -m hiphoplib train data/NAME --model crnn --out {folder}`")
    try:
        card = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        expected, version = card.pop("sha256"), (card["format"], card["store_version"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder, f"{MANIFEST} cannot be read") from error
    if version != (FORMAT, STORE_VERSION):
        raise BadInput(f"{folder}: a model of another version of this project (format "
                       f"{version[0]}, spectrograms {version[1]}; here {FORMAT}, {STORE_VERSION}); "
                       "train it again with this one")
    if _hash_of(card) != expected:
        raise _damaged(folder, f"{MANIFEST} is not as it was written")
    if card.get("model") not in NETWORKS:
        raise BadInput(f"{folder}: a model named {card.get('model')!r}, which this version "
                       f"does not know; it has {', '.join(NETWORKS)}")
    try:
        networks = [_load_network(folder, card, entry) for entry in card.pop("networks")]
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder, f"{MANIFEST} lacks {error}") from error
    if not networks:
        raise _damaged(folder, "it holds no network")
    return TrainedModel(networks, card)


def _load_network(folder, card, entry):
    path, grid = folder / entry["file"], MelGrid(**card["grid"])
    if path.parent != folder or not path.is_file():
        raise _damaged(folder, f"{path.name} is missing")
    if path.stat().st_size > MAX_BYTES:
        raise _damaged(folder, f"{path.name} is too large for a network")
    if hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
        raise _damaged(folder, f"{path.name} is not as it was written")
    try:
        network = load_network(card["model"], grid.shape, path)
    except (ValueError, OSError, KeyError, BadZipFile, UserWarning) as error:
        raise BadInput(f"{folder}: the weights are of another network than this version's "
                       f"{card['model']}; train it again") from error
    scaler = Scaler(*(np.array(entry["scaler"][name]) for name in ("mean", "std")))
    shape = {"shape": list(grid.shape)}
    run = Run(network, scaler, {"model": card["model"], "grid": card["grid"] | shape})
    if not np.allclose(run.predict(_probe(grid.shape)), entry["probe"], atol=MAX_DIFFERENCE):
        raise BadInput(f"{folder}: predicts otherwise here than where it was trained, with "
                       "keras {keras}, tensorflow {tensorflow}; install these, or train it again"
                       .format(**card["versions"]))
    return _Network(run, tuple(entry["calibration"]), np.array(entry["reference"]))


def _probe(shape):
    """Return spectrograms in dB on which a sound network predicts the same everywhere."""
    # sines, not random numbers, which another version of numpy may draw otherwise
    band, frame = np.ogrid[: shape[0], : shape[1]]
    return np.stack([-30 - 20 * np.sin(band / 5 + turn) * np.cos(frame * (turn + 1) / 17)
                     for turn in range(3)]).astype(np.float32)


def _hash_of(manifest):
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _damaged(folder, what):
    return BadInput(f"{folder}: the model is damaged ({what}); copy it again or train it again")


def _card_text(manifest):
    """Return the card for people, Markdown."""
    corpus, protocol, results = (manifest[name] for name in ("corpus", "protocol", "results"))
    grid, within = MelGrid(**manifest["grid"]), results["within_artist"]
    auc, accuracy, skill = (Estimate.read(results[name])
                            for name in ("auc", "accuracy", "brier_skill"))
    # what others wrote becomes code, in which no Markdown or HTML is read
    name, kind = ("`" + " ".join(corpus[key].replace("`", "'").split()) + "`"
                  for key in ("name", "popularity_kind"))
    folds = f"{protocol['folds']} folds" if protocol["folds"] else "one test set"
    networks = ", ".join(f"seed {each['seed']} fold {each['fold']}"
                         for each in manifest["networks"])
    return "\n\n".join([
        f"# {manifest['model']}, trained on {name}",
        f"The mean of {len(manifest['networks'])} trainings of one network ({networks}) is the "
        "probability that 30 s of a song are popular: a popularity of at least "
        f"{manifest['threshold']:.4g}. `python -m hiphoplib score FOLDER --model THIS` uses it.",
        "## Trained on",
        f"Data set {name}, {corpus['tracks']:,} tracks by {corpus['artists']:,} artists, "
        f"fingerprint `{corpus['fingerprint']}`. What popularity is there: {kind}. Split by "
        f"{protocol['split']}, {folds}; mel spectrograms of {grid.n_mels} bands × {grid.frames} "
        "frames.",
        "## How good it is on tracks that it has not seen",
        f"All seeds and folds of this network: AUC {auc}, accuracy {accuracy}, Brier skill {skill} "
        f"(95 % intervals over artists, {protocol['test_tracks']} tracks).",
        f"Among the tracks of one artist: AUC {Estimate.read(within)}, {within['artists']} artists."
        if within else "No artist has enough tracks to be judged within.",
        "## What it is not for",
        "- Deciding about a single song: the intervals above are about the order of many.\n"
        "- Music of another kind than its data set, or another meaning of popular.\n"
        "- Saying why a song is popular: it picks up what goes with popularity in that data set."
        + (f"\n- {CAVEAT}" if manifest["synthetic"] else ""),
        "## Versions",
        ", ".join(f"{library} {version}" for library, version in manifest["versions"].items())
        + f"; {manifest['made']}\n"])
