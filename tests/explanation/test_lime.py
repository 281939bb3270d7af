"""Properties of attributions, on models whose reasons are known."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from hiphoplib.audio.mel import FLOOR_DB, QUICK, MelGrid
from hiphoplib.errors import BadInput
from hiphoplib.explanation import lime
from hiphoplib.explanation.lime import (
    MIN_WEIGHT,
    Attribution,
    _integrated_gradients,
    _occlusion,
    explain,
    rank_correlation,
)
from hiphoplib.explanation.segments import Fill, SegmentGrid, compose, fills
from hiphoplib.models.experiment import prepare
from hiphoplib.models.training import load_run
from tests.known_models import (
    BAND_MEAN,
    GRID,
    constant_model,
    level_model,
    loud_clip,
    noise_model,
    segments,
    untrained,
)

HATS, BASS = 3, 0
S_DB, PLANTED, FILLS = loud_clip(), segments((HATS, 4), (HATS, 5)), fills(BAND_MEAN)


@pytest.fixture(scope="module")
def found():
    return explain(level_model(PLANTED), S_DB, GRID, FILLS)


def test_planted_region_is_found(found):
    for run in found.runs.reshape(-1, *GRID.shape):
        assert roc_auc_score(PLANTED.ravel(), run.ravel()) >= 0.95
    assert np.array_equal(found.stable, PLANTED)
    assert np.array_equal(found.confirmed, PLANTED)


def test_the_segments_own_mean_hides_what_silence_shows():
    """Why `fills` offers no such value: LIME's default would see no feature of level."""
    own_mean = Fill("own mean", S_DB.mean(axis=1, keepdims=True))
    hidden = explain(level_model(PLANTED), S_DB, GRID, [own_mean])
    silence = explain(level_model(PLANTED), S_DB, GRID, FILLS[:1])
    assert hidden.weights[PLANTED].mean() < 0.1 * silence.weights[PLANTED].mean()


def test_what_speaks_against_has_the_other_sign(found):
    against = explain(level_model(PLANTED, sign=-1), S_DB, GRID, FILLS)
    assert (against.weights[PLANTED] < 0).all() and (found.weights[PLANTED] > 0).all()
    assert np.array_equal(against.confirmed, PLANTED)


def test_constant_model_has_no_explanation():
    nothing = explain(constant_model(), S_DB, GRID, FILLS)
    assert nothing.probability == pytest.approx(0.7)
    assert np.allclose(nothing.runs, 0, atol=1e-12)
    assert not nothing.stable.any()
    assert nothing.correlations == {"occlusion": 0, "gradients": 0}


def test_noise_is_not_stable():
    noise = explain(noise_model(), S_DB, GRID, FILLS)
    assert not noise.stable.any()


def test_of_one_seed_nothing_is_stable():
    assert not explain(level_model(PLANTED), S_DB, GRID, FILLS, seeds=(0,)).stable.any()


def test_seeds_reproduce(found):
    again = explain(level_model(PLANTED), S_DB, GRID, FILLS)
    assert np.allclose(again.runs, found.runs)
    other = explain(level_model(PLANTED), S_DB, GRID, FILLS, seeds=range(7, 12))
    assert not np.allclose(other.runs, found.runs)


def test_no_two_runs_share_their_samples():
    """Fill values with the same samples would agree by their noise: even equal ones do not here."""
    found = explain(level_model(PLANTED), S_DB, GRID, [FILLS[0]] * 2)
    runs = found.runs.reshape(-1, GRID.size)
    assert len(np.unique(runs.round(12), axis=0)) == len(runs) == found.r2.size == 10


def of_runs(runs, other_methods=None):
    """An attribution with given runs."""
    return Attribution(GRID, runs, np.ones(runs.shape[:2]), 0.5, other_methods or {})


def test_a_disagreeing_run_is_enough_for_nothing_stable():
    runs = (
        np.full((2, 3, *GRID.shape), 0.2)
        + np.random.default_rng(0).normal(0, 1e-3, 3)[None, :, None, None]
    )
    runs[1, 2, HATS, 4] = -0.01
    assert np.array_equal(of_runs(runs).stable, ~segments((HATS, 4)))


def test_a_fill_value_without_effect_is_enough_for_nothing_stable():
    jitter = np.random.default_rng(0).normal(0, 1e-4, (2, 3, *GRID.shape))
    runs = 0.2 + jitter
    runs[1, :, BASS, 2] = MIN_WEIGHT / 2 + jitter[1, :, BASS, 2]  # of the same sign
    assert np.array_equal(of_runs(runs).stable, ~segments((BASS, 2)))


def test_only_where_every_other_method_agrees_is_a_segment_confirmed():
    runs = np.full((2, 2, *GRID.shape), 0.2) + np.array([1e-5, -1e-5])[None, :, None, None]
    yes, no = np.full((2, *GRID.shape), 0.1), np.full((2, *GRID.shape), 0.1)
    no[:, BASS, 0], no[:, BASS, 1] = -0.1, MIN_WEIGHT / 2
    both = of_runs(runs, {"one": yes, "other": no})
    assert both.stable.all()
    assert np.array_equal(both.confirmed, ~segments((BASS, 0), (BASS, 1)))


def test_rank_correlation_takes_flat_maps():
    rising = np.arange(6.0).reshape(2, 3)
    assert rank_correlation(rising, np.exp(rising)) == pytest.approx(1)
    assert rank_correlation(rising, -rising) == pytest.approx(-1)
    assert rank_correlation(rising, np.ones((2, 3))) == 0


@pytest.mark.parametrize("seconds, stretches", [(3.0, 1), (7.5, 3), (30.0, 10)])
def test_windows_of_any_length_are_explained(seconds, stretches):
    grid = SegmentGrid(MelGrid(64, 2048, seconds=seconds))
    inside = grid.labels() == grid.size - 1  # the highest band at the end

    def predict(batch):
        return 1 / (1 + np.exp(-(batch[:, inside].mean(axis=1) + 30) / 15))

    S_db = np.random.default_rng(0).normal(-20, 3, grid.mel_grid.shape)
    found = explain(SimpleNamespace(predict=predict, gradient=np.zeros_like), S_db, grid, FILLS)
    assert found.weights.shape == (4, stretches)
    assert np.flatnonzero(found.stable).tolist() == [grid.size - 1]


@pytest.mark.parametrize("name", ["mlp", "cnn1", "cnn2", "rnn", "crnn"])
def test_any_network_of_the_registry_is_explained(name, monkeypatch):
    """On a window, untrained: what is asked is that its parts fit."""
    monkeypatch.setattr(lime, "SAMPLES", 80)
    mel_grid = MelGrid(64, 4096, seconds=12.0, name="window")
    run = untrained(name, mel_grid)
    S_db = np.random.default_rng(0).normal(-30, 8, mel_grid.shape).astype(np.float32)
    found = explain(
        run, S_db, SegmentGrid(mel_grid, segment_seconds=6.0), fills(run.scaler.mean), seeds=(0,)
    )
    assert found.runs.shape == (2, 1, 4, 2) and found.stable.shape == (4, 2)
    assert set(found.other_methods) == {"occlusion", "gradients"}
    assert all(np.isfinite(by_fill).all() for by_fill in found.other_methods.values())
    assert np.abs(found.weights).max() > 0


def test_nothing_is_printed(capfd):
    explain(constant_model(), S_DB, GRID, FILLS[:1], seeds=(0,))
    assert capfd.readouterr() == ("", "")


def test_bad_input_is_named():
    with pytest.raises(BadInput, match="the grid has"):
        explain(constant_model(), S_DB[:, 1:], GRID, FILLS)
    for predict in (lambda batch: np.full(len(batch), np.nan), lambda batch: np.ones((2, 9))):
        with pytest.raises(ValueError, match="one finite probability each"):
            explain(SimpleNamespace(predict=predict), S_DB, GRID, FILLS)


def test_silence_has_an_explanation_too():
    silent = np.full(QUICK.shape, FLOOR_DB, dtype=np.float32)
    found = explain(level_model(PLANTED), silent, GRID, FILLS[:1])
    assert np.allclose(found.runs, 0, atol=1e-12)  # switching off silence changes nothing


@pytest.mark.parametrize("method", [_occlusion, _integrated_gradients])
def test_only_what_matters_has_a_weight_in_other_methods(method):
    for sign in (1, -1):
        maps = method(level_model(PLANTED, sign), S_DB, GRID, FILLS)
        assert maps.shape == (2, *GRID.shape)
        assert (sign * maps[:, PLANTED] > 0.01).all()
        assert np.allclose(maps[:, ~PLANTED], 0, atol=1e-7)
    assert np.allclose(method(constant_model(), S_DB, GRID, FILLS), 0)


def test_occlusion_is_the_fall_of_the_probability_without_each_segment():
    model = level_model(segments((0, 1)))
    without = compose(S_DB, ~segments((0, 1)), GRID, FILLS[0])
    fall = model.predict(S_DB[None])[0] - model.predict(without[None])[0]
    assert _occlusion(model, S_DB, GRID, FILLS[:1])[0, 0, 1] == pytest.approx(fall)
    assert fall > 0.01


def test_gradients_add_up_to_what_separates_the_clip_from_the_fill_value():
    model = level_model(PLANTED)
    for fill in FILLS:
        nothing = np.broadcast_to(fill.values, S_DB.shape)
        clip, start = model.predict(np.stack([S_DB, nothing]))
        total = _integrated_gradients(model, S_DB, GRID, [fill]).sum()
        assert total == pytest.approx(clip - start, abs=1e-3)


def test_a_networks_gradient_is_that_of_its_probability_by_decibels(trained):
    experiment = prepare(trained, folds=3)
    run, S_db = load_run(experiment.run_of("mlp", "0001")), experiment.store["0001"]
    way = np.random.default_rng(0).normal(0, 1, S_db.shape).astype(np.float32)
    rise = np.diff(run.predict(np.stack([S_db - 0.05 * way, S_db + 0.05 * way])))[0] / 0.1
    gradient = run.gradient(S_db[None])
    assert gradient.shape == (1, *S_db.shape)
    assert (gradient[0] * way).sum() == pytest.approx(rise, rel=0.05, abs=1e-5)
    with pytest.raises(BadInput, match="use the grid quick"):
        run.gradient(np.zeros((1, 8, 8), np.float32))
