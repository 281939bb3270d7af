"""The mel spectrograms of a corpus on disk: read clip by clip, written in any order."""

import io
import json
import os
import time
import zlib
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from hiphoplib.audio.files import read_clip
from hiphoplib.audio.mel import QUICK, mel_spectrogram
from hiphoplib.errors import BadInput
from hiphoplib.io import naming, progress, recover, replacing, standing
from hiphoplib.parallel import DIED, unordered
from hiphoplib.tracks.previews import clip_paths, file_version
from hiphoplib.tracks.table import read_rejected, record_rejected

TODO, DONE, REJECTED = 0, 1, 2  # a row's state
BLOCK = 64  # rows that are mapped at a time
AGAIN = "delete the folder and run `mels` again"
SAVE = 1  # s between two writings of rejected.csv
STORE_VERSION = 2  # of the way that spectrograms are computed: another one has other numbers


class MelStore:
    """The mel spectrograms of a corpus in a file that is mapped: reading one loads no other.

    The file is mapped anew for each call, for the pages of a map that stays would count as this
    process's memory, in the end all of the file.

    Parameters
    ----------
    folder : path-like
        The corpus, for example ``data/synthetic``.
    grid : MelGrid
        Which of its stores.

    Attributes
    ----------
    grid : MelGrid
    ids : pd.Index
        Ids of the clips that could be used, in the order of the tracks table.

    Raises
    ------
    BadInput
        If there is no such store, if it is damaged, or if it was made on another grid or by
        another version; and of every reading, if `mels` has made the store anew meanwhile.
    """

    def __init__(self, folder, grid=QUICK):
        self.folder = standing(store_folder(folder, grid))
        self.grid = grid
        if not (self.folder / "index.csv").is_file():
            raise BadInput(f"{self.folder}: there are no mel spectrograms; make them with "
                           f"`python -m hiphoplib mels {folder} --grid {grid.name}`")
        self._opened = _identity(self.folder / "mels.npy")  # before the rest, which is of this one
        _check_settings(self.folder, grid)
        index, state = _read_rows(self.folder)
        usable = np.flatnonzero(state == DONE)
        self.ids = pd.Index(index["id"].iloc[usable], name="id")
        self._row = pd.Series(usable, index=self.ids)

    def __len__(self):
        return len(self.ids)

    def __contains__(self, track_id):
        return track_id in self._row.index

    @property
    def _mels(self):
        path = self.folder / "mels.npy"
        try:
            return _load(path, mmap_mode="r")
        finally:  # looked at before, it might be exchanged until it is loaded
            if _identity(path) != self._opened:
                raise BadInput(f"{self.folder}: the store was made anew meanwhile; start again")

    def __getitem__(self, track_id):
        """Spectrogram of one track, np.ndarray [shape=(n_mels, frames)], float32, dB."""
        return self._mels[self._row[track_id]].astype(np.float32)

    def batch(self, ids):
        """Spectrograms of several tracks, np.ndarray [shape=(n, n_mels, frames)], float32, dB."""
        return self._mels[self._row.loc[list(ids)].to_numpy()].astype(np.float32)

    def checksum(self, ids):
        """CRC-32 of the spectrograms of some tracks in this order, int."""
        rows, crc = self._row.loc[list(ids)].to_numpy(), 0
        for first in range(0, len(rows), BLOCK):
            mels = self._mels
            for row in rows[first:first + BLOCK]:
                crc = zlib.crc32(mels[row], crc)
        return crc


def store_folder(folder, grid):
    """Where the store of a corpus on a grid lies."""
    return Path(folder) / f"mels-{grid.name}"


def _identity(path):
    """What tells a file from another one that takes its name; None where there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino, status.st_size  # numbers are given again, sizes seldom


def _load(path, **options):
    """Array of a part of a store."""
    try:
        return np.load(path, allow_pickle=False, **options)
    except (FileNotFoundError, EOFError, ValueError):  # gone, empty, cut short
        raise BadInput(f"{path.parent}: {path.name} is damaged; {AGAIN}") from None


def _read_rows(folder):
    """The clips of a store, pd.DataFrame, and their states, np.ndarray [shape=(clips,)]."""
    try:
        index = pd.read_csv(folder / "index.csv", dtype={"id": str}, keep_default_na=False)
    except ValueError:
        raise BadInput(f"{folder}: index.csv is damaged; {AGAIN}") from None
    state = _load(folder / "state.npy")
    if state.shape != (len(index),):
        raise BadInput(f"{folder}: state.npy is damaged; {AGAIN}")
    return index, state


class StoreWriter:
    """Writes rows into a store that `open_store` has made, as a context manager.

    Through plain files and not through a map, whose pages would count as this process's memory
    and whose failure on a full disk is the process's end and no error.

    Parameters
    ----------
    folder : path-like
        The store.

    Raises
    ------
    OSError
        Of every method; it names the file. What was written before counts.
    """

    def __init__(self, folder):
        self._paths = [Path(folder) / name for name in ("mels.npy", "state.npy")]
        mels, state = (_load(path, mmap_mode="r") for path in self._paths)
        self._starts, self._row_bytes = (mels.offset, state.offset), mels[:1].nbytes

    def __enter__(self):
        self._files = [path.open("r+b", buffering=0) for path in self._paths]
        return self

    def __exit__(self, *_):
        for file in self._files:
            file.close()

    def done(self, row, S_db):
        """Write a spectrogram [shape=(n_mels, frames)], and then that it is there."""
        S_db = np.ascontiguousarray(S_db, np.float16)
        with naming(self._paths[0]):
            self._files[0].seek(self._starts[0] + int(row) * self._row_bytes)
            _write_all(self._files[0], S_db)
        self.mark(row, DONE)

    def mark(self, row, state):
        """Write the state of a row."""
        with naming(self._paths[1]):
            self._files[1].seek(self._starts[1] + int(row))
            _write_all(self._files[1], np.uint8(state))

    def sync(self):
        """Wait until all of it lies on the disk."""
        for path, file in zip(self._paths, self._files):
            with naming(path):
                os.fsync(file.fileno())


def _write_all(file, content):
    """Write an array to a file without a buffer, which may take less than it is given."""
    left = memoryview(content).cast("B")
    while left:
        left = left[file.write(left):]


def open_store(folder, index, grid):
    """Files of a store for the clips of an index; what an earlier run made of these is kept.

    Parameters
    ----------
    folder : path-like
        The store.
    index : pd.DataFrame
        ``id``, ``bytes``, ``modified`` of every clip.
    grid : MelGrid

    Returns
    -------
    state : np.ndarray [shape=(clips,)], uint8
        `TODO`, `DONE` or `REJECTED`.

    Raises
    ------
    BadInput
        If there is a store that is damaged, on another grid or of another version; it stays as
        it is.
    OSError
        Names the file that could not be written. An earlier store stays as it is.
    """
    folder = Path(folder)
    recover(folder)
    kept = np.full(len(index), -1)
    state = np.zeros(len(index), np.uint8)
    if (folder / "index.csv").is_file():
        _check_settings(folder, grid)
        old, old_state = _read_rows(folder)
        kept = _kept_rows(old, index)
        if len(old) == len(index) and (kept == np.arange(len(index))).all():
            return old_state
        state[kept >= 0] = old_state[kept[kept >= 0]]
    with replacing(folder) as new:
        _write_parts(new, folder, state, kept, index, grid)
    return state


def _write_parts(new, folder, state, kept, index, grid):
    """Write the parts of a store, with the rows that are done from an old one."""
    with naming(new / "mels.npy"), (new / "mels.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f2", "fortran_order": False, "shape": (len(index), *grid.shape)})
        start, row_bytes = file.tell(), 2 * grid.n_mels * grid.frames
        file.truncate(start + len(index) * row_bytes)
        done = np.flatnonzero(state == DONE)
        for first in range(0, len(done), BLOCK):
            mels = _load(folder / "mels.npy", mmap_mode="r")
            for row in done[first:first + BLOCK]:
                file.seek(start + int(row) * row_bytes)
                file.write(mels[kept[row]])
    content = io.BytesIO()
    np.save(content, state)
    settings = json.dumps({**asdict(grid), "version": STORE_VERSION}) + "\n"
    for name, part in {"state.npy": content.getvalue(), "grid.json": settings.encode(),
                       "index.csv": index.to_csv(index=False).encode()}.items():
        with naming(new / name):
            (new / name).write_bytes(part)


def _kept_rows(old, index):
    """Old row of each new one (-1: none), np.ndarray [shape=(n,)]."""
    if list(old) != list(index):
        return np.full(len(index), -1)
    old_row = pd.Series(np.arange(len(old)), index=pd.MultiIndex.from_frame(old))
    return old_row.reindex(pd.MultiIndex.from_frame(index)).fillna(-1).to_numpy(dtype=int)


def _check_settings(folder, grid):
    """Raise where a store was made on another grid or by another version."""
    try:
        stored = json.loads((folder / "grid.json").read_text())
        version = stored.pop("version", 1)
    except (OSError, ValueError, AttributeError):
        raise BadInput(f"{folder}: grid.json is damaged; {AGAIN}") from None
    if stored != asdict(grid):
        raise BadInput(f"{folder}: made on another grid ({stored.get('n_mels')} bands, hop "
                       f"{stored.get('hop_length')}); {AGAIN}")
    if version != STORE_VERSION:
        raise BadInput(f"{folder}: made by version {version} of the way to compute spectrograms, "
                       f"this is version {STORE_VERSION}; {AGAIN}")


def make_mels(tracks, folder, grid=QUICK, *, jobs=-1, cluster=None):
    """Make the mel store of a corpus, or finish one that was begun.

    Clips are decoded in processes of their own: one that crashes the decoder costs its row.

    Parameters
    ----------
    tracks : pd.DataFrame
        The tracks table; rows without `preview_url` are left out.
    folder : path-like
        The corpus; the store is written to ``mels-<grid>`` in it, and what could not be used to
        ``rejected.csv``.
    grid : MelGrid
    jobs : int
        Processes; -1 takes every core.
    cluster : str, optional
        Address of a Dask scheduler, ``tcp://HOST:PORT``. Its workers read the clips, so they have
        to see the corpus under the same path; the store is written here.

    Returns
    -------
    MelStore

    Raises
    ------
    BadInput
        If no clip can be used, if there is a store on another grid or of another version (it
        stays as it is), or if the workers or the cluster cannot do the work.
    OSError
        Names the file that could not be written, for instance where the disk is full. What is
        done stays done.
    """
    folder = Path(folder)
    found, outside = clip_paths(tracks, folder)
    if not found:
        raise BadInput(f"{folder}: no row of the tracks table names a clip; fill in preview_url")
    index = pd.DataFrame([(track_id, *file_version(path)) for track_id, path in found.items()],
                         columns=["id", "bytes", "modified"])
    state = open_store(store_folder(folder, grid), index, grid)
    todo = {track_id: row for row, track_id in enumerate(found) if state[row] != DONE}
    rejected = _Rejected(folder, outside, todo)
    clips = unordered(clip_to_mel, ((Path(found[track_id]).absolute(), grid, STORE_VERSION)
                                    for track_id in todo), jobs=jobs, cluster=cluster)
    with closing(clips), StoreWriter(store_folder(folder, grid)) as store, rejected:
        order = list(todo)
        for number, result in progress(clips, total=len(todo), desc="mels", unit="clip"):
            track_id = order[number]
            S_db, reason = _usable(result, Path(found[track_id]), cluster)
            rejected.put(track_id, reason)
            if reason:
                store.mark(todo[track_id], REJECTED)
            else:
                store.done(todo[track_id], S_db)
        store.sync()
    made = MelStore(folder, grid)
    if not len(made):
        raise BadInput(f"{folder}: none of {len(index)} clips could be used; "
                       "see rejected.csv there")
    return made


def _usable(result, path, cluster):
    """Spectrogram of a result, or None and the reason."""
    if result is DIED:
        return None, f"clip {path.name}: decoding it ended the worker; replace the file"
    S_db, reason, there = result
    if cluster and not there and path.is_file():
        raise BadInput(f"{path}: workers of {cluster} do not see it; put the corpus on a disk "
                       "that they share, under the same path")
    return S_db, reason


class _Rejected:
    """The stage's rows of ``rejected.csv``, right at any moment of the run but the last second.

    Parameters
    ----------
    folder : Path
    reasons : dict of str to str
        Reason by id of what is rejected from the start.
    todo : iterable of str
        Ids that are tried, once more perhaps; until then their old reason stands.
    """

    def __init__(self, folder, reasons, todo):
        rows = read_rejected(folder)
        old = {stage: dict(zip(part["id"], part["reason"])) for stage, part in
               rows.groupby("stage")}
        self._folder, self._saved = folder, -SAVE
        self._elsewhere = old.get("previews", {})  # one that never came has its reason already
        self._reasons = {name: why for name, why in old.get("mels", {}).items() if name in todo}
        self._reasons |= reasons
        self._changed = True

    def put(self, track_id, reason):
        """Put down why a clip cannot be used; None: it can."""
        if reason != self._reasons.get(track_id):
            self._reasons.pop(track_id, None)
            if reason:
                self._reasons[track_id] = reason
            self._changed = True
        if time.monotonic() - self._saved >= SAVE:
            self._save()

    def _save(self):
        if self._changed:
            record_rejected(self._folder, "mels", {name: why for name, why in self._reasons.items()
                                                   if name not in self._elsewhere})
        self._changed, self._saved = False, time.monotonic()

    def __enter__(self):
        self._save()
        return self

    def __exit__(self, *_):
        self._save()


def clip_to_mel(task):
    """Read a clip and compute its spectrogram, maybe on another machine.

    Parameters
    ----------
    task : tuple of Path, MelGrid and int
        The clip, and the `STORE_VERSION` of the store that is made.

    Returns
    -------
    S_db : np.ndarray [shape=(n_mels, frames)], float16, or None
        In dB, in the store's precision.
    reason : str or None
        Why the clip cannot be used.
    there : bool
        Whether there is such a file.

    Raises
    ------
    BadInput
        If this is another version of the project.
    """
    path, grid, version = task
    if version != STORE_VERSION:
        raise BadInput("the workers run another version of this project; install the same there")
    try:
        S_db = mel_spectrogram(*read_clip(path, grid.seconds), grid)
    except BadInput as error:
        return None, str(error), path.is_file()
    return S_db.astype("float16"), None, True
