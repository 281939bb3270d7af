"""A track is explained once, by the network that never saw it, and then from its file."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hiphoplib.errors import BadInput
from hiphoplib.explanation.cache import (
    explain_ahead,
    explain_randomised,
    explain_track,
    randomise_weights,
)
from hiphoplib.explanation.faithfulness import read_truth
from hiphoplib.models.experiment import prepare
from hiphoplib.models.training import load_run
from hiphoplib.parallel import DIED
from tests.mel_runs import stored

OPTIONS = {"seeds": (0, 1), "samples": 400}


@pytest.fixture
def experiment(trained, tmp_path):
    return prepare(Path(shutil.copytree(trained, tmp_path / "tiny")), folds=3)


def kept(experiment):
    return sorted(experiment.folder.glob("runs/*/mlp/*/explanations/*.json"))


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in (
        "runs", "r2", "weights", "claimed", "strong")) and one.probability == other.probability


def test_the_second_time_it_is_read(experiment, monkeypatch):
    found, S_db = explain_track(experiment, "mlp", "0001", **OPTIONS)
    assert np.array_equal(S_db, experiment.store["0001"])
    assert found.probability == pytest.approx(
        load_run(experiment.run_of("mlp", "0001")).predict(S_db[None])[0], abs=1e-6)
    from hiphoplib.explanation import cache as explained

    path, = kept(experiment)
    assert path.is_relative_to(experiment.run_of("mlp", "0001"))
    monkeypatch.setattr(explained, "explain", None)  # is not asked again
    again, _ = explain_track(experiment, "mlp", "0001", **OPTIONS)
    assert same(found, again) and set(again.witnesses) == {"occlusion", "gradients"}


@pytest.mark.parametrize("change", ["network", "spectrogram", "seeds", "version", "damaged",
                                    "cut"])
def test_what_depends_on_something_else_is_made_anew(experiment, change, monkeypatch):
    options = dict(OPTIONS)
    explain_track(experiment, "mlp", "0001", **options)
    path, = kept(experiment)
    if change == "network":
        run = load_run(experiment.run_of("mlp", "0001"))
        randomise_weights(run.model)
        run.model.save(experiment.run_of("mlp", "0001") / "model.keras")
    elif change == "spectrogram":
        mels = stored(experiment.folder)
        mels += np.float16(3)
    elif change == "seeds":
        options["seeds"] = (0, 2)
    elif change == "version":
        monkeypatch.setattr("hiphoplib.explanation.cache.VERSION", 99)
    else:
        text = path.read_text()
        path.write_text("{}" if change == "damaged" else text[: len(text) // 2])
    before = path.read_text()
    found, _ = explain_track(experiment, "mlp", "0001", **options)
    assert path.read_text() != before and json.loads(path.read_text())["id"] == "0001"
    if change in ("damaged", "cut"):
        assert path.read_text() == text
    assert found.runs.shape[:2] == (2, 2)


def test_a_shuffled_network_is_kept_apart(experiment):
    found, _ = explain_track(experiment, "mlp", "0001")
    shuffled = explain_randomised(experiment, "mlp", "0001", 0)
    assert len(kept(experiment)) == 2 and not same(found, shuffled)
    assert same(found, explain_track(experiment, "mlp", "0001")[0])
    assert same(shuffled, explain_randomised(experiment, "mlp", "0001", 0))


def test_ids_that_are_no_file_names_are_kept_all_the_same(experiment):
    from hiphoplib.explanation.cache import remembered

    folder = experiment.run_of("mlp", "0001")
    for odd in ("../../x", "a/b", "n\u0000l", "e" * 300, "\N{PILE OF POO}"):
        assert remembered(folder, odd, "what", [], lambda: {"a": np.arange(2)}) == {"a": [0, 1]}
    assert len(list((folder / "explanations").iterdir())) == 5


@pytest.mark.parametrize("model, track_id, said", [
    ("mlp", "nope", "'nope': no usable clip"), ("rnn", "0001", "no trained model there")])
def test_what_cannot_be_explained_says_why(experiment, model, track_id, said):
    with pytest.raises(BadInput, match=said):
        explain_track(experiment, model, track_id)


def test_other_corpora_have_no_truth(experiment):
    assert read_truth(experiment) is None


def test_what_is_explained_ahead_is_read_and_the_same(experiment, monkeypatch):
    from hiphoplib.explanation import cache as explained

    ids = ["0001", "0002"]
    explain_ahead(partial(explain_track, experiment, "mlp", **OPTIONS), ids, jobs=2)
    monkeypatch.setattr(explained, "explain", None)  # is not asked again
    for track_id in ids:
        found, S_db = explain_track(experiment, "mlp", track_id, **OPTIONS)
        assert found.runs.shape == (2, 2, 4, 10)
        assert found.probability == pytest.approx(
            load_run(experiment.run_of("mlp", track_id)).predict(S_db[None])[0], abs=1e-5)


def test_a_track_whose_explanation_ends_its_process_is_named(experiment, monkeypatch):
    def unordered(*_, **__):
        yield 1, DIED

    monkeypatch.setattr("hiphoplib.explanation.cache.unordered", unordered)
    with pytest.raises(BadInput, match="^0002: explaining it ended its process"):
        explain_ahead(partial(explain_track, experiment, "mlp"), ["0001", "0002"])
