"""Figures of models side by side: each has its mark, no text touches another, titles follow the
numbers."""

import json

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from hiphoplib import report
from hiphoplib.models.comparison import MODELS
from hiphoplib.report import style as plots_models
from tests.figure_data import (
    ALL,
    FEW,
    NETWORK_NAMES,
    SHOWN,
    N,
    check_drawn,
    check_texts,
    marks,
    row_of,
    some,
    title_of,
    value,
)
from tests.paths import ROOT

RESULTS = ROOT / "notebooks" / "results"
GAP = value(0.04, 0.03)


def split_gap(names, gap=GAP, without=()):
    """Return "splits" of a results file."""
    shift = {"artist": 0, "time": -0.02, "random": gap["mean"]}
    return {"folds": 5, "tracks": N, "models": {name: {
        split: value(SHOWN[name]["auc"]["mean"] + by) for split, by in shift.items()
        if split not in without} | {"random-artist": gap} for name in names}}


def power(names, needed=(200, 800), sizes=(125, 250, 500, 1000, 2000, 3623)):
    """Return "power" of a results file."""
    return {"models": {name: [{"tracks": n, "draws": 3, "auc": value(0.7 - 1 / n ** 0.5, n ** -0.5)}
                              for n in sizes] for name in names},
            "needed": {name: dict(zip(("0.5", "0.6"), needed)) for name in names}}


def several(names, corpora=3):
    """Return results files of corpora, the last one without the last model."""
    return [{"corpus": {"name": f"a_corpus_of_real_recordings_{i}", "tracks": 400},
             "models": some(names if i + 1 < corpora or corpora == 1 else names[:-1])}
            for i in range(corpora)]


def paired(mean, half=0.01, sound="ensemble"):
    return {f"with_context-{sound}": {"auc": value(mean, half)}}


FIGURES = {
    "ladder": (report.ladder, SHOWN),
    "ladder of 3": (report.ladder, some(FEW)),
    "ladder of one": (report.ladder, {"rnn": {"auc": value(0.4)}}),
    "ladder of an unknown model": (report.ladder, some(FEW) | {"mine": SHOWN["rnn"]}),
    "splits": (report.splits, split_gap(NETWORK_NAMES)),
    "splits without dates": (report.splits, split_gap(["rnn"], without=["time"])),
    "power": (report.power, power(NETWORK_NAMES[:4])),
    "power of one, close sizes": (report.power, power(["rnn"], sizes=(100, 110, 120, 400, 410))),
    "context": (report.context, SHOWN, paired(0.01)),
    "context, no ensemble": (report.context, some(["metadata", "rnn", "cnn1"]), {}),
    "corpora": (report.corpora, several(ALL)),
    "corpora, 6 of them": (report.corpora, several(FEW, 6)),
    "corpora, one": (report.corpora, several(FEW, 1)),
}


pytestmark = pytest.mark.usefixtures("figure_style")


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_touches_another_or_leaves_the_figure(name):
    draw, *data = FIGURES[name]
    check_texts(draw, data)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_where_asked_and_changes_no_data(name):
    draw, *data = FIGURES[name]
    check_drawn(draw, data)


def test_every_rung_has_a_label_and_a_colour_in_the_order_of_the_ladder():
    assert [name for name in report.MODEL_LABELS if name in MODELS] == [
        name for name in [*MODELS] if name in report.MODEL_LABELS] == list(MODELS)
    assert list(report.MODEL_LABELS) == [*MODELS, "upper_bound"]
    assert set(report.MODEL_COLORS) == set(report.MODEL_LABELS)
    greys = [of for of in report.MODEL_COLORS.values() if len({of[1:3], of[3:5], of[5:]}) == 1]
    assert {of.upper() for of in report.MODEL_COLORS.values()} - {of.upper() for of in greys} <= {
        of.upper() for of in report.PALETTE.values()}
    assert len({report.MODEL_COLORS[name] for name in plots_models.NETWORK_NAMES}) == 5
    assert all(len(label) <= 22 for label in report.MODEL_LABELS.values())


@pytest.mark.parametrize("names", [ALL, FEW])
def test_the_ladder_shows_auc_and_accuracy_of_every_model_in_its_row(names):
    ax = report.ladder(some(names))
    for metric, color in report.METRIC_COLORS.items():
        dots = {round(y): x for x, y, _ in marks(ax, color.upper())}
        assert dots == {row_of(ax, name): SHOWN[name][metric]["mean"] for name in names}
        whiskers = [tuple(segment[:, 0]) for lines in ax.collections
                    if np.allclose(lines.get_color()[0], to_rgba(color))
                    for segment in lines.get_segments()]
        assert sorted(whiskers) == sorted(
            (SHOWN[name][metric]["low"], SHOWN[name][metric]["high"]) for name in names)
    said = [text.get_text() for text in ax.texts]
    assert sorted(said) == sorted(["AUC", "accuracy"] + [
        f"{SHOWN[name][metric]['mean']:.2f}" for name in names for metric in report.METRIC_COLORS])


def test_the_ladder_climbs_in_groups_and_hollows_what_nobody_could_use():
    ax = report.ladder(dict(reversed(SHOWN.items())) | {"mine": SHOWN["rnn"]})
    rows = [tick.get_text() for tick in ax.get_yticklabels()]
    groups = [tick.get_text() for tick in ax.get_yticklabels() if tick.get_fontweight() == "bold"]
    assert groups == ["Baselines", "Networks", "Beyond", "Never to be deployed"]
    expected = [report.MODEL_LABELS[name] for name in [*MODELS, "upper_bound"]]
    assert [row for row in rows if row not in (*groups, "mine")] == expected
    assert rows.index("Sound + context") < rows.index("mine") < rows.index("Never to be deployed")
    assert ax.yaxis_inverted()
    hollow = {round(y) for _, y, face in marks(ax) if face == "white"}
    assert hollow == {row_of(ax, "artist_mean"), row_of(ax, "upper_bound")}


@pytest.mark.parametrize("lows, sentence", [
    ({"rnn": 0.6}, "Highest AUC: RNN, 0.65; it is above chance"),
    ({"rnn": 0.46}, "Highest AUC: RNN, 0.51; it is not above chance"),
    ({"rnn": 0.6, "mlp": 0.62, "cnn1": 0.5, "upper_bound": 0.8, "artist_mean": 0.7},
     "Highest AUC: MLP, 0.67; 2 of 3 models are above chance"),
    ({"upper_bound": 0.8}, "How far each model is above guessing")])
def test_the_ladder_says_who_leads_and_how_many_are_above_chance(lows, sentence):
    assert title_of(report.ladder({name: {"auc": value(low + 0.05)}
                                  for name, low in lows.items()})) == sentence


def test_splits_are_three_colours_a_model():
    found = split_gap(NETWORK_NAMES)
    ax = report.splits(found)
    for split, color in (("artist", "blue"), ("time", "green"), ("random", "vermillion")):
        dots = {round(y): x for x, y, _ in marks(ax, report.PALETTE[color].upper())}
        assert dots == {
            row_of(ax, name): found["models"][name][split]["mean"] for name in NETWORK_NAMES
        }
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["artists held out", "newest held out", "at random", "guessing"]


@pytest.mark.parametrize("gap, sentence", [
    (value(0.04, 0.03), "At random, RNN seems better than it is: +0.04 [0.01, 0.07]"),
    (value(-0.04, 0.03), "At random, RNN seems worse than it is: -0.04 [-0.07, -0.01]"),
    (value(0.02, 0.03), "RNN: no gap shows between random and artists, +0.02 [-0.01, 0.05]")])
def test_the_title_of_splits_follows_the_interval_of_the_gap(gap, sentence):
    assert title_of(report.splits(split_gap(["dummy", "rnn"], gap))) == sentence


def test_power_shows_each_model_at_each_size_and_the_two_bars():
    found = power(["rnn", "musicnn"])
    ax = report.power(found)
    lines = {line.get_label(): line for line in ax.lines}
    for name in found["models"]:
        line = lines[report.MODEL_LABELS[name]]
        assert list(line.get_ydata()) == [s["auc"]["mean"] for s in found["models"][name]]
        np.testing.assert_allclose(line.get_xdata(), [s["tracks"] for s in found["models"][name]],
                                   rtol=0.1)
    bars = [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == ":"]
    assert bars == [0.5, 0.6] and ax.get_xscale() == "log"


@pytest.mark.parametrize("needed, sentence", [
    ((250, 1000), "RNN is above 0.5 from 250 tracks on, above 0.6 from 1,000"),
    ((250, None), "RNN is above 0.5 from 250 tracks on, above 0.6 with none up to 3,623"),
    ((None, None), "No model is above 0.5 with up to 3,623 tracks")])
def test_the_title_of_power_says_how_many_tracks_are_needed(needed, sentence):
    found = power(["rnn", "musicnn", "upper_bound"], needed)
    found["needed"] |= {"musicnn": {"0.5": None, "0.6": None}, "upper_bound": {"0.5": 9, "0.6": 9}}
    assert title_of(report.power(found)) == sentence


@pytest.mark.parametrize("difference, sentence", [
    (0.02, "Context adds +0.02 [0.01, 0.03] AUC to the sound"),
    (-0.02, "Context takes AUC from the sound: -0.02 [-0.03, -0.01]"),
    (0.0, "Context adds nothing that shows: +0.00 [-0.01, 0.01] AUC")])
def test_the_title_of_context_follows_the_paired_difference(difference, sentence):
    ax = report.context(SHOWN, paired(difference))
    assert title_of(ax) == sentence
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [
        "Context", "Sound (Ensemble)", "Sound + context"]
    assert [x for x, _, _ in marks(ax)] == [
        SHOWN[name]["auc"]["mean"] for name in ("metadata", "ensemble", "ensemble_metadata")]


def test_without_an_ensemble_the_best_that_listens_stands_for_the_sound():
    models = some(["metadata", "mlp", "cnn1", "ensemble_metadata", "handcrafted", "upper_bound"])
    models |= {"mlp": {"auc": value(0.99)}, "handcrafted": {"auc": value(0.995)}}
    ax = report.context(models, paired(0.02, sound="mlp"))
    assert row_of(ax, "Sound (MLP)") == 1 and title_of(ax).startswith("Context adds +0.02")


def test_corpora_share_rows_and_have_a_colour_each():
    files = several(ALL)
    ax = report.corpora(files)
    for results, color in zip(files, ("blue", "vermillion", "green")):
        dots = {round(y): x for x, y, _ in marks(ax, report.PALETTE[color].upper())}
        assert dots == {row_of(ax, name): model["auc"]["mean"]
                        for name, model in results["models"].items()}


@pytest.mark.parametrize("lows, sentence", [
    ([{"rnn": 0.6, "mlp": 0.55}, {"rnn": 0.6, "mlp": 0.4}],
     "1 of 2 models are above chance on both corpora"),
    ([{"rnn": 0.6}, {"rnn": 0.6, "mlp": 0.6}, {"rnn": 0.4}],
     "RNN is not above chance on all 3 corpora"),
    ([{"rnn": 0.6}, {"mlp": 0.6}], "No model ran on both corpora"),
    ([{"rnn": 0.6, "upper_bound": 0.6}], "RNN is above chance on corpus 0")])
def test_the_title_of_corpora_says_what_holds_on_all(lows, sentence):
    files = [{"corpus": {"name": f"corpus {i}", "tracks": 9},
              "models": {name: {"auc": value(low + 0.05)} for name, low in models.items()}}
             for i, models in enumerate(lows)]
    assert title_of(report.corpora(files)) == sentence


def test_the_results_files_of_the_project_can_be_shown_side_by_side():
    files = [json.loads((RESULTS / f"{name}.json").read_text())
             for name in ("liked_songs", "synthetic-4000")]
    ax = report.corpora(files)
    assert len(marks(ax)) == sum(len(results["models"]) for results in files)
    assert len(marks(report.ladder(files[0]["models"]))) == 2 * len(files[0]["models"])
