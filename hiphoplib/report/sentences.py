"""Sentences and a table that follow from results of the reader's own data."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hiphoplib.evaluation.bootstrap import Estimate
from hiphoplib.explanation.lime import Attribution
from hiphoplib.explanation.segments import SegmentGrid
from hiphoplib.explanation.swap_test import Part
from hiphoplib.report.style import clock, label_of
from hiphoplib.scoring.backtest import BackTest, songs_needed
from hiphoplib.scoring.score import BEHIND, STANDS_OUT, Scored
from hiphoplib.scoring.trained_model import TrainedModel

MAX_NAME = 40  # letters of a name in a sentence
BANNER = (
    "This model has learnt from computer-made beats with a made-up popularity. Its scores "
    "show what this page does. They say nothing about your songs."
)
UNLIKE = "sounds unlike everything this model has learnt from (farther than 99 % of its own data)"
NO_DOMAIN = (
    "This model is older and does not say what it has learnt from, so it also scores "
    "songs that it cannot judge. Train it again to have them named."
)
NO_PASSAGE = "No single passage decides."
FOUR_KINDS = {
    "popular": "popular, and ranked high",
    "unpopular": "unpopular, and ranked low",
    "missed": "popular, but ranked low",
    "overrated": "unpopular, but ranked high",
}


def results_table(results: dict) -> pd.DataFrame:
    """Return the metrics of every model; columns without a value are left out.

    Parameters
    ----------
    results : dict, of `evaluate`

    Returns
    -------
    pd.DataFrame
        A row a model.
    """

    def metric(model, key, digits=2):
        if not model.get(key):
            return "–"
        value = Estimate.read(model[key])
        return (
            f"{value:.{digits}f}"
            if value.low < value.high  # a dummy's follows from what it is
            else f"{value.mean:.{digits}f}"
        )

    rows = {
        label_of(name): {
            "AUC [95 % interval]": metric(model, "auc", 3),
            "accuracy": metric(model, "accuracy", 3),
            "Spearman": metric(model, "spearman"),
            "Kendall": metric(model, "kendall"),
            "recall of the top tenth": metric(model, "top_tenth_recall"),
            "AUC within folds": metric(model, "auc_within_folds"),
            "AUC within one artist": metric(model, "within_artist"),
            "AUC within genre": metric(model, "within_genre"),
            "share of the achievable gain": metric(model, "recovered"),
            "Brier": f"{model['brier']['mean']:.3f}",
            "calibration slope": metric(model, "calibration_slope"),
            "AUC by seed": ", ".join(f"{auc:.3f}" for auc in model["auc"]["by_seed"]),
        }
        for name, model in results["models"].items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return table.loc[:, (table != "–").any()]


def headline(scored: Scored) -> str:
    """Return the answer in one sentence.

    Parameters
    ----------
    scored : Scored

    Returns
    -------
    str
    """
    n, tiers = len(scored.songs), list(zip(scored.songs, scored.tiers))
    first, last = (
        [song.title for song, tier in tiers if tier == which] for which in (STANDS_OUT, BEHIND)
    )
    if not n:
        return (
            "This model cannot judge your songs: they sound unlike everything it has learnt from."
            if scored.unlike
            else "No song could be scored."
        )
    if n == 1:
        return "There is only one song, so there is nothing to compare it with."
    if np.isinf(scored.model.margin):
        return "This model is not good enough to put your songs in order."
    if first:
        return f"{_listed(first)} {'stands' if len(first) == 1 else 'stand'} out."
    if last:
        are = "is" if len(last) == 1 else "are"
        return f"No song stands out, but {_listed(last)} {are} behind."
    return f"None of these {n} songs stands out: their scores are too close together."


def _listed(titles):
    """Up to three titles, or how many they are."""
    if len(titles) > 3:
        return f"{len(titles)} songs"
    *most, last = (f"“{_short(title)}”" for title in titles)
    return f"{', '.join(most)} and {last}" if most else last


def describe_model(model: TrainedModel) -> str:
    """Return which model it is and how good, as lines for a terminal.

    Parameters
    ----------
    model : TrainedModel

    Returns
    -------
    str
    """
    results, within = model.card["results"], model.card["results"]["within_artist"]
    lines = [
        f"{label_of(model.card['model'])}, learnt from “{model.card['corpus']['name']}”: AUC "
        f"{Estimate.read(results['auc']):.2f}"
        + (f", among one artist's tracks {Estimate.read(within):.2f}" if within else "")
    ]
    if results.get("order"):
        lines.append(right_orders(results["order"]))
    return "\n".join(lines + ([] if model.domain else [NO_DOMAIN]))


def right_orders(order: dict) -> str:
    """Return how often orders by a margin are right.

    Parameters
    ----------
    order : dict, of `selection.reliable_margin`

    Returns
    -------
    str
    """
    return (
        "Of 100 orders like these on songs whose popularity is known, "
        f"{100 * order['accuracy']['mean']:.0f} were right."
    )


def _short(name):
    """A name that a sentence can hold."""
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"


def on_screen(scored: Scored) -> str:
    """Return the ranking as lines for a terminal.

    Parameters
    ----------
    scored : Scored

    Returns
    -------
    str
    """
    margin = scored.model.margin
    return "\n".join(
        [
            f"{song.score:4.0%}  {tier:22s}  "
            + (f"best {clock(song.best):>5s}" if song.stands_out(margin) else "no best  ")
            + f"  {song.name}"
            + (f"  ({song.note})" if song.note else "")
            for song, tier in zip(scored.songs, scored.tiers)
        ]
        + [f"   –  {name}: {UNLIKE}" for name in scored.unlike]
    )


def backtest_lines(test: BackTest) -> list[str]:
    """Return what a back-test found, as lines for a terminal.

    Parameters
    ----------
    test : BackTest

    Returns
    -------
    list of str
    """
    lines = [
        f"{row.popularity:12,.1f}  {row.score:4.0%}  “{row.title}” = {row.file}"
        for row in test.songs.itertuples()
    ]
    return [
        f"{test.kind:>12s}  score",
        *lines,
        *(f"left out: {line}" for line in test.left_out),
        *backtest_verdict(test),
    ]


def backtest_verdict(test: BackTest) -> list[str]:
    """Return what a back-test shows, and whether its songs suffice to tell.

    Parameters
    ----------
    test : BackTest

    Returns
    -------
    list of str
    """
    (share, pairs), n = test.by_model, len(test.songs)
    lines = [
        f"The model puts {share.mean * pairs:.3g} of {pairs} pairs of songs in the right "
        f"order: {share.mean:.0%} (95 % interval {share.low:.0%} to {share.high:.0%}). "
        "Tossing a coin gets 50%."
    ]
    if test.songs["loudness"].notna().all():
        lines.append(
            f"Putting the louder song first gets {test.by_loudness[0].mean:.0%} "
            f"({test.by_loudness[0].low:.0%} to {test.by_loudness[0].high:.0%})."
        )
    if share.low > 0.5:
        return lines + [f"That is better than a coin: these {n} songs are enough to tell."]
    if share.high < 0.5:
        return lines + [f"That is worse than a coin: for these {n} songs its order is wrong."]
    known = share.mean if share.mean > 0.52 else 0.6
    return lines + [
        f"These {n} songs are too few to tell whether that is luck. "
        f"{'At this rate' if known == share.mean else 'With 60% right,'} it takes "
        f"about {songs_needed(known):,} songs to tell."
    ]


def swap_sentences(parts: Sequence[Part], grid: SegmentGrid, start: float = 0.0) -> list[str]:
    """Return what the swap test lets be said of a clip.

    Parameters
    ----------
    parts : sequence of Part
        As `swap_test` found them.
    grid : SegmentGrid
    start : float
        Of the clip in its song, in s.

    Returns
    -------
    list of str
        A sentence for each part, strongest first.
    """
    sentences = []
    for part in parts:
        bands, stretches = part.mask.any(axis=1), np.flatnonzero(part.mask.any(axis=0))
        where = " and ".join(np.array(list(grid.bands))[bands])
        times = " to ".join(
            clock(start + grid.spans[end][number])
            for number, end in ((0, stretches[0]), (1, stretches[-1]))
        )
        fell, rose = ("fell", "rose") if part.effect > 0 else ("rose", "fell")
        out, into = part.agreeing
        sentences.append(
            f"{times}, {where}: taken out, the score {fell} with {out} of {len(part.taken_out)} "
            f"other tracks' sound in its place; put into {len(part.put_in)} other tracks, it "
            f"{rose} in {into}."
        )
    return sentences or [NO_PASSAGE]


def explanation_summary(expl: Attribution, parts: Sequence[Part], model: str) -> str:
    """Return all that is said of one clip, as a Markdown list.

    Parameters
    ----------
    expl : Attribution
    parts : sequence of Part
        As `swap_track` returns them.
    model : str

    Returns
    -------
    str
    """
    return "\n".join(
        f"- {line}"
        for line in [
            f"The {label_of(model)}'s probability, before calibration, is {expl.probability:.2f}.",
            *swap_sentences(parts, expl.grid),
        ]
    )
