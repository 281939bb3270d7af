"""What many explained clips say together: right maps score high, wrong and empty ones do not."""

import numpy as np
import pytest
from scipy.special import comb

from hiphoplib.evaluation.bootstrap import Bootstrap
from hiphoplib.explanation.faithfulness import mean_over
from hiphoplib.explanation.lime import Attribution
from hiphoplib.models.experiment import prepare
from hiphoplib.studies.explanations import hit_by_chance, summarise, top_overlap
from hiphoplib.studies.planted import Cause, read_truth
from tests.known_models import GRID, segments

CLIPS = 30
WEIGHTS = Bootstrap(np.arange(CLIPS), 200).weights
POPULAR = np.arange(CLIPS) % 2
PLANTED = segments((0, 4), (0, 5))
RNG = np.random.default_rng(0)


def row(popular, find=1.0, fall=0.1):
    """A clip whose cause speaks for what it is; a map that finds it, or the opposite."""
    side = 1 if popular else -1
    runs = side * find * 0.2 * PLANTED + RNG.normal(0, 1e-3, (2, 3, *GRID.shape))
    flat = np.full(21, 0.6)
    said = {"lime": flat - fall, "random": flat, "loudest": flat}
    risen = {"lime": flat + fall, "random": flat, "loudest": flat}
    curves = {"both": {"deletion": said, "insertion": risen},
              "another clip": {"deletion": said, "insertion": risen}}
    causes = {"x": Cause(PLANTED, 1.0, 1.2 * side), "y": Cause(segments((3, 0)), 1.0, 0.2)}
    found = Attribution(GRID, runs, np.full((2, 3), 0.7), 0.6, {"other": runs.mean(axis=1)})
    return {"found": found, "curves": curves, "causes": causes}


@pytest.mark.parametrize("find, fall, found", [(1, 0.1, True), (-1, -0.1, False)])
def test_right_maps_score_high_and_wrong_ones_low(find, fall, found):
    told = summarise([row(popular, find, fall) for popular in POPULAR], POPULAR, WEIGHTS)
    recovery = told["recovery"]
    assert (recovery["strongest"]["low"] > 0.95) == found
    assert (recovery["strongest"]["high"] < 0.05) != found
    assert recovery["top1"]["mean"] == recovery["top3"]["mean"] == found
    assert recovery["causes"]["x"]["clips"] == CLIPS and recovery["causes"]["y"] is None
    for way in ("deletion", "insertion"):
        for rival in ("random", "loudest"):
            for ending in ("", "_another_clip"):
                assert told[f"{way}_minus_{rival}{ending}"]["mean"] == pytest.approx(fall)
    assert told["curves"]["deletion"]["lime"]["mean"] == pytest.approx([0.6 - fall] * 21)
    assert told["claims"]["cells"]["mean"] == 2 == told["claims"]["strong"]["mean"]
    assert told["witnesses"]["other"]["mean"] == pytest.approx(1)


def test_where_a_network_listens_is_by_band_class_and_second():
    told = summarise([row(popular) for popular in POPULAR], POPULAR, WEIGHTS)
    assert told["bands"]["sub and bass"]["popular"]["mean"] == pytest.approx(0.4, abs=0.01)
    assert told["bands"]["sub and bass"]["unpopular"]["mean"] == pytest.approx(-0.4, abs=0.01)
    assert told["bands"]["hats and air"]["popular"]["mean"] == pytest.approx(0, abs=0.01)
    seconds = np.array(told["seconds"]["mean"])
    assert seconds.sum() == pytest.approx(1) and seconds[4:6].sum() > 0.9
    assert np.shape(told["map"]["mean"]) == GRID.shape


def test_one_class_only_and_no_truth_are_no_error():
    rows = [row(1) for _ in range(CLIPS)]
    for each in rows:
        del each["causes"]
    told = summarise(rows, np.ones(CLIPS), WEIGHTS)
    assert "recovery" not in told and told["bands"]["low mids"]["unpopular"] is None


def test_maps_of_nothing_lie_nowhere():
    rows = [row(1, find=0) for _ in range(CLIPS)]
    for each in rows:
        each["found"].runs[:] = 0
    told = summarise(rows, POPULAR, WEIGHTS)
    assert told["claims"]["share"]["mean"] == 0 and told["seconds"]["mean"] == [0] * 10


def test_means_have_the_interval_of_clips_drawn_anew():
    values = RNG.normal(3, 1, CLIPS)
    found = mean_over(values, WEIGHTS)
    assert found["mean"] == pytest.approx(values.mean())
    assert found["high"] - found["low"] == pytest.approx(4 * values.std() / CLIPS**0.5, rel=0.3)
    assert mean_over([np.nan, 2.0, 4.0], WEIGHTS[:, :3])["mean"] == 3
    assert mean_over([np.nan] * 3, WEIGHTS[:, :3]) is None
    both = mean_over(np.column_stack([values, -values]), WEIGHTS)
    assert both["mean"] == pytest.approx([values.mean(), -values.mean()])
    assert both["low"][0] == pytest.approx(found["low"])


@pytest.mark.parametrize("top", [1, 3])
def test_chance_is_that_of_segments_drawn_at_random(top):
    acting = segments((0, 1), (2, 3), (1, 1))
    misses = comb(GRID.size - 3, top) / comb(GRID.size, top)
    assert hit_by_chance(acting, top) == pytest.approx(1 - misses)


def test_overlap_is_what_pairs_of_seeds_share():
    runs = np.zeros((2, 2, *GRID.shape))
    runs[:, 0, 0, :3], runs[:, 1, 0, 1:4] = (3, 2, 1), (-3, -2, -1)
    assert top_overlap(runs) == pytest.approx(2 / 3)
    assert top_overlap(runs[:, [0, 0]]) == 1


def test_other_data_sets_have_no_truth(trained):
    assert read_truth(prepare(trained, folds=3)) is None
