"""Hand-crafted features of a clip: timbre, harmony, loudness and rhythm.

Tzanetakis & Cook, "Musical genre classification of audio signals", IEEE Transactions on Speech and
Audio Processing 10(5), 2002; here with the features of librosa.

What a frame's curves are made of can also be added up band by band (`table`), so that bands of two
clips are put together without either clip's sound. Three curves are no such sums: rolloff, zero
crossings and peak. They are estimated from the mel spectrogram, and what the estimate lacks in each
clip is kept and mixed by the share of the power that either clip has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import librosa
import numpy as np

SR, N_FFT, HOP = 22_050, 2048, 512
N_MFCC = 20
PULSE = (60, 200)  # slowest and fastest pulse that is looked for, in beats a minute
CURVES = [
    *(f"mfcc{n}" for n in range(N_MFCC)),
    *(f"chroma{n}" for n in range(12)),
    "centroid",
    "bandwidth",
    "rolloff",
    "flatness",
    "crossings",
]
LOUDNESS = ["loudness", "loudness_range", "crest"]
NAMES = [
    *(f"{curve}_mean" for curve in CURVES),
    *(f"{curve}_std" for curve in CURVES),
    *(f"mfcc{n}_change" for n in range(N_MFCC)),
    *LOUDNESS,
    "tempo",
    "pulse",
    "onset_mean",
    "onset_std",
]

# Rows of a table: mel bands; of each band of `Bands` the chroma, amplitude, mean frequency and mean
# squared frequency, mean log power, power; what the three estimates lack.
N_MELS, N_CHROMA, N_MISSING = 128, 12, 3
N_SUMS = N_CHROMA + 5
TINY = 1e-10  # power that counts as none, as librosa has it
MOST_MISSING = 3.0  # so far off, as a logarithm, is the estimate in silence alone
QUIET = 1e-8  # power of the strongest pitch class of a silent frame
ROLLOFF = 0.85  # share of the amplitude that lies below it
HANN = 0.375  # mean square of the analysis window


def clip_features(y: np.ndarray, sr: int) -> np.ndarray:
    """Compute the hand-crafted features of a clip.

    Parameters
    ----------
    y : np.ndarray [shape=(samples,)]
    sr : int, in Hz

    Returns
    -------
    np.ndarray [shape=(len(NAMES),)], float32
        Mean and standard deviation over time of 20 MFCC, 12 pitch classes and the shape of the
        spectrum, the standard deviation of the steps of the MFCC, loudness (dB), tempo (beats a
        minute), strength of the pulse and of the onsets.
    """
    return window_features(y, sr, [0.0], len(y) / sr)[0]


def window_features(y: np.ndarray, sr: int, starts: Sequence[float], seconds: float) -> np.ndarray:
    """Compute the hand-crafted features of windows that may overlap; of each moment only once.

    Parameters
    ----------
    y : np.ndarray [shape=(samples,)]
    sr : int, in Hz
    starts : sequence of float, in s
    seconds : float
        Length of each window.

    Returns
    -------
    np.ndarray [shape=(windows, len(NAMES))], float32
        As `clip_features` of each, but for a frame at its edges.
    """
    y, S, mel = _spectra(y, sr)
    curves = np.vstack(
        [
            librosa.feature.chroma_stft(S=S**2, sr=SR, tuning=0),
            librosa.feature.spectral_centroid(S=S, sr=SR),
            librosa.feature.spectral_bandwidth(S=S, sr=SR),
            librosa.feature.spectral_rolloff(S=S, sr=SR),
            librosa.feature.spectral_flatness(S=S),
            librosa.feature.zero_crossing_rate(y, frame_length=N_FFT, hop_length=HOP),
        ]
    )
    level = librosa.feature.rms(S=S, frame_length=N_FFT)[0]
    rows = []
    for start in starts:
        first, size = round(start * SR / HOP), round(seconds * SR)
        frames = slice(first, first + 1 + size // HOP)
        part = y[first * HOP : first * HOP + size]
        rows.append(
            summary(
                mel[:, frames],
                curves[:, frames],
                level[frames],
                np.sqrt(np.mean(part**2)),
                np.abs(part).max(),
            )
        )
    return np.array(rows, dtype=np.float32)


def _spectra(y, sr):
    """Samples at `SR`, their amplitudes [shape=(bins, frames)], and their mel spectrogram."""
    y = librosa.resample(y, orig_sr=sr, target_sr=SR, res_type="soxr_hq")
    S = np.abs(librosa.stft(y, n_fft=N_FFT, hop_length=HOP))
    mel = librosa.feature.melspectrogram(S=S**2, sr=SR)
    return y, S, mel


def summary(
    mel: np.ndarray, curves: np.ndarray, level: np.ndarray, rms: float, peak: float
) -> np.ndarray:
    """Sum up the frames of a window as its features.

    Parameters
    ----------
    mel : np.ndarray [shape=(128, frames)], power
    curves : np.ndarray [shape=(17, frames)]
        Those of `CURVES` that are no MFCC.
    level : np.ndarray [shape=(frames,)], root mean square
    rms, peak : float, of the window's samples

    Returns
    -------
    np.ndarray [shape=(len(NAMES),)]
    """
    mel_db = librosa.power_to_db(mel)  # as far as 80 dB below the window's own maximum
    mfcc = librosa.feature.mfcc(S=mel_db, n_mfcc=N_MFCC)
    curves = np.vstack([mfcc, curves])
    return np.concatenate(
        [
            curves.mean(axis=1),
            curves.std(axis=1),
            np.diff(mfcc).std(axis=1),
            _loudness(level, rms, peak),
            _rhythm(mel_db),
        ]
    )


def _loudness(level, rms, peak):
    """Mean level in dB, spread of the frames' levels in dB, peak above the mean level in dB."""
    level = librosa.amplitude_to_db(level, amin=1e-5)
    rms = librosa.amplitude_to_db(np.array([rms]), amin=1e-5)[0]
    peak = librosa.amplitude_to_db(np.array([peak]), amin=1e-5)[0]
    return np.array([rms, np.percentile(level, 95) - np.percentile(level, 10), peak - rms])


def _rhythm(mel_db):
    """Beats a minute, how regular they are (0 to 1), mean and deviation of the onsets' strength."""
    onsets = librosa.onset.onset_strength(S=mel_db, sr=SR, hop_length=HOP)
    lags = librosa.autocorrelate(onsets - onsets.mean())
    slowest, fastest = (round(60 / beats * SR / HOP) for beats in PULSE)
    within = lags[fastest : slowest + 1]
    lag = fastest + int(within.argmax()) if within.size else fastest
    pulse = max(within.max(initial=0), 0) / lags[0] if lags[0] > 0 else 0
    return np.array([60 * SR / HOP / lag, pulse, onsets.mean(), onsets.std()])


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
    y, S, mel = _spectra(y, sr)
    rows = np.vstack([_log(mel), _sums(S, bands), np.zeros((N_MISSING, S.shape[1]))])
    frames = librosa.util.frame(np.pad(y, N_FFT // 2), frame_length=N_FFT, hop_length=HOP)
    true = np.vstack(
        [
            librosa.feature.spectral_rolloff(S=S, sr=SR, roll_percent=ROLLOFF),
            librosa.feature.zero_crossing_rate(y, frame_length=N_FFT, hop_length=HOP),
            np.abs(frames).max(axis=0),
        ]
    )
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
    return np.vstack(
        [
            np.exp(rows[:N_MELS]),
            chroma / np.maximum(chroma.max(axis=0), QUIET),
            centroid,
            np.sqrt(np.maximum(squared - centroid**2, 0)),
            rolloff,
            flatness,
            crossings,
            _level(power),
            peak,
        ]
    )


def mixed_features(frames: np.ndarray) -> np.ndarray:
    """Return the hand-crafted features of a clip from its frames.

    Parameters
    ----------
    frames : np.ndarray [shape=(128 + 17 + 2, frames)]
        As `frame_values` returns them.

    Returns
    -------
    np.ndarray [shape=(len(NAMES),)]
        As `clip_features`, but for rounding and the edges of the clip.
    """
    mel, curves, level, peak = np.split(frames, [N_MELS, -2, -1])
    rms = np.sqrt(np.mean(level**2) / HANN)
    return summary(mel, curves, level[0], rms, peak.max())


def _log(power):
    return np.log(np.maximum(power, TINY))


def _of_bands(rows, bands):
    """The sums of each band [shape=(n_bands, N_SUMS, frames)]."""
    return rows[N_MELS:-N_MISSING].reshape(bands.count, N_SUMS, -1)


def _sums(S, bands):
    """Rows of all bands, from amplitudes [shape=(bins, frames)]."""
    f, rows = librosa.fft_frequencies(sr=SR, n_fft=N_FFT), []
    chroma = librosa.filters.chroma(sr=SR, n_fft=N_FFT, tuning=0)
    for bins in _selected(bands):
        own, own_f = S[bins], f[bins]
        amplitude = np.maximum(own.sum(axis=0), TINY)
        rows += [
            _log(chroma[:, bins] @ own**2),
            _log(amplitude)[None],
            [own_f @ own / amplitude],
            [own_f**2 @ own / amplitude],
            [_log(own**2).mean(axis=0)],
            [_log((own**2).sum(axis=0))],
        ]
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
