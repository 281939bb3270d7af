"""Fitting a network from the mel store, and the folder that a finished run leaves behind."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from hiphoplib.errors import BadInput
from hiphoplib.io import naming, write_whole
from hiphoplib.keras_backend import keras, tf
from hiphoplib.models.networks import (
    BATCH,
    LEARNING_RATE,
    VERSION,
    build_model,
    clips_a_step,
    load_network,
)
from hiphoplib.run_size import run_size

EPOCHS, PATIENCE = run_size().epochs, 6
PREDICT_BINS = 64 * 64 * 323  # in a batch: the activations on them stay within a gigabyte
IN_MEMORY = 1000 * 64 * 323  # bins of a side that are read once and not every epoch, 83 MB
CHECKPOINT = "checkpoint.npz"


@dataclass(frozen=True)
class Scaler:
    """Standardises spectrograms per band.

    Parameters
    ----------
    mean, std : np.ndarray [shape=(n_mels,)]
        In dB, of the training clips only.
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def fit(cls, store, ids, block=32):
        """Mean and deviation of every band over the clips `ids` of a store, a block at a time."""
        total = np.zeros((2, store.grid.n_mels))
        for start in range(0, len(ids), block):
            S_db = store.batch(ids[start: start + block]).astype(float)
            total += S_db.mean(axis=2).sum(axis=0), (S_db**2).mean(axis=2).sum(axis=0)
        mean, square = total / len(ids)
        return cls(mean, np.sqrt(np.maximum(square - mean**2, 1e-6)))

    def __call__(self, S_db):
        """Standardised spectrograms, np.ndarray [shape=(n, n_mels, frames)], float32."""
        mean, std = (band.astype(np.float32)[:, None] for band in (self.mean, self.std))
        return (S_db - mean) / std


class Clips(keras.utils.PyDataset):
    """Batches of standardised spectrograms and labels, read from the store as they are needed.

    Keras reads ahead while it trains (`tf.data.Dataset.prefetch`); no more than that is in memory,
    unless all of them are few.

    Parameters
    ----------
    store : MelStore
    labels : pd.Series of int, indexed by track id
    scaler : Scaler
    batch : int > 0
        Clips a batch.
    seed : int or None
        Order of the clips, a new one each epoch; None keeps them in the order of `labels`.
    """

    def __init__(self, store, labels, scaler, batch=BATCH, seed=None):
        super().__init__()
        self.store, self.labels, self.scaler = store, labels, scaler
        self.batch, self.seed = batch, seed
        self.all = None
        if len(labels) * store.grid.n_mels * store.grid.frames <= IN_MEMORY:
            self.all = scaler(store.batch(labels.index))
        self.begin(0)

    def begin(self, epoch):
        """Put the clips into the order of an epoch, whatever was read before."""
        self.order = np.arange(len(self.labels))
        if self.seed is not None:
            np.random.default_rng([self.seed, epoch]).shuffle(self.order)

    def __len__(self):
        return -(-len(self.labels) // self.batch)

    def __getitem__(self, number):
        rows = np.sort(self.order[number * self.batch: (number + 1) * self.batch])
        labels = self.labels.iloc[rows]
        clips = self.scaler(self.store.batch(labels.index)) if self.all is None else self.all[rows]
        return clips, labels.to_numpy(np.float32)[:, None]


@dataclass
class Run:
    """A trained network with all that scoring needs.

    Parameters
    ----------
    model : keras.Model
    scaler : Scaler
    card : dict
        Corpus, grid, split, seed, threshold, versions, metrics.
    history : pd.DataFrame
        One row an epoch: ``epoch``, ``loss``, ``auc``, ``val_loss``, ``val_auc``, …
    """

    model: keras.Model
    scaler: Scaler
    card: dict
    history: pd.DataFrame

    def predict(self, S_db):
        """Probability of being popular, np.ndarray [shape=(n,)], of dB [shape=(n, n_mels, t)]."""
        self._check(S_db)
        batch = max(1, PREDICT_BINS // S_db[0].size)
        return self.model.predict(self.scaler(S_db), batch_size=batch, verbose=0)[:, 0]

    def gradient(self, S_db):
        """Gradient of each clip's probability by its dB, np.ndarray [shape=(n, n_mels, t)]."""
        self._check(S_db)
        clips = tf.convert_to_tensor(self.scaler(S_db))
        with tf.GradientTape() as tape:
            tape.watch(clips)
            answers = self.model(clips, training=False)
        by_deviation = tape.gradient(answers, clips).numpy()
        return by_deviation / self.scaler.std.astype(np.float32)[:, None]

    def _check(self, S_db):
        if S_db.shape[1:] != tuple(self.card["grid"]["shape"]):
            raise BadInput(f"model {self.card['model']}: trained on spectrograms of "
                           f"{self.card['grid']['shape']}, not {list(S_db.shape[1:])}; use the "
                           f"grid {self.card['grid']['name']}")


def fit(name, store, labels, sides, *, seed=0, epochs=EPOCHS, patience=PATIENCE, folder=None,
        progress=None):
    """Train one network, stopping early on the test split.

    Parameters
    ----------
    name : str
        A name in `MODELS`.
    store : MelStore
    labels : pd.Series of int, indexed by track id
    sides : pd.Series of str, indexed by track id
        "train", "validation" or "test"; the holdout is not touched.
    seed : int
        Of the weights, the dropout and the order of the clips; the same seed on the same machine
        gives the same network.
    epochs, patience : int
        At most so many epochs, and so many without a better loss on the test split. The weights
        of the best epoch are kept.
    folder : path-like, optional
        Keeps the state after every epoch (`Checkpoint`): the same call goes on from there, with
        the result of an uninterrupted one.
    progress : callable, optional
        Called with the number of epochs that are done.

    Returns
    -------
    Run

    Raises
    ------
    BadInput
        If a side has one class only.
    """
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)
    parts = {side: labels[sides[labels.index] == side] for side in ("train", "validation")}
    for side, part in parts.items():
        if part.nunique() < 2:
            raise BadInput(f"split: the {side} side of {len(part)} tracks has one class only; "
                           "gather more tracks, or split at random")
    scaler = Scaler.fit(store, parts["train"].index)
    model = build_model(name, store.grid.shape)
    train, test = (Clips(store, parts[side], scaler, clips_a_step(model), order) for side, order in
                   (("train", seed), ("validation", None)))
    checkpoint = Checkpoint(folder, model, begun_as(name, seed, train, test, epochs, patience))
    if not finished(checkpoint.history, epochs, patience):
        model.fit(train, validation_data=test, initial_epoch=len(checkpoint.history), epochs=epochs,
                  shuffle=False, verbose=0,
                  callbacks=[_EpochByEpoch(train, checkpoint, epochs, patience, progress)])
    model.set_weights(checkpoint.best)
    history = pd.DataFrame(checkpoint.history)
    best = history.loc[history["val_loss"].idxmin()]
    card = {
        "model": name, "networks": VERSION, "seed": seed, "parameters": model.count_params(),
        "grid": {**asdict(store.grid), "shape": list(store.grid.shape)},
        "tracks": {side: int((sides[labels.index] == side).sum()) for side in sides.unique()},
        "epochs": len(history), "best_epoch": int(best["epoch"]),
        "metrics": {f"validation_{key}": float(best[f"val_{key}"])
                    for key in ("loss", "accuracy", "auc")},
        "seconds_per_clip_epoch": history["seconds"].sum() / len(history) / len(parts["train"]),
        "versions": versions(),
    }
    return Run(model, scaler, card, history)


class _EpochByEpoch(keras.callbacks.Callback):
    """Gives every epoch its order, keeps what it came to, and stops when it is time."""

    def __init__(self, clips, checkpoint, epochs, patience, progress):
        super().__init__()
        self.clips, self.checkpoint, self.progress = clips, checkpoint, progress
        self.limits = epochs, patience

    def on_epoch_begin(self, epoch, logs=None):
        self.clips.begin(epoch)
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.began
        self.checkpoint.keep({"epoch": epoch, **logs, "seconds": seconds})
        self.model.stop_training = finished(self.checkpoint.history, *self.limits)
        if self.progress:
            self.progress(epoch + 1)


def finished(history, epochs, patience):
    """Whether a training is at its end: enough epochs, or too many without a better loss."""
    losses = [row["val_loss"] for row in history]
    return len(losses) >= epochs or len(losses) - 1 - int(np.argmin(losses or [0])) >= patience


def begun_as(name, seed, train, test, epochs, patience):
    """What a training depends on, dict: a checkpoint of another one is no beginning of it."""
    learnt_from = [*train.labels.items(), *test.labels.items(), *train.scaler.mean,
                   *train.scaler.std]
    return {"model": name, "networks": VERSION, "seed": seed, "epochs": epochs,
            "patience": patience, "batch": train.batch, "versions": versions(),
            "learning_rate": LEARNING_RATE.get(name, 1e-3),
            "data": hashlib.sha256(repr(learnt_from).encode()).hexdigest()}


def versions():
    """Versions of what a result depends on, dict of str."""
    return {name: version(name) for name in ("keras", "librosa", "lime", "numpy", "scikit-learn",
                                             "scipy", "soundfile", "soxr")
            } | {"tensorflow": tf.__version__}


def save_run(run, folder):
    """Write ``model.keras``, ``history.csv`` and, last, ``card.json``: with it the run counts."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with naming(folder / "model.keras"):
        run.model.save(folder / "model.keras")
    write_whole(folder / "history.csv", run.history.to_csv(index=False))
    scaler = {"mean": run.scaler.mean.tolist(), "std": run.scaler.std.tolist()}
    card = json.dumps({**run.card, "scaler": scaler}, indent=1) + "\n"
    write_whole(folder / "card.json", card)
    (folder / CHECKPOINT).unlink(missing_ok=True)


def read_card(folder):
    """Card of a finished run, dict; None if there is none or it is damaged."""
    try:
        return json.loads((Path(folder) / "card.json").read_text())
    except (OSError, ValueError):
        return None


def load_run(folder):
    """A run from its folder; no code in the file is run.

    Raises
    ------
    BadInput
        If there is none, or its files are damaged.
    """
    folder = Path(folder)
    if not (folder / "card.json").is_file():
        raise BadInput(f"{folder}: no trained model there; "
                       "make one with `python -m hiphoplib train`")
    try:
        card = json.loads((folder / "card.json").read_text())
        scaler = card.pop("scaler")
        history = pd.read_csv(folder / "history.csv")
        model = load_network(card["model"], card["grid"]["shape"], folder / "model.keras")
    except (ValueError, OSError, KeyError, TypeError, BadZipFile, UserWarning) as error:
        raise BadInput(f"{folder}: the model cannot be loaded "
                       f"({str(error).splitlines()[0]}); train it again") from error
    return Run(model, Scaler(np.array(scaler["mean"]), np.array(scaler["std"])), card, history)


class Checkpoint:
    """What a training has come to, kept after every epoch in one file that is whole or not there.

    It holds all that the next epoch depends on: weights, the optimizer's moments, the state of the
    dropout's random numbers, the history, and the weights of the best epoch. No code is in the
    file, and none is run from it.

    Parameters
    ----------
    folder : path-like or None
        Of the run; None keeps nothing on disk.
    model : keras.Model
        Compiled and newly built; gets the state that is found.
    settings : dict
        What the training depends on. A checkpoint of other settings is not taken up.

    Attributes
    ----------
    history : list of dict
        One an epoch, with ``val_loss``.
    best : list of np.ndarray
        Weights of the epoch of the lowest ``val_loss``; None before the first one.
    """

    def __init__(self, folder, model, settings):
        self.path = Path(folder) / CHECKPOINT if folder else None
        self.model, self.settings = model, settings
        self.history, self.best = [], None
        self._take_up()

    @property
    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def keep(self, epoch):
        """Put down the state after an epoch, dict: its row of the history."""
        self.history.append(epoch)
        losses = [row["val_loss"] for row in self.history]
        if self.best is None or losses[-1] < min(losses[:-1]):
            self.best = self.model.get_weights()
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
