"""Every model scores tracks that it did not learn from, and knows no more than it should."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from hiphoplib.dataset.features import make_features, metadata_features
from hiphoplib.models.comparison import MODELS, Scores
from hiphoplib.models.experiment import prepare
from hiphoplib.models.stack import FAME, ArtistIdentifier
from hiphoplib.tracks.table import read_tracks

WITHOUT_TRAINING = ["dummy", "recency", "loudness", "handcrafted", "boosting", "metadata"]
RNG = np.random.default_rng(0)
FEATURES, ARTISTS = 8, 30
MIX = RNG.normal(size=(FEATURES, FEATURES))  # tracks of an artist differ along some lines more


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    """A trained corpus with hand-crafted features."""
    folder = shutil.copytree(trained, tmp_path_factory.mktemp("compared") / "tiny")
    tracks = read_tracks(folder)
    make_features(tracks, folder, "handcrafted", jobs=1)
    return folder


@pytest.fixture(scope="module")
def experiment(folder):
    experiment = prepare(folder, folds=3)
    rng = np.random.default_rng(0)
    days = pd.to_timedelta(rng.integers(0, 3000, len(experiment.tracks)), unit="D")
    experiment.tracks["release_date"] = pd.Timestamp("2015-01-01") + days
    experiment.tracks["duration_ms"] = rng.uniform(1e5, 3e5, len(experiment.tracks))
    return experiment


@pytest.mark.parametrize("name", [*WITHOUT_TRAINING, "mlp", "artist_mean"])
def test_a_model_scores_the_validation_and_test_sets_between_0_and_1(experiment, name):
    scores = MODELS[name].fit(experiment, 1, 0)
    assert list(scores.index) == list(experiment.ids(1, "validation", "test"))
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("name", [*WITHOUT_TRAINING, "artist_mean"])
def test_a_model_learns_from_no_track_that_it_is_judged_on(experiment, name):
    """Other labels and popularities of the judged tracks change no answer."""
    before = MODELS[name].fit(experiment, 0, 0)
    ids = experiment.ids(0, "validation", "test")
    other = replace(experiment, tracks=experiment.tracks.copy(), labels=experiment.labels.copy())
    other.labels.loc[ids, 0] = 1 - experiment.labels.loc[ids, 0]
    if name != "dummy":  # whose constant is over all folds
        other.tracks.loc[ids, "popularity"] = 100 - experiment.tracks.loc[ids, "popularity"]
        pd.testing.assert_series_equal(MODELS[name].fit(other, 0, 0), before)


def test_what_hears_the_level_finds_the_louder_tracks_popular_and_what_does_not_cannot(experiment):
    y = experiment.labels.loc[experiment.sides[0] == "test", 0]
    for name in ("loudness", "handcrafted"):
        assert roc_auc_score(y, MODELS[name].fit(experiment, 0, 0)[y.index]) > 0.8
    assert np.ptp(MODELS["artist_mean"].fit(experiment, 0, 0)) == 0  # artists are held out


def test_where_artists_are_not_held_out_their_other_tracks_tell(folder):
    experiment = prepare(folder, split="random", folds=3)
    experiment.tracks["artists"] = [
        ["Star"] if p > 50 else ["Nobody"] for p in experiment.tracks["popularity"]
    ]
    scores = MODELS["artist_mean"].fit(experiment, 0, 0)
    assert roc_auc_score(experiment.labels.loc[scores.index, 0], scores) > 0.95


def test_a_model_whose_features_are_not_there_has_no_seeds(experiment):
    scores = Scores(experiment)
    assert scores.seeds("musicnn") == scores.seeds("stack") == []
    assert scores.seeds("boosting") == [0, 1, 2, 3, 4]
    assert scores.seeds("recency") == scores.seeds("mlp") == [0]


def test_folds_are_calibrated_each_and_no_ranking_within_one_changes(experiment):
    scores = Scores(experiment).on_test("handcrafted")
    assert sorted(scores.index) == sorted(experiment.tracks["id"])
    for fold, side in experiment.sides.items():
        held = side.index[side == "test"]
        raw = MODELS["handcrafted"].fit(experiment, fold, 0)[held]
        assert raw.rank().equals(scores.loc[held, 0].rank())


def test_metadata_are_what_is_known_before_a_release():
    tracks = pd.DataFrame(
        {
            "artists": [["A"], ["A", "B"], ["A"], ["B"]],
            "album_type": ["single", "album", None, "EP"],
            "release_date": pd.to_datetime(["2020-01-03", "2021-07-02", None, "2021-07-02"]),
            "duration_ms": [180_000, np.nan, 200_000, 210_000],
            "explicit": [True, False, None, True],
        },
        index=list("abcd"),
    )
    known = metadata_features(tracks)
    assert known["days"].tolist()[:2] == [546, 0] and np.isnan(known["days"]["c"])
    assert known["out"].round(2).tolist()[:2] == [0, 1] and known["out"]["d"] == 0
    assert known["friday"].tolist()[:2] == [1, 1]
    assert known["guests"].tolist() == [0, 1, 0, 0]
    assert known["duration"]["a"] == 180 and np.isnan(known["duration"]["b"])
    assert known["single"].tolist()[:2] == [1, 0] and np.isnan(known["single"]["c"])
    assert known["album"]["d"] == 0 and known["explicit"]["a"] == 1
    assert np.isnan(known["explicit"]["c"])
    assert known["month_cos"]["a"] == pytest.approx(1, abs=0.01)


# artist identification


def tracks(places, each):
    """Rows around the artists' places, `each` of one, and whose they are."""
    artists = np.repeat(np.arange(len(places)), each)
    return places[artists] + RNG.normal(size=(len(artists), FEATURES)) @ MIX * 0.3, artists


@pytest.fixture(scope="module")
def heard():
    """An identifier of artists, their places and fame, and the scale of its features."""
    places = RNG.normal(size=(ARTISTS, FEATURES)) * 2
    X, artists = tracks(places, 4)
    fame = RNG.uniform(0, 100, ARTISTS)
    mean, std = X.mean(axis=0), X.std(axis=0)
    model = ArtistIdentifier((X - mean) / std, artists.astype(str), fame[artists])
    return model, places, fame, lambda rows: (rows - mean) / std


def test_artists_are_recognised_in_tracks_that_were_not_learnt(heard):
    model, places, _, scaled = heard
    X, artists = tracks(places, 5)
    likely = model._probabilities(scaled(X))
    assert likely.shape == (150, ARTISTS + 1)
    np.testing.assert_allclose(likely.sum(axis=1), 1)
    named = likely[:, :-1].argmax(axis=1)
    assert np.mean(np.asarray(model.artists)[named].astype(int) == artists) > 0.8


def test_who_was_not_learnt_from_is_more_often_taken_for_new(heard):
    model, places, _, scaled = heard
    known, _ = tracks(places, 5)
    new, _ = tracks(RNG.normal(size=(ARTISTS, FEATURES)) * 2, 5)
    of_known, of_new = (model._probabilities(scaled(X))[:, -1].mean() for X in (known, new))
    assert of_new > of_known + 0.3


def test_an_answer_is_the_artists_fame_drawn_in_by_its_few_tracks(heard):
    model, places, fame, scaled = heard
    answers = model.predict(scaled(places))
    mean = fame.mean()  # each artist has as many tracks
    assert np.corrcoef(answers, fame)[0, 1] > 0.9
    np.testing.assert_allclose(
        model.fame[:-1], (4 * fame[np.asarray(model.artists, int)] + FAME * mean) / (4 + FAME)
    )
    assert model.fame[-1] == pytest.approx(mean)


def test_where_every_artist_has_one_track_there_is_nobody_to_recognise(experiment):
    assert MODELS["artist_identification"].fit(experiment, 0, 0).nunique() == 1
