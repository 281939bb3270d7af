"""The state of a training on disk: whole, of this training, or none."""

import errno
import signal

import numpy as np
import pytest

from hiphoplib.keras_backend import keras
from hiphoplib.models.checkpoint import CHECKPOINT, Checkpoint

SETTINGS = {"model": "tiny", "seed": 0}


def tiny(units=60):
    """Return a compiled network with a dropout, whose random numbers are part of its state."""
    layers = keras.layers
    model = keras.Sequential([keras.Input((50,)), layers.Dense(units), layers.Dropout(0.5),
                              layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy")
    return model


def learn(model):
    x = np.random.default_rng(0).normal(size=(32, 50))
    model.fit(x, x[:, :1] > 0, shuffle=False, verbose=0)


def state(model):
    return [variable.numpy() for variable in [*model.variables, *model.optimizer.variables]]


@pytest.fixture
def begun(tmp_path):
    """Return a model after two epochs, the second one no better, and its checkpoint."""
    model = tiny()
    checkpoint = Checkpoint(tmp_path, model, SETTINGS)
    for epoch, loss in enumerate((0.5, 0.6)):
        learn(model)
        checkpoint.keep({"epoch": epoch, "val_loss": loss})
    return model, checkpoint


def test_all_that_the_next_epoch_depends_on_comes_back(begun, tmp_path):
    again = tiny()
    checkpoint = Checkpoint(tmp_path, again, SETTINGS)
    for kept, value in zip(state(begun[0]), state(again), strict=True):
        np.testing.assert_array_equal(kept, value)
    assert checkpoint.history == begun[1].history
    for model in (begun[0], again):
        learn(model)
    for kept, value in zip(state(begun[0]), state(again), strict=True):
        np.testing.assert_array_equal(kept, value)


def test_the_best_weights_are_those_of_the_lowest_loss(begun, tmp_path):
    best = Checkpoint(tmp_path, tiny(), SETTINGS).best
    now = begun[0].get_weights()
    assert all((a != b).any() for a, b in zip(best, now, strict=True))
    for kept, value in zip(begun[1].best, best, strict=True):
        np.testing.assert_array_equal(kept, value)


@pytest.mark.parametrize("settings", [SETTINGS | {"seed": 1}, {}])
def test_one_of_other_settings_is_not_taken_up(begun, tmp_path, settings):
    checkpoint = Checkpoint(tmp_path, tiny(), settings)
    assert checkpoint.history == [] and checkpoint.best is None


@pytest.mark.parametrize("length", [0, 100, 9_000])
def test_a_damaged_one_is_not_taken_up(begun, tmp_path, length):
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:length])
    assert Checkpoint(tmp_path, tiny(), SETTINGS).history == []


def test_one_of_a_network_of_another_size_is_not_taken_up(begun, tmp_path):
    model = tiny(units=61)
    before = state(model)
    assert Checkpoint(tmp_path, model, SETTINGS).history == []
    for kept, value in zip(before, state(model)[:len(before)], strict=True):
        np.testing.assert_array_equal(kept, value)


def test_a_full_disk_names_the_file_and_leaves_the_epoch_before(begun, tmp_path):
    resource = pytest.importorskip("resource")  # not there on Windows
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
        with pytest.raises(OSError) as error:
            begun[1].keep({"epoch": 2, "val_loss": 0.4})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert error.value.errno == errno.EFBIG
    assert error.value.filename == str(tmp_path / CHECKPOINT)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    assert len(Checkpoint(tmp_path, tiny(), SETTINGS).history) == 2


def test_nothing_is_kept_without_a_folder():
    checkpoint = Checkpoint(None, tiny(), SETTINGS)
    checkpoint.keep({"epoch": 0, "val_loss": 0.5})
    assert checkpoint.path is None and len(checkpoint.best) == 4
