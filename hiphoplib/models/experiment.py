"""A corpus made ready for training under a protocol, and the training of networks on it."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd

from hiphoplib.audio.mel import GRIDS, MelGrid
from hiphoplib.dataset.splits import (
    artist_groups,
    default_folds,
    label_popular,
    percentile,
    split_tracks,
)
from hiphoplib.dataset.store import MelStore
from hiphoplib.errors import BadInput
from hiphoplib.io import progress
from hiphoplib.keras_backend import HAS_GPU
from hiphoplib.models.networks import NETWORKS, VERSION
from hiphoplib.models.training import EPOCHS, PATIENCE, Run, fit, read_card, save_run
from hiphoplib.parallel import DIED, alone, jobs_that_fit, unordered
from hiphoplib.run_size import run_size
from hiphoplib.tracks.cleaning import read_clean

SPLIT_SEED = 0  # one split for every model and seed, so that their scores compare
SLOWEST_FIRST = {"rnn": 0, "cnn2": 1, "cnn1": 2, "mlp": 3, "crnn": 4}  # others come before
TRAINING_BYTES = 2_500_000_000  # what one training takes at most
EPOCHS_DONE = "epochs_done"  # file in the folder of a run
LOOK = 0.5  # s between two looks at how far the trainings are


@dataclass(frozen=True)
class Protocol:
    """How a corpus is split and on which grid: runs of one protocol compare."""

    grid: MelGrid
    split: str
    folds: int  # 0 for one split
    subset: tuple[int, int] | None  # so many tracks, and the seed that drew them; None for all
    within: str = ""  # name of the protocol and fold whose test tracks are not in it

    @property
    def name(self) -> str:
        """Name of the folder of its runs."""
        name = f"{self.grid.name}-{self.split}-" + (f"{self.folds}folds" if self.folds else "once")
        return self.within + name + ("-{}tracks-draw{}".format(*self.subset) if self.subset else "")


@dataclass(frozen=True, eq=False)
class Experiment:
    """A corpus, split and labelled by a protocol; tables are indexed by track id."""

    folder: Path
    protocol: Protocol
    store: MelStore
    tracks: pd.DataFrame  # cleaned, with a usable clip each
    sides: pd.DataFrame  # "train", "validation" or "test" [shape=(tracks, folds)]
    labels: pd.DataFrame  # 1 from the threshold of the fold on [shape=(tracks, folds)]
    thresholds: list[float]  # medians of the training tracks of each fold

    @cached_property
    def fingerprint(self) -> str:
        """Hash of what is learnt from: ids, popularity, artists, spectrograms."""
        table = self.tracks[["id", "popularity", "artists"]].to_json(orient="values")
        learnt_from = f"{table} {self.store.checksum(self.tracks.index)}"
        return "sha256:" + hashlib.sha256(learnt_from.encode()).hexdigest()

    @cached_property
    def percentiles(self) -> pd.DataFrame:
        """Popularity's percentile among the training tracks of each fold [shape=(tracks, folds)].

        What networks learn: the label says only in which half it is.
        """
        popularity, training = self.tracks["popularity"], self.sides == "train"
        return pd.DataFrame({fold: percentile(popularity, training[fold]) for fold in training})

    def ids(self, fold: int, *sets: str) -> pd.Index:
        """Return the ids of the tracks in some of a fold's sets.

        Parameters
        ----------
        fold : int
        *sets : {"train", "validation", "test"}

        Returns
        -------
        pd.Index
            In the order of the table.
        """
        return self.sides.index[self.sides[fold].isin(sets)]

    def run_folder(self, model: str, seed: int, fold: int) -> Path:
        """Return the folder of one run.

        Parameters
        ----------
        model : str
        seed, fold : int

        Returns
        -------
        Path
        """
        return self.folder / "runs" / self.protocol.name / model / f"seed{seed}-fold{fold}"

    def run_of(self, model: str, track_id: str) -> Path:
        """Return the folder of seed 0's run that never saw a track; of one split, the only one.

        Parameters
        ----------
        model, track_id : str

        Returns
        -------
        Path

        Raises
        ------
        BadInput
            If the corpus has no usable clip of that id.
        """
        if track_id not in self.sides.index:
            raise BadInput(
                f"track {track_id!r}: no usable clip of that id in {self.folder}; "
                "see its tracks table and rejected.csv"
            )
        return self.run_folder(model, 0, (self.sides.loc[track_id] == "test").idxmax())

    def trained_seeds(self, model: str) -> list[int]:
        """Return the seeds of which every fold of a network is trained on this very corpus.

        Parameters
        ----------
        model : str

        Returns
        -------
        list of int
        """
        folds: dict[int, set] = {}
        for path in (self.folder / "runs" / self.protocol.name / model).glob("*/card.json"):
            card = read_card(path.parent)
            if card and _is_of(card, {"fingerprint": self.fingerprint, "networks": VERSION}):
                folds.setdefault(card["seed"], set()).add(card["fold"])
        return sorted(seed for seed, trained in folds.items() if trained >= set(self.sides))


def prepare(
    folder: Path | str,
    grid: str = "quick",
    split: str = "artist",
    folds: int | None = None,
    subset: tuple[int, int] | None = None,
) -> Experiment:
    """Read a corpus and its spectrogram store, split it, label it.

    Parameters
    ----------
    folder : path-like, of the corpus
    grid : {"quick", "full"}
    split : {"artist", "time", "random"}
    folds : int, optional
        `splits.default_folds` if not given; three for the corpus that comes with the project, whose
        networks every reader trains.
    subset : (int, int), optional
        So many tracks of artists that are drawn with that seed, as `Protocol.subset`.

    Returns
    -------
    Experiment
    """
    folder = Path(folder)
    tracks, store = read_clean(folder), MelStore(folder, GRIDS[grid])
    tracks = tracks[tracks["id"].isin(store.ids)]
    tracks.index = pd.Index(tracks["id"].to_list())
    if subset:
        tracks = _some_artists(tracks, *subset)
    if folds is None:
        size = run_size()
        folds = size.folds if folder.name == size.corpus else default_folds(len(tracks))
    return _split(folder, Protocol(store.grid, split, folds, subset), store, tracks)


def prepare_within(experiment: Experiment, fold: int, folds: int) -> Experiment:
    """Split the training and validation tracks of a fold once more, for what is fitted on models.

    Parameters
    ----------
    experiment : Experiment
    fold, folds : int

    Returns
    -------
    Experiment
        Each of the tracks is in one of its test sets; none of them is a test track of `fold`.
    """
    outer, ids = experiment.protocol, experiment.ids(fold, "train", "validation")
    split, within = "random" if outer.split == "random" else "artist", f"{outer.name}-fold{fold}/"
    inner = replace(outer, split=split, folds=folds, within=within)
    return _split(experiment.folder, inner, experiment.store, experiment.tracks.loc[ids])


def _split(folder, protocol, store, tracks):
    """Split tracks by a protocol, and label them."""
    sides = split_tracks(tracks, protocol.split, protocol.folds, SPLIT_SEED).loc[tracks.index]
    labelled = {
        fold: label_popular(tracks["popularity"], side == "train") for fold, side in sides.items()
    }
    labels = pd.DataFrame({fold: popular for fold, (popular, _) in labelled.items()})
    thresholds = [threshold for _, threshold in labelled.values()]
    return Experiment(folder, protocol, store, tracks, sides, labels, thresholds)


def _some_artists(tracks, n, seed):
    """About `n` tracks: those of artist groups in an order drawn with `seed`."""
    groups = artist_groups(tracks.sort_values("id"))  # which are numbered in the table's order
    order = np.random.default_rng(seed).permutation(np.sort(groups.unique()))
    size = groups.value_counts()[order].cumsum()
    return tracks[tracks["id"].isin(groups.index[groups.isin(size.index[size <= n])])]


def train(
    experiment: Experiment,
    models: str | Sequence[str],
    seeds: Sequence[int] = (0,),
    *,
    folds: Sequence[int] | None = None,
    epochs: int = EPOCHS,
    patience: int = PATIENCE,
    jobs: int = -1,
) -> list[Path]:
    """Train networks on folds and seeds; what stands from an earlier call is not repeated.

    Each is trained by one thread in a process of its own: numbers depend neither on `jobs` nor on
    the number of cores. Where there is a GPU they are trained on it one after the other.

    Parameters
    ----------
    experiment : Experiment
    models : str or sequence of str, in `NETWORKS`
    seeds : sequence of int
    folds : sequence of int, optional; every one of the protocol if not given
    epochs, patience : int
        At most so many epochs, and so many without a better order of the validation set.
    jobs : int
        Trainings at once, fewer where the memory is short; -1 for one a core.

    Returns
    -------
    list of Path
        Folders of the runs, models first, then seeds; `training.load_run` opens them.

    Raises
    ------
    BadInput
        If there is no such model, or a training ends its process.
    """
    models = [models] if isinstance(models, str) else list(models)
    for model in models:
        if model not in NETWORKS:
            there = ", ".join(NETWORKS)
            raise BadInput(f"model {model!r}: there is none of that name; there are {there}")
    wanted = {
        "corpus": experiment.folder.resolve().name,
        "fingerprint": experiment.fingerprint,
        "split": experiment.protocol.split,
        "folds": experiment.protocol.folds,
        "max_epochs": epochs,
        "patience": patience,
        "networks": VERSION,
    }
    folds = list(experiment.sides if folds is None else folds)
    runs = [(model, seed, fold) for model in models for seed in seeds for fold in folds]
    folders = [experiment.run_folder(*run) for run in runs]
    todo = [
        _Training(
            f"{model} seed {seed} fold {fold}",
            model,
            NETWORKS[model],
            folder,
            {**wanted, "fold": int(fold), "threshold": experiment.thresholds[fold]},
            partial(
                fit,
                model,
                experiment.store,
                experiment.percentiles[fold],
                experiment.sides[fold],
                seed=seed,
                epochs=epochs,
                patience=patience,
                folder=folder,
            ),
        )
        for (model, seed, fold), folder in zip(runs, folders)
        if not _is_of(read_card(folder), wanted)
    ]
    # the longest first, so that none of them runs alone at the end
    todo.sort(key=lambda training: SLOWEST_FIRST.get(training.model, -1))
    with _progress_of(todo, len(runs), epochs, ", ".join(models)):
        _train_all(todo, jobs)
    return folders


def _train_all(todo, jobs):
    """Train in processes, or one after the other on the GPU."""
    if HAS_GPU:
        for training in todo:
            training.run()
        return
    jobs = jobs_that_fit(jobs, TRAINING_BYTES, len(todo))
    with closing(unordered(_Training.run, todo, jobs=jobs)) as done:
        for number, result in done:
            if result is DIED:
                raise BadInput(
                    f"{todo[number].title}: the training ended its process twice, for too little "
                    "memory perhaps; free some, the same command goes on from here"
                )


@dataclass(frozen=True)
class _Training:
    """One training, with all that another process needs for it."""

    title: str  # what the progress bar calls it
    model: str
    builder: Callable  # the entry in `NETWORKS`, which the other process may not have
    folder: Path
    card: dict  # what the run's card holds besides what `fit` writes there
    fit: Callable[..., Run]

    def run(self):
        """Train, and leave the finished run in its folder."""
        NETWORKS[self.model] = self.builder
        with alone(self.folder):
            (self.folder / "scores.csv").unlink(missing_ok=True)
            self._note(0)
            run = self.fit(progress=self._note)
            run.card |= self.card
            save_run(run, self.folder)
            (self.folder / EPOCHS_DONE).unlink(missing_ok=True)

    def _note(self, epochs):
        """Write down how many epochs are done: the bar is drawn by another process."""
        (self.folder / EPOCHS_DONE).write_text(str(epochs), "utf-8")

    def epochs_done(self):
        """Epochs that are done: None if it is not running, the most there are if it is through."""
        if (self.folder / "card.json").is_file():
            return self.card["max_epochs"]
        with suppress(OSError, ValueError):
            return int((self.folder / EPOCHS_DONE).read_text("utf-8"))


@contextmanager
def _progress_of(todo, runs, epochs, title) -> Iterator[None]:
    """Draw one bar of the epochs of all trainings, which says what runs; those that stand count."""
    for training in todo:  # of a run that was killed, or of other settings
        for name in (EPOCHS_DONE, "card.json"):
            (training.folder / name).unlink(missing_ok=True)
    bar, over = progress(total=runs * epochs, desc=title, unit="epoch"), threading.Event()

    def look():
        done = {training.title: training.epochs_done() for training in todo}
        bar.set_postfix_str(
            ", ".join(name for name, n in done.items() if n not in (None, epochs)), refresh=False
        )
        bar.update((runs - len(todo)) * epochs + sum(n or 0 for n in done.values()) - bar.n)

    def watch():
        while not over.wait(LOOK):
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        look()
        bar.close()


def _is_of(card, wanted):
    """Whether a run's card is there, of the same corpus and settings."""
    return card is not None and all(card.get(key) == value for key, value in wanted.items())
