"""How well a model orders the tracks of one artist: the client's question.

An artist compares their own songs, and fame is the same in each of these pairs. Few artists have
many tracks, so a percentile interval over artists is too narrow here; see `mean_over_artists`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, spearmanr, t
from sklearn.metrics import roc_auc_score

from hiphoplib.evaluation.bootstrap import Estimate

MIN_TRACKS = 5  # of an artist who counts
MOST_PAIRS = 12  # that an artist's weight grows with, so that no single one decides
SHARES = (1.0, 0.5, 0.25, 0.1)  # of the pairs that are answered


def within_artist(y_true: np.ndarray, popularity: np.ndarray, scores: np.ndarray,
                  artists: Sequence[str]) -> dict | None:
    """Measure AUC, Spearman's and Kendall's correlation among the tracks of one artist.

    Parameters
    ----------
    y_true : np.ndarray of 0 and 1 [shape=(n,)]
    popularity : np.ndarray [shape=(n,)]
    scores : np.ndarray [shape=(n, seeds)]
    artists : sequence of str [shape=(n,)]
        The main artist of each track.

    Returns
    -------
    dict or None
        ``mean``, ``low`` and ``high`` of the AUC; ``artists`` and ``pairs`` that it is of;
        ``spearman`` and ``kendall``. None where fewer than three artists have enough tracks.
    """
    found: dict[str, list] = {"auc": [], "spearman": [], "kendall": []}
    for rows in _by_artist(artists):
        y, x, by_seed = y_true[rows], popularity[rows], scores[rows].T
        if 0 < y.sum() < len(y):
            found["auc"].append((y.sum() * (len(y) - y.sum()),
                                 [roc_auc_score(y, score) for score in by_seed]))
        if len(set(x)) > 1:
            pairs = len(x) * (len(x) - 1) / 2
            for name, of in (("spearman", spearmanr), ("kendall", kendalltau)):
                found[name].append((pairs, [of(x, score).statistic if len(set(score)) > 1 else 0
                                            for score in by_seed]))
    if min(map(len, found.values())) < 3:
        return None
    means = {name: asdict(mean_over_artists(*map(np.array, zip(*values))))
             for name, values in found.items()}
    return {**means.pop("auc"), "artists": len(found["auc"]),
            "pairs": int(sum(pairs for pairs, _ in found["auc"])), **means}


def _by_artist(artists) -> Iterator[np.ndarray]:
    """Rows of each artist with enough of them."""
    rows = pd.Series(np.arange(len(artists))).groupby(np.asarray(artists, dtype=object))
    return (own for own in rows.indices.values() if len(own) >= MIN_TRACKS)


def mean_over_artists(pairs: np.ndarray, values: np.ndarray) -> Estimate:
    """Average a quantity of artists, with an interval by Student's t.

    An artist weighs as much as the pairs behind the value, `MOST_PAIRS` at most; the degrees of
    freedom are those of as many equal weights as the weights amount to (Kish, "Survey Sampling",
    1965). With several seeds their variance is added.

    Parameters
    ----------
    pairs : np.ndarray [shape=(artists,)]
    values : np.ndarray [shape=(artists, seeds)]

    Returns
    -------
    Estimate

    Examples
    --------
    >>> f"{mean_over_artists(np.array([4, 6, 30]), np.array([[0.5], [0.75], [0.6]])):.2f}"
    '0.62 [0.28, 0.97]'
    """
    weights = np.minimum(pairs, MOST_PAIRS) / np.minimum(pairs, MOST_PAIRS).sum()
    by_artist, by_seed = values.mean(axis=1), weights @ values
    mean, size = float(weights @ by_artist), 1 / (weights ** 2).sum()
    variance = (weights ** 2 * (by_artist - mean) ** 2).sum() * size / (size - 1)
    if values.shape[1] > 1:
        variance += by_seed.var(ddof=1) / values.shape[1]
    half = float(t.ppf(0.975, size - 1) * np.sqrt(variance))
    return Estimate(mean, mean - half, mean + half)


def selective_accuracy(popularity: np.ndarray, score: np.ndarray, artists: Sequence[str],
                       shares: Sequence[float] = SHARES) -> list[dict]:
    """Measure how many pairs of one artist's tracks are in the right order, by the margin.

    A model that may abstain answers the pairs whose scores differ most. An order is right if the
    track that is put first is the more popular one; pairs of equal popularity do not count.

    Parameters
    ----------
    popularity, score : np.ndarray [shape=(n,)]
    artists : sequence of str [shape=(n,)]
        The main artist of each track.
    shares : sequence of float in (0, 1]
        Of all pairs, those that are answered.

    Returns
    -------
    list of dict
        ``share``, ``margin`` from which on that many are answered, ``pairs``, ``artists``, and
        ``accuracy`` with ``mean``, ``low`` and ``high``; a share is left out where fewer than
        three artists have pairs. Equal scores are in the right order by half.
    """
    pairs = pd.DataFrame(
        [(number, abs(score[i] - score[j]),
          (1 + np.sign(score[i] - score[j]) * np.sign(popularity[i] - popularity[j])) / 2)
         for number, rows in enumerate(_by_artist(artists))
         for i, j in combinations(rows, 2) if popularity[i] != popularity[j]],
        columns=["artist", "margin", "right"])
    curve = []
    for share in shares:
        margin = pairs["margin"].quantile(1 - share)
        answered = pairs[pairs["margin"] >= margin]
        by_artist = answered.groupby("artist")["right"].agg(["size", "mean"])
        if len(by_artist) >= 3:
            accuracy = mean_over_artists(by_artist["size"].to_numpy(),
                                         by_artist[["mean"]].to_numpy())
            curve.append({"share": share, "margin": float(margin),
                          "pairs": len(answered), "artists": len(by_artist),
                          "accuracy": asdict(accuracy)})
    return curve
