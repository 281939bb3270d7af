"""Sentences and tables that follow from results, so that no number in prose is typed."""

import pandas as pd

from hiphoplib.evaluation.bootstrap import verdict
from hiphoplib.report.model_names import ORACLES, label_of

CAVEAT = ("A result on the synthetic corpus shows that the method works, "
          "never what makes a hit.")


def estimate(metric, digits=3):
    """A metric with its 95 % interval, for example "0.646 [0.590, 0.700]"."""
    return (f"{metric['mean']:.{digits}f} "
            f"[{metric['low']:.{digits}f}, {metric['high']:.{digits}f}]")


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
        how = f"the newest {max(p['folds'], 1) * 10} %, each tenth judged by models of what came "
        whom = "before it"
    else:
        how = (f"{p['folds']}-fold cross-validation: every track is scored once by models that saw "
               "neither it nor " if p["folds"] else "one holdout of 10 %, never seen with ")
        whom = {"artist": "its artists", "random": "its copies"}[p["split"]]
    return (f"{corpus['tracks']:,} tracks by {corpus['artists']:,} artists, split by {p['split']}; "
            f"{how}{whom}. {p['heldout']:,} held-out tracks, {p['positive_share']:.0%} of them "
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
    return [name for name in results["models"] if name not in ("dummy", *ORACLES)]


def recovered(results, model="rnn"):
    """What share of the oracle's lift over chance a model recovers; empty without an oracle."""
    if "oracle" not in results["models"]:
        return ""
    oracle = results["models"]["oracle"]["auc"]
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
        "oracle" in results["models"]) else ""
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
