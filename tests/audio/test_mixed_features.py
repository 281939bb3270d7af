"""Hand-crafted features of mixed clips are those of mixed sound, and of each clip if nothing is."""

import librosa
import numpy as np
import pytest

from hiphoplib.audio.features import (
    HOP,
    N_FFT,
    NAMES,
    SR,
    Bands,
    clip_features,
    frame_values,
    mixed,
    mixed_features,
    table,
)

BANDS = Bands((250.0, 1000.0, 5000.0))
RNG = np.random.default_rng(0)


def sound(seed, tilt, pulse):
    """8 s of noise with a spectrum that falls, beats, and a tone."""
    rng, n = np.random.default_rng(seed), 8 * SR
    spectrum = np.fft.rfft(rng.normal(size=n))
    f = np.fft.rfftfreq(n, 1 / SR)
    y = np.fft.irfft(spectrum / (1 + f / 200) ** tilt, n)
    time = np.arange(n) / SR
    y *= 0.2 + (np.sin(2 * np.pi * pulse * time) > 0.7)
    y += 0.5 * y.std() * np.sin(2 * np.pi * (330 + 110 * seed) * time)
    return (0.05 * y / y.std()).astype(np.float32)


SOUNDS = sound(0, 0.6, 1.5), sound(1, 1.2, 2.0)
TABLES = [table(y, SR, BANDS) for y in SOUNDS]


def features(rows):
    return mixed_features(frame_values(rows, BANDS))


# how far apart features of clips usually lie
SCALE = np.maximum(np.abs(clip_features(SOUNDS[0], SR) - clip_features(SOUNDS[1], SR)), 1e-3)


@pytest.mark.parametrize("rows, y", zip(TABLES, SOUNDS))
def test_of_one_clip_they_are_its_hand_crafted_features(rows, y):
    for name, found, true in zip(NAMES, features(rows), clip_features(y, SR), strict=True):
        assert found == pytest.approx(true, rel=0.01, abs=0.05 if "d" in name else 0.02), name


def test_all_bands_of_another_clip_are_that_clip_and_none_are_the_first():
    chosen = np.ones((4, TABLES[0].shape[1]), bool)
    assert np.allclose(mixed(*TABLES, chosen, BANDS), TABLES[0])
    assert np.allclose(mixed(*TABLES, ~chosen, BANDS), TABLES[1])
    assert mixed(*TABLES, chosen, BANDS).shape[0] == len(BANDS.of_rows)


@pytest.mark.parametrize("bands", [[0], [1], [2], [3], [1, 2]])
@pytest.mark.parametrize("seconds", [(0, 8), (3, 6)])
def test_mixed_features_move_as_those_of_the_sound_do(bands, seconds):
    """Which is mixed in its spectrum, with its phases."""
    own, other = (librosa.stft(y, n_fft=N_FFT, hop_length=HOP) for y in SOUNDS)
    times = np.arange(own.shape[1]) * HOP / SR
    chosen = np.isin(np.arange(4), bands)[:, None] & (times >= seconds[0]) & (times < seconds[1])
    of_bins = np.searchsorted(BANDS.edges, librosa.fft_frequencies(sr=SR, n_fft=N_FFT), "right")
    y = librosa.istft(np.where(chosen[of_bins], other, own), hop_length=HOP, length=len(SOUNDS[0]))
    true = clip_features(y, SR) - clip_features(SOUNDS[0], SR)
    found = features(mixed(TABLES[1], TABLES[0], chosen, BANDS)) - features(TABLES[0])
    moved = np.abs(true) > 0.1 * SCALE
    moved &= ~np.isin(NAMES, ["tempo"])  # jumps from one peak to another
    assert moved.sum() > 10
    assert np.corrcoef((true / SCALE)[moved], (found / SCALE)[moved])[0, 1] > 0.9


def test_silence_gives_numbers():
    y = np.concatenate([SOUNDS[0][: 2 * SR], np.zeros(3 * SR, np.float32)])
    rows = table(y, SR, BANDS)
    assert np.isfinite(features(rows)).all()
    chosen = RNG.random((4, rows.shape[1])) > 0.5
    assert np.isfinite(features(mixed(TABLES[1][:, : rows.shape[1]], rows, chosen, BANDS))).all()
