"""The networks of 2021 on every grid, parameter for parameter on the full one."""

import numpy as np
import pytest

from hiphoplib.audio.mel import FULL, QUICK
from hiphoplib.keras_backend import keras
from hiphoplib.models import networks as models
from hiphoplib.models.networks import build_model
from tests.known_models import with_output

ODD = (40, 100)


# as the study of 2021 prints them; the CRNN's is counted by hand
PARAMETERS = {
    "mlp": 21_176_577,
    "cnn1": 2_727_041,
    "cnn2": 2_839_329,
    "rnn": 391_585,
    "crnn": 134_593,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_those_of_2021_and_of_the_crnn(name):
    model = build_model(name, FULL.shape)
    assert model.count_params() == PARAMETERS[name] and model.name == name


@pytest.mark.parametrize("shape", [QUICK.shape, ODD], ids=["quick", "odd"])
@pytest.mark.parametrize("name", PARAMETERS)
def test_every_model_gives_a_probability_on_every_grid(name, shape):
    S = np.random.default_rng(0).normal(0, 1, (3, *shape)).astype(np.float32)
    assert (build_model(name, shape)(S).numpy() == 0.5).all()  # at first
    p = with_output(name, shape)(S).numpy()
    assert p.shape == (3, 1)
    assert ((p >= 0) & (p <= 1)).all()
    assert len(np.unique(p)) == 3  # it looks at the clip


def test_of_percentiles_the_upper_half_is_popular_to_the_metrics():
    percentiles = np.array([[0.1], [0.4], [0.6], [0.9]], np.float32)
    for metric in build_model("mlp", ODD)._compile_metrics._user_metrics:
        metric.update_state(percentiles, np.array([[0.2], [0.7], [0.6], [0.8]], np.float32))
        assert float(metric.result()) == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize(
    "n_mels, frames, steps",
    [(40, 323, 10), (64, 323, 10), (96, 323, 20), (128, 323, 20), (128, 1292, 80)],
)
def test_the_frequency_axis_of_the_rnn_ends_at_one_and_time_goes_on(n_mels, frames, steps):
    model = build_model("rnn", (n_mels, frames))  # on the quick grid two frames are one
    pools = [layer for layer in model.layers if isinstance(layer, keras.layers.MaxPooling2D)]
    assert pools[-1].output.shape[1:3] == (1, steps)
    recurrent = [layer for layer in model.layers if isinstance(layer, keras.layers.GRU)]
    assert recurrent[0].input.shape[1:] == (steps, 128)


def test_on_the_quick_grid_the_rnn_reads_the_mean_of_two_frames():
    model = with_output("rnn", QUICK.shape)
    S = np.random.default_rng(0).normal(0, 1, (2, *QUICK.shape)).astype(np.float32)
    swapped = S.copy()
    swapped[:, :, 100], swapped[:, :, 101] = S[:, :, 101], S[:, :, 100]
    np.testing.assert_allclose(model(swapped), model(S), atol=1e-6)
    swapped[:, :, 101], swapped[:, :, 102] = S[:, :, 102], S[:, :, 101]
    assert np.abs(model(swapped) - model(S)).max() > 1e-5


def test_the_rnn_begins_with_memories_of_every_length():
    for shape, steps in ((QUICK.shape, 10), (FULL.shape, 80)):
        for layer in build_model("rnn", shape).layers:
            if isinstance(layer, keras.layers.GRU):
                stays = np.exp(layer.get_weights()[2][0, :32])
                assert stays.min() >= 1 and steps / 2 < stays.max() <= steps
                assert (layer.get_weights()[2][0, 32:] == 0).all()


def test_the_crnn_reads_40_steps():
    layers = build_model("crnn", FULL.shape).layers
    recurrent = next(layer for layer in layers if "bidirectional" in layer.name)
    assert recurrent.input.shape[1:] == (1292 // 32, 128)


def test_the_rnn_learns_the_full_grid_in_halves_of_a_batch_and_all_else_in_whole_ones():
    at_once = {
        (name, grid.name): models.clips_a_step(build_model(name, grid.shape))
        for name in PARAMETERS
        for grid in (QUICK, FULL)
    }
    assert at_once.pop(("rnn", "full")) == models.BATCH // 4
    assert set(at_once.values()) == {models.BATCH}


def test_parts_of_a_batch_teach_what_the_whole_batch_does(monkeypatch):
    rng = np.random.default_rng(0)
    S = rng.normal(0, 1, (2 * models.BATCH, *ODD)).astype(np.float32)
    popular = rng.integers(0, 2, (len(S), 1)).astype(np.float32)

    def learnt():
        keras.utils.set_random_seed(0)
        model = build_model("mlp", ODD)
        before = model.get_weights()
        step = models.clips_a_step(model)
        for start in range(0, len(S), step):
            model.train_on_batch(S[start : start + step], popular[start : start + step])
        return step, before, model.get_weights()

    monkeypatch.setitem(models.LEARNING_RATE, "mlp", 1e-3)
    whole, before, weights = learnt()
    monkeypatch.setitem(models.AT_ONCE, "mlp", 2 * ODD[0] * ODD[1])
    part, same_before, others = learnt()
    assert (whole, part) == (16, 2)
    for first, second, begin, same in zip(weights, others, before, same_before, strict=True):
        np.testing.assert_array_equal(begin, same)
        assert np.abs(first - begin).max() > 1e-4
        np.testing.assert_allclose(first, second, atol=1e-5)


@pytest.mark.parametrize("name", ["mlp", "cnn1", "cnn2"])
def test_spread_out_layers_tell_clips_apart_from_the_beginning(name):
    S = np.random.default_rng(0).normal(0, 1, (16, *ODD)).astype(np.float32)
    model = build_model(name, ODD)
    hidden = keras.Model(model.input, model.layers[-1].input)
    before = hidden(S).numpy().std(axis=0).mean()
    models.spread_out(model, S)
    assert hidden(S).numpy().std(axis=0).mean() > max(0.3, before)
    assert (model(S).numpy() == 0.5).all()
    normalised = build_model("crnn", ODD)
    weights = normalised.get_weights()
    models.spread_out(normalised, S)
    for one, other in zip(weights, normalised.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
