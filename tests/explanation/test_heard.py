"""Heads are asked about what they read of a swapped clip, and only what is touched is computed."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from hiphoplib.audio import tagger
from hiphoplib.audio.features import NAMES
from hiphoplib.audio.mel import QUICK, mel_spectrogram
from hiphoplib.dataset.features import FEATURES
from hiphoplib.explanation import heard as module
from hiphoplib.explanation.heard import Exchange, Heard, Levels, hear, of_arrays, to_arrays
from hiphoplib.explanation.segments import SegmentGrid
from hiphoplib.explanation.swap_test import Donors, swap_test
from hiphoplib.models.stack import Head, Stack
from tests.audio.test_tagger import needs_weights

GRID, SR = SegmentGrid(QUICK), 22_050
BASS, LOW_MIDS, VOCALS, HATS = range(4)
ROWS = GRID.band_of(tagger.band_centres())
ALL, NONE = np.ones((1, *GRID.shape), bool), np.zeros((1, *GRID.shape), bool)
STEADY = [f"{name}_{over}" for name in ("loud", "level") for over in ("mean", "std")]


def sound(seed, seconds=30, burst=0.0):
    """Steady noise; its hats louder from 12 to 15 s by `burst`, in dB."""
    rng, n = np.random.default_rng(seed), seconds * SR
    y = rng.normal(0, 0.02 * 10 ** (rng.normal(0, 1) / 20), n)
    spectrum = np.fft.rfft(rng.normal(0, 0.02, n))
    spectrum[np.fft.rfftfreq(n, 1 / SR) < 5200] = 0
    time = np.arange(n) / SR
    hats = np.fft.irfft(spectrum, n) * (10 ** (burst / 20) - 1) * ((time >= 12) & (time < 15))
    return (y + hats).astype(np.float32)


@pytest.fixture
def stand_in(monkeypatch):
    """Instead of the tagger: how loud the hats of a window are above noise, and its level.

    Returns a list with the number of windows that it is given each time.
    """
    asked = []

    def outputs(windows):
        asked.append(len(windows))
        hats = windows[:, :, ROWS == HATS].mean(axis=(1, 2))
        return np.stack([np.maximum(hats - 1.5, 0), windows.mean(axis=(1, 2))], axis=1)

    names = sorted(STEADY, key=lambda name: name.endswith("std"))
    monkeypatch.setitem(
        FEATURES, "musicnn", dataclasses.replace(FEATURES["musicnn"], names=names, outputs=outputs)
    )
    return asked


def clips(n, kinds, seconds=30):
    """What heads read of steady clips, as in a model's folder."""
    each = [hear(sound(seed, seconds), SR, kinds, GRID).spectrograms for seed in range(n)]
    return Heard({name: Levels.of([clip[name][0] for clip in each]) for name in each[0]}, kinds)


def anew(kind, inside, outside, mask):
    """Features of the swapped spectrogram, all of it computed again."""
    own, other = (each.of(kind, number) for each, number in (outside, inside))
    if kind == "handcrafted":
        rows, bands = own.T, module.Bands(GRID.edges)
        times = np.arange(rows.shape[1]) * module.HOP / module.SR
        chosen = mask[:, GRID.stretch_of(times)]
        return module.mixed_features(
            module.frame_values(module.mixed(other.T, rows, chosen, bands), bands)
        )
    windows, others = (each.reshape(-1, 187, 96).copy() for each in (own, other))
    for number in range(len(windows)):
        windows[number][:, mask[ROWS, number]] = others[number][:, mask[ROWS, number]]
    return FEATURES[kind].over_windows(FEATURES[kind].outputs(windows))


@pytest.mark.parametrize("kind", ["handcrafted", "musicnn"])
def test_a_swap_of_everything_is_the_donor_and_of_nothing_the_clip(stand_in, kind):
    exchange = Exchange(GRID, hear(sound(9, burst=20), SR, (kind,), GRID), clips(3, (kind,)))
    before = exchange.before([2, 0]).to_numpy()
    for masks, taken_out, put_in in (
        (ALL, before[1:], before[[0, 0]]),
        (NONE, before[[0, 0]], before[1:]),
    ):
        for found, expected in (
            (exchange.after([2, 0], masks, False), taken_out),
            (exchange.after([2, 0], masks, True), put_in),
        ):
            assert np.allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert not np.allclose(before[0], before[1], rtol=1e-2)


@pytest.mark.parametrize(
    "kind",
    [
        "handcrafted",
        "musicnn",
        pytest.param("tagger", marks=needs_weights),
        pytest.param("vgg", marks=needs_weights),
    ],
)
def test_only_what_is_touched_is_computed_and_the_rest_is_as_it_was(request, kind):
    asked = request.getfixturevalue("stand_in") if kind == "musicnn" else []
    kind = "musicnn" if kind == "tagger" else kind
    clip, donors = hear(sound(9, burst=20), SR, (kind,), GRID), clips(2, (kind,))
    exchange, masks = Exchange(GRID, clip, donors), np.zeros((2, *GRID.shape), bool)
    masks[0, HATS, 4], masks[1, BASS] = True, True
    exchange.before([0, 1])
    assert asked in ([], [10, 10, 10])
    asked.clear()
    for put_in in (False, True):
        found = exchange.after([0, 1], masks, put_in).to_numpy().reshape(2, 2, -1)
        for mask, rows in zip(masks, found):
            for number, row in enumerate(rows):
                pair = ((clip, 0), (donors, number))[:: 1 if put_in else -1]
                expected = anew(kind, *pair, mask)
                assert np.allclose(row, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    windows = [2, 20]  # one of each donor, all of them
    assert [n for n in asked if n != 10] == (windows + windows if asked else [])


def head(names, feature, weight):
    """A head that reads one feature."""
    table = pd.DataFrame({"mean": 0.0, "scale": 1.0, "weight": 0.0}, index=list(names))
    table.loc[feature, "weight"] = weight
    return Head(table, 0.0, np.inf)


@pytest.mark.parametrize(
    "kind, feature, weight",
    [
        ("musicnn", "loud_mean", 20.0),
        ("musicnn", "loud_mean", -20.0),
        ("handcrafted", "centroid_std", 0.005),
    ],
)
def test_what_a_head_reads_is_said(stand_in, kind, feature, weight):
    stack = Stack({kind: head(FEATURES[kind].names, feature, weight)}, {kind: 1.0}, 0.0)
    y, kinds = sound(9, burst=20), (kind,)
    S_db = np.stack([mel_spectrogram(sound(seed), SR, QUICK) for seed in range(20)])
    donors = Donors(GRID, S_db, 0.5, True, clips(20, kinds))
    (part,) = swap_test(
        lambda S_db, X: stack.predict({kind: X}),
        mel_spectrogram(y, SR, QUICK),
        donors,
        heard=hear(y, SR, kinds, GRID),
    )
    assert np.argwhere(part.mask).tolist() == [[HATS, 4]]
    assert np.sign(part.effect) == np.sign(weight)


def test_of_clips_of_other_lengths_is_swapped_what_both_have(stand_in):
    kinds = "handcrafted", "musicnn"
    exchange = Exchange(GRID, hear(sound(9, 20), SR, kinds, GRID), clips(2, kinds, 29))
    before = exchange.before([0, 1])
    late = NONE.copy()
    late[:, :, 8:] = True
    for put_in, expected in ((False, before.iloc[[0, 0]]), (True, before.iloc[1:])):
        assert np.allclose(exchange.after([0, 1], late, put_in), expected, rtol=1e-4, atol=1e-4)
    assert exchange.after([0, 1], ALL, True).shape == (2, len(NAMES) + len(STEADY))


def test_above_8_khz_the_tagger_hears_nothing():
    grid = dataclasses.replace(GRID, bands={"below": (0, 8000), "air": (8000, 11025)})
    assert set(grid.band_of(tagger.band_centres())) == {0}


def test_levels_come_back_as_they_were_but_for_half_a_step():
    rng = np.random.default_rng(0)
    given = [rng.normal(0, [1, 100, 0], (n, 3)).astype(np.float32) for n in (4, 9)]
    levels = Levels.of(given)
    for number, spectrogram in enumerate(given):
        away = np.abs(levels[number] - spectrogram).max(axis=0)
        assert (away <= 0.51 * levels.step).all() and away[1] > 0


def test_what_is_kept_comes_back():
    kinds = "handcrafted", "vgg"
    kept = clips(2, kinds, 4)
    read = of_arrays(to_arrays(kept), kinds, GRID)
    for kind in kinds:
        assert np.array_equal(read.of(kind, 1), kept.of(kind, 1))
    with pytest.raises(ValueError, match="another kind"):
        of_arrays(to_arrays(kept), kinds, dataclasses.replace(GRID, bands={"all": (0, 11025)}))
