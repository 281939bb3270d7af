"""Precision at k is that of picking songs; within an artist only their own songs count."""

import numpy as np
import pytest

from hiphoplib.evaluation.bootstrap import Bootstrap
from hiphoplib.evaluation.selection import (
    MIN_TRACKS,
    hit_shares,
    precision_at_k,
    within_artist_auc,
    within_groups_auc,
)

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, 300)
SCORE = Y + RNG.normal(0, 1.5, 300)
ONCE = np.ones((1, 300))


def picked(score, n, k, base, draws=40_000):
    """Share of popular songs among the first k of n, by drawing them."""
    popular = RNG.random((draws, n)) < base
    scores = np.where(popular, RNG.choice(score[Y == 1], (draws, n)),
                      RNG.choice(score[Y == 0], (draws, n)))
    first = np.argsort(-scores - 1e-9 * RNG.random((draws, n)), axis=1)[:, :k]
    return np.take_along_axis(popular, first, 1).mean()


@pytest.mark.parametrize("n, k", [(10, 1), (10, 3), (5, 5)])
@pytest.mark.parametrize("base", [None, 0.2])
@pytest.mark.parametrize("decimals", [9, 0], ids=["all differ", "ties"])
def test_hit_share_is_that_of_songs_that_are_drawn(n, k, base, decimals):
    score = SCORE.round(decimals)
    share = precision_at_k(Y, score, ONCE, n=n, k=k, base=base)
    rate = Y.mean() if base is None else base
    assert share[0] == pytest.approx(picked(score, n, k, rate), abs=0.01)


def test_a_constant_picks_blindly_and_a_perfect_model_finds_all():
    assert precision_at_k(Y, np.zeros(300), ONCE, base=0.2)[0] == pytest.approx(0.2)
    none_there = 0.8**10
    assert precision_at_k(Y, Y, ONCE, k=1, base=0.2)[0] == pytest.approx(1 - none_there)


def test_a_resample_counts_its_tracks_as_often_as_it_has_them():
    weights = RNG.integers(0, 3, (4, 300))
    shares = precision_at_k(Y, SCORE, weights)
    for times, share in zip(weights, shares, strict=True):
        rows = np.repeat(np.arange(300), times)
        assert share == pytest.approx(
            precision_at_k(Y[rows], SCORE[rows], np.ones((1, len(rows))))[0])


def test_every_pick_has_its_interval_and_its_lift_over_a_blind_one():
    rows = hit_shares(Bootstrap(np.arange(300), 200), Y, np.stack([SCORE, -SCORE], axis=1),
                      [(10, 1), (10, 3)])
    assert [(row["k"], row["base"]) for row in rows] == [(1, None), (1, 0.2), (3, None), (3, 0.2)]
    for row in rows:
        for name in ("hit_share", "lift"):
            assert row[name]["low"] < row[name]["mean"] < row[name]["high"]
        assert row["lift"]["mean"] == pytest.approx(
            row["hit_share"]["mean"] / (row["base"] or Y.mean()))


def test_within_artists_only_pairs_of_one_artist_count():
    artists = np.array(["A"] * 6 + ["B"] * 5 + ["few"] * (MIN_TRACKS - 1) + ["hits"] * 7)
    y = np.array([1, 1, 0, 0, 0, 0] + [1, 0, 0, 0, 0] + [1, 0, 0, 0] + [1] * 7)
    score = np.array([6, 3, 5, 4, 2, 1] + [19, 18, 17, 16, 20] + [0, 1, 1, 1] + [50] * 7)
    auc, n_artists = within_artist_auc(y, score, artists, np.ones((1, len(y))))
    assert n_artists == 2
    assert auc[0] == (4 + 2 + 3) / (2 * 4 + 1 * 4)


def test_within_artists_a_resample_weighs_artists():
    artists = np.repeat(["A", "B"], 5)
    y, score = np.tile([1, 0, 0, 0, 0], 2), np.r_[[9, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    weights = np.repeat([[1, 1], [2, 0], [0, 2], [0, 0]], 5, axis=1)
    auc, _ = within_artist_auc(y, score, artists, weights)
    np.testing.assert_array_equal(auc, [0.5, 1, 0, np.nan])


def test_within_genre_only_pairs_of_one_genre_count():
    genres = np.repeat(["rock", "pop", "jazz"], 100)
    level = np.repeat([2.0, -2.0, 0.0], 100)  # a genre that is liked lifts the pooled AUC alone
    y = (RNG.random(300) < 1 / (1 + np.exp(-level))).astype(int)
    score = level + SCORE
    weights = np.vstack([np.ones(300), Bootstrap(np.arange(300), 5).weights])
    right = pairs = 0
    for genre in np.unique(genres):
        inside = genres == genre
        wins = score[inside & (y == 1)][:, None] - score[inside & (y == 0)][None]
        right, pairs = right + (wins > 0).sum() + (wins == 0).sum() / 2, pairs + wins.size
    found = within_groups_auc(y, score, genres, weights)
    assert found[0] == pytest.approx(right / pairs)
    assert len(np.unique(found)) > 1
    unknown = np.where(genres == "jazz", None, genres)
    assert np.isfinite(within_groups_auc(y, score, unknown, weights)).all()
