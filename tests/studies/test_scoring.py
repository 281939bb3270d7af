"""The checks of scoring: a score that follows the causes passes, one that does not does not."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hiphoplib.evaluation.evaluate import read_results
from hiphoplib.scoring.score import Song
from hiphoplib.studies.scoring import _agreement, _causes
from hiphoplib.tracks.synthetic.beats import SR
from hiphoplib.tracks.synthetic.corpus import WEIGHTS
from hiphoplib.tracks.synthetic.songs import file_name, parts
from tests.paths import ROOT

STARTS = np.arange(0, 90, 5.0)


def scored(curve):
    """Rendered songs, scored by what a function makes of their causes."""
    songs = [Song(Path(file_name(0, number)), 120, STARTS,
                  np.tile(curve(_causes(0, number, STARTS)), (3, 1)), 50.0)
             for number in (1, 2, 3)]
    return SimpleNamespace(songs=songs, model=SimpleNamespace(grid=SimpleNamespace(seconds=30.0)))


def test_a_window_has_the_causes_of_the_parts_that_it_spans():
    for part in parts(0, 1):
        start, stop = (sample / SR for sample in part.samples)
        inside = _causes(0, 1, np.array([start]), window=stop - start)[0]
        worth = part.recipe.effects()
        acting = {"verse": ["low_end", "voice_presence", "hat_rolls"],
                  "hook": ["low_end", "hat_rolls"], "lead": ["low_end", "riser", "drop"]}
        wanted = sum(WEIGHTS[name] * worth[name] for name in acting.get(part.role, ["low_end"]))
        assert inside == pytest.approx(wanted, abs=0.02)


def test_a_score_that_follows_the_causes_is_seen_to_and_another_is_not():
    right, wrong = (_agreement(scored(curve), 0) for curve in (np.positive, np.negative))
    assert np.allclose(right[:, 0], 1) and (right[:, 1] > 0.9).all()
    assert np.allclose(wrong[:, 0], -1) and (wrong[:, 1] < 0.1).all()


def test_the_committed_checks_say_that_scores_follow_the_causes():
    for found in read_results(ROOT / "notebooks/results/scoring.json")["checked"].values():
        assert found["windows"]["low"] > 0 and found["best"]["low"] > 0.5
