"""Figures of the client's songs, narrow enough for a phone."""

import numpy as np
from matplotlib.font_manager import findfont, get_font
from matplotlib.ticker import MaxNLocator

from hiphoplib.report.figures_explanation import cells_over
from hiphoplib.report.style import NEUTRAL, POPULAR, axes_for, titled

PHONE = {"font.size": 9, "axes.titlesize": 10, "axes.labelsize": 9, "xtick.labelsize": 8.5,
         "ytick.labelsize": 8.5, "legend.fontsize": 8.5}
WIDTH = 3.6  # inches: shown at its size on a screen of 390 px


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
    explanation : Explanation
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
    told = int(scored.told.sum())
    pairs = len(songs) * (len(songs) - 1) // 2
    return titled(ax, f"Of {pairs} pairs of songs, {told} are told apart",
                  "score (%): dot, mean; bar, eight of ten windows", "")


def drawable(name, longest=40):
    """A name with the letters that the typeface has, cut where it would push the figure away."""
    there = get_font(findfont("DejaVu Sans")).get_charmap()
    known = "".join(char if ord(char) in there else "\N{WHITE SQUARE}" for char in name)
    return known if len(known) <= longest else known[:longest - 1] + "…"
