"""Properties of explanations, on models whose reasons are known."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from hiphoplib.audio.mel import FLOOR_DB, QUICK, MelGrid
from hiphoplib.explanation.lime import SMALLEST_CLAIM, Explanation, explain, rank_correlation
from hiphoplib.explanation.segments import Filling, Grid, fillings
from hiphoplib.report.sentences import NOTHING_STABLE, attributions
from tests.known_models import (
    BAND_MEAN,
    GRID,
    cells,
    constant_model,
    level_model,
    noise_model,
)

HATS, BASS = 3, 0


@pytest.fixture(scope="module")
def S_db():
    rng = np.random.default_rng(0)
    return (BAND_MEAN[:, None] + 12 + rng.normal(0, 4, QUICK.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def planted():
    return cells((HATS, 4), (HATS, 5))


@pytest.fixture(scope="module")
def found(S_db, planted):
    return explain(level_model(planted), S_db, GRID, fillings(BAND_MEAN))


def test_planted_region_is_found(found, planted):
    for run in found.runs.reshape(-1, *GRID.shape):
        assert roc_auc_score(planted.ravel(), run.ravel()) >= 0.95
    assert np.array_equal(found.claimed, planted)
    assert np.array_equal(found.strong, planted)
    assert attributions(found) == [
        "Hats and air from 12 to 18 s speak for popularity (agreed in 10 of 10 runs). "
        "Occlusion and gradients say the same."]


def test_the_cells_own_mean_hides_what_silence_shows(S_db, planted):
    """Why `fillings` offers no such filling: LIME's default would see no feature of level."""
    own_mean = Filling("own mean", S_db.mean(axis=1))
    hidden = explain(level_model(planted), S_db, GRID, [own_mean])
    silence = explain(level_model(planted), S_db, GRID, fillings(BAND_MEAN)[:1])
    assert hidden.weights[planted].mean() < 0.1 * silence.weights[planted].mean()


def test_what_speaks_against_has_the_other_sign(S_db, planted, found):
    against = explain(level_model(planted, sign=-1), S_db, GRID, fillings(BAND_MEAN))
    assert (against.weights[planted] < 0).all() and (found.weights[planted] > 0).all()
    assert [sentence.split(" speak ")[1][:7] for sentence in attributions(against)] == ["against"]
    assert np.array_equal(against.strong, planted)


def test_constant_model_has_no_explanation(S_db):
    nothing = explain(constant_model(), S_db, GRID, fillings(BAND_MEAN))
    assert nothing.probability == pytest.approx(0.7)
    assert np.allclose(nothing.runs, 0, atol=1e-12)
    assert not nothing.claimed.any()
    assert attributions(nothing) == [NOTHING_STABLE]
    assert nothing.correlations == {"occlusion": 0, "gradients": 0}


@pytest.mark.parametrize("clips", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_a_constant_model_yields_no_claim(clips):
    small = Grid(MelGrid(16, 8192))
    rng = np.random.default_rng(0)
    for clip in rng.normal(-30, 8, (clips, *small.mel_grid.shape)):
        found = explain(constant_model(), clip, small, fillings(np.full(16, -40.0)), seeds=(0, 1))
        assert not found.claimed.any()


def test_noise_is_not_claimed(S_db):
    noise = explain(noise_model(), S_db, GRID, fillings(BAND_MEAN))
    assert not noise.claimed.any() and attributions(noise)[0] == NOTHING_STABLE


def test_one_seed_claims_nothing(S_db, planted):
    single = explain(level_model(planted), S_db, GRID, fillings(BAND_MEAN), seeds=(0,))
    assert not single.claimed.any()


def test_another_model_has_another_map(S_db, planted, found):
    elsewhere = cells((BASS, 1))
    other = explain(level_model(elsewhere), S_db, GRID, fillings(BAND_MEAN))
    assert roc_auc_score(elsewhere.ravel(), other.weights.ravel()) >= 0.95
    assert np.corrcoef(other.weights.ravel(), found.weights.ravel())[0, 1] < 0.5


def test_seeds_reproduce(S_db, planted, found):
    again = explain(level_model(planted), S_db, GRID, fillings(BAND_MEAN))
    assert np.allclose(again.runs, found.runs)
    other = explain(level_model(planted), S_db, GRID, fillings(BAND_MEAN), seeds=range(7, 12))
    assert not np.allclose(other.runs, found.runs)


def test_no_two_runs_share_their_samples(S_db, planted):
    """Fillings with the same samples would agree by their noise: even equal ones do not here."""
    twice = [fillings(BAND_MEAN)[0]] * 2
    found = explain(level_model(planted), S_db, GRID, twice)
    runs = found.runs.reshape(-1, GRID.size)
    assert len(np.unique(runs.round(12), axis=0)) == len(runs) == found.r2.size == 10


def test_shapes_and_ranges(found):
    assert found.runs.shape == (2, 5, *GRID.shape)
    for attribute in (found.weights, found.spread, found.agreement, found.claimed,
                      found.strong):
        assert attribute.shape == GRID.shape
    assert (found.agreement >= 0).all() and (found.agreement <= 1).all()
    assert (found.spread >= 0).all()


def test_a_disagreeing_run_withdraws_the_claim():
    runs = np.full((2, 3, *GRID.shape), 0.2) + np.random.default_rng(0).normal(0, 1e-3, 3)[
        None, :, None, None]
    runs[1, 2, HATS, 4] = -0.01
    claimed = Explanation(GRID, runs, np.ones((2, 3)), 0.5).claimed
    assert np.array_equal(claimed, ~cells((HATS, 4)))


def test_a_filling_that_says_nothing_withdraws_the_claim():
    jitter = np.random.default_rng(0).normal(0, 1e-4, (2, 3, *GRID.shape))
    runs = 0.2 + jitter
    runs[1, :, BASS, 2] = SMALLEST_CLAIM / 2 + jitter[1, :, BASS, 2]  # of the same sign
    claimed = Explanation(GRID, runs, np.ones((2, 3)), 0.5).claimed
    assert np.array_equal(claimed, ~cells((BASS, 2)))


def test_only_what_every_witness_says_is_strong():
    runs = np.full((2, 2, *GRID.shape), 0.2) + np.array([1e-5, -1e-5])[None, :, None, None]
    yes, no = np.full((2, *GRID.shape), 0.1), np.full((2, *GRID.shape), 0.1)
    no[:, BASS, 0], no[:, BASS, 1] = -0.1, SMALLEST_CLAIM / 2
    expl = Explanation(GRID, runs, np.ones((2, 2)), 0.5, {"one": yes, "other": no})
    assert expl.claimed.all()
    assert np.array_equal(expl.strong, ~cells((BASS, 0), (BASS, 1)))
    assert not Explanation(GRID, runs, np.ones((2, 2)), 0.5).strong.any()  # nobody was asked


def test_rank_correlation_takes_flat_maps():
    rising = np.arange(6.0).reshape(2, 3)
    assert rank_correlation(rising, np.exp(rising)) == pytest.approx(1)
    assert rank_correlation(rising, -rising) == pytest.approx(-1)
    assert rank_correlation(rising, np.ones((2, 3))) == 0


@pytest.mark.parametrize("seconds, stretches", [(3.0, 1), (7.5, 3), (30.0, 10)])
def test_windows_of_any_length_are_explained(seconds, stretches):
    grid = Grid(MelGrid(64, 2048, seconds=seconds))
    inside = grid.segments() == grid.size - 1  # the highest band at the end

    def predict(batch):
        return 1 / (1 + np.exp(-(batch[:, inside].mean(axis=1) + 30) / 15))

    S_db = np.random.default_rng(0).normal(-20, 3, grid.mel_grid.shape)
    found = explain(SimpleNamespace(predict=predict), S_db, grid, fillings(BAND_MEAN))
    assert found.weights.shape == (4, stretches)
    assert np.flatnonzero(found.claimed).tolist() == [grid.size - 1]


@pytest.mark.parametrize("name", ["mlp", "cnn1", "cnn2", "rnn", "crnn"])
def test_any_network_of_the_registry_is_explained(name):
    """On a window, untrained: what is asked is that its parts fit."""
    from hiphoplib.studies.bench_training import untrained

    mel_grid = MelGrid(64, 4096, seconds=12.0, name="window")
    run = untrained(SimpleNamespace(protocol=SimpleNamespace(grid=mel_grid)), name)
    S_db = np.random.default_rng(0).normal(-30, 8, mel_grid.shape).astype(np.float32)
    found = explain(run, S_db, Grid(mel_grid, cell_seconds=6.0), fillings(run.scaler.mean),
                    seeds=(0,), samples=80)
    assert found.weights.shape == (4, 2) and set(found.witnesses) == {"occlusion", "gradients"}
    assert all(np.isfinite(map_).all() for map_ in found.witnesses.values())
    assert np.abs(found.weights).max() > 0


def test_nothing_is_printed(S_db, capfd):
    explain(constant_model(), S_db, GRID, fillings(BAND_MEAN)[:1], seeds=(0,))
    assert capfd.readouterr() == ("", "")


def test_bad_input_is_named(S_db):
    two = fillings(BAND_MEAN)
    with pytest.raises(ValueError, match="at least 400 are needed"):
        explain(constant_model(), S_db, GRID, two, samples=399)
    with pytest.raises(ValueError, match="the grid has"):
        explain(constant_model(), S_db[:, 1:], GRID, two)
    with pytest.raises(ValueError, match="one finite probability each"):
        explain(SimpleNamespace(predict=lambda batch: np.full(len(batch), np.nan)), S_db, GRID, two)
    with pytest.raises(ValueError, match="one finite probability each"):
        explain(SimpleNamespace(predict=lambda batch: np.ones((len(batch), 2))), S_db, GRID, two)


def test_silence_has_an_explanation_too(planted):
    silent = np.full(QUICK.shape, FLOOR_DB, dtype=np.float32)
    expl = explain(level_model(planted), silent, GRID, fillings(BAND_MEAN)[:1])
    assert np.allclose(expl.runs, 0, atol=1e-12)  # switching off silence changes nothing


