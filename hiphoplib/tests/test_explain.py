"""Properties of explanations, on models whose reasons are known."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from hiphoplib.explain import (
    Explanation,
    Filling,
    Grid,
    claims,
    compose,
    deletion,
    explain,
    explain_track,
    fillings,
)
from hiphoplib.mel import FLOOR_DB, FULL, QUICK, MelGrid

GRID = Grid(QUICK)
BAND_MEAN = np.linspace(-10, -40, QUICK.n_mels)
HATS, BASS = 3, 0


def cells(*names):
    """Return a bool map [shape=(n_bands, n_cells)] of (band, cell) pairs."""
    planted = np.zeros(GRID.shape, dtype=bool)
    for band, cell in names:
        planted[band, cell] = True
    return planted


def level_model(planted, sign=1):
    """Return a model that answers only to the mean level of the planted cells."""
    inside = planted.ravel()[GRID.segments()]

    def predict(batch):
        return 1 / (1 + np.exp(-sign * (batch[:, inside].mean(axis=1) + 30) / 15))

    return predict


def constant_model(batch):
    return np.full((len(batch), 1), 0.7)


def noise_model(batch):
    """Return an answer that changes with every input, for no reason."""
    return batch.sum(axis=(1, 2), dtype=np.float64) * 7.31 % 1


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


@pytest.mark.parametrize("mel_grid", [QUICK, FULL, MelGrid(40, 490, seconds=9.0)])
@pytest.mark.parametrize("cell_seconds", [3.0, 1.5, 4.0])
def test_segments_cover_every_bin_once(mel_grid, cell_seconds):
    grid = Grid(mel_grid, cell_seconds=cell_seconds)
    segments = grid.segments()
    assert segments.shape == mel_grid.shape
    assert set(segments.ravel()) == set(range(grid.size))
    for i in range(grid.size):
        rows, columns = np.nonzero(segments == i)
        assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)  # a rectangle
        start, end = grid.span(i % grid.shape[1])
        times = mel_grid.times()[columns]
        assert start <= times.min() and times.max() <= end


def test_cells_are_three_seconds():
    columns = np.bincount(GRID.segments()[0] % GRID.shape[1])
    assert GRID.shape == (4, 10)
    assert np.allclose(columns * QUICK.hop_length / QUICK.sr, 3, atol=QUICK.hop_length / QUICK.sr)


def test_cells_have_names():
    assert GRID.cell_name(0) == "sub and bass, 0-3 s"
    assert GRID.cell_name(GRID.size - 1) == "hats and air, 27-30 s"
    assert len({GRID.cell_name(i) for i in range(GRID.size)}) == GRID.size


@pytest.mark.parametrize("bands", [{"low": (0, 100), "high": (200, 11025)},
                                   {"none": (0, 1), "rest": (1, 11025)}])
def test_bands_with_gaps_or_without_bins_are_refused(bands):
    with pytest.raises(ValueError, match="bands"):
        Grid(QUICK, bands).segments()


@pytest.mark.parametrize("filling", fillings(BAND_MEAN), ids=lambda filling: filling.name)
def test_compose_fills_what_is_off_and_nothing_else(S_db, planted, filling):
    before = S_db.copy()
    one = compose(S_db, ~planted, GRID, filling)
    off = planted.ravel()[GRID.segments()]
    level = np.broadcast_to(np.reshape(filling.values, (-1, 1)), QUICK.shape)
    assert one.dtype == np.float32
    assert np.array_equal(one[~off], S_db[~off])
    assert np.allclose(one[off], level[off])
    assert np.array_equal(S_db, before)
    many = compose(S_db, np.stack([~planted, planted | True]), GRID, filling)
    assert np.array_equal(many, np.stack([one, S_db]))


def test_planted_region_is_found(found, planted):
    for run in found.runs.reshape(-1, *GRID.shape):
        assert roc_auc_score(planted.ravel(), run.ravel()) >= 0.95
    assert np.array_equal(found.claimed, planted)
    assert claims(found) == [
        "Hats and air from 12 to 18 s speak for popularity (agreed in 6 of 6 runs)."]


def test_the_cells_own_mean_hides_what_silence_shows(S_db, planted):
    """Why `fillings` offers no such filling: LIME's default would see no feature of level."""
    own_mean = Filling("own mean", S_db.mean(axis=1))
    hidden = explain(level_model(planted), S_db, GRID, [own_mean])
    silence = explain(level_model(planted), S_db, GRID, fillings(BAND_MEAN)[:1])
    assert hidden.weights[planted].mean() < 0.1 * silence.weights[planted].mean()


def test_what_speaks_against_has_the_other_sign(S_db, planted, found):
    against = explain(level_model(planted, sign=-1), S_db, GRID, fillings(BAND_MEAN))
    assert (against.weights[planted] < 0).all() and (found.weights[planted] > 0).all()
    assert [sentence.split(" speak ")[1][:7] for sentence in claims(against)] == ["against"]


def test_constant_model_has_no_explanation(S_db):
    nothing = explain(constant_model, S_db, GRID, fillings(BAND_MEAN))
    assert nothing.probability == pytest.approx(0.7)
    assert np.allclose(nothing.runs, 0, atol=1e-12)
    assert not nothing.claimed.any()
    assert claims(nothing) == []


def test_noise_is_not_claimed(S_db):
    assert claims(explain(noise_model, S_db, GRID, fillings(BAND_MEAN))) == []


def test_one_seed_claims_nothing(S_db, planted):
    single = explain(level_model(planted), S_db, GRID, fillings(BAND_MEAN), seeds=(0,))
    assert not single.claimed.any()


def test_another_model_has_another_map(S_db, planted, found):
    elsewhere = cells((BASS, 1))
    other = explain(level_model(elsewhere), S_db, GRID, fillings(BAND_MEAN))
    assert roc_auc_score(elsewhere.ravel(), other.weights.ravel()) >= 0.95
    assert np.corrcoef(other.weights.ravel(), found.weights.ravel())[0, 1] < 0.5


def test_seeds_reproduce(S_db, planted, found):
    again = explain(level_model(planted), S_db, GRID, fillings(BAND_MEAN), batch_size=33)
    assert np.allclose(again.runs, found.runs)
    other = explain(level_model(planted), S_db, GRID, fillings(BAND_MEAN), seeds=(7, 8, 9))
    assert not np.allclose(other.runs, found.runs)


def test_no_two_runs_share_their_samples(found):
    runs = found.runs.reshape(-1, GRID.size)
    assert len(np.unique(runs.round(12), axis=0)) == len(runs) == found.r2.size == 6


def test_shapes_and_ranges(found):
    assert found.runs.shape == (2, 3, *GRID.shape)
    for attribute in (found.weights, found.spread, found.agreement, found.claimed):
        assert attribute.shape == GRID.shape
    assert (found.agreement >= 0).all() and (found.agreement <= 1).all()
    assert (found.spread >= 0).all()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("filling", fillings(BAND_MEAN), ids=lambda filling: filling.name)
def test_top_cells_matter_more_than_random_ones(S_db, planted, sign, filling):
    predict = level_model(planted, sign)
    expl = explain(predict, S_db, GRID, fillings(BAND_MEAN))
    by_top, by_random = deletion(predict, S_db, expl, filling, top=2)
    assert by_top > 2 * abs(by_random)
    assert deletion(constant_model, S_db, explain(constant_model, S_db, GRID, [filling]),
                    filling) == (0, 0)


def test_claims_merge_neighbours_and_lead_with_the_strongest():
    weights = np.zeros(GRID.shape)
    weights[HATS, 0:2], weights[HATS, 2], weights[BASS, 9] = 0.1, -0.3, 0.15
    jitter = np.array([0.999, 1, 1.001])[None, :, None, None]
    made = Explanation(GRID, weights * jitter * np.ones((2, 1, 1, 1)), np.ones((2, 3)), 0.5)
    runs = "popularity (agreed in 6 of 6 runs)."
    assert claims(made) == [f"Hats and air from 6 to 9 s speak against {runs}",
                            f"Hats and air from 0 to 6 s speak for {runs}",
                            f"Sub and bass from 27 to 30 s speak for {runs}"]


def test_a_disagreeing_run_withdraws_the_claim():
    runs = np.full((2, 3, *GRID.shape), 0.2) + np.random.default_rng(0).normal(0, 1e-3, 3)[
        None, :, None, None]
    runs[1, 2, HATS, 4] = -0.01
    claimed = Explanation(GRID, runs, np.ones((2, 3)), 0.5).claimed
    assert np.array_equal(claimed, ~cells((HATS, 4)))


def test_nothing_is_printed(S_db, capfd):
    explain(constant_model, S_db, GRID, fillings(BAND_MEAN)[:1], seeds=(0,))
    assert capfd.readouterr() == ("", "")


def test_bad_input_is_named(S_db):
    two = fillings(BAND_MEAN)
    with pytest.raises(ValueError, match="at least 400 are needed"):
        explain(constant_model, S_db, GRID, two, samples=399)
    with pytest.raises(ValueError, match="the grid has"):
        explain(constant_model, S_db[:, 1:], GRID, two)
    with pytest.raises(ValueError, match="one finite probability each"):
        explain(lambda batch: np.full(len(batch), np.nan), S_db, GRID, two)
    with pytest.raises(ValueError, match="one finite probability each"):
        explain(lambda batch: np.ones((len(batch), 2)), S_db, GRID, two)


def test_silence_has_an_explanation_too(planted):
    silent = np.full(QUICK.shape, FLOOR_DB, dtype=np.float32)
    expl = explain(level_model(planted), silent, GRID, fillings(BAND_MEAN)[:1])
    assert np.allclose(expl.runs, 0, atol=1e-12)  # switching off silence changes nothing


def test_a_track_is_explained_by_its_own_run(S_db, planted, found, monkeypatch):
    from hiphoplib import experiment

    asked = []
    run = SimpleNamespace(predict=level_model(planted), scaler=SimpleNamespace(mean=BAND_MEAN))
    monkeypatch.setattr(experiment, "heldout_run", lambda *what: asked.append(what) or run)
    task = SimpleNamespace(store={"x": S_db}, protocol=SimpleNamespace(grid=QUICK))
    expl, same = explain_track(task, "rnn", "x")
    assert asked == [(task, "rnn", "x")]
    assert same is S_db and np.allclose(expl.runs, found.runs)
