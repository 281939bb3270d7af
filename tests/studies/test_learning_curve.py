"""Splits are compared on the same tracks, and smaller corpora are whole artists of a larger one."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from hiphoplib.dataset.features import make_features
from hiphoplib.dataset.splits import artist_groups
from hiphoplib.models.experiment import _some_artists, prepare
from hiphoplib.studies import learning_curve as module
from hiphoplib.studies.learning_curve import compare_splits, learning_curve
from hiphoplib.tracks.table import read_tracks, write_tracks


@pytest.fixture(scope="module")
def heard(trained, tmp_path_factory):
    """Ten artists of four tracks each, who are famous or not; nothing else matters."""
    folder = shutil.copytree(trained, tmp_path_factory.mktemp("heard") / "tiny")
    tracks, number = read_tracks(folder), np.arange(40)
    write_tracks(
        tracks.assign(
            artists=[[f"Artist {n // 4}"] for n in number],
            popularity=10.0 + 80 * (number // 4 % 2),
            release_date=pd.Timestamp("2015-01-01") + pd.to_timedelta(number % 4 * 300, unit="D"),
        ),
        folder,
    )
    return folder


def test_an_artist_is_recognised_where_artists_cross_the_split(heard):
    experiment = prepare(heard, folds=4)
    found = compare_splits(experiment, ["artist_mean", "rnn"], resamples=200)
    json.dumps(found, allow_nan=False)
    assert found["folds"] == 4 and found["tracks"] == 40
    assert found["known"]["artist"] == 0 and found["known"]["random"] > 0.7
    assert list(found["models"]) == ["artist_mean"]  # no rnn is trained
    told = found["models"]["artist_mean"]
    gap = told["random"]["mean"] - told["artist"]["mean"]
    assert told["random-artist"]["mean"] == pytest.approx(gap)
    assert told["random-artist"]["low"] > 0.1
    assert set(told) >= {"artist", "time", "random", "random-artist", "time-artist", "known"}


def test_known_artists_are_those_of_the_training_side_of_a_tracks_own_fold(heard):
    experiment = prepare(heard, split="random", folds=4)
    known = module._known_artists(experiment)
    for track_id, answer in known.items():
        fold = next(f for f in experiment.sides if experiment.sides.loc[track_id, f] == "test")
        train = experiment.tracks[experiment.sides[fold] == "train"]
        artist = experiment.tracks.loc[track_id, "artists"][0]
        assert answer == (artist in set(train["artists"].str[0]))


def test_without_dates_two_splits_are_compared(trained):
    assert list(module._under_each_split(prepare(trained, folds=3))) == ["artist", "random"]


def test_smaller_corpora_are_whole_artists_drawn_anew(heard):
    tracks = prepare(heard, folds=4).tracks
    groups = artist_groups(tracks)
    drawn = [_some_artists(tracks, 21, seed) for seed in range(4)]
    for part in drawn:
        assert len(part) == 20
        assert set(groups[part.index]).isdisjoint(groups[tracks.index.difference(part.index)])
    assert len({tuple(part.index) for part in drawn}) > 1
    shuffled = _some_artists(tracks.sample(frac=1, random_state=0), 21, 0)
    assert set(shuffled.index) == set(drawn[0].index)


def test_certainty_grows_with_the_corpus(trained, tmp_path):
    experiment = prepare(shutil.copytree(trained, tmp_path / "tiny"), folds=3)
    make_features(experiment.tracks, experiment.folder, "handcrafted", jobs=1)
    found = learning_curve(experiment, {"loudness": 2, "metadata": 1}, sizes=(20, 40))
    json.dumps(found, allow_nan=False)
    rows = found["models"]["loudness"]
    assert [(row["tracks"], row["draws"]) for row in rows] == [(20, 2), (40, 1)]
    assert rows[1]["excludes"] == {"0.5": 1, "0.6": 1}
    assert found["needed"]["loudness"]["0.5"] in (20, 40)
    assert found["needed"]["metadata"] == {"0.5": None, "0.6": None}
    width = [row["auc"]["high"] - row["auc"]["low"] for row in rows]
    assert width[1] < width[0]


@pytest.mark.parametrize(
    "shares, enough",
    [((0.2, 0.8, 1), 250), ((0.9, 0.5, 1), 500), ((0, 0, 0.7), None), ((1, 1, 1), 125)],
)
def test_a_size_is_enough_if_every_larger_one_is(shares, enough):
    rows = [
        {"tracks": size, "excludes": {"0.5": share}} for size, share in zip((125, 250, 500), shares)
    ]
    assert module._needed(rows, 0.5) == enough


def test_a_subset_has_runs_of_its_own(heard):
    whole, part = prepare(heard, folds=4), prepare(heard, folds=3, subset=(28, 3))
    assert part.run_folder("mlp", 0, 0) != whole.run_folder("mlp", 0, 0)
    assert part.fingerprint != whole.fingerprint and len(part.tracks) == 28
    assert np.isin(part.tracks.index, whole.tracks.index).all()
