"""Figures of probabilities and of the label: each model has its mark, titles follow the numbers."""

import pytest

from hiphoplib import report
from hiphoplib.evaluation.label import _auc_by_threshold, _auc_without_middle
from tests.figure_data import (
    BOOT,
    FEW,
    NETWORK_NAMES,
    POPULARITY,
    SCORES,
    SHOWN,
    Y,
    check_drawn,
    check_texts,
    marks,
    row_of,
    some,
    title_of,
    value,
)


def label(names):
    """Return "label" of a results file; ages as of a service that forgets."""
    scores = {name: SCORES[name][:, None] for name in names}
    edges = [0, 98, 329, 809, 1914, 5860, 19131]
    bins = [{"from": low + 1, "to": high, "tracks": 800, "median": 60 - 5 * i, "q25": 40 - 5 * i,
             "q75": 80 - 5 * i} for i, (low, high) in enumerate(zip(edges, edges[1:]))]
    return {"by_threshold": _auc_by_threshold(POPULARITY, scores, BOOT),
            "without_middle": _auc_without_middle(POPULARITY, scores, BOOT),
            "age": {"tracks": 4800, "spearman": value(-0.3), "bins": bins}}


FIGURES = {
    "reliability": (report.reliability, SHOWN, NETWORK_NAMES),
    "reliability of one": (report.reliability, SHOWN, ["rnn"]),
    "precision_at_k": (report.precision_at_k, SHOWN, Y.mean()),
    "precision_at_k of 3": (report.precision_at_k, some(FEW), Y.mean()),
    "thresholds": (report.label_threshold, label(NETWORK_NAMES[2:])),
    "thresholds of one": (report.label_threshold, label(["rnn"])),
    "middle": (report.label_middle, label(NETWORK_NAMES[2:])),
    "middle of one": (report.label_middle, label(["rnn"])),
    "age": (report.age, label([])["age"]),
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


def test_reliability_says_how_far_said_and_true_are_apart():
    sure = {"reliability": [{"said": p, "came": p, "tracks": 10} for p in (0.2, 0.8)]}
    off = {"reliability": [{"said": 0.2, "came": 0.3, "tracks": 30},
                           {"said": 0.8, "came": 0.6, "tracks": 10}]}
    ax = report.reliability({"rnn": sure, "cnn1": off}, ["rnn", "cnn1"])
    assert title_of(ax) == "Said and true differ by 0 (RNN) to 12 points (CNN 1)"
    drawn = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
             for line in ax.lines}
    assert drawn["CNN 1"] == ([0.2, 0.8], [0.3, 0.6])
    assert title_of(report.reliability({"cnn1": off}, ["cnn1"])) == (
        "Said and true differ by 12 points on average (CNN 1)")


def test_the_sieve_shows_every_case_of_every_model_beside_the_base_rates():
    ax = report.precision_at_k(SHOWN, Y.mean())
    for given, color in ((None, "blue"), (0.2, "vermillion")):
        dots = sorted((round(y), x) for x, y, _ in marks(ax, report.PALETTE[color].upper()))
        assert dots == sorted((row_of(ax, name), case["hit_share"]["mean"]) for name in SHOWN
                              for case in SHOWN[name]["precision_at_k"] if case["base"] == given)
    dotted = {line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"}
    assert dotted == {0.2, Y.mean()}
    hollow = {round(y) for _, y, face in marks(ax) if face == "white"}
    assert hollow == {row_of(ax, "artist_mean"), row_of(ax, "upper_bound")}


@pytest.mark.parametrize("lift, sentence", [
    (value(1.4, 0.2), "The best of 10 by RNN is popular in 70%, a blind pick in 50%"),
    (value(1.1, 0.2), "The best of 10 by RNN cannot be told from a blind pick")])
def test_the_title_of_the_sieve_follows_the_lift(lift, sentence):
    case = {"n": 10, "k": 1, "base": None, "hit_share": value(0.7), "lift": lift}
    models = {
        "rnn": {"precision_at_k": [case]},
        "upper_bound": {"precision_at_k": [case | {"hit_share": value(0.9)}]},
    }
    assert title_of(report.precision_at_k(models, 0.5)) == sentence


def test_thresholds_show_every_model_and_the_share_of_popular_tracks():
    found = label(NETWORK_NAMES[2:])
    ax = report.label_threshold(found)
    lines = {line.get_label(): list(line.get_ydata()) for line in ax.lines}
    for name in NETWORK_NAMES[2:]:
        assert lines[report.MODEL_LABELS[name]] == [
            step["models"][name]["mean"] for step in found["by_threshold"]]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == [
        f"{step['threshold']:.3g}\n({step['positive_share']:.0%})"
        for step in found["by_threshold"]]


def test_the_title_of_thresholds_counts_those_above_chance():
    steps = [{"threshold": t, "positive_share": 0.5, "models": {
        "rnn": value(mean), "upper_bound": value(0.9)}} for t, mean in ((20, 0.6), (30, 0.52))]
    assert title_of(report.label_threshold({"by_threshold": steps})) == (
        "RNN: AUC 0.52 to 0.60, above chance at 1 of 2 thresholds")


@pytest.mark.parametrize("last, said", [
    (0.8, "rises from 0.60 to 0.80"), (0.5, "falls from 0.60 to 0.50"), (0.6, "stays at 0.60")])
def test_the_title_of_the_middle_says_where_the_auc_goes(last, said):
    steps = [
        {"left_out": share, "tracks": 100, "models": {"rnn": value(auc), "upper_bound": value(1)}}
        for share, auc in ((0, 0.6), (0.6, last))
    ]
    ax = report.label_middle({"without_middle": steps})
    assert title_of(ax) == f"Without the middle 60 %, AUC of RNN {said}"


@pytest.mark.parametrize("spearman, said", [
    (value(0.3), "Older tracks are more popular: Spearman +0.30 [0.25, 0.35]"),
    (value(-0.3), "Older tracks are less popular: Spearman -0.30 [-0.35, -0.25]"),
    (value(0.01), "Popularity shows no trend with age: Spearman +0.01 [-0.04, 0.06]")])
def test_the_title_of_age_follows_the_correlation(spearman, said):
    found = label([])["age"] | {"spearman": spearman}
    ax = report.age(found)
    assert title_of(ax) == said
    assert list(ax.lines[0].get_ydata()) == [part["median"] for part in found["bins"]]
