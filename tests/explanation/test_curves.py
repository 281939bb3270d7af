"""Measures of explanations: each tells a right map from a wrong one."""

import numpy as np
import pytest

from hiphoplib.audio.mel import QUICK
from hiphoplib.explanation.faithfulness import area, curves, hit, recovery, top_overlap
from hiphoplib.explanation.lime import Explanation, explain
from hiphoplib.explanation.segments import fillings
from tests.known_models import BAND_MEAN, GRID, cells, constant_model, level_model

PLANTED = cells((3, 4), (3, 5))


@pytest.fixture(scope="module")
def S_db():
    rng = np.random.default_rng(0)
    return (BAND_MEAN[:, None] + 12 + rng.normal(0, 4, QUICK.shape)).astype(np.float32)


def test_recovery_and_hits_are_of_the_order_of_the_cells():
    right = np.where(PLANTED, 1.0, 0.0) + np.random.default_rng(0).normal(0, 0.01, GRID.shape)
    assert recovery(right, PLANTED) == 1 and recovery(-right, PLANTED) == 0
    assert recovery(np.zeros(GRID.shape), PLANTED) == 0.5
    assert np.isnan(recovery(right, cells())) and np.isnan(recovery(right, ~cells()))
    assert hit(right, PLANTED) and not hit(-right, PLANTED, 3)
    second = right.copy()
    second[0, 0] = 5
    assert not hit(second, PLANTED) and hit(second, PLANTED, 3)


def test_overlap_is_what_pairs_of_seeds_share():
    runs = np.zeros((2, 2, *GRID.shape))
    runs[:, 0, 0, :3], runs[:, 1, 0, 1:4] = (3, 2, 1), (-3, -2, -1)
    assert top_overlap(runs) == pytest.approx(2 / 3)
    assert top_overlap(runs[:, [0, 0]]) == 1


@pytest.mark.parametrize("sign", [1, -1])
def test_what_the_map_names_first_matters_more_than_what_others_do(S_db, sign):
    model = level_model(PLANTED, sign)
    found = explain(model, S_db, GRID, fillings(BAND_MEAN), seeds=(0, 1))
    said = curves(model, S_db, found, fillings(BAND_MEAN))
    own = max(found.probability, 1 - found.probability)
    for name, curve in said["deletion"].items():
        assert curve[0] == pytest.approx(own), name  # nothing is gone yet
        assert said["insertion"][name][-1] == pytest.approx(own)  # all is back
        assert said["insertion"][name][0] == pytest.approx(curve[-1])
    for rival in ("random", "loudest"):
        assert area(said["deletion"]["lime"]) < area(said["deletion"][rival]) - 0.01
        assert area(said["insertion"]["lime"]) > area(said["insertion"][rival]) + 0.01


def test_a_wrong_map_is_worse_than_a_random_order(S_db):
    model = level_model(PLANTED)
    right = explain(model, S_db, GRID, fillings(BAND_MEAN), seeds=(0, 1))
    wrong = Explanation(GRID, -right.runs, right.r2, right.probability)
    said = curves(model, S_db, wrong, fillings(BAND_MEAN))["deletion"]
    assert area(said["lime"]) > area(said["random"])


def test_of_a_constant_model_no_order_is_better(S_db):
    model = constant_model()
    found = explain(model, S_db, GRID, fillings(BAND_MEAN), seeds=(0, 1))
    said = curves(model, S_db, found, fillings(BAND_MEAN))
    assert all(np.allclose(curve, 0.7) for way in said.values() for curve in way.values())


def test_area_is_the_mean_height():
    assert area(np.array([1.0, 0.5, 0.0])) == pytest.approx(0.5)
    assert area(np.full(21, 0.3)) == pytest.approx(0.3)
