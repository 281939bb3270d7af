"""A track is explained once, by the network in whose test set it is, and then from its file."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hiphoplib.dataset.features import make_features, read_features
from hiphoplib.errors import BadInput
from hiphoplib.explanation import tracks
from hiphoplib.explanation.heard import Exchange, hear_clips
from hiphoplib.explanation.swap_test import Part
from hiphoplib.explanation.tracks import (
    _randomise_weights,
    explain_ahead,
    explain_track,
    remember,
    swap_track,
)
from hiphoplib.models.comparison import MODELS, Entry
from hiphoplib.models.experiment import prepare
from hiphoplib.models.stack import stack_of_fold
from hiphoplib.models.training import load_run
from hiphoplib.parallel import DIED
from hiphoplib.tracks.cleaning import read_clean
from tests.mel_runs import stored

OPTIONS = {"seeds": (0, 1)}


@pytest.fixture
def experiment(trained, tmp_path):
    return prepare(Path(shutil.copytree(trained, tmp_path / "tiny")), folds=3)


def kept(experiment):
    return sorted(experiment.folder.glob("runs/*/mlp/*/explanations/*.json"))


def same(one, other):
    return (
        all(
            np.array_equal(getattr(one, name), getattr(other, name))
            for name in ("runs", "r2", "weights", "stable", "confirmed")
        )
        and one.probability == other.probability
    )


def predicted(experiment, track_id):
    run = load_run(experiment.run_of("mlp", track_id))
    return pytest.approx(run.predict(experiment.store[track_id][None])[0], abs=1e-5)


def test_the_second_time_it_is_read(experiment, monkeypatch):
    found, S_db = explain_track(experiment, "mlp", "0001", **OPTIONS)
    assert np.array_equal(S_db, experiment.store["0001"])
    assert found.probability == predicted(experiment, "0001")
    (path,) = kept(experiment)
    assert path.is_relative_to(experiment.run_of("mlp", "0001"))
    monkeypatch.setattr(tracks, "explain", None)  # is not asked again
    again, _ = explain_track(experiment, "mlp", "0001", **OPTIONS)
    assert same(found, again) and set(again.other_methods) == {"occlusion", "gradients"}


@pytest.mark.parametrize(
    "change", ["network", "spectrogram", "seeds", "version", "{}", "[]", "cut"]
)
def test_what_depends_on_something_else_is_computed_again(experiment, change, monkeypatch):
    options = dict(OPTIONS)
    explain_track(experiment, "mlp", "0001", **options)
    (path,) = kept(experiment)
    text = path.read_text()
    if change == "network":
        run = load_run(experiment.run_of("mlp", "0001"))
        _randomise_weights(run.model)
        run.model.save(experiment.run_of("mlp", "0001") / "model.keras")
    elif change == "spectrogram":
        mels = stored(experiment.folder)
        mels += np.float16(3)
    elif change == "seeds":
        options["seeds"] = (0, 2)
    elif change == "version":
        monkeypatch.setattr(tracks, "VERSION", 99)
    else:
        path.write_text(text[: len(text) // 2] if change == "cut" else change)
    before = path.read_text()
    found, _ = explain_track(experiment, "mlp", "0001", **options)
    assert path.read_text() != before and json.loads(path.read_text())["id"] == "0001"
    if before != text:
        assert path.read_text() == text
    assert found.runs.shape[:2] == (2, 2)


def test_a_randomised_network_is_kept_apart(experiment):
    found = explain_track(experiment, "mlp", "0001", **OPTIONS)[0]
    randomised = explain_track(experiment, "mlp", "0001", randomised=0, **OPTIONS)[0]
    assert len(kept(experiment)) == 2 and not same(found, randomised)
    assert same(found, explain_track(experiment, "mlp", "0001", **OPTIONS)[0])
    assert same(randomised, explain_track(experiment, "mlp", "0001", randomised=0, **OPTIONS)[0])


def test_the_swap_test_of_a_track_is_kept_with_all_that_its_sentences_need(experiment, monkeypatch):
    part = Part(np.eye(4, 10, dtype=bool), np.ones(25), np.full(25, 0.5))
    asked = []

    def one_part(predict, S_db, donors):
        asked.append(donors)
        assert np.array_equal(S_db, experiment.store["0001"])
        return [part]

    monkeypatch.setattr(tracks, "swap_test", one_part)
    for _ in range(2):
        (found,) = swap_track(experiment, "mlp", "0001")
        assert all(np.array_equal(getattr(found, name), getattr(part, name)) for name in vars(part))
    (donors,) = asked
    side = experiment.sides.loc["0001"]
    train = experiment.ids(side.index[side == "test"][0], "train")
    assert len(donors.S_db) == len(train) and donors.spread > 0
    assert any(np.array_equal(each, experiment.store[train[0]]) for each in donors.S_db)
    assert not any(np.array_equal(each, experiment.store["0001"]) for each in donors.S_db)


@pytest.fixture
def with_features(experiment):
    make_features(read_clean(experiment.folder), experiment.folder, "handcrafted", jobs=1)
    return experiment


def test_a_model_with_heads_is_asked_about_what_they_read(with_features, monkeypatch):
    experiment, asked = with_features, []

    def one_part(predict, S_db, donors, heard):
        asked.append((predict, donors, heard))
        assert np.array_equal(S_db, experiment.store["0001"])
        return [Part(np.eye(4, 10, dtype=bool), np.ones(25), np.full(25, 0.5))]

    monkeypatch.setattr(tracks, "swap_test", one_part)
    one, again = (swap_track(experiment, "handcrafted", "0001") for _ in range(2))
    assert np.array_equal(one[0].mask, again[0].mask)
    ((predict, donors, heard),) = asked  # the second time it is read
    fold = (experiment.sides.loc["0001"] == "test").idxmax()
    assert len(donors.S_db) == len(experiment.ids(fold, "train")) and donors.spread > 0
    before = Exchange(donors.grid, heard, donors.heard).before([0])
    score = MODELS["handcrafted"].fit(experiment, fold, 0)["0001"]
    assert predict(donors.S_db[:2], before)[0] == pytest.approx(score, abs=0.02)


def test_a_head_that_learnt_something_else_is_asked_again(with_features, monkeypatch):
    experiment, asked = with_features, []
    monkeypatch.setattr(tracks, "swap_test", lambda *_, heard: asked.append(heard) or [])
    assert swap_track(experiment, "handcrafted", "0001") == []
    path = experiment.folder / "features-handcrafted.npz"
    with np.load(path) as kept:
        changed = dict(kept) | {"values": kept["values"][::-1]}
    np.savez(path, **changed)
    tracks._with_heads.cache_clear()
    assert swap_track(experiment, "handcrafted", "0001") == [] and len(asked) == 2


def test_the_stack_is_its_heads_and_networks(with_features, monkeypatch):
    """Here the perceptron is its network."""
    experiment, asked = with_features, []
    monkeypatch.setattr("hiphoplib.models.stack.CRNN", "mlp")
    monkeypatch.setattr(tracks, "CRNN", "mlp")
    monkeypatch.setattr(
        tracks,
        "swap_test",
        lambda predict, S_db, donors, heard: (
            asked.append(
                predict(S_db[None], Exchange(donors.grid, heard, donors.heard).before([]))[0]
            )
            or []
        ),
    )

    def fitted(experiment, fold):
        return stack_of_fold(
            experiment,
            fold,
            {"handcrafted": read_features(experiment.folder, "handcrafted")},
            MODELS["mlp"].fit,
        )

    monkeypatch.setitem(
        MODELS,
        "stack",
        Entry(lambda *asked: fitted(*asked[:2])[1], stack=lambda *asked: fitted(*asked)[0]),
    )
    swap_track(experiment, "stack", "0001")
    fold = (experiment.sides.loc["0001"] == "test").idxmax()
    assert asked[0] == pytest.approx(fitted(experiment, fold)[1]["0001"], abs=0.02)


def test_a_clip_that_lends_its_sound_and_cannot_be_read_is_left_out(with_features, monkeypatch):
    experiment = with_features
    first = experiment.tracks.index[:3]
    for track_id in first[:2]:
        (experiment.folder / "audio" / f"{track_id}.mp3").unlink()
    ids, heard = hear_clips(
        experiment, first.append(experiment.tracks.index[5:20]), ["handcrafted"], 12
    )
    assert len(ids) == len(heard.spectrograms["handcrafted"]) == 12
    assert ids[0] == first[2]
    with pytest.raises(BadInput, match="1 clips of it can be decoded, 10 are needed"):
        hear_clips(experiment, first, ["handcrafted"])


def test_ids_that_are_no_file_names_are_kept_all_the_same(experiment):
    folder = experiment.run_of("mlp", "0001")
    for odd in ("../../x", "a/b", "n\u0000l", "e" * 300, "\N{PILE OF POO}"):
        assert remember(folder, odd, "what", [], lambda: {"a": np.arange(2)}) == {"a": [0, 1]}
    assert len(list((folder / "explanations").iterdir())) == 5


@pytest.mark.parametrize(
    "model, track_id, message",
    [("mlp", "nope", "'nope': no usable clip"), ("rnn", "0001", "no trained model there")],
)
def test_what_cannot_be_explained_says_why(experiment, model, track_id, message):
    for explained in (explain_track, swap_track):
        with pytest.raises(BadInput, match=message):
            explained(experiment, model, track_id)


@pytest.mark.parametrize("model", ["dummy", "boosting", "nothing"])
def test_a_model_that_hears_no_spectrogram_cannot_be_explained(experiment, model):
    with pytest.raises(BadInput, match=f"'{model}': cannot be explained"):
        swap_track(experiment, model, "0001")


def test_what_is_explained_ahead_is_read_and_the_same(experiment, monkeypatch):
    ids = ["0001", "0002"]
    explain_ahead(partial(explain_track, experiment, "mlp", **OPTIONS), ids)
    monkeypatch.setattr(tracks, "explain", None)  # is not asked again
    for track_id in ids:
        found, _ = explain_track(experiment, "mlp", track_id, **OPTIONS)
        assert found.runs.shape == (2, 2, 4, 10)
        assert found.probability == predicted(experiment, track_id)


def test_a_track_whose_explanation_ends_its_process_is_named(experiment, monkeypatch):
    monkeypatch.setattr(tracks, "unordered", lambda *_, **__: (pair for pair in [(1, DIED)]))
    with pytest.raises(BadInput, match="^0002: explaining it ended its process"):
        explain_ahead(partial(explain_track, experiment, "mlp"), ["0001", "0002"])
