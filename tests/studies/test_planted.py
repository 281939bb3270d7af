"""Explanations find causes that were planted, in networks that have learnt them."""

import numpy as np
import pytest

from hiphoplib.explanation.lime import explain, rank_correlation, recovery
from hiphoplib.explanation.segments import SegmentGrid, fills
from hiphoplib.explanation.tracks import _randomise_weights
from hiphoplib.models.training import load_run, save_run
from hiphoplib.studies import planted as module
from hiphoplib.studies.planted import BANDS, LOUDER, SMALL, check_planted, lime_default, plant
from tests.known_models import constant_model

GRID = SegmentGrid(SMALL)


@pytest.fixture(scope="module", params=["level", pytest.param("texture", marks=pytest.mark.slow)])
def learnt(request):
    """A corpus with a planted cause, and a network that has learnt it."""
    return plant(request.param)


@pytest.mark.parametrize("kind", BANDS)
def test_in_every_clip_that_is_judged_one_segment_decides(kind):
    planted = plant(kind, clips={"train": 60, "test": 60})
    decided, heldout = planted.segments.sum(axis=(1, 2)), planted.sides == "test"
    assert (decided[heldout] == 1).all() and set(decided[~heldout]) == {0, 1}
    assert planted.labels[heldout].mean() == pytest.approx(0.5, abs=0.2)
    bands = np.argmax(planted.segments[heldout].any(axis=2), axis=1)
    names = np.array(list(GRID.bands))[bands]
    assert (names == np.array(BANDS[kind])[planted.labels[heldout]]).all()
    assert len(np.unique(np.nonzero(planted.segments)[2])) == GRID.shape[1]  # anywhere in time


@pytest.mark.parametrize("kind", BANDS)
def test_only_that_cell_differs_and_only_as_its_kind_says(kind, monkeypatch):
    with_it = plant(kind, clips={"test": 8})
    monkeypatch.setattr(module, "LOUDER", 0.0)
    monkeypatch.setattr(module, "JUMP", 0.0)
    difference = with_it.S_db - plant(kind, clips={"test": 8}).S_db
    inside = np.array([cell.ravel()[GRID.labels()] for cell in with_it.segments])
    assert np.allclose(difference[~inside], 0)
    mean, spread = difference[inside].mean(), difference[inside].std()
    if kind == "level":
        assert mean == pytest.approx(LOUDER, abs=1e-4) and spread < 1e-4
    else:
        assert mean == pytest.approx(0, abs=0.8) and spread == pytest.approx(6, abs=0.2)


def test_planted_causes_are_found(learnt):
    """The quick form of the check below, at lower bars: so few clips vary by processor."""
    labels = learnt.labels[learnt.scores.index] == 1
    assert recovery(learnt.scores.to_numpy(), labels.to_numpy()) > 0.95
    found = module._find(learnt, clips=6, seeds=(0, 1))
    assert len(found) == 6
    assert found["recovery"].mean() >= 0.80 and found["top1"].mean() >= 0.5
    assert found["top1_lime_default"].mean() < found["top1"].mean()


@pytest.mark.parametrize("learnt", ["level"], indirect=True)
def test_shuffled_weights_give_another_map_and_fewer_claims(learnt, tmp_path):
    planted, run = learnt, learnt.run
    run.card["fold"] = 0
    save_run(run, tmp_path)
    others, claims, maps = [], np.zeros(2, int), []
    for number, clip in enumerate(planted.sides.index[planted.sides == "test"][:4]):
        other = load_run(tmp_path)
        _randomise_weights(other.model, number)
        both = [explain(each, planted.S_db[clip], GRID, fills(run.scaler.mean), seeds=(0, 1))
                for each in (run, other)]
        maps.append(rank_correlation(both[0].weights, both[1].weights))
        claims += [found.stable.sum() for found in both]
        others.append(other)
    assert np.mean(maps) < 0.3
    assert claims[1] < claims[0]
    before, after = run.model.get_weights(), others[0].model.get_weights()
    assert all(np.array_equal(np.sort(one, None), np.sort(two, None))
               for one, two in zip(before, after))
    assert not np.array_equal(before[0], after[0])


def test_default_lime_says_nothing_of_a_constant_model():
    S_db = plant("level", clips={"test": 1}).S_db[0]
    assert np.allclose(lime_default(constant_model(), S_db, GRID), 0, atol=1e-9)


@pytest.mark.slow
def test_planted_causes_are_found_in_full():
    checked = check_planted()
    for kind, found in checked["kinds"].items():
        assert found["auc"] > 0.95, kind
        assert found["clips"] == 30
        assert found["recovery"]["mean"] >= 0.90 and found["top1"]["mean"] >= 0.80, kind
    assert checked["recovery"] >= 0.90 and checked["top1"] >= 0.80
    assert checked["recovery_lime_default"] < checked["recovery"]
