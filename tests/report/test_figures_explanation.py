"""Figures of explanations say what the numbers say, and can be read."""

import numpy as np
import pytest

from hiphoplib import report
from hiphoplib.audio.mel import QUICK
from hiphoplib.explanation.lime import Attribution
from hiphoplib.explanation.segments import SegmentGrid
from tests.figure_data import (
    check_drawn,
    check_texts,
    explanations,
    row_of,
    texts_of,
    title_of,
)

RNG = np.random.default_rng(0)
S_DB = RNG.uniform(-60, 30, QUICK.shape)
GRID = SegmentGrid(QUICK)
HATS = 3

pytestmark = pytest.mark.usefixtures("figure_style")


def explained(strength=0.2, witnesses=()):
    """Return an Attribution that claims one cell, or nothing for a strength of 0."""
    runs = RNG.normal(0, strength / 100, (2, 3, *GRID.shape))
    runs[..., HATS, 4] += strength
    return Attribution(GRID, runs, np.ones((2, 3)), 0.6, dict(witnesses))


RESULTS = explanations()
WEIGHTS = RNG.normal(0, 0.1, GRID.shape)
FIGURES = {
    "cell_map": (report.cell_map, WEIGHTS, GRID),
    "cell_map of nothing": (report.cell_map, 0 * WEIGHTS, GRID, None, "Nothing", WEIGHTS > 9),
    "listening_map": (report.listening_map, RESULTS),
    "listening_bands": (report.listening_bands, RESULTS),
    "bands of one side": (report.listening_bands, {**RESULTS, "bands": {
        name: {**of, "unpopular": None} for name, of in RESULTS["bands"].items()}}),
    "listening_seconds": (report.listening_seconds, RESULTS),
    "deletion": (report.faithfulness, RESULTS),
    "insertion": (report.faithfulness, RESULTS, "insertion"),
    "planted": (report.planted, RESULTS),
    "planted, first": (report.planted, RESULTS, "top1")}


@pytest.mark.parametrize("draw, data", [(draw, data) for draw, *data in FIGURES.values()],
                         ids=FIGURES)
def test_each_figure_can_be_read(draw, data):
    check_texts(draw, data)


@pytest.mark.parametrize("draw, data", [
    (draw, data) for draw, *data in FIGURES.values() if draw in (
        report.listening_seconds, report.faithfulness)], ids=["seconds", "deletion", "insertion"])
def test_each_figure_is_drawn_where_it_is_wanted(draw, data):  # rows have names, not a unit
    check_drawn(draw, data)


@pytest.mark.parametrize("strength", [0.2, 0])
def test_an_explanation_can_be_read(strength):
    check_texts(report.explanation, (S_DB, explained(strength)))
    check_texts(report.explanation, (S_DB, explained(strength), None, "0123: what the rnn says"))


@pytest.mark.parametrize("strength, outlines", [(0.2, 1), (0, 0)])
def test_only_claimed_cells_are_outlined(strength, outlines):
    expl = explained(strength)
    ax = report.explanation(S_DB, expl)
    assert sum(not patch.get_fill() for patch in ax.patches) == outlines == expl.stable.sum()
    assert sum(patch.get_fill() for patch in ax.patches) == expl.grid.size
    assert {patch.get_alpha() for patch in ax.patches if patch.get_fill()} == (
        {0.25, 0.75} if outlines else {0.25})


@pytest.mark.parametrize("said, line", [(0.2, "-"), (-0.2, "--")])
def test_a_claim_that_a_witness_denies_is_outlined_with_a_broken_line(said, line):
    ax = report.explanation(S_DB, explained(witnesses={"other": np.full((2, *GRID.shape), said)}))
    outline, = (patch for patch in ax.patches if not patch.get_fill())
    assert (outline.get_linestyle() == "-") == (line == "-")


def test_explanation_is_red_for_and_blue_against():
    expl = explained()
    expl.runs[..., 0, 0] = -0.2
    ax = report.explanation(S_DB, expl)
    corners = (12, np.searchsorted(QUICK.mel_frequencies(), 5000) - 0.5), (0, -0.5)
    (red, _, blue), (red_against, _, blue_against) = (
        next(patch for patch in ax.patches if patch.get_fill()
             and np.allclose(patch.get_xy(), corner)).get_facecolor()[:3] for corner in corners)
    assert red > blue and blue_against > red_against


def test_the_panels_beside_a_map_are_its_sums():
    expl = explained()
    seconds, bands = report.explanation(S_DB, expl).child_axes[:2]
    line = next(line for line in seconds.lines if len(line.get_xdata()) == 10)
    assert np.allclose(line.get_ydata(), expl.weights.sum(axis=0))
    assert np.allclose(line.get_xdata(), np.arange(10) * 3 + 1.5)
    assert np.allclose([bar.get_width() for bar in bands.patches], expl.weights.sum(axis=1))


def test_dots_on_the_map_are_where_the_interval_excludes_zero():
    results = explanations()
    low, high = (np.array(results["map"][end]) for end in ("low", "high"))
    ax = report.listening_map(results)
    x, y = (line.get_data() for line in ax.lines).__next__()
    assert {(band, cell) for band, cell in zip(y.astype(int), (x // 3).astype(int))} == {
        tuple(pair) for pair in np.argwhere((low > 0) | (high < 0))}
    assert title_of(ax).startswith(f"{len(x)} of 40 cells")


def test_marked_cells_are_those_asked_for():
    ax = report.cell_map(WEIGHTS, GRID, outlined=WEIGHTS > 0.15, dotted=WEIGHTS < -0.15)
    assert {patch.get_xy() for patch in ax.patches} == {
        (cell * 3.0, band - 0.5) for band, cell in np.argwhere(WEIGHTS > 0.15)}
    assert len(ax.lines[0].get_xdata()) == (WEIGHTS < -0.15).sum()


def test_bands_stand_at_their_weights():
    ax = report.listening_bands(RESULTS)
    drawn = {(round(x, 6), round(y)) for line in ax.lines if line.get_linestyle() == "None"
             for x, y in zip(line.get_xdata(), line.get_ydata())}
    for band, of in RESULTS["bands"].items():
        for side in ("popular", "unpopular"):
            assert (round(of[side]["mean"], 6), row_of(ax, band)) in drawn


def test_the_title_names_where_the_network_listens_most():
    assert title_of(report.listening_seconds(RESULTS)) == "The RNN listens most to 27 to 30 s"


@pytest.mark.parametrize("of, at", [("recovery", 0.98), ("top1", 0.9)])
def test_what_both_fillings_find_is_the_last_row(of, at):
    ax = report.planted(RESULTS, of)
    last = [x for line in ax.lines if line.get_linestyle() == "None"
            for x, y in zip(line.get_xdata(), line.get_ydata()) if round(y) == 4]
    assert last == [at, at]


def test_every_filling_and_kind_is_named():
    texts = [text for text, _ in texts_of(report.planted(RESULTS).figure)]
    for named in ("LIME as it comes", "silence", "training mean", "cause of level",
                  "cause of texture"):
        assert named in texts
