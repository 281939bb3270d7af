"""What all figures share: the palette, the fonts, and Axes with a title and units.

Red speaks for popular and blue against, in every figure. The colours are those of Okabe & Ito,
"Color universal design" (2008), which colour-blind readers tell apart.
"""

import re
import textwrap

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

PALETTE = {"black": "#000000", "orange": "#E69F00", "sky": "#56B4E9", "green": "#009E73",
           "yellow": "#F0E442", "blue": "#0072B2", "vermillion": "#D55E00", "purple": "#CC79A7"}
POPULAR, UNPOPULAR, NEUTRAL = PALETTE["vermillion"], PALETTE["blue"], "#8C8C8C"

LEVELS = (-60, 30)  # dB, the same for every clip, so that loud and quiet compare
MEL_TICKS = (64, 512, 1024, 2048, 4096, 8192)  # Hz; between 64 and 512 labels would touch

STYLE = {
    "font.size": 12, "axes.titlesize": 13, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.labelsize": 12, "xtick.labelsize": 11, "ytick.labelsize": 11, "legend.fontsize": 11,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "axes.prop_cycle": mpl.cycler(color=[PALETTE[name] for name in (
        "blue", "vermillion", "green", "orange", "sky", "purple", "black")]),
    "legend.frameon": False, "lines.linewidth": 2, "hatch.linewidth": 1.5,
    "figure.constrained_layout.use": True, "figure.dpi": 70, "savefig.dpi": 150,
}
MODEL_LABELS = {  # in the order of the model comparison
    "dummy": "Dummy", "recency": "Days since release", "loudness": "Loudness & duration",
    "handcrafted": "Logistic regression on audio features",
    "boosting": "Boosting on audio features", "neighbours": "Nearest neighbours",
    "artist_identification": "Artist identification", "metadata": "Metadata", "mlp": "MLP",
    "cnn1": "CNN 1", "cnn2": "CNN 2", "rnn": "RNN", "crnn": "CRNN",
    "musicnn": "musicnn + logistic", "ensemble": "Ensemble",
    "ensemble_metadata": "Ensemble + metadata", "artist_mean": "Artist's mean",
    "upper_bound": "Upper bound"}
MODEL_COLORS = {
    "dummy": NEUTRAL, "recency": "#B8B8B8", "loudness": "#A2A2A2", "handcrafted": "#707070",
    "boosting": "#4A4A4A", "neighbours": "#989898", "artist_identification": "#808080",
    "metadata": "#5E5E5E", "mlp": PALETTE["sky"], "cnn1": PALETTE["green"],
    "cnn2": PALETTE["orange"], "rnn": PALETTE["purple"], "crnn": PALETTE["blue"],
    "musicnn": PALETTE["vermillion"], "ensemble": PALETTE["black"],
    "ensemble_metadata": PALETTE["yellow"], "artist_mean": "#B8B8B8", "upper_bound": "#707070"}
METRIC_COLORS = {"accuracy": PALETTE["sky"], "auc": PALETTE["green"]}
METRIC_LABELS = {"accuracy": "accuracy", "auc": "AUC", "loss": "loss (binary cross-entropy)"}
NETWORK_NAMES = ("mlp", "cnn1", "cnn2", "rnn", "crnn")
NOT_FOR_USE = ("artist_mean", "upper_bound")  # know what nobody knows of a song that is not out
LONGEST = 60  # letters of a title's line: what the narrowest figure holds


def use_style():
    """Set the project's fonts, lines and colours for every figure from here on."""
    mpl.rcParams.update(STYLE)


def save(ax, path, **options):
    """Write the figure of an Axes to a file and close it; options are those of ``savefig``."""
    ax.figure.savefig(path, **options)
    plt.close(ax.figure)


def axes_for(ax, size=(7, 4)):
    """Return `ax`, or the Axes of a new figure of `size` inches."""
    return plt.subplots(figsize=size)[1] if ax is None else ax


def titled(ax, title, xlabel, ylabel, **more):
    """Return `ax` with its title and axis labels; counts get whole numbers."""
    if ylabel in ("tracks", "artists"):
        ax.locator_params(axis="y", integer=True)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel, **more)
    return ax


def mel_image(S_db, grid, ax, cmap, levels=LEVELS):
    """Draw a spectrogram; x in s, y in mel bands with ticks at their Hz. Return the image."""
    ticks = [hz for hz in MEL_TICKS if hz < grid.sr / 2]
    image = ax.imshow(S_db, origin="lower", aspect="auto", cmap=cmap, vmin=levels[0],
                      vmax=levels[1], extent=(0, grid.seconds, -0.5, grid.n_mels - 0.5))
    ax.set_yticks(np.interp(ticks, grid.mel_frequencies(), np.arange(grid.n_mels)), ticks)
    return image


def label_of(model):
    """Short name of a model, for people."""
    return MODEL_LABELS.get(model, model)


def in_order(models):
    """Names of models as the ladder has them, list of str; unknown ones before the oracles."""
    entries = [name for name in MODEL_LABELS if name not in NOT_FOR_USE]
    places = {name: place for place, name in enumerate([*entries, None, *NOT_FOR_USE])}
    return sorted(models, key=lambda name: places.get(name, len(entries)))


def leader(aucs):
    """The model with the highest mean of a metric, by name, that somebody could use, or None."""
    usable = [name for name in aucs if name not in (*NOT_FOR_USE, "dummy")]
    return max(usable, key=lambda name: aucs[name]["mean"], default=None)


def span(metric, digits=2):
    """A difference with its interval, for example "+0.02 [-0.01, 0.05]"."""
    # with blanks that no line of a title is broken at
    return (f"{metric['mean']:+.{digits}f}\N{NO-BREAK SPACE}["
            f"{metric['low']:.{digits}f},\N{NO-BREAK SPACE}{metric['high']:.{digits}f}]")


def dots(ax, places, values, color, marker="o", hollow=(), label=None):
    """Draw metrics as dots with their whiskers, one a row.

    Parameters
    ----------
    places : dict of str to float
        Height of each row.
    values : dict of str to dict
        ``mean``, ``low``, ``high``; a row without one stays empty.
    hollow : collection of str
        Rows whose dot is only outlined.
    """
    there = [name for name in places if name in values]
    lows, highs = ([values[name][end] for name in there] for end in ("low", "high"))
    ax.hlines([places[name] for name in there], lows, highs, color=color, linewidth=1.8, zorder=2)
    for face in (color, "white"):
        drawn = [name for name in there if (name in hollow) == (face == "white")]
        ax.plot([values[name]["mean"] for name in drawn], [places[name] for name in drawn], marker,
                color=color, markerfacecolor=face, markersize=7, markeredgewidth=1.6, zorder=3,
                label=label if face == color else None)


def rows(ax, names, labels=None):
    """Give each name a row, the first on top. Return the height of each."""
    ax.set_yticks(range(len(names)), labels or [label_of(name) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="#E4E4E4", linewidth=0.8)
    auc_ticks(ax.xaxis)
    return {name: place for place, name in enumerate(names)}


def finding(ax, title, xlabel, ylabel, **more):
    """Return `ax` with a sentence as its title, a long one in two lines, best parted at a comma.

    Parameters are those of `plots_style.titled`.
    """
    if len(title) > LONGEST:
        half = len(title) // 2
        ends = [stop.end() for stop in re.finditer("[;,:] ", title)]
        end = min(ends, key=lambda place: abs(place - half), default=0)
        if max(end, len(title) - end) <= LONGEST:
            title = f"{title[:end].rstrip()}\n{title[end:]}"
        else:
            title = textwrap.fill(title, max(half + 6, LONGEST // 2))
    return titled(ax, title, xlabel, ylabel, **more)


def auc_ticks(axis):
    """Few ticks at tenths, twentieths or hundredths: of three digits one reads none."""
    axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))


def legend_below(ax, columns=4):
    """Put the legend below the axis label, where no dot can be."""
    below = ax.transAxes + ScaledTranslation(0, -0.62, ax.figure.dpi_scale_trans)  # inches
    ax.legend(loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below, ncols=columns,
              borderaxespad=0, handletextpad=0.3, columnspacing=1.2)


def apart(number, of, gap=0.22):
    """Offset of one of several marks of a row."""
    return (number - (of - 1) / 2) * gap
