"""What a results file holds of a model agrees with itself and with what can be counted."""

import json

import numpy as np
import pandas as pd
import pytest

from hiphoplib.evaluation.bootstrap import Bootstrap, Estimate
from hiphoplib.evaluation.evaluate import TestTracks, _judge, _measure, _share_of_gain

RNG = np.random.default_rng(0)
ARTISTS = np.repeat([f"A{n}" for n in range(40)], 6)


def some_tracks(**columns):
    tracks = pd.DataFrame(
        {
            "id": [f"{n}" for n in range(240)],
            "artists": [[a] for a in ARTISTS],
            "popularity": RNG.integers(0, 100, 240),
            **columns,
        }
    )
    tracks.index = pd.Index(tracks["id"].to_list())
    return TestTracks(tracks, RNG.integers(0, 2, 240), np.arange(240) % 3, Bootstrap(ARTISTS, 200))


def judged(test, scores):
    measured = _measure(test, scores)
    return _judge(test, scores, measured), measured


def test_all_that_is_told_can_be_written_and_lies_within_its_interval():
    held = some_tracks(genre=RNG.choice(["rap", "pop"], 240))
    scores = np.clip(held.y_true[:, None] * 0.2 + RNG.random((240, 3)) * 0.8, 0, 1)
    told, _ = judged(held, scores)
    json.dumps(told, allow_nan=False)
    for key in ("auc", "accuracy", "brier", "brier_skill", "within_artist", "within_genre"):
        assert told[key]["low"] < told[key]["mean"] < told[key]["high"], key
    assert told["within_artist"]["artists"] <= 40 and told["within_genre"]["groups"] == 2
    assert {(row["n"], row["k"], row["base"]) for row in told["precision_at_k"]} == {
        (10, 1, None),
        (10, 3, None),
        (10, 1, 0.2),
        (10, 3, 0.2),
    }
    assert sum(row["tracks"] for row in told["reliability"]) == 240


def test_where_no_artist_has_five_tracks_and_no_genre_is_known_there_is_none_to_tell():
    held = some_tracks()
    held.tracks["artists"] = [[f"B{n}"] for n in range(240)]
    told, _ = judged(held, RNG.random((240, 1)))
    assert told["within_artist"] is None and told["within_genre"] is None


def test_the_upper_bound_has_all_of_the_achievable_gain_and_a_constant_none():
    held = some_tracks()
    scores = {
        "upper_bound": held.y_true[:, None] * 0.5 + RNG.random((240, 1)) * 0.4,
        "half": held.y_true[:, None] * 0.1 + RNG.random((240, 1)) * 0.9,
        "dummy": np.full((240, 1), 0.5),
    }
    models, measured = {}, {}
    for name, score in scores.items():
        models[name], measured[name] = judged(held, score)
    shares = {name: share.estimate() for name, share in _share_of_gain(measured).items()}
    assert shares["upper_bound"] == Estimate(1, 1, 1)
    assert shares["dummy"] == Estimate(0, 0, 0)
    lift = [models[name]["auc"]["mean"] - 0.5 for name in ("half", "upper_bound")]
    assert shares["half"].mean == pytest.approx(lift[0] / lift[1])
