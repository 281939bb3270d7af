"""Models whose reasons are known, for tests of explanations."""

from types import SimpleNamespace

import numpy as np

from hiphoplib.audio.mel import QUICK
from hiphoplib.explanation.segments import SegmentGrid

GRID = SegmentGrid(QUICK)
BAND_MEAN = np.linspace(-10, -40, QUICK.n_mels)
SLOPE = 15  # dB


def segments(*names):
    """Return a bool map [shape=(n_bands, n_segments)] of (band, stretch) pairs."""
    planted = np.zeros(GRID.shape, dtype=bool)
    for band, stretch in names:
        planted[band, stretch] = True
    return planted


def level_model(planted, sign=1):
    """Return a model that depends only on the mean level of the planted segments."""
    inside = planted.ravel()[GRID.labels()]

    def predict(batch):
        return 1 / (1 + np.exp(-sign * (batch[:, inside].mean(axis=1) + 30) / SLOPE))

    def gradient(batch):
        p = predict(batch)
        return (sign * p * (1 - p) / SLOPE / inside.sum())[:, None, None] * inside

    return SimpleNamespace(predict=predict, gradient=gradient)


def constant_model():
    """Return a model that always says the same."""
    return SimpleNamespace(
        predict=lambda batch: np.full((len(batch), 1), 0.7), gradient=np.zeros_like
    )


def noise_model():
    """Return a model whose output changes with every input, for no reason."""
    return SimpleNamespace(
        predict=lambda batch: batch.sum(axis=(1, 2), dtype=np.float64) * 7.31 % 1,
        gradient=np.zeros_like,
    )


def loud_clip():
    """Return the spectrogram of a clip that is louder than the training mean, in dB."""
    rng = np.random.default_rng(0)
    return (BAND_MEAN[:, None] + 12 + rng.normal(0, 4, QUICK.shape)).astype(np.float32)


def with_output(name, shape):
    """Return a new network that scores every clip differently: by itself it begins at one half."""
    from hiphoplib.models.networks import build_model

    model = build_model(name, shape)
    kernel = model.layers[-1].kernel
    kernel.assign(np.linspace(-1, 1, kernel.shape[0], dtype=np.float32)[:, None])
    return model


def untrained(name, mel_grid):
    """Return a run of a new network, for spectrograms of a grid."""
    from hiphoplib.models.training import Run, Scaler

    scaler = Scaler(np.full(mel_grid.n_mels, -40.0), np.full(mel_grid.n_mels, 20.0))
    card = {"model": name, "grid": {"name": mel_grid.name, "shape": list(mel_grid.shape)}}
    return Run(with_output(name, mel_grid.shape), scaler, card)
