"""Occlusion and integrated gradients, on models whose reasons are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from hiphoplib.audio.mel import QUICK
from hiphoplib.explanation.lime import integrated_gradients, occlusion
from hiphoplib.explanation.segments import compose, fillings
from tests.known_models import BAND_MEAN, GRID, cells, constant_model, level_model

PLANTED = cells((3, 4), (0, 1))


@pytest.fixture(scope="module")
def S_db():
    rng = np.random.default_rng(0)
    return (BAND_MEAN[:, None] + 12 + rng.normal(0, 4, QUICK.shape)).astype(np.float32)


@pytest.mark.parametrize("witness", [occlusion, integrated_gradients])
def test_only_what_matters_has_a_weight(S_db, witness):
    for sign in (1, -1):
        maps = witness(level_model(PLANTED, sign), S_db, GRID, fillings(BAND_MEAN))
        assert maps.shape == (2, *GRID.shape)
        assert (sign * maps[:, PLANTED] > 0.01).all()
        assert np.allclose(maps[:, ~PLANTED], 0, atol=1e-7)
    assert np.allclose(witness(constant_model(), S_db, GRID, fillings(BAND_MEAN)), 0)


def test_occlusion_is_the_fall_of_the_probability_without_each_cell(S_db):
    model, (silence, _) = level_model(PLANTED), fillings(BAND_MEAN)
    without = compose(S_db, ~cells((0, 1)), GRID, silence)
    fall = model.predict(S_db[None])[0] - model.predict(without[None])[0]
    assert occlusion(model, S_db, GRID, [silence])[0, 0, 1] == pytest.approx(fall)


def test_gradients_add_up_to_what_separates_the_clip_from_the_filling(S_db):
    model = level_model(PLANTED)
    for filling in fillings(BAND_MEAN):
        clip, start = model.predict(np.stack([S_db, filling.spectrogram(S_db.shape)]))
        found = integrated_gradients(model, S_db, GRID, [filling]).sum()
        assert found == pytest.approx(clip - start, abs=1e-3)


def test_a_networks_gradient_is_that_of_its_probability_by_decibels(trained):
    from hiphoplib.models.experiment import prepare
    from hiphoplib.models.training import load_run

    experiment = prepare(trained, folds=3)
    run, S_db = load_run(experiment.run_of("mlp", "0001")), experiment.store["0001"]
    way = np.random.default_rng(0).normal(0, 1, S_db.shape).astype(np.float32)
    rise = np.diff(run.predict(np.stack([S_db - 0.05 * way, S_db + 0.05 * way])))[0] / 0.1
    gradient = run.gradient(S_db[None])
    assert gradient.shape == (1, *S_db.shape)
    assert (gradient[0] * way).sum() == pytest.approx(rise, rel=0.05, abs=1e-5)


def test_a_network_of_another_grid_says_so(trained):
    from hiphoplib.errors import BadInput
    from hiphoplib.models.experiment import prepare
    from hiphoplib.models.training import load_run

    run = load_run(prepare(trained, folds=3).run_of("mlp", "0001"))
    with pytest.raises(BadInput, match="use the grid quick"):
        run.gradient(np.zeros((1, 8, 8), np.float32))


def test_probabilities_that_are_none_are_refused(S_db):
    model = SimpleNamespace(predict=lambda batch: np.full(len(batch), np.nan))
    with pytest.raises(ValueError, match="one finite probability each"):
        occlusion(model, S_db, GRID, fillings(BAND_MEAN))
