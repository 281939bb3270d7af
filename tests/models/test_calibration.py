"""A calibration says what comes true, and ranks as before."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, log_expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from hiphoplib.dataset.splits import label_popular
from hiphoplib.evaluation.evaluate import labels_on_test
from hiphoplib.models.calibration import (
    brier_skill,
    calibration_intercept,
    calibration_slope,
    fit_domain,
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
    order = np.argsort(score)
    assert (
        table["said"][0] == score[order[:11]].mean() and table["came"][9] == y[order[-10:]].mean()
    )
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


def test_a_slope_draws_its_targets_in_by_the_number_of_tracks():
    """Those of Platt; so that a model that is always right is not stretched without end."""
    y, x = np.array([1, 1, 1, 0, 0]), np.array([2.0, 1.0, -0.5, -1.0, -1.5])
    base = np.array([0.3, 0.3, 0.3, -0.4, -0.4])
    targets = np.where(y == 1, 4 / 5, 1 / 4)
    slopes = np.exp(np.linspace(np.log(0.01), np.log(100), 20_001))
    z = slopes[:, None] * x + base
    losses = -(targets * log_expit(z) + (1 - targets) * log_expit(-z)).sum(axis=1)
    assert fit_slope(y, x, base) == pytest.approx(slopes[losses.argmin()], rel=1e-2)


def test_log_odds_are_finite():
    assert log_odds([0.0, 0.5, 1.0]) == pytest.approx([-13.8155, 0, 13.8155], abs=1e-3)


def test_skill_is_missing_where_a_resample_has_one_class():
    y, p = np.array([0, 0, 1]), np.array([0.2, 0.2, 0.8])
    weights = np.array([[1, 1, 1], [1, 2, 0], [0, 0, 3]])
    skill = brier_skill(y, p, weights)
    assert skill[0] == pytest.approx(1 - 0.04 / (2 / 9)) and np.isnan(skill[1:]).all()


def features(n, rng, away=0.0):
    """Tracks of 12 features that vary along three directions, and little along all others."""
    along = np.random.default_rng(9).normal(size=(3, 12))
    X = rng.normal(size=(n, 3)) @ along + rng.normal(0, 0.1, (n, 12)) + away * np.eye(12)[0]
    return pd.DataFrame(X * 50 + 200, [f"{i}" for i in range(n)]).add_prefix("f")


def test_99_of_100_tracks_lie_within_a_domain_and_what_breaks_its_pattern_does_not():
    rng = np.random.default_rng(0)
    X = features(2000, rng)
    domain = fit_domain(X, [(X.index[:1500], X.index[1500:])])
    new = features(4000, rng)
    assert (domain.distance(new) <= domain.limit).mean() == pytest.approx(0.99, abs=0.01)
    other = features(100, rng, away=3.0)  # each feature alone is where those of others are
    assert (domain.distance(other) > domain.limit).all() and domain.outside(other)
    assert not domain.outside(pd.concat([other, new.head(20)]))
    shuffled = new.iloc[:, ::-1].assign(another=7.0)
    np.testing.assert_allclose(domain.distance(shuffled), domain.distance(new))


def test_distances_from_a_domain_are_mahalanobis_where_all_axes_are_kept():
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4))).add_prefix("f")
    domain = fit_domain(X, [(X.index[:400], X.index[400:])])
    train = X.iloc[:400]
    centred, precision = X - train.mean(), np.linalg.inv(train.cov())
    expected = np.einsum("ni,ij,nj->n", centred, precision, centred)
    assert np.corrcoef(domain.distance(X), expected)[0, 1] > 0.999
    assert domain.distance(X) == pytest.approx(expected, rel=0.01)
    assert domain.limit == pytest.approx(np.quantile(expected[400:], 0.99), rel=0.01)


def test_a_feature_that_never_varies_or_is_never_there_moves_nobody_out_of_a_domain():
    rng = np.random.default_rng(2)
    X = features(600, rng)
    plain = fit_domain(X, [(X.index[:400], X.index[400:])])
    more = X.assign(constant=3.0, absent=np.nan)
    domain = fit_domain(more, [(X.index[:400], X.index[400:])])
    assert np.isfinite(domain.limit) and np.isfinite(domain.distance(more)).all()
    assert np.corrcoef(domain.distance(more), plain.distance(X))[0, 1] > 0.99
