"""The order of songs: as sure as it is, and never more."""

import time

import numpy as np
import pytest

from hiphoplib.scoring.score import above, places, reliably_above

RNG = np.random.default_rng


def folder_of_songs(seed, n=10, networks=3, spread=0.05):
    """Scores of songs that differ in level, spread and length, by networks that differ a bit."""
    rng = RNG(seed)
    lean = rng.normal(0, 0.02, (networks, 1))
    return [np.clip(rng.normal(0.5, 0.06) + lean + rng.normal(0, 0.03, (networks, 1))
                    + rng.normal(0, rng.uniform(0.2, 2) * spread, (networks, windows)), 0, 1)
            for windows in rng.integers(1, 40, n)]


@pytest.mark.parametrize("seed", range(5))
def test_the_share_is_that_of_all_pairs_of_windows(seed):
    scores = [song.round(2) for song in folder_of_songs(seed, n=4)]  # ties, too
    share = above(scores)
    for row, one in enumerate(scores):
        for column, other in enumerate(scores):
            pairs = one[:, :, None] - other[:, None, :]
            assert share[row, column] == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())


@pytest.mark.parametrize("seed", range(20))
def test_songs_that_cannot_be_told_apart_are_never_ranked_one_above_the_other(seed):
    scores = folder_of_songs(seed, n=12)
    told, place = reliably_above(scores), places(reliably_above(scores))
    for one, other in np.argwhere(~told & ~told.T):
        assert place[one, 0] <= place[other, 1] and place[other, 0] <= place[one, 1]
    assert ((place[:, 0] >= 1) & (place[:, 0] <= place[:, 1]) & (place[:, 1] <= 12)).all()


@pytest.mark.parametrize("seed", range(20))
def test_the_relation_is_an_order(seed):
    told = reliably_above(folder_of_songs(seed, n=12))
    assert not (told & told.T).any() and not told.diagonal().any()
    for middle in range(len(told)):
        assert told[np.ix_(told[:, middle], told[middle])].all()


def test_a_chain_of_sure_pairs_with_an_unsure_end_is_not_told():
    # wide, narrow, wide: the middle one is sure to lie between, the ends overlap
    top = np.tile(np.r_[np.full(8, 0.62), 0.2, 0.2], (3, 1))
    middle = np.full((3, 10), 0.6)
    low = np.tile(np.r_[np.full(8, 0.58), 0.9, 0.9], (3, 1))
    share = above([top, middle, low])
    assert share[0, 1] >= 0.8 and share[1, 2] >= 0.8 and share[0, 2] < 0.8
    assert not reliably_above([top, middle, low])[0, 2]
    told = reliably_above([top, middle, low])
    assert not (told[0, 1] and told[1, 2])


def test_a_song_and_itself_are_about_the_same():
    song = folder_of_songs(3, n=1)[0]
    assert not reliably_above([song, song.copy(), song + 1e-6]).any()


def test_a_difference_of_a_percentage_point_is_none_however_steady():
    assert not reliably_above([np.full((3, 9), 0.51), np.full((3, 9), 0.5)]).any()
    assert reliably_above([np.full((3, 9), 0.53), np.full((3, 9), 0.5)])[0, 1]


def test_songs_far_apart_are_ranked():
    scores = [np.full((3, 5), level) + RNG(0).normal(0, 0.01, (3, 5)) for level in (0.3, 0.7, 0.5)]
    assert places(reliably_above(scores)).tolist() == [[3, 3], [1, 1], [2, 2]]


def test_one_network_that_sees_it_otherwise_is_enough_to_tell_nothing():
    one, other = np.full((5, 6), 0.7), np.full((5, 6), 0.5)
    assert reliably_above([one, other])[0, 1]
    other[4] = 0.71
    assert above([one, other])[0, 1] == pytest.approx(0.8)
    assert not reliably_above([one, other]).any()


@pytest.mark.parametrize("networks, told", [(1, False), (2, False), (3, True)])
def test_few_networks_tell_nothing_apart(networks, told):
    assert reliably_above([np.full((networks, 9), 0.9), np.full((networks, 9), 0.1)]).any() == told


def test_five_hundred_songs_take_seconds():
    scores = folder_of_songs(0, n=500)
    began = time.perf_counter()
    reliably_above(scores)
    assert time.perf_counter() - began < 10


def test_no_song_at_all_is_in_no_order():
    assert (
        above([]).shape == reliably_above([]).shape == (0, 0)
        and len(places(reliably_above([]))) == 0
    )
