"""What is said of a client's songs: in his words, and never more than the numbers carry."""

import html
import re

import numpy as np

from hiphoplib.evaluation.bootstrap import verdict
from hiphoplib.report.figures_songs import clock
from hiphoplib.report.model_names import label_of
from hiphoplib.report.sentences import CAVEAT, best_model, estimate
from hiphoplib.scoring.ranking import FEWEST, LEAST, SURE
from hiphoplib.scoring.score import place

MOST_NAMED = 4  # songs in one sentence
LONGEST = 40  # letters of a name in it
BANNER = ("This model learnt from a synthetic corpus, beats that a program renders and whose "
          "popularity a program sets. Its scores show that the method works. They say nothing "
          "about your songs in the real world.")


def headline(scored):
    """How much of an order there is, one sentence."""
    n, told = len(scored.songs), int(scored.told.sum())
    pairs = n * (n - 1) // 2
    if n == 1:
        return "One song, and nothing to compare it with."
    if not told:
        return f"The model cannot tell these {n} songs apart: all are about the same."
    if n == 2:
        return f"The model puts “{_short(scored.songs[0].name)}” above the other song."
    first = [song.name for song, place in zip(scored.songs, scored.places) if place[1] == 1]
    lead = f"“{_short(first[0])}” is first. " if first else "No song is surely first. "
    if told == pairs:
        return lead + f"The model tells all {pairs} pairs of songs apart."
    return lead + (f"Of {pairs} pairs of songs the model tells {told} apart; the others are about "
                   "the same.")


def compared(scored, number):
    """Where one song stands among the others, sentences."""
    told = scored.told
    others = {"Above": np.flatnonzero(told[number]), "About the same as": scored.same(number),
              "Below": np.flatnonzero(told[:, number])}
    return [f"{what} {_named(scored, number, numbers)}." for what, numbers in others.items()
            if len(numbers)]


def _named(scored, number, others):
    """Songs by name, and how often one is above each; many by their number."""
    if len(others) > MOST_NAMED:
        return f"{len(others)} songs"
    return ", ".join(f"“{_short(scored.songs[other].name)}” ({scored.above[number, other]:.0%})"
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
               if networks >= FEWEST else f"Fewer than {FEWEST} networks answer, too few for any "
               "order to be sure: train with more seeds or folds")
    return [
        f"Score: the probability that 30 seconds of the song are popular, which for this model "
        f"means a popularity of at least {card['threshold']:.3g} ({kind}). Of the tracks that it "
        f"was tested on, {card['protocol']['positive_share']:.0%} are. {several}.",
        "Dot and bar: the mean over the song, and where eight of ten of its 30 s windows lie.",
        "Dotted line: 50%. “Above 75% of tracks”: of the tracks that the model was tested on, one "
        "clip each, its windows score above so many.",
        f"Order: one song is put above another only if at least {FEWEST} networks answer, each "
        f"puts it higher, the scores differ by {100 * LEAST:.0f} points or more, and it is so in "
        f"{SURE:.0%} of all pairs of their windows, or more where that gives no order. The per "
        "cent behind a name say in how many pairs.",
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
        f"{protocol['heldout']:,} tracks, split by {protocol['split']}): {said}. Guessing has "
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
    lift = next((row["lift"] for row in told["sieve"]
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
        f"{song.score:4.0%}  place {place(*places):9s} best {clock(song.best):>5s}  {song.name}"
        + (f"  ({song.note})" if song.note else "")
        for song, places in zip(scored.songs, scored.places))


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
    what = ("synthetic tracks" if "oracle" in results["models"]
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
        lines.append(f"Of {found['told']:,} orders of two songs that {FEWEST} of its networks tell "
                     f"in any choice of them, the others turn round {found['turned']:,} "
                     f"({found['turned'] / found['told']:.1%}).")
    return " ".join(lines)
