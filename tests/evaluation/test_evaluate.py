"""A results file holds what it should, and nothing is scored twice."""

import dataclasses
import json
import shutil

import pandas as pd
import pytest

from hiphoplib.errors import BadInput
from hiphoplib.evaluation.evaluate import (
    evaluate,
    labels_on_test,
    read_results,
    real_results,
    write_results,
)
from hiphoplib.models.comparison import MODELS, Scores
from hiphoplib.models.experiment import prepare


@pytest.fixture(scope="module")
def own_trained(trained, tmp_path_factory):
    """A copy of the trained corpus for this file."""
    return shutil.copytree(trained, tmp_path_factory.mktemp("evaluated") / "tiny")


@pytest.fixture(scope="module")
def experiment(own_trained):
    return prepare(own_trained, folds=3)


@pytest.fixture(scope="module")
def evaluated(experiment):
    return evaluate(experiment, resamples=500, command="python -m hiphoplib evaluate …")


def test_every_track_is_scored_once_by_a_model_that_did_not_see_it(experiment):
    scores = Scores(experiment).on_test("mlp")
    assert sorted(scores.index) == sorted(experiment.tracks["id"])
    assert list(scores) == [0]
    labels = labels_on_test(experiment)["label"]
    assert labels.index.equals(scores.index)
    for track_id in labels.index:
        fold = list(experiment.sides).index((experiment.sides.loc[track_id] == "test").idxmax())
        assert labels[track_id] == (
            experiment.tracks["popularity"][track_id] >= experiment.thresholds[fold]
        )


def test_the_results_have_the_keys_of_the_design(experiment, evaluated, tmp_path):
    results, scores = evaluated
    assert set(results["corpus"]) >= {"name", "tracks", "artists", "fingerprint", "popularity_kind"}
    assert set(results["protocol"]) >= {
        "grid",
        "split",
        "folds",
        "seeds",
        "threshold",
        "positive_share",
    }
    assert set(results) >= {"models", "paired", "versions", "made", "command"}
    assert list(results["models"]) == ["dummy", "metadata", "mlp"]
    # all tracks have one date, and no artist is in two sets
    assert list(results["not_applicable"]) == ["recency", "artist_mean"]
    assert results["best"]["model"] == "mlp" and results["best"]["of"] == 1
    for metric in ("auc", "accuracy", "brier"):
        for model in results["models"].values():
            assert set(model[metric]) == {"mean", "low", "high", "by_seed"}
    assert results["models"]["mlp"]["parameters"] == 64 * 323 * 128 + 128 + 128 * 64 + 64 + 65
    assert results["models"]["mlp"]["seconds_per_clip_epoch"] > 0
    assert results["corpus"]["tracks"] == 40
    assert results["corpus"]["artists"] == 40
    assert results["corpus"]["fingerprint"].startswith("sha256:")
    assert results["protocol"]["seeds"] == [0]
    assert results["protocol"]["folds"] == 3
    write_results(results, tmp_path / "new" / "tiny.json")
    assert read_results(tmp_path / "new" / "tiny.json") == json.loads(json.dumps(results))


def test_the_dummy_knows_nothing_and_the_mlp_hears_the_level(evaluated):
    models = evaluated[0]["models"]
    dummy = {key: models["dummy"]["auc"][key] for key in ("mean", "low", "high")}
    assert dummy == {"mean": 0.5, "low": 0.5, "high": 0.5}
    assert models["mlp"]["auc"]["mean"] > 0.7


def test_scores_are_computed_once(experiment, evaluated):
    files = sorted(experiment.folder.glob("runs/*/mlp/*/scores.csv"))
    assert len(files) == 3
    first = pd.read_csv(files[0], dtype={"id": str}).assign(score=0.125)
    kept = files[0].read_bytes()
    first.to_csv(files[0], index=False)
    try:
        assert (MODELS["mlp"].fit(experiment, int(files[0].parent.name[-1]), 0) == 0.125).all()
    finally:
        files[0].write_bytes(kept)


def test_a_second_evaluation_says_the_same(experiment, evaluated):
    again, _ = evaluate(experiment, resamples=500)
    assert again["models"] == evaluated[0]["models"]
    assert again["paired"] == evaluated[0]["paired"]


def test_a_model_that_is_not_trained_is_told(experiment, own_trained):
    with pytest.raises(BadInput, match="'rnn': not trained .* --model rnn"):
        evaluate(experiment, ["rnn"])
    with pytest.raises(BadInput, match="'mlp': not trained"):
        evaluate(prepare(own_trained, folds=4), ["mlp"])
    with pytest.raises(BadInput, match="'mlp': not trained"):
        evaluate(prepare(own_trained, split="random", folds=3), ["mlp"])


def test_a_seed_counts_when_all_its_folds_are_trained(trained, tmp_path):
    experiment = prepare(shutil.copytree(trained, tmp_path / "tiny"), folds=3)
    assert experiment.trained_seeds("mlp") == [0]
    other = shutil.copytree(experiment.run_folder("mlp", 0, 1), experiment.run_folder("mlp", 7, 1))
    card = json.loads((other / "card.json").read_text())
    (other / "card.json").write_text(json.dumps(card | {"seed": 7}))
    assert experiment.trained_seeds("mlp") == [0]
    (experiment.run_folder("mlp", 0, 2) / "card.json").unlink()
    assert experiment.trained_seeds("mlp") == []


def test_what_was_learnt_from_other_popularities_does_not_count(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "tiny")
    table = pd.read_parquet(folder / "tracks.parquet")
    table.assign(popularity=table["popularity"][::-1].to_numpy()).to_parquet(
        folder / "tracks.parquet"
    )
    assert prepare(folder, folds=3).trained_seeds("mlp") == []


def test_the_features_that_lack_are_named(experiment, monkeypatch):
    with pytest.raises(BadInput, match="--kind handcrafted"):
        evaluate(experiment, ["stack"])
    there = dataclasses.replace(MODELS["stack"], needs=("vgg",))
    monkeypatch.setitem(MODELS, "stack", there)
    with pytest.raises(BadInput, match="--kind vgg"):
        evaluate(experiment, ["stack"])


def test_who_says_the_same_of_all_ranks_no_folds(evaluated):
    scores = evaluated[1]  # where every artist has one track nobody is known
    pd.testing.assert_frame_equal(scores["artist_mean"], scores["dummy"])
    assert scores["dummy"][0].nunique() == 1


def test_real_results_are_those_without_an_upper_bound_one_a_corpus(evaluated, tmp_path):
    results, own = evaluated[0], tmp_path / "own"
    synthetic = results | {"models": results["models"] | {"upper_bound": {}}}
    write_results(results | {"made": "before"}, tmp_path / "tiny.json")
    write_results(synthetic, tmp_path / "synthetic.json")
    write_results({"corpora": {}}, tmp_path / "search.json")
    write_results(results, own / "tiny.json")
    found = real_results(tmp_path, own)
    assert [each["made"] for each in found] == [results["made"]]
