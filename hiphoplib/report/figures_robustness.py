"""Figures of how sure results are: under other splits, with fewer tracks, by other labels."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hiphoplib.report import style

KNOW_ARTISTS = {"artist_identification", "artist_mean"}
SPLITS = {
    "artist": ("artist-disjoint", style.PALETTE["blue"], "o"),
    "time": ("newest as test set", style.PALETTE["green"], "s"),
    "random": ("at random", style.PALETTE["vermillion"], "D"),
}


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
    series = []
    for split, (label, color, marker) in SPLITS.items():
        aucs = {name: model[split] for name, model in models.items() if split in model}
        # an interval without width is no result: such a model is a constant under this split
        shown = {name: auc for name, auc in aucs.items() if auc["low"] < auc["high"]}
        if aucs:
            series.append(style.Series(shown, color, marker, label))
    style.interval_rows(ax, names, series)
    flattered = [name for name in names if models[name].get("random-artist", {"low": 0})["low"] > 0]
    title = "No model is significantly better under a random split"
    if flattered:
        title = "A random split flatters " + (
            "models that recognise artists, and no other"
            if {*flattered} <= KNOW_ARTISTS
            else f"these models: {', '.join(map(style.label_of, flattered))}"
        )
    return style.titled(ax, title, style.on_test("AUC", compared["tracks"]), "")


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
    style.auc_lines(
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
    style.auc_lines(ax, models, lambda at, moved: at + width * moved)
    ax.set_xticks(x, ticks)
    spoken_of = style.title_model(models)
    return style.label_of(spoken_of), models[spoken_of][1]
