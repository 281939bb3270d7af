"""The state of a training between two epochs, on disk: an interrupted one goes on from it."""

import json
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from hiphoplib.io import write_whole
from hiphoplib.keras_backend import keras

CHECKPOINT = "checkpoint.npz"


class Checkpoint:
    """The state of a training, kept after every epoch in one file that is whole or not there.

    It holds all that the next epoch depends on: weights, the optimizer's moments, the state of the
    dropout's random numbers, the history, and the weights of the best epoch. No code in it is run.

    Parameters
    ----------
    folder : path-like or None
        Of the run; None keeps nothing on disk.
    model : keras.Model
        Compiled and newly built; gets the state on disk.
    settings : dict
        What the training depends on. A checkpoint of other settings is not taken up.
    """

    def __init__(self, folder: Path | str | None, model: keras.Model, settings: dict):
        self.path = Path(folder) / CHECKPOINT if folder else None
        self.model, self.settings = model, settings
        self.history: list[dict] = []  # one an epoch, with `val_loss`
        self.best: list[np.ndarray] | None = None  # weights of the epoch of the lowest one
        self._take_up()

    @property
    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def keep(self, epoch: dict) -> None:
        """Keep the state after an epoch.

        Parameters
        ----------
        epoch : dict
            Its row of the history.
        """
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
