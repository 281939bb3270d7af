"""What is said of explanations follows from them, and names no cause of popularity."""

import re

import numpy as np
import pytest

from hiphoplib.explanation.lime import Attribution
from hiphoplib.report import sentences_songs as wording
from tests.figure_data import explanations
from tests.known_models import GRID

BASS, LOW_MIDS, VOCALS, HATS = range(4)
CAUSAL = re.compile(r"\b(because|caus\w+ (?:a|the|of) hit|makes?|due to|leads? to|will be)\b")


def made(weights, witnesses=None, probability=0.62):
    """An Attribution of three seeds and two fillings that all but agree on the weights."""
    jitter = np.array([0.999, 1, 1.001])[None, :, None, None]
    return Attribution(GRID, weights * jitter * np.ones((2, 1, 1, 1)), np.ones((2, 3)), probability,
                       witnesses or {})


def both(map_):
    return {name: np.stack([map_, map_]) for name in ("occlusion", "gradients")}


def test_claims_merge_neighbours_and_lead_with_the_strongest():
    weights = np.zeros(GRID.shape)
    weights[HATS, 0:2], weights[HATS, 2], weights[BASS, 9] = 0.1, -0.3, 0.15
    runs = "popularity (agreed in 6 of 6 runs)."
    assert wording.claims(made(weights)) == [f"Hats and air from 6 to 9 s speak against {runs}",
                                             f"Hats and air from 0 to 6 s speak for {runs}",
                                             f"Sub and bass from 27 to 30 s speak for {runs}"]


@pytest.mark.parametrize("denied, said", [
    ((), " Occlusion and gradients say the same."),
    ((4,), " Occlusion and gradients say the same of part of it."),
    ((4, 5), " Occlusion and gradients say the same of none of it: a weak claim.")])
def test_a_claim_says_what_the_witnesses_say(denied, said):
    weights = np.zeros(GRID.shape)
    weights[HATS, 4:6] = 0.2
    other = weights.copy()
    other[HATS, list(denied)] = -0.2
    claim, = wording.claims(made(weights, {**both(weights), "gradients": np.stack([other, other])}))
    assert claim == ("Hats and air from 12 to 18 s speak for popularity (agreed in 6 of 6 runs)."
                     + said)


def test_witnesses_that_disagree_over_the_clip_are_named():
    rng = np.random.default_rng(0)
    weights, other = rng.normal(0, 0.1, (2, *GRID.shape))
    expl = made(weights, {"occlusion": np.stack([weights, weights]),
                          "gradients": np.stack([other, other])})
    doubt, = wording.doubts(expl)
    assert doubt.startswith("Over the whole clip gradients and LIME disagree (rank correlation ")
    assert doubt in wording.told(expl, "rnn")
    assert wording.doubts(made(weights, both(weights))) == []


def test_a_flat_map_is_no_disagreement_and_no_claim():
    expl = made(np.zeros(GRID.shape), both(np.zeros(GRID.shape)))
    assert wording.doubts(expl) == [] == wording.claims(expl)
    assert wording.told(expl, "rnn") == (
        "- The RNN's answer, before calibration, is 0.62. LIME's linear picture fits its answers "
        "with R² 1.00, which does not say how right it is.\n- " + wording.NOTHING)


def test_results_are_told_by_their_intervals():
    results = explanations()
    told = wording.holds(results)
    assert "in random order by 0.040 [0.030, 0.050], than loudest" in told
    results["deletion_minus_random"] = {"mean": 0.01, "low": -0.01, "high": 0.03}
    assert "by 0.010 [-0.010, 0.030], which may be chance, than" in wording.holds(results)
    results["deletion_minus_random"] = {"mean": -0.02, "low": -0.03, "high": -0.01}
    assert "by -0.020 [-0.030, -0.010], the wrong way, than" in wording.holds(results)


def test_recovery_is_told_by_its_interval_and_only_of_known_causes():
    results = explanations()
    assert "most better than chance: ROC-AUC 0.70 [0.60, 0.80]" in wording.recovery(results)
    results["recovery"]["strongest"] = {"mean": 0.5, "low": 0.4, "high": 0.6}
    assert "no better than chance, as far as can be told" in wording.recovery(results)
    del results["recovery"]
    assert wording.recovery(results) == ""


def test_where_names_the_stretches_above_an_even_share():
    results = explanations()
    assert wording.where(results).startswith(
        "40% of the RNN's weight, either way, lies in 27 to 30 s of the clip, where an even share "
        "were 10%. More than an even share, by its interval, falls on 27 to 30 s.")


def test_planted_causes_are_told_beside_lime_as_it_comes():
    told = wording.planted(explanations()).split("\n")
    assert len(told) == 2
    assert "recover its cell with ROC-AUC 0.98 [0.97, 0.99]" in told[0]
    assert "LIME as it comes: ROC-AUC 0.60 [0.50, 0.70]" in told[0]


def test_a_shuffled_network_is_told_beside_the_trained_one():
    results = explanations()
    results["sanity"]["claims"] = {"share": {"mean": 0.05}, "cells": {"mean": 0.1}}
    said = wording.shuffled(results["sanity"])
    assert "own is 0.10 [0.05, 0.15]" in said
    assert said.endswith("for 5% of 20 clips, 0.1 cells a clip; trained, for 40%, 1.2 cells.")
    assert said in wording.holds(results)


def test_the_source_of_figures_names_corpus_model_and_command():
    results = explanations() | {"corpus": {"name": "x"}, "made": "2026-01-02", "command": "do it"}
    assert wording.source(results) == ("Measured on 100 held-out clips of “x”, explained by its "
                                       "RNN, on 2026-01-02 by `do it`.")


def test_no_sentence_is_causal():
    weights = np.zeros(GRID.shape)
    weights[VOCALS, 3], weights[LOW_MIDS, 2] = 0.1, -0.2
    results = explanations()
    for text in (wording.told(made(weights, both(weights)), "rnn"), wording.holds(results),
                 wording.recovery(results), wording.where(results), wording.planted(results)):
        assert text and not CAUSAL.search(text)
