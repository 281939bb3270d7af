"""Hand-crafted features of a clip: timbre, harmony, loudness and rhythm.

Tzanetakis & Cook, "Musical genre classification of audio signals", IEEE Transactions on Speech and
Audio Processing 10(5), 2002; here with the features of librosa.
"""

from collections.abc import Sequence

import librosa
import numpy as np

SR, N_FFT, HOP = 22_050, 2048, 512
N_MFCC = 20
PULSE = (60, 200)  # slowest and fastest pulse that is looked for, in beats a minute
CURVES = [*(f"mfcc{n}" for n in range(N_MFCC)), *(f"chroma{n}" for n in range(12)), "centroid",
          "bandwidth", "rolloff", "flatness", "crossings"]
LOUDNESS = ["loudness", "loudness_range", "crest"]
NAMES = [*(f"{curve}_mean" for curve in CURVES), *(f"{curve}_std" for curve in CURVES),
         *(f"mfcc{n}_change" for n in range(N_MFCC)), *LOUDNESS,
         "tempo", "pulse", "onset_mean", "onset_std"]


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
    y = librosa.resample(y, orig_sr=sr, target_sr=SR, res_type="soxr_hq")
    S = np.abs(librosa.stft(y, n_fft=N_FFT, hop_length=HOP))
    mel = librosa.feature.melspectrogram(S=S**2, sr=SR)
    curves = np.vstack([
        librosa.feature.chroma_stft(S=S**2, sr=SR, tuning=0),
        librosa.feature.spectral_centroid(S=S, sr=SR),
        librosa.feature.spectral_bandwidth(S=S, sr=SR),
        librosa.feature.spectral_rolloff(S=S, sr=SR), librosa.feature.spectral_flatness(S=S),
        librosa.feature.zero_crossing_rate(y, frame_length=N_FFT, hop_length=HOP)])
    level = librosa.feature.rms(S=S, frame_length=N_FFT)[0]
    rows = []
    for start in starts:
        first, size = round(start * SR / HOP), round(seconds * SR)
        frames = slice(first, first + 1 + size // HOP)
        part = y[first * HOP: first * HOP + size]
        rows.append(summary(mel[:, frames], curves[:, frames], level[frames],
                            np.sqrt(np.mean(part**2)), np.abs(part).max()))
    return np.array(rows, dtype=np.float32)


def summary(mel: np.ndarray, curves: np.ndarray, level: np.ndarray, rms: float,
            peak: float) -> np.ndarray:
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
    return np.concatenate([curves.mean(axis=1), curves.std(axis=1), np.diff(mfcc).std(axis=1),
                           _loudness(level, rms, peak), _rhythm(mel_db)])


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
    within = lags[fastest: slowest + 1]
    lag = fastest + int(within.argmax()) if within.size else fastest
    pulse = max(within.max(initial=0), 0) / lags[0] if lags[0] > 0 else 0
    return np.array([60 * SR / HOP / lag, pulse, onsets.mean(), onsets.std()])
