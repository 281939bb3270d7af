"""The networks of 2021 on every grid, parameter for parameter on the full one."""

import json
from inspect import signature
from itertools import pairwise

import numpy as np
import pytest

from hiphoplib.audio.mel import FULL, QUICK
from hiphoplib.keras_backend import keras
from hiphoplib.models import networks as models
from hiphoplib.models.networks import NETWORKS, build_model
from tests.paths import ROOT

NAMES = ["mlp", "cnn1", "cnn2", "rnn", "crnn"]
ODD = (40, 100)
VARIANTS = json.loads((ROOT / "notebooks/results/crnn_search.json").read_text())["variants"]


def dense_layers(units):
    """Return the parameters of dense layers in a row, the input size first."""
    return sum((n_in + 1) * n_out for n_in, n_out in pairwise(units))


def convolutions(channels, kernel_sizes):
    """Return the parameters of convolutions in a row, the input's channels first."""
    return sum((size * n_in + 1) * n_out
               for (n_in, n_out), size in zip(pairwise(channels), kernel_sizes, strict=True))


# pools of (2,4) (2,4) (2,2) (2,2): 128 bands end at 8, 1292 frames at 323, 80, 40, 20
CNN_FLAT = 8 * 20 * 128
HEAD = dense_layers([CNN_FLAT, 128, 64, 1])
# a convolution without bias and four numbers a filter of batch normalisation; a GRU of 32 each way
# has three gates with two biases each
CRNN = (sum(5 * n_in * n_out + 4 * n_out for n_in, n_out in pairwise([128, 64, 64, 128]))
        + 2 * 3 * 32 * (128 + 32 + 2) + dense_layers([64, 1]))
PARAMETERS = {
    "mlp": 21_176_577,
    "cnn1": convolutions([1, 16, 32, 64, 128], [9] * 4) + HEAD,
    "cnn2": convolutions([1, 32, 64, 128, 128], [6] * 3 + [9]) + HEAD,
    "rnn": 391_585,
    "crnn": CRNN,
}


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_2021_and_of_the_crnn(name):
    assert build_model(name, FULL.shape).count_params() == PARAMETERS[name]


def test_the_crnn_is_the_variant_that_its_search_kept():
    plain = {name: argument.default for name, argument in signature(models.crnn).parameters.items()
             if argument.default is not argument.empty}
    same = [name for name, settings in VARIANTS.items() if plain | settings == plain]
    assert same == ["crnn-dropout"]


@pytest.mark.parametrize("shape", [QUICK.shape, ODD], ids=["quick", "odd"])
@pytest.mark.parametrize("name", NAMES)
def test_every_model_gives_a_probability_on_every_grid(name, shape):
    S = np.random.default_rng(0).normal(0, 1, (3, *shape)).astype(np.float32)
    p = build_model(name, shape)(S).numpy()
    assert p.shape == (3, 1)
    assert ((p >= 0) & (p <= 1)).all()
    assert len(np.unique(p)) == 3  # it looks at the clip


@pytest.mark.parametrize("n_mels", [40, 64, 96, 128])
def test_the_frequency_axis_of_the_rnn_ends_at_one_and_time_goes_on(n_mels):
    model = build_model("rnn", (n_mels, 323))
    pools = [layer for layer in model.layers if isinstance(layer, keras.layers.MaxPooling2D)]
    steps = (161 if n_mels == 64 else 323) // 16  # on the quick grid two frames are one
    assert pools[-1].output.shape[1:3] == (1, steps)
    recurrent = [layer for layer in model.layers if isinstance(layer, keras.layers.GRU)]
    assert recurrent[0].input.shape[1:] == (steps, 128)


def test_on_the_quick_grid_the_rnn_reads_the_mean_of_two_frames():
    model = build_model("rnn", QUICK.shape)
    S = np.random.default_rng(0).normal(0, 1, (2, *QUICK.shape)).astype(np.float32)
    swapped = S.copy()
    swapped[:, :, 100], swapped[:, :, 101] = S[:, :, 101], S[:, :, 100]
    np.testing.assert_allclose(model(swapped), model(S), atol=1e-6)
    swapped[:, :, 101], swapped[:, :, 102] = S[:, :, 102], S[:, :, 101]
    assert np.abs(model(swapped) - model(S)).max() > 1e-5
    assert model.count_params() == build_model("rnn", FULL.shape).count_params()


def test_the_rnn_reads_80_steps_on_the_full_grid():
    model = build_model("rnn", FULL.shape)
    first = next(layer for layer in model.layers if isinstance(layer, keras.layers.GRU))
    assert first.input.shape[1:] == (80, 128)


def test_the_crnn_has_a_third_of_the_rnns_parameters_and_reads_40_steps():
    model = build_model("crnn", FULL.shape)
    assert 0.3 < model.count_params() / PARAMETERS["rnn"] < 0.37
    recurrent = next(layer for layer in model.layers if "bidirectional" in layer.name)
    assert recurrent.input.shape[1:] == (1292 // 32, 128)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_variants_of_the_search_are_networks_of_the_same_kind(name):
    model = models.crnn(ODD, **VARIANTS[name])
    assert model(np.zeros((2, *ODD), np.float32)).shape == (2, 1)
    assert ("bidirectional" in str([layer.name for layer in model.layers])) == (name != "crnn-conv")


def test_the_registry_holds_models_under_their_own_names():
    assert set(NAMES) <= set(NETWORKS)
    for name in NAMES:
        assert build_model(name, ODD).name == name


def test_the_rnn_learns_the_full_grid_in_halves_of_a_batch_and_all_else_in_whole_ones():
    at_once = {(name, grid.name): models.clips_a_step(build_model(name, grid.shape))
               for name in NAMES for grid in (QUICK, FULL)}
    assert at_once.pop(("rnn", "full")) == models.BATCH // 2
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
        model.fit(S, popular, batch_size=step, shuffle=False, verbose=0)
        return step, before, model.get_weights()

    whole, before, weights = learnt()
    monkeypatch.setitem(models.AT_ONCE, "mlp", 2 * ODD[0] * ODD[1])
    part, same_before, others = learnt()
    assert (whole, part) == (8, 2)
    for first, second, begin, same in zip(weights, others, before, same_before, strict=True):
        np.testing.assert_array_equal(begin, same)
        assert np.abs(first - begin).max() > 1e-4
        np.testing.assert_allclose(first, second, atol=1e-5)
