"""Every figure of results: its marks, its title, no text over another, also of awkward data."""

import json

import numpy as np
import pytest

from hiphoplib import report
from hiphoplib.audio.mel import FLOOR_DB, FULL, QUICK
from hiphoplib.evaluation.label import _auc_by_threshold, _auc_without_middle
from hiphoplib.models.comparison import MODELS
from tests.figure_data import (
    ALL,
    BOOT,
    FEW,
    NETWORK_NAMES,
    POPULARITY,
    RNG,
    SCORES,
    SHOWN,
    Y,
    check_figure,
    marks,
    row_of,
    rows_of,
    some,
    title_of,
    value,
)
from tests.paths import ROOT

RESULTS = ROOT / "notebooks" / "results"
GAP = value(0.04, 0.03)
PROTOCOL = {"test_tracks": 240, "positive_share": Y.mean()}
pytestmark = pytest.mark.usefixtures("figure_style")


def split_gap(names, gap=GAP, without=()):
    """Return "splits" of a results file."""
    shift = {"artist": 0, "time": -0.02, "random": gap["mean"]}
    return {
        "tracks": 240,
        "models": {
            name: {
                split: value(SHOWN[name]["auc"]["mean"] + by)
                for split, by in shift.items()
                if split not in without
            }
            | {"random-artist": gap}
            for name in names
        },
    }


def curve(names, needed=(200, 800), sizes=(125, 250, 500, 1000, 2000, 3623)):
    """Return "power" of a results file."""
    return {
        "models": {
            name: [{"tracks": n, "auc": value(0.7 - 1 / n**0.5, n**-0.5)} for n in sizes]
            for name in names
        },
        "needed": {name: dict(zip(("0.5", "0.6"), needed)) for name in names},
    }


def several(names, corpora=3):
    """Return results files of corpora, the last one without the last model."""
    return [
        {
            "corpus": {"name": f"a_corpus_of_real_recordings_{i}"},
            "protocol": PROTOCOL,
            "models": some(names if i + 1 < corpora or corpora == 1 else names[:-1]),
        }
        for i in range(corpora)
    ]


def results(models, paired=()):
    """Return a results file of some models."""
    return {"models": models, "protocol": PROTOCOL, "paired": dict(paired)}


def paired(mean, half=0.01, sound="stack"):
    return {f"stack_metadata-{sound}": {"auc": value(mean, half)}}


def sure(*accuracies):
    """Return the curve of selective accuracy of a results file."""
    return [
        {"share": share, "pairs": int(80 * share), "artists": 9, "accuracy": value(mean)}
        for share, mean in zip((1, 0.5, 0.25, 0.1), accuracies)
    ]


def label(names):
    """Return "label" of a results file."""
    scores = {name: SCORES[name][:, None] for name in names}
    return {
        "by_threshold": _auc_by_threshold(POPULARITY, scores, BOOT),
        "without_middle": _auc_without_middle(POPULARITY, scores, BOOT),
    }


S_DB = RNG.normal(-20, 10, QUICK.shape)
FIGURES = {
    "comparison": (report.model_comparison, results(SHOWN)),
    "comparison of 3": (report.model_comparison, results(some(FEW))),
    "comparison of some": (report.model_comparison, results(SHOWN), ["rnn", "mlp", "stack"]),
    "comparison of one": (report.model_comparison, results({"rnn": {"auc": value(0.4)}})),
    "an unknown model": (report.model_comparison, results(some(FEW) | {"mine": SHOWN["rnn"]})),
    "splits": (report.splits, split_gap(NETWORK_NAMES)),
    "splits without dates": (report.splits, split_gap(["rnn"], without=["time"])),
    "learning curve": (report.learning_curve, curve(NETWORK_NAMES[:4])),
    "one curve, close sizes": (
        report.learning_curve,
        curve(["rnn"], sizes=(100, 110, 120, 400, 410)),
    ),
    "metadata": (report.metadata_gain, results(SHOWN, paired(0.01))),
    "metadata, no stack": (report.metadata_gain, results(some(["metadata", "rnn", "cnn1"]))),
    "corpora": (report.corpora, several(ALL)),
    "corpora, 6 of them": (report.corpora, several(FEW, 6)),
    "corpora, one": (report.corpora, several(FEW, 1)),
    "precision_at_k": (report.precision_at_k, results(SHOWN)),
    "precision_at_k of 3": (report.precision_at_k, results(some(FEW))),
    "selective accuracy": (
        report.selective_accuracy,
        {name: {"selective_accuracy": sure(0.6, 0.63, 0.7, 0.8)} for name in ALL},
    ),
    "selective accuracy of nobody": (report.selective_accuracy, {"rnn": {}}),
    "label": (report.label_sensitivity, label(NETWORK_NAMES[2:])),
    "label, one model": (report.label_sensitivity, label(["rnn"])),
    "spectrogram": (report.spectrogram, S_DB, QUICK),
    "spectrogram, silent": (report.spectrogram, np.full(FULL.shape, FLOOR_DB), FULL),
}


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_can_be_read_and_changes_no_data(name):
    draw, *data = FIGURES[name]
    check_figure(draw, data)


def test_every_model_has_a_label_and_a_colour_in_the_order_of_the_comparison():
    assert [*report.MODEL_LABELS] == [*MODELS, "upper_bound"]
    assert set(report.MODEL_COLORS) == set(report.MODEL_LABELS)
    greys = [of for of in report.MODEL_COLORS.values() if len({of[1:3], of[3:5], of[5:]}) == 1]
    assert {of.upper() for of in report.MODEL_COLORS.values()} - {of.upper() for of in greys} <= {
        of.upper() for of in report.PALETTE.values()
    }
    assert len({report.MODEL_COLORS[name] for name in report.NETWORK_NAMES}) == 5


def test_the_answer_counts_pairs_of_a_hundred():
    files = [
        json.loads((RESULTS / f"{name}.json").read_text())
        for name in ("fma_hiphop", "liked_songs", "synthetic-4000")
    ]
    ax = report.answer(*files)
    check_figure(report.answer, files)
    dots = [x for x, _, _ in marks(ax)]
    stack = files[1]["models"]["stack"]
    assert dots[1:3] == [100 * stack[of]["mean"] for of in ("within_genre", "auc")]
    assert [text.get_text() for text in ax.texts] == ["a coin", *(f"{dot:.0f}" for dot in dots)]


@pytest.mark.parametrize("names", [None, ["rnn", "loudness", "dummy", "not there"]])
def test_the_comparison_has_the_best_on_top_and_the_upper_bound_as_a_band(names):
    ax = report.model_comparison(results(SHOWN), names)
    shown = {
        name: SHOWN[name]["auc"]["mean"]
        for name in names or SHOWN
        if name in SHOWN and name not in ("dummy", "artist_mean", "upper_bound")
    }
    best = sorted(shown, key=shown.get, reverse=True)
    assert rows_of(ax) == [report.MODEL_LABELS[name] for name in best]
    assert {round(y): x for x, y, _ in marks(ax)} == dict(enumerate(map(shown.get, best)))
    blue = {round(y) for _, y, _ in marks(ax, report.PALETTE["blue"].upper())}
    assert blue == {best.index(name) for name in report.NETWORK_NAMES if name in shown}
    (band,) = ax.patches
    assert band.get_x() == SHOWN["upper_bound"]["auc"]["low"]


@pytest.mark.parametrize(
    "lows, count",
    [
        ({"rnn": 0.6}, "1 of 1"),
        ({"upper_bound": 0.8, "rnn": 0.4}, "0 of 1"),
        ({"rnn": 0.6, "mlp": 0.62, "cnn1": 0.5, "upper_bound": 0.8, "artist_mean": 0.7}, "2 of 3"),
    ],
)
def test_the_comparison_counts_those_above_chance_and_says_on_how_many_tracks(lows, count):
    ax = report.model_comparison(
        results({name: {"auc": value(low + 0.05)} for name, low in lows.items()})
    )
    assert title_of(ax) == f"Better than chance: {count} models"
    assert "240 test tracks" in ax.get_xlabel()


def test_splits_are_three_colours_a_model():
    splits = split_gap(NETWORK_NAMES)
    ax = report.splits(splits)
    for split, color in (("artist", "blue"), ("time", "green"), ("random", "vermillion")):
        dots = {round(y): x for x, y, _ in marks(ax, report.PALETTE[color].upper())}
        assert dots == {
            row_of(ax, name): splits["models"][name][split]["mean"] for name in NETWORK_NAMES
        }
    heights = [y for _, y, _ in marks(ax) if round(y) == 0]
    assert np.allclose(np.diff(heights), 0.22)  # side by side, not one over the other
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["guessing", "artist-disjoint", "newest as test set", "at random"]


@pytest.mark.parametrize(
    "gap, title",
    [
        (value(0.04, 0.03), "A random split flatters these models: Dummy, RNN"),
        (value(-0.04, 0.03), "No model is significantly better under a random split"),
        (value(0.02, 0.03), "No model is significantly better under a random split"),
    ],
)
def test_the_title_of_splits_follows_the_intervals_of_the_gaps(gap, title):
    assert title_of(report.splits(split_gap(["dummy", "rnn"], gap))) == title


def test_the_learning_curve_shows_each_model_at_each_size_and_the_two_bars():
    power = curve(["rnn", "musicnn"])
    ax = report.learning_curve(power)
    lines = {line.get_label(): line for line in ax.lines}
    for name, steps in power["models"].items():
        line = lines[report.MODEL_LABELS[name]]
        assert list(line.get_ydata()) == [step["auc"]["mean"] for step in steps]
        np.testing.assert_allclose(line.get_xdata(), [step["tracks"] for step in steps], rtol=0.1)
    bars = [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == ":"]
    assert bars == [0.5, 0.6] and ax.get_xscale() == "log"


@pytest.mark.parametrize(
    "needed, title",
    [
        ((250, 1000), "RNN needs 250 tracks to be above 0.5, 1,000 to be above 0.6"),
        ((250, None), "RNN needs 250 tracks to be above 0.5, more than 3,623 to be above 0.6"),
        (
            (None, None),
            "RNN needs more than 3,623 tracks to be above 0.5, more than 3,623 to be above 0.6",
        ),
    ],
)
def test_the_title_of_the_learning_curve_says_how_many_tracks_are_needed(needed, title):
    power = curve(["rnn", "musicnn", "upper_bound"], needed)
    power["needed"] |= {"musicnn": {"0.5": None, "0.6": None}, "upper_bound": {"0.5": 9, "0.6": 9}}
    assert title_of(report.learning_curve(power)) == title


def test_leakage_by_the_artist_is_called_so():
    ax = report.splits(split_gap(["artist_identification", "artist_mean"], value(0.04, 0.03)))
    assert title_of(ax) == "A random split flatters models that recognise artists, and no other"


def test_the_title_of_the_metadata_follows_the_paired_difference():
    small = report.metadata_gain(results(SHOWN, paired(0.0)))
    assert title_of(small) == "Metadata add nothing significant to the sound"
    ax = report.metadata_gain(results(SHOWN, paired(0.02)))
    assert title_of(ax).endswith("the AUC of the sound by +0.02 [+0.01, +0.03]")
    assert rows_of(ax) == ["Metadata", "Sound (Stack)", "Both"]
    assert [x for x, _, _ in marks(ax)] == [
        SHOWN[name]["auc"]["mean"] for name in ("metadata", "stack", "stack_metadata")
    ]


def test_without_a_stack_the_rnn_stands_for_the_sound_whatever_came_out():
    models = some(["metadata", "mlp", "cnn1", "rnn", "stack_metadata", "handcrafted"])
    models |= {"mlp": {"auc": value(0.99)}, "handcrafted": {"auc": value(0.995)}}
    ax = report.metadata_gain(results(models, paired(0.02, sound="rnn")))
    assert rows_of(ax)[1] == "Sound (RNN)" and title_of(ax).endswith("+0.03]")


def test_corpora_share_rows_and_have_a_colour_each():
    files = several(ALL)
    ax = report.corpora(files)
    for each, color in zip(files, ("blue", "vermillion", "green")):
        dots = {round(y): x for x, y, _ in marks(ax, report.PALETTE[color].upper())}
        assert dots == {
            row_of(ax, name): model["auc"]["mean"] for name, model in each["models"].items()
        }


def test_within_one_genre_is_a_series_of_its_own_where_it_is_known():
    files = [
        json.loads((RESULTS / f"{name}.json").read_text())
        for name in ("liked_songs", "synthetic-4000")
    ]
    names = ["rnn", "crnn", "stack"]
    assert len(marks(report.corpora(files, names))) == 9
    legend = [text.get_text() for text in report.corpora(files, names).get_legend().get_texts()]
    assert [label.partition(" (")[0] for label in legend] == [
        "Emotify",
        "Emotify, within one genre",
        "synthetic, 4,000 rows",
    ]


def test_precision_at_k_shows_every_case_of_every_model_beside_the_base_rates():
    ax = report.precision_at_k(results(SHOWN))
    for given, color in ((None, "blue"), (0.2, "vermillion")):
        dots = sorted((round(y), x) for x, y, _ in marks(ax, report.PALETTE[color].upper()))
        assert dots == sorted(
            (row_of(ax, name), case["hit_share"]["mean"])
            for name in SHOWN
            for case in SHOWN[name]["precision_at_k"]
            if case["base"] == given
        )
    dotted = {line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"}
    assert dotted == {0.2, Y.mean()}
    hollow = {round(y) for _, y, face in marks(ax) if face == "white"}
    assert hollow == {row_of(ax, "artist_mean"), row_of(ax, "upper_bound")}


@pytest.mark.parametrize(
    "lift, title",
    [
        (value(1.4, 0.2), "First of 10 by RNN: popular in 70% of cases, a random choice in 50%"),
        (value(1.1, 0.2), "First of 10 by RNN: not significantly better than a random choice"),
    ],
)
def test_the_title_of_precision_at_k_follows_the_lift(lift, title):
    case = {"n": 10, "k": 1, "base": None, "hit_share": value(0.7), "lift": lift}
    models = {
        "rnn": {"precision_at_k": [case]},
        "upper_bound": {"precision_at_k": [case | {"hit_share": value(0.9)}]},
    }
    assert title_of(report.precision_at_k(results(models))) == title


def test_selective_accuracy_shows_each_share_and_its_title_the_first_and_the_surest():
    ax = report.selective_accuracy(
        {name: {"selective_accuracy": sure(0.6, 0.63, 0.7, 0.8)} for name in ("mlp", "stack")}
    )
    line = next(line for line in ax.lines if line.get_label() == "Stack")
    assert list(line.get_ydata()) == [60, 63, 70, 80]
    assert "MLP" not in {of.get_label() for of in ax.lines}
    assert title_of(ax) == (
        "Of 80 pairs by 9 artists, Stack orders 60% right; of the surest 10%, 80%"
    )
    assert title_of(report.selective_accuracy({})).startswith("No artist")


def test_the_label_is_varied_for_every_model():
    steps_of = label(NETWORK_NAMES[2:])
    threshold, middle = report.label_sensitivity(steps_of).axes
    for ax, steps in ((threshold, steps_of["by_threshold"]), (middle, steps_of["without_middle"])):
        lines = {line.get_label(): list(line.get_ydata()) for line in ax.lines}
        for name in NETWORK_NAMES[2:]:
            assert lines[report.MODEL_LABELS[name]] == [
                step["models"][name]["mean"] for step in steps
            ]
    assert [tick.get_text() for tick in threshold.get_xticklabels()] == [
        f"{step['threshold']:.3g}\n({step['positive_share']:.0%})"
        for step in steps_of["by_threshold"]
    ]


def test_the_titles_of_the_label_are_of_a_usable_model():
    steps = [
        {
            "threshold": t,
            "positive_share": 0.5,
            "left_out": t / 100,
            "tracks": 100,
            "models": {"rnn": value(mean), "upper_bound": value(0.9)},
        }
        for t, mean in ((20, 0.6), (60, 0.52))
    ]
    threshold, middle = report.label_sensitivity(
        {"by_threshold": steps, "without_middle": steps}
    ).axes
    assert title_of(threshold) == "RNN: AUC 0.52 to 0.60, above chance at 1 of 2 thresholds"
    assert title_of(middle) == "Without the middle 60 %, the AUC of RNN is 0.52 instead of 0.60"


def test_a_spectrogram_has_its_seconds_and_frequencies():
    ax = report.spectrogram(S_DB, QUICK)
    assert ax.get_xlim() == (0, 30)
    assert QUICK.mel_frequencies()[-1] < ax.get_ylim()[1] < QUICK.sr / 2
    assert np.array_equal(ax.collections[0].get_array(), S_DB)
    assert ax.collections[0].get_clim() == (-60, 30)
