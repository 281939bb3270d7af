"""Measures of an attribution: each tells a right map from a wrong one."""

import numpy as np
import pytest

from hiphoplib.explanation.lime import Attribution, area, curves, explain, recovery, top_hit
from hiphoplib.explanation.segments import fills
from tests.known_models import BAND_MEAN, GRID, constant_model, level_model, loud_clip, segments

PLANTED = segments((3, 4), (3, 5))
FILLS = fills(BAND_MEAN)


def explained_and_judged(model):
    """An attribution of two seeds, and its curves."""
    found = explain(model, loud_clip(), GRID, FILLS, seeds=(0, 1))
    return found, curves(model, loud_clip(), found, FILLS)


def test_recovery_and_hits_are_of_the_order_of_the_segments():
    right = np.where(PLANTED, 1.0, 0.0) + np.random.default_rng(0).normal(0, 0.01, GRID.shape)
    assert recovery(right, PLANTED) == 1 and recovery(-right, PLANTED) == 0
    assert recovery(np.zeros(GRID.shape), PLANTED) == 0.5
    assert np.isnan(recovery(right, segments())) and np.isnan(recovery(right, ~segments()))
    assert top_hit(right, PLANTED) and not top_hit(-right, PLANTED, 3)
    second = right.copy()
    second[0, 0] = 5
    assert not top_hit(second, PLANTED) and top_hit(second, PLANTED, 3)


@pytest.mark.parametrize("sign", [1, -1])
def test_what_the_map_names_first_matters_more_than_what_others_do(sign):
    found, judged = explained_and_judged(level_model(PLANTED, sign))
    predicted = max(found.probability, 1 - found.probability)
    for name, curve in judged["deletion"].items():
        assert curve[0] == pytest.approx(predicted), name  # nothing is gone yet
        assert judged["insertion"][name][-1] == pytest.approx(predicted)  # all is back
        assert judged["insertion"][name][0] == pytest.approx(curve[-1])
    for rival in ("random", "loudest"):
        assert area(judged["deletion"]["lime"]) < area(judged["deletion"][rival]) - 0.01
        assert area(judged["insertion"]["lime"]) > area(judged["insertion"][rival]) + 0.01


def test_a_wrong_map_is_worse_than_a_random_order():
    model = level_model(PLANTED)
    right, _ = explained_and_judged(model)
    wrong = Attribution(GRID, -right.runs, right.r2, right.probability, {})
    judged = curves(model, loud_clip(), wrong, FILLS)["deletion"]
    assert area(judged["lime"]) > area(judged["random"])


def test_of_a_constant_model_no_order_is_better():
    _, judged = explained_and_judged(constant_model())
    assert all(np.allclose(curve, 0.7) for way in judged.values() for curve in way.values())


def test_area_is_the_mean_height():
    assert area(np.array([1.0, 0.5, 0.0])) == pytest.approx(0.5)
    assert area(np.full(21, 0.3)) == pytest.approx(0.3)
