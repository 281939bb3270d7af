"""What the claimed cells of a clip sound like: a mask on its short-time Fourier transform."""

import io

import numpy as np
import soundfile as sf
from scipy.ndimage import uniform_filter
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from hiphoplib.audio.files import encode, read_clip

WINDOW = 0.046  # s: the edges of a band are heard as such, those of a drum stay
SOFT_SECONDS, SOFT_HZ = 0.1, 120.0  # over which a cell's edge comes and goes, twice averaged


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


def as_mp3(y, sr):
    """A mono mp3 of 32 kbit/s, bytes, small enough for players in a notebook."""
    return encode(np.clip(y, -1, 1)[None], sr, kbps=32, out_sr=22_050)


def as_wav(y, sr):
    """A WAV of 16 bits, bytes."""
    file = io.BytesIO()
    sf.write(file, np.clip(y, -1, 1), sr, format="WAV", subtype="PCM_16")
    return file.getvalue()
