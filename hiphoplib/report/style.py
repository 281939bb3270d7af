"""What all figures share: palette, fonts, labels of the models, Axes with a title and units.

Red stands for popular and blue for unpopular in every figure. The colours are those of Okabe & Ito,
"Color universal design" (2008), which colour-blind readers can distinguish.
"""

import re
import textwrap
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from hiphoplib.audio.mel import MelGrid

PALETTE = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
}
POPULAR, UNPOPULAR, NEUTRAL = PALETTE["vermillion"], PALETTE["blue"], "#8C8C8C"
STYLE: dict = {
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "figure.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 12,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": plt.cycler(
        color=[
            PALETTE[name]
            for name in ("blue", "vermillion", "green", "orange", "sky", "purple", "black")
        ]
    ),
    "legend.frameon": False,
    "lines.linewidth": 2,
    "hatch.linewidth": 1.5,
    "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
    "figure.figsize": (7, 4),
    "figure.dpi": 150,
}
MODEL_LABELS = {  # in the order of the model comparison
    "dummy": "Dummy",
    "recency": "Days since release",
    "loudness": "Loudness & duration",
    "handcrafted": "Logistic regression on audio features",
    "boosting": "Boosting on audio features",
    "neighbours": "Nearest neighbours",
    "artist_identification": "Artist identification",
    "metadata": "Metadata",
    "typicality": "Distance to earlier tracks",
    "mlp": "MLP",
    "cnn1": "CNN 1",
    "cnn2": "CNN 2",
    "rnn": "RNN",
    "crnn": "CRNN",
    "musicnn": "musicnn + logistic",
    "stack": "Stack",
    "stack_metadata": "Stack + metadata",
    "artist_mean": "Artist's mean",
    "upper_bound": "Upper bound",
}
MODEL_COLORS = {
    "dummy": NEUTRAL,
    "recency": "#B8B8B8",
    "loudness": "#A2A2A2",
    "handcrafted": "#707070",
    "boosting": "#4A4A4A",
    "neighbours": "#989898",
    "artist_identification": "#808080",
    "metadata": "#5E5E5E",
    "typicality": "#8C8C8C",
    "mlp": PALETTE["sky"],
    "cnn1": PALETTE["green"],
    "cnn2": PALETTE["orange"],
    "rnn": PALETTE["purple"],
    "crnn": PALETTE["blue"],
    "musicnn": PALETTE["vermillion"],
    "stack": PALETTE["black"],
    "stack_metadata": PALETTE["yellow"],
    "artist_mean": "#B8B8B8",
    "upper_bound": "#707070",
}
NETWORK_NAMES = ("mlp", "cnn1", "cnn2", "rnn", "crnn")
TITLE_MODELS = ("stack", "rnn")
NOT_FOR_USE = ("artist_mean", "upper_bound")  # know what nobody knows of an unreleased song
LEVELS = (-60, 30)  # dB, the same for every clip, so that loud and quiet compare
MAX_TITLE = 60  # letters in a title's line: what the narrowest figure holds


def on_test(metric: str, tracks: int) -> str:
    """Return the label of an axis: a metric, and on how many tracks.

    Parameters
    ----------
    metric : str
    tracks : int

    Returns
    -------
    str
    """
    return f"{metric} on {tracks:,} test tracks (95 % intervals)"


class Series(NamedTuple):
    """Estimates that share a mark in `interval_rows`."""

    values: Mapping[str, dict]  # "mean", "low", "high" by row; a row without them stays empty
    color: str = PALETTE["blue"]
    marker: str = "o"
    label: str | None = None  # in the legend


def use_style() -> None:
    """Set the project's fonts, lines and colours, and none of the user's, from here on."""
    plt.style.use(["default", STYLE])


def titled(ax: Axes, title: str, xlabel: str, ylabel: str, **more) -> Axes:
    """Set title and axis labels; a long title gets two lines, parted at a comma where possible.

    Parameters
    ----------
    ax : Axes
    title, xlabel, ylabel : str
    **more, of ``Axes.set``

    Returns
    -------
    Axes
    """
    if len(title) > MAX_TITLE:
        half = len(title) // 2
        ends = [stop.end() for stop in re.finditer("[;,:] ", title)]
        end = min(ends, key=lambda position: abs(position - half), default=0)
        if max(end, len(title) - end) <= MAX_TITLE:
            title = f"{title[:end].rstrip()}\n{title[end:]}"
        else:
            title = textwrap.fill(title, max(half + 6, MAX_TITLE // 2))
    ax.set_title(title, parse_math=False)  # a name may hold a "$"
    ax.set(xlabel=xlabel, ylabel=ylabel, **more)
    return ax


def label_of(model: str) -> str:
    """Return the short name of a model, for people.

    Parameters
    ----------
    model : str

    Returns
    -------
    str, the key where no label is known
    """
    return MODEL_LABELS.get(model, model)


def in_order(models: Iterable[str]) -> list[str]:
    """Return models in the order of the comparison, unknown ones before the upper bounds.

    Parameters
    ----------
    models : iterable of str

    Returns
    -------
    list of str
    """
    known = [name for name in MODEL_LABELS if name not in NOT_FOR_USE]
    ranks = {name: rank for rank, name in enumerate([*known, None, *NOT_FOR_USE])}
    return sorted(models, key=lambda name: ranks.get(name, len(known)))


def title_model(models: Iterable[str]) -> str:
    """Return the model that a title speaks of, chosen beforehand and not by its result.

    Parameters
    ----------
    models : iterable of str

    Returns
    -------
    str, empty where there is no model that somebody could use
    """
    usable = [name for name in in_order(models) if name not in (*NOT_FOR_USE, "dummy")]
    return next((name for name in TITLE_MODELS if name in usable), usable[-1] if usable else "")


def interval_rows(
    ax: Axes,
    names: Sequence[str],
    series: Sequence[Series],
    *,
    labels: Sequence[str] | None = None,
    hollow: Collection[str] = (),
    gap: float = 0.22,
    columns: int = 4,
    wrap: int = 26,
) -> None:
    """Draw estimates as dots with their intervals, a row a name, a mark a series; legend below.

    Parameters
    ----------
    ax : Axes
    names : sequence of str, the first on top
    series : sequence of Series
    labels : sequence of str, of the rows; the models' labels if not given
    hollow : collection of str, rows whose dots are only outlined
    gap : float, distance of two series, in rows
    columns : int, in the legend
    wrap : int, letters in a line of a row's label
    """
    for number, each in enumerate(series):
        shift = gap * (number - (len(series) - 1) / 2)
        height = {name: row + shift for row, name in enumerate(names) if name in each.values}
        low, high = ([each.values[name][end] for name in height] for end in ("low", "high"))
        ax.hlines([*height.values()], low, high, color=each.color, linewidth=1.8, zorder=2)
        for face in (each.color, "white"):
            drawn = [name for name in height if (name in hollow) == (face == "white")]
            ax.plot(
                [each.values[name]["mean"] for name in drawn],
                [height[name] for name in drawn],
                each.marker,
                color=each.color,
                markerfacecolor=face,
                markersize=7,
                markeredgewidth=1.6,
                zorder=3,
                label=each.label if face != "white" else None,
            )
    ax.set_yticks(
        range(len(names)), [textwrap.fill(label, wrap) for label in labels or map(label_of, names)]
    )
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="#E4E4E4", linewidth=0.8)
    # few ticks, at tenths, twentieths or hundredths
    ax.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    if any(each.label for each in series):
        below = ax.transAxes + ScaledTranslation(0, -0.62, ax.figure.dpi_scale_trans)  # inches
        ax.legend(
            loc="upper left",
            bbox_to_anchor=(0, 0),
            bbox_transform=below,
            ncols=columns,
            borderaxespad=0,
            handletextpad=0.3,
            columnspacing=1.2,
        )


def auc_lines(
    ax: Axes,
    models: Mapping[str, tuple[Sequence[float], Sequence[dict]]],
    shift: Callable[[float, float], float],
) -> None:
    """Draw AUCs along an axis as lines with their intervals, a line a model.

    Parameters
    ----------
    ax : Axes
    models : mapping of str to (x, estimates)
    shift : callable
        Moves an x by so many steps, so that models at one x stand side by side.
    """
    for number, name in enumerate(in_order(models)):
        x, aucs = models[name]
        x = [shift(each, number - (len(models) - 1) / 2) for each in x]
        mean, low, high = ([auc[end] for auc in aucs] for end in ("mean", "low", "high"))
        color, label = MODEL_COLORS.get(name), label_of(name)
        (line,) = ax.plot(x, mean, "o-", markersize=5, color=color, label=label)
        ax.vlines(x, low, high, color=line.get_color(), linewidth=1.5)
    ax.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    if models:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def spectrogram(
    S_db: np.ndarray,
    grid: MelGrid,
    ax: Axes | None = None,
    title: str = "Mel spectrogram",
    *,
    cmap: str = "magma",
    colorbar: bool = True,
) -> Axes:
    """Draw a mel spectrogram by ``librosa.display.specshow``, on the same scale for every clip.

    Parameters
    ----------
    S_db : np.ndarray [shape=(n_mels, frames)], in dB
    grid : MelGrid
    ax : Axes, optional
    title, cmap : str
    colorbar : bool

    Returns
    -------
    Axes
    """
    import librosa.display

    ax = ax or plt.subplots()[1]
    image = librosa.display.specshow(
        S_db,
        x_coords=grid.times(),
        y_coords=grid.mel_frequencies(),
        x_axis="time",
        y_axis="mel",
        ax=ax,
        cmap=cmap,
        vmin=LEVELS[0],
        vmax=LEVELS[1],
    )
    if colorbar:
        ax.figure.colorbar(image, ax=ax, label="level (dB)")
    return titled(ax, title, "time (s)", "frequency (Hz)", xlim=(0, grid.seconds))


def clock(seconds: float) -> str:
    """Return a moment of a song in minutes and seconds.

    Parameters
    ----------
    seconds : float

    Returns
    -------
    str

    Examples
    --------
    >>> clock(65.4)
    '1:05'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
