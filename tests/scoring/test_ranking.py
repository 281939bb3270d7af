"""The order of songs: as sure as it is, and never more."""

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hiphoplib.scoring.score import BEHIND, MIDDLE, NO_ORDER, STANDS_OUT, TIERS, Scored, Song

RNG = np.random.default_rng


def songs_of(seed, n=10, trainings=3, spread=0.05):
    """Scores of songs that differ in level, spread and length, by trainings that differ a bit."""
    rng = RNG(seed)
    lean = rng.normal(0, 0.02, (trainings, 1))
    return [
        np.clip(
            rng.normal(0.5, 0.06)
            + lean
            + rng.normal(0, 0.03, (trainings, 1))
            + rng.normal(0, rng.uniform(0.2, 2) * spread, (trainings, windows)),
            0,
            1,
        )
        for windows in rng.integers(1, 40, n)
    ]


def ranked(scores, margin=0.02):
    """Songs with these scores, in this order."""
    songs = [Song(Path("a.mp3"), 90.0, np.arange(each.shape[1]), each, 50.0) for each in scores]
    return Scored(Path("songs"), SimpleNamespace(margin=margin), songs, {}, [])


@pytest.mark.parametrize("seed", range(20))
def test_the_relation_is_an_order_and_tiers_follow_from_it(seed):
    scored = ranked(sorted(songs_of(seed, n=12), key=lambda scores: -scores.mean()))
    above, tiers = scored.reliably_above, scored.tiers
    assert not (above & above.T).any() and not above.diagonal().any()
    for middle in range(len(above)):
        assert above[np.ix_(above[:, middle], above[middle])].all()
    for number, tier in enumerate(tiers):
        assert tier != STANDS_OUT or not above[:, number].any() and above[number].sum() >= 5.5
        assert tier != BEHIND or not above[number].any() and above[:, number].sum() >= 5.5
    assert set(tiers) <= {*TIERS} or set(tiers) == {NO_ORDER}


def test_a_song_and_itself_are_about_the_same():
    song = songs_of(3, n=1)[0]
    assert not ranked([song, song.copy(), song + 1e-6]).reliably_above.any()


def test_a_difference_below_the_margin_is_none():
    levels = [np.full((3, 9), level) for level in (0.6, 0.55, 0.5)]
    assert ranked(levels, 0.07).reliably_above.sum() == 1
    assert ranked(levels, 0.04).reliably_above.sum() == 3
    assert not ranked(levels, np.inf).reliably_above.any()


@pytest.mark.parametrize(
    "levels, tiers",
    [
        ((0.7, 0.5, 0.3), (STANDS_OUT, MIDDLE, BEHIND)),
        ((0.7, 0.3), (STANDS_OUT, BEHIND)),
        ((0.5, 0.5, 0.5, 0.3), (MIDDLE, MIDDLE, MIDDLE, BEHIND)),
        ((0.5, 0.5), (NO_ORDER, NO_ORDER)),
        ((0.52, 0.51, 0.51, 0.51, 0.5), (NO_ORDER,) * 5),
        ((0.5,), (NO_ORDER,)),
        ((), ()),
    ],
)
def test_songs_far_apart_have_tiers(levels, tiers):
    scored = ranked([np.full((3, 5), level) for level in levels], margin=0.02 - 1e-9)
    assert tuple(scored.tiers) == tiers


def test_a_part_stands_out_only_if_every_training_says_so():
    scores = np.full((3, 6), 0.5)
    scores[:, 2] = 0.7
    song = ranked([scores]).songs[0]
    assert song.stands_out(0.1) and not song.stands_out(0.2) and not song.stands_out(np.inf)
    scores[1, 2] = 0.52
    assert not song.stands_out(0.1)
    assert song.excerpt(0.01) == song.best == 2 and song.excerpt(0.1) == 3  # its middle


def test_five_hundred_songs_take_seconds():
    scores = songs_of(0, n=500)
    began = time.perf_counter()
    scored = ranked(scores)
    assert len(scored.tiers) == 500
    assert time.perf_counter() - began < 10
