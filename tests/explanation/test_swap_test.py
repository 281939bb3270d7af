"""The swap test says what moves a score, on models whose reasons are known, and nothing else."""

import numpy as np
import pytest

from hiphoplib.audio.mel import MelGrid
from hiphoplib.errors import BadInput
from hiphoplib.explanation.segments import SegmentGrid
from hiphoplib.explanation.swap_test import (
    CONFIRMED,
    SCREENED,
    SEGMENT,
    Donors,
    Part,
    band_levels,
    better_than_chance,
    swap_test,
)

GRID = SegmentGrid(MelGrid(32, 8192, name="tiny"))
LABELS = GRID.labels()
BASS, LOW_MIDS, VOCALS, HATS = range(4)


def clips(n, seed=0):
    """Clips in dB that differ in the level of every band."""
    rng = np.random.default_rng(seed)
    levels = rng.normal(-30, 4, (n, 4, 1)).repeat(GRID.shape[1], axis=2).reshape(n, -1)
    return (levels[:, LABELS] + rng.normal(0, 1, (n, *LABELS.shape))).astype(np.float32)


def places(*segments):
    mask = np.zeros(GRID.shape, bool)
    for segment in segments:
        mask[segment] = True
    return mask


def hears(mask, sign=1):
    """A model that hears how loud some segments are, against their band."""
    band = np.zeros(GRID.shape, bool)
    band[mask.any(axis=1)] = True
    inside, row = (each.ravel()[LABELS] for each in (mask, band))

    def predict(S_db):
        above = S_db[:, inside].mean(axis=1) - (
            0 if (mask == band).all() else S_db[:, row].mean(axis=1)
        )
        return 1 / (1 + np.exp(-sign * (above + 30 * (mask == band).all()) / 3))

    return predict


def donors(predict, able=True):
    p = predict(clips(200, 1))
    return Donors(GRID, clips(100), float(np.log(p / (1 - p)).std()), able)


def louder(mask, by):
    return clips(1, 5)[0] + np.float32(by) * mask.ravel()[LABELS]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_segment_that_decides_is_said_with_its_sign(sign):
    mask = places((HATS, 4))
    predict = hears(mask, sign)
    (part,) = swap_test(predict, louder(mask, 8), donors(predict))
    assert np.array_equal(part.mask, mask)
    assert np.sign(part.effect) == sign and part.agreeing == (CONFIRMED, CONFIRMED)


def test_the_effect_is_by_how_much_the_log_odds_move_whatever_they_are():
    mask, clip = places((HATS, 4)), louder(places((HATS, 4)), 8)
    inside = mask.ravel()[LABELS]

    def predict(S_db):
        return 1 / (1 + np.exp(-2 - S_db[:, inside].mean(axis=1) / 10))

    given = donors(predict)
    (part,) = swap_test(predict, clip, given)
    moves = (clip[inside].mean() - given.S_db[:, inside].mean(axis=1)) / 10
    for changes in (part.taken_out, part.put_in):
        assert np.abs(changes[:, None] - moves).min(axis=1).max() < 1e-4
    assert part.effect == pytest.approx(min(part.taken_out.mean(), part.put_in.mean()))
    (again,) = swap_test(predict, clip, given)
    np.testing.assert_array_equal(part.taken_out, again.taken_out)


def test_segments_of_two_bands_are_two_parts():
    one, other = places((VOCALS, 4)), places((HATS, 4))
    mask = one | other

    def predict(S_db):
        levels = [S_db[:, part.ravel()[LABELS]].mean(axis=1) for part in (one, other)]
        return 1 / (1 + np.exp(-4 - sum(levels) / 20))

    parts = swap_test(predict, louder(mask, 20), donors(predict))
    assert sorted(part.mask.sum() for part in parts) == [1, 1]
    assert np.array_equal(np.any([part.mask for part in parts], axis=0), mask)


def test_neighbours_of_a_band_are_one_part():
    mask = places((VOCALS, 4), (VOCALS, 5))
    predict = hears(mask)
    (part,) = swap_test(predict, louder(mask, 8), donors(predict))
    assert np.array_equal(part.mask, mask)


@pytest.mark.parametrize("by", [8, -8])
def test_a_whole_band_is_said_louder_and_quieter_alike(by):
    mask = places((BASS,))
    predict = hears(mask)
    clip = clips(40, 7)
    clip = clip[np.argmin(np.abs(band_levels(clip, GRID)[:, BASS] + 30))]
    (part,) = swap_test(predict, clip + np.float32(by) * mask.ravel()[LABELS], donors(predict))
    assert np.array_equal(part.mask, mask) and np.sign(part.effect) == np.sign(by)


@pytest.mark.parametrize("place", [(BASS,), (HATS, 4)])
def test_nothing_is_said_of_a_model_that_knows_nothing(place):
    mask = places(place)
    predict = hears(mask)
    assert swap_test(predict, louder(mask, 8), donors(predict))
    assert not swap_test(predict, louder(mask, 8), donors(predict, able=False))


def test_a_constant_and_a_random_model_say_nothing():
    def constant(S_db):
        return np.full(len(S_db), 0.7)

    def noise(S_db):
        return S_db.sum(axis=(1, 2), dtype=float) * 7.31 % 1

    for model in (constant, noise):
        assert swap_test(model, clips(1, 5)[0], donors(model)) == []


def test_stretched_log_odds_change_nothing():
    """So that a network that learnt nothing cannot pass by being less sure."""
    mask = places((HATS, 4))
    predict = hears(mask)

    def stretched(S_db):
        p = predict(S_db)
        return 1 / (1 + np.exp(-0.1 * np.log(p / (1 - p))))

    one, other = (swap_test(each, louder(mask, 8), donors(each)) for each in (predict, stretched))
    assert len(one) == len(other) == 1 and np.array_equal(one[0].mask, other[0].mask)


def test_donors_are_nearest_in_level_and_confirm_with_others():
    given, clip = donors(hears(places((HATS, 4)))), clips(1, 5)[0]
    near = given.nearest(clip, SCREENED + CONFIRMED)
    away = np.abs(band_levels(given.S_db, GRID) - band_levels(clip[None], GRID)).sum(axis=1)
    assert len(set(near)) == SCREENED + CONFIRMED
    assert away[near].mean() < 0.8 * np.delete(away, near).mean()


def test_a_band_that_varies_much_counts_less_for_what_is_near():
    levels = np.zeros((20, 4))
    levels[:, BASS], levels[:, HATS] = np.linspace(-30, 30, 20), np.linspace(-3, 3, 20)
    levels[:2] = 0
    levels[0, BASS], levels[1, HATS] = 9, 2.5  # half and nearly twice a standard deviation away
    S_db = (levels[:, :, None].repeat(GRID.shape[1], axis=2).reshape(20, -1)[:, LABELS]) - 50
    near = Donors(GRID, S_db, 1.0).nearest(np.full(LABELS.shape, -50.0), 20)
    assert list(near).index(0) < list(near).index(1)


def test_ten_donors_are_enough():
    mask = places((HATS, 4))
    predict = hears(mask)
    assert swap_test(predict, louder(mask, 8), Donors(GRID, clips(10), donors(predict).spread))


def test_too_few_donors_are_an_error():
    with pytest.raises(BadInput, match="9 clips to swap with, 10 are needed"):
        swap_test(hears(places((HATS, 4))), clips(1)[0], Donors(GRID, clips(9), 1.0))


def test_of_a_small_corpus_there_are_fewer_donors():
    mask = places((HATS, 4))
    predict = hears(mask)
    few = Donors(GRID, clips(20), donors(predict).spread)
    (part,) = swap_test(predict, louder(mask, 8), few)
    assert np.array_equal(part.mask, mask) and len(part.put_in) == 14


@pytest.mark.parametrize(
    "out, into, spread, holds",
    [
        (25, 25, 1.0, True),
        (20, 20, 1.0, True),
        (19, 25, 1.0, False),
        (25, 19, 1.0, False),
        (25, 25, 10.0, False),
        (25, 25, 0.0, False),
    ],
)
def test_a_part_holds_if_both_directions_agree_and_it_is_strong(out, into, spread, holds):
    def rises(agreeing):
        return np.where(np.arange(CONFIRMED) < agreeing, 1.0, -0.1)

    part = Part(places((HATS, 4)), rises(out), rises(into))
    assert part.agreeing == (out, into) and part.holds(SEGMENT, spread) == holds


def test_donors_that_hardly_move_do_not_disagree():
    """They have such a part already; but more than half have to agree."""

    def rises(agreeing):
        return np.where(np.arange(CONFIRMED) < agreeing, 1.0, -0.01)

    mask = places((HATS, 4))
    assert Part(mask, rises(13), rises(13)).holds(SEGMENT, 1.0)
    assert not Part(mask, rises(25), rises(12)).holds(SEGMENT, 1.0)
    assert not Part(mask, rises(12)[:24], rises(12)[:24]).holds(SEGMENT, 1.0)


def test_directions_that_contradict_each_other_have_no_effect():
    part = Part(places((HATS, 4)), np.ones(25), -np.ones(25))
    assert part.effect == 0 and not part.holds(SEGMENT, 0.01)


def test_what_orders_tracks_by_chance_is_not_able():
    rng = np.random.default_rng(0)
    popular = np.arange(60) % 2
    passed = [better_than_chance(rng.normal(size=60), popular) for _ in range(200)]
    assert np.mean(passed) < 0.08
    assert better_than_chance(popular + rng.normal(size=60), popular)
    assert not better_than_chance(-popular + rng.normal(size=60), popular)
