"""How good a choice is: the best k of n songs, those of one artist, the best of several models.

Among the tracks of one artist is the client's question: they compare their own songs, and fame is
the same in each of these pairs. Few artists have many tracks, so a percentile interval over artists
is too narrow there; see `mean_over_artists`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import binom, kendalltau, spearmanr, t
from sklearn.metrics import roc_auc_score

from hiphoplib.evaluation.bootstrap import Bootstrap, Estimate, Resampled, weighted_auc

MIN_TRACKS = 5  # of an artist who counts
MOST_PAIRS = 12  # that an artist's weight grows with, so that no single one decides
SHARES = (1.0, 0.5, 0.25, 0.1)  # of the pairs that are answered
LOOKS = (0.2, 0.4, 0.6, 0.8, 1.0)  # shares by which a margin is sought
BASE_RATES = None, 0.2  # of popular songs among those that are picked from; None is the observed
RELIABLE = 0.75  # lower end of the share of orders that are right


def precision_at_k(
    y_true: np.ndarray,
    score: np.ndarray,
    weights: np.ndarray,
    *,
    n: int = 10,
    k: int = 3,
    base: float | None = None,
) -> np.ndarray:
    """Return the share of popular songs among the k that a model puts first of n.

    The n songs are drawn one by one, each popular with probability `base`, its score one of the
    tracks of its class. Whether a song is among the first k depends on how many of the n - 1
    others are above it, a binomial number, so that no songs need be drawn: of ties, which are
    broken at random, the mean over their ranks is an integral with a closed form.

    Parameters
    ----------
    y_true : np.ndarray of 0 and 1 [shape=(tracks,)]
    score : np.ndarray [shape=(tracks,)]
    weights : np.ndarray [shape=(resamples, tracks)]
        How often each track stands in each resample.
    n, k : int
    base : float in (0, 1), optional
        Share of popular songs among those that are drawn from; that of the resample if not given.

    Returns
    -------
    np.ndarray [shape=(resamples,)]
        NaN where a resample has one class only.
    """
    order = np.argsort(-score, kind="stable")
    ranked, popular = score[order], y_true[order].astype(bool)
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    weights = weights[:, order].astype(float)
    pos, neg = (np.add.reduceat(weights * of, starts, axis=1) for of in (popular, ~popular))
    share = (
        pos.sum(axis=1) / weights.sum(axis=1)
        if base is None
        else np.full(len(weights), float(base))
    )[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        pos, neg = (of / of.sum(axis=1, keepdims=True) for of in (pos, neg))
        drawn = share * pos + (1 - share) * neg  # of a song: that it has this score
        above = np.clip(np.cumsum(drawn, axis=1), 0, 1)
        first = np.diff(_expected_first(above, n, k), prepend=0, axis=1)
        return n / k * (share * pos * np.where(drawn > 0, first / drawn, 0)).sum(axis=1)


def _expected_first(above, n, k):
    """Integral, from 0, of the probability that a song with so many above it is among the first k.

    The probability is that at most k - 1 of n - 1 are above; its integral is the mean of
    min(k, how many of n are above), divided by n.
    """
    return sum(binom.sf(j, n, above) for j in range(k)) / n


def _positive_share(y_true, score, weights):
    """Share of popular tracks, whatever their scores."""
    return weights @ y_true / weights.sum(axis=1)


def hit_shares(
    boot: Bootstrap, y_true: np.ndarray, scores: np.ndarray, picks: Sequence[tuple[int, int]]
) -> list[dict]:
    """Measure `precision_at_k` of a model and its lift over a random choice, with intervals.

    Parameters
    ----------
    boot : Bootstrap
    y_true : np.ndarray of 0 and 1 [shape=(tracks,)]
    scores : np.ndarray [shape=(tracks, seeds)]
    picks : sequence of (n, k)

    Returns
    -------
    list of dict
        ``n``, ``k``, ``base`` (None: observed), ``hit_share`` and ``lift``, each with ``mean``,
        ``low`` and ``high``. Lift is how many times as many hits as a random choice has.
    """
    rows = []
    for (n, k), base in ((pick, base) for pick in picks for base in BASE_RATES):
        share = boot.resample(partial(precision_at_k, n=n, k=k, base=base), y_true, scores)
        blind = base or boot.resample(_positive_share, y_true, scores[:, 0])
        rows.append(
            {
                "n": n,
                "k": k,
                "base": base,
                "hit_share": asdict(share.estimate()),
                "lift": asdict((share / blind).estimate()),
            }
        )
    return rows


def best_model(
    boot: Bootstrap, metric: Callable, y_true: np.ndarray, scores: Mapping[str, np.ndarray]
) -> tuple[str, Estimate]:
    """Return the best of several models, and how good it is once the choice is accounted for.

    The highest of many values is partly luck. So in each resample the best is chosen on the tracks
    that are in it, and measured on those that are not; the mean of that is the value (Tsamardinos
    et al., "Bootstrapping the out-of-sample predictions for efficient and accurate
    cross-validation", Machine Learning 107, 2018). The interval is as wide as that of the model.

    Parameters
    ----------
    boot : Bootstrap
    metric : callable
        See `bootstrap`; the higher, the better.
    y_true : np.ndarray [shape=(n,)]
    scores : mapping of str to np.ndarray [shape=(n,) or (n, seeds)]

    Returns
    -------
    name : str
    Estimate
    """
    inside = {name: boot.resample(metric, y_true, score) for name, score in scores.items()}
    outside = boot.outside()
    left_out = np.array(
        [outside.resample(metric, y_true, score).draws for score in scores.values()]
    )
    chosen = np.argmax([model.draws for model in inside.values()], axis=0)
    name = max(inside, key=lambda model: inside[model].value)
    value = np.nanmean(left_out[chosen, np.arange(len(chosen))])
    draws = inside[name].draws + (value - inside[name].value)
    return name, Resampled(value, draws).estimate()


def within_groups_auc(
    y_true: np.ndarray, score: np.ndarray, weights: np.ndarray, *, groups: np.ndarray
) -> np.ndarray:
    """Return the AUC among tracks of one genre, or fold: share of pairs within a group in order.

    Parameters
    ----------
    y_true : np.ndarray of 0 and 1 [shape=(tracks,)]
    score : np.ndarray [shape=(tracks,)]
    weights : np.ndarray [shape=(resamples, tracks)]
    groups : np.ndarray [shape=(tracks,)]
        A track without a group counts for none.

    Returns
    -------
    np.ndarray [shape=(resamples,)]
    """
    right, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for rows in pd.Series(np.arange(len(y_true))).groupby(np.asarray(groups)).indices.values():
        inside = weights[:, rows].astype(float)
        n_pairs = (inside @ y_true[rows]) * (inside @ (1 - y_true[rows]))
        auc = weighted_auc(y_true[rows], score[rows], inside)
        right += np.where(n_pairs > 0, auc * n_pairs, 0)
        pairs += n_pairs
    with np.errstate(invalid="ignore"):
        return right / pairs


def within_artist(
    y_true: np.ndarray, popularity: np.ndarray, scores: np.ndarray, artists: Sequence[str]
) -> dict | None:
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
            found["auc"].append(
                (y.sum() * (len(y) - y.sum()), [roc_auc_score(y, score) for score in by_seed])
            )
        if len(set(x)) > 1:
            pairs = len(x) * (len(x) - 1) / 2
            for name, of in (("spearman", spearmanr), ("kendall", kendalltau)):
                found[name].append(
                    (
                        pairs,
                        [of(x, score).statistic if len(set(score)) > 1 else 0 for score in by_seed],
                    )
                )
    if min(map(len, found.values())) < 3:
        return None
    means = {
        name: asdict(mean_over_artists(*map(np.array, zip(*values))))
        for name, values in found.items()
    }
    return {
        **means.pop("auc"),
        "artists": len(found["auc"]),
        "pairs": int(sum(pairs for pairs, _ in found["auc"])),
        **means,
    }


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
    mean, size = float(weights @ by_artist), 1 / (weights**2).sum()
    variance = (weights**2 * (by_artist - mean) ** 2).sum() * size / (size - 1)
    if values.shape[1] > 1:
        variance += by_seed.var(ddof=1) / values.shape[1]
    half = float(t.ppf(0.975, size - 1) * np.sqrt(variance))
    return Estimate(mean, mean - half, mean + half)


def selective_accuracy(
    popularity: np.ndarray,
    score: np.ndarray,
    artists: Sequence[str],
    shares: Sequence[float] = SHARES,
) -> list[dict]:
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
    pairs = _pairs_of_one_artist(popularity, score, artists)
    margins = {share: pairs["margin"].quantile(1 - share) for share in shares}
    return [
        {"share": share, **order}
        for share, margin in margins.items()
        if (order := _in_order(pairs, margin))
    ]


def order_accuracy(
    popularity: np.ndarray, score: np.ndarray, artists: Sequence[str], margin: float
) -> dict | None:
    """Measure how many pairs of one artist's tracks are in the right order from a margin on.

    Parameters
    ----------
    popularity, score, artists
        As of `selective_accuracy`.
    margin : float

    Returns
    -------
    dict or None
        ``share`` of pairs that are answered, and as a row of `selective_accuracy`.
    """
    pairs = _pairs_of_one_artist(popularity, score, artists)
    found = _in_order(pairs, margin)
    return found and {"share": found["pairs"] / len(pairs), **found}


def _pairs_of_one_artist(popularity, score, artists):
    """A row a pair: artist's number, margin, and whether it is in the right order."""
    return pd.DataFrame(
        [
            (
                number,
                abs(score[i] - score[j]),
                (1 + np.sign(score[i] - score[j]) * np.sign(popularity[i] - popularity[j])) / 2,
            )
            for number, rows in enumerate(_by_artist(artists))
            for i, j in combinations(rows, 2)
            if popularity[i] != popularity[j]
        ],
        columns=["artist", "margin", "right"],
    )


def _in_order(pairs, margin):
    """Accuracy of the pairs from a margin on; None of fewer than three artists."""
    answered = pairs[pairs["margin"] >= margin]
    by_artist = answered.groupby("artist")["right"].agg(["size", "mean"])
    if len(by_artist) < 3:
        return None
    accuracy = mean_over_artists(by_artist["size"].to_numpy(), by_artist[["mean"]].to_numpy())
    return {
        "margin": float(margin),
        "pairs": len(answered),
        "artists": len(by_artist),
        "accuracy": {
            end: min(max(share, 0.0), 1.0)  # of which Student's t knows nothing
            for end, share in asdict(accuracy).items()
        },
    }


def reliable_margin(
    popularity: np.ndarray, score: np.ndarray, artists: Sequence[str]
) -> dict | None:
    """Find the margin from which on orders of one artist's tracks are right in `RELIABLE` of cases.

    Margins are tried from the widest on, as long as the interval's lower end is that high: the
    first that fails ends it, so that many looks cost nothing (fixed sequence testing: Angelopoulos
    et al., "Learn then test", Annals of Applied Statistics 19, 2025).

    Parameters
    ----------
    popularity, score, artists
        As of `selective_accuracy`, of tracks that the model has not learnt from.

    Returns
    -------
    dict or None
        The row of `selective_accuracy` with the narrowest such margin; None if there is none.
    """
    found = None
    for row in selective_accuracy(popularity, score, artists, LOOKS):
        if row["accuracy"]["low"] < RELIABLE:
            break
        found = row
    return found
