"""The figures of a corpus as it was gathered: its labels, artists, years, gaps and releases."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from hiphoplib.evaluation.bootstrap import verdict
from hiphoplib.report.style import (
    MODEL_COLORS,
    NEUTRAL,
    NOT_FOR_USE,
    PALETTE,
    POPULAR,
    UNPOPULAR,
    apart,
    auc_ticks,
    axes_for,
    dots,
    finding,
    in_order,
    label_of,
    leader,
    legend_below,
    rows,
    span,
    titled,
)
from hiphoplib.tracks.describe import BIN, MIN_TRACKS, years_table

YEAR = 365.25  # days


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
    """Draw distributions of popularity; `shapes` maps names to summaries of `tracks.describe`."""
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
    return titled(ax, f"Popularity by year, where there are {MIN_TRACKS} tracks or more",
                  "release (year)", "popularity (0-100)", ylim=(0, 100))


def reliability(models, names, ax=None):
    """What was said and what came true, in bins of as many tracks; `models` of a results file."""
    ax, gaps = axes_for(ax, (7.5, 5.2)), {}
    ax.plot([0, 1], [0, 1], ":", color=NEUTRAL, label="as it was said")
    for name in names:
        bins = models[name]["reliability"]
        said, came, tracks = (np.array([part[key] for part in bins])
                              for key in ("said", "came", "tracks"))
        gaps[name] = 100 * np.average(np.abs(said - came), weights=tracks)
        ax.plot(said, came, "o-", color=MODEL_COLORS.get(name), markersize=5, label=label_of(name))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    ax.set_aspect("equal")
    title = "What was said, and what came true"
    if gaps:
        best, worst = (of(gaps, key=gaps.get) for of in (min, max))
        title = f"Said and true differ by {gaps[best]:.0f} points on average ({label_of(best)})"
        if len(gaps) > 1:
            title = (f"Said and true differ by {gaps[best]:.0f} ({label_of(best)}) to "
                     f"{gaps[worst]:.0f} points ({label_of(worst)})")
    return finding(ax, title, "probability that was said", "share that is popular",
                  xlim=(0, 1), ylim=(0, 1))


def precision_at_k(models, observed, ax=None):
    """Share of popular songs among the best k of n, a row a model; base rates are dotted.

    `models` are those of a results file, `observed` the share of popular tracks there.
    """
    names = in_order(name for name in models if models[name].get("precision_at_k"))
    ax = axes_for(ax, (9, 2 + 0.62 * len(names)))
    places = rows(ax, names)
    cases = sorted({(case["base"] is not None, case["base"] or observed, case["n"], case["k"])
                    for name in names for case in models[name]["precision_at_k"]})
    for number, (given, base, n, k) in enumerate(cases):
        values = {
            name: case["hit_share"]
            for name in names
            for case in models[name]["precision_at_k"]
            if (case["base"] is not None, case["base"] or observed) == (given, base)
            and (case["n"], case["k"]) == (n, k)
        }
        color = PALETTE["vermillion" if given else "blue"]
        shifted = {name: place + apart(number, len(cases), 0.19)
                   for name, place in places.items()}
        dots(ax, shifted, values, color, "o" if k == 1 else "s", NOT_FOR_USE,
             f"{k} of {n}, {base:.0%} popular")
        ax.axvline(base, color=color, linestyle=":", zorder=1)
    legend_below(ax, columns=2)
    return finding(ax, _picked(models, names, observed), "share of hits among the picked "
                  "(95 % intervals; dotted: a blind pick)", "model")


def _picked(models, names, observed):
    """What the best single pick is worth at the observed base rate, and whether it is blind."""
    firsts = {name: case for name in names for case in models[name]["precision_at_k"]
              if case["k"] == 1 and case["base"] is None}
    best = leader({name: case["hit_share"] for name, case in firsts.items()})
    if best is None:
        return f"A blind pick is popular in {observed:.0%}"
    case = firsts[best]
    if case["lift"]["low"] <= 1:
        return f"The best of {case['n']} by {label_of(best)} cannot be told from a blind pick"
    return (f"The best of {case['n']} by {label_of(best)} is popular in "
            f"{case['hit_share']['mean']:.0%}, a blind pick in {observed:.0%}")


def label_threshold(label, ax=None):
    """AUC of the same scores for labels by other thresholds; `label` of a results file."""
    steps = label["by_threshold"]
    ax = axes_for(ax, (8.5, 4.4))
    x = range(len(steps))  # evenly: where many tracks lie, thresholds lie close together
    best = _lines(ax, x, steps)
    ax.set_xticks(x, [f"{step['threshold']:.3g}\n({step['positive_share']:.0%})"
                      for step in steps])
    title = "AUC by the threshold"
    if best:
        aucs = [step["models"][best] for step in steps]
        means, above = [auc["mean"] for auc in aucs], sum(auc["low"] > 0.5 for auc in aucs)
        title = (f"{label_of(best)}: AUC {min(means):.2f} to {max(means):.2f}, above chance at "
                 f"{above} of {len(aucs)} thresholds")
    return finding(ax, title, "threshold (popularity, 0-100; share of popular tracks)",
                  "AUC (95 % intervals)")


def label_middle(label, ax=None):
    """AUC without the tracks nearest to the median; `label` of a results file."""
    steps = label["without_middle"]
    ax = axes_for(ax, (8.5, 4.4))
    x = [100 * step["left_out"] for step in steps]
    best = _lines(ax, x, steps)
    ax.set_xticks(x, [f"{share:.0f}\n({step['tracks']:,})" for share, step in zip(x, steps)])
    title = "AUC without the middle"
    if best:
        first, last = (f"{step['models'][best]['mean']:.2f}" for step in (steps[0], steps[-1]))
        title = f"Without the middle {x[-1]:.0f} %, AUC of {label_of(best)} " + (
            f"stays at {first}" if first == last else
            f"{'rises' if last > first else 'falls'} from {first} to {last}")
    return finding(ax, title, "tracks around the median left out (%; tracks left)",
                  "AUC (95 % intervals)")


def _lines(ax, x, steps):
    """Draw the AUC of each model over some steps; return the model that is highest on average."""
    names, means = in_order(dict.fromkeys(
        name for step in steps for name in step["models"])), {}
    width = (max(x) - min(x)) / 40 if len(x) > 1 else 1
    for number, name in enumerate(names):
        aucs = [step["models"][name] for step in steps]
        means[name] = {"mean": np.mean([auc["mean"] for auc in aucs])}
        places = [place + apart(number, len(names), width / max(len(names) - 1, 1))
                  for place in x]
        line, = ax.plot(places, [auc["mean"] for auc in aucs], "o-", markersize=5,
                        color=MODEL_COLORS.get(name), label=label_of(name))
        ax.vlines(places, [auc["low"] for auc in aucs], [auc["high"] for auc in aucs],
                  color=line.get_color(), linewidth=1.5)
    ax.axhline(0.5, color=NEUTRAL, linestyle=":")
    auc_ticks(ax.yaxis)
    if names:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return leader(means)


def age(found, ax=None):
    """Median popularity by age, the middle half as a whisker; `found` is "age" of a label."""
    ax = axes_for(ax, (8, 4))
    bins = found["bins"]
    places = range(len(bins))
    ax.vlines(places, [part["q25"] for part in bins], [part["q75"] for part in bins],
              color=PALETTE["blue"], linewidth=1.8)
    ax.plot(places, [part["median"] for part in bins], "o-", color=PALETTE["blue"])
    ax.set_xticks(places, [f"{part['from'] / YEAR:.1f}-{part['to'] / YEAR:.1f}" for part in bins])
    return finding(ax, _aged(found["spearman"]),
                  "age (years before the newest release)",
                  "popularity (0-100; median, middle half)", ylim=(0, 100))


def _aged(spearman):
    """Whether older tracks are more or less popular."""
    return verdict(spearman, "Older tracks are more popular", "Older tracks are less popular",
                   "Popularity shows no trend with age") + f": Spearman {span(spearman)}"
