"""The spectrogram store of a corpus: on disk, read clip by clip, written in any order.

``mels.float16`` holds one spectrogram after the other, ``states.uint8`` whether each is there,
``store.json`` grid, version and the row of each clip. A row belongs to one version of one clip for
ever: nothing is copied when the table changes, and rows of clips that are gone stay.
"""

import json
import os
import threading
import time
import weakref
import zlib
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd

from hiphoplib.audio.mel import QUICK, STORE_VERSION, MelGrid, clip_to_mel
from hiphoplib.errors import BadInput
from hiphoplib.io import naming, progress, write_whole
from hiphoplib.parallel import DIED, alone, unordered
from hiphoplib.tracks.previews import clip_paths, file_version
from hiphoplib.tracks.table import read_rejected, record_rejected

TODO, DONE, REJECTED = 0, 1, 2  # states of a row
AGAIN = "delete the folder and run `mels` again"
CLIP_SECONDS = 120.0  # after which a clip is given up
SAVE_SECONDS = 1.0  # between two writings of rejected.csv


class MelStore:
    """The spectrograms of a corpus on a grid, of which only those that are asked for are read.

    Attributes
    ----------
    folder, grid : Path, MelGrid
    ids : pd.Index
        Clips that could be used, in the order of the tracks table.

    Raises
    ------
    BadInput
        If there is no such store, if it is damaged, or made on another grid or by another version.
    """

    def __init__(self, folder: Path | str, grid: MelGrid = QUICK):
        self.folder, self.grid = Path(folder) / f"mels-{grid.name}", grid
        rows, states = _read(self.folder, grid)
        if not rows:
            raise BadInput(
                f"{self.folder}: there are no mel spectrograms; make them with "
                f"`python -m hiphoplib mels {folder} --grid {grid.name}`"
            )
        self._row = {clip[0]: row for clip, row in rows.items() if states[row] == DONE}
        self.ids = pd.Index(list(self._row), dtype=object, name="id")
        # held open: the file may be deleted and made anew, and a map would count as memory
        self._file, self._lock = (self.folder / "mels.float16").open("rb", 0), threading.Lock()
        weakref.finalize(self, self._file.close)

    def __reduce__(self):  # a worker opens it for itself
        return type(self), (self.folder.parent, self.grid)

    def __len__(self):
        return len(self.ids)

    def _read(self, ids):
        """Spectrograms as they are stored, np.ndarray [shape=(n, n_mels, frames)], float16."""
        rows = [self._row[track_id] for track_id in ids]
        S_db = np.empty((len(rows), *self.grid.shape), np.float16)
        with self._lock:
            for row, each in zip(rows, S_db):
                self._file.seek(row * each.nbytes)
                if self._file.readinto(each) != each.nbytes:
                    raise BadInput(f"{self.folder}: mels.float16 is damaged; {AGAIN}")
        return S_db

    def __getitem__(self, track_id):
        """Spectrogram of one track, np.ndarray [shape=(n_mels, frames)], float32, dB."""
        return self.batch([track_id])[0]

    def batch(self, ids: Sequence[str]) -> np.ndarray:
        """Read the spectrograms of several tracks.

        Parameters
        ----------
        ids : sequence of str

        Returns
        -------
        np.ndarray [shape=(n, n_mels, frames)], float32
            In dB.
        """
        return self._read(ids).astype(np.float32)

    def checksum(self, ids: Sequence[str]) -> int:
        """Return the CRC-32 of the spectrograms of some tracks, in that order.

        Parameters
        ----------
        ids : sequence of str

        Returns
        -------
        int
        """
        crc = 0
        for track_id in ids:
            crc = zlib.crc32(self._read([track_id]), crc)
        return crc


@dataclass(frozen=True)
class Scaler:
    """Standardises spectrograms per band [shape=(n_mels,)], by the training clips' dB."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def fit(cls, store: MelStore, ids: pd.Index) -> "Scaler":
        """Measure mean and deviation of every band, over both time and clips.

        Parameters
        ----------
        store : MelStore
        ids : pd.Index of str, of the training clips

        Returns
        -------
        Scaler
        """
        total = np.zeros((2, store.grid.n_mels))
        for start in range(0, len(ids), 32):  # so many are in memory at once
            S_db = store.batch(ids[start : start + 32]).astype(float)
            total += S_db.mean(axis=2).sum(axis=0), (S_db**2).mean(axis=2).sum(axis=0)
        mean, square = total / len(ids)
        return cls(mean, np.sqrt(np.maximum(square - mean**2, 1e-6)))

    def __call__(self, S_db: np.ndarray) -> np.ndarray:
        """Return standardised spectrograms, float32 [shape=(n, n_mels, frames)]."""
        mean, std = (band.astype(np.float32)[:, None] for band in (self.mean, self.std))
        return (S_db - mean) / std


def _sizes(grid):
    """Bytes of a row by name of the file."""
    return {"mels.float16": 2 * grid.n_mels * grid.frames, "states.uint8": 1}


def _read(folder, grid):
    """Row of each clip, dict of (id, bytes, modified) to int, and the rows' states; maybe none."""
    try:
        stored = json.loads((folder / "store.json").read_bytes())
        version, made_on, n = stored["version"], stored["grid"], stored["rows"]
        rows = {tuple(clip): row for *clip, row in stored["clips"]}
        made_on_other = f"{made_on['n_mels']} bands, hop {made_on['hop_length']}"
    except FileNotFoundError:
        if (folder / "grid.json").exists():
            raise BadInput(f"{folder}: made by an older version of this project; {AGAIN}") from None
        return {}, np.empty(0, np.uint8)
    except (ValueError, TypeError, KeyError):
        raise BadInput(f"{folder}: store.json is damaged; {AGAIN}") from None
    if made_on != asdict(grid):
        raise BadInput(f"{folder}: made on another grid ({made_on_other}); {AGAIN}")
    if version != STORE_VERSION:
        raise BadInput(
            f"{folder}: made by version {version} of the way to compute spectrograms, "
            f"this is version {STORE_VERSION}; {AGAIN}"
        )
    for name, row_bytes in _sizes(grid).items():
        if not (folder / name).exists() or (folder / name).stat().st_size < n * row_bytes:
            raise BadInput(f"{folder}: {name} is damaged; {AGAIN}")
    return rows, np.fromfile(folder / "states.uint8", np.uint8, n)


def _begin(folder, clips, grid):
    """Give each clip, (id, bytes, modified), a row; what `_read` then returns."""
    rows, states = _read(folder, grid)
    if list(rows) != clips:
        n = len(states)
        new = dict(zip((clip for clip in clips if clip not in rows), count(n)))
        row_of = rows | new
        folder.mkdir(parents=True, exist_ok=True)
        for name, row_bytes in _sizes(grid).items():
            with naming(folder / name), (folder / name).open("ab") as file:
                file.truncate((n + len(new)) * row_bytes)
        stored = {
            "version": STORE_VERSION,
            "grid": asdict(grid),
            "rows": n + len(new),
            "clips": [[*clip, row_of[clip]] for clip in clips],
        }
        write_whole(folder / "store.json", json.dumps(stored))
    return _read(folder, grid)


def _put(file, at, content):
    """Write bytes at a place of an unbuffered file, which may take less than it is given."""
    left = memoryview(content).cast("B")
    with naming(file.name):
        file.seek(at)
        while left:
            left = left[file.write(left) :]


def _make(paths, reasons, clips, folder, grid, jobs, cluster):
    """Compute the spectrograms of clips, (id, bytes, modified), that the store lacks."""
    store = folder / f"mels-{grid.name}"
    rows, states = _begin(store, clips, grid)
    todo = [(clip[0], row) for clip, row in rows.items() if states[row] != DONE]
    listed = read_rejected(folder)
    missing = set(listed["id"][listed["stage"] == "previews"])  # the reason is listed already
    again = listed[(listed["stage"] == "mels") & listed["id"].isin(dict(todo))]
    reasons = dict(zip(again["id"], again["reason"])) | reasons

    def save():
        record_rejected(
            folder, "mels", {name: why for name, why in reasons.items() if name not in missing}
        )

    save()
    saved = time.monotonic()
    tasks = ((Path(paths[name]).absolute(), grid, STORE_VERSION) for name, _ in todo)
    results = unordered(clip_to_mel, tasks, jobs=jobs, cluster=cluster, seconds=CLIP_SECONDS)
    with (
        closing(results),
        (store / "mels.float16").open("r+b", 0) as mels,
        (store / "states.uint8").open("r+b", 0) as states,
    ):
        try:
            for number, result in progress(results, total=len(todo), desc="mels", unit="clip"):
                name, row = todo[number]
                S_db, reason = _spectrogram(result, Path(paths[name]), cluster)
                if reason:
                    reasons[name] = reason
                else:
                    reasons.pop(name, None)
                    _put(mels, row * S_db.nbytes, S_db)
                _put(states, row, bytes([REJECTED if reason else DONE]))
                if time.monotonic() - saved > SAVE_SECONDS:
                    save()
                    saved = time.monotonic()
        finally:
            save()
        for file in (mels, states):
            with naming(file.name):
                os.fsync(file.fileno())


def _spectrogram(result, path, cluster):
    """What a worker made of a clip, (spectrogram, None) or (None, reason)."""
    if result is DIED:
        return None, (
            f"clip {path.name}: decoding it ended the worker, or took over "
            f"{CLIP_SECONDS:.0f} s; replace the file"
        )
    S_db, reason, seen = result
    if cluster and not seen and path.is_file():
        raise BadInput(
            f"{path}: workers of {cluster} do not see it; put the corpus "
            "on a disk that they share, under the same path"
        )
    return S_db, reason


def make_mels(
    tracks: pd.DataFrame,
    folder: Path | str,
    grid: MelGrid = QUICK,
    *,
    jobs: int = -1,
    cluster: str | None = None,
) -> MelStore:
    """Make the spectrogram store of a corpus, or finish one that was begun.

    Clips are decoded in processes of their own: one that crashes the decoder is skipped and listed.

    Parameters
    ----------
    tracks : pd.DataFrame
        Rows without `preview_url` are left out.
    folder : path-like
        The store is written to ``mels-<grid>`` there, and what could not be used to
        ``rejected.csv``, which is at most a second old at any moment.
    grid : MelGrid
    jobs : int
        Processes; -1 takes every core.
    cluster : str, optional
        Address of a Dask scheduler, ``tcp://HOST:PORT``, whose workers see the corpus under the
        same path; the store is written here.

    Returns
    -------
    MelStore

    Raises
    ------
    BadInput
        If no clip can be used, a store on another grid or of another version is there (it stays
        as it is), another run makes it, or the workers or the cluster cannot do the work.
    OSError
        Names the file that could not be written; what is done stays done.
    """
    folder, store = Path(folder), Path(folder) / f"mels-{grid.name}"
    paths, reasons = clip_paths(tracks, folder)
    if not paths:
        raise BadInput(f"{folder}: no row of the tracks table names a clip; fill in preview_url")
    clips = [(name, *file_version(path)) for name, path in paths.items()]
    rows, states = _read(store, grid)
    # clips that were rejected are tried by every run, and notebooks side by side may do so
    tried = list(rows) == clips and (states[list(rows.values())] != TODO).all()
    with nullcontext() if tried else alone(store):
        _make(paths, reasons, clips, folder, grid, jobs, cluster)
    made = MelStore(folder, grid)
    if not len(made):
        raise BadInput(
            f"{folder}: none of {len(paths)} clips could be used; see rejected.csv there"
        )
    return made
