"""From a clip to its mel spectrogram, and the store that holds those of a whole corpus."""

import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import joblib
import librosa
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from .audio import read_clip
from .errors import BadInput
from .previews import clip_path
from .quiet import progress
from .rejected import read_rejected, record_rejected

FLOOR_DB = -100.0  # silence: 10 log10 of the smallest power that is told from none
TODO, DONE, REJECTED = 0, 1, 2  # a row's state in the store


@dataclass(frozen=True)
class MelGrid:
    """The size of a mel spectrogram.

    Parameters
    ----------
    n_mels : int > 0
        Number of mel bands between 0 Hz and `sr` / 2.
    hop_length : int > 0
        Samples between two frames.
    seconds : float > 0
        Length that every clip is cut or padded to, in s.
    sr : int > 0
        Sampling rate, in Hz.
    n_fft : int > 0
        Length of the analysis window, in samples.
    name : str
        How the command line and the results files call it.
    """

    n_mels: int
    hop_length: int
    seconds: float = 30.0
    sr: int = 22050
    n_fft: int = 2048
    name: str = ""

    @property
    def frames(self):
        """Number of frames: one every `hop_length` samples, the first centred on 0 s."""
        return 1 + int(self.seconds * self.sr) // self.hop_length

    @property
    def shape(self):
        """Bands and frames, ``(n_mels, frames)``."""
        return self.n_mels, self.frames

    def mel_frequencies(self):
        """Centre of each band, in Hz, np.ndarray [shape=(n_mels,)]."""
        return librosa.mel_frequencies(n_mels=self.n_mels + 2, fmax=self.sr / 2)[1:-1]

    def times(self):
        """Centre of each frame, in s, np.ndarray [shape=(frames,)]."""
        return np.arange(self.frames) * self.hop_length / self.sr


FULL = MelGrid(128, 512, name="full")
QUICK = MelGrid(64, 2048, name="quick")
GRIDS = {grid.name: grid for grid in (QUICK, FULL)}


def mel_spectrogram(y, sr, grid=QUICK):
    """Mel spectrogram of a clip on a grid.

    Parameters
    ----------
    y : np.ndarray [shape=(samples,)]
        One channel, full scale at 1.
    sr : int > 0
        Its sampling rate, in Hz.
    grid : MelGrid
        The size that is wanted.

    Returns
    -------
    S_db : np.ndarray [shape=(n_mels, frames)], float32
        Power in dB relative to 1 (a fixed reference, so that a quiet clip stays quiet), at least
        `FLOOR_DB`. Cut or, with silence, padded along time only.

    See Also
    --------
    librosa.feature.melspectrogram
    """
    if sr != grid.sr:
        y = librosa.resample(y, orig_sr=sr, target_sr=grid.sr, res_type="soxr_hq")
    y = y[: int(grid.seconds * grid.sr)]
    power = librosa.feature.melspectrogram(
        y=y, sr=grid.sr, n_fft=grid.n_fft, hop_length=grid.hop_length, n_mels=grid.n_mels)
    S_db = librosa.power_to_db(power, ref=1.0, amin=10 ** (FLOOR_DB / 10), top_db=None)
    missing = max(0, grid.frames - S_db.shape[1])
    return np.pad(S_db[:, : grid.frames].astype(np.float32), ((0, 0), (0, missing)),
                  constant_values=FLOOR_DB)


class MelStore:
    """The mel spectrograms of a corpus in one memory map: reading one loads no other.

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
        If there is no such store, or it was made on another grid.
    """

    def __init__(self, folder, grid=QUICK):
        self.folder = store_folder(folder, grid)
        self.grid = grid
        if not (self.folder / "index.csv").is_file():
            raise BadInput(f"{self.folder}: there are no mel spectrograms; make them with "
                           f"`python -m hiphoplib mels {folder} --grid {grid.name}`")
        stored = json.loads((self.folder / "grid.json").read_text())
        if stored != asdict(grid):
            raise BadInput(f"{self.folder}: made on another grid ({stored['n_mels']} bands, hop "
                           f"{stored['hop_length']}); delete the folder and run `mels` again")
        index = pd.read_csv(self.folder / "index.csv", dtype={"id": str}, keep_default_na=False)
        state = np.load(self.folder / "state.npy")
        usable = np.flatnonzero(state == DONE)
        self.ids = pd.Index(index["id"].iloc[usable], name="id")
        self._row = pd.Series(usable, index=self.ids)
        self._mels = np.load(self.folder / "mels.npy", mmap_mode="r", allow_pickle=False)

    def __len__(self):
        return len(self.ids)

    def __contains__(self, track_id):
        return track_id in self._row.index

    def __getitem__(self, track_id):
        """Spectrogram of one track, np.ndarray [shape=(n_mels, frames)], float32, dB."""
        return self._mels[self._row[track_id]].astype(np.float32)

    def batch(self, ids):
        """Spectrograms of several tracks, np.ndarray [shape=(n, n_mels, frames)], float32, dB."""
        return self._mels[self._row.loc[list(ids)].to_numpy()].astype(np.float32)

    def checksum(self, ids):
        """CRC-32 of the spectrograms of some tracks in this order, int."""
        crc = 0
        for row in self._row.loc[list(ids)]:
            crc = zlib.crc32(self._mels[row], crc)
        return crc


def store_folder(folder, grid):
    """Where the store of a corpus on a grid lies."""
    return Path(folder) / f"mels-{grid.name}"


def make_mels(tracks, folder, grid=QUICK, *, jobs=-1):
    """Make the mel store of a corpus, or finish one that was begun.

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

    Returns
    -------
    MelStore
    """
    folder = Path(folder)
    found, rejected = {}, {}
    for row in tracks[tracks["preview_url"].notna()].itertuples():
        try:
            found[row.id] = clip_path(folder, row)
        except BadInput as error:
            rejected[row.id] = str(error)
    if not found:
        raise BadInput(f"{folder}: no row of the tracks table names a clip; fill in preview_url")
    paths = list(found.values())
    index = pd.DataFrame([(track_id, *_version(path)) for track_id, path in found.items()],
                         columns=["id", "bytes", "modified"])
    mels, state = _open_store(store_folder(folder, grid), index, grid)
    todo = np.flatnonzero(state != DONE)
    run = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
    clips = run(joblib.delayed(_clip_to_mel)(row, paths[row], grid) for row in todo)
    for row, S_db, reason in progress(clips, total=len(todo), desc="mels", unit="clip"):
        if reason:
            rejected[index["id"][row]] = reason
            state[row] = REJECTED
        else:
            mels[row] = S_db
            state[row] = DONE
    mels.flush()
    state.flush()
    known = read_rejected(folder)  # a clip that never came has its reason already
    known = set(known.loc[known["stage"] == "previews", "id"])
    record_rejected(folder, "mels", {name: why for name, why in rejected.items()
                                     if name not in known})
    if not (state == DONE).any():
        raise BadInput(f"{folder}: none of {len(index)} clips could be used; "
                       "see rejected.csv there")
    return MelStore(folder, grid)


def _version(path):
    """Size and time of a file, 0 if it is missing: a replaced clip is told by them."""
    # clips of one length and bit rate have one size, so that alone does not do
    return (path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else (0, 0)


def _clip_to_mel(row, path, grid):
    """Row, its spectrogram in the store's precision, and the reason if there is none."""
    try:
        y, sr = read_clip(path, grid.seconds)
        with threadpool_limits(1):  # one sum order, so that every number of jobs agrees to the bit
            return row, mel_spectrogram(y, sr, grid).astype(np.float16), None
    except BadInput as error:
        return row, None, str(error)


def _open_store(folder, index, grid):
    """Memory maps of spectrograms and states; what an earlier run made of these clips is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = _kept_rows(folder, index, grid)
    if kept is not None and len(kept) == len(index) and (kept == np.arange(len(index))).all():
        return (np.lib.format.open_memmap(folder / "mels.npy", mode="r+"),
                np.lib.format.open_memmap(folder / "state.npy", mode="r+"))
    mels = np.lib.format.open_memmap(folder / "mels.npy.new", mode="w+", dtype=np.float16,
                                     shape=(len(index), *grid.shape))
    state = np.lib.format.open_memmap(folder / "state.npy.new", mode="w+", dtype=np.uint8,
                                      shape=(len(index),))
    if kept is not None:
        old_mels, old_state = (np.load(folder / name, mmap_mode="r", allow_pickle=False)
                               for name in ("mels.npy", "state.npy"))
        for row in np.flatnonzero(kept >= 0):
            mels[row], state[row] = old_mels[kept[row]], old_state[kept[row]]
    (folder / "index.csv").unlink(missing_ok=True)  # no store while its parts are exchanged
    for name in ("mels.npy", "state.npy"):
        (folder / f"{name}.new").rename(folder / name)
    (folder / "grid.json").write_text(json.dumps(asdict(grid)) + "\n")
    index.to_csv(folder / "index.csv", index=False)
    return mels, state


def _kept_rows(folder, index, grid):
    """Old row of each new one (-1: none), np.ndarray [shape=(n,)]; None without an old store."""
    if not (folder / "index.csv").is_file():
        return None
    if json.loads((folder / "grid.json").read_text()) != asdict(grid):
        return None
    old = pd.read_csv(folder / "index.csv", dtype={"id": str}, keep_default_na=False)
    if list(old) != list(index):
        return None
    old_row = pd.Series(np.arange(len(old)), index=pd.MultiIndex.from_frame(old))
    return old_row.reindex(pd.MultiIndex.from_frame(index)).fillna(-1).to_numpy(dtype=int)
