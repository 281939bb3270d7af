"""Models with what a results file holds of them, and what every figure has to keep."""

import itertools
import json
from dataclasses import asdict

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from hiphoplib import report
from hiphoplib.evaluation.bootstrap import METRICS, Bootstrap
from hiphoplib.evaluation.selection import hit_shares

N = 240
RNG = np.random.default_rng(0)
POPULARITY = RNG.uniform(0, 100, N).round()
Y = (POPULARITY >= np.median(POPULARITY)).astype(int)
BOOT = Bootstrap(np.arange(N), 60)
ALL, FEW = list(report.MODEL_LABELS), ["dummy", "rnn", "upper_bound"]
NETWORK_NAMES = ["mlp", "cnn1", "cnn2", "rnn", "crnn", "musicnn"]


def metrics_of(score):
    """Return what a results file holds of a model, of one seed's scores."""
    metrics = {name: BOOT.estimate(metric, Y, score) for name, metric in METRICS.items()}
    return {name: {**asdict(each), "by_seed": [each.mean]} for name, each in metrics.items()} | {
        "precision_at_k": hit_shares(BOOT, Y, score[:, None], [(10, 1), (10, 3)])
    }


SCORES = {
    name: np.full(N, Y.mean())
    if name == "dummy"
    else 1 / (1 + np.exp(-number / 8 * (POPULARITY - 50) / 25 - RNG.normal(size=N)))
    for number, name in enumerate(ALL)
}
SHOWN = {name: metrics_of(score) for name, score in SCORES.items()}


def value(mean, half=0.05):
    return {"mean": mean, "low": mean - half, "high": mean + half}


def some(names):
    return {name: SHOWN[name] for name in names}


def title_of(ax):
    """Title in one line, with plain blanks."""
    return " ".join(ax.get_title(loc="left").split())


def texts_of(figure):
    """Every text that is seen, and where."""
    figure.canvas.draw()
    every = [each for ax in figure.axes for each in (ax, *ax.child_axes)]
    outside = {
        tick.label1
        for ax in every
        for axis in (ax.xaxis, ax.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    for text in figure.findobj(matplotlib.text.Text):
        if text.get_visible() and text.get_text().strip() and text not in outside:
            yield text.get_text(), text.get_window_extent().padded(-1)  # may share an edge


def marks(ax, color=None):
    """Dots that are drawn: (x, y) and face, of one colour or of all."""
    return [
        (x, y, line.get_markerfacecolor())
        for line in ax.lines
        if line.get_linestyle() == "None" and color in (None, to_hex(line.get_color()).upper())
        for x, y in zip(line.get_xdata(), line.get_ydata())
    ]


def rows_of(ax):
    """Names of the rows, from the top."""
    return [tick.get_text().replace("\n", " ") for tick in ax.get_yticklabels()]


def row_of(ax, name):
    """Height of a model's row."""
    return rows_of(ax).index(report.label_of(name))


def check_figure(draw, data, smallest=10):
    """A figure has titles, no text touches another or leaves it, and the data stays as it was."""

    def written():
        return json.dumps(data, default=lambda each: getattr(each, "tolist", each.__repr__)())

    before, drawn = written(), draw(*data)
    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    assert any(title_of(ax) for ax in figure.axes) or figure.axes[0].child_axes
    texts = list(texts_of(figure))
    for text, box in texts:
        assert "nan" not in text
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 + 1, text
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 + 1, text
    for (one, box), (other, other_box) in itertools.combinations(texts, 2):
        assert not box.overlaps(other_box), f"{one!r} over {other!r}"
    assert min(text.get_fontsize() for text in figure.findobj(matplotlib.text.Text)) >= smallest
    assert written() == before


def explanations(clips=100):
    """What a results file of explanations holds, of a network that listens to the end."""
    rng, shape = np.random.default_rng(0), (4, 10)
    falls = {
        name: np.linspace(0.6, 0.5, 21) - drop
        for name, drop in (("lime", 0.04), ("random", 0.0), ("loudest", 0.01))
    }
    mean = rng.normal(0, 0.01, shape)
    measures = {
        f"{name}{of}": value(at, 0.1)
        for name in ("recovery", "top1")
        for of, at in (
            ("_silence", 0.8),
            ("_training_mean", 0.9),
            ("_own_mean", 0.3),
            ("_lime_default", 0.6),
        )
    }
    return {
        "model": "rnn",
        "clips": clips,
        "cell_seconds": 3.0,
        "curves": {
            way: {
                name: {"mean": list(fall), "low": list(fall - 0.02), "high": list(fall + 0.02)}
                for name, fall in falls.items()
            }
            for way in ("deletion", "insertion")
        },
        "map": {
            "mean": mean.tolist(),
            "low": (mean - 0.01).tolist(),
            "high": (mean + 0.01).tolist(),
        },
        "bands": {
            band: {side: value(rng.normal(0, 0.1)) for side in ("popular", "unpopular")}
            for band in ("sub and bass", "low mids", "vocals and snare", "hats and air")
        },
        "seconds": {
            "mean": [0.06] * 8 + [0.12, 0.4],
            "low": [0.05] * 8 + [0.09, 0.35],
            "high": [0.07] * 8 + [0.15, 0.45],
        },
        "planted": {
            "kinds": {
                kind: {"recovery": value(0.98, 0.01), "top1": value(0.9), **measures}
                for kind in ("level", "texture")
            }
        },
    }
