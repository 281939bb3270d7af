"""A calibration says what comes true, and ranks as before."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from hiphoplib.models.calibration import brier_skill, calibrated, platt, reliability

RNG = np.random.default_rng(0)


def overconfident(n, times=3.0, shift=0.0):
    """Labels of true log odds, and the scores of a model that says `times` of them."""
    odds = RNG.normal(0, 1, n)
    return (RNG.random(n) < expit(odds)).astype(int), expit(times * odds + shift)


def test_an_overconfident_model_is_brought_back():
    slope, offset = platt(*overconfident(40_000, 3.0, 0.6))
    assert slope == pytest.approx(1 / 3, rel=0.05) and offset == pytest.approx(-0.2, abs=0.04)
    y, score = overconfident(20_000, 3.0, 0.6)
    table = reliability(y, calibrated(score, slope, offset))
    np.testing.assert_allclose(table["said"], table["came"], atol=0.04)
    assert np.abs(reliability(y, score).eval("said - came")).max() > 0.15


def test_it_is_logistic_regression_where_tracks_are_many():
    y, score = overconfident(5000)
    slope, offset = platt(y, score)
    odds = np.log(score / (1 - score))[:, None]
    plain = LogisticRegression(C=1e6).fit(odds, y)
    assert slope == pytest.approx(plain.coef_[0, 0], rel=0.01)
    assert offset == pytest.approx(plain.intercept_[0], abs=0.01)


@pytest.mark.parametrize("turn", [1, -1], ids=["right", "upside down"])
def test_no_calibration_turns_a_ranking_around(turn):
    y, score = overconfident(60)
    score = score if turn == 1 else 1 - score
    probability = calibrated(score, *platt(y, score))
    assert roc_auc_score(y, probability) == pytest.approx(roc_auc_score(y, score))


@pytest.mark.parametrize("score", [np.zeros(20), np.ones(20), np.full(20, 0.3)])
def test_a_constant_gives_about_the_base_rate(score):
    y = np.arange(20) % 4 == 0
    probability = calibrated(score, *platt(y, score))
    assert np.ptp(probability) == 0 and probability[0] == pytest.approx(0.27, abs=0.03)


def test_bins_hold_as_many_tracks_each():
    y, score = overconfident(103)
    table = reliability(y, score)
    assert len(table) == 10 and set(table["tracks"]) == {10, 11} and table["tracks"].sum() == 103
    assert table["said"].is_monotonic_increasing
    assert len(reliability(y[:4], score[:4])) == 4


def test_skill_is_the_share_of_the_base_rates_error_that_goes():
    y, score = overconfident(200, 1.0)
    weights = RNG.integers(0, 3, (5, 200))
    for times, skill in zip(weights, brier_skill(y, score, weights), strict=True):
        rows = np.repeat(np.arange(200), times)
        base = np.full(len(rows), y[rows].mean())
        assert skill == pytest.approx(1 - brier_score_loss(y[rows], score[rows])
                                      / brier_score_loss(y[rows], base))
    assert brier_skill(y, y, weights).tolist() == [1] * 5
