"""What can be switched off, and what then stands there."""

import numpy as np
import pytest

from hiphoplib.audio.mel import FULL, QUICK, MelGrid
from hiphoplib.explanation.segments import Filling, Grid, compose, fillings
from tests.known_models import BAND_MEAN, GRID, cells

HATS = 3


@pytest.fixture(scope="module")
def S_db():
    return np.random.default_rng(0).normal(-30, 8, QUICK.shape).astype(np.float32)


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


OTHER = np.random.default_rng(1).normal(-20, 5, QUICK.shape)
ALL = [*fillings(BAND_MEAN), Filling("another clip", OTHER)]


@pytest.mark.parametrize("filling", ALL, ids=lambda filling: filling.name)
def test_compose_fills_what_is_off_and_nothing_else(S_db, filling):
    planted = cells((HATS, 4), (HATS, 5))
    before = S_db.copy()
    one = compose(S_db, ~planted, GRID, filling)
    off = planted.ravel()[GRID.segments()]
    level = filling.spectrogram(QUICK.shape)
    assert one.dtype == np.float32
    assert np.array_equal(one[~off], S_db[~off])
    assert np.allclose(one[off], level[off])
    assert np.array_equal(S_db, before)
    many = compose(S_db, np.stack([~planted, planted | True]), GRID, filling)
    assert np.array_equal(many, np.stack([one, S_db]))


def test_fillings_are_silence_and_the_training_mean():
    silence, mean = fillings(BAND_MEAN)
    assert np.all(silence.spectrogram(QUICK.shape) == -100)
    assert np.allclose(mean.spectrogram(QUICK.shape), BAND_MEAN[:, None])


def test_sums_and_means_are_of_each_cell(S_db):
    segments = GRID.segments()
    for i in (0, 17, GRID.size - 1):
        inside = S_db[segments == i].astype(float)
        assert GRID.sums(S_db).ravel()[i] == pytest.approx(inside.sum(), rel=1e-6)
        assert GRID.means(S_db).ravel()[i] == pytest.approx(inside.mean(), rel=1e-6)
    assert GRID.sums(S_db).sum() == pytest.approx(S_db.sum(dtype=float), rel=1e-6)
    assert np.array_equal(GRID.means(GRID.spread(GRID.means(S_db))).round(6),
                          GRID.means(S_db).round(6))


@pytest.mark.parametrize("hz, band", [(0, 0), (249, 0), (250, 1), (999, 1), (1000, 2), (5000, 3),
                                      (11025, 3), (20000, 3)])
def test_a_frequency_lies_in_the_band_that_begins_below_it(hz, band):
    assert GRID.band_of(hz) == band


@pytest.mark.parametrize("seconds, cell", [(0, 0), (2.99, 0), (3, 1), (29.9, 9), (30, 9), (31, 9)])
def test_a_time_lies_in_its_cell_and_the_end_in_the_last(seconds, cell):
    assert GRID.cell_of(seconds) == cell
