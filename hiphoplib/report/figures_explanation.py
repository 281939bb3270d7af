"""Figures of explanations: one clip's map, where a network listens, and whether the maps hold."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.font_manager import findfont, get_font
from matplotlib.ticker import MaxNLocator

from hiphoplib.explanation.segments import SegmentGrid
from hiphoplib.report.style import (
    NEUTRAL,
    PALETTE,
    POPULAR,
    UNPOPULAR,
    apart,
    axes_for,
    dots,
    finding,
    label_of,
    legend_below,
    mel_image,
    rows,
    titled,
)

DIVERGING = "RdBu_r"  # above zero is red
SIDE_COLORS = {"popular": POPULAR, "unpopular": UNPOPULAR}
ORDERS = {"lime": ("cells that LIME names first", POPULAR), "random": ("random order", NEUTRAL),
          "loudest": ("loudest first", PALETTE["blue"])}
PHONE = {"font.size": 9, "axes.titlesize": 10, "axes.labelsize": 9, "xtick.labelsize": 8.5,
         "ytick.labelsize": 8.5, "legend.fontsize": 8.5}
WIDTH = 3.6  # inches: shown at its size on a screen of 390 px


def explanation(S_db, expl, ax=None, title="What speaks for popularity (red) and against (blue)"):
    """An Attribution over the spectrogram S_db [shape=(n_mels, frames)] in grey, in dB.

    Claimed cells are outlined, broken where a witness says otherwise; the others are pale. Above,
    the sum over bands by second; on the right, the sum over seconds by band.
    """
    ax = axes_for(ax, (8.6, 4.5))
    edges, colors = cells_over(S_db, expl, ax)
    _by_second(expl, ax.inset_axes([0, 1.04, 1, 0.2], sharex=ax), title)
    _by_band(expl, ax.inset_axes([1.06, 0, 0.12, 1], sharey=ax), edges)
    ax.figure.colorbar(colors, ax=ax, location="bottom", shrink=0.6, aspect=40,
                       label="weight (change in probability)", ticks=MaxNLocator(5))
    return titled(ax, "", "time (s)", "frequency (Hz)")


def cells_over(S_db, expl, ax):
    """Draw the weights of an Attribution over its spectrogram.

    Returns
    -------
    edges : np.ndarray [shape=(n_bands + 1,)]
        Where the bands begin and end on the y axis.
    colors : matplotlib.cm.ScalarMappable
        For a colorbar.
    """
    grid = expl.grid
    mel_image(S_db, grid.mel_grid, ax, "gray")
    strongest = max(np.abs(expl.weights).max(), 0.01)  # nearly nothing shall not look like much
    colors = mpl.cm.ScalarMappable(mpl.colors.Normalize(-strongest, strongest), DIVERGING)
    bands = grid.labels()[:, 0] // grid.shape[1]  # of each row
    edges = np.searchsorted(bands, np.arange(grid.shape[0] + 1)) - 0.5
    for (band, cell), weight in np.ndenumerate(expl.weights):
        (start, end), stable = grid.span(cell), expl.stable[band, cell]
        box = (start, edges[band]), end - start, edges[band + 1] - edges[band]
        ax.add_patch(plt.Rectangle(*box, color=colors.to_rgba(weight), linewidth=0,
                                   alpha=0.75 if stable else 0.25))
        if stable:
            solid = expl.confirmed[band, cell] or not expl.other_methods
            ax.add_patch(plt.Rectangle(*box, fill=False, linewidth=2.2, zorder=3,
                                       linestyle="-" if solid else (0, (2, 1.5))))
    return edges, colors


def _by_second(expl, ax, title):
    """The line above a map: sum over the bands, its spread over runs as a ribbon."""
    runs = expl.runs.sum(axis=2).reshape(-1, expl.grid.shape[1])
    mean, spread = runs.mean(axis=0), runs.std(axis=0)
    middles = [np.mean(expl.grid.span(cell)) for cell in range(len(mean))]
    ax.axhline(0, color=NEUTRAL, linewidth=0.8)
    ax.fill_between(middles, mean - spread, mean + spread, color=NEUTRAL, alpha=0.3, linewidth=0)
    ax.plot(middles, mean, color="black", marker="o", markersize=3, linewidth=1.5)
    ax.tick_params(labelbottom=False, length=0)
    _ends(ax.set_ylim, ax.set_yticks, mean, spread)
    titled(ax, title, "", "sum")


def _by_band(expl, ax, edges):
    """The bars beside a map: sum over the seconds, with its spread over runs."""
    runs = expl.runs.sum(axis=3).reshape(-1, expl.grid.shape[0])
    mean, spread = runs.mean(axis=0), runs.std(axis=0)
    colors = [POPULAR if value > 0 else UNPOPULAR for value in mean]
    places = (edges[1:] + edges[:-1]) / 2
    ax.barh(places, mean, 0.6 * np.diff(edges), color=colors, xerr=spread, ecolor=NEUTRAL)
    ax.axvline(0, color=NEUTRAL, linewidth=0.8)
    ax.tick_params(axis="y", length=0, labelleft=False)
    _ends(ax.set_xlim, ax.set_xticks, mean, spread)
    ax.set_xlabel("sum")
    names = ax.secondary_yaxis("right")
    names.set_yticks(places, list(expl.grid.bands))
    names.tick_params(length=0)


def _ends(set_limits, set_ticks, mean, spread):
    """Show zero in the middle, and how far it goes either way."""
    most = max((np.abs(mean) + spread).max(), 0.01)  # nearly nothing shall not look like much
    set_limits(-1.3 * most, 1.3 * most)
    set_ticks([-most, most], [f"{-most:+.2f}", f"{most:+.2f}"])


def cell_map(weights, grid, ax=None, title="Weights", outlined=None, dotted=None):
    """Weights [shape=(n_bands, n_cells)] as a picture, red above zero, blue below.

    Parameters
    ----------
    outlined, dotted : np.ndarray of bool [shape=(n_bands, n_cells)], optional
        Cells to mark.
    """
    ax, (n_bands, n_cells) = axes_for(ax, (7, 3.4)), np.shape(weights)
    most = max(np.abs(weights).max(), 1e-6)
    image = ax.imshow(weights, origin="lower", aspect="auto", cmap=DIVERGING, vmin=-most, vmax=most,
                      extent=(0, n_cells * grid.segment_seconds, -0.5, n_bands - 0.5))
    for band, cell in np.argwhere(outlined) if outlined is not None else ():
        ax.add_patch(plt.Rectangle((cell * grid.segment_seconds, band - 0.5),
                                   grid.segment_seconds, 1, fill=False, linewidth=2.2))
    if dotted is not None:
        band, cell = np.nonzero(dotted)
        ax.plot((cell + 0.5) * grid.segment_seconds, band, "o", color="black", markersize=5)
    ax.set_yticks(range(n_bands), list(grid.bands))
    ax.tick_params(axis="y", length=0)
    ax.figure.colorbar(image, ax=ax, label="weight", ticks=[-0.9 * most, 0, 0.9 * most],
                       format="%+.3f")
    return finding(ax, title, "time (s)", "")


def listening_map(results, ax=None):
    """Mean weight of every cell over many clips; a dot where its interval excludes zero."""
    mean, low, high = (np.array(results["map"][end]) for end in ("mean", "low", "high"))
    sure = (low > 0) | (high < 0)
    grid = SegmentGrid(None, results["bands"], results["cell_seconds"])
    return cell_map(mean, grid, ax, f"{sure.sum()} of {sure.size} cells speak one way on average "
                                    "(dots)", dotted=sure)


def listening_bands(results, ax=None):
    """Sum of the weights of each band, in popular and in unpopular clips, with intervals."""
    ax = axes_for(ax, (7, 3.4))
    places = rows(ax, list(results["bands"])[::-1], labels=list(results["bands"])[::-1])
    for number, (side, color) in enumerate(SIDE_COLORS.items()):
        values = {name: of[side] for name, of in results["bands"].items() if of[side]}
        dots(ax, {name: place + apart(number, 2) for name, place in places.items()}, values, color,
             marker="os"[number], label=side)
    ax.axvline(0, color=NEUTRAL, linestyle=":", linewidth=1.2)
    legend_below(ax, 2)
    return finding(ax, "What speaks for popularity lies right of zero",
                   "sum of weights over the clip (change in probability)", "")


def listening_seconds(results, ax=None):
    """Share of the absolute weight that falls on each stretch of the clip, with intervals."""
    ax, found, size = axes_for(ax, (7, 3)), results["seconds"], results["cell_seconds"]
    middles = (np.arange(len(found["mean"])) + 0.5) * size
    low, mean, high = (100 * np.array(found[end]) for end in ("low", "mean", "high"))
    ax.axhline(100 / len(mean), color=NEUTRAL, linestyle=":", label="an even share")
    ax.fill_between(middles, low, high, color=PALETTE["purple"], alpha=0.25, linewidth=0)
    ax.plot(middles, mean, color=PALETTE["purple"], marker="o")
    ax.legend()
    most = int(np.argmax(mean))
    return finding(ax, f"The {label_of(results['model'])} listens most to {most * size:g} to "
                       f"{(most + 1) * size:g} s", "time (s)", "share of weight (%)",
                   xlim=(0, len(mean) * size), ylim=(0, None))


def faithfulness(results, way="deletion", ax=None):
    """Probability of the model's own answer as cells go ("deletion") or come ("insertion")."""
    ax, found = axes_for(ax, (6, 4)), results["curves"][way]
    for order, (label, color) in ORDERS.items():
        low, mean, high = (np.array(found[order][end]) for end in ("low", "mean", "high"))
        share = np.linspace(0, 100, len(mean))
        ax.fill_between(share, low, high, color=color, alpha=0.18, linewidth=0)
        ax.plot(share, mean, color=color, label=label)
    ax.legend()
    gone = "switched off" if way == "deletion" else "switched on again"
    return finding(ax, f"What a map names first should "
                       f"{'cost' if way == 'deletion' else 'bring back'} most",
                   f"cells {gone} (%)", "probability of its own answer")


def planted(results, of="recovery", ax=None):
    """How well planted causes are found under each filling, and by LIME as it comes.

    Parameters
    ----------
    of : {"recovery", "top1"}
        ROC-AUC of the map, or the share of clips whose planted cell is named first.
    """
    ax, found = axes_for(ax, (7, 3.6)), results["planted"]["kinds"]
    places = rows(ax, list(FILLINGS), labels=list(FILLINGS.values()))
    for number, (kind, values) in enumerate(found.items()):
        there = {name: values[of + name] for name in FILLINGS}
        dots(ax, {name: place + apart(number, len(found)) for name, place in places.items()},
             there, list(SIDE_COLORS.values())[number], marker="os"[number],
             label=f"cause of {kind}")
    legend_below(ax, 2)
    title, xlabel = {"recovery": ("What fills the hole decides what is found",
                                  "recovery (ROC-AUC of the map; 0.5 is chance)"),
                     "top1": ("… and whether it is named first",
                              "clips whose planted cell comes first (share)")}[of]
    return finding(ax, title, xlabel, "", xlim=(-0.03, 1.03))


FILLINGS = {"_lime_default": "LIME as it comes", "_own_mean": "the cell's own mean",
            "_silence": "silence", "_training_mean": "training mean",
            "": "silence and training mean"}


def clock(seconds):
    """A moment of a song, for example "1:05"."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def score_over_time(song, window=30.0, ax=None, title="The score through the song"):
    """Score of each window at its middle, every network as a thin line, the best 30 s shaded.

    Parameters
    ----------
    song : Song
    window : float
        Length of one, in s.
    """
    ax = axes_for(ax, (WIDTH, 2.3))
    middles, percent = song.starts + window / 2, 100 * song.scores
    ax.axvspan(song.best, song.best + window, color=POPULAR, alpha=0.18, linewidth=0,
               label="best 30 s")
    marker = "o" if len(middles) == 1 else None
    for network in percent:
        ax.plot(middles, network, color=NEUTRAL, linewidth=0.7, marker=marker, markersize=3)
    ax.plot(middles, percent.mean(axis=0), color="black", marker=marker, label="mean")
    ax.plot([], [], color=NEUTRAL, linewidth=0.7, label="each network")
    ax.set(xlim=(0, max(song.seconds, window)), ylim=(0, 100))
    ticks = np.arange(0, max(song.seconds, window) + 1, _tick(song.seconds))
    ax.set_xticks(ticks, [clock(tick) for tick in ticks])
    ax.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.28), ncols=3, borderaxespad=0,
              handlelength=1.4, columnspacing=1)
    return titled(ax, title, "time (min:s)", "score (%)")


def _tick(seconds):
    """Distance of ticks that gives at most seven of them, in s."""
    steps = (10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
    return next((step for step in steps if seconds / step <= 6), np.ceil(seconds / 6))


def explained(S_db, explanation, start, ax=None):
    """The explanation of 30 s over their spectrogram; seconds are those of the song.

    Parameters
    ----------
    S_db : np.ndarray [shape=(n_mels, frames)]
        In dB.
    explanation : Attribution
    start : float
        Where the 30 s begin, in s.
    """
    ax = axes_for(ax, (WIDTH, 3.1))
    edges, colors = cells_over(S_db, explanation, ax)
    ticks = np.arange(0, explanation.grid.mel_grid.seconds + 1, 10)
    ax.set_xticks(ticks, [clock(start + tick) for tick in ticks])
    ax.set_yticks((edges[1:] + edges[:-1]) / 2,
                  [name.replace(" and ", "\nand ") for name in explanation.grid.bands])
    ax.tick_params(axis="y", length=0)
    ax.figure.colorbar(colors, ax=ax, location="bottom", aspect=30, ticks=MaxNLocator(4),
                       label="weight (change in probability)")
    return titled(ax, "For popularity (red), against (blue)",
                  "time in the song (min:s)", "")


def ranking(scored, ax=None):
    """Score and spread of every song, the highest on top."""
    songs = scored.songs
    ax = axes_for(ax, (7, 1.2 + 0.36 * len(songs)))
    heights = np.arange(len(songs))
    low, high = 100 * np.array([song.spread for song in songs]).T
    ax.hlines(heights, low, high, color=POPULAR, linewidth=6, alpha=0.35)
    ax.plot([100 * song.score for song in songs], heights, "o", color=POPULAR)
    ax.set_yticks(heights, [drawable(song.name) for song in songs], parse_math=False)
    ax.set_ylim(len(songs) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    told = int(scored.reliably_above.sum())
    pairs = len(songs) * (len(songs) - 1) // 2
    return titled(ax, f"Of {pairs} pairs of songs, {told} are told apart",
                  "score (%): dot, mean; bar, eight of ten windows", "")


def drawable(name, longest=40):
    """A name with the letters that the typeface has, cut where it would push the figure away."""
    there = get_font(findfont("DejaVu Sans")).get_charmap()
    known = "".join(char if ord(char) in there else "\N{WHITE SQUARE}" for char in name)
    return known if len(known) <= longest else known[:longest - 1] + "…"
