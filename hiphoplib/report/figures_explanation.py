"""Figures of explanations: one clip's map, where a network listens, and whether the maps hold."""

from collections.abc import Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hiphoplib.audio.mel import QUICK
from hiphoplib.explanation.lime import Attribution
from hiphoplib.explanation.segments import SegmentGrid
from hiphoplib.explanation.swap_test import Part
from hiphoplib.report import style

DIVERGING = "RdBu_r"  # above zero is red
SIDE_COLORS = {"popular": style.POPULAR, "unpopular": style.UNPOPULAR}
ORDERS = {
    "lime": ("segments with the largest weights first", style.POPULAR),
    "random": ("random order", style.NEUTRAL),
    "loudest": ("loudest first", style.PALETTE["blue"]),
}
METHODS = {
    "swap_test": "swap test",
    "old_rule": "ten LIME runs that agree",
    "lime_default": "LIME with default settings",
}
SMALLEST = 0.01  # of probability: less shall not look like much


def explanation(
    S_db: np.ndarray,
    expl: Attribution,
    title: str = "What raises the score (red) and lowers it (blue)",
) -> Axes:
    """Draw the weights of a clip's segments over its spectrogram, in grey.

    Stable segments are outlined, with a broken line where another method disagrees; the others are
    pale. Above, the sum over bands by time; on the right, the sum over time by band.

    Parameters
    ----------
    S_db : np.ndarray [shape=(n_mels, frames)], in dB
    expl : Attribution
    title : str

    Returns
    -------
    Axes
    """
    _, ax = plt.subplots(figsize=(8.6, 4.5))
    colors = _draw_segments(ax, S_db, expl)
    _sums_by_time(expl, ax.inset_axes((0, 1.04, 1, 0.2), sharex=ax), title)
    _sums_by_band(expl, ax.inset_axes((1.06, 0, 0.12, 1), sharey=ax))
    ax.figure.colorbar(
        colors,
        ax=ax,
        location="bottom",
        shrink=0.6,
        aspect=40,
        label="weight (change in probability)",
        ticks=MaxNLocator(5),
    )
    return style.titled(ax, "", "time (s)", "frequency (Hz)")


def _draw_segments(ax, S_db, expl):
    """Draw the weights over the spectrogram; return their colours, for a colorbar."""
    grid = expl.grid
    style.spectrogram(S_db, grid.mel_grid, ax, cmap="gray", colorbar=False)
    most = max(np.abs(expl.weights).max(), SMALLEST)
    colors = mpl.cm.ScalarMappable(mpl.colors.Normalize(-most, most), DIVERGING)
    edges = list(grid.bands.values())
    for (band, column), weight in np.ndenumerate(expl.weights):
        (start, end), (low, high) = grid.spans[column], edges[band]
        box, stable = ((start, low), end - start, high - low), expl.stable[band, column]
        ax.add_patch(
            plt.Rectangle(
                *box, color=colors.to_rgba(weight), linewidth=0, alpha=0.75 if stable else 0.25
            )
        )
        if stable:
            line = "-" if expl.confirmed[band, column] else (0, (2, 1.5))
            ax.add_patch(plt.Rectangle(*box, fill=False, linewidth=2.2, zorder=3, linestyle=line))
    ax.set_ylim(edges[0][0], edges[-1][1])
    return colors


def _middles(grid):
    """Middle of each band on the mel scale, in Hz."""
    import librosa

    return librosa.mel_to_hz(librosa.hz_to_mel(list(grid.bands.values())).mean(axis=1))


def _sums(expl, axis):
    """Sums of the weights over the bands (axis 2) or time (3): mean and spread over runs."""
    runs = expl.runs.sum(axis=axis).reshape(expl.r2.size, -1)
    return runs.mean(axis=0), runs.std(axis=0)


def _sums_by_time(expl, ax, title):
    """The line above a map: sum over the bands, its spread over runs as a ribbon."""
    mean, spread = _sums(expl, 2)
    middles = np.mean(expl.grid.spans, axis=1)
    ax.axhline(0, color=style.NEUTRAL, linewidth=0.8)
    ax.fill_between(middles, mean - spread, mean + spread, color="#D0D0D0", linewidth=0)
    ax.plot(middles, mean, color="black", marker="o", markersize=3, linewidth=1.5)
    ax.tick_params(labelbottom=False, length=0)
    _symmetric(ax.set_ylim, ax.set_yticks, mean, spread)
    style.titled(ax, title, "", "sum")


def _sums_by_band(expl, ax):
    """The bars beside a map: sum over time, with its spread over runs."""
    mean, spread = _sums(expl, 3)
    low, high = np.transpose(list(expl.grid.bands.values()))
    ax.barh(
        low,
        mean,
        high - low,
        align="edge",
        edgecolor="white",
        color=[style.POPULAR if value > 0 else style.UNPOPULAR for value in mean],
    )
    middles = _middles(expl.grid)
    ax.hlines(middles, mean - spread, mean + spread, color="black", linewidth=1.2)
    ax.axvline(0, color=style.NEUTRAL, linewidth=0.8)
    ax.tick_params(axis="y", which="both", length=0, labelleft=False)
    _symmetric(ax.set_xlim, ax.set_xticks, mean, spread)
    ax.set_xlabel("sum")
    for middle, name in zip(middles, expl.grid.bands):
        ax.text(1.06, middle, name, transform=ax.get_yaxis_transform(), va="center", fontsize=11)


def _symmetric(set_limits, set_ticks, mean, spread):
    """Put zero in the middle of an axis, and a tick where the sums end."""
    most = max((np.abs(mean) + spread).max(), SMALLEST)
    set_limits(-1.3 * most, 1.3 * most)
    set_ticks([-most, most], [f"{-most:+.2f}", f"{most:+.2f}"])


def segment_map(
    weights: np.ndarray,
    grid: SegmentGrid,
    ax: Axes | None = None,
    title: str = "Weights",
    *,
    outlined: np.ndarray | None = None,
    dotted: np.ndarray | None = None,
) -> Axes:
    """Draw weights as a picture, red above zero and blue below.

    Parameters
    ----------
    weights : np.ndarray [shape=(n_bands, n_segments)]
    grid : SegmentGrid
    ax : Axes, optional
    title : str
    outlined, dotted : np.ndarray of bool [shape=(n_bands, n_segments)], optional

    Returns
    -------
    Axes
    """
    ax, (n_bands, n_segments) = ax or plt.subplots(figsize=(7, 3.4))[1], np.shape(weights)
    most, size = max(np.abs(weights).max(), 1e-6), grid.segment_seconds
    image = ax.imshow(
        weights,
        origin="lower",
        aspect="auto",
        cmap=DIVERGING,
        vmin=-most,
        vmax=most,
        extent=(0, n_segments * size, -0.5, n_bands - 0.5),
    )
    for band, column in np.argwhere(outlined) if outlined is not None else ():
        ax.add_patch(plt.Rectangle((column * size, band - 0.5), size, 1, fill=False, linewidth=2.2))
    if dotted is not None:
        band, column = np.nonzero(dotted)
        ax.plot((column + 0.5) * size, band, "o", color="black", markersize=5)
    ax.set_yticks(range(n_bands), list(grid.bands))
    ax.tick_params(axis="y", length=0)
    ax.figure.colorbar(
        image, ax=ax, label="weight", ticks=[-0.9 * most, 0, 0.9 * most], format="%+.3f"
    )
    return style.titled(ax, title, "time (s)", "")


def swapped(
    S_db: np.ndarray,
    parts: Sequence[Part],
    grid: SegmentGrid,
    ax: Axes | None = None,
    title: str = "Swap test",
) -> Axes:
    """Draw the parts that the swap test names over a clip's spectrogram, in grey.

    Red moves the score towards popular, blue towards unpopular.

    Parameters
    ----------
    S_db : np.ndarray [shape=(n_mels, frames)], in dB
    parts : sequence of Part
    grid : SegmentGrid
    ax : Axes, optional
    title : str

    Returns
    -------
    Axes
    """
    ax, edges = ax or plt.subplots(figsize=(7, 3.4))[1], list(grid.bands.values())
    style.spectrogram(S_db, grid.mel_grid, ax, cmap="gray", colorbar=False)
    for part in parts:
        color = style.POPULAR if part.effect > 0 else style.UNPOPULAR
        for band, column in np.argwhere(part.mask):
            (start, end), (low, high) = grid.spans[column], edges[band]
            ax.add_patch(
                plt.Rectangle(
                    (start, low), end - start, high - low, linewidth=0, color=color, alpha=0.6
                )
            )
    if not parts:
        ax.text(
            0.5,
            0.5,
            "no single passage decides",
            transform=ax.transAxes,
            ha="center",
            color="white",
            fontweight="bold",
        )
    ax.set_ylim(edges[0][0], edges[-1][1])
    return style.titled(ax, title, "time (s)", "frequency (Hz)")


def listening(results: dict) -> Figure:
    """Draw where a network listens: mean map of many clips, share by time, sums by band.

    Parameters
    ----------
    results : dict, of `check_explanations`

    Returns
    -------
    Figure
    """
    figure, (by_segment, by_time, by_band) = plt.subplots(1, 3, figsize=(20, 3.8))
    _mean_map(results, by_segment)
    _shares_by_time(results, by_time)
    _sums_by_class(results["bands"], by_band)
    return figure


def _mean_map(results, ax):
    """The mean weight of each segment, with a dot where it is reliably not zero."""
    grid = SegmentGrid(QUICK, results["bands"], results["cell_seconds"])
    low, mean, high = (np.array(results["map"][end]) for end in ("low", "mean", "high"))
    reliable = (low > 0) | (high < 0)
    title = (
        f"{reliable.sum()} of {reliable.size} segments have a mean weight reliably above "
        "or below zero (dots)"
    )
    segment_map(mean, grid, ax, title, dotted=reliable)


def _shares_by_time(results, ax):
    """The share of each stretch of time in the weight."""
    size, color = results["cell_seconds"], style.PALETTE["purple"]
    low, mean, high = (100 * np.array(results["seconds"][end]) for end in ("low", "mean", "high"))
    middles, most = (np.arange(len(mean)) + 0.5) * size, int(np.argmax(mean))
    ax.axhline(100 / len(mean), color=style.NEUTRAL, linestyle=":", label="an equal share")
    ax.fill_between(middles, low, high, color=color, alpha=0.25, linewidth=0)
    ax.plot(middles, mean, color=color, marker="o")
    ax.legend()
    title = "No part of the clip has a larger share"
    if low[most] > 100 / len(mean):
        where = f"{most * size:g} to {(most + 1) * size:g} s of the clip"
        title = f"More than an equal share of the weight lies in {where}"
    limits = {"xlim": (0, len(mean) * size), "ylim": (0, None)}
    style.titled(ax, title, "time (s)", "share of weight (%)", **limits)


def _sums_by_class(bands, ax):
    """The sum of weights of each band, by the class of the clip."""
    ax.axvline(0, color=style.NEUTRAL, linestyle=":", linewidth=1.2)
    names, series = list(bands)[::-1], []
    for (side, color), marker in zip(SIDE_COLORS.items(), "os"):
        sums = {name: bands[name][side] for name in names if bands[name][side]}
        series.append(style.Series(sums, color, marker, side))
    style.interval_rows(ax, names, series, labels=names, columns=2)
    xlabel = "sum of weights over the clip (change in probability)"
    style.titled(ax, "Right of zero, a band raises the score", xlabel, "")


def faithfulness(results: dict) -> Figure:
    """Draw the probability of the predicted class as segments are removed, and restored.

    Parameters
    ----------
    results : dict, of `check_explanations`

    Returns
    -------
    Figure
    """
    figure, axes = plt.subplots(1, 2, figsize=(14, 4), sharey=True)
    for ax, way, title, verb in (
        (axes[0], "deletion", "lower", "removed"),
        (axes[1], "insertion", "raise", "restored"),
    ):
        for order, (label, color) in ORDERS.items():
            low, mean, high = (
                np.array(results["curves"][way][order][end]) for end in ("low", "mean", "high")
            )
            share = np.linspace(0, 100, len(mean))
            ax.fill_between(share, low, high, color=color, alpha=0.18, linewidth=0)
            ax.plot(share, mean, color=color, label=label)
        ax.legend()
        style.titled(
            ax,
            f"The largest weights should {title} it most",
            f"segments {verb} (%)",
            "probability of the predicted class",
        )
    return figure


def planted(results: dict) -> Figure:
    """Draw how right explanations of planted causes are, and how many they find, by method.

    Parameters
    ----------
    results : dict, of `check_planted`

    Returns
    -------
    Figure
    """
    figure, axes = plt.subplots(1, 2, figsize=(13, 3.6), sharey=True)
    rows = {
        f"{kind}, {style.label_of(network)}": (kind, network)
        for kind in ("level", "texture")
        for network in ("crnn", "rnn")
    }
    panels = {
        "precision": "How much of what is named is right",
        "recall": "How many of the planted cues are named",
    }
    colors = style.PALETTE["blue"], style.PALETTE["orange"], "black"
    for ax, (measure, title) in zip(axes, panels.items()):
        series = []
        for (way, label), color, marker in zip(METHODS.items(), colors, "osD"):
            rates = {name: results[way][kind][of][measure] for name, (kind, of) in rows.items()}
            known = {name: rate for name, rate in rates.items() if rate}
            series.append(style.Series(known, color, marker, label))
        style.interval_rows(ax, list(rows), series, labels=list(rows), columns=3)
        style.titled(ax, title, f"{measure} (95 % intervals over networks)", "", xlim=(-0.03, 1.03))
    axes[1].get_legend().remove()
    return figure
