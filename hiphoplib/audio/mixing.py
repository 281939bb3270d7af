"""Hand-crafted features of clips that exchange bands and stretches: a frame is sums over bands.

What a frame's curves are made of is added up band by band, so that bands of two clips can be put
together without either clip's sound. Three curves are no such sums: rolloff, zero crossings and
peak. They are estimated from the mel spectrogram, and what the estimate lacks in each clip
(`missing`) is kept and mixed by the share of the power that either clip has.
"""

from dataclasses import dataclass
from functools import lru_cache

import librosa
import numpy as np

from hiphoplib.audio.features import HOP, N_FFT, SR, summary

TINY = 1e-10  # power that counts as none, as librosa has it
N_MELS = 128
N_CHROMA = 12
N_SUMS = N_CHROMA + 5  # of a band; the others: amplitude, the mean and mean square of its
# frequency, mean log power, power
N_MISSING = 3
MOST_MISSING = 3.0  # so far off, as a logarithm, is the estimate in silence alone
QUIET = 1e-8  # power of the strongest pitch class of a silent frame
ROLLOFF = 0.85  # share of the amplitude that lies below it
HANN = 0.375  # mean square of the analysis window


@dataclass(frozen=True)
class Bands:
    """The rows of a clip's table, by bands that begin at 0 Hz and at each of some frequencies."""

    edges: tuple[float, ...]  # in Hz

    @property
    def count(self) -> int:
        """Number of bands."""
        return len(self.edges) + 1

    @property
    def of_rows(self) -> np.ndarray:
        """Band of each row, int [shape=(rows,)]; the last three have none and are -1."""
        mel = np.searchsorted(self.edges, _mel_rows()[0], side="right")
        return np.concatenate([mel, np.repeat(np.arange(self.count), N_SUMS), [-1] * N_MISSING])


def table(y: np.ndarray, sr: int, bands: Bands) -> np.ndarray:
    """Return what a clip's hand-crafted features are made of.

    Parameters
    ----------
    y : np.ndarray [shape=(samples,)]
    sr : int, in Hz
    bands : Bands

    Returns
    -------
    np.ndarray [shape=(rows, frames)], float32
        Powers and amplitudes as natural logarithms, frequencies in Hz.
    """
    y = librosa.resample(y, orig_sr=sr, target_sr=SR, res_type="soxr_hq")
    S = np.abs(librosa.stft(y, n_fft=N_FFT, hop_length=HOP))
    mel = librosa.feature.melspectrogram(S=S**2, sr=SR)
    rows = np.vstack([_log(mel), _sums(S, bands), np.zeros((N_MISSING, S.shape[1]))])
    frames = librosa.util.frame(np.pad(y, N_FFT // 2), frame_length=N_FFT, hop_length=HOP)
    true = np.vstack([librosa.feature.spectral_rolloff(S=S, sr=SR, roll_percent=ROLLOFF),
                      librosa.feature.zero_crossing_rate(y, frame_length=N_FFT, hop_length=HOP),
                      np.abs(frames).max(axis=0)])
    missing = _log(true) - _log(_estimates(rows, bands))
    rows[-N_MISSING:] = missing.clip(-MOST_MISSING, MOST_MISSING)
    return rows.astype(np.float32)


def mixed(inside: np.ndarray, outside: np.ndarray, chosen: np.ndarray, bands: Bands) -> np.ndarray:
    """Return the table of a clip with some bands of another at each moment.

    Parameters
    ----------
    inside, outside : np.ndarray [shape=(rows, frames)]
        As `table` returns them.
    chosen : np.ndarray of bool [shape=(n_bands, frames)]
        Where it is `inside`.
    bands : Bands

    Returns
    -------
    np.ndarray [shape=(rows, frames)]
    """
    rows = np.where(chosen[bands.of_rows], inside, outside)  # those of no band are done below
    power = np.exp(_of_bands(rows, bands)[:, -1])
    share = (power * chosen).sum(axis=0) / power.sum(axis=0)
    rows[-N_MISSING:] = share * inside[-N_MISSING:] + (1 - share) * outside[-N_MISSING:]
    return rows


def frame_values(rows: np.ndarray, bands: Bands) -> np.ndarray:
    """Return mel spectrogram, curves, level and peak of each frame of a table.

    Parameters
    ----------
    rows : np.ndarray [shape=(rows, frames)]
    bands : Bands

    Returns
    -------
    np.ndarray [shape=(128 + 17 + 2, frames)]
    """
    sums, bins = _of_bands(rows, bands), _selected(bands).sum(axis=1)
    chroma = np.exp(sums[:, :N_CHROMA]).sum(axis=0)
    amplitude, mean, square, log_power = (sums[:, N_CHROMA + n] for n in range(4))
    share = np.exp(amplitude)
    share /= share.sum(axis=0)
    centroid, squared = (share * mean).sum(axis=0), (share * square).sum(axis=0)
    power = np.exp(sums[:, -1]).sum(axis=0)
    flatness = np.exp(bins @ log_power / bins.sum()) / (power / bins.sum())
    rolloff, crossings, peak = np.exp(rows[-N_MISSING:]) * _estimates(rows, bands)
    return np.vstack([
        np.exp(rows[:N_MELS]), chroma / np.maximum(chroma.max(axis=0), QUIET), centroid,
        np.sqrt(np.maximum(squared - centroid**2, 0)), rolloff, flatness, crossings,
        _level(power), peak])


def mixed_features(frames: np.ndarray) -> np.ndarray:
    """Return the hand-crafted features of a clip from its frames.

    Parameters
    ----------
    frames : np.ndarray [shape=(128 + 17 + 2, frames)]
        As `frame_values` returns them.

    Returns
    -------
    np.ndarray [shape=(len(features.NAMES),)]
        As `features.clip_features`, but for rounding and the edges of the clip.
    """
    mel, curves, level, peak = np.split(frames, [N_MELS, -2, -1])
    rms = np.sqrt(np.mean(level**2) / HANN)
    return summary(mel, curves, level[0], rms, peak.max())


def _log(power):
    return np.log(np.maximum(power, TINY))


def _of_bands(rows, bands):
    """The sums of each band [shape=(n_bands, N_SUMS, frames)]."""
    return rows[N_MELS: -N_MISSING].reshape(bands.count, N_SUMS, -1)


def _sums(S, bands):
    """Rows of all bands, from amplitudes [shape=(bins, frames)]."""
    f, rows = librosa.fft_frequencies(sr=SR, n_fft=N_FFT), []
    chroma = librosa.filters.chroma(sr=SR, n_fft=N_FFT, tuning=0)
    for bins in _selected(bands):
        own, own_f = S[bins], f[bins]
        amplitude = np.maximum(own.sum(axis=0), TINY)
        rows += [_log(chroma[:, bins] @ own**2), _log(amplitude)[None],
                 [own_f @ own / amplitude], [own_f**2 @ own / amplitude],
                 [_log(own**2).mean(axis=0)], [_log((own**2).sum(axis=0))]]
    return np.vstack(rows)


@lru_cache
def _selected(bands):
    """Whether a bin of the spectrum is of a band, bool [shape=(n_bands, bins)]."""
    of_bins = np.searchsorted(bands.edges, librosa.fft_frequencies(sr=SR, n_fft=N_FFT), "right")
    return of_bins == np.arange(bands.count)[:, None]


@lru_cache
def _mel_rows():
    """Centre of each mel band, and how many Hz it has, [shape=(N_MELS,)] each."""
    f = librosa.mel_frequencies(N_MELS + 2, fmax=SR / 2)
    return f[1:-1], (f[2:] - f[:-2]) / 2


def _estimates(rows, bands):
    """Rolloff in Hz, crossings per sample and peak, by what the mel spectrogram lets expect."""
    f, width = _mel_rows()
    amplitude = np.exp(rows[:N_MELS] / 2) * width[:, None]
    below = np.cumsum(amplitude, axis=0)
    rolloff = f[(below >= ROLLOFF * below[-1]).argmax(axis=0)]
    power = np.exp(rows[:N_MELS])
    # of Gaussian noise with that spectrum (Rice, Bell System Technical Journal 24, 1945)
    crossings = 2 / SR * np.sqrt((f**2 * width) @ power / (width @ power))
    level = _level(np.exp(_of_bands(rows, bands)[:, -1]).sum(axis=0))
    return np.vstack([rolloff, crossings, level])


def _level(power):
    """Root mean square of a frame, from the sum of its power over the bins."""
    return np.sqrt(2 * power) / N_FFT
