"""The model folder: whole, checked, at home anywhere, and nothing in it can run."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from hiphoplib.audio.features import NAMES, clip_features
from hiphoplib.audio.files import read_clip
from hiphoplib.audio.mel import mel_spectrogram
from hiphoplib.dataset.features import make_features, read_features
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.evaluate import evaluate
from hiphoplib.explanation.heard import Exchange, hear
from hiphoplib.models.calibration import calibrated
from hiphoplib.models.comparison import MODELS, Entry, Scores
from hiphoplib.models.experiment import prepare
from hiphoplib.models.stack import stack_of_fold
from hiphoplib.models.training import load_run
from hiphoplib.scoring import model_folder, trained_model
from hiphoplib.scoring.model_folder import MANIFEST, load_model, save_model
from hiphoplib.scoring.trained_model import song_parts
from hiphoplib.tracks.cleaning import read_clean
from tests.paths import ROOT
from tests.scored_songs import by_network


@pytest.fixture(scope="module")
def experiment(trained, tmp_path_factory):
    """The tiny corpus in three folds, a perceptron trained on each; features of its clips."""
    folder = shutil.copytree(trained, tmp_path_factory.mktemp("folders") / "tiny")
    make_features(read_clean(folder), folder, "handcrafted", jobs=1)
    return prepare(folder, folds=3)


@pytest.fixture(scope="module")
def results(experiment):
    return evaluate(experiment, ["mlp", "handcrafted"])[0]


@pytest.fixture(scope="module")
def saved(experiment, results, tmp_path_factory):
    """That model's folder; to be read only."""
    return save_model(experiment, results, "mlp", tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def saved_head(experiment, results, tmp_path_factory):
    """Heads on hand-crafted features; to be read only."""
    return save_model(
        experiment, results, "handcrafted", tmp_path_factory.mktemp("models") / "heads"
    )


@pytest.fixture
def own(saved, tmp_path):
    """A copy that a test may damage."""
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def edit(folder, **changes):
    """Change the manifest, and its hash with it."""
    manifest = json.loads((folder / MANIFEST).read_text()) | changes
    del manifest["sha256"]
    manifest["sha256"] = model_folder._hash_of(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_every_network_predicts_as_the_one_that_was_trained(experiment, saved):
    """Calibration and reference are of tracks that it has not learnt from."""
    model, on_test = load_model(saved), Scores(experiment).on_test("mlp")[0]
    S_db = experiment.store.batch(experiment.tracks.index[:5])
    assert len(model.trainings) == 3 and model.donors
    for fold, (training, scores) in enumerate(zip(model.trainings, by_network(model, S_db))):
        run = load_run(experiment.run_folder("mlp", 0, fold))
        calibration = Scores(experiment).calibration("mlp", fold)
        assert np.allclose(scores, calibrated(run.predict(S_db), *calibration), atol=1e-6)
        test = experiment.sides.index[experiment.sides[fold] == "test"]
        assert np.allclose(training.reference, np.sort(on_test[test]), atol=1e-5)
    odds = logit(by_network(model, S_db)).mean(axis=0)
    assert np.allclose(model.predict(S_db), expit(odds), atol=1e-6)


def test_heads_predict_as_the_model_that_was_evaluated(experiment, saved_head):
    model, scores = load_model(saved_head), Scores(experiment)
    X = read_features(experiment.folder, "handcrafted")
    assert model.kinds == ["handcrafted"]
    for fold, training in enumerate(model.trainings):
        test = experiment.ids(fold, "test")
        expected = calibrated(
            scores.of("handcrafted", fold)[test], *scores.calibration("handcrafted", fold)
        )
        assert np.allclose(training.predict(None, X.loc[test]), expected, atol=1e-6)


def test_the_stack_is_its_heads_and_all_trainings_of_its_network(experiment, monkeypatch, tmp_path):
    """Weighed as it was fitted; here the perceptron is its network."""
    monkeypatch.setattr("hiphoplib.models.stack.CRNN", "mlp")
    monkeypatch.setattr("hiphoplib.scoring.model_folder.CRNN", "mlp")
    heads = {"handcrafted": read_features(experiment.folder, "handcrafted")}

    def fitted(experiment, fold):
        return stack_of_fold(experiment, fold, heads, MODELS["mlp"].fit)

    entry = Entry(
        lambda experiment, fold, seed: fitted(experiment, fold)[1],
        stack=lambda experiment, fold: fitted(experiment, fold)[0],
    )
    monkeypatch.setitem(MODELS, "stack", entry)
    results, scores = evaluate(experiment, ["stack"])
    model = load_model(save_model(experiment, results, "stack", tmp_path / "stack"))
    ids = experiment.ids(0, "test")
    found = model.trainings[0].predict(experiment.store.batch(ids), heads["handcrafted"].loc[ids])
    assert np.allclose(found, scores["stack"].loc[ids, 0], atol=1e-4)  # of six decimals
    assert {type(member.model).__name__ for member in model.trainings[0].members} == {"Head", "Run"}


def test_what_cannot_be_saved_says_so(experiment, results, tmp_path):
    with pytest.raises(BadInput, match="'dummy': cannot be saved; there are handcrafted"):
        save_model(experiment, results, "dummy", tmp_path / "new")


def test_it_knows_its_own_tracks_and_no_others(experiment, saved):
    domain, X = load_model(saved).domain, read_features(experiment.folder, "handcrafted")
    assert np.mean([not domain.outside(X.loc[[track]]) for track in X.index]) > 0.9
    tone = np.sin(2 * np.pi * 440 * np.arange(24 * 22_050) / 22_050).astype(np.float32)
    other = pd.DataFrame([clip_features(0.3 * tone, 22_050)], columns=NAMES)
    assert domain.outside(other)
    known = X.iloc[[domain.distance(X).argmin()]]
    assert not domain.outside(pd.concat([other, other, known]))  # as a song whose intro is a tone


def test_an_older_folder_has_no_domain_and_scores_as_before(experiment, own):
    """Until November 2026 a folder held networks, their calibration beside them."""
    model, manifest = load_model(own), json.loads((own / MANIFEST).read_text())
    networks = [
        {
            "seed": each["seed"],
            "fold": each["fold"],
            "reference": each["reference"],
            "calibration": [each["members"][0].pop("weight"), each["offset"]],
            **each["members"][0],
        }
        for each in manifest.pop("trainings")
    ]
    del manifest["domain"], manifest["features"], manifest["results"]["order"]
    (own / MANIFEST).write_text(json.dumps(manifest))
    edit(own, format=2, networks=networks)
    older, S_db = load_model(own), experiment.store.batch(experiment.tracks.index[:5])
    assert older.domain is None and np.isinf(older.margin)
    assert np.allclose(older.predict(S_db), model.predict(S_db), atol=1e-6)


def sound(experiment, track_id="0001"):
    return read_clip(experiment.folder / "audio" / f"{track_id}.mp3")


def test_parts_of_a_song_are_swapped_with_its_own_clips(experiment, saved, monkeypatch):
    model, (y, sr) = load_model(saved), sound(experiment)
    assert np.array_equal(
        np.sort(model.donors.S_db[:, 0, 0]),
        np.sort(experiment.store.batch(experiment.store.ids)[:, 0, 0]),
    )
    assert model.donors.spread > 0
    assert model.donors.able == (model.card["results"]["auc"]["low"] > 0.5)
    monkeypatch.setattr(trained_model, "swap_test", lambda *asked, heard: (*asked, heard))
    predict, clip, lent, heard = song_parts(model, y, sr)
    assert np.array_equal(clip, mel_spectrogram(y, sr, model.grid)) and lent is model.donors
    assert np.allclose(predict(clip[None]), model.predict(clip[None])) and heard is None


def test_of_heads_parts_are_swapped_in_what_they_read(experiment, saved_head):
    """Of steady noise no segment can be louder than its band: a whole one is said, or nothing."""
    model, (y, sr) = load_model(saved_head), sound(experiment)
    heard = model.donors.heard
    assert heard.kinds == ("handcrafted",)
    assert len(heard.spectrograms["handcrafted"]) == len(model.donors.S_db) == 40
    X = Exchange(model.donors.grid, hear(y, sr, heard.kinds, model.donors.grid), heard).before([3])
    own = pd.DataFrame([clip_features(y, sr)], columns=NAMES)
    assert np.allclose(model.predict(None, X)[0], model.predict(None, own), atol=0.02)
    parts = song_parts(replace(model, donors=replace(model.donors, able=True)), y, sr)
    assert all(part.mask.any(axis=0).all() for part in parts)
    assert (saved_head / "donors.npz").stat().st_size < 40 * 250_000


def test_without_clips_to_swap_with_there_are_no_parts(saved, saved_head, experiment, tmp_path):
    model, asked = load_model(saved), sound(experiment)
    assert song_parts(replace(model, donors=None), *asked) is None
    older = Path(shutil.copytree(saved_head, tmp_path / "older"))  # holds mel spectrograms alone
    change_donors(older, lambda arrays: {"S_db": arrays["S_db"]})
    assert song_parts(load_model(older), *asked) is None
    assert load_model(older).donors is None


def change_donors(folder, change):
    """Change the arrays of the clips to swap with, and the hashes with them."""
    path = folder / "donors.npz"
    with np.load(path) as kept:
        arrays = change(dict(kept))
    np.savez_compressed(path, **arrays)
    edit(folder, donors=model_folder._file(path))


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: {"handcrafted_low": np.full_like(arrays["handcrafted_low"], np.nan)},
        lambda arrays: {"handcrafted_step": arrays["handcrafted_step"] * np.inf},
        lambda arrays: {"handcrafted_steps": arrays["handcrafted_steps"][:-1]},
        lambda arrays: {"handcrafted_steps": arrays["handcrafted_steps"][:, 1:]},
        lambda arrays: {"handcrafted_steps": arrays["handcrafted_steps"].astype(float)},
        lambda arrays: {
            name: arrays[name][..., :-1]
            for name in ("handcrafted_steps", "handcrafted_low", "handcrafted_step")
        },
        lambda arrays: {"handcrafted_lengths": arrays["handcrafted_lengths"] * -1},
        lambda arrays: {"S_db": arrays["S_db"][:-1]},
        lambda arrays: {"S_db": arrays["S_db"] * np.nan},
        lambda arrays: {"handcrafted_low": np.array([{"any": "object"}])},
        lambda arrays: {"handcrafted_low": None},
    ],
)
def test_clips_to_swap_with_are_numbers_of_the_right_shape(saved_head, tmp_path, change):
    own = Path(shutil.copytree(saved_head, tmp_path / "copy"))
    change_donors(
        own,
        lambda arrays: {
            name: array for name, array in (arrays | change(arrays)).items() if array is not None
        },
    )
    with pytest.raises(BadInput, match="damaged"):
        load_model(own)


def test_clips_to_swap_with_are_not_unpacked_without_end(saved, monkeypatch):
    monkeypatch.setattr("hiphoplib.explanation.swap_test.MAX_UNPACKED", 1000)
    with pytest.raises(BadInput, match="donors.npz cannot be read"):
        load_model(saved)


def test_it_says_what_it_is_and_how_good(experiment, saved):
    card, text = load_model(saved).card, (saved / "card.md").read_text()
    assert card["corpus"]["tracks"] == len(experiment.tracks) and card["synthetic"] is False
    assert card["results"]["auc"]["low"] <= card["results"]["auc"]["high"]
    assert {"within_artist", "precision_at_k"} <= set(card["results"])
    assert "## What it is not for" in text and f"{card['corpus']['artists']} artists" in text


def test_it_loads_in_another_place_without_the_corpus(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "mailed")
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from hiphoplib.scoring.model_folder import load_model; "
            "print(len(load_model(sys.argv[1]).trainings))",
            "mailed",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert run.stdout.strip() == "3", run.stderr


def test_saved_again_it_replaces_itself_and_nothing_else(experiment, results, own, tmp_path):
    before = (own / "network0.keras").stat().st_ino
    save_model(experiment, results, "mlp", own)
    assert (own / "network0.keras").stat().st_ino != before and load_model(own)
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "mine.mp3").touch()
    with pytest.raises(BadInput, match="holds something else than a model"):
        save_model(experiment, results, "mlp", tmp_path / "songs")
    assert (tmp_path / "songs" / "mine.mp3").exists()


def test_results_of_something_else_are_refused(experiment, results, tmp_path):
    of_another = results | {"corpus": results["corpus"] | {"fingerprint": "sha256:0"}}
    for others, model in ((of_another, "mlp"), (results, "rnn")):
        with pytest.raises(BadInput, match="results: not of .* evaluate it first"):
            save_model(experiment, others, model, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "name", [MANIFEST, "network0.keras", "network1.keras", "domain.csv", "donors.npz"]
)
@pytest.mark.parametrize("damage", ["gone", "cut", "bit"])
def test_every_damage_is_found(own, name, damage):
    path, content = own / name, bytearray((own / name).read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[:-100])
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(BadInput, match="damaged|no model there|another version"):
        load_model(own)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"trainings": []}, "holds no network"),
        ({"trainings": [{}]}, "lacks 'members'"),
        ({"trainings": [{"members": [], "offset": 0, "reference": []}]}, "holds no network"),
        ({"trainings": None}, "damaged"),
        ({"results": None, "trainings": [3]}, "damaged"),
        ({"features": {"handcrafted": 0}}, "another version of this project"),
        ({"features": [0]}, "damaged"),
        ({"grid": {}}, "damaged"),
        ({"format": 1}, r"another version of this project \(format 1, .* train it again"),
        ({"store_version": 1}, "another version of this project"),
        ({"model": "vgg"}, "'vgg', which this version does not know"),
        ({"format": 2}, "damaged"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_why(own, change, message):
    edit(own, **change)
    with pytest.raises(BadInput, match=message):
        load_model(own)


def test_a_number_that_is_none_is_damage(own):
    domain = json.loads((own / MANIFEST).read_text())["domain"]
    edit(own, domain=domain | {"noise": "much"})
    with pytest.raises(BadInput, match="damaged .*much"):
        load_model(own)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "\0\0"])
def test_what_is_no_manifest_is_damaged(own, text):
    (own / MANIFEST).write_text(text)
    with pytest.raises(BadInput, match="damaged"):
        load_model(own)


def test_weights_of_another_network_are_refused(own):
    trainings = json.loads((own / MANIFEST).read_text())["trainings"]
    trainings[0]["members"][0]["network"] = "crnn"
    edit(own, trainings=trainings)
    with pytest.raises(BadInput, match="weights are of another network"):
        load_model(own)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b\n1,2\n",
        ",mean,scale,weight\nnope,0,1,2\n",
        ",mean,scale,weight\ntempo,0,1,one\n",
        ",mean,scale,weight\ntempo,0,1,nan\n",
    ],
)
def test_a_head_is_numbers_of_known_features(saved_head, tmp_path, text):
    own = Path(shutil.copytree(saved_head, tmp_path / "copy"))
    trainings = json.loads((own / MANIFEST).read_text())["trainings"]
    entry = trainings[0]["members"][0]
    (own / entry["file"]).write_text(text)
    entry["sha256"] = model_folder.hashlib.sha256(text.encode()).hexdigest()
    edit(own, trainings=trainings)
    with pytest.raises(BadInput, match="damaged"):
        load_model(own)


def test_a_network_that_predicts_otherwise_here_is_refused(own):
    manifest = json.loads((own / MANIFEST).read_text())
    manifest["trainings"][0]["members"][0]["probe"][0] += 0.01
    edit(own, trainings=manifest["trainings"])
    with pytest.raises(BadInput, match="predicts otherwise here .* with keras"):
        load_model(own)


def test_a_path_out_of_the_folder_is_not_followed(own, tmp_path):
    manifest = json.loads((own / MANIFEST).read_text())
    shutil.copy(own / "network0.keras", tmp_path / "network0.keras")
    for name in ("../network0.keras", str(tmp_path / "network0.keras")):
        manifest["trainings"][0]["members"][0]["file"] = name
        edit(own, trainings=manifest["trainings"])
        with pytest.raises(BadInput, match="damaged"):
            load_model(own)


def test_code_in_the_file_does_not_run(own, tmp_path):
    """A network that calls what its config names: here only its weights are read."""
    marker, path = tmp_path / "ran", own / "network0.keras"
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    config = json.loads(parts["config.json"])
    config["config"]["layers"].append(
        {
            "module": "os",
            "class_name": "mkdir",
            "registered_name": "mkdir",
            "config": {"path": str(marker)},
            "build_config": {},
            "inbound_nodes": [],
        }
    )
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)
    manifest = json.loads((own / MANIFEST).read_text())
    member = manifest["trainings"][0]["members"][0]
    member["sha256"] = model_folder.hashlib.sha256(path.read_bytes()).hexdigest()
    edit(own, trainings=manifest["trainings"])
    assert load_model(own) and not marker.exists()
    for name in ("load_model(", "pickle", "deserialize"):
        assert f"keras.{name}" not in Path(model_folder.__file__).read_text(encoding="utf-8")
