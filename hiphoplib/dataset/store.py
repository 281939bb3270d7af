"""The mel spectrograms of a corpus on disk: read clip by clip, written in any order."""

import io
import json
import os
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from hiphoplib.audio.clip_to_mel import STORE_VERSION
from hiphoplib.audio.mel import QUICK
from hiphoplib.errors import BadInput
from hiphoplib.folders import recover, replacing, standing
from hiphoplib.io import naming

TODO, DONE, REJECTED = 0, 1, 2  # a row's state
BLOCK = 64  # rows that are mapped at a time
AGAIN = "delete the folder and run `mels` again"


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
