"""Sentences and the table follow from the numbers, and name no cause of popularity."""

import re

import numpy as np
import pytest

from hiphoplib.explanation.lime import Attribution
from hiphoplib.explanation.swap_test import Part
from hiphoplib.report.sentences import explanation_summary, results_table, swap_sentences
from tests.known_models import GRID, segments

BASS, LOW_MIDS, VOCALS, HATS = range(4)
CAUSAL = re.compile(r"\b(because|caus\w+ (?:a|the|of) hit|makes?|due to|leads? to|will be)\b")


def made(weights, **other_methods):
    """An Attribution of three seeds and two fill values that all but agree on the weights."""
    jitter = np.array([0.999, 1, 1.001])[None, :, None, None]
    maps = {"occlusion": weights, "gradients": weights, **other_methods}
    return Attribution(
        GRID,
        weights * jitter * np.ones((2, 1, 1, 1)),
        np.ones((2, 3)),
        0.62,
        {name: np.stack([map_, map_]) for name, map_ in maps.items()},
    )


def test_every_model_has_a_row_in_the_table_and_empty_columns_are_left_out():
    auc = {"mean": 0.6, "low": 0.5, "high": 0.7, "by_seed": [0.6]}
    models = {name: {"auc": auc, "accuracy": auc, "brier": auc} for name in ("dummy", "rnn")}
    models["rnn"] |= {"spearman": auc, "within_genre": None}
    table = results_table({"models": models})
    assert table.to_dict("index") == {
        label: {
            "AUC [95 % interval]": "0.600 [0.500, 0.700]",
            "accuracy": "0.600 [0.500, 0.700]",
            "Spearman": spearman,
            "Brier": "0.600",
            "AUC by seed": "0.600",
        }
        for label, spearman in (("Dummy", "–"), ("RNN", "0.60 [0.50, 0.70]"))
    }


def part(mask, taken_out, put_in, sign=1):
    """A Part that moves the score its way with so many of 25 donors, in each direction."""

    def rises(agreeing):
        return sign * np.where(np.arange(25) < agreeing, 1.0, -0.01)

    return Part(mask, rises(taken_out), rises(put_in))


# every form of sentence that an explanation can have
FORMS = [
    (
        segments((HATS, 4), (HATS, 5)),
        1,
        "0:12 to 0:18, hats and air: taken out, the score fell "
        "with 24 of 25 other tracks' sound in its place; put into 25 other tracks, it rose in 23.",
    ),
    (
        segments((VOCALS, 9)),
        -1,
        "0:27 to 0:30, vocals and snare: taken out, the score rose with "
        "24 of 25 other tracks' sound in its place; put into 25 other tracks, it fell in 23.",
    ),
    (
        segments(*((BASS, stretch) for stretch in range(10))),
        -1,
        "0:00 to 0:30, sub and bass: taken "
        "out, the score rose with 24 of 25 other tracks' sound in its place; put into 25 other "
        "tracks, it fell in 23.",
    ),
]


@pytest.mark.parametrize("mask, sign, sentence", FORMS)
def test_a_part_that_is_said_has_one_of_these_forms(mask, sign, sentence):
    assert swap_sentences([part(mask, 24, 23, sign)], GRID) == [sentence]
    assert not CAUSAL.search(sentence)


def test_if_no_part_decides_that_is_said():
    assert swap_sentences([], GRID) == ["No single passage decides."]


def test_sentences_keep_the_order_of_parts_and_have_the_times_of_a_song():
    parts = [part(mask, 25, 25) for mask, _, _ in FORMS]
    said = swap_sentences(parts, GRID, 60)
    assert [each.split(": ")[0] for each in said] == [
        "1:12 to 1:18, hats and air",
        "1:27 to 1:30, vocals and snare",
        "1:00 to 1:30, sub and bass",
    ]


def test_a_summary_tells_what_the_swap_test_says_whatever_lime_draws():
    weights = np.zeros(GRID.shape)
    weights[VOCALS, 3], weights[LOW_MIDS, 2] = 0.1, -0.2
    head = "- The RNN's probability, before calibration, is 0.62.\n- "
    assert explanation_summary(made(weights), [], "rnn") == head + "No single passage decides."
    mask, sign, sentence = FORMS[1]
    assert explanation_summary(made(weights), [part(mask, 24, 23, sign)], "rnn") == head + sentence
