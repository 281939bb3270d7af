"""What is said of a client's songs: in his words, and never more than the numbers carry."""

import html
import re

import numpy as np

from hiphoplib.evaluation.bootstrap import verdict
from hiphoplib.explanation.lime import MIN_CORRELATION, MIN_WEIGHT
from hiphoplib.report.figures_explanation import clock
from hiphoplib.report.sentences import best_model, estimate
from hiphoplib.report.style import label_of
from hiphoplib.scoring.score import MIN_DIFFERENCE, MIN_NETWORKS, MIN_SHARE_ABOVE
from hiphoplib.tracks.synthetic.corpus import CAVEAT

MOST_NAMED = 4  # songs in one sentence
LONGEST = 40  # letters of a name in it
BANNER = ("This model learnt from a synthetic corpus, beats that a program renders and whose "
          "popularity a program sets. Its scores show that the method works. They say nothing "
          "about your songs in the real world.")
NOTHING = "No part of the clip can be claimed to speak either way."


def headline(scored):
    """How much of an order there is, one sentence."""
    n, told = len(scored.songs), int(scored.reliably_above.sum())
    pairs = n * (n - 1) // 2
    if n == 1:
        return "One song, and nothing to compare it with."
    if not told:
        return f"The model cannot tell these {n} songs apart: all are about the same."
    if n == 2:
        return f"The model puts “{_short(scored.songs[0].name)}” above the other song."
    first = [song.name for song, ranks in zip(scored.songs, scored.rank_ranges) if ranks[1] == 1]
    lead = f"“{_short(first[0])}” is first. " if first else "No song is surely first. "
    if told == pairs:
        return lead + f"The model tells all {pairs} pairs of songs apart."
    return lead + (f"Of {pairs} pairs of songs the model tells {told} apart; the others are about "
                   "the same.")


def compared(scored, number):
    """Where one song stands among the others, sentences."""
    told = scored.reliably_above
    others = {"Above": np.flatnonzero(told[number]),
              "About the same as": scored.indistinguishable_from(number),
              "Below": np.flatnonzero(told[:, number])}
    return [f"{what} {_named(scored, number, numbers)}." for what, numbers in others.items()
            if len(numbers)]


def _named(scored, number, others):
    """Songs by name, and how often one is above each; many by their number."""
    if len(others) > MOST_NAMED:
        return f"{len(others)} songs"
    share = scored.share_above[number]
    return ", ".join(f"“{_short(scored.songs[other].name)}” ({share[other]:.0%})"
                     for other in others)


def _short(name):
    """A name that a sentence can hold."""
    return name if len(name) <= LONGEST else name[:LONGEST - 1] + "…"


def best_part(song, window=30.0):
    """Which 30 seconds to use, one sentence."""
    if song.seconds <= window:
        return "The whole of it was heard at once."
    return (f"Use {clock(song.best)} to {clock(song.best + window)} as the preview or the clip you "
            "post: the model scores these 30 seconds highest.")


def in_song(start):
    """How a stretch of a clip that begins at `start` s of its song is called: for `claims`."""
    return lambda first, last: f"{clock(start + first)} to {clock(start + last)}"


def in_markdown(text):
    """Text in which Markdown and HTML find nothing to read: names of files are others' words."""
    return re.sub(r"([\\`*_{}\[\]()#+.!|~$-])", r"\\\1", html.escape(text, quote=False))


def how_to_read(scored):
    """What the ranking's numbers mean, sentences."""
    card, networks = scored.model.card, len(scored.model.networks)
    kind = _kind(card["corpus"])
    several = (f"Its {networks} networks answer one by one, and the score is their mean"
               if networks >= MIN_NETWORKS else f"Fewer than {MIN_NETWORKS} networks answer, too "
               "few for any order to be sure: train with more seeds or folds")
    return [
        f"Score: the probability that 30 seconds of the song are popular, which for this model "
        f"means a popularity of at least {card['threshold']:.3g} ({kind}). Of the tracks that it "
        f"was tested on, {card['protocol']['positive_share']:.0%} are. {several}.",
        "Dot and bar: the mean over the song, and where eight of ten of its 30 s windows lie.",
        "Dotted line: 50%. “Above 75% of tracks”: of the tracks that the model was tested on, one "
        "clip each, its windows score above so many.",
        f"Order: one song is put above another only if at least {MIN_NETWORKS} networks answer, "
        f"each puts it higher, the scores differ by {100 * MIN_DIFFERENCE:.0f} points or more, and "
        f"it is so in {MIN_SHARE_ABOVE:.0%} of all pairs of their windows, or more where that "
        "gives no order. The per cent behind a name say in how many pairs.",
    ]


def _kind(corpus):
    """What popularity is in a corpus."""
    kind = corpus["popularity_kind"]
    return "what popularity is there, it does not say" if kind == "not said" else (
        f"popularity there: {kind}")


def limits(card):
    """What a model can and cannot tell, in its own numbers, sentences; the first is the caveat.

    Parameters
    ----------
    card : dict
        Of a `TrainedModel`.
    """
    told, corpus, protocol = card["results"], card["corpus"], card["protocol"]
    auc, within = told["auc"], told["within_artist"]
    said = verdict(auc, "better than guessing", "worse than guessing",
                   "not shown to be better than guessing", 0.5)
    lines = [CAVEAT] if card["synthetic"] else []
    lines += [
        f"It learnt from {corpus['tracks']:,} tracks by {corpus['artists']:,} artists, the corpus "
        f"“{corpus['name']}” ({_kind(corpus)}). Music of another kind it may misjudge "
        "altogether.",
        f"Take one popular and one unpopular track that it has never heard: how often does it rank "
        f"the popular one higher? In {auc['mean']:.0%} of cases (AUC {estimate(auc)}, "
        f"{protocol['test_tracks']:,} tracks, split by {protocol['split']}): {said}. Guessing has "
        "50%, and each training of the network was measured by itself."]
    if within:
        lines.append(
            f"Among one artist's own songs, which is your case: AUC {estimate(within)}, "
            f"{within['artists']} artists: " + verdict(
                within, "better than guessing.", "worse than guessing.",
                "not shown to be better than guessing.", 0.5))
    else:
        lines.append("Among one artist's own songs, which is your case, nothing is known: no "
                     "artist of that corpus has enough of them.")
    lift = next((row["lift"] for row in told["precision_at_k"]
                 if (row["n"], row["k"], row["base"]) == (10, 3, None)), None)
    if lift:
        lines.append(
            f"Who released the best 3 of 10 by its ranking had {estimate(lift, 2)} times the hits "
            "of a blind pick: " + verdict(lift, "more hits.", "fewer hits.",
                                          "no gain is shown.", 1.0))
    return lines + [
        "It hears sound only. Fame, money, timing and luck move popularity as well, and no "
        "computer hears them.",
        "An explanation tells what moves this model, not what moves listeners. It is a reason to "
        "listen to a spot again, never to change it.",
        "Use it as one vote beside your own ear. Never drop a song for its rank."]


def on_screen(scored):
    """The ranking as lines for a terminal."""
    return "\n".join(
        f"{song.score:4.0%}  place {rank:9s} best {clock(song.best):>5s}  {song.name}"
        + (f"  ({song.note})" if song.note else "")
        for song, rank in zip(scored.songs, scored.rank_texts))


def made_by(scored):
    """Which model scored, one line."""
    card = scored.model.card
    versions = ", ".join(f"{name} {card['versions'][name]}" for name in ("keras", "tensorflow"))
    return (f"{label_of(card['model'])}, learnt from “{card['corpus']['name']}” on {card['made']} "
            f"with {versions}; {len(scored.model.networks)} networks, "
            f"{card['grid']['name']} grid.")


def in_a_hundred(results, model=None):
    """How many of 100 pairs of a popular and an unpopular track a model orders rightly, a phrase.

    Parameters
    ----------
    results : dict
        Of `evaluation.evaluate`.
    model : str, optional
        The one with the highest AUC if not given.
    """
    model = model or best_model(results)
    auc = results["models"][model]["auc"]
    what = ("synthetic tracks" if "upper_bound" in results["models"]
            else "real recordings, which listeners liked or not, no hip-hop")
    return (f"{100 * auc['mean']:.0f} [{100 * auc['low']:.0f}, {100 * auc['high']:.0f}] on "
            f"{results['corpus']['tracks']:,} {what} ({label_of(model)})")


def checked(found):
    """What `scoring_checks.check` found of one model, sentences."""
    model = f"{label_of(found['model'])} of “{found['corpus']}” ({found['networks']} networks)"
    best = "{mean:.0%} [{low:.0%}, {high:.0%}]".format(**found["best"])
    lines = [f"{model}, on {found['songs']} rendered songs: within a song its score moves with the "
             f"causes that were planted (rank correlation {estimate(found['windows'], 2)}), and "
             f"{best} of a song's other windows have less of them than the one called best, where "
             "a blind choice has 50%."]
    if found["told"]:
        lines.append(f"Of {found['told']:,} orders of two songs that {MIN_NETWORKS} of its "
                     "networks tell in any choice of them, the others turn round "
                     f"{found['turned']:,} ({found['turned'] / found['told']:.1%}).")
    return " ".join(lines)


def in_clip(start, end):
    """How a stretch of a clip is called."""
    return f"{start:g} to {end:g} s"


def claims(explanation, span=in_clip):
    """What may be quoted: a sentence for each stretch of claimed cells, strongest first.

    Parameters
    ----------
    explanation : Attribution
    span : callable
        How to call a stretch, of its start and end in s of the clip.
    """
    grid, runs, regions = explanation.grid, explanation.r2.size, []
    signs = np.sign(explanation.weights) * explanation.stable
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
    strong, who = explanation.confirmed[band, cells], " and ".join(explanation.other_methods)
    if not who:
        return ""
    if strong.all():
        return f" {who.capitalize()} say the same."
    return (f" {who.capitalize()} say the same of "
            + ("part of it." if strong.any() else "none of it: a weak claim."))


def doubts(explanation):
    """Witnesses that name other cells, a sentence each."""
    if np.abs(explanation.weights).max() < MIN_WEIGHT:
        return []
    return [f"Over the whole clip {name} and LIME disagree (rank correlation {correlation:.2f}): "
            "believe only what both say."
            for name, correlation in explanation.correlations.items()
            if correlation < MIN_CORRELATION]


def told(explanation, model):
    """All that is said of one clip, Markdown bullets.

    Parameters
    ----------
    explanation : Attribution
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
