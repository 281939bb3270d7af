"""Fitting a network on a spectrogram store: its state on disk, and the folder of a finished run."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from hiphoplib.dataset.store import MelStore, Scaler
from hiphoplib.errors import BadInput
from hiphoplib.io import naming, write_whole
from hiphoplib.keras_backend import keras, tf
from hiphoplib.models import networks
from hiphoplib.run_size import run_size

EPOCHS, PATIENCE = run_size().epochs, 10
SAMPLE = 16  # clips by which the first weights are scaled
CHECKPOINT = "checkpoint.npz"
PREDICT_BINS = 64 * 64 * 323  # in a batch: the activations on them stay within a gigabyte
IN_MEMORY = 1000 * 64 * 323  # bins of a set that are read once and not every epoch, 83 MB


class ClipBatches(keras.utils.PyDataset):
    """Batches of standardised spectrograms and labels, read from the store as they are needed.

    Keras reads ahead while it trains (`tf.data.Dataset.prefetch`); no more than that is in memory,
    unless all of them are few. The seed is of the order of the clips, a new one each epoch; without
    it, that is the order of the labels, pd.Series of numbers from 0 to 1 indexed by track id.
    """

    def __init__(self, store: MelStore, labels, scaler: Scaler, batch, seed=None, augment=None):
        super().__init__()
        self.store, self.labels, self.scaler = store, labels, scaler
        self.batch, self.seed, self.augment = batch, seed, augment  # the last needs a seed
        few = len(labels) * store.grid.n_mels * store.grid.frames <= IN_MEMORY
        self._all = self._read(labels.index) if few else None
        self._begin(0)

    def _begin(self, epoch):
        """Put the clips into the order of an epoch, whatever was read before."""
        self._epoch, self._order = epoch, np.arange(len(self.labels))
        if self.seed is not None:
            np.random.default_rng([self.seed, epoch]).shuffle(self._order)

    def __len__(self):
        return -(-len(self.labels) // self.batch)

    def __getitem__(self, number):
        """Return clips [shape=(batch, n_mels, frames)] and labels [shape=(batch, 1)]."""
        rows = np.sort(self._order[number * self.batch : (number + 1) * self.batch])
        labels = self.labels.iloc[rows].to_numpy(np.float32)[:, None]
        clips = self._read(self.labels.index[rows]) if self._all is None else self._all[rows]
        if not self.augment:
            return clips, labels
        return self.augment(clips, labels, np.random.default_rng([self.seed, self._epoch, number]))

    def _read(self, ids):
        return self.scaler(self.store.batch(ids))


class Checkpoint:
    """The state of a training, kept after every epoch in one file that is whole or not there.

    It holds all that the next epoch depends on: weights, the optimizer's moments, the state of the
    dropout's random numbers, the history, and the weights of the best epoch. No code in it is run.

    Parameters
    ----------
    folder : path-like or None, of the run; None keeps nothing on disk
    model : keras.Model, compiled and newly built; gets the state on disk
    settings : dict, on which the training depends: a checkpoint of others is not taken up
    """

    def __init__(self, folder: Path | str | None, model: keras.Model, settings: dict):
        self.path = Path(folder) / CHECKPOINT if folder else None
        self.model, self.settings = model, settings
        self.history: list[dict] = []  # one an epoch, with `val_rank`
        self.best: list[np.ndarray] | None = None  # weights of its best epoch
        self._take_up()

    @property
    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def keep(self, epoch: dict, weights: list[np.ndarray] | None = None) -> None:
        """Keep the state after an epoch.

        Parameters
        ----------
        epoch : dict, its row of the history
        weights : list of np.ndarray, that the row is of; those of the model if not given
        """
        self.history.append(epoch)
        ranks = _steady(self.history)
        if self.best is None or ranks[-1] > max(ranks[:-1]):
            self.best = weights or self.model.get_weights()
        if self.path:
            note = json.dumps({"settings": self.settings, "history": self.history})
            arrays = {f"state{i}": variable.numpy() for i, variable in enumerate(self._variables)}
            arrays |= {f"best{i}": weight for i, weight in enumerate(self.best)}
            write_whole(self.path, lambda file: np.savez(file, note=np.array(note), **arrays))

    def _take_up(self):
        """Bring the model to the state on disk, if there is one of the same settings."""
        self.model.optimizer.build(self.model.trainable_variables)
        if not self.path or not self.path.is_file():
            return
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                note = json.loads(str(kept["note"]))
                state = [kept[f"state{i}"] for i in range(len(self._variables))]
                best = [kept[f"best{i}"] for i in range(len(self.model.weights))]
        except (OSError, EOFError, ValueError, KeyError, BadZipFile):
            return  # damaged: the training begins anew
        shapes = [tuple(variable.shape) for variable in self._variables]
        if note["settings"] != self.settings or [value.shape for value in state] != shapes:
            return
        for variable, value in zip(self._variables, state, strict=True):
            variable.assign(value)
        self.history, self.best = note["history"], best


@dataclass
class Run:
    """A trained network with all that scoring needs."""

    model: keras.Model
    scaler: Scaler
    card: dict  # corpus, grid, split, seed, threshold, versions, metrics
    # one row an epoch: `epoch`, `loss`, `auc`, `val_loss`, `val_auc`, `val_rank`, …
    history: pd.DataFrame = field(default_factory=pd.DataFrame)

    def predict(self, S_db: np.ndarray) -> np.ndarray:
        """Return the probability of being popular.

        Parameters
        ----------
        S_db : np.ndarray [shape=(n, n_mels, frames)], in dB

        Returns
        -------
        np.ndarray [shape=(n,)]
        """
        batch = max(1, PREDICT_BINS // S_db[0].size)
        return self.model.predict(self._scaled(S_db), batch_size=batch, verbose=0)[:, 0]

    def gradient(self, S_db: np.ndarray) -> np.ndarray:
        """Return the gradient of each clip's probability by its dB.

        Parameters
        ----------
        S_db : np.ndarray [shape=(n, n_mels, frames)], in dB

        Returns
        -------
        np.ndarray [shape=(n, n_mels, frames)]
        """
        clips = tf.convert_to_tensor(self._scaled(S_db))
        with tf.GradientTape() as tape:
            tape.watch(clips)
            probability = self.model(clips, training=False)
        deviation = self.scaler.std.astype(np.float32)[:, None]
        return tape.gradient(probability, clips).numpy() / deviation

    def _scaled(self, S_db):
        grid = self.card["grid"]
        if S_db.shape[1:] != tuple(grid["shape"]):
            raise BadInput(
                f"model {self.card['model']}: trained on spectrograms of {grid['shape']}, "
                f"not {list(S_db.shape[1:])}; use the grid {grid['name']}"
            )
        return self.scaler(S_db)


def fit(
    name: str,
    store: MelStore,
    labels: pd.Series,
    sides: pd.Series,
    *,
    seed: int = 0,
    epochs: int = EPOCHS,
    patience: int = PATIENCE,
    augment: networks.Augment | None = None,
    folder: Path | str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Run:
    """Train one network, stopping early on the validation set.

    What counts is the rank correlation of scores and labels there. How sure a network is of itself
    is calibrated later; its loss on a hundred tracks rises while it still learns to order them.

    Parameters
    ----------
    name : str, in `NETWORKS`
    store : MelStore
    labels, sides : pd.Series, indexed by track id
        0 or 1, or a percentile between them, see `Experiment.percentiles`; "train", "validation" or
        "test", of which the last is not touched.
    seed : int, of weights, dropout and the order of clips: on one machine it decides the network
    epochs, patience : int
        At most so many, and so many without a better order; the weights of the best one are kept.
    augment : networks.Augment, optional; that of `networks.AUGMENT` if not given
    folder : path-like, optional
        Keeps the state after every epoch: the same call goes on from there, to the same result.
    progress : callable, optional, which is called with the number of epochs that are done

    Returns
    -------
    Run

    Raises
    ------
    BadInput
        If the training or validation set has one class only.
    """
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)
    parts = {side: labels[sides[labels.index] == side] for side in ("train", "validation")}
    for side, part in parts.items():
        if (part >= 0.5).nunique() < 2:
            raise BadInput(
                f"split: the {side} set of {len(part)} tracks has one class only; "
                "gather more tracks, or split at random"
            )
    scaler = Scaler.fit(store, parts["train"].index)
    model = networks.build_model(name, store.grid.shape)
    networks.spread_out(model, scaler(store.batch(parts["train"].index[:SAMPLE])))
    batch = networks.clips_a_step(model)
    augment = augment or networks.AUGMENT.get(name)
    train = ClipBatches(store, parts["train"], scaler, batch, seed, augment)
    validation = ClipBatches(store, parts["validation"], scaler, batch)
    model.optimizer.ema_momentum = max(0, 1 - 1 / (networks.AVERAGED * len(train)))
    settings = _settings(name, seed, train, validation, epochs, patience)
    checkpoint = Checkpoint(folder, model, settings)
    averaged, began = keras.callbacks.SwapEMAWeights(), 0.0  # puts them in for validation

    def begin(epoch, logs):
        nonlocal began
        train._begin(epoch)
        began = time.perf_counter()

    def end(epoch, logs):
        averaged.on_test_begin()
        weights, scores = model.get_weights(), model.predict(validation, verbose=0)[:, 0]
        averaged.on_test_end()
        row = {"epoch": epoch, **logs, "val_rank": _rank_correlation(scores, parts["validation"])}
        checkpoint.keep({**row, "seconds": time.perf_counter() - began}, weights)
        model.stop_training = _is_finished(checkpoint.history, epochs, patience)
        if progress:
            progress(epoch + 1)

    if not _is_finished(checkpoint.history, epochs, patience):
        each = keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_epoch_end=end)
        how = {"shuffle": False, "verbose": 0, "callbacks": [averaged, each]}
        done = len(checkpoint.history)
        model.fit(train, validation_data=validation, initial_epoch=done, epochs=epochs, **how)
    model.set_weights(checkpoint.best)
    history = pd.DataFrame(checkpoint.history)
    best = history.loc[int(np.argmax(_steady(checkpoint.history)))]
    tracks = {side: int((sides[labels.index] == side).sum()) for side in sides.unique()}
    return Run(model, scaler, _card(name, seed, model, store.grid, tracks, history, best), history)


def _card(name, seed, model, grid, tracks, history, best):
    """What a run's card says of the training, dict; `best` is a row of the history."""
    metrics = "loss", "accuracy", "auc", "rank"
    return {
        "model": name,
        "networks": networks.VERSION,
        "seed": seed,
        "parameters": model.count_params(),
        "grid": {**asdict(grid), "shape": list(grid.shape)},
        "tracks": tracks,
        "epochs": len(history),
        "best_epoch": int(best["epoch"]),
        "metrics": {f"validation_{of}": float(best[f"val_{of}"]) for of in metrics},
        "seconds_per_clip_epoch": history["seconds"].sum() / len(history) / tracks["train"],
        "versions": versions(),
    }


def _rank_correlation(scores, labels):
    """Spearman correlation, 0 where all scores are the same."""
    return 0.0 if np.ptp(scores) == 0 else float(spearmanr(scores, labels).statistic)


def _steady(history):
    """Rank correlations by epoch, each with those before it, from 0 on: one alone may be luck."""
    ranks = pd.Series([0.0, *(row["val_rank"] for row in history)])
    return ranks.ewm(alpha=0.5, adjust=False).mean().tolist()[1:]


def _is_finished(history, epochs, patience):
    """Whether a training is at its end: enough epochs, or too many without a better order."""
    ranks = _steady(history)
    return len(ranks) >= epochs or len(ranks) - 1 - int(np.argmax(ranks or [0])) >= patience


def _settings(name, seed, train, validation, epochs, patience):
    """What a training depends on, dict: a checkpoint of another one is not taken up."""
    labels = *train.labels.items(), *validation.labels.items()
    learnt_from = [*labels, *train.scaler.mean, *train.scaler.std]
    return {
        "model": name,
        "networks": networks.VERSION,
        "seed": seed,
        "epochs": epochs,
        "patience": patience,
        "batch": train.batch,
        "versions": versions(),
        "learning_rate": networks.LEARNING_RATE.get(name, networks.DEFAULT_RATE),
        "averaged": networks.AVERAGED,
        "augment": train.augment and asdict(train.augment),
        "data": hashlib.sha256(repr(learnt_from).encode()).hexdigest(),
    }


def versions() -> dict[str, str]:
    """Return the versions of what a result depends on."""
    packages = "keras librosa lime numpy scikit-learn scipy soundfile soxr".split()
    return {name: version(name) for name in packages} | {"tensorflow": tf.__version__}


def save_run(run: Run, folder: Path | str) -> None:
    """Write ``model.keras``, ``history.csv`` and, last, ``card.json``: with it the run counts.

    Parameters
    ----------
    run : Run
    folder : path-like
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with naming(folder / "model.keras"):
        run.model.save(folder / "model.keras")
    write_whole(folder / "history.csv", run.history.to_csv(index=False))
    scaler = {"mean": run.scaler.mean.tolist(), "std": run.scaler.std.tolist()}
    write_whole(folder / "card.json", json.dumps({**run.card, "scaler": scaler}, indent=1) + "\n")
    (folder / CHECKPOINT).unlink(missing_ok=True)


def read_card(folder: Path | str) -> dict | None:
    """Read the card of a finished run; None if there is none or it is damaged.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    dict or None
    """
    try:
        return json.loads((Path(folder) / "card.json").read_bytes())
    except (OSError, ValueError):
        return None


def load_run(folder: Path | str) -> Run:
    """Load a run from its folder; no code in the files is run.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    Run

    Raises
    ------
    BadInput
        If there is none, it is of another version, or its files are damaged.
    """
    folder = Path(folder)
    card = read_card(folder)
    if card is None:
        raise BadInput(
            f"{folder}: no trained model there that can be read; "
            "make one with `python -m hiphoplib train`"
        )
    if card.get("networks") != networks.VERSION:
        raise BadInput(f"{folder}: trained by another version of this project; train it again")
    try:
        bands = card.pop("scaler")
        scaler = Scaler(np.array(bands["mean"]), np.array(bands["std"]))
        history = pd.read_csv(folder / "history.csv")
        model = networks.load_network(card["model"], card["grid"]["shape"], folder / "model.keras")
    except (ValueError, OSError, KeyError, TypeError, BadZipFile, UserWarning) as error:
        why = str(error).splitlines()[0]
        raise BadInput(f"{folder}: the model cannot be loaded ({why}); train it again") from error
    return Run(model, scaler, card, history)
