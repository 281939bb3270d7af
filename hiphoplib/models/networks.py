"""The networks of 2021 and the CRNN: functions ``build(input_shape) -> keras.Model`` by name.

On the `FULL` grid each has the parameters of the 2021 study, number for number; on another grid
the pools shrink to what the input offers.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from hiphoplib.audio.mel import QUICK
from hiphoplib.keras_backend import keras

layers = keras.layers

Shape = tuple[int, ...]
MAX_BYTES = 2**30  # of a network's file, unpacked too: the largest of 2021 has a quarter of that
VERSION = 5  # of networks and runs: those of another one are trained again
LEARNING_RATE = {"mlp": 1e-4}  # of Adam; at its default, steps of the MLP are too long
DEFAULT_RATE = 1e-3
AVERAGED = 2  # epochs: the mean weights of about so many count, whose loss jumps less
START = "zeros"  # of the output layer's weights: every clip's probability begins at one half
BATCH = 16  # clips that a change of the weights is learnt from
MOMENTUM = 0.9  # of moving means; at 0.99 an epoch of a few hundred clips is too short for them
AT_ONCE = {"rnn": 4 * 128 * 1292}  # bins of them that are in memory at once, where not all are


@dataclass(frozen=True)
class Augment:
    """Makes other training clips of those that are there; what it is worth: `training_choices`.

    Parameters
    ----------
    mixup : float
        Each clip becomes a mean of two, with weights drawn from Beta(mixup, mixup), and so does its
        label (Zhang, Cisse, Dauphin & Lopez-Paz, ICLR 2018). 0 leaves it as it is.
    masks : int
        So many stretches of time and as many of bands, an eighth of the clip each at most, are set
        to the training mean (SpecAugment: Park et al., Interspeech 2019).
    """

    mixup: float = 0.0
    masks: int = 0

    def __call__(
        self, clips: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return other clips [shape=(n, n_mels, frames)] and labels [shape=(n, 1)].

        Parameters
        ----------
        clips, labels : np.ndarray, of the same shapes; stay as they are
        rng : np.random.Generator

        Returns
        -------
        clips, labels : np.ndarray
        """
        clips = clips.copy()
        if self.mixup:
            share = rng.beta(self.mixup, self.mixup, (len(clips), 1)).astype(np.float32)
            other = rng.permutation(len(clips))
            clips = share[..., None] * clips + (1 - share[..., None]) * clips[other]
            labels = share * labels + (1 - share) * labels[other]
        for clip in clips:
            for side in (clip, clip.T) * self.masks:  # bands and frames, of the same memory
                width = rng.integers(len(side) // 8 + 1)
                start = rng.integers(len(side) - width + 1)
                side[start : start + width] = 0
        return clips, labels


AUGMENT = {"mlp": Augment(mixup=0.4), "crnn": Augment(mixup=0.4, masks=1)}


def build_model(name: str, input_shape: Shape) -> keras.Model:
    """Build and compile a network, which gives the probability that a clip is popular.

    Parameters
    ----------
    name : str, in `NETWORKS`
    input_shape : (n_mels, frames), of standardised spectrograms

    Returns
    -------
    keras.Model
    """
    model = NETWORKS[name](input_shape)
    parts = 1
    while BATCH // parts * math.prod(input_shape) > AT_ONCE.get(name, math.inf) and parts < BATCH:
        parts *= 2
    optimizer = keras.optimizers.Adam(
        LEARNING_RATE.get(name, DEFAULT_RATE),
        gradient_accumulation_steps=parts if parts > 1 else None,
        use_ema=True,
    )
    model.compile(
        optimizer=optimizer,
        loss="binary_crossentropy",
        metrics=[
            keras.metrics.MeanMetricWrapper(_accuracy, name="accuracy"),
            _HalvedAUC(name="auc"),
        ],
    )
    return model


def spread_out(model: keras.Model, clips: np.ndarray) -> None:
    """Scale the first weights so that each hidden layer tells clips apart, as a deep one does not.

    What every layer gives before its activation gets mean 0 and deviation 1 in each channel
    (Salimans & Kingma, "Weight normalization", NeurIPS 2016, without the normalization). Layers
    that are normalised anyway have no bias, or an activation of their own, and stay.

    Parameters
    ----------
    model : keras.Model, newly built
    clips : np.ndarray [shape=(n, n_mels, frames)], standardised
    """
    for layer in model.layers[:-1]:
        if getattr(layer, "activation", None) is keras.activations.relu:
            layer.activation = keras.activations.linear
            out = keras.Model(model.input, layer.output)(clips, training=False).numpy()
            layer.activation = keras.activations.relu
            kernel, bias = layer.get_weights()
            out = out.reshape(-1, out.shape[-1])
            mean, deviation = out.mean(axis=0), out.std(axis=0) + keras.config.epsilon()
            layer.set_weights([kernel / deviation, (bias - mean) / deviation])


def _accuracy(y_true, y_pred):
    """Share of clips on the right side of one half, where labels may be percentiles."""
    return keras.metrics.binary_accuracy(keras.ops.cast(y_true >= 0.5, "float32"), y_pred)


class _HalvedAUC(keras.metrics.AUC):
    """AUC of labels that may be percentiles: the upper half is popular."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count clips."""
        return super().update_state(y_true >= 0.5, y_pred, sample_weight)


def _probability(x):
    """Output of a network, the same for every clip at first.

    From random weights each clip begins with another one, by chance; the MLP, which has 20,000
    inputs and some hundred clips, never loses that: a validation loss of 0.75 and more.
    """
    return layers.Dense(1, activation="sigmoid", kernel_initializer=START)(x)


def load_network(name: str, shape: Shape, path: Path | str) -> keras.Model:
    """Build a network by this project's code, with the weights of a ``.keras`` file.

    Nothing but numbers is read from the file: no code in it can run, and one that another version
    of Keras has written can be read, too.

    Parameters
    ----------
    name : str, in `NETWORKS`
    shape : (n_mels, frames)
    path : path-like

    Returns
    -------
    keras.Model

    Raises
    ------
    ValueError, OSError, KeyError, BadZipFile, UserWarning
        If the file is damaged, or of another network.
    """
    with ZipFile(path) as file:
        if sum(member.file_size for member in file.infolist()) > MAX_BYTES:
            raise ValueError(f"{path}: unpacks to more than a network has")
    model = NETWORKS[name](tuple(shape))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # of layers that stay as they were
        model.load_weights(path)
    return model


def clips_a_step(model: keras.Model) -> int:
    """Return how many clips go through a compiled network at once: a batch, or a part of one.

    The gradients of the parts are added up: the network learns the same from them, in less memory.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    int
    """
    return BATCH // (model.optimizer.gradient_accumulation_steps or 1)


def _mlp(input_shape):
    """Multilayer perceptron on every bin of the spectrogram."""
    clip = keras.Input(input_shape)
    x = layers.Flatten()(clip)
    x = layers.Dense(128, activation="relu")(x)
    x = layers.Dense(64, activation="relu")(x)
    return keras.Model(clip, _probability(x), name="mlp")


def _cnn(input_shape, name, filters, kernels):
    """Four convolutions, with pools that shorten time faster than frequency, and dense layers."""
    clip = keras.Input(input_shape)
    x = layers.Reshape((*input_shape, 1))(clip)
    for n_filters, kernel, pool in zip(filters, kernels, ((2, 4), (2, 4), (2, 2), (2, 2))):
        x = layers.Conv2D(n_filters, kernel, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D([min(pool[0], x.shape[1]), min(pool[1], x.shape[2])])(x)
    x = layers.Flatten()(x)
    for units in (128, 64):
        x = layers.Dense(units, activation="relu")(x)
        x = layers.Dropout(0.3)(x)
    return keras.Model(clip, _probability(x), name=name)


def _rnn(input_shape):
    """Recurrent network behind a convolutional front end, which reads in time order.

    The pools bring the frequency axis to 1, so that the two GRUs see 128 channels a step
    (the convolutional recurrent network of Choi, Fazekas, Sandler & Cho, ICASSP 2017). On the
    `QUICK` grid and smaller ones it reads the mean of every two frames, which halves its price, and
    normalises its channels as that network does: without, it does not begin to learn from 600
    clips.
    """
    clip = keras.Input(input_shape)
    x = layers.Reshape((*input_shape, 1))(clip)
    quick = math.prod(input_shape) <= math.prod(QUICK.shape)
    if quick:
        x = layers.AveragePooling2D((1, 2))(x)
    for filters, pool in zip((64, 128, 128, 128), _pools_to_one(input_shape[0])):
        x = layers.Conv2D(filters, 3, padding="same")(x)
        x = layers.BatchNormalization(momentum=MOMENTUM)(x) if quick else x
        x = layers.ELU()(x)
        x = layers.MaxPooling2D((pool, 2))(x)
        x = layers.Dropout(0.1)(x)
    x = layers.Reshape((-1, 128))(x)
    remember = _Remember(x.shape[1])
    x = layers.GRU(32, return_sequences=True, bias_initializer=remember)(x)
    x = layers.GRU(32, bias_initializer=remember)(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(clip, _probability(x), name="rnn")


class _Remember(keras.initializers.Initializer):
    """Biases of a GRU whose units begin with memories of one step to all of them.

    From zeros each step would halve what is remembered, and of the beginning of a clip nothing
    would be left (Tallec & Ollivier, "Can recurrent neural networks warp time?", ICLR 2018).
    """

    def __init__(self, steps):
        self.steps = steps

    def __call__(self, shape, dtype=None):
        """Return biases [shape=(2, 3 * units)], of which the first gate says how much stays."""
        units = shape[-1] // 3
        spans = keras.random.uniform((units,), 1, max(2, self.steps - 1), dtype)
        rest = keras.ops.zeros((shape[-1] - units,), dtype)
        return keras.ops.stack(
            [
                keras.ops.concatenate([keras.ops.log(spans), rest]),
                keras.ops.zeros((shape[-1],), dtype),
            ]
        )

    def get_config(self):
        """Return what a saved network says of it."""
        return {"steps": self.steps}


def _crnn(input_shape):
    """Recurrent network that a laptop can train: a frame's bands are channels.

    Convolutions run over time only, so that a layer is a product of matrices; the pools leave a
    thirty-second of the frames to the GRU, whose output is averaged over the clip.
    """
    clip = keras.Input(input_shape)
    x = layers.Permute((2, 1))(clip)
    for filters, pool in ((64, 4), (64, 4), (128, 2)):
        x = layers.Conv1D(filters, 5, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=MOMENTUM)(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling1D(pool)(x)
    x = layers.Bidirectional(layers.GRU(32, return_sequences=True))(x)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(clip, _probability(x), name="crnn")


def _pools_to_one(n_mels):
    """Four frequency pools whose product is `n_mels`, (2, 4, 4, 4) for 128 bands."""
    pools = []
    for pool in (2, 4, 4):
        pools.append(min(pool, n_mels))
        n_mels //= pools[-1]
    return (*pools, n_mels)


NETWORKS: dict[str, Callable[[Shape], keras.Model]] = {
    "mlp": _mlp,
    "cnn1": partial(_cnn, name="cnn1", filters=(16, 32, 64, 128), kernels=[(3, 3)] * 4),
    # longer in time than in frequency
    "cnn2": partial(_cnn, name="cnn2", filters=(32, 64, 128, 128), kernels=[(2, 3)] * 3 + [(3, 3)]),
    "rnn": _rnn,
    "crnn": _crnn,
}
