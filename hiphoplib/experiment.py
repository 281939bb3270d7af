"""A corpus made ready for a protocol, and the training of every model, seed and fold on it."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd

from .errors import BadInput
from .mel import GRIDS, MelGrid, MelStore
from .models import MODELS
from .quiet import progress
from .splits import artist_groups, default_folds, label_popular, split_tracks
from .tracks import clean_tracks, read_tracks
from .training import EPOCHS, PATIENCE, fit, load_run, read_card, save_run

SPLIT_SEED = 0  # one split for every model and seed, so that their scores compare


@dataclass(frozen=True)
class Protocol:
    """How a corpus is split and on which grid it is heard: runs of one protocol compare.

    Parameters
    ----------
    grid : MelGrid
    split : {"artist", "time", "random"}
    folds : int
        0 for one holdout.
    subset : (int, int), optional
        How many tracks of the corpus, and the seed that drew them; all if not given.
    """

    grid: MelGrid
    split: str = "artist"
    folds: int = 0
    subset: tuple = None

    @property
    def name(self):
        """Name of the folder of its runs."""
        name = f"{self.grid.name}-{self.split}-" + (f"{self.folds}folds" if self.folds else "once")
        return name + ("-{}tracks-draw{}".format(*self.subset) if self.subset else "")


@dataclass
class Task:
    """A corpus made ready for a protocol.

    Parameters
    ----------
    folder : Path
    protocol : Protocol
    store : MelStore
    tracks : pd.DataFrame
        The cleaned table, tracks with a usable clip only, indexed by ``id`` as well.
    sides, labels : pd.DataFrame [shape=(tracks, folds)]
        Side and label in every fold; labels by the median of the fold's training tracks.
    thresholds : list of float
        That median.
    answers : dict
        What the rungs of the ladder have answered, by name, fold and seed.
    """

    folder: Path
    protocol: Protocol
    store: MelStore
    tracks: pd.DataFrame
    sides: pd.DataFrame
    labels: pd.DataFrame
    thresholds: list
    answers: dict = field(default_factory=dict)

    @cached_property
    def fingerprint(self):
        """Hash of what was learnt from: ids, popularity, artists, spectrograms."""
        table = self.tracks[["id", "popularity", "artists"]].to_json(orient="values")
        learnt_from = f"{table} {self.store.checksum(self.tracks.index)}"
        return "sha256:" + hashlib.sha256(learnt_from.encode()).hexdigest()

    def run_folder(self, model, seed, fold):
        """Folder of one run."""
        return self.folder / "runs" / self.protocol.name / model / f"seed{seed}-fold{fold}"


def prepare(folder, grid="quick", split="artist", folds=None, subset=None):
    """Read a corpus and its mel store, split it, label it.

    Parameters
    ----------
    folder : path-like
        The corpus, for example ``data/synthetic``.
    grid : {"quick", "full"}
    split : {"artist", "time", "random"}
    folds : int, optional
        What the size of the corpus asks for (`default_folds`) if not given.
    subset : (int, int), optional
        So many tracks of artists that are drawn with that seed, as `Protocol.subset`.

    Returns
    -------
    Task
    """
    folder = Path(folder)
    tracks, _ = clean_tracks(read_tracks(folder))
    store = MelStore(folder, GRIDS[grid])
    tracks = tracks[tracks["id"].isin(store.ids)]
    tracks.index = pd.Index(tracks["id"].to_list())
    if subset:
        tracks = some_artists(tracks, *subset)
    folds = default_folds(len(tracks)) if folds is None else folds
    sides = split_tracks(tracks, split, folds, SPLIT_SEED).loc[tracks.index]
    labelled = {fold: label_popular(tracks["popularity"], side == "train")
                for fold, side in sides.items()}
    labels = pd.DataFrame({fold: popular for fold, (popular, _) in labelled.items()})
    return Task(folder, Protocol(store.grid, split, folds, subset), store, tracks, sides, labels,
                [threshold for _, threshold in labelled.values()])


def some_artists(tracks, n, seed):
    """About `n` tracks of a table: those of artist groups in an order drawn with `seed`."""
    groups = artist_groups(tracks.sort_values("id"))  # which are numbered in the table's order
    order = np.random.default_rng(seed).permutation(np.sort(groups.unique()))
    size = groups.value_counts()[order].cumsum()
    return tracks[tracks["id"].isin(groups.index[groups.isin(size.index[size <= n])])]


def train(task, model, seeds=(0,), *, folds=None, epochs=EPOCHS, patience=PATIENCE):
    """Train a network on folds and seeds; what stands from an earlier call is not repeated.

    Parameters
    ----------
    task : Task
    model : str
        A name in `MODELS`.
    seeds : sequence of int
    folds : sequence of int, optional
        Every one of the protocol if not given.
    epochs, patience : int
        As for `fit`.

    Returns
    -------
    folders : list of Path
        One a run, seeds first; `load_run` opens them.
    """
    if model not in MODELS:
        raise BadInput(f"model {model!r}: there is none of that name; "
                       f"there are {', '.join(MODELS)}")
    wanted = {"corpus": task.folder.resolve().name, "fingerprint": task.fingerprint,
              "split": task.protocol.split, "folds": task.protocol.folds,
              "max_epochs": epochs, "patience": patience}
    runs = [(seed, fold) for seed in seeds for fold in (task.sides if folds is None else folds)]
    bar = progress(total=len(runs) * epochs, desc=model, unit="epoch")
    for number, (seed, fold) in enumerate(runs, start=1):
        folder = task.run_folder(model, seed, fold)
        if not _stands(folder, wanted):
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("card.json", "scores.csv"):
                (folder / name).unlink(missing_ok=True)
            run = fit(model, task.store, task.labels[fold], task.sides[fold], seed=seed,
                      epochs=epochs, patience=patience, folder=folder,
                      progress=partial(_show, bar, (number - 1) * epochs))
            run.card |= {**wanted, "fold": int(fold), "threshold": task.thresholds[fold]}
            save_run(run, folder)
        bar.update(number * epochs - bar.n)
    bar.close()
    return [task.run_folder(model, seed, fold) for seed, fold in runs]


def _show(bar, before, done):
    """Bring a bar to `done` epochs after those of the runs before; resumed ones count at once."""
    bar.update(before + done - bar.n)


def _stands(folder, wanted):
    """Whether a finished run of the same corpus and settings lies in a folder."""
    card = read_card(folder)
    return card is not None and all(card.get(key) == value for key, value in wanted.items())


def run_of(task, model, track_id, seed=0):
    """Folder of the network that never saw a track, or with one split of the only one of that seed.

    Raises
    ------
    BadInput
        If the corpus has no usable clip of that id.
    """
    if track_id not in task.sides.index:
        raise BadInput(f"track {track_id!r}: no usable clip of that id in {task.folder}; "
                       "see its tracks table and rejected.csv")
    side = task.sides.loc[track_id]
    fold = side.index[side == "holdout"][0] if (side == "holdout").any() else side.index[0]
    return task.run_folder(model, seed, fold)


def heldout_run(task, model, track_id, seed=0):
    """That network itself.

    Raises
    ------
    BadInput
        As `run_of`, and if the model is not trained.
    """
    return load_run(run_of(task, model, track_id, seed))
