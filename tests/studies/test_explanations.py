"""The measurement of a corpus' explanations."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hiphoplib.errors import BadInput
from hiphoplib.evaluation.evaluate import labels_on_test, read_results
from hiphoplib.explanation.tracks import example_tracks
from hiphoplib.models.experiment import prepare
from hiphoplib.studies import explanations
from hiphoplib.studies.explanations import check_explanations


@pytest.fixture(scope="module")
def measured(trained, tmp_path_factory):
    """A copy of the trained corpus with a truth, and the results of two clips of it."""
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("explained") / "tiny"))
    experiment = prepare(folder, folds=3)
    cause = {"value": 1.5, "times_s": [[0, 30]]}
    (folder / "truth.json").write_text(json.dumps({
        "causes": {"level": {"band_hz": [0, 11025], "weight": 1.0},
                   "low": {"band_hz": [30, 120], "weight": 2.0}},
        "tracks": {name: {"causes": dict.fromkeys(("level", "low"), cause)}
                   for name in experiment.tracks["id"]}}))
    path = folder / "explanations.json"
    check_explanations(folder, "mlp", clips=2, folds=3, pictures=folder, out=path, command="again")
    return folder, path


def test_results_hold_what_readers_need(measured):
    results = read_results(measured[1])
    assert results["corpus"]["name"] == "tiny" and results["model"] == "mlp"
    assert results["clips"] == 2 == results["sanity"]["clips"]
    for key in ("deletion_minus_random", "insertion_minus_random", "stability",
                "deletion_minus_random_another_clip"):
        assert results[key]["low"] <= results[key]["mean"] <= results[key]["high"]
    assert set(results["recovery"]["causes"]) == {"level", "low"}
    assert results["recovery"]["causes"]["level"] is None  # acts everywhere: nothing to find
    assert results["command"] == "again"
    assert "planted" not in results


def test_four_tracks_are_drawn_and_told_without_their_names(measured):
    folder, path = measured
    results = read_results(path)
    assert set(results["four"]) == {"popular", "unpopular", "missed", "overrated"}
    for kind, said in results["four"].items():
        assert said.startswith("- The MLP's probability, before calibration, is ")
        assert "Song" not in said
        assert (folder / f"lime_tiny_{kind}.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_explained_is_not_explained_again(measured, monkeypatch):
    from hiphoplib.explanation import tracks

    monkeypatch.setattr(tracks, "explain", None)
    monkeypatch.setattr(explanations, "curves", None)
    again = check_explanations(measured[0], "mlp", clips=2, folds=3)
    before = read_results(measured[1])
    for key in ("recovery", "deletion_minus_random", "curves", "sanity", "four", "map"):
        assert again[key] == before[key]


def test_four_tracks_are_the_ends_of_both_classes():
    y_true = pd.Series([1, 1, 1, 0, 0, 0], index=list("abcdef"))
    answers = pd.Series([0.9, 0.2, 0.5, 0.8, 0.1, 0.4], index=list("abcdef"))
    assert example_tracks(y_true, answers[::-1]) == {
        "popular": "a", "unpopular": "e", "missed": "b", "overrated": "d"}


def test_clips_are_drawn_from_those_held_out(measured):
    experiment = prepare(measured[0], folds=3)
    heldout = labels_on_test(experiment)["label"].sort_index()
    drawn = np.random.default_rng(0).permutation(heldout.index)[:2]
    files = {json.loads(path.read_text())["id"]
             for path in measured[0].glob("runs/*/mlp/*/explanations/*.json")}
    assert set(drawn) <= files


@pytest.mark.parametrize("model, folds", [("rnn", 3), ("mlp", 4)])
def test_what_is_not_trained_is_not_explained(measured, model, folds):
    with pytest.raises(BadInput, match="no trained model there"):
        check_explanations(measured[0], model, folds=folds)
