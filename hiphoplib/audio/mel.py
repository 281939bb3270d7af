"""The mel spectrogram of a clip, and the grids that it is computed on.

By hand, since librosa takes twice as long; the result is the same but for rounding.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.fft
import scipy.sparse
import soxr
from numpy.lib.stride_tricks import sliding_window_view

from hiphoplib.audio.files import read_clip
from hiphoplib.errors import BadInput

STORE_VERSION = 2  # of this computation: spectrograms of another version have other numbers
FLOOR_DB = -100.0  # silence: 10 log10 of the smallest power that counts
BLOCK = 32  # frames at a time: their samples and their spectra stay in the cache


@dataclass(frozen=True)
class MelGrid:
    """The size of a mel spectrogram, all numbers above 0."""

    n_mels: int  # bands between 0 Hz and `sr` / 2
    hop_length: int  # samples between two frames
    seconds: float = 30.0  # that every clip is cut or padded to
    sr: int = 22050  # in Hz
    n_fft: int = 2048  # length of the analysis window, in samples
    name: str = ""  # on the command line and in results files

    @property
    def frames(self) -> int:
        """Number of frames: one every `hop_length` samples, the first centred on 0 s."""
        return 1 + int(self.seconds * self.sr) // self.hop_length

    @property
    def shape(self) -> tuple[int, int]:
        """Bands and frames, ``(n_mels, frames)``."""
        return self.n_mels, self.frames

    def mel_frequencies(self) -> np.ndarray:
        """Return the centre of each band, in Hz, np.ndarray [shape=(n_mels,)]."""
        return _band_edges(self)[1:-1]

    def times(self) -> np.ndarray:
        """Return the centre of each frame, in s, np.ndarray [shape=(frames,)]."""
        return np.arange(self.frames) * self.hop_length / self.sr


FULL = MelGrid(128, 512, name="full")
QUICK = MelGrid(64, 2048, name="quick")
GRIDS = {grid.name: grid for grid in (QUICK, FULL)}


def mel_spectrogram(y: np.ndarray, sr: int, grid: MelGrid = QUICK) -> np.ndarray:
    """Compute the mel spectrogram of a clip, on one core and the same to the bit every time.

    Parameters
    ----------
    y : np.ndarray [shape=(samples,)]
        Full scale at 1.
    sr : int > 0, in Hz
    grid : MelGrid

    Returns
    -------
    S_db : np.ndarray [shape=(n_mels, frames)], float32
        Power in dB relative to 1 (a fixed reference, so that a quiet clip stays quiet), at least
        `FLOOR_DB`. Cut or, with silence, padded along time only.

    Examples
    --------
    >>> tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(66_150) / 22_050)
    >>> S_db = mel_spectrogram(tone, 22_050)
    >>> S_db.shape, round(float(S_db[:, 9].max())), float(S_db[:, -1].max())
    ((64, 323), 30, -100.0)
    """
    # cut before resampling, whose filter would let in what comes after the end
    y = np.ascontiguousarray(y[: int(grid.seconds * sr)], dtype=np.float32)
    if sr != grid.sr:
        y = soxr.resample(y, sr, grid.sr, quality="HQ")
    count = min(grid.frames, 1 + len(y) // grid.hop_length)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(grid.n_fft) / grid.n_fft)
    window, bank = hann.astype(np.float32), _filter_bank(grid)
    centred = np.pad(y, grid.n_fft // 2)  # one copy is cheaper than a case for either end
    frames = sliding_window_view(centred, grid.n_fft)[:: grid.hop_length][:count]
    buffer = np.empty((BLOCK, grid.n_fft), np.float32)
    S = np.zeros(grid.shape, np.float32)
    for begin in range(0, count, BLOCK):
        block = frames[begin : begin + BLOCK]
        windowed = np.multiply(block, window, out=buffer[: len(block)])
        # along the first axis, so that the spectra lie as the sparse product wants them
        spectra = scipy.fft.rfft(windowed.T, axis=0)
        S[:, begin : begin + len(block)] = bank @ (spectra.real**2 + spectra.imag**2)
    with np.errstate(divide="ignore"):  # no power at all ends at the floor
        np.log10(S, out=S)
    S *= 10
    return np.maximum(S, FLOOR_DB, out=S)


def clip_to_mel(task: tuple[Path, MelGrid, int]) -> tuple[np.ndarray | None, str | None, bool]:
    """Read a clip and compute its spectrogram, maybe on another machine.

    Parameters
    ----------
    task : tuple of Path, MelGrid and int
        The last is the `STORE_VERSION` of the store that is made.

    Returns
    -------
    tuple of np.ndarray [shape=(n_mels, frames)], float16, or None; str or None; bool
        In dB; why not; whether this machine sees such a file.

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
        return None, str(error), os.path.isfile(path)  # no error for a name that is too long
    return S_db.astype(np.float16), None, True


@lru_cache
def _filter_bank(grid):
    """Share of each bin in each band, sparse [shape=(n_mels, bins)]: triangles of 1 Hz."""
    bins, edges = np.fft.rfftfreq(grid.n_fft, 1 / grid.sr), _band_edges(grid)
    triangles = [
        np.interp(bins, edges[band : band + 3], [0, 2 / (edges[band + 2] - edges[band]), 0])
        for band in range(grid.n_mels)
    ]
    return scipy.sparse.csr_array(np.array(triangles, dtype=np.float32))


def _band_edges(grid):
    """Lower end of the first band, centres of all, upper end of the last, in Hz."""
    from librosa import mel_frequencies  # brings numba: ten clips' time to import

    return mel_frequencies(n_mels=grid.n_mels + 2, fmax=grid.sr / 2)
