"""What can be switched off in a clip, and what then stands there: named bands x 3-second cells.

The two are apart, as in audioLIME (Haunschmid, Manilow & Widmer, arXiv 2008.00582): a `Grid` says
which bins belong together, a `Filling` what a hole sounds like, `compose` puts both together.
"""

import io
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import soundfile as sf
from scipy.ndimage import uniform_filter
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from hiphoplib.audio.files import read_clip
from hiphoplib.audio.mel import FLOOR_DB, MelGrid
from hiphoplib.errors import BadInput

BANDS = {  # in Hz
    "sub and bass": (0, 250),  # 808s and kicks
    "low mids": (250, 1000),  # their overtones, the body of the voice
    "vocals and snare": (1000, 5000),  # words, the crack of the snare
    "hats and air": (5000, 11025),
}
WINDOW = 0.046  # s: the edges of a band are heard as such, those of a drum stay
SOFT_SECONDS, SOFT_HZ = 0.1, 120.0  # over which a cell's edge comes and goes, twice averaged


@dataclass(frozen=True)
class Grid:
    """What can be switched off: named frequency bands x equal stretches of time.

    Parameters
    ----------
    mel_grid : MelGrid
        Of a full clip or of a window of any length.
    bands : dict of str to (float, float)
        Lowest and highest Hz by name, from low to high, no gaps; the outer two are open-ended.
    cell_seconds : float > 0
        Length of a cell in s; the last one is what is left of the clip.
    """

    mel_grid: MelGrid
    bands: dict = field(default_factory=lambda: dict(BANDS))
    cell_seconds: float = 3.0

    @property
    def shape(self):
        """Number of bands and of cells in time."""
        return len(self.bands), int(np.ceil(self.mel_grid.seconds / self.cell_seconds - 1e-9))

    @property
    def size(self):
        """Number of cells."""
        return int(np.prod(self.shape))

    def band_of(self, frequencies):
        """Number of the band that each frequency in Hz lies in, int, of their shape."""
        edges = list(self.bands.values())
        if any(below[1] != above[0] for below, above in pairwise(edges)):
            raise BadInput(f"bands {self.bands}: each must begin where the one below it ends")
        return np.searchsorted([low for low, _ in edges[1:]], frequencies, side="right")

    def cell_of(self, times):
        """Number of the cell in time that each time in s lies in, int, of their shape."""
        # a last frame exactly at the clip's end belongs to the cell before it
        return np.minimum(np.asarray(times) // self.cell_seconds, self.shape[1] - 1).astype(int)

    def segments(self):
        """Cell number of each bin, int [shape=(n_mels, frames)], in 0..size-1."""
        band = self.band_of(self.mel_grid.mel_frequencies())
        segments = band[:, None] * self.shape[1] + self.cell_of(self.mel_grid.times())[None, :]
        if len(np.unique(segments)) < self.size:
            raise BadInput(f"{self.shape[0]} bands x {self.shape[1]} cells on a mel grid of "
                           f"{self.mel_grid.shape}: some cells hold no bin; take larger ones")
        return segments

    def sums(self, bins):
        """Sum of each cell, np.ndarray [shape=(n_bands, n_cells)], of [shape=(n_mels, frames)]."""
        total = np.bincount(self.segments().ravel(), np.ravel(bins), minlength=self.size)
        return total.reshape(self.shape)

    def means(self, bins):
        """Mean of each cell, np.ndarray [shape=(n_bands, n_cells)]."""
        return self.sums(bins) / self.sums(np.ones(self.mel_grid.shape))

    def spread(self, cells):
        """What each bin's cell has, [shape=(n_mels, frames)], of [shape=(n_bands, n_cells)]."""
        return np.ravel(cells)[self.segments()]

    def span(self, cell):
        """Return (start, end) in s of a cell in time."""
        return cell * self.cell_seconds, min((cell + 1) * self.cell_seconds, self.mel_grid.seconds)

    def cell_name(self, i):
        """Return what a musician calls cell number i, such as "hats and air, 12-15 s"."""
        band, cell = divmod(i, self.shape[1])
        start, end = self.span(cell)
        return f"{list(self.bands)[band]}, {start:g}-{end:g} s"


@dataclass(frozen=True)
class Filling:
    """What stands in a cell that is off.

    Parameters
    ----------
    name : str
    values : float or np.ndarray
        In dB: one level, one per mel band [shape=(n_mels,)], or all of another clip
        [shape=(n_mels, frames)].
    """

    name: str
    values: float | np.ndarray

    def spectrogram(self, shape):
        """What a clip sounds like that is nothing but holes, float32 [shape=(n_mels, frames)]."""
        values = np.asarray(self.values, np.float32)
        return np.broadcast_to(values[:, None] if values.ndim == 1 else values, shape)


def fillings(band_mean):
    """Return the two fillings that runs have to agree on: silence and the training mean.

    The filling decides what is found (Mishra, Benetos, Sturm & Dixon, IJCNN 2020). A cell's own
    mean, LIME's default, would hide features of level.

    Parameters
    ----------
    band_mean : np.ndarray [shape=(n_mels,)]
        Mean level of each mel band over the training split, in dB.
    """
    return [Filling("silence", FLOOR_DB), Filling("training mean", np.asarray(band_mean))]


def compose(S_db, mask_cells, grid, filling):
    """Return S_db with the cells that are off filled in, float32 [shape=(..., n_mels, frames)].

    Parameters
    ----------
    S_db : np.ndarray [shape=(n_mels, frames)]
        In dB.
    mask_cells : np.ndarray of bool [shape=(..., n_bands, n_cells)]
        True where a cell stays on; leading dimensions give as many spectrograms.
    grid : Grid
    filling : Filling
    """
    mask = np.asarray(mask_cells, dtype=bool)
    on = mask.reshape(*mask.shape[:-2], grid.size)[..., grid.segments()]  # `spread` of each
    return np.where(on, np.asarray(S_db, np.float32), filling.spectrogram(grid.mel_grid.shape))


def only(y, sr, cells, grid):
    """A clip with nothing but some of its cells, np.ndarray [shape=(samples,)].

    The phase is kept, and edges are soft in time and frequency, so that nothing clicks or rings.

    Parameters
    ----------
    y : np.ndarray [shape=(samples,)]
        One channel.
    sr : int
        In Hz.
    cells : np.ndarray of bool [shape=(n_bands, n_cells)]
    grid : Grid
    """
    n = max(8, int(WINDOW * sr) // 4 * 4)
    # periodic Hann windows, three quarters overlapping: the inverse is exact
    stft = ShortTimeFFT(hann(n, sym=False), hop=n // 4, fs=sr)
    Y = stft.stft(y)
    times = np.clip(stft.t(len(y)), 0, grid.mel_grid.seconds)
    mask = np.asarray(cells, float)[grid.band_of(stft.f)][:, grid.cell_of(times)]
    width = [max(1, round(SOFT_HZ / stft.delta_f)), max(1, round(SOFT_SECONDS / stft.delta_t))]
    for _ in range(2):
        mask = uniform_filter(mask, width, mode="nearest")
    return stft.istft(mask * Y, k1=len(y)).astype(np.float32)


def without(y, sr, cells, grid):
    """The clip without these cells, np.ndarray [shape=(samples,)]; both together are the clip."""
    return only(y, sr, ~np.asarray(cells, bool), grid)


def hear(path, explanation):
    """What an explanation claims, and what it leaves.

    Parameters
    ----------
    path : path-like
        The clip.
    explanation : Explanation

    Returns
    -------
    dict of str to (np.ndarray [shape=(samples,)], int)
        Samples and rate of "claimed", "without"; empty where nothing is claimed.
    """
    if not explanation.claimed.any():
        return {}
    y, sr = read_clip(path, explanation.grid.mel_grid.seconds)
    return {"claimed": (only(y, sr, explanation.claimed, explanation.grid), sr),
            "without": (without(y, sr, explanation.claimed, explanation.grid), sr)}


def as_wav(y, sr):
    """A WAV of 16 bits, bytes."""
    file = io.BytesIO()
    sf.write(file, np.clip(y, -1, 1), sr, format="WAV", subtype="PCM_16")
    return file.getvalue()
