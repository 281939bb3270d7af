"""Models with what a results file holds of them, and what every figure of theirs has to keep."""

import itertools
import json

import matplotlib

matplotlib.use("Agg")

from dataclasses import asdict

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_hex

from hiphoplib import report
from hiphoplib.evaluation.bootstrap import METRICS, Bootstrap
from hiphoplib.evaluation.selection import hit_shares
from hiphoplib.models.calibration import reliability

N = 240
RNG = np.random.default_rng(0)
POPULARITY = RNG.uniform(0, 100, N).round()
Y = (POPULARITY >= np.median(POPULARITY)).astype(int)
BOOT = Bootstrap(np.arange(N), 60)
ALL, FEW = list(report.MODEL_LABELS), ["dummy", "rnn", "upper_bound"]


def answers(strength):
    """Return probabilities that follow popularity as strongly as asked."""
    return 1 / (1 + np.exp(-strength * (POPULARITY - 50) / 25 - RNG.normal(size=N)))


def found_of(score):
    """Return what a results file holds of a model, of one seed's scores."""
    found = {name: BOOT.estimate(metric, Y, score) for name, metric in METRICS.items()}
    return {name: {**asdict(each), "by_seed": [each.mean]} for name, each in found.items()} | {
        "precision_at_k": hit_shares(BOOT, Y, score[:, None], [(10, 1), (10, 3)]),
        "reliability": reliability(Y, score).to_dict("records")}


SCORES = {name: np.full(N, Y.mean()) if name == "dummy" else answers(place / 8)
          for place, name in enumerate(ALL)}
SHOWN = {name: found_of(score) for name, score in SCORES.items()}


def value(mean, half=0.05):
    return {"mean": mean, "low": mean - half, "high": mean + half}


def some(names):
    return {name: SHOWN[name] for name in names}
NETWORK_NAMES = ["mlp", "cnn1", "cnn2", "rnn", "crnn", "musicnn"]


def title_of(ax):
    """Title in one line, with plain blanks."""
    return " ".join(ax.get_title(loc="left").split())


def texts_of(figure):
    """Every text that is seen, and where."""
    figure.canvas.draw()
    every = [each for ax in figure.axes for each in (ax, *ax.child_axes)]
    outside = {tick.label1 for ax in every for axis in (ax.xaxis, ax.yaxis)
               for tick in axis.get_major_ticks()
               if not min(axis.get_view_interval()) <= tick.get_loc() <= max(
                   axis.get_view_interval())}
    for text in figure.findobj(matplotlib.text.Text):
        if text.get_visible() and text.get_text().strip() and text not in outside:
            box = text.get_window_extent()
            yield text.get_text(), box.padded(-1)  # neighbours may share an edge


def marks(ax, color=None):
    """Dots that are drawn: (x, y) and face, of one colour or of all."""
    return [(x, y, line.get_markerfacecolor()) for line in ax.lines
            if line.get_linestyle() == "None" and color in (None, to_hex(line.get_color()).upper())
            for x, y in zip(line.get_xdata(), line.get_ydata())]


def row_of(ax, name):
    """Height of a model's row."""
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    return names.index(report.MODEL_LABELS.get(name, name))


def check_texts(draw, data):
    """No text of a figure of its own touches another, leaves the figure or is too small."""
    figure = draw(*data).figure
    texts = list(texts_of(figure))
    for text, box in texts:
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 + 1, text
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 + 1, text
    for (one, box), (other, other_box) in itertools.combinations(texts, 2):
        assert not box.overlaps(other_box), f"{one!r} over {other!r}"
    sizes = [text.get_fontsize() for text in figure.findobj(matplotlib.text.Text)]
    assert min(sizes) >= 10


def check_drawn(draw, data):
    """A figure is drawn on the Axes it is given, named, and the data stays as it was."""
    before = json.dumps(data)
    ax = plt.subplots()[1]
    assert draw(*data, ax=ax) is ax and plt.get_fignums() == [ax.figure.number]
    assert title_of(ax) and ax.get_xlabel() and ax.get_ylabel() and "nan" not in title_of(ax)
    assert json.dumps(data) == before


def explanations(clips=100):
    """What a results file of explanations holds, of a network that listens to the end."""
    rng, shape = np.random.default_rng(0), (4, 10)
    falls = {name: np.linspace(0.6, 0.5, 21) - drop for name, drop in (
        ("lime", 0.04), ("random", 0.0), ("loudest", 0.01))}
    differences = {f"{way}_minus_{rival}{ending}": value(0.04, 0.01)
                   for way in ("deletion", "insertion") for rival in ("random", "loudest")
                   for ending in ("", "_another_clip")}
    mean = rng.normal(0, 0.01, shape)
    claims = {"share": value(0.4), "cells": value(1.2), "strong": value(0.9)}
    found = {f"{name}{of}": value(at, 0.1) for name in ("recovery", "top1")
             for of, at in (("_silence", 0.8), ("_training_mean", 0.9), ("_own_mean", 0.3),
                            ("_lime_default", 0.6))}
    return {
        "model": "rnn", "clips": clips, "cell_seconds": 3.0, **differences,
        "recovery": {"strongest": value(0.7, 0.1), "top1": value(0.4), "top1_by_chance": 0.2,
                     "top3": value(0.7), "top3_by_chance": 0.5,
                     "causes": {"low_end": {**value(0.8), "clips": 40}, "riser": None}},
        "curves": {way: {name: {"mean": list(fall), "low": list(fall - 0.02),
                                "high": list(fall + 0.02)} for name, fall in falls.items()}
                   for way in ("deletion", "insertion")},
        "stability": value(0.9), "claims": claims,
        "witnesses": {"occlusion": value(0.5), "gradients": value(0.6)},
        "map": {"mean": mean.tolist(), "low": (mean - 0.01).tolist(),
                "high": (mean + 0.01).tolist()},
        "bands": {band: {side: value(rng.normal(0, 0.1)) for side in ("popular", "unpopular")}
                  for band in ("sub and bass", "low mids", "vocals and snare", "hats and air")},
        "seconds": {"mean": [0.06] * 8 + [0.12, 0.4], "low": [0.05] * 8 + [0.09, 0.35],
                    "high": [0.07] * 8 + [0.15, 0.45]},
        "sanity": {"clips": 20, "correlation": value(0.1), "correlation_of_size": value(0.6),
                   "claims": claims, "claims_trained": claims},
        "planted": {"recovery": 0.98, "top1": 0.9, "recovery_lime_default": 0.6,
                    "kinds": {kind: {"auc": 1.0, "clips": 40, "recovery": value(0.98, 0.01),
                                     "top1": value(0.9), **found, "claimed": value(0.8),
                                     "elsewhere": value(1.5), "strong_elsewhere": value(0.5)}
                              for kind in ("level", "texture")}},
    }
