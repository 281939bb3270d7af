"""Hand-crafted features measure what they are named after."""

import numpy as np
import pytest

from hiphoplib.audio.features import NAMES, clip_features, window_features

SR = 22_050
TIME = np.arange(20 * SR) / SR


def features(y, sr=SR):
    """Features of a sound by name."""
    values = clip_features(y.astype(np.float32), sr)
    assert values.dtype == np.float32 and np.isfinite(values).all()
    return dict(zip(NAMES, values, strict=True))


def clicks(beats_a_minute, jitter=0.0):
    """A decaying noise at every beat."""
    rng = np.random.default_rng(0)
    y, burst = np.zeros(len(TIME)), rng.normal(size=2000) * np.exp(-np.arange(2000) / 300)
    beats = np.arange(0.1, 19.5, 60 / beats_a_minute)
    for beat in beats + rng.normal(0, jitter, len(beats)):
        y[int(beat * SR) : int(beat * SR) + 2000] += burst[: len(y) - int(beat * SR)]
    return 0.3 * y


@pytest.mark.parametrize("tempo", [75, 90, 120, 150])
def test_tempo_is_that_of_the_beats_or_its_half_or_double(tempo):
    measured = features(clicks(tempo))["tempo"]
    assert min(abs(measured / tempo - ratio) for ratio in (0.5, 1, 2)) < 0.05


def test_a_steady_pulse_is_stronger_than_an_unsteady_one():
    assert features(clicks(90))["pulse"] > 1.5 * features(clicks(90, jitter=0.15))["pulse"]


def test_loudness_follows_the_level_and_nothing_else_does():
    loud = features(clicks(90))
    soft = features(clicks(90) / 10)
    assert loud["loudness"] - soft["loudness"] == pytest.approx(20, abs=0.1)
    for name in ("crest", "tempo", "centroid_mean", "chroma3_mean"):
        assert soft[name] == pytest.approx(loud[name], rel=0.02)


def test_the_pitch_class_of_a_tone_is_the_strongest():
    tone = features(0.3 * np.sin(2 * np.pi * 440 * TIME))
    assert max(range(12), key=lambda n: tone[f"chroma{n}_mean"]) == 9  # A, where C is 0


def test_bright_is_brighter_and_the_rate_of_the_file_does_not_matter():
    low, high = (features(0.3 * np.sin(2 * np.pi * f * TIME)) for f in (200, 3000))
    assert high["centroid_mean"] > 5 * low["centroid_mean"]
    time = np.arange(20 * 44_100) / 44_100
    other = features(0.3 * np.sin(2 * np.pi * 3000 * time), 44_100)
    assert other["centroid_mean"] == pytest.approx(high["centroid_mean"], rel=0.02)


def test_silence_gives_numbers():
    features(np.zeros(4 * SR))


def test_windows_of_a_song_have_the_features_of_clips(noise):
    song = np.concatenate([clicks(90) + noise(-40, 20), clicks(120) + noise(-20, 20, seed=1)])
    starts = [0.0, 5.0, 23.0]
    for start, row in zip(starts, window_features(song.astype(np.float32), SR, starts, 12.0)):
        clip = song[round(start * SR) : round((start + 12) * SR)].astype(np.float32)
        np.testing.assert_allclose(row, clip_features(clip, SR), rtol=0.05, atol=0.3)
