"""A calibration says what comes true, and ranks as before."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from hiphoplib.dataset.splits import label_popular
from hiphoplib.evaluation.evaluate import labels_on_test
from hiphoplib.models.calibration import (
    brier_skill,
    calibration_intercept,
    calibration_slope,
    fit_slope,
    log_odds,
    reliability,
)
from hiphoplib.models.comparison import MODELS, Entry, Scores
from hiphoplib.models.experiment import Experiment

RNG = np.random.default_rng(0)


def overconfident(n, times=3.0, shift=0.0):
    """Labels of true log odds, and the scores of a model that says `times` of them."""
    odds = RNG.normal(0, 1, n)
    return (RNG.random(n) < expit(odds)).astype(int), expit(times * odds + shift)


def corpus(n=550, folds=5, times=1.0, shift=0.0, rng=RNG):
    """An experiment with a model that says `times` its log odds, other ones in every fold."""
    odds = rng.normal(0, 0.55, n)
    index = pd.Index([f"{i}" for i in range(n)], name="id")
    popularity = pd.Series(odds + rng.logistic(size=n), index)
    part, rest = rng.permutation(n) % folds, rng.random((n, folds)) < 0.15 / 0.85
    unseen = np.where(rest, "validation", "train")
    sides = pd.DataFrame(
        {fold: np.where(part == fold, "test", unseen[:, fold]) for fold in range(folds)}, index
    )
    labels = pd.DataFrame(
        {fold: label_popular(popularity, side == "train")[0] for fold, side in sides.items()}
    )
    experiment = Experiment(Path("nowhere"), None, None, None, sides, labels, [])
    shifts = rng.normal(0, shift, folds)

    def fit(experiment, fold, seed):
        unseen = experiment.ids(fold, "validation", "test")
        return pd.Series(expit(times * odds + shifts[fold]), index)[unseen]

    return experiment, Entry(fit), pd.Series(odds, index)


@pytest.mark.parametrize("times, shift", [(1.0, 0.0), (3.0, 0.0), (1.0, 0.5), (0.2, 0.3)])
def test_folds_that_are_calibrated_together_keep_their_order_and_get_slope_1(
    times, shift, monkeypatch
):
    rng, lost, slopes, intercepts = np.random.default_rng(0), [], [], []
    for _ in range(30):
        experiment, model, odds = corpus(times=times, shift=shift, rng=rng)
        monkeypatch.setitem(MODELS, "known", model)
        probability = Scores(experiment).on_test("known")[0]
        y, odds = labels_on_test(experiment)["label"].to_numpy(), odds[probability.index]
        lost.append(roc_auc_score(y, odds) - roc_auc_score(y, probability))
        once = y, probability.to_numpy(), np.ones((1, len(y)))
        slopes.append(calibration_slope(*once)[0])
        intercepts.append(calibration_intercept(*once)[0])
    assert abs(np.mean(lost)) < 0.002  # a slope and an offset for each fold cost 0.012
    assert np.median(slopes) == pytest.approx(1, abs=0.1)
    assert np.mean(intercepts) == pytest.approx(0, abs=0.03)


def test_slope_and_intercept_are_those_of_a_logistic_regression_on_repeated_rows():
    y, score = overconfident(200)
    weights = RNG.integers(0, 4, (5, 200))
    odds = np.log(score / (1 - score))
    for slope, intercept, times in zip(
        calibration_slope(y, score, weights), calibration_intercept(y, score, weights), weights
    ):
        rows = np.repeat(np.arange(200), times)
        plain = LogisticRegression(C=1e9, tol=1e-8).fit(odds[rows, None], y[rows])
        assert slope == pytest.approx(plain.coef_[0, 0], rel=1e-3)
        assert expit(odds[rows] + intercept).mean() == pytest.approx(y[rows].mean())


@pytest.mark.parametrize("turn", [1, -1], ids=["right", "upside down"])
def test_no_calibration_turns_a_ranking_around(turn):
    y, score = overconfident(60)
    odds = turn * log_odds(score)
    assert 0.01 <= fit_slope(y, odds, np.zeros(60)) <= 100


@pytest.mark.parametrize("x", [np.zeros(20), np.full(20, 0.3)])
def test_a_constant_has_some_slope(x):
    assert np.isfinite(fit_slope(np.arange(20) % 4 == 0, x, np.zeros(20)))


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
        assert skill == pytest.approx(
            1 - brier_score_loss(y[rows], score[rows]) / brier_score_loss(y[rows], base)
        )
    assert brier_skill(y, y, weights).tolist() == [1] * 5
