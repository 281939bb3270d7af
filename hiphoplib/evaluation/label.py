"""How reliable the label is: thresholds, the middle band, versions of one recording, and age."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from hiphoplib.dataset.splits import artist_groups, label_popular
from hiphoplib.evaluation.bootstrap import RESAMPLES, Bootstrap, Resampled, weighted_auc
from hiphoplib.evaluation.rank_metrics import spearman
from hiphoplib.tracks.cleaning import recordings
from hiphoplib.tracks.describe import intraclass

PERCENTILES = (20, 30, 40, 50, 60, 70, 80)
SHARES = (0, 0.2, 0.4, 0.6)  # of the tracks: the middle band that is left out
AGE_BINS = 6  # of about as many tracks each; tracks of one day stay together


def describe_label(
    raw: pd.DataFrame,
    tracks: pd.DataFrame,
    ids: Sequence[str],
    scores: dict[str, np.ndarray],
    boot: Bootstrap,
) -> dict:
    """Return everything of this module, as it stands in a results file under "label".

    Parameters
    ----------
    raw : pd.DataFrame
        The tracks table as it was gathered, every version a row.
    tracks : pd.DataFrame
        The cleaned one.
    ids : sequence of str [shape=(n,)]
        Of the tracks that `scores` and `boot` are of, in their order.
    scores : dict of str to np.ndarray [shape=(n, seeds)]
        Probabilities on the test set by model: of few, each is measured some ten times.
    boot : Bootstrap

    Returns
    -------
    dict
        ``by_threshold``, ``without_middle``, ``versions``, ``age``.
    """
    popularity = tracks.set_index("id")["popularity"].loc[list(ids)].to_numpy()
    return {
        "by_threshold": _auc_by_threshold(popularity, scores, boot),
        "without_middle": _auc_without_middle(popularity, scores, boot),
        "versions": version_noise(raw, resamples=len(boot.weights)),
        "age": popularity_by_age(tracks, resamples=len(boot.weights)),
    }


def _auc_by_threshold(popularity, scores, boot, thresholds=None):
    """AUC of models that stay as they are, for labels by other thresholds."""
    popularity = np.asarray(popularity, dtype=float)
    if thresholds is None:
        thresholds = np.percentile(popularity, PERCENTILES)
    labels = {float(t): (popularity >= t).astype(int) for t in thresholds}
    return [
        {
            "threshold": threshold,
            "positive_share": float(y.mean()),
            "models": _aucs(y, scores, boot),
        }
        for threshold, y in labels.items()
        if 0 < y.mean() < 1
    ]


def _auc_without_middle(popularity, scores, boot, shares=SHARES):
    """AUC of the same models without the tracks nearest to the median, by rank.

    Where a noisy label is often wrong, near the threshold, a good ranking has most to lose.
    """
    popularity = np.asarray(popularity, dtype=float)
    y = label_popular(pd.Series(popularity), np.ones(len(popularity)))[0].to_numpy()
    distance = np.abs(rankdata(popularity) - (len(y) + 1) / 2)
    rows = []
    for share in shares:
        kept = distance >= np.sort(distance)[min(round(share * len(y)), len(y) - 1)]
        if 0 < y[kept].mean() < 1:
            kept_scores = {name: score[kept] for name, score in scores.items()}
            rows.append(
                {
                    "left_out": float(share),
                    "tracks": int(kept.sum()),
                    "models": _aucs(y[kept], kept_scores, boot[kept]),
                }
            )
    return rows


def _aucs(y_true, scores, boot):
    """AUC of every model, the mean over its seeds, with the interval of that mean."""
    return {
        name: asdict(boot.estimate(weighted_auc, y_true, score)) for name, score in scores.items()
    }


def version_noise(
    tracks: pd.DataFrame, threshold: float | None = None, resamples: int = RESAMPLES
) -> dict | None:
    """Measure how far versions of one recording, which sound alike, agree in popularity.

    On a service they differ not by chance alone: the single is promoted, the album version is not,
    and a playlist holds one of them. What is found is then more than the noise of a label, and the
    ceiling lower than it is for songs that are all new singles.

    Parameters
    ----------
    tracks : pd.DataFrame
        The tracks table as it was gathered, every version a row.
    threshold : float, optional
        Popular from it on; the table's median if not given.
    resamples : int
        Bootstrap samples of artists.

    Returns
    -------
    dict or None
        None if no recording is there twice. ``recordings`` that are there more than once and their
        ``versions``; ``threshold``; ``apart``, how many of the pairs of versions of a recording
        lie on two sides of it, the mean share over recordings, and ``apart_by_chance``, that of
        any two rows; ``correlation``, the intraclass one of their normal scores (by their ranks
        in the whole table, since a label and an AUC see no more); ``ceiling``, `_highest_auc` for
        it. ``apart``, ``correlation`` and ``ceiling`` have ``mean``, ``low`` and ``high``; the
        second is None where it is not defined, the third also where the second is not above 0:
        such versions are no measurements of one quantity.
    """
    known = tracks[tracks["popularity"].notna()].reset_index(drop=True)
    recording = recordings(known)
    versions = known[recording.duplicated(keep=False)]
    if versions.empty:
        return None
    popularity = known["popularity"]
    threshold = float(popularity.median() if threshold is None else threshold)
    member = pd.factorize(recording[versions.index])[0]
    popular = (popularity >= threshold).astype(float)
    z = norm.ppf((rankdata(popularity) - 0.5) / len(known))[versions.index]
    # a recording's artists by all spellings, so that all of its versions are drawn together
    artists = versions["artists"].groupby(member).sum()
    groups = artist_groups(pd.DataFrame({"id": artists.index, "artists": artists}))
    weights = Bootstrap(groups, resamples).weights.astype(float)
    size, ups = np.bincount(member), np.bincount(member, popular[versions.index])
    pairs_apart = ups * (size - ups) / (size * (size - 1) / 2)
    apart = Resampled(pairs_apart.mean(), weights @ pairs_apart / weights.sum(axis=1))
    once = np.ones((1, len(artists)))
    agreement = Resampled(intraclass(z, member, once)[0], intraclass(z, member, weights))
    correlation = ceiling = None
    if np.isfinite(agreement.value):
        correlation = asdict(agreement.estimate())
    if agreement.value > 0:
        draws = _highest_auc(np.clip(agreement.draws, 0, 1))
        ceiling = asdict(Resampled(_highest_auc(agreement.value), draws).estimate())
    return {
        "recordings": len(artists),
        "versions": len(versions),
        "threshold": threshold,
        "apart": asdict(apart.estimate()),
        "apart_by_chance": float(2 * popular.mean() * (1 - popular.mean())),
        "correlation": correlation,
        "ceiling": ceiling,
    }


def _highest_auc(correlation):
    """AUC of a listener who hears all that versions of a recording have in common.

    Model: the normal score X of a version is T + E, T the recording's own, E drawn anew for each
    version, both normal and independent; `correlation` is that of two versions, the share of T in
    the variance. The label is X above its median, the listener ranks by T. For two tracks, AUC is
    the probability that T1 > T2 given X1 above and X2 below: four times the probability that
    three normal variables, T1 - T2, X1 and -X2, are all positive. By Sheppard's formula (W. F.
    Sheppard, Phil. Trans. R. Soc. A 192, 1899), for three in David, Biometrika 40, 1953, it is
    1/8 + (the sum of the arcsines of their correlations) / 4π, with the correlations √(ρ/2),
    √(ρ/2) and 0.
    """
    return 0.5 + 2 / np.pi * np.arcsin(np.sqrt(np.asarray(correlation) / 2))


def popularity_by_age(tracks: pd.DataFrame, resamples: int = RESAMPLES) -> dict | None:
    """Measure popularity against the days from a release to the newest one of the table.

    Parameters
    ----------
    tracks : pd.DataFrame
        A tracks table; rows without a date or popularity do not count.
    resamples : int
        Bootstrap samples of artists.

    Returns
    -------
    dict or None
        None with fewer than three days or two numbers. ``tracks``; ``spearman`` with ``mean``,
        ``low``, ``high``; ``bins``, list of dict: ``from`` and ``to`` in days, ``tracks``, and of
        their popularity ``median`` and the quartiles ``q25`` and ``q75``.
    """
    known = tracks[tracks["popularity"].notna() & tracks["release_date"].notna()]
    days = (known["release_date"].max() - known["release_date"]).dt.days
    popularity = known["popularity"]
    if days.nunique() < 3 or popularity.nunique() < 2:
        return None
    x, y = days.to_numpy(), popularity.to_numpy()
    boot = Bootstrap(artist_groups(known), resamples)
    parts = popularity.groupby(pd.qcut(days, AGE_BINS, labels=False, duplicates="drop"))
    return {
        "tracks": len(known),
        "spearman": asdict(boot.estimate(spearman, x, y)),
        "bins": [
            {
                "from": int(days[part.index].min()),
                "to": int(days[part.index].max()),
                "tracks": len(part),
                "median": float(part.median()),
                "q25": float(part.quantile(0.25)),
                "q75": float(part.quantile(0.75)),
            }
            for _, part in parts
        ],
    }
