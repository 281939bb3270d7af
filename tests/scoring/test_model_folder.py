"""The model folder: whole, checked, at home anywhere, and nothing in it can run."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from hiphoplib.errors import BadInput
from hiphoplib.evaluation.evaluate import evaluate
from hiphoplib.models.calibration import calibrated
from hiphoplib.models.comparison import Scores
from hiphoplib.models.experiment import prepare
from hiphoplib.models.training import load_run
from hiphoplib.scoring import model_folder
from hiphoplib.scoring.model_folder import MANIFEST, load_model, save_model
from tests.paths import ROOT
from tests.scored_songs import by_network


@pytest.fixture(scope="module")
def experiment(trained):
    """The tiny corpus in three folds, a perceptron trained on each."""
    return prepare(trained, folds=3)


@pytest.fixture(scope="module")
def results(experiment):
    return evaluate(experiment, ["mlp"])[0]


@pytest.fixture(scope="module")
def saved(experiment, results, tmp_path_factory):
    """That model's folder; to be read only."""
    return save_model(experiment, results, "mlp", tmp_path_factory.mktemp("models") / "tiny")


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
    assert len(model.networks) == 3
    for fold, (network, scores) in enumerate(zip(model.networks, by_network(model, S_db))):
        run = load_run(experiment.run_folder("mlp", 0, fold))
        calibration = Scores(experiment).calibration("mlp", fold)
        assert network.calibration == calibration
        assert np.allclose(scores, calibrated(run.predict(S_db), *calibration), atol=1e-6)
        test = experiment.sides.index[experiment.sides[fold] == "test"]
        assert np.allclose(network.reference, np.sort(on_test[test]), atol=1e-5)
    odds = logit(by_network(model, S_db)).mean(axis=0)
    assert np.allclose(model.predict(S_db), expit(odds), atol=1e-6)


def test_the_gradient_is_that_of_the_calibrated_mean(experiment, saved):
    model = load_model(saved)
    S_db = experiment.store.batch(experiment.tracks.index[:2]).astype(np.float32)
    way = np.random.default_rng(0).normal(0, 0.05, S_db.shape).astype(np.float32)
    expected = (model.predict(S_db + way / 2) - model.predict(S_db - way / 2))
    found = (model.gradient(S_db) * way).sum(axis=(1, 2))
    assert np.allclose(found, expected, rtol=0.05, atol=5e-5)


def test_it_says_what_it_is_and_how_good(experiment, saved):
    card, text = load_model(saved).card, (saved / "card.md").read_text()
    assert card["corpus"]["tracks"] == len(experiment.tracks) and card["synthetic"] is False
    assert card["results"]["auc"]["low"] <= card["results"]["auc"]["high"]
    assert {"within_artist", "precision_at_k"} <= set(card["results"])
    assert "## What it is not for" in text and f"{card['corpus']['artists']} artists" in text


def test_it_loads_in_another_place_without_the_corpus(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "mailed")
    run = subprocess.run(
        [sys.executable, "-c", "import sys; from hiphoplib.scoring.model_folder import load_model; "
         "print(len(load_model(sys.argv[1]).networks))", "mailed"], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=100)
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


@pytest.mark.parametrize("name", [MANIFEST, "network0.keras", "network1.keras"])
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


@pytest.mark.parametrize("change, message", [
    ({"networks": []}, "holds no network"), ({"networks": [{}]}, "lacks 'file'"),
    ({"networks": None}, "damaged"), ({"results": None, "networks": [3]}, "damaged"),
    ({"grid": {}}, "damaged"),
    ({"format": 1}, r"another version of this project \(format 1, .* train it again"),
    ({"store_version": 1}, "another version of this project"),
    ({"model": "vgg"}, "'vgg', which this version does not know"),
    ({"model": "crnn"}, "weights are of another network")])
def test_a_manifest_that_cannot_be_used_says_why(own, change, message):
    edit(own, **change)
    with pytest.raises(BadInput, match=message):
        load_model(own)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "\0\0"])
def test_what_is_no_manifest_is_damaged(own, text):
    (own / MANIFEST).write_text(text)
    with pytest.raises(BadInput, match="damaged"):
        load_model(own)


def test_a_network_that_predicts_otherwise_here_is_refused(own):
    manifest = json.loads((own / MANIFEST).read_text())
    manifest["networks"][0]["probe"][0] += 0.01
    edit(own, networks=manifest["networks"])
    with pytest.raises(BadInput, match="predicts otherwise here .* with keras"):
        load_model(own)


def test_a_path_out_of_the_folder_is_not_followed(own, tmp_path):
    manifest = json.loads((own / MANIFEST).read_text())
    shutil.copy(own / "network0.keras", tmp_path / "network0.keras")
    for name in ("../network0.keras", str(tmp_path / "network0.keras")):
        manifest["networks"][0]["file"] = name
        edit(own, networks=manifest["networks"])
        with pytest.raises(BadInput, match="damaged"):
            load_model(own)


def test_code_in_the_file_does_not_run(own, tmp_path):
    """A network that calls what its config names: here only its weights are read."""
    witness, path = tmp_path / "ran", own / "network0.keras"
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    config = json.loads(parts["config.json"])
    config["config"]["layers"].append({
        "module": "os", "class_name": "mkdir", "registered_name": "mkdir",
        "config": {"path": str(witness)}, "build_config": {}, "inbound_nodes": []})
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)
    manifest = json.loads((own / MANIFEST).read_text())
    manifest["networks"][0]["sha256"] = model_folder.hashlib.sha256(path.read_bytes()).hexdigest()
    edit(own, networks=manifest["networks"])
    assert load_model(own) and not witness.exists()
    for name in ("load_model(", "pickle", "deserialize"):
        assert f"keras.{name}" not in Path(model_folder.__file__).read_text()
