"""Artists are told by their place, newcomers are told as such, and fame is remembered."""

import shutil

import numpy as np
import pytest

from hiphoplib.dataset.features import make_features
from hiphoplib.models.artist_identification import FAME, ArtistIdentifier
from hiphoplib.models.comparison import MODELS
from hiphoplib.models.experiment import prepare

RNG = np.random.default_rng(0)
FEATURES, ARTISTS = 8, 30
MIX = RNG.normal(size=(FEATURES, FEATURES))  # tracks of an artist differ along some lines more


def tracks(places, each):
    """Rows around the artists' places, `each` of one, and whose they are."""
    artists = np.repeat(np.arange(len(places)), each)
    return places[artists] + RNG.normal(size=(len(artists), FEATURES)) @ MIX * 0.3, artists


@pytest.fixture(scope="module")
def heard():
    places = RNG.normal(size=(ARTISTS, FEATURES)) * 2
    X, artists = tracks(places, 4)
    fame = RNG.uniform(0, 100, ARTISTS)
    mean, std = X.mean(axis=0), X.std(axis=0)
    model = ArtistIdentifier().fit((X - mean) / std, artists.astype(str), fame[artists])
    return model, places, fame, lambda rows: (rows - mean) / std


def test_artists_are_recognised_in_tracks_that_were_not_learnt(heard):
    model, places, _, scaled = heard
    X, artists = tracks(places, 5)
    likely = model.probabilities(scaled(X))
    assert likely.shape == (150, ARTISTS + 1)
    np.testing.assert_allclose(likely.sum(axis=1), 1)
    named = likely[:, :-1].argmax(axis=1)
    assert np.mean(np.asarray(model.artists)[named].astype(int) == artists) > 0.8


def test_who_was_not_learnt_from_is_more_often_taken_for_new(heard):
    model, places, _, scaled = heard
    known, _ = tracks(places, 5)
    new, _ = tracks(RNG.normal(size=(ARTISTS, FEATURES)) * 2, 5)
    of_known, of_new = (model.probabilities(scaled(X))[:, -1].mean() for X in (known, new))
    assert of_new > of_known + 0.3


def test_an_answer_is_the_artists_fame_drawn_in_by_its_few_tracks(heard):
    model, places, fame, scaled = heard
    answers = model.predict(scaled(places))
    mean = fame.mean()  # each artist has as many tracks
    assert np.corrcoef(answers, fame)[0, 1] > 0.9
    np.testing.assert_allclose(model.fame[:-1], (4 * fame[np.asarray(model.artists, int)]
                                                 + FAME * mean) / (4 + FAME))
    assert model.fame[-1] == pytest.approx(mean)


def test_where_every_artist_has_one_track_there_is_nobody_to_recognise(trained, tmp_path):
    experiment = prepare(shutil.copytree(trained, tmp_path / "tiny"), folds=3)
    make_features(experiment.tracks, experiment.folder, "handcrafted", jobs=1)
    assert MODELS["artist_identification"].fit(experiment, 0, 0).nunique() == 1
