"""What can be switched off, what then stands there, and how segments sound alone."""

import numpy as np
import pytest

from hiphoplib.audio.mel import FULL, QUICK, MelGrid
from hiphoplib.explanation.segments import Fill, SegmentGrid, compose, fills, isolate
from tests.known_models import BAND_MEAN, GRID, segments

BASS, HATS = 0, 3


@pytest.fixture(scope="module")
def S_db():
    return np.random.default_rng(0).normal(-30, 8, QUICK.shape).astype(np.float32)


@pytest.mark.parametrize("mel_grid", [QUICK, FULL, MelGrid(40, 490, seconds=9.0)])
@pytest.mark.parametrize("segment_seconds", [3.0, 1.5, 4.0])
def test_segments_cover_every_bin_once(mel_grid, segment_seconds):
    grid = SegmentGrid(mel_grid, segment_seconds=segment_seconds)
    labels = grid.labels()
    assert labels.shape == mel_grid.shape
    assert set(labels.ravel()) == set(range(grid.size))
    for number in range(grid.size):
        rows, columns = np.nonzero(labels == number)
        assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)  # a rectangle
        start, end = grid.spans[number % grid.shape[1]]
        times = mel_grid.times()[columns]
        assert start <= times.min() and times.max() <= end


@pytest.mark.parametrize(
    "bands", [{"low": (0, 100), "high": (200, 11025)}, {"none": (0, 1), "rest": (1, 11025)}]
)
def test_bands_with_gaps_or_without_bins_are_refused(bands):
    with pytest.raises(ValueError, match="bands"):
        SegmentGrid(QUICK, bands).labels()


DONOR = np.random.default_rng(1).normal(-20, 5, QUICK.shape)


@pytest.mark.parametrize(
    "fill", [*fills(BAND_MEAN), Fill("donor clip", DONOR)], ids=lambda fill: fill.name
)
def test_compose_fills_what_is_off_and_nothing_else(S_db, fill):
    planted = segments((HATS, 4), (HATS, 5))
    before = S_db.copy()
    one = compose(S_db, ~planted, GRID, fill)
    off = planted.ravel()[GRID.labels()]
    assert one.dtype == np.float32
    assert np.array_equal(one[~off], S_db[~off])
    assert np.allclose(one[off], np.broadcast_to(fill.values, QUICK.shape)[off])
    assert np.array_equal(S_db, before)
    many = compose(S_db, np.stack([~planted, planted | True]), GRID, fill)
    assert np.array_equal(many, np.stack([one, S_db]))


def test_fill_values_are_silence_and_the_training_mean():
    silence, mean = fills(BAND_MEAN)
    assert silence.values == -100 and np.array_equal(mean.values[:, 0], BAND_MEAN)


def test_means_are_of_each_segment(S_db):
    for number in (0, 17, GRID.size - 1):
        inside = S_db[GRID.labels() == number].astype(float)
        assert GRID.means(S_db).ravel()[number] == pytest.approx(inside.mean(), rel=1e-6)


@pytest.mark.parametrize(
    "hz, band", [(0, 0), (249, 0), (250, 1), (999, 1), (1000, 2), (5000, 3), (11025, 3), (20000, 3)]
)
def test_a_frequency_lies_in_the_band_that_begins_below_it(hz, band):
    assert GRID.band_of(hz) == band


@pytest.mark.parametrize(
    "seconds, number", [(0, 0), (2.99, 0), (3, 1), (29.9, 9), (30, 9), (31, 9)]
)
def test_a_time_lies_in_its_stretch_and_the_end_in_the_last(seconds, number):
    assert GRID.stretch_of(seconds) == number


SR = 22_050
KEPT = segments((BASS, 2), (BASS, 3), (HATS, 6))  # bass from 6 to 12 s, hats from 18 to 21 s


def tone(hz, level=1.0):
    """30 s of a sine."""
    return (level * np.sin(2 * np.pi * hz * np.arange(30 * SR) / SR)).astype(np.float32)


@pytest.fixture(scope="module")
def y():
    """30 s of a bass tone, a hat tone and noise."""
    noise = np.random.default_rng(0).normal(0, 0.01, 30 * SR).astype(np.float32)
    return tone(80, 0.3) + tone(8000, 0.2) + noise


def level(y, begin, end):
    """Level in dB between two times in s."""
    return 10 * np.log10(
        np.mean(np.square(y[int(begin * SR) : int(end * SR)], dtype=float)) + 1e-20
    )


@pytest.mark.parametrize(
    "sr, seconds", [(8000, 30), (SR, 30), (44_100, 30), (SR, 3), (SR, 17.3), (SR, 29.9), (SR, 31)]
)
def test_both_parts_together_are_the_clip_and_of_no_segment_it_is_silent(y, sr, seconds):
    clip = np.resize(y, int(seconds * sr))
    for kept in (segments(), KEPT):
        parts = isolate(clip, sr, kept, GRID), isolate(clip, sr, ~kept, GRID)
        assert all(part.shape == clip.shape and part.dtype == np.float32 for part in parts)
        assert np.abs(sum(parts) - clip).max() < 1e-5
    assert np.abs(isolate(clip, sr, segments(), GRID)).max() < 1e-6


def test_only_the_bands_and_seconds_that_are_kept_sound(y):
    part = isolate(y, SR, KEPT, GRID)
    bass, hats = level(tone(80, 0.3), 0, 1), level(tone(8000, 0.2), 0, 1)
    assert level(part, 6.5, 11.5) == pytest.approx(bass, abs=0.5)  # the hat tone is gone
    assert level(part, 18.5, 20.5) == pytest.approx(hats, abs=0.5)  # the bass tone is
    for begin, end in ((0, 5.5), (12.5, 17.5), (21.5, 30)):
        assert level(part, begin, end) < bass - 60
    assert level(isolate(y, SR, ~KEPT, GRID), 6.5, 11.5) == pytest.approx(hats, abs=0.5)


def test_the_phase_is_kept(y):
    inside = slice(7 * SR, 11 * SR)
    part = isolate(y, SR, KEPT, GRID)[inside]
    assert np.corrcoef(part, tone(80)[inside])[0, 1] > 0.999


def test_edges_do_not_click():
    """A bass tone that is switched on and off has nothing in the hats, as a hard cut would."""

    def in_hats(y):
        spectrum = np.fft.rfft(y[int(5.5 * SR) : int(6.5 * SR)] * np.hanning(SR))
        return 20 * np.log10(np.abs(spectrum[5000:]).max())

    bass = tone(80, 0.3)
    hard = np.where((np.arange(len(bass)) >= 6 * SR + 69), bass, 0)  # not at a zero of the tone
    assert in_hats(isolate(bass, SR, KEPT, GRID)) < in_hats(hard) - 30


def test_edges_are_soft_in_time_and_in_frequency(y):
    """A segment fades within a tenth of a second beyond its end, and 120 Hz beyond its band."""
    part, bass = isolate(y, SR, KEPT, GRID), level(y, 6.5, 11.5)
    assert bass - 30 < level(part, 12.04, 12.06) < bass - 6
    assert level(part, 12.2, 12.4) < bass - 60

    def left(hz):
        return level(isolate(tone(hz), SR, KEPT, GRID), 6.5, 11.5) - level(tone(hz), 6.5, 11.5)

    assert left(120) > -1 and -30 < left(310) < -6 and left(500) < -60
