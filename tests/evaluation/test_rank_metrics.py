"""Rank metrics are scipy's on repeated rows, ties and all."""

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from hiphoplib.evaluation import rank_metrics
from hiphoplib.evaluation.rank_metrics import kendall, spearman, top_tenth_recall

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("metric, of", [(spearman, spearmanr), (kendall, kendalltau)])
@pytest.mark.parametrize("at_a_time", [1, 10_000])
def test_correlations_are_those_of_scipy_on_repeated_rows(metric, of, at_a_time, monkeypatch):
    monkeypatch.setattr(rank_metrics, "PAIRS_AT_A_TIME", at_a_time)
    popularity, score = RNG.integers(0, 9, 50), RNG.integers(0, 9, 50) + np.arange(50) // 10
    weights = RNG.integers(0, 4, (20, 50))
    for found, times in zip(metric(popularity, score, weights), weights):
        rows = np.repeat(np.arange(50), times)
        assert found == pytest.approx(of(popularity[rows], score[rows]).statistic, abs=1e-6)


def test_the_recall_of_the_top_tenth_counts_what_both_put_there():
    popularity, once = np.arange(100), np.ones((1, 100))
    assert top_tenth_recall(popularity, popularity, once) == 1
    assert top_tenth_recall(popularity, -popularity, once) == 0
    assert top_tenth_recall(popularity, np.zeros(100), once) == pytest.approx(0.1)
    half = np.where(popularity >= 95, 200, popularity % 90)
    assert top_tenth_recall(popularity, half, once) == pytest.approx(0.5, abs=0.11)


def test_a_resample_counts_its_tracks_as_often_as_it_has_them():
    popularity, score = RNG.integers(0, 30, 60), RNG.normal(size=60).round(1)
    weights = RNG.integers(0, 3, (10, 60))
    for found, times in zip(top_tenth_recall(popularity, score, weights), weights):
        rows = np.repeat(np.arange(60), times)
        assert found == pytest.approx(
            top_tenth_recall(popularity[rows], score[rows], np.ones((1, len(rows))))[0]
        )
