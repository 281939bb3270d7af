"""Every figure. Each function takes data, draws on `ax` (a new figure's if None) and returns it.

Those of the data stand in `plots_data`, of what was found in `plots_findings` and `plots_label`, of
explanations in `plots_explain`; what they share in `plots_models` and `plots_style`. All are found
here.
"""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from sklearn.metrics import auc, roc_curve

from hiphoplib.report.figures_data import (  # noqa: F401
    missing_values,
    popularity_by_year,
    popularity_histogram,
    popularity_shapes,
    release_years,
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
from hiphoplib.report.figures_label import (  # noqa: F401
    age,
    label_middle,
    label_threshold,
    reliability,
    sieve,
)
from hiphoplib.report.figures_models import context, corpora, ladder, power, splits  # noqa: F401
from hiphoplib.report.model_names import (  # noqa: F401
    METRIC_COLORS,
    METRIC_LABELS,
    MODEL_COLORS,
    MODEL_LABELS,
)
from hiphoplib.report.style import (  # noqa: F401
    LEVELS,
    NEUTRAL,
    PALETTE,
    POPULAR,
    STYLE,
    UNPOPULAR,
    axes_for,
    mel_image,
    save,
    titled,
    use_style,
)


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
