"""What is claimed can be heard: only those bands and seconds, without a click, phase kept."""

import io

import numpy as np
import pytest
import soundfile as sf

from hiphoplib.explanation.lime import Explanation
from hiphoplib.explanation.segments import as_wav, hear, only, without
from tests.known_models import GRID, cells

SR = 22_050
BASS, HATS = 0, 3
CLAIMED = cells((BASS, 2), (BASS, 3), (HATS, 6))  # bass from 6 to 12 s, hats from 18 to 21 s


@pytest.fixture(scope="module")
def y():
    """30 s of a bass tone, a hat tone and noise."""
    t = np.arange(30 * SR) / SR
    noise = np.random.default_rng(0).normal(0, 0.01, len(t))
    return (0.3 * np.sin(2 * np.pi * 80 * t) + 0.2 * np.sin(2 * np.pi * 8000 * t) + noise).astype(
        np.float32)


def level(y, begin, end):
    """Level in dB between two times in s."""
    return 10 * np.log10(np.mean(np.square(y[int(begin * SR): int(end * SR)], dtype=float)) + 1e-20)


@pytest.mark.parametrize("sr", [8000, SR, 44_100])
def test_all_cells_are_the_clip_itself_and_none_is_silence(y, sr):
    assert np.abs(only(y, sr, cells() | True, GRID) - y).max() < 1e-5
    assert np.abs(only(y, sr, cells(), GRID)).max() < 1e-6


def test_both_parts_together_are_the_clip(y):
    parts = only(y, SR, CLAIMED, GRID), without(y, SR, CLAIMED, GRID)
    assert all(part.shape == y.shape and part.dtype == np.float32 for part in parts)
    assert np.abs(sum(parts) - y).max() < 1e-5


def test_only_claimed_bands_and_seconds_are_heard(y):
    heard = only(y, SR, CLAIMED, GRID)
    bass, hats = level(0.3 * np.sin(np.arange(SR)), 0, 1), level(0.2 * np.sin(np.arange(SR)), 0, 1)
    assert level(heard, 6.5, 11.5) == pytest.approx(bass, abs=0.5)  # the hat tone is gone
    assert level(heard, 18.5, 20.5) == pytest.approx(hats, abs=0.5)  # the bass tone is
    for begin, end in ((0, 5.5), (12.5, 17.5), (21.5, 30)):
        assert level(heard, begin, end) < bass - 60
    assert level(without(y, SR, CLAIMED, GRID), 6.5, 11.5) == pytest.approx(hats, abs=0.5)


def test_the_phase_is_kept(y):
    inside = slice(7 * SR, 11 * SR)
    tone = 0.3 * np.sin(2 * np.pi * 80 * np.arange(len(y)) / SR)[inside]
    assert np.corrcoef(only(y, SR, CLAIMED, GRID)[inside], tone)[0, 1] > 0.999


def test_edges_do_not_click():
    """A bass tone that is switched on and off has nothing in the hats, as a hard cut would."""
    tone = 0.3 * np.sin(2 * np.pi * 80 * np.arange(30 * SR) / SR).astype(np.float32)

    def in_hats(y):
        spectrum = np.fft.rfft(y[int(5.5 * SR): int(6.5 * SR)] * np.hanning(SR))
        return 20 * np.log10(np.abs(spectrum[5000:]).max())

    hard = np.where((np.arange(len(tone)) >= 6 * SR + 69), tone, 0)  # not at a zero of the tone
    assert in_hats(only(tone, SR, CLAIMED, GRID)) < in_hats(hard) - 30


def test_edges_are_soft_in_time_and_in_frequency(y):
    """A cell fades within a tenth of a second beyond its end, and 120 Hz beyond its band."""
    heard, bass = only(y, SR, CLAIMED, GRID), level(y, 6.5, 11.5)
    assert bass - 30 < level(heard, 12.04, 12.06) < bass - 6
    assert level(heard, 12.2, 12.4) < bass - 60

    def left(hz):
        tone = np.sin(2 * np.pi * hz * np.arange(30 * SR) / SR).astype(np.float32)
        return level(only(tone, SR, CLAIMED, GRID), 6.5, 11.5) - level(tone, 6.5, 11.5)

    assert left(120) > -1 and -30 < left(310) < -6 and left(500) < -60


@pytest.mark.parametrize("seconds", [3.0, 17.3, 29.9, 31.0])
def test_clips_of_any_length_keep_theirs(y, seconds):
    clip = np.resize(y, int(seconds * SR))
    assert len(only(clip, SR, CLAIMED, GRID)) == len(clip)
    assert np.abs(only(clip, SR, cells() | True, GRID) - clip).max() < 1e-5


def test_files_are_read_back(y):
    samples, sr = sf.read(io.BytesIO(as_wav(2 * y, SR)))
    assert sr == SR and np.abs(samples - np.clip(2 * y, -1, 1)).max() < 1e-4


def test_a_clip_is_heard_by_its_explanation(y, tmp_path):
    sf.write(tmp_path / "clip.wav", y, SR, subtype="FLOAT")
    runs = np.where(CLAIMED, 0.2, 0.0) * np.array([1, 1.001])[None, :, None, None]
    runs = runs * np.ones((2, 1, 1, 1))
    heard = hear(tmp_path / "clip.wav", Explanation(GRID, runs, np.ones((2, 2)), 0.5))
    assert list(heard) == ["claimed", "without"] and all(sr == SR for _, sr in heard.values())
    assert np.allclose(heard["claimed"][0], only(y, SR, CLAIMED, GRID), atol=1e-6)
    assert np.allclose(heard["without"][0], without(y, SR, CLAIMED, GRID), atol=1e-6)
    assert hear(tmp_path / "clip.wav", Explanation(GRID, 0 * runs, np.ones((2, 2)), 0.5)) == {}
