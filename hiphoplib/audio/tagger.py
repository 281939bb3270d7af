"""musicnn, a music tagger trained by others on 200,000 songs, as a source of features.

Pons & Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging",
ISMIR 2019 late-breaking. The weights (ISC licence) are read from the authors' package on PyPI;
its own code needs a TensorFlow that is long gone and is not run.
"""

from importlib.metadata import PackageNotFoundError, distribution

import librosa
import numpy as np

from hiphoplib.errors import BadInput

INSTALL = "pip install --no-deps musicnn==0.1.0"
SR, N_FFT, HOP, N_MELS = 16_000, 512, 256, 96
WINDOW = 187  # frames, 3 s
PARTS = {"tags": 50, "max_pool": 753, "mean_pool": 753, "penultimate": 200}
SUMMARIES = [f"{part}{n}_{over}" for over in ("mean", "std") for part, size in PARTS.items()
             for n in range(size)]


def weights():
    """Return the folder with the weights, Path.

    Raises
    ------
    BadInput
        If the package that holds them is not installed.
    """
    try:
        return distribution("musicnn").locate_file("musicnn/MSD_musicnn")
    except PackageNotFoundError:
        raise BadInput(f"musicnn: its weights are not installed; install them with `{INSTALL}`"
                       ) from None


def windows(y, sr):
    """Windows of 3 s as the tagger hears them.

    Parameters
    ----------
    y : np.ndarray [shape=(samples,)]
        At least 3 s, one channel.
    sr : int
        In Hz.

    Returns
    -------
    np.ndarray [shape=(windows, 187, 96)], float32
        ``log10(1 + 10000 power)`` of 96 mel bands; what is left at the end is not heard.
    """
    y = librosa.resample(y, orig_sr=sr, target_sr=SR, res_type="soxr_hq")
    S = librosa.feature.melspectrogram(y=y, sr=SR, n_fft=N_FFT, hop_length=HOP, n_mels=N_MELS)
    frames = np.log10(10_000 * S.T + 1).astype(np.float32)
    n = len(frames) // WINDOW
    return frames[: n * WINDOW].reshape(n, WINDOW, N_MELS)


def summaries(clip):
    """What the tagger finds in a clip, np.ndarray [shape=(len(SUMMARIES),)], float32.

    Parameters
    ----------
    clip : np.ndarray [shape=(windows, 187, 96)]
        As `windows` gives it.

    Returns
    -------
    np.ndarray
        Mean over the windows of all that the network tells, then the standard deviation.
    """
    # TensorFlow takes seconds, and who reads clips does not need it
    from hiphoplib.audio.tagger_network import compiled_tagger

    told = compiled_tagger()(clip)
    told = np.concatenate([told[part].numpy() for part in PARTS], axis=1)
    return np.concatenate([told.mean(axis=0), told.std(axis=0)])
