"""The measurement of a corpus' explanations, from the command line on."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hiphoplib.evaluation.evaluate import labels_on_test, read_results
from hiphoplib.explanation.cache import four_tracks
from hiphoplib.models.experiment import prepare
from hiphoplib.studies import explanations
from hiphoplib.studies.explanations import evaluate_explanations, main


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
    assert main([str(folder), "--model", "mlp", "--clips", "2", "--folds", "3", "--json", str(path),
                 "--pictures", str(folder)]) == 0
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
    assert results["command"].startswith("python -m hiphoplib.studies.explanations ")
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
    from hiphoplib.explanation import cache as explained

    monkeypatch.setattr(explained, "explain", None)
    monkeypatch.setattr(explanations, "curves", None)
    again = evaluate_explanations(prepare(measured[0], folds=3), "mlp", clips=2)
    before = read_results(measured[1])
    for key in ("recovery", "deletion_minus_random", "curves", "sanity", "four", "map"):
        assert again[key] == before[key]


def test_four_tracks_are_the_ends_of_both_classes():
    y_true = pd.Series([1, 1, 1, 0, 0, 0], index=list("abcdef"))
    answers = pd.Series([0.9, 0.2, 0.5, 0.8, 0.1, 0.4], index=list("abcdef"))
    assert four_tracks(y_true, answers[::-1]) == {"popular": "a", "unpopular": "e", "missed": "b",
                                                  "overrated": "d"}


def test_clips_are_drawn_from_those_held_out(measured):
    experiment = prepare(measured[0], folds=3)
    heldout = labels_on_test(experiment).sort_index()
    drawn = np.random.default_rng(0).permutation(heldout.index)[:2]
    files = {json.loads(path.read_text())["id"]
             for path in measured[0].glob("runs/*/mlp/*/explanations/*.json")}
    assert set(drawn) <= files


@pytest.mark.parametrize("arguments, said", [
    (["--model", "rnn"], "no trained model there"), (["--folds", "4"], "no trained model there")])
def test_what_cannot_be_measured_is_told_in_one_line(measured, arguments, said, capsys):
    arguments = arguments if "--folds" in arguments else [*arguments, "--folds", "3"]
    arguments = arguments if "--model" in arguments else [*arguments, "--model", "mlp"]
    assert main([str(measured[0]), *arguments]) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ") and said in shown.err and shown.err.count("\n") == 1
