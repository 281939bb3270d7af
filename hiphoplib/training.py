"""Fitting a network from the mel store, and the folder that a finished run leaves behind."""

import json
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from .backend import keras, tf
from .errors import BadInput
from .models import build_model

EPOCHS, PATIENCE, BATCH = 25, 6, 8


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
    def fit(cls, store, ids):
        """Mean and deviation of every band over the clips `ids` of a store, clip by clip."""
        total = np.zeros((2, store.grid.n_mels))
        for track_id in ids:
            S_db = store[track_id].astype(float)
            total += S_db.mean(axis=1), (S_db**2).mean(axis=1)
        mean, square = total / len(ids)
        return cls(mean, np.sqrt(np.maximum(square - mean**2, 1e-6)))

    def __call__(self, S_db):
        """Standardised spectrograms, np.ndarray [shape=(n, n_mels, frames)], float32."""
        return ((S_db - self.mean[:, None]) / self.std[:, None]).astype(np.float32)


class Clips(keras.utils.PyDataset):
    """Batches of standardised spectrograms and labels, read from the store as they are needed.

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
        self.store, self.labels, self.scaler, self.batch = store, labels, scaler, batch
        self.rng = None if seed is None else np.random.default_rng(seed)
        self.order = np.arange(len(labels))
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.labels) // self.batch)

    def __getitem__(self, number):
        rows = np.sort(self.order[number * self.batch: (number + 1) * self.batch])
        labels = self.labels.iloc[rows]
        return self.scaler(self.store.batch(labels.index)), labels.to_numpy(np.float32)[:, None]

    def on_epoch_end(self):
        if self.rng is not None:
            self.rng.shuffle(self.order)


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
        if S_db.shape[1:] != tuple(self.card["grid"]["shape"]):
            raise BadInput(f"model {self.card['model']}: trained on spectrograms of "
                           f"{self.card['grid']['shape']}, not {list(S_db.shape[1:])}; use the "
                           f"grid {self.card['grid']['name']}")
        return self.model.predict(self.scaler(S_db), batch_size=64, verbose=0)[:, 0]


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
        "train", "test" or "holdout"; the holdout is not touched.
    seed : int
        Of the weights, the dropout and the order of the clips; the same seed on the same machine
        gives the same network.
    epochs, patience : int
        At most so many epochs, and so many without a better loss on the test split. The weights
        of the best epoch are kept.
    folder : path-like, optional
        Gets the network of the best epoch so far as ``model.keras`` while it trains.
    progress : callable, optional
        Called without arguments after each epoch.

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
    parts = {side: labels[sides[labels.index] == side] for side in ("train", "test")}
    for side, part in parts.items():
        if part.nunique() < 2:
            raise BadInput(f"split: the {side} side of {len(part)} tracks has one class only; "
                           "gather more tracks, or split at random")
    scaler = Scaler.fit(store, parts["train"].index)
    train = Clips(store, parts["train"], scaler, seed=seed)
    test = Clips(store, parts["test"], scaler)
    model = build_model(name, store.grid.shape)
    callbacks = [keras.callbacks.EarlyStopping(monitor="val_loss", patience=patience,
                                               restore_best_weights=True)]
    if folder:
        callbacks.append(keras.callbacks.ModelCheckpoint(Path(folder) / "model.keras",
                                                         save_best_only=True))
    if progress:
        callbacks.append(keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: progress()))
    begin = time.perf_counter()
    fitted = model.fit(train, validation_data=test, epochs=epochs, shuffle=False,
                       callbacks=callbacks, verbose=0)
    seconds = time.perf_counter() - begin
    history = pd.DataFrame(fitted.history).rename_axis("epoch").reset_index()
    best = history.loc[history["val_loss"].idxmin()]
    card = {
        "model": name, "seed": seed, "parameters": model.count_params(),
        "grid": {**asdict(store.grid), "shape": list(store.grid.shape)},
        "tracks": {side: int((sides[labels.index] == side).sum()) for side in sides.unique()},
        "epochs": len(history), "best_epoch": int(best["epoch"]),
        "metrics": {f"test_{key}": float(best[f"val_{key}"])
                    for key in ("loss", "accuracy", "auc")},
        "seconds_per_clip_epoch": seconds / len(history) / len(parts["train"]),
        "versions": versions(),
    }
    return Run(model, scaler, card, history)


def versions():
    """Versions of what a result depends on, dict of str."""
    return {name: version(name) for name in ("keras", "librosa", "lime", "numpy", "scikit-learn")
            } | {"tensorflow": tf.__version__}


def save_run(run, folder):
    """Write ``model.keras``, ``history.csv`` and, last, ``card.json``: with it the run counts."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run.model.save(folder / "model.keras")
    run.history.to_csv(folder / "history.csv", index=False)
    scaler = {"mean": run.scaler.mean.tolist(), "std": run.scaler.std.tolist()}
    card = json.dumps({**run.card, "scaler": scaler}, indent=1) + "\n"
    (folder / "card.json.new").write_text(card)
    (folder / "card.json.new").rename(folder / "card.json")


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
        model = keras.models.load_model(folder / "model.keras", safe_mode=True)
    except (ValueError, OSError, KeyError, BadZipFile) as error:
        raise BadInput(f"{folder}: the model cannot be loaded "
                       f"({str(error).splitlines()[0]}); train it again") from error
    return Run(model, Scaler(np.array(scaler["mean"]), np.array(scaler["std"])), card, history)
