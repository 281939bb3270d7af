"""Sentences of explanations: what the model listens to, in the client's words, never a cause."""

import numpy as np

from hiphoplib.evaluation.bootstrap import verdict
from hiphoplib.explanation.lime import SAME_MAP, SMALLEST_CLAIM
from hiphoplib.report.model_names import label_of
from hiphoplib.report.sentences import estimate

NOTHING = "No part of the clip can be claimed to speak either way."


def in_clip(start, end):
    """How a stretch of a clip is called."""
    return f"{start:g} to {end:g} s"


def claims(explanation, span=in_clip):
    """What may be quoted: a sentence for each stretch of claimed cells, strongest first.

    Parameters
    ----------
    explanation : Explanation
    span : callable
        How to call a stretch, of its start and end in s of the clip.
    """
    grid, runs, regions = explanation.grid, explanation.r2.size, []
    signs = np.sign(explanation.weights) * explanation.claimed
    for band, name in enumerate(grid.bands):
        starts = np.flatnonzero(np.diff(signs[band], prepend=0))
        for cells in np.split(np.arange(grid.shape[1]), starts):
            if len(cells) and signs[band, cells[0]]:
                start, end = grid.span(cells[0])[0], grid.span(cells[-1])[1]
                side = "for" if signs[band, cells[0]] > 0 else "against"
                regions.append((abs(explanation.weights[band, cells].sum()),
                                f"{name.capitalize()} from {span(start, end)} speak "
                                f"{side} popularity (agreed in {runs} of {runs} runs)."
                                + _seconded(explanation, band, cells)))
    return [sentence for _, sentence in sorted(regions, key=lambda region: -region[0])]


def _seconded(explanation, band, cells):
    """What the witnesses say of claimed cells; nothing if there are none."""
    strong, who = explanation.strong[band, cells], " and ".join(explanation.witnesses)
    if not who:
        return ""
    if strong.all():
        return f" {who.capitalize()} say the same."
    return (f" {who.capitalize()} say the same of "
            + ("part of it." if strong.any() else "none of it: a weak claim."))


def doubts(explanation):
    """Witnesses that name other cells, a sentence each."""
    if np.abs(explanation.weights).max() < SMALLEST_CLAIM:
        return []
    return [f"Over the whole clip {name} and LIME disagree (rank correlation {correlation:.2f}): "
            "believe only what both say."
            for name, correlation in explanation.correlations.items() if correlation < SAME_MAP]


def told(explanation, model):
    """All that is said of one clip, Markdown bullets.

    Parameters
    ----------
    explanation : Explanation
    model : str
        Its key.
    """
    lines = [f"The {label_of(model)}'s answer, before calibration, is "
             f"{explanation.probability:.2f}. LIME's linear picture fits its answers with R² "
             f"{explanation.r2.mean():.2f}, which does not say how right it is.",
             *(claims(explanation) or [NOTHING]), *doubts(explanation)]
    return "\n".join(f"- {line}" for line in lines)


def source(results):
    """Where figures of many clips are from, one sentence."""
    return (f"Measured on {results['clips']} held-out clips of “{results['corpus']['name']}”, "
            f"explained by its {label_of(results['model'])}, on {results['made']} by "
            f"`{results['command']}`.")


def planted(results):
    """Whether causes that were planted are found, one sentence a kind, Markdown bullets."""
    told = []
    for kind, found in results["planted"]["kinds"].items():
        told.append(
            f"- A planted cause of {kind} (network with AUC {found['auc']:.2f}, {found['clips']} "
            f"clips that it calls right): the maps recover its cell with ROC-AUC "
            f"{estimate(found['recovery'], 2)}, and name it first in {percent(found['top1'])} of "
            f"the clips. LIME as it comes: ROC-AUC {estimate(found['recovery_lime_default'], 2)}, "
            f"first in {percent(found['top1_lime_default'])}. Of the claims, "
            f"{found['claimed']['mean']:.1f} a clip lie in the planted cell, "
            f"{found['elsewhere']['mean']:.1f} in other cells.")
    return "\n".join(told)


def recovery(results):
    """Whether the causes of the synthetic corpus are found, sentences; empty of any other."""
    if "recovery" not in results:
        return ""
    found, model = results["recovery"], label_of(results["model"])
    said = verdict(found["strongest"], "better than chance", "worse than chance",
                   "no better than chance, as far as can be told", 0.5)
    causes = [f"{name.replace('_', ' ')} {estimate(cause, 2)}"
              for name, cause in found["causes"].items() if cause]
    return (f"The {model}'s maps point at the cause that moves a clip most {said}: ROC-AUC "
            f"{estimate(found['strongest'], 2)}; it lies in the first cell in "
            f"{percent(found['top1'])} of the clips (by chance {found['top1_by_chance']:.0%}), in "
            f"one of the first three in {percent(found['top3'])} (by chance "
            f"{found['top3_by_chance']:.0%}). Cause by cause, where it is turned clearly up or "
            f"down: {'; '.join(causes)}.")


def holds(results):
    """How far to believe the maps, Markdown bullets."""
    lines = []
    for way, what in (("deletion", "Without the cells that speak most for its answer, first to "
                       "last, the network's probability of that answer lies lower"),
                      ("insertion", "As they come back in this order, it lies higher")):
        random, loudest = (results[f"{way}_minus_{rival}"] for rival in ("random", "loudest"))
        other = results[f"{way}_minus_random_another_clip"]
        lines.append(f"{what} than in random order by {estimate(random)}"
                     f"{_whether(random)}, than loudest first by {estimate(loudest)}"
                     f"{_whether(loudest)}; with another clip in the holes, than in random order "
                     f"by {estimate(other)}{_whether(other)}.")
    lines.append(f"Two seeds share {percent(results['stability'])} of the three strongest cells.")
    said = results["claims"]
    lines.append(f"A claim can be made for {percent(said['share'])} of {results['clips']} clips, "
                 f"{said['cells']['mean']:.1f} cells a clip; of {said['strong']['mean']:.1f} both "
                 "witnesses say the same. The rank correlation of the maps with "
                 + " and with ".join(f"{name} is {estimate(value, 2)}"
                                     for name, value in results["witnesses"].items()) + ".")
    lines.append(shuffled(results["sanity"]))
    return "\n".join(f"- {line}" for line in lines)


def shuffled(sanity):
    """What networks say that have learnt nothing, sentences."""
    before, after = sanity["claims_trained"], sanity["claims"]
    return (f"With its weights shuffled the network gives a map whose rank correlation with its "
            f"own is {estimate(sanity['correlation'], 2)}; that of the absolute weights, which "
            "tells how far its build decides where it listens, whatever it has learnt, is "
            f"{estimate(sanity['correlation_of_size'], 2)}. Claims are made for "
            f"{after['share']['mean']:.0%} of {sanity['clips']} clips, {after['cells']['mean']:.1f}"
            f" cells a clip; trained, for {before['share']['mean']:.0%}, "
            f"{before['cells']['mean']:.1f} cells.")


def where(results):
    """Where in a clip and in which bands a network listens, sentences."""
    seconds, size = results["seconds"], results["cell_seconds"]
    share, even = seconds["mean"], 1 / len(seconds["mean"])
    most = int(np.argmax(share))
    above = [cell for cell, low in enumerate(seconds["low"]) if low > even]
    span = (f" More than an even share, by its interval, falls on "
            f"{', '.join(f'{cell * size:g} to {(cell + 1) * size:g} s' for cell in above)}."
            if above else "")
    sides = [f"{name} {verdict(value, 'for popularity', 'against it', 'neither way')}"
             f" ({estimate(value, 3)})"
             for name, by_side in results["bands"].items()
             for value in [by_side["popular"]] if value]
    return (f"{share[most]:.0%} of the {label_of(results['model'])}'s weight, either way, lies in "
            f"{most * size:g} to {(most + 1) * size:g} s of the clip, where an even share were "
            f"{even:.0%}.{span} Summed over the clip, in popular tracks: {'; '.join(sides)}.")


KINDS = {"popular": "popular, and ranked high", "unpopular": "unpopular, and ranked low",
         "missed": "popular, but ranked low", "overrated": "unpopular, but ranked high"}


def percent(value):
    """A share with its interval, for example "80% [70%, 88%]"."""
    return f"{value['mean']:.0%} [{value['low']:.0%}, {value['high']:.0%}]"


def _whether(difference):
    return verdict(difference, "", ", the wrong way", ", which may be chance")
