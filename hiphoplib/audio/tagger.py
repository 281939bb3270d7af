"""musicnn, a music tagger trained by others on 200,000 songs, as a source of features.

Pons & Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging",
ISMIR 2019 late-breaking. The weights (ISC licence) are read from the authors' package on PyPI;
its own code needs a TensorFlow that is long gone and is not run.
"""

from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import librosa
import numpy as np

from hiphoplib.errors import BadInput

INSTALL = "pip install --no-deps musicnn==0.1.0"
SR, N_FFT, HOP, N_MELS = 16_000, 512, 256, 96
WINDOW = 187  # frames, 3 s
PARTS = {"tags": 50, "max_pool": 753, "mean_pool": 753, "penultimate": 200}
SUMMARIES = [f"{part}{n}_{over}" for over in ("mean", "std") for part, size in PARTS.items()
             for n in range(size)]


def weights() -> Path:
    """Return the folder with the weights.

    Raises
    ------
    BadInput
        If the package that holds them is not installed.
    """
    try:
        return Path(str(distribution("musicnn").locate_file("musicnn/MSD_musicnn")))
    except PackageNotFoundError:
        raise BadInput(f"musicnn: its weights are not installed; install them with `{INSTALL}`"
                       ) from None


def windows(y: np.ndarray, sr: int) -> np.ndarray:
    """Cut a clip into the windows of 3 s that the tagger takes.

    Parameters
    ----------
    y : np.ndarray [shape=(samples,)]
        At least 3 s.
    sr : int, in Hz

    Returns
    -------
    np.ndarray [shape=(windows, 187, 96)], float32
        ``log10(1 + 10000 power)`` of 96 mel bands; what is left at the end is not used.
    """
    y = librosa.resample(y, orig_sr=sr, target_sr=SR, res_type="soxr_hq")
    S = librosa.feature.melspectrogram(y=y, sr=SR, n_fft=N_FFT, hop_length=HOP, n_mels=N_MELS)
    frames = np.log10(10_000 * S.T + 1).astype(np.float32)
    n = len(frames) // WINDOW
    return frames[: n * WINDOW].reshape(n, WINDOW, N_MELS)


def summaries(clip: np.ndarray) -> np.ndarray:
    """Return mean and standard deviation of all outputs of the tagger over a clip's windows.

    Parameters
    ----------
    clip : np.ndarray [shape=(windows, 187, 96)]

    Returns
    -------
    np.ndarray [shape=(len(SUMMARIES),)], float32
    """
    outputs = _tagger().predict_on_batch(clip)  # several clips at once are no faster
    outputs = np.concatenate([outputs[part] for part in PARTS], axis=1)
    return np.concatenate([outputs.mean(axis=0), outputs.std(axis=0)])


@cache
def _tagger():
    """The network, from windows to a dict of `PARTS`; layers are named as in the checkpoint."""
    from hiphoplib.keras_backend import keras, tf

    layers = keras.layers

    # TensorFlow 1 counted convolutions of any dimension together
    names = {layers.Conv1D: "conv2d", layers.Conv2D: "conv2d", layers.Dense: "dense",
             layers.BatchNormalization: "batch_normalization"}

    def named(kind, number, *args, **options):
        return kind(*args, **options, name=f"{names[kind]}_{number}".removesuffix("_0"))

    def normalised(x, number):
        return named(layers.BatchNormalization, number, epsilon=1e-3)(x)

    def front(x, number, filters, kernel, padding):
        """A convolution over time and frequency; the maximum over all frequencies is kept."""
        x = named(layers.Conv2D, number, filters, kernel, padding=padding, activation="relu")(x)
        x = normalised(x, number + 1)
        x = layers.MaxPooling2D((1, x.shape[2]))(x)
        return layers.Reshape((WINDOW, filters))(x)

    def middle(x, number):
        """A convolution over 7 frames of all channels."""
        x = named(layers.Conv1D, number, 64, 7, padding="same", activation="relu")(x)
        return normalised(x, number + 1)

    clip = keras.Input((WINDOW, N_MELS))
    x = normalised(layers.Reshape((WINDOW, N_MELS, 1))(clip), 0)
    padded = layers.ZeroPadding2D(((3, 3), (0, 0)))(x)  # in time only: frequency is pooled away
    maps = layers.Concatenate()([
        front(padded, 0, 204, (7, 38), "valid"), front(padded, 1, 204, (7, 67), "valid"),
        *(front(x, 2 + n, 51, (length, 1), "same") for n, length in enumerate((128, 64, 32)))])
    maps = [maps, middle(maps, 5)]
    for number in (6, 7):
        maps.append(layers.Add()([middle(maps[-1], number), maps[-1]]))
    maps = layers.Concatenate()(maps)
    pools = layers.GlobalMaxPooling1D()(maps), layers.GlobalAveragePooling1D()(maps)
    x = layers.Concatenate()([layers.Reshape((PARTS["max_pool"], 1))(pool) for pool in pools])
    x = normalised(layers.Flatten()(x), 9)  # a channel's maximum, its mean, the next one's
    x = named(layers.Dense, 0, PARTS["penultimate"], activation="relu")(x)
    penultimate = normalised(x, 10)
    tags = named(layers.Dense, 1, PARTS["tags"], activation="sigmoid")(penultimate)
    model = keras.Model(clip, {"tags": tags, "max_pool": pools[0], "mean_pool": pools[1],
                               "penultimate": penultimate}, name="musicnn")
    stored = tf.compat.v1.train.NewCheckpointReader(f"{weights()}/")
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([stored.get_tensor(f"{layer.name}/{weight.name}").reshape(weight.shape)
                               for weight in layer.weights])
    return model
