"""Metrics are the known ones, and intervals are honest."""

import time

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, brier_score_loss, roc_auc_score

from hiphoplib.evaluation.bootstrap import (
    METRICS,
    Bootstrap,
    Estimate,
    Resampled,
    holm,
    mean_over,
    over_networks,
    verdict,
    weighted_auc,
)
from tests.delong import delong, width

RNG = np.random.default_rng(0)


def answers(n, artists, strength=1.0, by_artist=0.0, rng=RNG):
    """Return labels, scores and groups of n tracks, with as much of both due to the artist."""
    groups = rng.integers(0, artists, n)
    cause = (1 - by_artist) ** 0.5 * rng.normal(size=n) + (
        by_artist**0.5 * rng.normal(size=artists)[groups]
    )
    noise = (1 - by_artist) ** 0.5 * rng.normal(size=n) + (
        by_artist**0.5 * rng.normal(size=artists)[groups]
    )
    return (cause > 0).astype(int), 1 / (1 + np.exp(-strength * cause - noise)), groups


def interval(draws):
    """Ends of the interval of resamples."""
    found = Resampled(np.nan, draws).estimate()
    return found.low, found.high


@pytest.mark.parametrize("decimals", [1, 2, 9])
def test_metrics_are_those_of_scikit_learn_on_repeated_rows(decimals):
    y, score, _ = answers(60, 60)
    score = score.round(decimals)
    weights = RNG.integers(0, 4, (20, 60))
    found = {name: metric(y, score, weights) for name, metric in METRICS.items()}
    for i, times in enumerate(weights):
        rows, p = np.repeat(y, times), np.repeat(score, times)
        assert found["auc"][i] == pytest.approx(roc_auc_score(rows, p), abs=1e-12)
        assert found["accuracy"][i] == pytest.approx(accuracy_score(rows, p >= 0.5), abs=1e-12)
        assert found["brier"][i] == pytest.approx(brier_score_loss(rows, p), abs=1e-12)


def test_auc_of_a_resample_with_one_class_is_left_out():
    auc = weighted_auc(np.array([0, 1]), np.array([0.2, 0.8]), np.array([[1.0, 0], [2, 1]]))
    assert np.isnan(auc[0]) and auc[1] == 1
    assert interval(auc) == (1.0, 1.0)


def test_auc_turns_around_with_the_scores():
    y, score, groups = answers(200, 200)
    weights = Bootstrap(groups, 50).weights
    np.testing.assert_allclose(
        weighted_auc(y, score, weights) + weighted_auc(y, -score, weights), 1, atol=1e-6
    )


def test_a_constant_has_an_auc_of_a_half_exactly():
    y, _, groups = answers(200, 90)
    assert Bootstrap(groups, 300).estimate(weighted_auc, y, np.full(200, 0.37)) == Estimate(
        0.5, 0.5, 0.5
    )


def test_resamples_draw_whole_artists_one_fewer_than_there_are():
    groups = np.array([0, 0, 0, 1, 2, 2, 5])
    weights = Bootstrap(groups, 4000).weights
    assert weights.shape == (4000, 7)
    for group in np.unique(groups):
        assert (np.ptp(weights[:, groups == group], axis=1) == 0).all()
    firsts = [0, 3, 4, 6]
    assert (weights[:, firsts].sum(axis=1) == 3).all()
    np.testing.assert_allclose(weights.mean(axis=0), 3 / 4, atol=0.05)
    np.testing.assert_array_equal(weights, Bootstrap(groups, 4000).weights)
    assert (weights != Bootstrap(groups, 4000, seed=1).weights).any()


@pytest.mark.parametrize("artists, by_artist", [(150, 0.0), (50, 0.5)])
def test_intervals_hold_the_truth_about_as_often_as_they_say(artists, by_artist):
    rng = np.random.default_rng(1)
    truth = roc_auc_score(*answers(400_000, 200_000, by_artist=by_artist, rng=rng)[:2])
    hits = 0
    for _ in range(150):
        y, score, groups = answers(150, artists, by_artist=by_artist, rng=rng)
        found = Bootstrap(groups, 200).estimate(weighted_auc, y, score)
        hits += found.low <= truth <= found.high
    assert 0.87 <= hits / 150 <= 1


def test_intervals_are_wider_where_artists_have_many_tracks_each():
    rng = np.random.default_rng(2)

    def width(y, score, groups):
        return ends_apart(weighted_auc(y, score, Bootstrap(groups, 400).weights))

    ratios = []
    for _ in range(10):
        y, score, groups = answers(300, 25, by_artist=0.9, rng=rng)
        ratios.append(width(y, score, groups) / width(y, score, np.arange(300)))
    assert np.median(ratios) > 1.5


def test_the_mean_over_seeds_lies_within_its_interval():
    y, score, groups = answers(200, 60)
    scores = np.column_stack([score, np.clip(score + RNG.normal(0, 0.2, 200), 0, 1)])
    boot = Bootstrap(groups, 500)
    for metric in METRICS.values():
        found = boot.estimate(metric, y, scores)
        assert found.low < found.mean < found.high
        assert found.mean == pytest.approx(
            np.mean([boot.estimate(metric, y, one).mean for one in scores.T])
        )


def test_seeds_that_differ_widen_the_interval_and_equal_ones_do_not():
    y, score, groups = answers(200, 60)
    boot = Bootstrap(groups, 500)
    alone = boot.estimate(weighted_auc, y, score)
    same = boot.estimate(weighted_auc, y, np.column_stack([score] * 5))
    assert (same.low, same.high) == pytest.approx((alone.low, alone.high))
    trained = np.column_stack([score + RNG.normal(0, noise, 200) for noise in (0, 0, 0, 2, 9)])
    drawn = boot.resample(weighted_auc, y, trained).draws
    kept = np.mean([weighted_auc(y, one, boot.weights) for one in trained.T], axis=0)
    assert ends_apart(drawn) > 1.3 * ends_apart(kept)
    np.testing.assert_array_equal(drawn, boot.resample(weighted_auc, y, trained).draws)


def test_the_spread_over_seeds_alone_is_that_of_their_mean():
    y, n = np.repeat([0, 1], 500), 4
    scores = np.column_stack([y + RNG.normal(0, noise, 1000) for noise in (0.5, 1, 2, 4)])
    boot = Bootstrap(np.arange(1000), 4000)
    boot.weights = np.ones((4000, 1000), np.uint8)  # the tracks stay
    aucs = [roc_auc_score(y, score) for score in scores.T]
    assert boot.resample(weighted_auc, y, scores).draws.std() == pytest.approx(
        np.std(aucs, ddof=1) / n**0.5, rel=0.05
    )


def test_p_values_are_small_where_the_interval_is_far_from_0_and_holm_counts_them():
    rng = np.random.default_rng(0)
    far, near = (Resampled(mean, rng.normal(mean, 1, 999)).p_value() for mean in (5, 0.1))
    assert far == pytest.approx(0.002) and near > 0.5
    assert Resampled(0, np.zeros(10)).p_value() == 1
    p = np.array([0.04, 0.001, 0.02, 0.6])
    np.testing.assert_allclose(holm(p), [0.08, 0.004, 0.06, 0.6])
    assert len(holm(np.array([]))) == 0


def test_a_model_does_not_differ_from_itself_and_does_from_a_worse_one():
    y, score, groups = answers(200, 60)
    boot = Bootstrap(groups, 300)
    for metric in METRICS.values():
        rnn, same = (boot.resample(metric, y, score) for _ in range(2))
        assert (same - rnn).estimate() == Estimate(0, 0, 0)
        assert (rnn / rnn).estimate() == Estimate(1, 1, 1)
    worse = boot.resample(weighted_auc, y, RNG.random(200))
    assert (worse - boot.resample(weighted_auc, y, score)).estimate().high < 0


def test_the_bootstrap_of_some_tracks_draws_them_as_often_as_that_of_all():
    boot, kept = Bootstrap(np.arange(50) // 2, 20), np.arange(50) % 3 == 0
    np.testing.assert_array_equal(boot[kept].weights, boot.weights[:, kept])


def bootstrapped(y, score, groups):
    """2,000 AUC of a model, resampled by artists."""
    return weighted_auc(y, score, Bootstrap(groups).weights)


def ends_apart(draws):
    low, high = interval(draws)
    return high - low


@pytest.mark.parametrize("strength", [0.0, 1.0, 3.0])
def test_where_every_track_has_its_own_artist_the_interval_is_as_wide_as_delongs(strength):
    y, score, _ = answers(600, 600, strength)
    other = (score + RNG.normal(0, 0.2, 600)).round(1)  # related, worse, and with many ties
    auc, covariance = delong(y, np.column_stack([score, other]))
    assert auc == pytest.approx([roc_auc_score(y, score), roc_auc_score(y, other)])
    alone = np.arange(600)
    draws, others = bootstrapped(y, score, alone), bootstrapped(y, other, alone)
    assert ends_apart(draws) == pytest.approx(width(covariance[0, 0]), rel=0.1)
    assert ends_apart(others) == pytest.approx(width(covariance[1, 1]), rel=0.1)
    assert ends_apart(draws - others) == pytest.approx(
        width(np.array([1, -1]) @ covariance @ [1, -1]), rel=0.1
    )


def test_delongs_interval_is_too_narrow_where_artists_have_many_tracks_alike():
    rng, ratios = np.random.default_rng(3), []
    for _ in range(10):
        y, score, groups = answers(300, 30, by_artist=0.7, rng=rng)
        _, covariance = delong(y, score[:, None])
        ratios.append(width(covariance[0, 0]) / ends_apart(bootstrapped(y, score, groups)))
    assert max(ratios) < 0.9 and np.median(ratios) < 0.7


def test_two_thousand_resamples_of_two_thousand_tracks_take_no_second():
    y, score, groups = answers(2000, 900)
    took = []
    for _ in range(3):
        begin = time.process_time()  # of this process alone, however busy the machine is
        weights = Bootstrap(groups).weights
        for metric in METRICS.values():
            metric(y, score, weights)
        took.append(time.process_time() - begin)
    assert min(took) < 1


def test_an_interval_holds_the_middle_95_of_100_resamples():
    found = Resampled(0.5, np.r_[np.arange(1001.0), np.nan]).estimate()
    assert (found.mean, found.low, found.high) == (0.5, 25, 975)
    assert f"{found:.0f}" == "0 [25, 975]" and f"{found}" == "0.500 [25.000, 975.000]"
    assert Estimate.read({"mean": 0.5, "low": 25, "high": 975, "p": 0.1}) == found


def test_a_p_value_counts_the_resamples_on_the_other_side():
    draws = np.r_[np.full(97, 0.5), -0.5, 0.0, np.nan]  # 2 of 99 are not above 0
    assert Resampled(0.5, draws).p_value() == pytest.approx(2 * 3 / 100)
    assert Resampled(0.5, -draws).p_value() == pytest.approx(2 * 3 / 100)
    assert Resampled(0.0, np.zeros(9)).p_value() == 1


def test_holm_multiplies_by_how_many_are_left_and_ends_at_1():
    np.testing.assert_allclose(holm(np.array([0.04, 0.01, 0.9, 0.03])), [0.09, 0.04, 0.9, 0.09])
    np.testing.assert_allclose(holm(np.array([0.7, 0.6])), [1, 1])


@pytest.mark.parametrize(
    "low, high, said", [(0.1, 0.2, "above"), (-0.2, -0.1, "below"), (-0.1, 0.1, "neither")]
)
def test_where_an_interval_lies_decides_what_is_said(low, high, said):
    for line in (0, 5):
        entry = {"low": low + line, "high": high + line}
        assert verdict(entry, "above", "below", "neither", line) == said
    assert verdict({"low": 0.0, "high": 0.0}, "above", "below", "neither") == "neither"


def test_a_mean_over_networks_has_the_interval_of_students_t():
    values = [0.5, 0.7, 0.6]
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert over_networks(values) == pytest.approx({"mean": 0.6, "low": low, "high": high})
    assert over_networks([0.0, 1.0]) == {"mean": 0.5, "low": 0.0, "high": 1.0}
    assert over_networks([0.5]) == {"mean": 0.5, "low": 0.0, "high": 1.0}
    assert over_networks([]) is None


def test_a_mean_over_clips_leaves_out_those_without_a_value():
    boot, rng = Bootstrap(np.arange(60), 400), np.random.default_rng(0)
    values = rng.normal(5, 1, 60)
    values[50:] = np.nan
    one = mean_over(values, boot.weights)
    assert one["mean"] == pytest.approx(values[:50].mean())
    half = 1.96 * values[:50].std() / 50**0.5
    assert one["high"] - one["low"] == pytest.approx(2 * half, rel=0.2)
    curves = mean_over(np.stack([values, -values], axis=1), boot.weights)
    for end in ("mean", "low", "high"):
        mirrored = {"low": "high", "high": "low"}.get(end, end)
        assert curves[end] == pytest.approx([one[end], -one[mirrored]])
    assert mean_over([np.nan] * 60, boot.weights) is None
