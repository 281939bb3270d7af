"""Every figure of what was found: each model has its mark, no text touches another, titles follow
the numbers."""

import itertools
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgba

from hiphoplib import plots, plots_models
from hiphoplib.calibration import reliability
from hiphoplib.label_noise import auc_by_threshold, auc_without_middle
from hiphoplib.ladder import LADDER
from hiphoplib.metrics import estimate, interval, measure, resample_artists
from hiphoplib.sieve import sieve

N = 240
RNG = np.random.default_rng(0)
POPULARITY = RNG.uniform(0, 100, N).round()
Y = (POPULARITY >= np.median(POPULARITY)).astype(int)
WEIGHTS = resample_artists(np.arange(N), 60)
ALL, FEW = list(plots.MODEL_LABELS), ["dummy", "rnn", "oracle"]
RESULTS = Path(__file__).parents[2] / "notebooks" / "results"


def answers(strength):
    """Return probabilities that follow popularity as strongly as asked."""
    return 1 / (1 + np.exp(-strength * (POPULARITY - 50) / 25 - RNG.normal(size=N)))


def found_of(score):
    """Return what a results file holds of a model, of one seed's scores."""
    once, draws = measure(Y, score, np.ones((1, N))), measure(Y, score, WEIGHTS)
    return {metric: {**estimate(once[metric][0], draws[metric]), "by_seed": [once[metric][0]]}
            for metric in draws} | {"sieve": sieve(Y, score[:, None], WEIGHTS, [(10, 1), (10, 3)]),
                                    "reliability": reliability(Y, score).to_dict("records")}


SCORES = {name: np.full(N, Y.mean()) if name == "dummy" else answers(place / 8)
          for place, name in enumerate(ALL)}
MODELS = {name: found_of(score) for name, score in SCORES.items()}


def value(mean, half=0.05):
    return {"mean": mean, "low": mean - half, "high": mean + half}


def some(names):
    return {name: MODELS[name] for name in names}


GAP = value(0.04, 0.03)


def split_gap(names, gap=GAP, without=()):
    """Return "splits" of a results file."""
    shift = {"artist": 0, "time": -0.02, "random": gap["mean"]}
    return {"folds": 5, "tracks": N, "models": {name: {
        split: value(MODELS[name]["auc"]["mean"] + by) for split, by in shift.items()
        if split not in without} | {"random-artist": gap} for name in names}}


def power(names, needed=(200, 800), sizes=(125, 250, 500, 1000, 2000, 3623)):
    """Return "power" of a results file."""
    return {"models": {name: [{"tracks": n, "draws": 3, "auc": value(0.7 - 1 / n ** 0.5, n ** -0.5)}
                              for n in sizes] for name in names},
            "needed": {name: dict(zip(("0.5", "0.6"), needed)) for name in names}}


def label(names):
    """Return "label" of a results file; ages as of a service that forgets."""
    scores = {name: SCORES[name][:, None] for name in names}
    edges = [0, 98, 329, 809, 1914, 5860, 19131]
    bins = [{"from": low + 1, "to": high, "tracks": 800, "median": 60 - 5 * i, "q25": 40 - 5 * i,
             "q75": 80 - 5 * i} for i, (low, high) in enumerate(zip(edges, edges[1:]))]
    return {"by_threshold": auc_by_threshold(POPULARITY, scores, WEIGHTS),
            "without_middle": auc_without_middle(POPULARITY, scores, WEIGHTS),
            "age": {"tracks": 4800, "spearman": value(-0.3), "bins": bins}}


def several(names, corpora=3):
    """Return results files of corpora, the last one without the last model."""
    return [{"corpus": {"name": f"a_corpus_of_real_recordings_{i}", "tracks": 400},
             "models": some(names if i + 1 < corpora or corpora == 1 else names[:-1])}
            for i in range(corpora)]


def paired(mean, half=0.01, sound="ensemble"):
    return {f"with_context-{sound}": {"auc": value(mean, half)}}


NETWORKS = ["mlp", "cnn1", "cnn2", "rnn", "crnn", "transfer"]
FIGURES = {
    "ladder": (plots.ladder, MODELS),
    "ladder of 3": (plots.ladder, some(FEW)),
    "ladder of one": (plots.ladder, {"rnn": {"auc": value(0.4)}}),
    "ladder of an unknown model": (plots.ladder, some(FEW) | {"mine": MODELS["rnn"]}),
    "splits": (plots.splits, split_gap(NETWORKS)),
    "splits without dates": (plots.splits, split_gap(["rnn"], without=["time"])),
    "power": (plots.power, power(NETWORKS[:4])),
    "power of one, close sizes": (plots.power, power(["rnn"], sizes=(100, 110, 120, 400, 410))),
    "reliability": (plots.reliability, MODELS, NETWORKS),
    "reliability of one": (plots.reliability, MODELS, ["rnn"]),
    "sieve": (plots.sieve, MODELS, Y.mean()),
    "sieve of 3": (plots.sieve, some(FEW), Y.mean()),
    "context": (plots.context, MODELS, paired(0.01)),
    "context, no ensemble": (plots.context, some(["without_sound", "rnn", "cnn1"]), {}),
    "thresholds": (plots.label_threshold, label(NETWORKS[2:])),
    "thresholds of one": (plots.label_threshold, label(["rnn"])),
    "middle": (plots.label_middle, label(NETWORKS[2:])),
    "middle of one": (plots.label_middle, label(["rnn"])),
    "age": (plots.age, label([])["age"]),
    "corpora": (plots.corpora, several(ALL)),
    "corpora, 6 of them": (plots.corpora, several(FEW, 6)),
    "corpora, one": (plots.corpora, several(FEW, 1)),
}


@pytest.fixture(autouse=True)
def style():
    with matplotlib.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def title_of(ax):
    """Title in one line, with plain blanks."""
    return " ".join(ax.get_title(loc="left").split())


def texts_of(figure):
    """Every text that is seen, and where."""
    figure.canvas.draw()
    outside = {tick.label1 for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)
               for tick in axis.get_major_ticks()
               if not min(axis.get_view_interval()) <= tick.get_loc() <= max(
                   axis.get_view_interval())}
    for text in figure.findobj(matplotlib.text.Text):
        if text.get_visible() and text.get_text().strip() and text not in outside:
            box = text.get_window_extent()
            yield text.get_text(), box.padded(-1)  # neighbours may share an edge


def marks(ax, color=None):
    """Dots that are drawn: (x, y) and face, of one colour or of all."""
    return [(x, y, line.get_markerfacecolor()) for line in ax.lines
            if line.get_linestyle() == "None" and color in (None, to_hex(line.get_color()).upper())
            for x, y in zip(line.get_xdata(), line.get_ydata())]


def row_of(ax, name):
    """Height of a model's row."""
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    return names.index(plots.MODEL_LABELS.get(name, name))


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_touches_another_or_leaves_the_figure(name):
    draw, *data = FIGURES[name]
    figure = draw(*data).figure
    texts = list(texts_of(figure))
    for text, box in texts:
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 + 1, text
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 + 1, text
    for (one, box), (other, other_box) in itertools.combinations(texts, 2):
        assert not box.overlaps(other_box), f"{one!r} over {other!r}"
    sizes = [text.get_fontsize() for text in figure.findobj(matplotlib.text.Text)]
    assert min(sizes) >= 10


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_where_asked_and_changes_no_data(name):
    draw, *data = FIGURES[name]
    before = json.dumps(data)
    ax = plt.subplots()[1]
    assert draw(*data, ax=ax) is ax and plt.get_fignums() == [ax.figure.number]
    assert title_of(ax) and ax.get_xlabel() and ax.get_ylabel() and "nan" not in title_of(ax)
    assert json.dumps(data) == before


def test_every_rung_has_a_label_and_a_colour_in_the_order_of_the_ladder():
    assert [name for name in plots.MODEL_LABELS if name in LADDER] == [
        name for name in [*LADDER] if name in plots.MODEL_LABELS] == list(LADDER)
    assert list(plots.MODEL_LABELS) == [*LADDER, "oracle"]
    assert set(plots.MODEL_COLORS) == set(plots.MODEL_LABELS)
    greys = [of for of in plots.MODEL_COLORS.values() if len({of[1:3], of[3:5], of[5:]}) == 1]
    assert {of.upper() for of in plots.MODEL_COLORS.values()} - {of.upper() for of in greys} <= {
        of.upper() for of in plots.PALETTE.values()}
    assert len({plots.MODEL_COLORS[name] for name in plots_models.NETWORKS}) == 5
    assert all(len(label) <= 22 for label in plots.MODEL_LABELS.values())


@pytest.mark.parametrize("names", [ALL, FEW])
def test_the_ladder_shows_auc_and_accuracy_of_every_model_in_its_row(names):
    ax = plots.ladder(some(names))
    for metric, color in plots.METRIC_COLORS.items():
        dots = {round(y): x for x, y, _ in marks(ax, color.upper())}
        assert dots == {row_of(ax, name): MODELS[name][metric]["mean"] for name in names}
        whiskers = [tuple(segment[:, 0]) for lines in ax.collections
                    if np.allclose(lines.get_color()[0], to_rgba(color))
                    for segment in lines.get_segments()]
        assert sorted(whiskers) == sorted(
            (MODELS[name][metric]["low"], MODELS[name][metric]["high"]) for name in names)
    said = [text.get_text() for text in ax.texts]
    assert sorted(said) == sorted(["AUC", "accuracy"] + [
        f"{MODELS[name][metric]['mean']:.2f}" for name in names for metric in plots.METRIC_COLORS])


def test_the_ladder_climbs_in_groups_and_hollows_what_nobody_could_use():
    ax = plots.ladder(dict(reversed(MODELS.items())) | {"mine": MODELS["rnn"]})
    rows = [tick.get_text() for tick in ax.get_yticklabels()]
    groups = [tick.get_text() for tick in ax.get_yticklabels() if tick.get_fontweight() == "bold"]
    assert groups == ["Baselines", "Networks", "Beyond", "Never to be deployed"]
    expected = [plots.MODEL_LABELS[name] for name in [*LADDER, "oracle"]]
    assert [row for row in rows if row not in (*groups, "mine")] == expected
    assert rows.index("Sound + context") < rows.index("mine") < rows.index("Never to be deployed")
    assert ax.yaxis_inverted()
    hollow = {round(y) for _, y, face in marks(ax) if face == "white"}
    assert hollow == {row_of(ax, "artist_mean"), row_of(ax, "oracle")}


@pytest.mark.parametrize("lows, sentence", [
    ({"rnn": 0.6}, "Highest AUC: RNN, 0.65; it is above chance"),
    ({"rnn": 0.46}, "Highest AUC: RNN, 0.51; it is not above chance"),
    ({"rnn": 0.6, "mlp": 0.62, "cnn1": 0.5, "oracle": 0.8, "artist_mean": 0.7},
     "Highest AUC: MLP, 0.67; 2 of 3 models are above chance"),
    ({"oracle": 0.8}, "How far each model is above guessing")])
def test_the_ladder_says_who_leads_and_how_many_are_above_chance(lows, sentence):
    assert title_of(plots.ladder({name: {"auc": value(low + 0.05)}
                                  for name, low in lows.items()})) == sentence


def test_splits_are_three_colours_a_model():
    found = split_gap(NETWORKS)
    ax = plots.splits(found)
    for split, color in (("artist", "blue"), ("time", "green"), ("random", "vermillion")):
        dots = {round(y): x for x, y, _ in marks(ax, plots.PALETTE[color].upper())}
        assert dots == {row_of(ax, name): found["models"][name][split]["mean"] for name in NETWORKS}
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["artists held out", "newest held out", "at random", "guessing"]


@pytest.mark.parametrize("gap, sentence", [
    (value(0.04, 0.03), "At random, RNN seems better than it is: +0.04 [0.01, 0.07]"),
    (value(-0.04, 0.03), "At random, RNN seems worse than it is: -0.04 [-0.07, -0.01]"),
    (value(0.02, 0.03), "RNN: no gap shows between random and artists, +0.02 [-0.01, 0.05]")])
def test_the_title_of_splits_follows_the_interval_of_the_gap(gap, sentence):
    assert title_of(plots.splits(split_gap(["dummy", "rnn"], gap))) == sentence


def test_power_shows_each_model_at_each_size_and_the_two_bars():
    found = power(["rnn", "transfer"])
    ax = plots.power(found)
    lines = {line.get_label(): line for line in ax.lines}
    for name in found["models"]:
        line = lines[plots.MODEL_LABELS[name]]
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
    found = power(["rnn", "transfer", "oracle"], needed)
    found["needed"] |= {"transfer": {"0.5": None, "0.6": None}, "oracle": {"0.5": 9, "0.6": 9}}
    assert title_of(plots.power(found)) == sentence


def test_reliability_says_how_far_said_and_true_are_apart():
    sure = {"reliability": [{"said": p, "came": p, "tracks": 10} for p in (0.2, 0.8)]}
    off = {"reliability": [{"said": 0.2, "came": 0.3, "tracks": 30},
                           {"said": 0.8, "came": 0.6, "tracks": 10}]}
    ax = plots.reliability({"rnn": sure, "cnn1": off}, ["rnn", "cnn1"])
    assert title_of(ax) == "Said and true differ by 0 (RNN) to 12 points (CNN 1)"
    drawn = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
             for line in ax.lines}
    assert drawn["CNN 1"] == ([0.2, 0.8], [0.3, 0.6])
    assert title_of(plots.reliability({"cnn1": off}, ["cnn1"])) == (
        "Said and true differ by 12 points on average (CNN 1)")


def test_the_sieve_shows_every_case_of_every_model_beside_the_base_rates():
    ax = plots.sieve(MODELS, Y.mean())
    for given, color in ((None, "blue"), (0.2, "vermillion")):
        dots = sorted((round(y), x) for x, y, _ in marks(ax, plots.PALETTE[color].upper()))
        assert dots == sorted((row_of(ax, name), case["hit_share"]["mean"]) for name in MODELS
                              for case in MODELS[name]["sieve"] if case["base"] == given)
    dotted = {line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"}
    assert dotted == {0.2, Y.mean()}
    hollow = {round(y) for _, y, face in marks(ax) if face == "white"}
    assert hollow == {row_of(ax, "artist_mean"), row_of(ax, "oracle")}


@pytest.mark.parametrize("lift, sentence", [
    (value(1.4, 0.2), "The best of 10 by RNN is popular in 70%, a blind pick in 50%"),
    (value(1.1, 0.2), "The best of 10 by RNN cannot be told from a blind pick")])
def test_the_title_of_the_sieve_follows_the_lift(lift, sentence):
    case = {"n": 10, "k": 1, "base": None, "hit_share": value(0.7), "lift": lift}
    models = {"rnn": {"sieve": [case]}, "oracle": {"sieve": [case | {"hit_share": value(0.9)}]}}
    assert title_of(plots.sieve(models, 0.5)) == sentence


@pytest.mark.parametrize("difference, sentence", [
    (0.02, "Context adds +0.02 [0.01, 0.03] AUC to the sound"),
    (-0.02, "Context takes AUC from the sound: -0.02 [-0.03, -0.01]"),
    (0.0, "Context adds nothing that shows: +0.00 [-0.01, 0.01] AUC")])
def test_the_title_of_context_follows_the_paired_difference(difference, sentence):
    ax = plots.context(MODELS, paired(difference))
    assert title_of(ax) == sentence
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [
        "Context", "Sound (Ensemble)", "Sound + context"]
    assert [x for x, _, _ in marks(ax)] == [
        MODELS[name]["auc"]["mean"] for name in ("without_sound", "ensemble", "with_context")]


def test_without_an_ensemble_the_best_that_listens_stands_for_the_sound():
    models = some(["without_sound", "mlp", "cnn1", "with_context", "statistics", "oracle"])
    models |= {"mlp": {"auc": value(0.99)}, "statistics": {"auc": value(0.995)}}
    ax = plots.context(models, paired(0.02, sound="mlp"))
    assert row_of(ax, "Sound (MLP)") == 1 and title_of(ax).startswith("Context adds +0.02")


def test_thresholds_show_every_model_and_the_share_of_popular_tracks():
    found = label(NETWORKS[2:])
    ax = plots.label_threshold(found)
    lines = {line.get_label(): list(line.get_ydata()) for line in ax.lines}
    for name in NETWORKS[2:]:
        assert lines[plots.MODEL_LABELS[name]] == [
            step["models"][name]["mean"] for step in found["by_threshold"]]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == [
        f"{step['threshold']:.3g}\n({step['positive_share']:.0%})"
        for step in found["by_threshold"]]


def test_the_title_of_thresholds_counts_those_above_chance():
    steps = [{"threshold": t, "positive_share": 0.5, "models": {
        "rnn": value(mean), "oracle": value(0.9)}} for t, mean in ((20, 0.6), (30, 0.52))]
    assert title_of(plots.label_threshold({"by_threshold": steps})) == (
        "RNN: AUC 0.52 to 0.60, above chance at 1 of 2 thresholds")


@pytest.mark.parametrize("last, said", [
    (0.8, "rises from 0.60 to 0.80"), (0.5, "falls from 0.60 to 0.50"), (0.6, "stays at 0.60")])
def test_the_title_of_the_middle_says_where_the_auc_goes(last, said):
    steps = [{"left_out": share, "tracks": 100, "models": {"rnn": value(auc), "oracle": value(1)}}
             for share, auc in ((0, 0.6), (0.6, last))]
    ax = plots.label_middle({"without_middle": steps})
    assert title_of(ax) == f"Without the middle 60 %, AUC of RNN {said}"


@pytest.mark.parametrize("spearman, said", [
    (value(0.3), "Older tracks are more popular: Spearman +0.30 [0.25, 0.35]"),
    (value(-0.3), "Older tracks are less popular: Spearman -0.30 [-0.35, -0.25]"),
    (value(0.01), "Popularity shows no trend with age: Spearman +0.01 [-0.04, 0.06]")])
def test_the_title_of_age_follows_the_correlation(spearman, said):
    found = label([])["age"] | {"spearman": spearman}
    ax = plots.age(found)
    assert title_of(ax) == said
    assert list(ax.lines[0].get_ydata()) == [part["median"] for part in found["bins"]]


def test_corpora_share_rows_and_have_a_colour_each():
    files = several(ALL)
    ax = plots.corpora(files)
    for results, color in zip(files, ("blue", "vermillion", "green")):
        dots = {round(y): x for x, y, _ in marks(ax, plots.PALETTE[color].upper())}
        assert dots == {row_of(ax, name): model["auc"]["mean"]
                        for name, model in results["models"].items()}


@pytest.mark.parametrize("lows, sentence", [
    ([{"rnn": 0.6, "mlp": 0.55}, {"rnn": 0.6, "mlp": 0.4}],
     "1 of 2 models are above chance on both corpora"),
    ([{"rnn": 0.6}, {"rnn": 0.6, "mlp": 0.6}, {"rnn": 0.4}],
     "RNN is not above chance on all 3 corpora"),
    ([{"rnn": 0.6}, {"mlp": 0.6}], "No model ran on both corpora"),
    ([{"rnn": 0.6, "oracle": 0.6}], "RNN is above chance on corpus 0")])
def test_the_title_of_corpora_says_what_holds_on_all(lows, sentence):
    files = [{"corpus": {"name": f"corpus {i}", "tracks": 9},
              "models": {name: {"auc": value(low + 0.05)} for name, low in models.items()}}
             for i, models in enumerate(lows)]
    assert title_of(plots.corpora(files)) == sentence


def test_the_results_files_of_the_project_can_be_shown_side_by_side():
    files = [json.loads((RESULTS / f"{name}.json").read_text())
             for name in ("liked_songs", "synthetic-4000")]
    ax = plots.corpora(files)
    assert len(marks(ax)) == sum(len(results["models"]) for results in files)
    assert len(marks(plots.ladder(files[0]["models"]))) == 2 * len(files[0]["models"])


def test_an_interval_is_that_of_the_metrics():
    """What the figures are fed with here is what an evaluation gives."""
    auc = measure(Y, SCORES["rnn"], WEIGHTS)["auc"]
    assert {end: MODELS["rnn"]["auc"][end] for end in ("low", "high")} == interval(auc)
