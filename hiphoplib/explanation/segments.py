"""Segments of a clip, named bands × 3 seconds: switched off in its spectrogram, or isolated.

Segments and fill values are independent, as in audioLIME (Haunschmid, Manilow & Widmer, arXiv
2008.00582): a `SegmentGrid` says which bins belong together, a `Fill` what replaces them.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import uniform_filter
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from hiphoplib.audio.mel import FLOOR_DB, MelGrid
from hiphoplib.errors import BadInput

BANDS = {  # in Hz
    "sub and bass": (0, 250),  # 808s and kicks
    "low mids": (250, 1000),  # their overtones, the body of the voice
    "vocals and snare": (1000, 5000),  # words, the crack of the snare
    "hats and air": (5000, 11025),
}
WINDOW_SECONDS = 0.046  # long enough to separate bands, short enough to keep the attack of a drum
FADE_SECONDS, FADE_HZ = 0.1, 120.0  # over which the edge of an isolated segment fades


@dataclass(frozen=True)
class SegmentGrid:
    """Segments of a spectrogram: named frequency bands × equal stretches of time.

    Bands have no gaps, and frequencies beyond the outer two belong to them. The last stretch is
    what is left of the clip.

    Examples
    --------
    >>> from hiphoplib.audio.mel import QUICK
    >>> grid = SegmentGrid(QUICK)
    >>> grid.shape, grid.size, grid.spans[9]
    ((4, 10), 40, (27.0, 30.0))
    """

    mel_grid: MelGrid
    bands: dict[str, tuple[float, float]] = field(default_factory=lambda: dict(BANDS))
    segment_seconds: float = 3.0

    @property
    def shape(self) -> tuple[int, int]:
        """Number of bands, and of segments in each of them."""
        return len(self.bands), int(np.ceil(self.mel_grid.seconds / self.segment_seconds - 1e-9))

    @property
    def size(self) -> int:
        """Number of segments."""
        return int(np.prod(self.shape))

    @property
    def edges(self) -> tuple[float, ...]:
        """Frequencies at which one band ends and the next begins, in Hz."""
        edges = list(self.bands.values())
        if any(below[1] != above[0] for below, above in pairwise(edges)):
            raise BadInput(f"bands {self.bands}: each must begin where the one below it ends")
        return tuple(low for low, _ in edges[1:])

    def band_of(self, frequencies: ArrayLike) -> np.ndarray:
        """Return the number of the band of each frequency.

        Parameters
        ----------
        frequencies : array-like, in Hz

        Returns
        -------
        np.ndarray of int
        """
        return np.searchsorted(self.edges, frequencies, side="right")

    def stretch_of(self, times: ArrayLike) -> np.ndarray:
        """Return the number of the stretch of each time.

        Parameters
        ----------
        times : array-like, in s

        Returns
        -------
        np.ndarray of int
        """
        # a last frame exactly at the clip's end belongs to the stretch before it
        return np.minimum(np.asarray(times) // self.segment_seconds, self.shape[1] - 1).astype(int)

    def labels(self) -> np.ndarray:
        """Return the segment number of each bin, int [shape=(n_mels, frames)], in 0..size-1.

        Raises
        ------
        BadInput
            If a segment holds no bin, or the bands leave gaps.
        """
        band = self.band_of(self.mel_grid.mel_frequencies())
        labels = band[:, None] * self.shape[1] + self.stretch_of(self.mel_grid.times())[None, :]
        if len(np.unique(labels)) < self.size:
            raise BadInput(
                f"{self.shape[0]} bands × {self.shape[1]} segments on a mel grid of "
                f"{self.mel_grid.shape}: some segments hold no bin; take larger ones"
            )
        return labels

    def means(self, bins: np.ndarray) -> np.ndarray:
        """Average the bins of each segment.

        Parameters
        ----------
        bins : np.ndarray [shape=(n_mels, frames)]

        Returns
        -------
        np.ndarray [shape=(n_bands, n_segments)]
        """
        labels = self.labels().ravel()
        return (np.bincount(labels, np.ravel(bins)) / np.bincount(labels)).reshape(self.shape)

    @property
    def spans(self) -> list[tuple[float, float]]:
        """Start and end of each stretch of time, in s."""
        each, end = self.segment_seconds, self.mel_grid.seconds
        return [(n * each, min((n + 1) * each, end)) for n in range(self.shape[1])]


class Fill(NamedTuple):
    """Fill value, in dB, for segments that are switched off.

    One level, one per mel band [shape=(n_mels, 1)], or a donor clip [shape=(n_mels, frames)].
    """

    name: str
    values: float | np.ndarray


def fills(band_mean: ArrayLike) -> list[Fill]:
    """Return the two fill values that LIME runs have to agree on: silence and the training mean.

    The mean of each segment, LIME's default, would hide how loud a segment is.

    Parameters
    ----------
    band_mean : np.ndarray [shape=(n_mels,)], of each mel band over the training set, in dB

    Returns
    -------
    list of Fill
    """
    return [Fill("silence", FLOOR_DB), Fill("training mean", np.reshape(band_mean, (-1, 1)))]


def compose(S_db: ArrayLike, mask: ArrayLike, grid: SegmentGrid, fill: Fill) -> np.ndarray:
    """Fill the segments of a spectrogram that are off.

    Parameters
    ----------
    S_db : np.ndarray [shape=(n_mels, frames)], in dB
    mask : np.ndarray of bool [shape=(..., n_bands, n_segments)], True where a segment stays on
    grid : SegmentGrid
    fill : Fill

    Returns
    -------
    np.ndarray [shape=(..., n_mels, frames)], float32
    """
    mask = np.asarray(mask, dtype=bool)
    on = mask.reshape(*mask.shape[:-2], grid.size)[..., grid.labels()]
    return np.where(on, np.asarray(S_db, np.float32), np.asarray(fill.values, np.float32))


def isolate(y: np.ndarray, sr: int, mask: ArrayLike, grid: SegmentGrid) -> np.ndarray:
    """Keep only some segments of a clip's audio; with those of the inverse mask it is the clip.

    The phase is kept. Edges fade in time and frequency, so that nothing clicks or rings.

    Parameters
    ----------
    y : np.ndarray [shape=(samples,)]
    sr : int
    mask : np.ndarray of bool [shape=(n_bands, n_segments)], True where a segment is kept
    grid : SegmentGrid

    Returns
    -------
    np.ndarray [shape=(samples,)], float32
    """
    n = max(8, int(WINDOW_SECONDS * sr) // 4 * 4)
    # periodic Hann windows, three quarters overlapping: the inverse is exact
    stft = ShortTimeFFT(hann(n, sym=False), hop=n // 4, fs=sr)
    Y = stft.stft(y)
    times = np.clip(stft.t(len(y)), 0, grid.mel_grid.seconds)
    gain = np.asarray(mask, float)[grid.band_of(stft.f)][:, grid.stretch_of(times)]
    width = [max(1, round(FADE_HZ / stft.delta_f)), max(1, round(FADE_SECONDS / stft.delta_t))]
    for _ in range(2):
        gain = uniform_filter(gain, width, mode="nearest")
    return stft.istft(gain * Y, k1=len(y)).astype(np.float32)
