"""musicnn, music taggers trained by others on up to 200,000 songs, as a source of features.

Pons & Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging",
ISMIR 2019 late-breaking. The weights (ISC licence) are read from the authors' package on PyPI;
its own code needs a TensorFlow that is long gone and is not run.
"""

from collections.abc import Sequence
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
VGG_PARTS = {"tags": 50, "pool5": 256}
VGG = "MSD_vgg", "MTT_vgg"  # trained on the Million Song Dataset, and on MagnaTagATune
SUMMARIES = [
    f"{part}{n}_{over}"
    for over in ("mean", "std")
    for part, size in PARTS.items()
    for n in range(size)
]
VGG_SUMMARIES = [
    f"{network}_{part}{n}_mean"
    for network in VGG
    for part, size in VGG_PARTS.items()
    for n in range(size)
]


def weights(network: str = "MSD_musicnn") -> Path:
    """Return the folder with the weights of a network.

    Parameters
    ----------
    network : str
        One of the package's four.

    Returns
    -------
    Path

    Raises
    ------
    BadInput
        If the package that holds them is not installed.
    """
    try:
        return Path(str(distribution("musicnn").locate_file(f"musicnn/{network}")))
    except PackageNotFoundError:
        raise BadInput(
            f"musicnn: its weights are not installed; install them with `{INSTALL}`"
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


def inside(starts: Sequence[float], seconds: float) -> list[slice]:
    """Return which of a stretch's tagger windows lie in longer windows of it.

    Parameters
    ----------
    starts : sequence of float, in s
        Of the longer windows in the stretch.
    seconds : float
        Their length.

    Returns
    -------
    list of slice
    """
    length = WINDOW * HOP / SR
    return [
        slice(
            first := int(np.ceil(start / length - 1e-6)),
            max(first + 1, int((start + seconds) / length)),
        )
        for start in starts
    ]


def window_outputs(clip: np.ndarray) -> np.ndarray:
    """Return all outputs of the tagger for each window.

    Parameters
    ----------
    clip : np.ndarray [shape=(windows, 187, 96)]

    Returns
    -------
    np.ndarray [shape=(windows, outputs)], float32
    """
    return _outputs("MSD_musicnn", clip, PARTS)


def over_windows(outputs: np.ndarray) -> np.ndarray:
    """Return mean and standard deviation of the tagger's outputs over windows.

    Parameters
    ----------
    outputs : np.ndarray [shape=(windows, outputs)]

    Returns
    -------
    np.ndarray [shape=(len(SUMMARIES),)]
    """
    return np.concatenate([outputs.mean(axis=0), outputs.std(axis=0)])


def vgg_outputs(clip: np.ndarray) -> np.ndarray:
    """Return all outputs of the two smaller networks for each window.

    Parameters
    ----------
    clip : np.ndarray [shape=(windows, 187, 96)]

    Returns
    -------
    np.ndarray [shape=(windows, outputs)], float32
    """
    return np.hstack([_outputs(network, clip, VGG_PARTS) for network in VGG])


def band_centres() -> np.ndarray:
    """Return the centre of each mel band, in Hz, np.ndarray [shape=(96,)]."""
    return librosa.mel_frequencies(N_MELS + 2, fmax=SR / 2)[1:-1]


def _outputs(network, clip, parts):
    """Outputs of a network [shape=(windows, outputs)]."""
    outputs = _tagger(network).predict_on_batch(clip)  # several clips at once are no faster
    return np.concatenate([outputs[part] for part in parts], axis=1)


@cache
def _tagger(network: str = "MSD_musicnn"):
    """A network, from windows to a dict of its parts; layers are named as in the checkpoint."""
    from hiphoplib.keras_backend import keras, tf

    clip = keras.Input((WINDOW, N_MELS))
    x = _normalised(keras.layers.Reshape((WINDOW, N_MELS, 1))(clip), 0)
    build = _musicnn if network.endswith("musicnn") else _vgg
    model = keras.Model(clip, build(x), name=network)
    stored = tf.compat.v1.train.NewCheckpointReader(f"{weights(network)}/")
    for layer in model.layers:
        if layer.weights:
            name = layer.name.removeprefix("conv_")
            layer.set_weights(
                [
                    stored.get_tensor(f"{name}/{weight.name}").reshape(weight.shape)
                    for weight in layer.weights
                ]
            )
    return model


def _named(kind, number, *args, **options):
    """A layer with the name that TensorFlow 1 gave it."""
    from hiphoplib.keras_backend import keras

    # which counted convolutions of any dimension together
    name = {
        "Conv1D": "conv2d",
        "Conv2D": "conv2d",
        "Dense": "dense",
        "BatchNormalization": "batch_normalization",
    }[kind]
    options.setdefault("name", f"{name}_{number}".removesuffix("_0"))
    return getattr(keras.layers, kind)(*args, **options)


def _normalised(x, number):
    return _named("BatchNormalization", number, epsilon=1e-3)(x)


def _musicnn(x):
    """Outputs of a network with wide and tall filters, from normalised windows."""
    from hiphoplib.keras_backend import keras

    layers = keras.layers

    def front(x, number, filters, kernel, padding):
        """A convolution over time and frequency; the maximum over all frequencies is kept."""
        x = _named("Conv2D", number, filters, kernel, padding=padding, activation="relu")(x)
        x = _normalised(x, number + 1)
        x = layers.MaxPooling2D((1, x.shape[2]))(x)
        return layers.Reshape((WINDOW, filters))(x)

    def middle(x, number):
        """A convolution over 7 frames of all channels."""
        x = _named("Conv1D", number, 64, 7, padding="same", activation="relu")(x)
        return _normalised(x, number + 1)

    padded = layers.ZeroPadding2D(((3, 3), (0, 0)))(x)  # in time only: frequency is pooled away
    maps = layers.Concatenate()(
        [
            front(padded, 0, 204, (7, 38), "valid"),
            front(padded, 1, 204, (7, 67), "valid"),
            *(front(x, 2 + n, 51, (length, 1), "same") for n, length in enumerate((128, 64, 32))),
        ]
    )
    maps = [maps, middle(maps, 5)]
    for number in (6, 7):
        maps.append(layers.Add()([middle(maps[-1], number), maps[-1]]))
    maps = layers.Concatenate()(maps)
    pools = layers.GlobalMaxPooling1D()(maps), layers.GlobalAveragePooling1D()(maps)
    x = layers.Concatenate()([layers.Reshape((maps.shape[-1], 1))(pool) for pool in pools])
    x = _normalised(layers.Flatten()(x), 9)  # a channel's maximum, its mean, the next one's
    x = _named("Dense", 0, 200, activation="relu")(x)
    penultimate = _normalised(x, 10)
    tags = _named("Dense", 1, 50, activation="sigmoid")(penultimate)
    return {"tags": tags, "max_pool": pools[0], "mean_pool": pools[1], "penultimate": penultimate}


def _vgg(x):
    """Outputs of a network with five small convolutions, from normalised windows."""
    from hiphoplib.keras_backend import keras

    pools = ((4, 1), 2), ((2, 2), 2), ((2, 2), 2), ((2, 2), 2), ((4, 4), 4)  # size, stride
    for number, (size, stride) in enumerate(pools, start=1):
        x = _named(
            "Conv2D", number, 128, 3, padding="same", activation="relu", name=f"conv_{number}CNN"
        )(x)
        x = keras.layers.MaxPooling2D(size, stride)(_normalised(x, number))
    pool5 = keras.layers.Flatten()(x)
    return {"tags": _named("Dense", 0, 50, activation="sigmoid")(pool5), "pool5": pool5}
