"""Figures of results: models side by side, with intervals and a title that says what follows."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from hiphoplib.evaluation.bootstrap import Estimate
from hiphoplib.report import style

SURE = ("stack", "rnn", "upper_bound")  # whose sureness is drawn
CORPUS_LOOKS = tuple(
    zip(
        (
            style.PALETTE[name]
            for name in ("blue", "vermillion", "green", "orange", "purple", "sky", "black")
        ),
        "osD^vPX",
    )
)
CORPUS_LABELS = {
    "liked_songs": "Emotify",
    "synthetic": "synthetic",
    "synthetic-4000": "synthetic, 4,000 rows",
}


def answer(hiphop: dict, emotify: dict, larger: dict) -> Axes:
    """Draw what the strongest models reach, in pairs of 100, on real music and on synthetic tracks.

    Parameters
    ----------
    hiphop : dict, of eight features on real hip-hop
    emotify, larger : dict, of `evaluate` on rated recordings and on synthetic tracks

    Returns
    -------
    Axes
    """
    rated, rendered = emotify["models"]["stack"], larger["models"]
    aucs = {
        f"Real hip-hop: eight features ({hiphop['tracks']:,} tracks)": hiphop["features"]["auc"],
        f"Real music, one genre: stack ({emotify['corpus']['tracks']:,} tracks)": rated[
            "within_genre"
        ],
        "Real music, all genres: stack": rated["auc"],
        f"Synthetic: stack ({larger['corpus']['tracks']:,} tracks)": rendered["stack"]["auc"],
        "Synthetic: all that can be heard": rendered["upper_bound"]["auc"],
    }
    pairs = {
        name: {end: 100 * auc[end] for end in ("mean", "low", "high")} for name, auc in aucs.items()
    }
    _, ax = plt.subplots(figsize=(9, 3.8))
    style.interval_rows(ax, list(pairs), [style.Series(pairs)], hollow=[list(pairs)[-1]], wrap=30)
    ax.axvline(50, color=style.NEUTRAL, linestyle=":")
    ax.annotate(
        "a coin",
        (50, 1),
        (4, -4),
        xycoords=("data", "axes fraction"),
        va="top",
        textcoords="offset points",
        color="#5E5E5E",
    )
    _write_means(ax, pairs, ".0f", 8)
    return style.titled(
        ax,
        "Sound tells something about popularity, and not much within one genre",
        "pairs in the right order (of 100; 95 % intervals)",
        "",
        xlim=(45, 85),
    )


def _write_means(ax, estimates, spec, above, **look):
    """Write the mean of each row's estimate so many points above its dot."""
    for row, each in enumerate(estimates.values()):
        place, offset = (each["mean"], row), (0, above)
        text = format(each["mean"], spec)
        ax.annotate(text, place, offset, textcoords="offset points", ha="center", **look)


def model_comparison(results: dict, names: Sequence[str] | None = None) -> Axes:
    """Draw the AUC of models, the best on top, and what an upper bound has.

    Parameters
    ----------
    results : dict, of `evaluate`
    names : sequence of str, all that could be used if not given

    Returns
    -------
    Axes
    """
    models = results["models"]
    bound = models.get("upper_bound", {}).get("auc")
    aucs = {
        name: models[name]["auc"]
        for name in names or models
        if name not in (*style.NOT_FOR_USE, "dummy") and "auc" in models.get(name, {})
    }
    order = sorted(aucs, key=lambda name: -aucs[name]["mean"])
    _, ax = plt.subplots(figsize=(9, 1.6 + 0.36 * len(order)))
    ax.axvline(0.5, color=style.NEUTRAL, linestyle=":", label="chance")
    if bound:
        ax.axvspan(
            bound["low"],
            bound["high"],
            color=style.PALETTE["green"],
            alpha=0.2,
            linewidth=0,
            label="upper bound",
        )
    in_colour = {name: auc for name, auc in aucs.items() if name in style.NETWORK_NAMES}
    others = {name: auc for name, auc in aucs.items() if name not in in_colour}
    style.interval_rows(
        ax,
        order,
        [
            style.Series(in_colour, style.PALETTE["blue"], "o", "networks on the spectrogram"),
            style.Series(others, "black", "s", "other models"),
        ],
        gap=0,
    )
    above = sum(auc["low"] > 0.5 for auc in aucs.values())
    return style.titled(
        ax,
        f"Better than chance: {above} of {len(aucs)} models",
        style.on_test("AUC", results["protocol"]["test_tracks"]),
        "",
    )


def _difference(metric):
    """A difference with its interval, with blanks at which no title is broken."""
    return f"{Estimate.read(metric):+.2f}".replace(" ", "\N{NO-BREAK SPACE}")


def metadata_gain(results: dict) -> Axes:
    """Draw the AUC of the metadata, of the sound, and of both.

    Parameters
    ----------
    results : dict, of `evaluate`

    Returns
    -------
    Axes
    """
    models, paired = results["models"], results["paired"]
    sound = style.title_model(
        name for name in models if name in ("stack", "musicnn", *style.NETWORK_NAMES)
    )
    inputs = {
        "metadata": "Metadata",
        sound: f"Sound ({style.label_of(sound)})",
        "stack_metadata": "Both",
    }
    names = [name for name in inputs if name in models]
    _, ax = plt.subplots(figsize=(8, 3.2))
    aucs = {name: models[name]["auc"] for name in names}
    style.interval_rows(ax, names, [style.Series(aucs)], labels=[inputs[name] for name in names])
    _write_means(ax, aucs, ".2f", 7, fontsize=11)
    ax.axvline(0.5, color=style.NEUTRAL, linestyle=":")
    gain = paired.get(f"stack_metadata-{sound}", {}).get("auc")
    title = "Metadata, sound, and both"
    if gain:
        title = "Metadata add nothing significant to the sound"
        if gain["low"] > 0 or gain["high"] < 0:
            title = f"Metadata change the AUC of the sound by {_difference(gain)}"
    on_test = style.on_test("AUC", results["protocol"]["test_tracks"])
    return style.titled(ax, title, on_test, "input")


def corpora(several: Sequence[dict], names: Sequence[str] | None = None) -> Axes:
    """Draw the AUC of the same models on several corpora, and within one genre where it is known.

    Parameters
    ----------
    several : sequence of dict, results of one corpus each
    names : sequence of str, all models if not given

    Returns
    -------
    Axes
    """
    there = dict.fromkeys(name for results in several for name in results["models"])
    names = style.in_order(name for name in there if name in (names or there))
    series, looks = [], iter(CORPUS_LOOKS)
    for each in several:
        title, tracks = each["corpus"]["name"], each["protocol"]["test_tracks"]
        measures = {
            "auc": f"{CORPUS_LABELS.get(title, title)} ({tracks:,} tracks)",
            "within_genre": f"{CORPUS_LABELS.get(title, title)}, within one genre",
        }
        for measure, label in measures.items():
            values = {
                name: model[measure]
                for name, model in each["models"].items()
                if name in names and model.get(measure)
            }
            if values:
                color, marker = next(looks)
                series.append(style.Series(values, color, marker, label))
    _, ax = plt.subplots(
        figsize=(9, 1.8 + 0.25 * len(series) + (0.3 + 0.14 * len(series)) * len(names))
    )
    ax.axvline(0.5, color=style.NEUTRAL, linestyle=":")
    gap = 0.8 / max(len(series), 2)
    # one column: names may be long
    style.interval_rows(ax, names, series, hollow=style.NOT_FOR_USE, gap=gap, columns=1)
    return style.titled(
        ax,
        "On real music simple features keep up with networks"
        if "liked_songs" in [each["corpus"]["name"] for each in several]
        else "The same models on several data sets",
        "AUC (95 % intervals)",
        "",
    )


def precision_at_k(results: dict, names: Sequence[str] | None = None) -> Axes:
    """Draw the share of popular songs among the best k of n, a row a model; dotted: random choice.

    Parameters
    ----------
    results : dict, of `evaluate`
    names : sequence of str, all models if not given

    Returns
    -------
    Axes
    """
    models, observed = results["models"], results["protocol"]["positive_share"]
    names = style.in_order(
        name for name in models if models[name].get("precision_at_k") and name in (names or models)
    )

    def kind(case):
        return case["base"] is not None, case["base"] or observed, case["n"], case["k"]

    cases = [(name, case) for name in names for case in models[name]["precision_at_k"]]
    (_, ax), series = plt.subplots(figsize=(9, 2 + 0.62 * len(names))), []
    for given, base, n, k in sorted({kind(case) for _, case in cases}):
        color, marker = style.PALETTE["vermillion" if given else "blue"], "o" if k == 1 else "s"
        shares = {
            name: case["hit_share"] for name, case in cases if kind(case) == (given, base, n, k)
        }
        series.append(style.Series(shares, color, marker, f"{k} of {n}, {base:.0%} popular"))
        ax.axvline(base, color=color, linestyle=":", zorder=1)
    style.interval_rows(ax, names, series, hollow=style.NOT_FOR_USE, gap=0.19, columns=2)
    spoken_of = style.title_model(names)
    own = [case for name, case in cases if name == spoken_of]
    first = next((case for case in own if case["k"] == 1 and case["base"] is None), None)
    title = f"A random choice is popular in {observed:.0%} of cases"
    if first:
        title = f"First of {first['n']} by {style.label_of(spoken_of)}: " + (
            f"popular in {first['hit_share']['mean']:.0%} of cases, a random choice in "
            f"{observed:.0%}"
            if first["lift"]["low"] > 1
            else "not significantly better than a random choice"
        )
    return style.titled(
        ax,
        title,
        style.on_test("share popular", results["protocol"]["test_tracks"])
        + "; dotted: random choice",
        "",
    )


def selective_accuracy(models: Mapping[str, dict]) -> Axes:
    """Draw how many of one artist's pairs are in the right order, by the share that is answered.

    Parameters
    ----------
    models : mapping of str to dict, "models" of results

    Returns
    -------
    Axes
    """
    curves = {
        name: models[name]["selective_accuracy"]
        for name in SURE
        if models.get(name, {}).get("selective_accuracy")
    }
    _, ax = plt.subplots(figsize=(8, 4.4))
    ax.axhline(50, color=style.NEUTRAL, linestyle=":", label="guessing")
    style.auc_lines(
        ax,
        {
            name: (
                [100 * step["share"] for step in curve],
                [{key: 100 * value for key, value in step["accuracy"].items()} for step in curve],
            )
            for name, curve in curves.items()
        },
        lambda x, steps: x * 1.03**steps,
    )
    ax.set_xscale("log")
    ax.minorticks_off()
    ax.set_xticks([10, 25, 50, 100], ["10", "25", "50", "100"])
    ax.invert_xaxis()
    ax.set_ylim(top=101)  # of a share an interval by Student's t may end above
    title = "No artist has enough test tracks to compare"
    if curves:
        first = next(iter(curves))
        every, surest = curves[first][0], curves[first][-1]
        title = (
            f"Of {every['pairs']:,} pairs by {every['artists']} artists, "
            f"{style.label_of(first)} orders {every['accuracy']['mean']:.0%} right; "
            f"of the surest {surest['share']:.0%}, {surest['accuracy']['mean']:.0%}"
        )
    return style.titled(
        ax,
        title,
        "pairs that are ordered (%, surest first; log scale)",
        "in the right order (%, 95 % intervals)",
    )
