"""The stack weighs what each member adds, learns from no track that it is judged on, and is plain
numbers."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from hiphoplib.dataset.features import make_features, read_features
from hiphoplib.models import stack as stacking
from hiphoplib.models.calibration import log_odds
from hiphoplib.models.comparison import MODELS
from hiphoplib.models.experiment import prepare, prepare_within
from hiphoplib.models.stack import CRNN, Head, Stack, fit_head, fit_stack, fit_weights, network_odds
from hiphoplib.tracks.table import read_tracks

N = 400


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def heard(rng):
    """Features, of which one kind tells of popularity and the other of nothing."""
    popularity = pd.Series(rng.uniform(0, 100, N))
    telling = pd.DataFrame(rng.normal(size=(N, 6)), columns=list("abcdef"))
    telling["a"] += (popularity - 50) / 25
    features = {"telling": telling, "noise": pd.DataFrame(rng.normal(size=(N, 30)))}
    return features, popularity, (popularity >= 50).astype(int).to_numpy(), np.arange(N) // 2


def test_of_labels_0_and_1_a_head_is_a_logistic_regression(heard):
    X, _, popular, _ = heard[0]["telling"], *heard[1:]
    Z = (X - X.mean()) / X.std(ddof=0)
    usual = LogisticRegression(C=0.5 / X.shape[1]).fit(Z.to_numpy(), popular)
    np.testing.assert_allclose(
        fit_head(X, popular).predict(X), usual.decision_function(Z.to_numpy()), atol=1e-3
    )


def test_what_a_head_does_not_know_counts_as_the_mean_and_nothing_counts_without_limit(heard):
    X, popular = heard[0]["telling"], heard[2]
    X = X.assign(silent=0.0, rare=np.where(np.arange(N) == 3, 1e-6, 0.0), unknown=np.nan)
    head = fit_head(X, popular)
    mean = X.mean().to_frame().T
    assert head.predict(mean.assign(a=np.nan)) == pytest.approx(head.predict(mean))
    loud = head.predict(mean.assign(rare=1.0))
    assert np.abs(loud - head.predict(mean)) <= 5.01 * np.abs(head.table["weight"]["rare"])


def test_a_member_that_adds_nothing_has_no_weight_and_equals_have_equal_ones(rng):
    truth = rng.normal(size=4000)
    popular = (rng.random(4000) < 1 / (1 + np.exp(-truth))).astype(int)
    odds = np.stack([truth, truth + rng.normal(size=4000), -truth], axis=1)
    weights = fit_weights(odds, popular)
    assert weights[0] > 0.8 and weights[1] < 0.1 and weights[2] < 0.01
    noise = odds[:, 1] - truth  # which would be taken away again with a negative weight
    assert fit_weights(np.stack([odds[:, 1], noise + truth / 4], axis=1), popular)[1] == 0
    one, other = fit_weights(odds[:, [0, 0]], popular)
    assert one == pytest.approx(other) and one + other == pytest.approx(1, abs=0.1)


def test_of_few_tracks_the_weights_stay_closer_to_equal_ones(rng):
    truth = rng.normal(size=4000)
    popular = (rng.random(4000) < 1 / (1 + np.exp(-truth))).astype(int)
    odds = np.stack([truth, truth + rng.normal(size=4000)], axis=1)
    shares = [np.divide(*fit_weights(odds[:n], popular[:n])[::-1]) for n in (60, 4000)]
    free = np.divide(*fit_weights(odds[:60], popular[:60], shrinkage=0)[::-1])
    equal = np.divide(*fit_weights(odds[:60], popular[:60], shrinkage=np.inf)[::-1])
    assert shares[1] < 0.1 and min(free, equal) < shares[0] < max(free, equal)


def test_a_stack_orders_tracks_that_it_did_not_see_as_its_own_out_of_fold(heard):
    features, popularity, popular, groups = heard
    learnt, rest = np.arange(N) < 300, np.arange(N) >= 300
    stack, own = fit_stack(
        {kind: X[learnt] for kind, X in features.items()},
        popularity[learnt],
        popular[learnt],
        groups[learnt],
    )
    auc = roc_auc_score(popular[learnt], own)
    new = roc_auc_score(popular[rest], stack.predict({k: X[rest] for k, X in features.items()}))
    assert auc > 0.75 and abs(new - auc) < 0.1
    assert list(stack.weights) == ["telling", "noise"]


def test_of_labels_at_random_nothing_is_known_out_of_fold(heard, rng):
    features, popularity, _, groups = heard
    aucs = []
    for _ in range(5):
        shuffled = pd.Series(rng.permutation(popularity))
        popular = (shuffled >= 50).astype(int).to_numpy()
        aucs.append(roc_auc_score(popular, fit_stack(features, shuffled, popular, groups)[1]))
    assert abs(np.mean(aucs) - 0.5) < 0.06


def test_a_network_is_a_member_like_the_heads(heard, rng):
    features, popularity, popular, groups = heard
    stack, own = fit_stack(features, popularity, popular, groups, (popularity - 50) / 10)
    assert list(stack.weights)[-1] == CRNN and stack.weights[CRNN] > 0.1
    assert roc_auc_score(popular, own) > 0.95


def test_a_stack_is_plain_numbers(heard):
    features, popularity, popular, groups = heard
    stack, _ = fit_stack(features, popularity, popular, groups)
    written = json.dumps(
        {
            "weights": stack.weights,
            "offset": stack.offset,
            "heads": {
                kind: {"offset": head.offset, **head.table.to_dict("list")}
                for kind, head in stack.heads.items()
            },
        }
    )
    read = json.loads(written)
    heads = {
        kind: Head(
            pd.DataFrame(
                {of: head[of] for of in ("mean", "scale", "weight")}, index=features[kind].columns
            ),
            head["offset"],
        )
        for kind, head in read["heads"].items()
    }
    again = Stack(heads, read["weights"], read["offset"])
    np.testing.assert_array_equal(again.predict(features), stack.predict(features))


@pytest.fixture(scope="module")
def experiment(trained, tmp_path_factory):
    """A corpus with hand-crafted features and a trained network."""
    folder = shutil.copytree(trained, tmp_path_factory.mktemp("stacked") / "tiny")
    make_features(read_tracks(folder), folder, "handcrafted", jobs=1)
    return prepare(folder, folds=3)


@pytest.fixture
def members(monkeypatch):
    """The MLP for a network."""
    monkeypatch.setattr(stacking, "CRNN", "mlp")
    return MODELS["mlp"].fit


@pytest.fixture
def features(experiment):
    """Hand-crafted ones alone."""
    return {"handcrafted": read_features(experiment.folder, "handcrafted")}


def test_the_stack_learns_from_no_test_track(experiment, features, members):
    before = stacking.stack_of_fold(experiment, 0, features, members)[1]
    assert sorted(before.index) == sorted(experiment.tracks.index)
    assert before.notna().all()
    test = experiment.ids(0, "test")
    other = replace(experiment, tracks=experiment.tracks.copy(), labels=experiment.labels.copy())
    network = network_odds(experiment, 0, members)  # the corpus of a trained one may not change
    other.labels.loc[test, 0] = 1 - experiment.labels.loc[test, 0]
    other.tracks.loc[test, "popularity"] = 100 - experiment.tracks.loc[test, "popularity"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stacking, "network_odds", lambda *_: network)
        _, again = stacking.stack_of_fold(other, 0, features, members)
        pd.testing.assert_series_equal(again, before)


def test_a_network_is_asked_of_no_track_that_it_or_one_within_learnt_from(experiment, members):
    asked = {}

    def network(of, fold, seed):
        asked[of.protocol.name, fold] = set(of.ids(fold, "train"))
        assert asked[of.protocol.name, fold].isdisjoint(experiment.ids(0, "test"))
        return members(of, fold, seed)

    odds = network_odds(experiment, 0, network)
    assert sorted(odds.index) == sorted(experiment.tracks.index) and odds.notna().all()
    inner = prepare_within(experiment, 0, stacking.INNER_FOLDS)
    assert len(asked) == 1 + len(inner.sides.columns)
    for fold in inner.sides:
        held = inner.ids(fold, "test")
        expected = log_odds(members(inner, fold, 0)[held])
        np.testing.assert_array_equal(odds[held], expected)
    untrained = replace(experiment, protocol=replace(experiment.protocol, split="random"))
    assert network_odds(untrained, 0, members) is None
