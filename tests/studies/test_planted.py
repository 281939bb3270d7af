"""Explanations find causes that were planted, in networks that have learnt them."""

import json
from functools import partial

import numpy as np
import pytest

from hiphoplib.explanation.lime import explain, lime_default, rank_correlation, recovery
from hiphoplib.explanation.segments import SegmentGrid, fills
from hiphoplib.explanation.tracks import _randomise_weights
from hiphoplib.models.training import load_run, save_run
from hiphoplib.studies import planted as planting
from hiphoplib.studies import planted_check as module
from hiphoplib.studies.planted import BANDS, LOUDER, SMALL, plant
from hiphoplib.studies.planted_check import PLANTED, check_planted, summarise, write_planted
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
def test_only_that_segment_differs_and_only_as_its_kind_says(kind, monkeypatch):
    with_it = plant(kind, clips={"test": 8})
    monkeypatch.setattr(planting, "LOUDER", 0.0)
    monkeypatch.setattr(planting, "JUMP", 0.0)
    difference = with_it.S_db - plant(kind, clips={"test": 8}).S_db
    inside = np.array([cell.ravel()[GRID.labels()] for cell in with_it.segments])
    assert np.allclose(difference[~inside], 0)
    mean, spread = difference[inside].mean(), difference[inside].std()
    if kind == "level":
        assert mean == pytest.approx(LOUDER, abs=1e-4) and spread < 1e-4
    else:
        assert mean == pytest.approx(0, abs=0.8) and spread == pytest.approx(6, abs=0.2)


def test_what_is_said_of_planted_causes_is_right(learnt, monkeypatch):
    """The quick form of the check below, at lower bars: so few clips vary by processor."""
    labels = learnt.labels[learnt.scores.index] == 1
    assert recovery(learnt.scores.to_numpy(), labels.to_numpy()) > 0.95
    monkeypatch.setattr(module, "_TESTED", 8)
    counts = module._swap_tested(learnt)
    assert counts["clips"] == 8
    assert counts["right"] >= 0.7 * counts["said"] and counts["found"] >= 4


def test_a_whole_band_is_louder_or_quieter():
    planted = plant("band", clips={"test": 40})
    assert (planted.segments.sum(axis=(1, 2)) == GRID.shape[1]).all()
    low = np.array([GRID.means(S_db)[0].mean() for S_db in planted.S_db])
    assert low[planted.labels == 1].mean() > low[planted.labels == 0].mean() + 5


def test_a_late_cause_lies_in_two_segments_and_shuffled_labels_in_none():
    late = plant("level", clips={"test": 60}, late=0.5)
    assert set(late.segments.sum(axis=(1, 2))) == {1, 2}  # at the end there is but one
    as_planted, shuffled = (
        plant("level", clips={"train": 200, "test": 60}, shuffled=each).labels
        for each in (False, True)
    )
    assert 0.3 < (as_planted[:200] == shuffled[:200]).mean() < 0.7
    assert (as_planted[200:] == shuffled[200:]).all()


def test_right_is_what_lies_within_the_cause_and_has_its_sign():
    planted = plant("level", clips={"test": 2})
    for clip in (0, 1):
        mask, sign = planted.segments[clip], 2 * planted.labels[clip] - 1
        more = mask | (np.arange(10) == 0)
        judged = module._judged(planted, {clip: [(mask, sign), (mask, -sign), (more, sign)]})
        assert (judged["said"], judged["right"], judged["found"]) == (3, 1, 1)
    assert module._judged(planted, {0: []})["any"] == 0


def test_rates_are_means_over_networks_by_kind():
    def counts(said, right):
        return {
            "clips": 10,
            "said": said,
            "right": right,
            "found": right,
            "any": right,
            "popular": 5,
            "found_popular": min(right, 5),
        }

    case, found = module._Case, {}
    for seed, right in ((10, 8), (11, 6)):
        found[case("level", "crnn", seed)] = {
            "auc": 1.0,
            **dict.fromkeys(("swap_test", "old_rule", "lime_default", "late"), counts(10, right)),
        }
    found[case("band", "crnn", 10)] = {"auc": 1.0, "swap_test": counts(8, 8)}
    found[case("level", "crnn", 10, True)] = {"null": {"clips": 20, "said": 1, "ungated": 9}}
    results = summarise(found)
    level = results["swap_test"]["level"]["crnn"]
    assert level["networks"] == 2 and level["precision"]["mean"] == pytest.approx(0.7)
    assert level["precision"]["low"] == 0 and level["precision"]["high"] == 1  # of two: unknown
    assert results["swap_test"]["level"]["rnn"]["recall"] is None
    assert results["swap_test"]["null_rate"]["mean"] == 0.05
    assert results["swap_test"]["band"]["recall_louder"]["mean"] == 1.0
    assert results["swap_test"]["known"]["precision"] >= 0.9
    assert results["swap_test"]["known"]["recall"] >= 0.9


def test_a_network_is_kept_and_its_check_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_TESTED", 1)
    monkeypatch.setattr(module, "_COMPARED", 0)
    monkeypatch.setitem(planting.PATIENCE, "crnn", 1)
    monkeypatch.setattr(planting, "_CLIPS", {})
    small = partial(plant, clips={"train": 60, "validation": 20, "test": 10})
    monkeypatch.setattr(module, "plant", lambda kind, *_, **options: small(kind, **options))
    case = module._Case("band", "crnn", 10)
    found = module._check(tmp_path, case)
    monkeypatch.setattr(planting, "fit", None)  # neither is trained nor tested again
    monkeypatch.setattr(module, "swap_test", None)
    assert module._check(tmp_path, case) == found
    assert (tmp_path / case.name / "model.keras").is_file()


def test_results_are_written_beside_those_of_a_corpus(tmp_path, capsys):
    path = tmp_path / "explanations.json"
    path.write_text('{"clips": 30, "planted": {}}')
    write_planted(summarise({}), "again", path)
    written = json.loads(path.read_text())
    assert written["clips"] == 30 and written["planted_by"] == "again"
    assert "planted" not in written and set(PLANTED) <= set(written)


@pytest.mark.parametrize("learnt", ["level"], indirect=True)
def test_shuffled_weights_give_another_map_and_fewer_stable_segments(learnt, tmp_path):
    planted, run = learnt, learnt.run
    run.card["fold"] = 0
    save_run(run, tmp_path)
    others, claims, maps = [], np.zeros(2, int), []
    for number, clip in enumerate(planted.sides.index[planted.sides == "test"][:4]):
        other = load_run(tmp_path)
        _randomise_weights(other.model, number)
        both = [
            explain(each, planted.S_db[clip], GRID, fills(run.scaler.mean), seeds=(0, 1))
            for each in (run, other)
        ]
        maps.append(rank_correlation(both[0].weights, both[1].weights))
        claims += [found.stable.sum() for found in both]
        others.append(other)
    assert np.mean(maps) < 0.3
    assert claims[1] < claims[0]
    before, after = run.model.get_weights(), others[0].model.get_weights()
    assert all(
        np.array_equal(np.sort(one, None), np.sort(two, None)) for one, two in zip(before, after)
    )
    assert not np.array_equal(before[0], after[0])


def test_default_lime_says_nothing_of_a_constant_model():
    S_db = plant("level", clips={"test": 1}).S_db[0]
    assert np.allclose(lime_default(constant_model(), S_db, GRID), 0, atol=1e-9)


@pytest.mark.slow
def test_what_is_said_is_right_in_full(tmp_path):
    checked = check_planted(tmp_path, networks=1)
    for kind in BANDS:
        for network in ("crnn", "rnn"):
            ours, old = (checked[way][kind][network] for way in ("swap_test", "old_rule"))
            assert ours["precision"]["mean"] >= 0.8 > old["precision"]["mean"], (kind, network)
    assert checked["swap_test"]["null_rate"]["mean"] <= 0.05
