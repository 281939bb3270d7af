"""The figures of what a probability is worth, and the label that it is judged by."""

import numpy as np

from hiphoplib.evaluation.bootstrap import verdict
from hiphoplib.report.model_names import (
    MODEL_COLORS,
    ORACLES,
    apart,
    auc_ticks,
    dots,
    finding,
    in_order,
    label_of,
    leader,
    legend_below,
    rows,
    span,
)
from hiphoplib.report.style import NEUTRAL, PALETTE, axes_for

YEAR = 365.25  # days


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


def sieve(models, observed, ax=None):
    """Share of popular songs among the best k of n, a row a model; base rates are dotted.

    `models` are those of a results file, `observed` the share of popular tracks there.
    """
    names = in_order(name for name in models if models[name].get("sieve"))
    ax = axes_for(ax, (9, 2 + 0.62 * len(names)))
    places = rows(ax, names)
    cases = sorted({(case["base"] is not None, case["base"] or observed, case["n"], case["k"])
                    for name in names for case in models[name]["sieve"]})
    for number, (given, base, n, k) in enumerate(cases):
        values = {name: case["hit_share"] for name in names for case in models[name]["sieve"]
                  if (case["base"] is not None, case["base"] or observed) == (given, base)
                  and (case["n"], case["k"]) == (n, k)}
        color = PALETTE["vermillion" if given else "blue"]
        shifted = {name: place + apart(number, len(cases), 0.19)
                   for name, place in places.items()}
        dots(ax, shifted, values, color, "o" if k == 1 else "s", ORACLES,
             f"{k} of {n}, {base:.0%} popular")
        ax.axvline(base, color=color, linestyle=":", zorder=1)
    legend_below(ax, columns=2)
    return finding(ax, _picked(models, names, observed), "share of hits among the picked "
                  "(95 % intervals; dotted: a blind pick)", "model")


def _picked(models, names, observed):
    """What the best single pick is worth at the observed base rate, and whether it is blind."""
    firsts = {name: case for name in names for case in models[name]["sieve"]
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
