"""The order of songs: as sure as it is, and never more."""

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hiphoplib.scoring.score import Scored, Song

RNG = np.random.default_rng


def songs_of(seed, n=10, trainings=3, spread=0.05):
    """Scores of songs that differ in level, spread and length, by trainings that differ a bit."""
    rng = RNG(seed)
    lean = rng.normal(0, 0.02, (trainings, 1))
    return [np.clip(rng.normal(0.5, 0.06) + lean + rng.normal(0, 0.03, (trainings, 1))
                    + rng.normal(0, rng.uniform(0.2, 2) * spread, (trainings, windows)), 0, 1)
            for windows in rng.integers(1, 40, n)]


def ranked(scores, margin=0.02):
    """Songs with these scores, in this order."""
    songs = [Song(Path("a.mp3"), 90.0, np.arange(len(each)), each, 50.0) for each in scores]
    return Scored(Path("songs"), SimpleNamespace(margin=margin), songs, {}, [])


@pytest.mark.parametrize("seed", range(5))
def test_the_share_is_that_of_all_pairs_of_windows(seed):
    scores = [song.round(2) for song in songs_of(seed, n=4)]  # ties, too
    share = ranked(scores).share_above
    for row, one in enumerate(scores):
        for column, other in enumerate(scores):
            pairs = one[:, :, None] - other[:, None, :]
            assert share[row, column] == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())


@pytest.mark.parametrize("seed", range(20))
def test_the_relation_is_an_order_and_ranks_follow_from_it(seed):
    scored = ranked(songs_of(seed, n=12))
    above, ranks = scored.reliably_above, scored.rank_ranges
    assert not (above & above.T).any() and not above.diagonal().any()
    for middle in range(len(above)):
        assert above[np.ix_(above[:, middle], above[middle])].all()
    assert ((ranks[:, 0] >= 1) & (ranks[:, 0] <= ranks[:, 1]) & (ranks[:, 1] <= 12)).all()
    same = scored.about_the_same
    assert (same == same.T).all() and not same.diagonal().any()
    for one, other in np.argwhere(same):
        assert ranks[one, 0] <= ranks[other, 1]


def test_a_song_and_itself_are_about_the_same():
    song = songs_of(3, n=1)[0]
    assert not ranked([song, song.copy(), song + 1e-6]).reliably_above.any()


def test_a_difference_below_the_margin_is_none():
    levels = [np.full((3, 9), level) for level in (0.6, 0.55, 0.5)]
    assert ranked(levels, 0.07).reliably_above.sum() == 1
    assert ranked(levels, 0.04).reliably_above.sum() == 3
    assert not ranked(levels, np.inf).reliably_above.any()


def test_songs_far_apart_are_ranked():
    scores = [np.full((3, 5), level) + RNG(0).normal(0, 0.01, (3, 5)) for level in (0.3, 0.7, 0.5)]
    assert ranked(scores).rank_ranges.tolist() == [[3, 3], [1, 1], [2, 2]]
    assert ranked([scores[0], scores[0]]).rank_texts == ["1 to 2", "1 to 2"]


def test_a_part_stands_out_only_if_every_training_says_so():
    scores = np.full((3, 6), 0.5)
    scores[:, 2] = 0.7
    song = ranked([scores]).songs[0]
    assert song.stands_out(0.1) and not song.stands_out(0.2) and not song.stands_out(np.inf)
    scores[1, 2] = 0.52
    assert not song.stands_out(0.1)


def test_five_hundred_songs_take_seconds():
    scores = songs_of(0, n=500)
    began = time.perf_counter()
    scored = ranked(scores)
    assert scored.share_above.shape == scored.reliably_above.shape
    assert time.perf_counter() - began < 10


def test_no_song_at_all_is_in_no_order():
    nothing = ranked([])
    assert nothing.share_above.shape == nothing.reliably_above.shape == (0, 0)
    assert len(nothing.rank_ranges) == 0
