"""Where the causes of the synthetic corpus act, in segments."""

import numpy as np
import pytest

from hiphoplib.studies.explanations import _causes_in, _strongest
from hiphoplib.tracks.synthetic.corpus import Synthetic
from tests.known_models import GRID

BASS, LOW_MIDS, VOCALS, HATS = range(4)


@pytest.fixture(scope="module")
def truth():
    return Synthetic(40).truth()


def made(times, band=(30, 120), value=-1.5, weight=0.5):
    """A truth of one track and one cause."""
    return {
        "causes": {"x": {"band_hz": list(band), "weight": weight}},
        "tracks": {"a": {"causes": {"x": {"value": value, "times_s": times}}}},
    }


@pytest.mark.parametrize(
    "times, stretches",
    [
        ([[0, 30]], range(10)),
        ([[3, 6]], [1]),
        ([[2, 6]], [1]),
        ([[1.4, 6]], [0, 1]),
        ([[4, 5]], [1]),
        ([[2, 4.2]], [1]),
        ([], []),
        ([[0, 3], [27, 30]], [0, 9]),
        ([[0, 1], [1, 2]], [0]),
    ],
)
def test_a_cause_acts_in_stretches_that_it_fills(times, stretches):
    segments = _causes_in(made(times), "a", GRID)["x"].segments
    assert np.flatnonzero(segments[BASS]).tolist() == list(stretches)
    assert not segments[1:].any()


@pytest.mark.parametrize(
    "hz, bands",
    [
        ((30, 120), [BASS]),
        ((6000, 11000), [HATS]),
        ((1000, 4000), [VOCALS]),
        ((2000, 6000), [VOCALS, HATS]),
        ((500, 11000), [LOW_MIDS, VOCALS, HATS]),
    ],
)
def test_a_cause_acts_in_bands_that_it_reaches_into(hz, bands):
    segments = _causes_in(made([[0, 30]], hz), "a", GRID)["x"].segments
    assert np.flatnonzero(segments.any(axis=1)).tolist() == bands


def test_every_cause_of_every_track_acts_somewhere(truth):
    for track_id, track in truth["tracks"].items():
        causes = _causes_in(truth, track_id, GRID)
        assert set(causes) == set(truth["causes"])
        for name, cause in causes.items():
            assert cause.segments.any() and cause.value == track["causes"][name]["value"]
        assert causes["low_end"].segments[BASS].sum() >= 7


def test_the_strongest_moves_a_track_most_either_way():
    truth = made([[0, 30]])
    truth["causes"]["y"] = {"band_hz": [6000, 11000], "weight": 1.0}
    truth["tracks"]["a"]["causes"]["y"] = {"value": 0.7, "times_s": [[0, 3]]}
    assert _strongest(_causes_in(truth, "a", GRID)).sign == -1  # 0.5 x 1.5 against 0.7
    truth["tracks"]["a"]["causes"]["y"]["value"] = 0.8
    assert _strongest(_causes_in(truth, "a", GRID)).sign == 1
