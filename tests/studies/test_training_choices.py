"""Ways to train and to stack are compared on tracks that nothing learnt from, test tracks apart."""

import json

import numpy as np
import pandas as pd
import pytest

from hiphoplib.dataset.splits import artist_groups
from hiphoplib.models.experiment import prepare
from hiphoplib.models.training import fit
from hiphoplib.studies import training_choices as module


def test_choices_of_training_are_judged_by_what_no_training_saw_or_was_stopped_by(trained):
    experiment = prepare(trained, folds=5)
    groups = artist_groups(experiment.tracks)
    for fold, before in experiment.sides.items():
        sides = module._sides(experiment, fold)
        assert (sides[before == "test"] == "unused").all()
        assert ((sides == "test") == (before == "validation")).all()
        assert set(sides[before == "train"]) == {"train", "validation"}
        parts = [set(groups[sides == side]) for side in ("train", "validation", "test")]
        assert sum(map(len, parts)) == len(set.union(*parts))


def test_choices_of_training_are_compared_on_several_corpora_once(
    trained, own_corpus, tmp_path, monkeypatch
):
    fitted = []

    def two_epochs(*args, **options):
        fitted.append(options)
        return fit(*args, **options, epochs=2)

    monkeypatch.setattr(module, "fit", two_epochs)
    monkeypatch.setattr(module, "STOPPING", 0.4)
    out = tmp_path / "choices.json"
    for _ in range(2):  # the second time all stands
        module.training_choices(
            [str(own_corpus), f"{own_corpus}:30"], ["mlp"], ["halved-label"], 1, out, "make it"
        )
        assert len(fitted) == 2 * 2 * 5
    found = json.loads(out.read_text())
    assert len(found["corpora"]) == 2 and found["mean"]["halved-label"]["of"] == 2
    whole = found["corpora"][own_corpus.name]["mlp"]
    assert set(whole["choices"]) == {"now", "halved-label"} and whole["tracks"] == 40
    difference = whole["choices"]["halved-label"]["difference"]
    assert difference["low"] <= difference["mean"] <= difference["high"]


@pytest.fixture
def heard(trained, monkeypatch):
    """A corpus whose hand-crafted features tell of popularity, and whose tagger hears noise."""
    tracks, rng = prepare(trained, folds=5).tracks, np.random.default_rng(0)
    telling = tracks[["popularity"]] + rng.normal(0, 10, (len(tracks), 1))
    noise = pd.DataFrame(rng.normal(size=(len(tracks), 3)), tracks.index)
    monkeypatch.setattr(
        module, "read_members", lambda folder: {"handcrafted": telling, "musicnn": noise}
    )
    return trained


def test_what_the_stack_brings_is_measured_without_test_tracks(heard, tmp_path):
    experiment = prepare(heard, folds=5)
    for fold in experiment.sides:
        ids, popular, ways = module._ways(experiment, fold)
        assert set(ids) == set(experiment.ids(fold, "train", "validation"))
        assert {len(odds) for odds in ways.values()} == {len(ids)} and len(popular) == len(ids)
    out = tmp_path / "stack.json"
    module.stack_gains([heard], out, "make it")
    found = json.loads(out.read_text())["corpora"][heard.name]
    assert found["gains"]["stack over musicnn"]["mean"] > 0.2
    assert abs(found["gains"]["stack over handcrafted"]["mean"]) < 0.1
    assert found["gains"]["the CRNN"] == {"mean": 0, "low": 0, "high": 0}  # it is not trained
