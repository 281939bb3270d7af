"""Sentences and tables that follow from results, so that no number in prose is typed."""

import pandas as pd

from hiphoplib.evaluation.bootstrap import Estimate, verdict
from hiphoplib.report.style import NOT_FOR_USE, in_order, label_of
from hiphoplib.tracks.synthetic.corpus import CAVEAT

SPLIT_WORDS = {"artist": "where artists are held out", "time": "where the newest tracks are",
               "random": "where tracks are drawn at random"}
COMBINED = "ensemble_metadata", "ensemble"  # what context adds is the difference of these


def estimate(metric, digits=3):
    """A metric with its 95 % interval, for example "0.646 [0.590, 0.700]"."""
    return f"{Estimate.read(metric):.{digits}f}"


def what_ran(tracks, name):
    """Which corpus a report is about and what that means for its findings, Markdown.

    Parameters
    ----------
    tracks : pd.DataFrame
        The tracks table.
    name : str
        Name of the corpus' folder.
    """
    kinds = ", ".join(tracks["popularity_kind"].dropna().unique()[:5])
    head = (f"**This report ran on the corpus “{name}”: {len(tracks):,} rows, "
            f"{tracks['artists'].explode().nunique():,} artists.** ")
    if (tracks["source"] == "synthetic").all():
        return head + ("Its tracks are beats that the project renders itself, by artists that it "
                       "invents, and the causes of their popularity are known. That makes it a "
                       f"test of the method: what can be found is there to be found. {CAVEAT}")
    return head + (f"Popularity here is: {kinds or 'not said by the source'}. What is found holds "
                   "for this collection and this judgement, and for nothing else.")


def what_went(steps):
    """How many rows were gathered and what became of them, one sentence.

    Parameters
    ----------
    steps : pd.DataFrame
        As `clean_tracks` gives them.
    """
    gone = [f"{row.gone:,} at “{row.step}”" for row in steps.itertuples() if row.gone]
    return (f"{steps['left'].iloc[0]:,} rows were gathered and {steps['left'].iloc[-1]:,} tracks "
            f"are left; {', '.join(gone) or 'none'} went.")


def artists_share(own, real):
    """How much of popularity goes with the artist, here and in real data, two sentences.

    Parameters
    ----------
    own, real : dict
        Shapes of this corpus and of a real one.
    """
    here = ("cannot be told, since no artist has two tracks" if own["artist_share"] is None
            else f"is {own['artist_share']:.0%}")
    return (f"Of the variance of popularity, {real['artist_share']:.0%} lies between artists, not "
            f"within them, in {real['name']}. In this corpus the share {here}.")


def protocol(results):
    """How the corpus was split and how many tracks were judged, one sentence."""
    p, corpus = results["protocol"], results["corpus"]
    if p["split"] == "time":
        how = (
            f"the newest {max(p['folds'], 1) * 10} %, each tenth judged by models of what came "
        )
        whom = "before it"
    else:
        how = (f"{p['folds']}-fold cross-validation: every track is scored once by models that saw "
               "neither it nor " if p["folds"] else "one holdout of 10 %, never seen with ")
        whom = {"artist": "its artists", "random": "its copies"}[p["split"]]
    return (f"{corpus['tracks']:,} tracks by {corpus['artists']:,} artists, split by {p['split']}; "
            f"{how}{whom}. {p['test_tracks']:,} held-out tracks, {p['positive_share']:.0%} of them "
            f"popular (popularity of at least {p['threshold']:.4g}, the training median).")


def against_chance(results, model="rnn"):
    """Whether a model orders tracks better than chance, one sentence."""
    auc, name = results["models"][model]["auc"], label_of(model)
    told = f"AUC {estimate(auc)}"
    return verdict(
        auc, f"The {name} orders unseen tracks better than chance: {told}.",
        f"The {name} orders unseen tracks worse than chance: {told}.",
        f"The {name} cannot be told from chance on this corpus: {told}, which includes 0.5.", 0.5)


def against_rnn(results, metric="auc"):
    """Which models differ from the RNN by their paired intervals, one sentence."""
    better, worse, same = [], [], []
    for name in candidates(results):
        difference = results["paired"].get(f"{name}-rnn")
        if difference:
            verdict(difference[metric], better, worse, same).append(
                f"{label_of(name)} ({estimate(difference[metric])})")
    parts = [f"{said} {', '.join(models)}" for said, models in (
        ("better:", better), ("worse:", worse), ("no difference shows:", same)) if models]
    return (f"Against the RNN of 2021, difference in {metric.upper()} with its interval: "
            + "; ".join(parts) + ".")


def candidates(results):
    """Models that a client could use, list of str: neither guessing nor an oracle."""
    return [name for name in results["models"] if name not in ("dummy", *NOT_FOR_USE)]


def recovered(results, model="rnn"):
    """What share of the oracle's lift over chance a model recovers; empty without an oracle."""
    if "upper_bound" not in results["models"]:
        return ""
    oracle = results["models"]["upper_bound"]["auc"]
    share = results["models"][model]["recovered"]
    return (f"An oracle that knows every audible cause, and nothing else, reaches AUC "
            f"{estimate(oracle)}: no model can hear more. The {label_of(model)} recovers "
            f"{share['mean']:.0%} [{share['low']:.0%}, {share['high']:.0%}] of its lift over "
            "chance.")


def best_model(results):
    """The model with the highest mean AUC, its key; others may be no worse."""
    return max(candidates(results), key=lambda name: results["models"][name]["auc"]["mean"])


def recommendation(results):
    """What the client may do with such a model, Markdown."""
    model = best_model(results)
    auc, name = results["models"][model]["auc"], label_of(model)
    # only the synthetic corpus has an oracle, and no song may be ranked by what it taught
    scope = f" That is said of the beats of this corpus. {CAVEAT}" if (
        "upper_bound" in results["models"]) else ""
    if auc["low"] <= 0.5:
        return (f"**Do not rank songs with these models yet.** The highest AUC, of the {name}, "
                f"is {estimate(auc)}; its interval includes 0.5, which is a coin toss. "
                f"Gather more tracks first.{scope}")
    return (f"**Use the ranking as one vote among several.** The model with the highest AUC, the "
            f"{name}, puts a popular track above an unpopular one in {auc['mean']:.0%} of pairs "
            f"(95 % interval {auc['low']:.0%} to {auc['high']:.0%}), a coin toss in 50 %. That "
            f"helps to choose where to listen again; it decides about no single song.{scope}")


def summary(results):
    """The findings in one paragraph, Markdown."""
    dummy = results["models"]["dummy"]["accuracy"]
    lines = [protocol(results), against_chance(results),
             f"Its accuracy is {estimate(results['models']['rnn']['accuracy'])}; always saying the "
             f"more frequent class gives {estimate(dummy)}.",
             against_rnn(results), recovered(results, best_model(results)),
             recommendation(results)]
    return "\n\n".join(line for line in lines if line)


def results_table(results):
    """The ladder as a table, pd.DataFrame with one row a model; columns without a value are out."""
    def told(model, key, digits=3):
        return estimate(model[key], digits) if model.get(key) else "–"

    rows = {label_of(name): {
        "AUC [95 % interval]": estimate(model["auc"]),
        "accuracy [95 % interval]": estimate(model["accuracy"]),
        "of the oracle's lift": told(model, "recovered", 2),
        "AUC within one artist": told(model, "within_artist"),
        "AUC within genre": told(model, "within_genre"),
        "Brier": f"{model['brier']['mean']:.3f}",
        "AUC by seed": ", ".join(f"{auc:.3f}" for auc in model["auc"]["by_seed"]),
        "parameters": f"{model['parameters']:,}" if "parameters" in model else "–",
    } for name, model in results["models"].items()}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return table.loc[:, (table != "–").any()]


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


def precision_at_k(results, model):
    """What the best of ten is worth by a model, a sentence a base rate."""
    told, lines = results["models"][model]["precision_at_k"], []
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
                f"context alone has AUC {estimate(models['metadata']['auc'])}.")
    difference = results["paired"][pair]["auc"]
    said = verdict(difference, "adds to the sound", "takes from the sound",
                   "does not show to add to the sound")
    return (f"Release month and weekday, duration, explicit, album type, guests and how many "
            f"tracks are out already: alone AUC {estimate(models['metadata']['auc'])}, the "
            f"sound alone {estimate(models['ensemble']['auc'])}, both "
            f"{estimate(models['ensemble_metadata']['auc'])}. Context {said}: difference "
            f"{estimate(difference)}.")


def combined(results):
    """Whether the ensemble beats each of its parts, a sentence; empty without an ensemble."""
    gaps = {part: results["paired"][f"ensemble-{part}"]["auc"] for part in ("musicnn", "crnn")
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
