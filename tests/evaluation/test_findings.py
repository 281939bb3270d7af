"""What a results file holds of a model agrees with itself and with what can be counted."""

import json

import numpy as np
import pandas as pd
import pytest

from hiphoplib.evaluation.bootstrap import over_seeds, resample_artists
from hiphoplib.evaluation.evaluate import Heldout, findings, recovered
from hiphoplib.report.sentences import CAVEAT, estimate
from hiphoplib.scoring.model_folder import model_card, write_model_cards

RNG = np.random.default_rng(0)
ARTISTS = np.repeat([f"A{n}" for n in range(40)], 6)


def heldout(**columns):
    tracks = pd.DataFrame({"id": [f"{n}" for n in range(240)], "artists": [[a] for a in ARTISTS],
                           **columns})
    tracks.index = pd.Index(tracks["id"].to_list())
    return Heldout(tracks, RNG.integers(0, 2, 240), resample_artists(ARTISTS, 200))


def told_of(held, scores):
    draws = over_seeds(held.y_true, scores, held.weights)
    return findings(held, scores, draws), draws


def test_all_that_is_told_can_be_written_and_lies_within_its_interval():
    held = heldout(genre=RNG.choice(["rap", "pop"], 240))
    scores = np.clip(held.y_true[:, None] * 0.2 + RNG.random((240, 3)) * 0.8, 0, 1)
    told, _ = told_of(held, scores)
    json.dumps(told, allow_nan=False)
    for key in ("auc", "accuracy", "brier", "brier_skill", "within_artist", "within_genre"):
        assert told[key]["low"] < told[key]["mean"] < told[key]["high"], key
    assert told["within_artist"]["artists"] <= 40 and told["within_genre"]["genres"] == 2
    assert {(row["n"], row["k"], row["base"]) for row in told["sieve"]} == {
        (10, 1, None), (10, 3, None), (10, 1, 0.2), (10, 3, 0.2)}
    assert sum(row["tracks"] for row in told["reliability"]) == 240


def test_where_no_artist_has_five_tracks_and_no_genre_is_known_there_is_none_to_tell():
    held = heldout()
    held.tracks["artists"] = [[f"B{n}"] for n in range(240)]
    told, _ = told_of(held, RNG.random((240, 1)))
    assert told["within_artist"] is None and told["within_genre"] is None


def test_the_oracle_recovers_all_of_its_lift_and_a_constant_none():
    held = heldout()
    scores = {"oracle": held.y_true[:, None] * 0.5 + RNG.random((240, 1)) * 0.4,
              "half": held.y_true[:, None] * 0.1 + RNG.random((240, 1)) * 0.9,
              "dummy": np.full((240, 1), 0.5)}
    models, draws = {}, {}
    for name, score in scores.items():
        models[name], draws[name] = told_of(held, score)
    shares = recovered(models, draws)
    assert shares["oracle"] == {"mean": 1, "low": 1, "high": 1}
    assert shares["dummy"] == {"mean": 0, "low": 0, "high": 0}
    lift = [models[name]["auc"]["mean"] - 0.5 for name in ("half", "oracle")]
    assert shares["half"]["mean"] == pytest.approx(lift[0] / lift[1])


def test_a_model_card_says_what_it_is_from_and_what_it_is_not_for(trained, tmp_path):
    import shutil

    from hiphoplib.evaluation.evaluate import evaluate
    from hiphoplib.models.experiment import prepare

    task = prepare(shutil.copytree(trained, tmp_path / "tiny"), folds=3)
    results, scores = evaluate(task, ["mlp"], resamples=100)
    cards = sorted(task.folder.glob("runs/*/mlp/*/card.md"))
    assert len(cards) == 3
    text = cards[0].read_text()
    for said in (task.fingerprint, estimate(results["models"]["mlp"]["auc"]), "2,654,465",
                 "fold 0", "not for", f"keras {results['versions']['keras']}"):
        assert said in text, said
    assert CAVEAT not in text
    results["models"]["oracle"] = {}
    results["corpus"]["popularity_kind"] = "<script>`# heading`</script>\n# liked"
    card = json.loads((cards[0].parent / "card.json").read_text())
    text = model_card(card, results, (1.0, 0.0))
    assert CAVEAT in text and "\n# liked" not in text
    assert "`<script>'# heading'</script> # liked`" in text
    assert write_model_cards(task, results, {}) == []
