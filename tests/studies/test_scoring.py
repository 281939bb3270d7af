"""The checks of scoring: a score that follows the causes passes, one that does not does not."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit

from hiphoplib.evaluation.evaluate import read_results
from hiphoplib.scoring.score import Scored, Song
from hiphoplib.studies import scoring as study
from hiphoplib.studies.scoring import _agreement, _causes
from hiphoplib.tracks.synthetic.beats import SR
from hiphoplib.tracks.synthetic.corpus import WEIGHTS
from hiphoplib.tracks.synthetic.songs import file_name, parts, popularities
from tests.paths import ROOT

STARTS = np.arange(0, 90, 5.0)


def scored(curve):
    """Rendered songs, scored by what a function makes of their causes."""
    songs = [
        Song(
            Path(file_name(0, number)),
            120,
            STARTS,
            np.tile(expit(curve(_causes(0, number, STARTS))), (3, 1)),
            50.0,
        )
        for number in (1, 2, 3)
    ]
    return SimpleNamespace(songs=songs, model=SimpleNamespace(grid=SimpleNamespace(seconds=30.0)))


def test_a_window_has_the_causes_of_the_parts_that_it_spans():
    for part in parts(0, 1):
        start, stop = (sample / SR for sample in part.samples)
        inside = _causes(0, 1, np.array([start]), window=stop - start)[0]
        worth = part.recipe.effects()
        acting = {
            "verse": ["low_end", "voice_presence", "hat_rolls"],
            "hook": ["low_end", "hat_rolls"],
            "lead": ["low_end", "riser", "drop"],
        }
        wanted = sum(WEIGHTS[name] * worth[name] for name in acting.get(part.role, ["low_end"]))
        assert inside == pytest.approx(wanted, abs=0.02)


def test_a_score_that_follows_the_causes_is_seen_to_and_another_is_not():
    right, wrong = (_agreement(scored(curve), 0) for curve in (np.positive, np.negative))
    assert np.allclose(right[:, 0], 1) and (right[:, 1] > 0.9).all()
    assert np.allclose(wrong[:, 0], -1) and (wrong[:, 1] < 0.1).all()
    fewer = scored(np.positive)
    fewer.songs = fewer.songs[1:]  # the first is unlike what the model learnt from
    assert np.array_equal(_agreement(fewer, 0), right[1:])


def test_songs_are_as_popular_as_the_corpus_would_draw_them():
    drawn = np.concatenate([popularities(seed, 10) for seed in range(40)])
    assert np.array_equal(drawn[:10], popularities(0, 10)) and ((0 <= drawn) & (drawn <= 100)).all()
    assert np.array_equal(drawn[:3], popularities(0, 10)[:3])
    assert 35 < np.median(drawn) < 50 and drawn.std() > 10  # as the humps of 2021
    heard = [
        _causes(seed, number, np.zeros(1), 1e6)[0] for seed in range(40) for number in range(1, 11)
    ]
    assert 0.05 < np.corrcoef(heard, drawn)[0, 1] < 0.7  # causes count, and so does luck


@pytest.mark.parametrize("margin, share", [(0.0, 1.0), (np.inf, 0.0)])
def test_orders_are_judged_by_the_popularity_that_is_drawn(monkeypatch, tmp_path, margin, share):
    def render(folder, n, seed):
        return [folder / file_name(seed, number) for number in range(1, n + 1)]

    def score(folder, model, hop):
        seed = int(folder.name.removeprefix("seed"))
        songs = [
            Song(path, 180, np.zeros(1), np.full((1, 1), worth / 100), 50.0)
            for path, worth in zip(render(folder, 10, seed), popularities(seed, 10))
        ]
        return Scored(folder, model, songs[::-1][:-1], {}, [], ["an outsider"])

    monkeypatch.setattr(study, "render_songs", render)
    monkeypatch.setattr(study, "score_tracks", score)
    model = SimpleNamespace(margin=margin, card={"model": "mlp", "corpus": {"name": "tiny"}})
    order, outside = study._orders(model, tmp_path, 4, 5.0)
    assert (order["share_answered"], order["songs"]) == (share, 36)
    assert outside == {"n": 40, "share": 0.1}
    assert order["all_pairs"]["accuracy"]["mean"] == 1
    assert (order["accuracy"] or {"mean": 1})["mean"] == 1
    assert bool(order["accuracy"]) == np.isfinite(margin)


def test_the_committed_checks_say_that_scores_follow_the_causes():
    checked = read_results(ROOT / "notebooks/results/scoring.json")["checked"]
    assert all(found["windows"]["low"] > 0 for found in checked.values())
    assert checked["synthetic-4000"]["best"]["low"] > 0.5
