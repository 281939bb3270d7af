"""The figures of a corpus as it was gathered: its labels, artists, years, gaps and releases."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from hiphoplib.report.style import NEUTRAL, PALETTE, POPULAR, UNPOPULAR, axes_for, titled
from hiphoplib.tracks.describe import BIN, FEW, years_table


def popularity_histogram(popularity, threshold=None, ax=None):
    """Tracks a popularity [shape=(tracks,)], 0-100, in bins of 2; popular from `threshold` on."""
    ax, bins = axes_for(ax), np.arange(0, 102, 2)
    known = pd.Series(popularity, dtype=float).dropna()
    if threshold is None:
        ax.hist(known, bins, color=NEUTRAL)
        title = f"Popularity of {len(known)} tracks"
    else:
        ax.hist([known[known < threshold], known[known >= threshold]], bins, stacked=True,
                color=[UNPOPULAR, POPULAR], label=["unpopular", "popular"])
        ax.axvline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.4g}")
        ax.legend()
        title = f"{(known >= threshold).sum()} of {len(known)} tracks count as popular"
    left_out = len(popularity) - len(known)
    return titled(ax, title + (f" ({left_out} without a number)" if left_out else ""),
                  "popularity (0-100)", "tracks", xlim=(0, 100))


def tracks_per_artist(counts, ax=None):
    """Artists with 1, 2, … tracks; `counts` [shape=(artists,)] is each one's number of tracks."""
    ax, counts = axes_for(ax), np.asarray(counts, dtype=int)
    artists = np.bincount(np.minimum(counts, 12), minlength=13)[1:]
    ax.bar([*map(str, range(1, 12)), "12+"], artists, color=PALETTE["blue"])
    return titled(ax, f"{artists[0]} of {len(counts)} artists have one track, "
                      f"the most have {counts.max(initial=0)}", "tracks of an artist", "artists")


def release_years(dates, ax=None):
    """Tracks a year of release; `dates` [shape=(tracks,)] may have gaps."""
    ax = axes_for(ax)
    years = pd.to_datetime(pd.Series(dates)).dt.year
    by_year = years.value_counts().sort_index()
    ax.bar(by_year.index, by_year, color=PALETTE["blue"])
    ax.locator_params(axis="x", integer=True)
    title = f"Half are from {years.median():.0f} or later; " if len(by_year) else ""
    return titled(ax, f"{title}{years.isna().sum()} have no date", "release (year)", "tracks")


def missing_values(tracks, ax=None):
    """Share of values missing in each column of a table."""
    share = 100 * tracks.isna().mean().iloc[::-1]
    ax = axes_for(ax, (7, 1.4 + 0.28 * len(share)))
    bars = ax.barh(share.index, share, color=PALETTE["orange"])
    ax.bar_label(bars, [f"{value:.1f} %" if value else "" for value in share], padding=3)
    return titled(ax, f"{(share > 0).sum()} of {len(share)} columns have gaps",
                  f"missing values (% of {len(tracks)} rows)", "column", xlim=(0, 112))


def versions(groups_popularity, ax=None, most=15):
    """Recordings released more than once: a dot a release, the most unequal recordings on top.

    A row of the table is a release: `recording` (id), `popularity` (0-100), `label` (its name).
    """
    known = groups_popularity.dropna(subset="popularity")
    groups = known.groupby("recording").agg(
        low=("popularity", "min"), high=("popularity", "max"), releases=("popularity", "size"),
        label=("label", "first"))
    groups["apart"] = groups["high"] - groups["low"]
    groups = groups[groups["releases"] > 1].sort_values("apart").tail(most)
    ax = axes_for(ax, (9, 1.6 + 0.3 * len(groups)))
    ax.hlines(range(len(groups)), groups["low"], groups["high"], color=NEUTRAL, zorder=1)
    dots = known[known["recording"].isin(groups.index)]
    ax.scatter(dots["popularity"], groups.index.get_indexer(dots["recording"]), s=60,
               color=PALETTE["purple"], edgecolor="white", zorder=2)
    apart = f"up to {groups['apart'].max():.0f} points apart" if len(groups) else "none"
    ax.set_yticks(range(len(groups)), [textwrap.shorten(str(name), 34) for name in groups["label"]])
    return titled(ax, f"Releases of one recording: {apart}", "popularity (0-100)", "recording",
                  xlim=(-3, 103))


def waterfall(steps, ax=None):
    """Rows left (solid) and gone (hatched) at each step of a cleaning, the first on top.

    A row of the table is a step, as `clean_tracks` gives them: `step`, `gone`, `left`.
    """
    names = [textwrap.fill(textwrap.shorten(str(name), 56, placeholder=" …"), 28)
             for name in steps["step"]]
    lines = sum(name.count("\n") + 1 for name in names)
    left, gone, places = steps["left"], steps["gone"], range(len(steps))
    ax = axes_for(ax, (9, 1.4 + 0.4 * lines))
    ax.barh(places, left, color=PALETTE["blue"])
    ends = ax.barh(places, gone, left=left, color=PALETTE["orange"], hatch="//",
                   edgecolor="white")
    ax.bar_label(ends, [f"{stay:,} ({went:,} gone)" if went else f"{stay:,}"
                        for stay, went in zip(left, gone)], padding=4)
    ax.set_yticks(places, names)
    ax.invert_yaxis()
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    return titled(ax, f"{left.iloc[-1]:,} of {left.iloc[0] + gone.iloc[0]:,} rows are left"
                  + (f"; one step takes {gone.max():,}" if gone.any() else ""),
                  "rows", "step", xlim=(0, 1.6 * max((left + gone).max(), 1)))


def popularity_shapes(shapes, ax=None):
    """Outline of how popularity is spread; `shapes` maps a name to what `hiphoplib.tracks.describe` found."""
    ax = axes_for(ax)
    for (name, found), color in zip(shapes.items(), (PALETTE["blue"], PALETTE["orange"])):
        bins = np.asarray(found["popularity"])
        edges = np.linspace(0, 100, len(bins) + 1)
        ax.stairs(100 * bins / max(bins.sum(), 1), edges, color=color, linewidth=2.5, label=name)
    ax.legend()
    lowest = " and ".join(f"{found['popularity'][0] / found['tracks']:.0%}"
                          for found in shapes.values() if found["tracks"])
    return titled(ax, f"{lowest or 'None'} of the tracks lie below {BIN}", "popularity (0-100)",
                  "share of tracks (%)", xlim=(0, 100), ylim=(0, None))


def popularity_by_year(shapes, ax=None):
    """Median popularity by year of release, the middle half shaded; `shapes` as above."""
    ax = axes_for(ax)
    for (name, found), color in zip(shapes.items(), (PALETTE["blue"], PALETTE["orange"])):
        years = years_table(found)
        if len(years):
            ax.fill_between(years.index, years["low"], years["high"], color=color, alpha=0.15,
                            linewidth=0)
            ax.plot(years.index, years["median"], color=color, marker="o", markersize=4, label=name)
    if ax.lines:
        ax.legend()
    ax.locator_params(axis="x", integer=True)
    return titled(ax, f"Popularity by year, where there are {FEW} tracks or more",
                  "release (year)", "popularity (0-100)", ylim=(0, 100))
