"""Sentences of the findings beyond the ladder; what they claim follows from the intervals."""

import pandas as pd

from hiphoplib.evaluation.bootstrap import verdict
from hiphoplib.report.model_names import in_order, label_of
from hiphoplib.report.sentences import best_model, candidates, estimate

SPLIT_WORDS = {"artist": "where artists are held out", "time": "where the newest tracks are",
               "random": "where tracks are drawn at random"}
COMBINED = "with_context", "ensemble"  # what context adds is the difference of these


def within_artist(results, model):
    """How a model orders the songs of one artist, which is what a client compares; a sentence."""
    told, name = results["models"][model]["within_artist"], label_of(model)
    if told is None:
        return ("Among one artist's own songs nothing can be said: no artist here has five "
                "held-out tracks of both classes.")
    said = verdict(told, "orders them better than chance", "orders them worse than chance",
                   "cannot be told from chance there", 0.5)
    return (f"Among one artist's own songs ({told['artists']} artists with at least five held-out "
            f"tracks of both classes) the {name} {said}: AUC {estimate(told)}; over all tracks it "
            f"is {estimate(results['models'][model]['auc'])}.")


def within_genre(results, model):
    """How much of a model's AUC is left among tracks of one genre; empty without genres."""
    told = results["models"][model]["within_genre"]
    if told is None:
        return ""
    return (f"Part of an AUC over all tracks is genre. Within its {told['genres']} genres the "
            f"{label_of(model)} has AUC {estimate(told)}, over all tracks "
            f"{estimate(results['models'][model]['auc'])}.")


def sieve(results, model):
    """What the best of ten is worth by a model, a sentence a base rate."""
    told, lines = results["models"][model]["sieve"], []
    for base in (None, 0.2):
        one, three = (next(row for row in told if (row["k"], row["base"]) == (k, base))
                      for k in (1, 3))
        rate = results["protocol"]["positive_share"] if base is None else base
        said = verdict(one["lift"], "", " That is worse than a blind pick.",
                       " A blind pick may be as good.", 1)
        lines.append(
            f"Where {rate:.0%} of songs are hits, the first of ten by the "
            f"{label_of(model)} is one with probability {estimate(one['hit_share'], 2)} "
            f"(lift {estimate(one['lift'], 2)}), and of the first three a share of "
            f"{estimate(three['hit_share'], 2)} is (lift {estimate(three['lift'], 2)}).{said}")
    return " ".join(lines)


def probabilities(results, model):
    """Whether a model's probabilities beat the base rate, a sentence."""
    skill = results["models"][model]["brier_skill"]
    said = verdict(skill, "say more than the base rate", "are worse than the base rate",
                   "cannot be told from the base rate")
    return (f"Calibrated on the test side, the probabilities of the {label_of(model)} "
            f"{said}: they take {estimate(skill)} of its squared error away (Brier skill).")


def context(results):
    """What is known before a release besides the sound, and whether it adds; one sentence."""
    models, pair = results["models"], "-".join(COMBINED)
    if pair not in results["paired"]:
        return ("Sound and context together need the transferred features and a trained CRNN; "
                f"context alone has AUC {estimate(models['without_sound']['auc'])}.")
    difference = results["paired"][pair]["auc"]
    said = verdict(difference, "adds to the sound", "takes from the sound",
                   "does not show to add to the sound")
    return (f"Release month and weekday, duration, explicit, album type, guests and how many "
            f"tracks are out already: alone AUC {estimate(models['without_sound']['auc'])}, the "
            f"sound alone {estimate(models['ensemble']['auc'])}, both "
            f"{estimate(models['with_context']['auc'])}. Context {said}: difference "
            f"{estimate(difference)}.")


def combined(results):
    """Whether the ensemble beats each of its parts, a sentence; empty without an ensemble."""
    gaps = {part: results["paired"][f"ensemble-{part}"]["auc"] for part in ("transfer", "crnn")
            if f"ensemble-{part}" in results["paired"]}
    said = [verdict(gap, "beats", "is beaten by", "cannot be told from")
            + f" the {label_of(part)} (difference {estimate(gap)})" for part, gap in gaps.items()]
    return f"The {label_of('ensemble')} {' and '.join(said)}." if said else ""


def split_gap(results):
    """What the split does to the score, sentences; empty where splits were not compared."""
    splits = results.get("splits", {"models": {}})
    lines = []
    for model, told in splits["models"].items():
        gap, name = told["random-artist"], label_of(model)
        said = verdict(gap, f"is inflated by {estimate(gap)}", f"is lower by {estimate(gap)}",
                       f"shows no difference, {estimate(gap)}")
        lines.append(f"{name}: with tracks held out at random its AUC {said}"
                     + (f"; among tracks whose artist it learnt from the gap is "
                        f"{estimate(told['known'])}, among the others "
                        f"{estimate(told['unknown'])}" if {"known", "unknown"} <= set(told) else "")
                     + (f". Held out by time, on the same tracks, its AUC differs by "
                        f"{estimate(told['time-artist'])}." if "time-artist" in told else "."))
    if not lines:
        return ""
    known = splits["known"]
    shares = ", ".join(f"{known[split]:.0%} {words}" for split, words in SPLIT_WORDS.items()
                       if split in known)
    return (f"Share of held-out tracks whose main artist stands in the training data: {shares}. "
            "A model that recognises an artist can repeat that artist's fame, which no listener to "
            "an unknown song has; so only the artist split answers the client's question.\n\n- "
            + "\n- ".join(lines))


def label(told):
    """How much the label itself leaves to be found, sentences.

    Parameters
    ----------
    told : dict
        "label" of a results file, or the shape of a corpus: ``versions`` and ``age``.
    """
    versions, age, lines = told["versions"], told["age"], []
    if versions:
        apart, ceiling = versions["apart"], versions["ceiling"]
        lines.append(f"{versions['recordings']} recordings were released more than once: two "
                     f"releases of the same sound lie on two sides of the threshold in "
                     f"{apart['mean']:.0%} [{apart['low']:.0%}, {apart['high']:.0%}] of cases, any "
                     f"two rows in {versions['apart_by_chance']:.0%}."
                     + (" If releases were repeated measurements of one quantity, the best "
                        f"listener could reach AUC {estimate(ceiling)}." if ceiling else
                        " Releases agree no better than strangers do: they differ in more than "
                        "chance, so they do not measure the label's noise."))
    if age:
        rho = age["spearman"]
        said = verdict(rho, "Older tracks are more popular", "Newer tracks are more popular",
                       "Popularity does not show to go with age")
        lines.append(f"{said} (Spearman {estimate(rho, 2)} of popularity and days since release).")
    return " ".join(lines)


def power(results):
    """How many tracks a finding needs, a sentence a model; empty where it was not measured."""
    lines = []
    for model, bars in results.get("power", {"needed": {}})["needed"].items():
        said = [f"excludes {bar} from {n:,} tracks on" if n else
                f"does not exclude {bar} at {results['corpus']['tracks']:,} tracks"
                for bar, n in bars.items()]
        lines.append(f"{label_of(model)}: the interval " + " and ".join(said) + ".")
    return " ".join(lines)


def corpora(all_results):
    """What holds on every corpus that was run and what does not, Markdown.

    Parameters
    ----------
    all_results : list of dict
        Results files, the synthetic ones among them.
    """
    lines = []
    for results in all_results:
        name, models = results["corpus"]["name"], results["models"]
        best = best_model(results)
        lines.append(
            f"- **{name}**, {results['corpus']['tracks']:,} tracks. Popular means: "
            f"{plain(results['corpus']['popularity_kind'])}. Highest AUC: the "
            f"{label_of(best)}, {estimate(models[best]['auc'])}. {_beats_rnn(results)}")
    return "\n".join(lines)


def _beats_rnn(results):
    """Models whose paired interval lies above the RNN's, a sentence."""
    better = [label_of(name) for name in candidates(results) if _above_rnn(results, name)]
    return (f"Better than the RNN of 2021 by their paired intervals: {', '.join(better)}."
            if better else "No model is better than the RNN of 2021 by its paired interval.")


def _above_rnn(results, name):
    gap = results["paired"].get(f"{name}-rnn")
    return bool(gap) and gap["auc"]["low"] > 0


def on_all(all_results):
    """Which models are above chance, and above the RNN, on every corpus; two sentences."""
    shared = [name for name in candidates(all_results[0])
              if all(name in results["models"] for results in all_results)]
    above, beats = (", ".join(label_of(name) for name in shared
                              if all(holds(results, name) for results in all_results))
                    for holds in (lambda results, name:
                                  results["models"][name]["auc"]["low"] > 0.5, _above_rnn))
    return (f"On every corpus above chance: {above or 'no model'}. On every corpus better than the "
            f"RNN: {beats or 'no model'}.")


def corpora_table(all_results):
    """AUC with interval of every model on every corpus, pd.DataFrame."""
    table = pd.DataFrame({results["corpus"]["name"]: {
        name: estimate(model["auc"]) for name, model in results["models"].items()}
        for results in all_results})
    table = table.loc[in_order(table.index)].rename(index=label_of)
    return table.fillna("–").rename_axis("AUC [95 % interval]")


def plain(words):
    """What others wrote, without what Markdown or HTML would read."""
    return "".join(c for c in words if c.isalnum() or c in " ,.;:()%-+'–—/&").strip()
