"""The figures of what was found: models side by side, with the intervals that say how sure it is.

Models stand in rows, by the order of the ladder; a title says what follows from the numbers.
"""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from sklearn.metrics import auc, roc_curve

from hiphoplib.evaluation.bootstrap import verdict
from hiphoplib.report.figures_data import (  # noqa: F401  # noqa: F401
    age,
    label_middle,
    label_threshold,
    missing_values,
    popularity_by_year,
    popularity_histogram,
    popularity_shapes,
    precision_at_k,
    release_years,
    reliability,
    tracks_per_artist,
    versions,
    waterfall,
)
from hiphoplib.report.figures_explanation import (  # noqa: F401
    cell_map,
    explanation,
    faithfulness,
    listening_bands,
    listening_map,
    listening_seconds,
    planted,
)
from hiphoplib.report.style import (  # noqa: F401  # noqa: F401
    LEVELS,
    METRIC_COLORS,
    METRIC_LABELS,
    MODEL_COLORS,
    MODEL_LABELS,
    NETWORK_NAMES,
    NEUTRAL,
    NOT_FOR_USE,
    PALETTE,
    POPULAR,
    STYLE,
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
    mel_image,
    rows,
    save,
    span,
    titled,
    use_style,
)

GROUPS = {"Baselines": ("dummy", "recency", "loudness", "handcrafted", "boosting", "neighbours",
                        "artist_identification", "metadata"),
          "Networks": NETWORK_NAMES, "Beyond": (), "Never to be deployed": NOT_FOR_USE}
SPLITS = {"artist": ("artists held out", PALETTE["blue"], "o"),
          "time": ("newest held out", PALETTE["green"], "s"),
          "random": ("at random", PALETTE["vermillion"], "D")}
CORPUS_LOOKS = tuple(zip((PALETTE[name] for name in (
    "blue", "vermillion", "green", "orange", "purple", "sky", "black")), "osD^vPX"))


def ladder(results, ax=None, metrics=("accuracy", "auc")):
    """Metrics of "models" in a results file, a row a model, with 95 % intervals.

    What nobody has before a song is out is hollow: the artist's mean and the oracle.
    """
    headed, groups = [], _grouped(results)
    for group, names in groups.items():
        headed += [group, *names]
    ax = axes_for(ax, (9, 1.6 + 0.34 * len(headed)))
    places = rows(ax, headed)
    for tick in [tick for tick in ax.get_yticklabels() if tick.get_text() in groups]:
        tick.set_fontweight("bold")
    guess = results.get("dummy", {}).get("accuracy", {}).get("mean", 0.5)
    for number, metric in enumerate(metrics[::-1]):  # AUC above accuracy
        color, marker = METRIC_COLORS.get(metric, NEUTRAL), "so"[metric == "auc"]
        values = {name: model[metric] for name, model in results.items() if metric in model}
        shifted = {name: place + apart(number, len(metrics), 0.3)
                   for name, place in places.items()}
        dots(ax, shifted, values, color, marker, NOT_FOR_USE, METRIC_LABELS.get(metric, metric))
        ax.axvline(guess if metric == "accuracy" else 0.5, color=color, linestyle=":")
        column = 1.06 + 0.11 * number
        said = {headed[0]: METRIC_LABELS.get(metric, metric)} | {
            name: f"{value['mean']:.2f}" for name, value in values.items()}
        for name, text in said.items():
            ax.annotate(text, (column, places[name]), xycoords=ax.get_yaxis_transform(),
                        ha="center", va="center", fontsize=11, annotation_clip=False)
    ax.plot([], [], ":", color=NEUTRAL, label="guessing")
    legend_below(ax)
    return finding(ax, _who_leads(results), "metric of held-out tracks (95 % intervals)", "model")


def _grouped(results):
    """Models by the ladder's groups, none of them empty."""
    groups = {group: [] for group in GROUPS}
    for name in in_order(results):
        groups[next((group for group, names in GROUPS.items() if name in names),
                    "Beyond")].append(name)
    return {group: names for group, names in groups.items() if names}


def _who_leads(results):
    """Which model is highest and how many are above chance."""
    aucs = {name: model["auc"] for name, model in results.items()
            if "auc" in model and name not in (*NOT_FOR_USE, "dummy")}
    best = leader(aucs)
    if best is None:
        return "How far each model is above guessing"
    above = sum(auc["low"] > 0.5 for auc in aucs.values())
    many = (f"{above} of {len(aucs)} models are" if len(aucs) > 1 else
            "it is" if above else "it is not")
    return (f"Highest AUC: {label_of(best)}, {aucs[best]['mean']:.2f}; {many} above chance")


def splits(found, ax=None):
    """AUC of models where artists, the newest tracks, or tracks at random are held out.

    `found` is "splits" of a results file.
    """
    names = in_order(found["models"])
    there = [split for split in SPLITS if any(split in of for of in found["models"].values())]
    ax = axes_for(ax, (9, 2 + 0.6 * len(names)))
    places = rows(ax, names)
    for number, split in enumerate(there):
        said, color, marker = SPLITS[split]
        values = {name: of[split] for name, of in found["models"].items() if split in of}
        dots(ax, {name: place + apart(number, len(there)) for name, place in places.items()},
             values, color, marker, label=said)
    ax.axvline(0.5, color=NEUTRAL, linestyle=":", label="guessing")
    legend_below(ax)
    best = leader({name: of["artist"] for name, of in found["models"].items() if "artist" in of})
    return finding(ax, _gap(best, found["models"].get(best, {}).get("random-artist")),
                  "AUC of held-out tracks (95 % intervals)", "model")


def _gap(model, difference):
    """What a random split says too much of a model, or too little."""
    if difference is None:
        return "The same models, judged in several ways"
    return verdict(difference, f"At random, {label_of(model)} seems better than it is: ",
                   f"At random, {label_of(model)} seems worse than it is: ",
                   f"{label_of(model)}: no gap shows between random and artists, "
                   ) + span(difference)


def power(found, ax=None):
    """AUC by the number of tracks, with intervals; `found` is "power" of a results file."""
    ax, sizes = axes_for(ax, (8, 4.4)), set()
    names = in_order(found["models"])
    for number, name in enumerate(names):
        steps, color = found["models"][name], MODEL_COLORS.get(name)
        sizes |= {step["tracks"] for step in steps}
        # side by side, where intervals at one number of tracks would hide each other
        x = [step["tracks"] * 1.04 ** apart(number, len(names), 1) for step in steps]
        aucs = [step["auc"] for step in steps]
        line, = ax.plot(x, [auc["mean"] for auc in aucs], "o-", color=color, label=label_of(name))
        ax.vlines(x, [auc["low"] for auc in aucs], [auc["high"] for auc in aucs],
                  color=line.get_color(), linewidth=1.5)
    for level in (0.5, 0.6):
        ax.axhline(level, color=NEUTRAL, linestyle=":", zorder=1)
    ax.set_xscale("log")
    ax.minorticks_off()
    ticks = _spread(sizes)
    ax.set_xticks(ticks, [f"{size:,}" for size in ticks])
    auc_ticks(ax.yaxis)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return finding(ax, _enough(found["needed"], max(sizes, default=0)),
                  "tracks (log scale)", "AUC (95 % intervals)")


def _spread(sizes, apart=1.3):
    """Those of the sizes that have room for a number on a logarithmic axis, from the largest."""
    kept = []
    for size in sorted(sizes, reverse=True):
        if not kept or kept[-1] / size >= apart:
            kept.append(size)
    return kept[::-1]


def _enough(needed, most):
    """From how many tracks on the first model to get there is above 0.5, and above 0.6."""
    found = {name: of["0.5"] for name, of in needed.items()
             if of.get("0.5") and name not in (*NOT_FOR_USE, "dummy")}
    if not found:
        return f"No model is above 0.5 with up to {most:,} tracks"
    best = min(found, key=lambda name: (found[name], needed[name].get("0.6") or np.inf))
    six = needed[best].get("0.6")
    return (f"{label_of(best)} is above 0.5 from {found[best]:,} tracks on, "
            + (f"above 0.6 from {six:,}" if six else f"above 0.6 with none up to {most:,}"))


def context(models, paired, ax=None):
    """AUC of what is known without the sound, of the sound, and of both.

    `models` and `paired` are those of a results file; without an ensemble the best model that
    listens stands for the sound.
    """
    sound = "ensemble" if "ensemble" in models else leader(
        {name: models[name]["auc"] for name in (*NETWORK_NAMES, "musicnn") if name in models})
    names = [name for name in ("metadata", sound, "ensemble_metadata") if name in models]
    ax = axes_for(ax, (8, 3.2))
    places = rows(ax, names, [f"Sound ({label_of(name)})" if name == sound else label_of(name)
                               for name in names])
    for name in names:
        auc = models[name]["auc"]
        dots(ax, places, {name: auc}, PALETTE["blue"])
        ax.annotate(f"{auc['mean']:.2f}", (auc["mean"], places[name]), (0, 7), ha="center",
                    textcoords="offset points", fontsize=11)
    ax.axvline(0.5, color=NEUTRAL, linestyle=":")
    difference = paired.get(f"with_context-{sound}", {}).get("auc")
    return finding(ax, _added(difference), "AUC of held-out tracks (95 % intervals)",
                   "what is known")


def _added(difference):
    """What context adds to the sound."""
    if difference is None:
        return "What is known before a release, and what is heard"
    return verdict(difference, f"Context adds {span(difference)} AUC to the sound",
                   f"Context takes AUC from the sound: {span(difference)}",
                   f"Context adds nothing that shows: {span(difference)} AUC")


def corpora(several, ax=None):
    """AUC of the same ladder on several corpora; `several` is a list of results files."""
    names = in_order(dict.fromkeys(name for results in several for name in results["models"]))
    ax = axes_for(ax, (9, 1.8 + 0.25 * len(several) + (0.3 + 0.14 * len(several)) * len(names)))
    places = rows(ax, names)
    gap = 0.8 / max(len(several), 2)
    for number, (results, (color, marker)) in enumerate(zip(several, CORPUS_LOOKS)):
        aucs = {name: model["auc"] for name, model in results["models"].items()}
        shifted = {name: place + apart(number, len(several), gap)
                   for name, place in places.items()}
        corpus = results["corpus"]
        dots(ax, shifted, aucs, color, marker, NOT_FOR_USE,
             f"{corpus['name']} ({corpus['tracks']:,} tracks)")
    ax.axvline(0.5, color=NEUTRAL, linestyle=":")
    legend_below(ax, columns=1)  # names are as long as they please
    return finding(ax, _holds(several), "AUC of held-out tracks (95 % intervals)", "model")


def _holds(several):
    """How many of the models that ran everywhere are above chance everywhere."""
    ran = [name for name in in_order(several[0]["models"]) if name not in (*NOT_FOR_USE, "dummy")
           and all(name in results["models"] for results in several)]
    above = [name for name in ran
             if all(results["models"][name]["auc"]["low"] > 0.5 for results in several)]
    where = {1: several[0]["corpus"]["name"], 2: "both corpora"}.get(
        len(several), f"all {len(several)} corpora")
    if not ran:
        return f"No model ran on {where}"
    if len(ran) == 1:
        return f"{label_of(ran[0])} is {'' if above else 'not '}above chance on {where}"
    return f"{len(above)} of {len(ran)} models are above chance on {where}"


def waveform(y, sr, ax=None, title="Waveform"):
    """Range of the samples y [shape=(samples,)] over time, at `sr` Hz."""
    ax, y = axes_for(ax, (7, 2.4)), np.asarray(y)
    # a path of 660,000 points is slow to draw and no different to look at
    starts = np.linspace(0, len(y), min(len(y), 1500), endpoint=False).astype(int)
    low, high = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    ax.fill_between(starts / sr, low, high, color=PALETTE["blue"], linewidth=0.5)
    return titled(ax, title, "time (s)", "amplitude", xlim=(0, len(y) / sr))


def spectrogram(S_db, grid, ax=None, title="Mel spectrogram", colorbar=True, levels=LEVELS):
    """Levels S_db [shape=(n_mels, frames)] of a MelGrid; `levels` are the scale's ends in dB."""
    ax = axes_for(ax)
    image = mel_image(S_db, grid, ax, "magma", levels)
    if colorbar:
        ax.figure.colorbar(image, ax=ax, label="level (dB)")
    return titled(ax, title, "time (s)", "frequency (Hz)")


def mean_spectra(freqs, popular_db, unpopular_db, ax=None):
    """Mean level in dB of popular and unpopular tracks per mel band, at `freqs` Hz; all 1-D."""
    ax = axes_for(ax)
    difference = np.asarray(popular_db) - np.asarray(unpopular_db)
    for higher, color in ((difference > 0, POPULAR), (difference < 0, UNPOPULAR)):
        ax.fill_between(freqs, popular_db, unpopular_db, where=higher, interpolate=True,
                        color=color, alpha=0.25, linewidth=0)
    ax.plot(freqs, popular_db, color=POPULAR, label="popular")
    ax.plot(freqs, unpopular_db, color=UNPOPULAR, linestyle="--", label="unpopular")
    ax.legend()
    ax.set_xscale("log", base=2)
    ax.set_xticks([64 * 2**n for n in range(8)], [str(64 * 2**n) for n in range(8)])
    most = np.argmax(np.abs(difference))
    return titled(ax, f"Popular tracks differ most at {freqs[most]:.0f} Hz: "
                      f"{difference[most]:+.1f} dB", "frequency (Hz)", "mean level (dB)")


def training_curves(histories, metric="loss", ax=None):
    """Validation (solid) and training (dashed) `metric`; `histories` maps a model to its epochs."""
    ax = axes_for(ax)
    for name, history in histories.items():
        color = MODEL_COLORS.get(name)
        solid, = ax.plot(history["epoch"], history[f"val_{metric}"], color=color, marker="o",
                         markersize=4, label=MODEL_LABELS.get(name, name))
        ax.plot(history["epoch"], history[metric], "--", color=solid.get_color(), linewidth=1.5)
    proxies = [plt.Line2D([], [], color="black", linestyle=style, label=label)
               for style, label in (("-", "validation"), ("--", "training"))]
    ax.legend(handles=[*ax.get_legend_handles_labels()[0], *proxies], loc="center left",
              bbox_to_anchor=(1, 0.5))
    ax.locator_params(axis="x", integer=True)
    return titled(ax, "Where solid and dashed part, a network learns by heart", "epoch",
                  METRIC_LABELS[metric])


def roc(curves, ax=None):
    """ROC curve of each model; `curves` maps a model to (y_true, score), both [shape=(tracks,)]."""
    ax = axes_for(ax, (6, 5.5))
    ax.plot([0, 1], [0, 1], ":", color=NEUTRAL, label="chance (AUC 0.50)")
    for name, (y_true, score) in curves.items():
        false_positive, true_positive, area = [], [], "one class only"
        if len(np.unique(y_true)) == 2:
            false_positive, true_positive, _ = roc_curve(y_true, score)
            area = f"AUC {auc(false_positive, true_positive):.2f}"
        ax.plot(false_positive, true_positive, color=MODEL_COLORS.get(name),
                label=f"{MODEL_LABELS.get(name, name)} ({area})")
    ax.legend(loc="lower right")
    ax.set_aspect("equal")
    return titled(ax, "The further above the diagonal, the better",
                  "share of unpopular tracks called popular", "share of popular tracks found")


def confusion(y_true, y_pred, ax=None):
    """Tracks by what they are and what they are called, 0 or 1, with each row's shares."""
    ax = axes_for(ax, (5, 4.4))
    pairs = 2 * np.asarray(y_true, dtype=int) + np.asarray(y_pred, dtype=int)
    counts = np.bincount(pairs, minlength=4).reshape(2, 2)
    rows = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(rows, 1)
    said = [[f"{count}\n{share:.0%}" if row else f"{count}\nnone"
             for count, share in zip(*pair)] for row, *pair in zip(rows[:, 0], counts, shares)]
    names = ["unpopular", "popular"]
    sns.heatmap(shares, annot=said, fmt="", cmap="Blues", vmin=0, vmax=1, cbar=False, square=True,
                annot_kws={"size": 15}, xticklabels=names, yticklabels=names, ax=ax)
    return titled(ax, f"{counts.trace()} of {counts.sum()} tracks are called what they are",
                  "called", "is")


def threshold_sensitivity(thresholds, positive_share, ax=None):
    """Share of tracks that count as popular [0, 1] by the threshold (0-100), both 1-D."""
    ax = axes_for(ax)
    thresholds, share = np.asarray(thresholds), 100 * np.asarray(positive_share)
    ax.plot(thresholds, share, color=POPULAR)
    ax.axhline(50, color=NEUTRAL, linestyle=":")
    half = int(np.argmin(np.abs(share - 50)))
    ax.plot(thresholds[half], share[half], "o", color="black", markersize=8)
    return titled(ax, f"From {thresholds[half]:.4g} on, {share[half]:.0f} % of tracks are popular",
                  "threshold (popularity, 0-100)", "popular tracks (%)", ylim=(0, 100))
