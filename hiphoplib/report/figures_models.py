"""Figures of results: models side by side, with intervals and a title that says what follows."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hiphoplib.evaluation.bootstrap import Estimate
from hiphoplib.report import style

SURE = ("stack", "rnn", "upper_bound")  # whose sureness is drawn
KNOW_ARTISTS = {"artist_identification", "artist_mean"}
SPLITS = {
    "artist": ("artist-disjoint", style.PALETTE["blue"], "o"),
    "time": ("newest as test set", style.PALETTE["green"], "s"),
    "random": ("at random", style.PALETTE["vermillion"], "D"),
}
CORPUS_LOOKS = tuple(
    zip(
        (
            style.PALETTE[name]
            for name in ("blue", "vermillion", "green", "orange", "purple", "sky", "black")
        ),
        "osD^vPX",
    )
)
CORPUS_LABELS = {
    "liked_songs": "Emotify",
    "synthetic": "synthetic",
    "synthetic-4000": "synthetic, 4,000 rows",
}


def _on_test(metric, tracks):
    """Label of an axis: a metric, and on how many tracks."""
    return f"{metric} on {tracks:,} test tracks (95 % intervals)"


def answer(hiphop: dict, emotify: dict, larger: dict) -> Axes:
    """Draw what the strongest models reach, in pairs of 100, on real music and on synthetic tracks.

    Parameters
    ----------
    hiphop : dict, of eight features on real hip-hop
    emotify, larger : dict, of `evaluate` on rated recordings and on synthetic tracks

    Returns
    -------
    Axes
    """
    rated, rendered = emotify["models"]["stack"], larger["models"]
    aucs = {
        f"Real hip-hop: eight features ({hiphop['tracks']:,} tracks)": hiphop["features"]["auc"],
        f"Real music, one genre: stack ({emotify['corpus']['tracks']:,} tracks)": rated[
            "within_genre"
        ],
        "Real music, all genres: stack": rated["auc"],
        f"Synthetic: stack ({larger['corpus']['tracks']:,} tracks)": rendered["stack"]["auc"],
        "Synthetic: all that can be heard": rendered["upper_bound"]["auc"],
    }
    pairs = {
        name: {end: 100 * auc[end] for end in ("mean", "low", "high")} for name, auc in aucs.items()
    }
    _, ax = plt.subplots(figsize=(9, 3.8))
    style.interval_rows(ax, list(pairs), [style.Series(pairs)], hollow=[list(pairs)[-1]], wrap=30)
    ax.axvline(50, color=style.NEUTRAL, linestyle=":")
    ax.annotate(
        "a coin",
        (50, 1),
        (4, -4),
        xycoords=("data", "axes fraction"),
        va="top",
        textcoords="offset points",
        color="#5E5E5E",
    )
    for row, each in enumerate(pairs.values()):
        ax.annotate(
            f"{each['mean']:.0f}",
            (each["mean"], row),
            (0, 8),
            ha="center",
            textcoords="offset points",
        )
    return style.titled(
        ax,
        "Sound tells something about popularity, and not much within one genre",
        "pairs in the right order (of 100; 95 % intervals)",
        "",
        xlim=(45, 85),
    )


def model_comparison(results: dict, names: Sequence[str] | None = None) -> Axes:
    """Draw the AUC of models, the best on top, and what an upper bound has.

    Parameters
    ----------
    results : dict, of `evaluate`
    names : sequence of str, all that could be used if not given

    Returns
    -------
    Axes
    """
    models = results["models"]
    bound = models.get("upper_bound", {}).get("auc")
    aucs = {
        name: models[name]["auc"]
        for name in names or models
        if name not in (*style.NOT_FOR_USE, "dummy") and "auc" in models.get(name, {})
    }
    order = sorted(aucs, key=lambda name: -aucs[name]["mean"])
    _, ax = plt.subplots(figsize=(9, 1.6 + 0.36 * len(order)))
    ax.axvline(0.5, color=style.NEUTRAL, linestyle=":", label="chance")
    if bound:
        ax.axvspan(
            bound["low"],
            bound["high"],
            color=style.PALETTE["green"],
            alpha=0.2,
            linewidth=0,
            label="upper bound",
        )
    in_colour = {name: auc for name, auc in aucs.items() if name in style.NETWORK_NAMES}
    others = {name: auc for name, auc in aucs.items() if name not in in_colour}
    style.interval_rows(
        ax,
        order,
        [
            style.Series(in_colour, style.PALETTE["blue"], "o", "networks on the spectrogram"),
            style.Series(others, "black", "s", "other models"),
        ],
        gap=0,
    )
    above = sum(auc["low"] > 0.5 for auc in aucs.values())
    return style.titled(
        ax,
        f"Better than chance: {above} of {len(aucs)} models",
        _on_test("AUC", results["protocol"]["test_tracks"]),
        "",
    )


def splits(compared: dict) -> Axes:
    """Draw the AUC of models under an artist-disjoint, a time and a random split.

    Parameters
    ----------
    compared : dict, "splits" of results

    Returns
    -------
    Axes
    """
    models = compared["models"]
    names = style.in_order(models)
    _, ax = plt.subplots(figsize=(9, 2 + 0.6 * len(names)))
    ax.axvline(0.5, color=style.NEUTRAL, linestyle=":", label="guessing")
    style.interval_rows(
        ax,
        names,
        [
            style.Series(
                {
                    name: model[split]
                    for name, model in models.items()  # not by construction
                    if split in model and model[split]["low"] < model[split]["high"]
                },
                color,
                marker,
                label,
            )
            for split, (label, color, marker) in SPLITS.items()
            if any(split in model for model in models.values())
        ],
    )
    flattered = [name for name in names if models[name].get("random-artist", {"low": 0})["low"] > 0]
    title = "No model is significantly better under a random split"
    if flattered:
        title = "A random split flatters " + (
            "models that recognise artists, and no other"
            if {*flattered} <= KNOW_ARTISTS
            else f"these models: {', '.join(map(style.label_of, flattered))}"
        )
    return style.titled(ax, title, _on_test("AUC", compared["tracks"]), "")


def _difference(metric):
    """A difference with its interval, with blanks at which no title is broken."""
    return f"{Estimate.read(metric):+.2f}".replace(" ", "\N{NO-BREAK SPACE}")


def learning_curve(curve: dict) -> Axes:
    """Draw the AUC by the number of tracks.

    Parameters
    ----------
    curve : dict, "power" of results

    Returns
    -------
    Axes
    """
    (_, ax), models = plt.subplots(figsize=(8, 4.4)), curve["models"]
    for level in (0.5, 0.6):
        ax.axhline(level, color=style.NEUTRAL, linestyle=":", zorder=1)
    # side by side, where intervals at one number of tracks would hide each other
    _auc_lines(
        ax,
        {
            name: ([step["tracks"] for step in steps], [step["auc"] for step in steps])
            for name, steps in models.items()
        },
        lambda x, steps: x * 1.04**steps,
    )
    sizes = sorted({step["tracks"] for steps in models.values() for step in steps}, reverse=True)
    ticks: list[int] = []  # those with room for a number on a logarithmic axis
    for size in sizes:
        if not ticks or ticks[-1] / size >= 1.3:
            ticks.append(size)
    ax.set_xscale("log")
    ax.minorticks_off()
    ax.set_xticks(ticks, [f"{size:,}" for size in ticks])
    bars = {
        name: [needed.get(bar) or np.inf for bar in ("0.5", "0.6")]
        for name, needed in curve["needed"].items()
        if name not in style.NOT_FOR_USE
    }
    best = min(bars, key=lambda name: bars[name])
    first, second = (
        f"{bar:,}" if bar < np.inf else f"more than {sizes[0]:,}" for bar in bars[best]
    )
    return style.titled(
        ax,
        f"{style.label_of(best)} needs {first} tracks to be above 0.5, {second} to be above 0.6",
        "tracks (log scale)",
        "AUC (95 % intervals)",
    )


def _auc_lines(ax, models: Mapping[str, tuple[Sequence, Sequence]], shift: Callable):
    """Draw AUCs with intervals: x and AUCs by model; `shift` moves an x by so many steps."""
    for number, name in enumerate(style.in_order(models)):
        x, aucs = models[name]
        x = [shift(each, number - (len(models) - 1) / 2) for each in x]
        (line,) = ax.plot(
            x,
            [auc["mean"] for auc in aucs],
            "o-",
            markersize=5,
            color=style.MODEL_COLORS.get(name),
            label=style.label_of(name),
        )
        ax.vlines(
            x,
            [auc["low"] for auc in aucs],
            [auc["high"] for auc in aucs],
            color=line.get_color(),
            linewidth=1.5,
        )
    ax.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    if models:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def metadata_gain(results: dict) -> Axes:
    """Draw the AUC of the metadata, of the sound, and of both.

    Parameters
    ----------
    results : dict, of `evaluate`

    Returns
    -------
    Axes
    """
    models, paired = results["models"], results["paired"]
    sound = style.title_model(
        name for name in models if name in ("stack", "musicnn", *style.NETWORK_NAMES)
    )
    inputs = {
        "metadata": "Metadata",
        sound: f"Sound ({style.label_of(sound)})",
        "stack_metadata": "Both",
    }
    names = [name for name in inputs if name in models]
    _, ax = plt.subplots(figsize=(8, 3.2))
    aucs = {name: models[name]["auc"] for name in names}
    style.interval_rows(ax, names, [style.Series(aucs)], labels=[inputs[name] for name in names])
    for row, auc in enumerate(aucs.values()):
        ax.annotate(
            f"{auc['mean']:.2f}",
            (auc["mean"], row),
            (0, 7),
            ha="center",
            textcoords="offset points",
            fontsize=11,
        )
    ax.axvline(0.5, color=style.NEUTRAL, linestyle=":")
    gain = paired.get(f"stack_metadata-{sound}", {}).get("auc")
    title = "Metadata, sound, and both"
    if gain:
        adds = gain["low"] > 0 or gain["high"] < 0
        title = (
            f"Metadata change the AUC of the sound by {_difference(gain)}"
            if adds
            else ("Metadata add nothing significant to the sound")
        )
    return style.titled(ax, title, _on_test("AUC", results["protocol"]["test_tracks"]), "input")


def corpora(several: Sequence[dict], names: Sequence[str] | None = None) -> Axes:
    """Draw the AUC of the same models on several corpora, and within one genre where it is known.

    Parameters
    ----------
    several : sequence of dict, results of one corpus each
    names : sequence of str, all models if not given

    Returns
    -------
    Axes
    """
    there = dict.fromkeys(name for results in several for name in results["models"])
    names = style.in_order(name for name in there if name in (names or there))
    series, looks = [], iter(CORPUS_LOOKS)
    for each in several:
        title, tracks = each["corpus"]["name"], each["protocol"]["test_tracks"]
        measures = {
            "auc": f"{CORPUS_LABELS.get(title, title)} ({tracks:,} tracks)",
            "within_genre": f"{CORPUS_LABELS.get(title, title)}, within one genre",
        }
        for measure, label in measures.items():
            values = {
                name: model[measure]
                for name, model in each["models"].items()
                if name in names and model.get(measure)
            }
            if values:
                color, marker = next(looks)
                series.append(style.Series(values, color, marker, label))
    _, ax = plt.subplots(
        figsize=(9, 1.8 + 0.25 * len(series) + (0.3 + 0.14 * len(series)) * len(names))
    )
    ax.axvline(0.5, color=style.NEUTRAL, linestyle=":")
    gap = 0.8 / max(len(series), 2)
    # one column: names may be long
    style.interval_rows(ax, names, series, hollow=style.NOT_FOR_USE, gap=gap, columns=1)
    return style.titled(
        ax,
        "On real music simple features keep up with networks"
        if "liked_songs" in [each["corpus"]["name"] for each in several]
        else "The same models on several data sets",
        "AUC (95 % intervals)",
        "",
    )


def precision_at_k(results: dict, names: Sequence[str] | None = None) -> Axes:
    """Draw the share of popular songs among the best k of n, a row a model; dotted: random choice.

    Parameters
    ----------
    results : dict, of `evaluate`
    names : sequence of str, all models if not given

    Returns
    -------
    Axes
    """
    models, observed = results["models"], results["protocol"]["positive_share"]
    names = style.in_order(
        name for name in models if models[name].get("precision_at_k") and name in (names or models)
    )
    table = pd.DataFrame(
        [
            {
                "model": name,
                "hit_share": case["hit_share"],
                "n": case["n"],
                "k": case["k"],
                "given": case["base"] is not None,
                "base": case["base"] or observed,
            }
            for name in names
            for case in models[name]["precision_at_k"]
        ]
    )
    (_, ax), series = plt.subplots(figsize=(9, 2 + 0.62 * len(names))), []
    for (given, base, n, k), cases in table.groupby(["given", "base", "n", "k"]):
        color = style.PALETTE["vermillion" if given else "blue"]
        series.append(
            style.Series(
                cases.set_index("model")["hit_share"].to_dict(),
                color,
                "o" if k == 1 else "s",
                f"{k} of {n}, {base:.0%} popular",
            )
        )
        ax.axvline(base, color=color, linestyle=":", zorder=1)
    style.interval_rows(ax, names, series, hollow=style.NOT_FOR_USE, gap=0.19, columns=2)
    spoken_of = style.title_model(names)
    first = (
        next(
            (
                case
                for case in models[spoken_of]["precision_at_k"]
                if case["k"] == 1 and case["base"] is None
            ),
            None,
        )
        if spoken_of
        else None
    )
    title = f"A random choice is popular in {observed:.0%} of cases"
    if first:
        title = f"First of {first['n']} by {style.label_of(spoken_of)}: " + (
            f"popular in {first['hit_share']['mean']:.0%} of cases, a random choice in "
            f"{observed:.0%}"
            if first["lift"]["low"] > 1
            else "not significantly better than a random choice"
        )
    return style.titled(
        ax,
        title,
        _on_test("share popular", results["protocol"]["test_tracks"]) + "; dotted: random choice",
        "",
    )


def selective_accuracy(models: Mapping[str, dict]) -> Axes:
    """Draw how many of one artist's pairs are in the right order, by the share that is answered.

    Parameters
    ----------
    models : mapping of str to dict, "models" of results

    Returns
    -------
    Axes
    """
    curves = {
        name: models[name]["selective_accuracy"]
        for name in SURE
        if models.get(name, {}).get("selective_accuracy")
    }
    _, ax = plt.subplots(figsize=(8, 4.4))
    ax.axhline(50, color=style.NEUTRAL, linestyle=":", label="guessing")
    _auc_lines(
        ax,
        {
            name: (
                [100 * step["share"] for step in curve],
                [{key: 100 * value for key, value in step["accuracy"].items()} for step in curve],
            )
            for name, curve in curves.items()
        },
        lambda x, steps: x * 1.03**steps,
    )
    ax.set_xscale("log")
    ax.minorticks_off()
    ax.set_xticks([10, 25, 50, 100], ["10", "25", "50", "100"])
    ax.invert_xaxis()
    ax.set_ylim(top=101)  # of a share an interval by Student's t may end above
    title = "No artist has enough test tracks to compare"
    if curves:
        first = next(iter(curves))
        every, surest = curves[first][0], curves[first][-1]
        title = (
            f"Of {every['pairs']:,} pairs by {every['artists']} artists, "
            f"{style.label_of(first)} orders {every['accuracy']['mean']:.0%} right; "
            f"of the surest {surest['share']:.0%}, {surest['accuracy']['mean']:.0%}"
        )
    return style.titled(
        ax,
        title,
        "pairs that are ordered (%, surest first; log scale)",
        "in the right order (%, 95 % intervals)",
    )


def label_sensitivity(label: dict) -> Figure:
    """Draw the AUC for labels by other thresholds, and without the tracks around the median.

    Parameters
    ----------
    label : dict, "label" of results

    Returns
    -------
    Figure
    """
    figure, (threshold, middle) = plt.subplots(1, 2, figsize=(14, 4.2))
    steps = label["by_threshold"]
    # evenly: where many tracks lie, thresholds lie close together
    best, aucs = _label_lines(
        threshold,
        range(len(steps)),
        steps,
        [f"{step['threshold']:.3g}\n({step['positive_share']:.0%})" for step in steps],
    )
    means, above = [auc["mean"] for auc in aucs], sum(auc["low"] > 0.5 for auc in aucs)
    style.titled(
        threshold,
        f"{best}: AUC {min(means):.2f} to {max(means):.2f}, above chance at "
        f"{above} of {len(steps)} thresholds",
        "threshold (popularity, 0-100; share of popular tracks)",
        f"AUC on {label['without_middle'][0]['tracks']:,} tracks (95 % intervals)",
    )
    steps = label["without_middle"]
    x = [100 * step["left_out"] for step in steps]
    best, aucs = _label_lines(
        middle, x, steps, [f"{share:.0f}\n({step['tracks']:,})" for share, step in zip(x, steps)]
    )
    style.titled(
        middle,
        f"Without the middle {x[-1]:.0f} %, the AUC of {best} is "
        f"{aucs[-1]['mean']:.2f} instead of {aucs[0]['mean']:.2f}",
        "tracks around the median left out (%; tracks left)",
        "AUC (95 % intervals)",
    )
    return figure


def _label_lines(ax, x, steps, ticks):
    """Draw the AUC of each model over some steps; return label and AUCs for the title."""
    models = {name: (x, [step["models"][name] for step in steps]) for name in steps[0]["models"]}
    width = (max(x) - min(x)) / 40 / max(len(models) - 1, 1)
    ax.axhline(0.5, color=style.NEUTRAL, linestyle=":")
    _auc_lines(ax, models, lambda at, moved: at + width * moved)
    ax.set_xticks(x, ticks)
    spoken_of = style.title_model(models)
    return style.label_of(spoken_of), models[spoken_of][1]
