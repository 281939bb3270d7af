"""Precision at k is that of picking songs, and the best of several models is not overrated."""

import numpy as np
import pytest
from scipy.stats import norm

from hiphoplib.evaluation.bootstrap import Bootstrap, weighted_auc
from hiphoplib.evaluation.selection import best_model, hit_shares, precision_at_k, within_groups_auc

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, 300)
SCORE = Y + RNG.normal(0, 1.5, 300)
ONCE = np.ones((1, 300))


def picked(score, n, k, base, draws=40_000):
    """Share of popular songs among the first k of n, by drawing them."""
    popular = RNG.random((draws, n)) < base
    scores = np.where(
        popular, RNG.choice(score[Y == 1], (draws, n)), RNG.choice(score[Y == 0], (draws, n))
    )
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
            precision_at_k(Y[rows], SCORE[rows], np.ones((1, len(rows))))[0]
        )


def test_every_pick_has_its_interval_and_its_lift_over_a_blind_one():
    rows = hit_shares(
        Bootstrap(np.arange(300), 200), Y, np.stack([SCORE, -SCORE], axis=1), [(10, 1), (10, 3)]
    )
    assert [(row["k"], row["base"]) for row in rows] == [(1, None), (1, 0.2), (3, None), (3, 0.2)]
    for row in rows:
        for name in ("hit_share", "lift"):
            assert row[name]["low"] < row[name]["mean"] < row[name]["high"]
        assert row["lift"]["mean"] == pytest.approx(
            row["hit_share"]["mean"] / (row["base"] or Y.mean())
        )


def test_the_best_of_equals_is_not_better_than_they_are_and_a_clear_best_is_itself():
    rng, found = np.random.default_rng(1), []
    for _ in range(30):
        y = rng.integers(0, 2, 200)
        equals = {str(k): 0.5 * y + rng.normal(size=200) for k in range(8)}
        boot = Bootstrap(np.arange(200), 200)
        name, best = best_model(boot, weighted_auc, y, equals)
        naive = boot.estimate(weighted_auc, y, equals[name])
        assert best.high - best.low == pytest.approx(naive.high - naive.low)
        found.append((best.mean, naive.mean))
    truth = norm.cdf(0.5 / 2**0.5)
    corrected, naive = np.mean(found, axis=0)
    assert abs(corrected - truth) < 0.015 < 0.03 < naive - truth
    name, best = best_model(boot, weighted_auc, y, equals | {"clear": 3 * y + equals["0"]})
    assert name == "clear"
    assert best.mean == pytest.approx(
        weighted_auc(y, 3 * y + equals["0"], ONCE[:, :200])[0], abs=0.005
    )


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
    found = within_groups_auc(y, score, weights, groups=genres)
    assert found[0] == pytest.approx(right / pairs)
    assert len(np.unique(found)) > 1
    unknown = np.where(genres == "jazz", None, genres)
    assert np.isfinite(within_groups_auc(y, score, weights, groups=unknown)).all()
