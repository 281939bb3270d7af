"""Metrics are the known ones, intervals are honest, and nothing is scored twice."""

import json
import shutil
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, roc_auc_score

from hiphoplib.errors import BadInput
from hiphoplib.evaluation import (
    evaluate,
    heldout_labels,
    heldout_scores,
    interval,
    measure,
    metrics_with_intervals,
    paired_differences,
    read_results,
    resample_artists,
    trained_seeds,
    weighted_auc,
    write_results,
)
from hiphoplib.experiment import prepare

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def own_trained(trained, tmp_path_factory):
    """A copy of the trained corpus for this file."""
    return shutil.copytree(trained, tmp_path_factory.mktemp("evaluated") / "tiny")


@pytest.fixture(scope="module")
def task(own_trained):
    return prepare(own_trained, folds=3)


@pytest.fixture(scope="module")
def evaluated(task):
    return evaluate(task, resamples=500, command="python -m hiphoplib evaluate …")


def answers(n, artists, strength=1.0, by_artist=0.0, rng=RNG):
    """Return labels, scores and groups of n tracks, with as much of both due to the artist."""
    groups = rng.integers(0, artists, n)
    cause = (1 - by_artist) ** 0.5 * rng.normal(size=n) + (
        by_artist ** 0.5 * rng.normal(size=artists)[groups])
    noise = (1 - by_artist) ** 0.5 * rng.normal(size=n) + (
        by_artist ** 0.5 * rng.normal(size=artists)[groups])
    return (cause > 0).astype(int), 1 / (1 + np.exp(-strength * cause - noise)), groups


@pytest.mark.parametrize("decimals", [1, 2, 9])
def test_metrics_are_those_of_scikit_learn_on_repeated_rows(decimals):
    y, score, _ = answers(60, 60)
    score = score.round(decimals)
    weights = RNG.integers(0, 4, (20, 60))
    found = measure(y, score, weights)
    for i, times in enumerate(weights):
        rows, p = np.repeat(y, times), np.repeat(score, times)
        assert found["auc"][i] == pytest.approx(roc_auc_score(rows, p), abs=1e-12)
        assert found["accuracy"][i] == pytest.approx(accuracy_score(rows, p >= 0.5), abs=1e-12)
        assert found["brier"][i] == pytest.approx(brier_score_loss(rows, p), abs=1e-12)


def test_auc_of_a_resample_with_one_class_is_left_out():
    auc = weighted_auc(np.array([0, 1]), np.array([0.2, 0.8]), np.array([[1.0, 0], [2, 1]]))
    assert np.isnan(auc[0]) and auc[1] == 1
    assert interval(auc) == {"low": 1.0, "high": 1.0}


def test_auc_turns_around_with_the_scores():
    y, score, groups = answers(200, 200)
    weights = resample_artists(groups, 50)
    np.testing.assert_allclose(
        weighted_auc(y, score, weights) + weighted_auc(y, -score, weights), 1, atol=1e-6)


def test_a_constant_has_an_auc_of_a_half_exactly():
    y, _, groups = answers(200, 90)
    found = metrics_with_intervals(y, np.full((200, 1), 0.37), resample_artists(groups, 300))["auc"]
    assert found == {"mean": 0.5, "low": 0.5, "high": 0.5, "by_seed": [0.5]}


def test_resamples_draw_whole_artists_as_many_as_there_are():
    groups = np.array([0, 0, 0, 1, 2, 2, 5])
    weights = resample_artists(groups, 4000)
    assert weights.shape == (4000, 7)
    for group in np.unique(groups):
        assert (np.ptp(weights[:, groups == group], axis=1) == 0).all()
    firsts = [0, 3, 4, 6]
    assert (weights[:, firsts].sum(axis=1) == 4).all()
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.06)
    np.testing.assert_array_equal(weights, resample_artists(groups, 4000))
    assert (weights != resample_artists(groups, 4000, seed=1)).any()


@pytest.mark.parametrize("artists, by_artist", [(150, 0.0), (50, 0.5)])
def test_intervals_hold_the_truth_about_as_often_as_they_say(artists, by_artist):
    rng = np.random.default_rng(1)
    truth = roc_auc_score(*answers(400_000, 200_000, by_artist=by_artist, rng=rng)[:2])
    hits = 0
    for _ in range(150):
        y, score, groups = answers(150, artists, by_artist=by_artist, rng=rng)
        found = interval(weighted_auc(y, score, resample_artists(groups, 200)))
        hits += found["low"] <= truth <= found["high"]
    assert 0.87 <= hits / 150 <= 1


def test_intervals_are_wider_where_artists_have_many_tracks_each():
    rng = np.random.default_rng(2)

    def width(y, score, groups):
        found = interval(weighted_auc(y, score, resample_artists(groups, 400)))
        return found["high"] - found["low"]

    ratios = []
    for _ in range(10):
        y, score, groups = answers(300, 25, by_artist=0.9, rng=rng)
        ratios.append(width(y, score, groups) / width(y, score, np.arange(300)))
    assert np.median(ratios) > 1.5


def test_the_mean_over_seeds_lies_within_its_interval():
    y, score, groups = answers(200, 60)
    scores = np.column_stack([score, np.clip(score + RNG.normal(0, 0.2, 200), 0, 1)])
    for found in metrics_with_intervals(y, scores, resample_artists(groups, 500)).values():
        assert found["low"] < found["mean"] < found["high"]
        assert found["mean"] == pytest.approx(np.mean(found["by_seed"]))
        assert len(found["by_seed"]) == 2


def test_a_model_does_not_differ_from_itself_and_does_from_a_worse_one():
    y, score, groups = answers(200, 60)
    scores = {"rnn": score[:, None], "same": score[:, None], "worse": RNG.random((200, 1))}
    paired = paired_differences(y, scores, resample_artists(groups, 300))
    assert set(paired) == {"same-rnn", "worse-rnn"}
    for metric in ("auc", "accuracy", "brier"):
        assert paired["same-rnn"][metric] == {"mean": 0, "low": 0, "high": 0}
    assert paired["worse-rnn"]["auc"]["high"] < 0
    assert paired_differences(y, {"mlp": score[:, None]}, resample_artists(groups, 10)) == {}


def test_two_thousand_resamples_of_two_thousand_tracks_take_no_two_seconds():
    y, score, groups = answers(2000, 900)
    begin = time.perf_counter()
    metrics_with_intervals(y, score[:, None], resample_artists(groups, 2000))
    assert time.perf_counter() - begin < 2


# a trained corpus


def test_every_track_is_scored_once_by_a_model_that_did_not_see_it(task):
    scores = heldout_scores(task, "mlp")
    assert sorted(scores.index) == sorted(task.tracks["id"])
    assert list(scores) == [0]
    labels = heldout_labels(task)
    assert labels.index.equals(scores.index)
    for track_id in labels.index:
        fold = list(task.sides).index((task.sides.loc[track_id] == "holdout").idxmax())
        assert labels[track_id] == (
            task.tracks["popularity"][track_id] >= task.thresholds[fold])


def test_the_results_have_the_keys_of_the_design(task, evaluated, tmp_path):
    results, scores = evaluated
    assert set(results["corpus"]) >= {"name", "tracks", "artists", "fingerprint", "popularity_kind"}
    assert set(results["protocol"]) >= {"grid", "split", "folds", "seeds", "threshold",
                                        "positive_share"}
    assert set(results) >= {"models", "paired", "versions", "made", "command"}
    assert list(results["models"]) == ["dummy", "mlp"]
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


def test_scores_are_computed_once(task, evaluated):
    files = sorted(task.folder.glob("runs/*/mlp/*/scores.csv"))
    assert len(files) == 3
    first = pd.read_csv(files[0], dtype={"id": str}).assign(score=0.125)
    kept = files[0].read_bytes()
    first.to_csv(files[0], index=False)
    try:
        assert (heldout_scores(task, "mlp").loc[first["id"], 0] == 0.125).all()
    finally:
        files[0].write_bytes(kept)


def test_a_second_evaluation_says_the_same(task, evaluated):
    again, _ = evaluate(task, resamples=500)
    assert again["models"] == evaluated[0]["models"]
    assert again["paired"] == evaluated[0]["paired"]


def test_a_model_that_is_not_trained_is_told(task, own_trained):
    with pytest.raises(BadInput, match="'rnn': not trained .* --model rnn"):
        evaluate(task, ["rnn"])
    with pytest.raises(BadInput, match="'mlp': not trained"):
        evaluate(prepare(own_trained, folds=4), ["mlp"])
    with pytest.raises(BadInput, match="'mlp': not trained"):
        evaluate(prepare(own_trained, split="random", folds=3), ["mlp"])


def test_a_seed_counts_when_all_its_folds_are_trained(trained, tmp_path):
    task = prepare(shutil.copytree(trained, tmp_path / "tiny"), folds=3)
    assert trained_seeds(task, "mlp") == [0]
    other = shutil.copytree(task.run_folder("mlp", 0, 1), task.run_folder("mlp", 7, 1))
    card = json.loads((other / "card.json").read_text())
    (other / "card.json").write_text(json.dumps(card | {"seed": 7}))
    assert trained_seeds(task, "mlp") == [0]
    (task.run_folder("mlp", 0, 2) / "card.json").unlink()
    assert trained_seeds(task, "mlp") == []


def test_what_was_learnt_from_other_popularities_does_not_count(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "tiny")
    table = pd.read_parquet(folder / "tracks.parquet")
    table.assign(popularity=table["popularity"][::-1].to_numpy()).to_parquet(
        folder / "tracks.parquet")
    assert trained_seeds(prepare(folder, folds=3), "mlp") == []
