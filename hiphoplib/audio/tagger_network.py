"""The network of musicnn with the weights of its authors, see `hiphoplib.audio.tagger`."""

from functools import cache

from hiphoplib.audio.tagger import N_MELS, PARTS, WINDOW, weights
from hiphoplib.keras_backend import keras, tf

layers = keras.layers

EPSILON = 1e-3


@cache
def tagger():
    """The network with its weights.

    Returns
    -------
    keras.Model
        From windows [shape=(n, 187, 96)] to a dict of arrays: ``tags`` (n, 50), ``max_pool`` and
        ``mean_pool`` (n, 753), ``penultimate`` (n, 200).

    Raises
    ------
    BadInput
        If the package with the weights is not installed.
    """
    model, read = _network(), _checkpoint()
    for layer in model.layers:
        if layer.weights:
            names = [f"{layer.name}/{weight.name}" for weight in layer.weights]
            layer.set_weights([read(name).reshape(weight.shape)
                               for name, weight in zip(names, layer.weights)])
    return model


@cache
def compiled_tagger():
    """Return the network as one compiled function of windows [shape=(n, 187, 96)].

    It takes 0.7 times as long as the network called layer by layer. Windows of several clips at
    once are no faster, and take more memory.
    """
    network = tagger()
    windows = tf.TensorSpec((None, WINDOW, N_MELS), tf.float32)
    return tf.function(lambda clip: network(clip, training=False), input_signature=[windows])


def _checkpoint():
    """A function from the name of a variable to its value, np.ndarray."""
    return tf.compat.v1.train.NewCheckpointReader(f"{weights()}/").get_tensor


def _network():
    """The tagger without weights; layers are named as in its checkpoint."""
    clip = keras.Input((WINDOW, N_MELS))
    x = layers.Reshape((WINDOW, N_MELS, 1))(clip)
    x = _normalised(x, 0)
    padded = layers.ZeroPadding2D(((3, 3), (0, 0)))(x)  # in time only: frequency is pooled away
    front = [_front(padded, 0, 204, (7, 38), "valid"), _front(padded, 1, 204, (7, 67), "valid")]
    front += [_front(x, 2 + n, 51, (length, 1), "same") for n, length in enumerate((128, 64, 32))]
    front = layers.Concatenate()(front)
    maps = [front, _middle(front, 5)]
    for number in (6, 7):
        maps.append(layers.Add()([_middle(maps[-1], number), maps[-1]]))
    maps = layers.Concatenate()(maps)
    max_pool = layers.GlobalMaxPooling1D()(maps)
    mean_pool = layers.GlobalAveragePooling1D()(maps)
    pooled = layers.Concatenate()([layers.Reshape((PARTS["max_pool"], 1))(pool)
                                   for pool in (max_pool, mean_pool)])
    x = _normalised(layers.Flatten()(pooled), 9)  # a channel's maximum, its mean, the next one's
    x = layers.Dense(PARTS["penultimate"], activation="relu", name="dense")(x)
    penultimate = _normalised(x, 10)
    tags = layers.Dense(PARTS["tags"], activation="sigmoid", name="dense_1")(penultimate)
    return keras.Model(clip, {"tags": tags, "max_pool": max_pool, "mean_pool": mean_pool,
                              "penultimate": penultimate}, name="musicnn")


def _front(x, number, filters, kernel, padding):
    """A convolution over time and frequency whose maximum over all frequencies is kept."""
    x = layers.Conv2D(filters, kernel, padding=padding, activation="relu",
                      name=_numbered("conv2d", number))(x)
    x = _normalised(x, number + 1)
    x = layers.MaxPooling2D((1, x.shape[2]))(x)
    return layers.Reshape((WINDOW, filters))(x)


def _middle(x, number):
    """A convolution over 7 frames of all channels."""
    x = layers.Conv1D(64, 7, padding="same", activation="relu",
                      name=_numbered("conv2d", number))(x)
    return _normalised(x, number + 1)


def _normalised(x, number):
    return layers.BatchNormalization(epsilon=EPSILON,
                                     name=_numbered("batch_normalization", number))(x)


def _numbered(name, number):
    """TensorFlow 1's name of the layer of that number."""
    return f"{name}_{number}" if number else name
