"""Within an artist only their own songs count, and no artist decides alone."""

import numpy as np
import pytest
from scipy.stats import t

from hiphoplib.evaluation.selection import (
    MOST_PAIRS,
    mean_over_artists,
    order_accuracy,
    selective_accuracy,
    within_artist,
)

ARTISTS = np.array(["A"] * 6 + ["B"] * 5 + ["C"] * 5 + ["few"] * 4 + ["hits"] * 7)
POPULAR = np.array([1, 1, 0, 0, 0, 0] + [1, 0, 0, 0, 0] * 2 + [1, 0, 0, 0] + [1] * 7)
SCORE = np.array(
    [6, 3, 5, 4, 2, 1]
    + [19, 18, 17, 16, 20]
    + [9, 1, 2, 3, 4]
    + [0, 1, 1, 1]
    + [50, 51, 52, 53, 54, 55, 56]
)


def test_only_pairs_of_one_artist_with_enough_tracks_count():
    found = within_artist(POPULAR, 10 * POPULAR + SCORE / 100, SCORE[:, None], ARTISTS)
    assert (found["artists"], found["pairs"]) == (3, 2 * 4 + 4 + 4)
    assert found["mean"] == pytest.approx((8 * 6 / 8 + 4 * 3 / 4 + 4 * 1) / 16)
    assert found["low"] < found["mean"] < found["high"]
    assert found["spearman"]["mean"] > found["kendall"]["mean"] > 0
    assert within_artist(POPULAR[:11], POPULAR[:11], SCORE[:11, None], ARTISTS[:11]) is None


def test_no_artist_weighs_more_than_the_cap_and_equal_ones_give_students_interval():
    values = np.array([[0.4], [0.6], [0.7], [0.5]])
    found = mean_over_artists(np.full(4, MOST_PAIRS), values)
    half = t.ppf(0.975, 3) * values.std(ddof=1) / 2
    assert (found.mean, found.low, found.high) == pytest.approx((0.55, 0.55 - half, 0.55 + half))
    assert mean_over_artists(np.array([900, MOST_PAIRS, 500, MOST_PAIRS]), values) == found


def test_seeds_that_differ_widen_the_interval():
    values = np.array([0.4, 0.6, 0.7, 0.5])[:, None]
    pairs = np.full(4, 10)
    one, more = (
        mean_over_artists(pairs, values + np.array(seeds)) for seeds in ([0.0], [-0.1, 0.1, 0.0])
    )
    assert one.mean == pytest.approx(more.mean) and more.high > one.high


def test_what_is_answered_with_a_margin_is_right_more_often():
    rng = np.random.default_rng(0)
    artists = np.repeat(np.arange(60), 8)
    cause = rng.normal(size=480)
    popularity = cause + rng.normal(size=480) + 5 * rng.normal(size=60)[artists]  # fame
    curve = selective_accuracy(popularity, cause, artists)
    assert [step["share"] for step in curve] == [1, 0.5, 0.25, 0.1]
    assert curve[0]["pairs"] == 60 * 28 and curve[0]["artists"] == 60
    accuracy = [step["accuracy"]["mean"] for step in curve]
    assert accuracy == sorted(accuracy) and accuracy[0] == pytest.approx(0.75, abs=0.04)
    assert accuracy[-1] > 0.88
    assert all(step["accuracy"]["low"] < step["accuracy"]["high"] for step in curve[:3])


def test_no_share_of_orders_is_beyond_all_of_them():
    score = np.array([1, 2, 3, 4, 5] * 2 + [1, 2, 3, 5, 4])
    found = order_accuracy(np.tile(np.arange(5), 3), score, np.repeat([0, 1, 2], 5), 0.0)
    assert found["accuracy"]["mean"] == pytest.approx(29 / 30) and found["accuracy"]["high"] == 1


def test_equal_popularity_is_no_pair_and_equal_scores_are_half_right():
    artists, popularity = np.repeat([0, 1, 2], 5), np.tile([1, 1, 1, 1, 2], 3)
    curve = selective_accuracy(popularity, np.zeros(15), artists)
    assert curve[0]["pairs"] == 12 and curve[0]["accuracy"]["mean"] == 0.5
    assert selective_accuracy(np.ones(15), np.zeros(15), artists) == []
