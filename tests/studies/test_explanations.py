"""What many explained clips say together: right maps score high, wrong and empty ones do not."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import comb

from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import Bootstrap, mean_over
from hiphoplib.evaluation.evaluate import labels_on_test, read_results
from hiphoplib.explanation import tracks
from hiphoplib.explanation.lime import Attribution
from hiphoplib.explanation.tracks import example_tracks
from hiphoplib.models.experiment import prepare
from hiphoplib.studies import explanations
from hiphoplib.studies.explanations import _Cause, _summarise, check_explanations
from tests.known_models import GRID, segments

CLIPS = 30
WEIGHTS = Bootstrap(np.arange(CLIPS), 200).weights
MEAN = partial(mean_over, weights=WEIGHTS)
POPULAR = np.arange(CLIPS) % 2
PLANTED = segments((0, 4), (0, 5))
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def measured(trained, tmp_path_factory):
    """A copy of the trained corpus with a truth, and the results of two clips of it."""
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("explained") / "tiny"))
    experiment = prepare(folder, folds=3)
    cause = {"value": 1.5, "times_s": [[0, 30]]}
    (folder / "truth.json").write_text(
        json.dumps(
            {
                "causes": {
                    "level": {"band_hz": [0, 11025], "weight": 1.0},
                    "low": {"band_hz": [30, 120], "weight": 2.0},
                },
                "tracks": {
                    name: {"causes": dict.fromkeys(("level", "low"), cause)}
                    for name in experiment.tracks["id"]
                },
            }
        )
    )
    path = folder / "explanations.json"
    check_explanations(folder, "mlp", clips=2, folds=3, pictures=folder, out=path, command="again")
    return folder, read_results(path)


def test_results_hold_what_readers_need(measured):
    _, results = measured
    assert results["corpus"]["name"] == "tiny" and results["model"] == "mlp"
    assert results["clips"] == 2 == results["sanity"]["clips"]
    for key in (
        "deletion_minus_random",
        "insertion_minus_random",
        "stability",
        "deletion_minus_random_another_clip",
    ):
        assert results[key]["low"] <= results[key]["mean"] <= results[key]["high"]
    assert set(results["recovery"]["causes"]) == {"level", "low"}
    assert results["recovery"]["causes"]["level"] is None  # acts everywhere: nothing to find
    assert results["command"] == "again"
    assert "planted" not in results


def test_four_tracks_are_drawn_and_told_without_their_names(measured):
    folder, results = measured
    assert set(results["four"]) == {"popular", "unpopular", "missed", "overrated"}
    for kind, said in results["four"].items():
        assert said.startswith("- The MLP's probability, before calibration, is ")
        assert "Song" not in said
        assert (folder / f"lime_tiny_{kind}.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_explained_is_not_explained_again(measured, tmp_path, monkeypatch):
    folder, before = measured
    monkeypatch.setattr(tracks, "explain", None)
    monkeypatch.setattr(explanations, "curves", None)
    (folder / "truth.json").rename(tmp_path / "truth.json")  # as of real recordings
    check_explanations(folder, "mlp", clips=2, folds=3, out=tmp_path / "again.json")
    again = read_results(tmp_path / "again.json")
    assert set(before) - set(again) == {"recovery"}
    for key in ("deletion_minus_random", "curves", "sanity", "four", "map"):
        assert again[key] == before[key]


def test_four_tracks_are_the_ends_of_both_classes():
    y_true = pd.Series([1, 1, 1, 0, 0, 0], index=list("abcdef"))
    answers = pd.Series([0.9, 0.2, 0.5, 0.8, 0.1, 0.4], index=list("abcdef"))
    assert example_tracks(y_true, answers[::-1]) == {
        "popular": "a",
        "unpopular": "e",
        "missed": "b",
        "overrated": "d",
    }


def test_clips_are_drawn_from_the_test_sets(measured):
    folder, _ = measured
    tested = labels_on_test(prepare(folder, folds=3))["label"].sort_index()
    drawn = np.random.default_rng(0).permutation(tested.index)[:2]
    files = {
        json.loads(path.read_text())["id"]
        for path in folder.glob("runs/*/mlp/*/explanations/*.json")
    }
    assert set(drawn) <= files


@pytest.mark.parametrize("model, folds", [("rnn", 3), ("mlp", 4)])
def test_what_is_not_trained_is_not_explained(measured, model, folds):
    with pytest.raises(BadInput, match="no trained model there"):
        check_explanations(measured[0], model, folds=folds)


def row(popular, find=1.0, fall=0.1):
    """A clip whose cause speaks for what it is; a map that finds it, or the opposite."""
    side = 1 if popular else -1
    runs = side * find * 0.2 * PLANTED + RNG.normal(0, 1e-3, (2, 3, *GRID.shape))
    flat = np.full(21, 0.6)
    curves = dict.fromkeys(
        ("both", "another clip"),
        {
            "deletion": {"lime": flat - fall, "random": flat, "loudest": flat},
            "insertion": {"lime": flat + fall, "random": flat, "loudest": flat},
        },
    )
    causes = {"x": _Cause(PLANTED, 1.0, 1.2 * side), "y": _Cause(segments((3, 0)), 1.0, 0.2)}
    found = Attribution(GRID, runs, np.full((2, 3), 0.7), 0.6, {"other": runs.mean(axis=1)})
    return {"found": found, "curves": curves, "causes": causes}


@pytest.mark.parametrize("find, fall, found", [(1, 0.1, True), (-1, -0.1, False)])
def test_right_maps_score_high_and_wrong_ones_low(find, fall, found):
    told = _summarise([row(popular, find, fall) for popular in POPULAR], POPULAR, MEAN)
    recovery = told["recovery"]
    assert (recovery["strongest"]["low"] > 0.95) == found
    assert (recovery["strongest"]["high"] < 0.05) != found
    assert recovery["top1"]["mean"] == recovery["top3"]["mean"] == found
    assert recovery["causes"]["x"]["clips"] == CLIPS and recovery["causes"]["y"] is None
    assert all(recovery["causes"]["x"][sign]["mean"] == found for sign in ("more", "less"))
    for way in ("deletion", "insertion"):
        for rival in ("random", "loudest"):
            for ending in ("", "_another_clip"):
                assert told[f"{way}_minus_{rival}{ending}"]["mean"] == pytest.approx(fall)
    assert told["curves"]["deletion"]["lime"]["mean"] == pytest.approx([0.6 - fall] * 21)
    assert told["claims"]["cells"]["mean"] == 2 == told["claims"]["strong"]["mean"]
    assert told["other_methods"]["other"]["mean"] == pytest.approx(1)


def test_where_a_network_listens_is_by_band_class_and_second():
    told = _summarise([row(popular) for popular in POPULAR], POPULAR, MEAN)
    assert told["bands"]["sub and bass"]["popular"]["mean"] == pytest.approx(0.4, abs=0.01)
    assert told["bands"]["sub and bass"]["unpopular"]["mean"] == pytest.approx(-0.4, abs=0.01)
    assert told["bands"]["hats and air"]["popular"]["mean"] == pytest.approx(0, abs=0.01)
    seconds = np.array(told["seconds"]["mean"])
    assert seconds.sum() == pytest.approx(1) and seconds[4:6].sum() > 0.9
    assert np.shape(told["map"]["mean"]) == GRID.shape


def test_one_class_only_is_no_error():
    told = _summarise([row(1) for _ in range(CLIPS)], np.ones(CLIPS), MEAN)
    assert told["bands"]["low mids"]["unpopular"] is None


def test_maps_of_nothing_lie_nowhere():
    rows = [row(1, find=0) for _ in range(CLIPS)]
    for each in rows:
        each["found"].runs[:] = 0
    told = _summarise(rows, POPULAR, MEAN)
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
    assert explanations._hit_by_chance(acting, top) == pytest.approx(1 - misses)


def test_overlap_is_what_pairs_of_seeds_share():
    runs = np.zeros((2, 2, *GRID.shape))
    runs[:, 0, 0, :3], runs[:, 1, 0, 1:4] = (3, 2, 1), (-3, -2, -1)
    assert explanations._top_overlap(runs) == pytest.approx(2 / 3)
    assert explanations._top_overlap(runs[:, [0, 0]]) == 1
