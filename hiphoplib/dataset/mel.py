"""From the clips of a corpus to the store of their mel spectrograms."""

import time
from contextlib import closing
from pathlib import Path

import pandas as pd

from hiphoplib.audio.clip_to_mel import STORE_VERSION, clip_to_mel
from hiphoplib.audio.files import read_clip
from hiphoplib.audio.mel import FLOOR_DB, FULL, GRIDS, QUICK, MelGrid, mel_spectrogram
from hiphoplib.dataset.store import (
    DONE,
    REJECTED,
    TODO,
    MelStore,
    StoreWriter,
    open_store,
    store_folder,
)
from hiphoplib.errors import BadInput
from hiphoplib.parallel import DIED, unordered
from hiphoplib.quiet import progress
from hiphoplib.tracks.previews import clip_paths, file_version
from hiphoplib.tracks.rejected import read_rejected, record_rejected

__all__ = ["DONE", "FLOOR_DB", "FULL", "GRIDS", "QUICK", "REJECTED", "TODO", "MelGrid", "MelStore",
           "make_mels", "mel_spectrogram", "read_clip", "store_folder"]

SAVE = 1  # s between two writings of rejected.csv


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
