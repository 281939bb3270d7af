"""Figures of explanations say what the numbers say, and can be read."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex

from hiphoplib import report
from hiphoplib.audio.mel import QUICK
from hiphoplib.explanation.lime import Attribution
from hiphoplib.explanation.segments import SegmentGrid
from hiphoplib.explanation.swap_test import Part
from tests.figure_data import check_figure, explanations, marks, row_of, texts_of, title_of

RNG = np.random.default_rng(0)
S_DB = RNG.uniform(-60, 30, QUICK.shape)
GRID = SegmentGrid(QUICK)
HATS = 3
pytestmark = pytest.mark.usefixtures("figure_style")


def explained(strength=0.2, other_methods=()):
    """Return an Attribution with one stable segment, or none for a strength of 0."""
    runs = RNG.normal(0, strength / 100, (2, 3, *GRID.shape))
    runs[..., HATS, 4] += strength
    return Attribution(GRID, runs, np.ones((2, 3)), 0.6, dict(other_methods))


RESULTS = explanations()
ONE_SIDE = {
    **RESULTS,
    "bands": {name: {**of, "unpopular": None} for name, of in RESULTS["bands"].items()},
}
PLANTED = {
    way: {
        kind: {
            network: {
                measure: {"mean": mean, "low": mean - 0.1, "high": mean + 0.1}
                for measure, mean in (
                    ("precision", 0.85 - number / 4),
                    ("recall", 0.8 - number / 5),
                )
            }
            for network in ("crnn", "rnn")
        }
        for kind in ("level", "texture")
    }
    for number, way in enumerate(("swap_test", "old_rule", "lime_default"))
}
WEIGHTS = RNG.normal(0, 0.1, GRID.shape)
FIGURES = {
    "segment_map": (report.segment_map, WEIGHTS, GRID),
    "segment_map of nothing": (report.segment_map, 0 * WEIGHTS, GRID, None, "Nothing"),
    "listening": (report.listening, RESULTS),
    "listening, one side": (report.listening, ONE_SIDE),
    "faithfulness": (report.faithfulness, RESULTS),
    "planted": (report.planted, PLANTED),
    "swapped": (report.swapped, S_DB, [], GRID),
    "explanation": (report.explanation, S_DB, explained()),
    "explanation of nothing": (report.explanation, S_DB, explained(0), "0123: what the RNN hears"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_can_be_read(name):
    draw, *data = FIGURES[name]
    check_figure(draw, data)


@pytest.mark.parametrize("strength, outlines", [(0.2, 1), (0, 0)])
def test_only_stable_segments_are_outlined(strength, outlines):
    expl = explained(strength)
    ax = report.explanation(S_DB, expl)
    assert sum(not patch.get_fill() for patch in ax.patches) == outlines == expl.stable.sum()
    assert sum(patch.get_fill() for patch in ax.patches) == expl.grid.size
    assert {patch.get_alpha() for patch in ax.patches if patch.get_fill()} == (
        {0.25, 0.75} if outlines else {0.25}
    )


@pytest.mark.parametrize("weight, line", [(0.2, "-"), (-0.2, "--")])
def test_what_another_method_denies_is_outlined_with_a_broken_line(weight, line):
    other_methods = {"other": np.full((2, *GRID.shape), weight)}
    ax = report.explanation(S_DB, explained(other_methods=other_methods))
    (outline,) = (patch for patch in ax.patches if not patch.get_fill())
    assert (outline.get_linestyle() == "-") == (line == "-")


def test_explanation_is_red_for_and_blue_against_at_its_seconds_and_hz():
    expl = explained()
    expl.runs[..., 0, 0] = -0.2
    ax = report.explanation(S_DB, expl)
    (red, _, blue), (red_against, _, blue_against) = (
        next(
            patch for patch in ax.patches if patch.get_fill() and patch.get_xy() == corner
        ).get_facecolor()[:3]
        for corner in ((12, 5000), (0, 0))
    )
    assert red > blue and blue_against > red_against


def test_the_panels_beside_a_map_are_its_sums():
    expl = explained()
    seconds, bands = report.explanation(S_DB, expl).child_axes[:2]
    line = next(line for line in seconds.lines if len(line.get_xdata()) == 10)
    assert np.allclose(line.get_ydata(), expl.weights.sum(axis=0))
    assert np.allclose(line.get_xdata(), np.arange(10) * 3 + 1.5)
    assert np.allclose([bar.get_width() for bar in bands.patches], expl.weights.sum(axis=1))


def test_marked_segments_are_those_asked_for():
    ax = report.segment_map(WEIGHTS, GRID, outlined=WEIGHTS > 0.15, dotted=WEIGHTS < -0.15)
    assert {patch.get_xy() for patch in ax.patches} == {
        (cell * 3.0, band - 0.5) for band, cell in np.argwhere(WEIGHTS > 0.15)
    }
    assert len(ax.lines[0].get_xdata()) == (WEIGHTS < -0.15).sum()


def test_where_a_network_listens():
    by_segment, by_time, by_band = report.listening(RESULTS).axes[:3]
    low, high = (np.array(RESULTS["map"][end]) for end in ("low", "high"))
    x, y = by_segment.lines[0].get_data()
    assert {(band, cell) for band, cell in zip(y.astype(int), (x // 3).astype(int))} == {
        tuple(pair) for pair in np.argwhere((low > 0) | (high < 0))
    }
    assert title_of(by_segment).startswith(f"{len(x)} of 40 segments")
    assert title_of(by_time) == (
        "More than an equal share of the weight lies in 27 to 30 s of the clip"
    )
    dots = {(x, round(y)) for x, y, _ in marks(by_band)}
    assert dots == {
        (of[side]["mean"], row_of(by_band, band))
        for band, of in RESULTS["bands"].items()
        for side in of
    }


def test_planted_causes_have_a_row_a_network_and_a_mark_a_method():
    figure = report.planted(PLANTED)
    for ax, measure in zip(figure.axes, ("precision", "recall")):
        dots = sorted((round(y), x) for x, y, _ in marks(ax))
        assert dots == sorted(
            (row, PLANTED[way][kind][network][measure]["mean"])
            for way in PLANTED
            for row, (kind, network) in enumerate(
                itertools.product(("level", "texture"), ("crnn", "rnn"))
            )
        )
    texts = [text for text, _ in texts_of(figure)]
    assert {"swap test", "LIME with default settings", "level, CRNN"} <= set(texts)


def test_parts_are_red_or_blue_where_they_are_and_nothing_is_said_so():
    mask = np.zeros(GRID.shape, bool)
    mask[HATS, 4:6] = True
    raises = Part(mask, np.ones(5), np.ones(5))
    ax = report.swapped(S_DB, [raises, Part(mask, -np.ones(5), -np.ones(5))], GRID)
    assert [patch.get_xy()[0] for patch in ax.patches] == [12, 15, 12, 15]
    colors = [to_hex(patch.get_facecolor()).upper() for patch in ax.patches]
    assert colors == [report.POPULAR] * 2 + [report.UNPOPULAR] * 2
    assert [text.get_text() for text in report.swapped(S_DB, [], GRID).texts] == [
        "no single passage decides"
    ]


def test_faithfulness_shows_the_curves_of_every_order():
    for ax, way in zip(report.faithfulness(RESULTS).axes, ("deletion", "insertion")):
        curves = [of["mean"] for of in RESULTS["curves"][way].values()]
        assert np.allclose([line.get_ydata() for line in ax.lines], curves)
