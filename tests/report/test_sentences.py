"""Sentences follow from the intervals, and from nothing else."""

import pandas as pd
import pytest

from hiphoplib.report import sentences as wording
from hiphoplib.tracks.synthetic.corpus import CAVEAT


def metric(low, mean, high):
    return {"mean": mean, "low": low, "high": high, "by_seed": [mean]}


def results(rnn, difference=(-0.01, 0.0, 0.01), oracle=None):
    """A results file in which the RNN's AUC and CNN 1's difference to it are given."""
    models = {name: {key: metric(0.45, 0.5, 0.55) for key in ("auc", "accuracy", "brier")}
              for name in ("dummy", "cnn1", "rnn")}
    models["rnn"]["auc"] = metric(*rnn)
    if oracle:
        models["upper_bound"] = {"auc": metric(*oracle)}
        models["rnn"]["recovered"] = metric(0.2, 0.5, 0.8)
    return {"models": models, "paired": {"cnn1-rnn": {"auc": metric(*difference)}},
            "corpus": {"name": "x", "tracks": 400, "artists": 300},
            "protocol": {"folds": 5, "split": "artist", "test_tracks": 400, "positive_share": 0.5,
                         "threshold": 39.0}}


@pytest.mark.parametrize("auc, said", [
    ((0.51, 0.6, 0.7), "better than chance"), ((0.49, 0.6, 0.7), "cannot be told from chance"),
    ((0.3, 0.4, 0.49), "worse than chance")])
def test_chance_is_beaten_only_if_the_interval_says_so(auc, said):
    assert said in wording.against_chance(results(auc))


@pytest.mark.parametrize("difference, said", [
    ((0.01, 0.05, 0.09), "better: CNN 1 (0.050 [0.010, 0.090])"),
    ((-0.09, -0.05, -0.01), "worse: CNN 1"),
    ((-0.01, 0.05, 0.09), "no difference shows: CNN 1")])
def test_a_model_is_better_only_if_the_paired_interval_says_so(difference, said):
    assert said in wording.against_rnn(results((0.5, 0.6, 0.7), difference))


@pytest.mark.parametrize("auc, said", [
    ((0.52, 0.6, 0.7), "one vote"), ((0.48, 0.6, 0.7), "Do not rank")])
def test_the_recommendation_follows_the_best_model(auc, said):
    assert said in wording.recommendation(results(auc))


def test_a_recommendation_from_the_synthetic_corpus_says_that_it_is_of_no_song():
    with_oracle = results((0.52, 0.6, 0.7), oracle=(0.65, 0.7, 0.75))
    assert CAVEAT in wording.recommendation(with_oracle)
    assert CAVEAT not in wording.recommendation(results((0.52, 0.6, 0.7)))


def test_what_is_recovered_is_told_with_its_interval():
    assert "50% [20%, 80%]" in wording.recovered(results((0.5, 0.6, 0.7), oracle=(0.65, 0.7, 0.75)))
    assert wording.recovered(results((0.5, 0.6, 0.7))) == ""


def test_what_ran_warns_of_the_synthetic_corpus_and_names_another_ones_label():
    tracks = pd.DataFrame({"source": ["synthetic"] * 2, "artists": [["a"], ["b"]],
                           "popularity_kind": ["made up", "made up"]})
    assert CAVEAT in wording.what_ran(tracks, "synthetic")
    real = wording.what_ran(tracks.assign(source="folder"), "mine")
    assert CAVEAT not in real and "made up" in real and "2 rows, 2 artists" in real


def test_every_model_has_a_row_in_the_table():
    models = results((0.5, 0.6, 0.7))["models"]
    table = wording.results_table({"models": models})
    assert list(table.index) == ["Dummy", "CNN 1", "RNN"]
    assert table.loc["RNN"].iloc[0] == "0.600 [0.500, 0.700]"


def test_what_went_names_every_step_that_took_something():
    steps = pd.DataFrame({"step": ["rows gathered", "one row a recording", "popularity known"],
                          "gone": [0, 6906, 0], "left": [23100, 16194, 16194]})
    assert wording.what_went(steps) == ("23,100 rows were gathered and 16,194 tracks are left; "
                                        "6,906 at “one row a recording” went.")
    assert "none went" in wording.what_went(steps[:1])


@pytest.mark.parametrize("share, said", [(0.294, "is 29%"), (None, "cannot be told")])
def test_an_artists_share_that_is_not_known_is_not_invented(share, said):
    real = {"name": "tracks of 2020", "artist_share": 0.3}
    assert said in wording.artists_share({"artist_share": share}, real)


@pytest.mark.parametrize("split, folds, said", [
    ("artist", 5, "neither it nor its artists"), ("random", 0, "never seen with its copies"),
    ("time", 0, "the newest 10 %, each tenth judged by models of what came before it")])
def test_what_a_split_promises_is_said_and_no_more(split, folds, said):
    of_split = results((0.5, 0.6, 0.7))
    of_split["protocol"] |= {"split": split, "folds": folds}
    assert said in wording.protocol(of_split)


def test_oracles_and_guesses_are_never_recommended():
    told = results((0.5, 0.6, 0.7))
    told["models"]["artist_mean"] = {"auc": metric(0.8, 0.9, 0.95)}
    assert wording.best_model(told) == "rnn"
