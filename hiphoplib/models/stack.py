"""Models on features: heads, the stack that weighs them and a network, artist identification.

Wolpert, "Stacked generalization", Neural Networks 5, 1992; weights that are not negative: Breiman,
"Stacked regressions", Machine Learning 24, 1996. All that is learnt is plain numbers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from hiphoplib.dataset.features import LIMIT, read_embeddings, read_features, standardised
from hiphoplib.dataset.splits import artist_groups, divide, percentile
from hiphoplib.errors import BadInput
from hiphoplib.models.calibration import fit_slope, log_odds
from hiphoplib.models.experiment import Experiment, prepare_within, train
from hiphoplib.models.training import read_card

CRNN = "crnn"  # the member that is no head
INNER_FOLDS = 3  # in which networks are trained for the weights
PARTS = 5  # of the tracks, each scored by heads that learnt from the others
PENALTY = 0.5  # C of a head, times how many features it has
SHRINKAGE = 10.0  # of the weights towards equal ones, as so many tracks' worth of evidence
# of artist identification
SPHERE = 0.1  # shrinkage of the covariance within artists towards a sphere
NEW = 0.5  # probability, before listening, of an artist that is not in the training set
FAME = 3.0  # tracks whose mean is worth as much as the mean of all artists
MIN_BETWEEN = 0.05  # variance between artists, in units of that within


@dataclass(frozen=True, eq=False)
class Head:
    """A logistic regression on standardised features.

    Parameters
    ----------
    table : pd.DataFrame, indexed by feature
        ``mean`` and ``scale`` of the tracks that it learnt from, and ``weight``, the log odds that
        one ``scale`` more is worth.
    offset : float
    limit : float
        Of a standardised feature.
    """

    table: pd.DataFrame
    offset: float
    limit: float = LIMIT

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return the log odds of a high popularity.

        Parameters
        ----------
        X : pd.DataFrame [shape=(n, features)]
            Other columns do not matter; what is not known is taken for the mean.

        Returns
        -------
        np.ndarray [shape=(n,)]
        """
        Z = standardised(X[self.table.index], self.table["mean"], self.table["scale"], self.limit)
        return Z @ self.table["weight"].to_numpy() + self.offset


@dataclass(frozen=True, eq=False)
class Stack:
    """Heads and perhaps a network, with the weights of their log odds.

    Parameters
    ----------
    heads : dict of str to Head
        By kind of features.
    weights : dict of str to float
        By member: the kinds, and `CRNN` where there is one.
    offset : float
    """

    heads: dict[str, Head]
    weights: dict[str, float]
    offset: float

    def predict(
        self, features: Mapping[str, pd.DataFrame], network: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the probability of being popular.

        Parameters
        ----------
        features : mapping of str to pd.DataFrame [shape=(n, features)]
            By kind.
        network : np.ndarray [shape=(n,)], optional
            Log odds of the network, where the stack has one.

        Returns
        -------
        np.ndarray [shape=(n,)]
        """
        total = sum(
            self.weights[kind] * head.predict(features[kind]) for kind, head in self.heads.items()
        )
        if network is not None:
            total = total + self.weights[CRNN] * network
        return expit(total + self.offset)


def fit_head(
    X: pd.DataFrame, target: np.ndarray, penalty: float = PENALTY, limit: float = LIMIT
) -> Head:
    """Fit a logistic regression to labels that may lie between 0 and 1.

    Each track stands there twice, as popular and as not, weighted by its label and by the rest:
    the loss is the cross-entropy with the label.

    Parameters
    ----------
    X : pd.DataFrame [shape=(n, features)]
        Standardised here; unknown values are filled with the mean.
    target : np.ndarray [shape=(n,)], 0 to 1
    penalty : float
        The inverse strength of the penalty times the number of features: of twice as many, each
        has half as much to say.
    limit : float
        Of a standardised feature.

    Returns
    -------
    Head
    """
    mean, scale = X.mean().fillna(0), X.std(ddof=0).fillna(0).replace(0, 1)
    Z = standardised(X, mean, scale, limit)
    model = LogisticRegression(C=penalty / Z.shape[1], max_iter=1000)
    with threadpool_limits(1):  # threads that wait for each other on a busy machine take 40 times
        model.fit(
            np.vstack([Z, Z]),
            np.repeat([1, 0], len(Z)),
            sample_weight=np.concatenate([target, 1 - target]),
        )
    return Head(
        pd.DataFrame({"mean": mean, "scale": scale, "weight": model.coef_[0]}),
        float(model.intercept_[0]),
        limit,
    )


def out_of_fold(X: pd.DataFrame, target: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Return the log odds of each track by a head that learnt from the other parts.

    Parameters
    ----------
    X : pd.DataFrame [shape=(n, features)]
    target : np.ndarray [shape=(n,)], 0 to 1
    parts : np.ndarray of int [shape=(n,)]

    Returns
    -------
    np.ndarray [shape=(n,)]
    """
    odds = np.empty(len(X))
    for part in np.unique(parts):
        others = parts != part
        odds[~others] = fit_head(X[others], target[others]).predict(X[~others])
    return odds


def fit_weights(odds: np.ndarray, popular: np.ndarray, shrinkage: float = SHRINKAGE) -> np.ndarray:
    """Fit how much the log odds of each member count: at least nothing.

    Each is calibrated by itself first. Then the loss of their weighted sum is least, with a
    penalty on what differs from equal shares: as good as the best weights where there are many
    tracks, and as safe as equal ones where there are few.

    Parameters
    ----------
    odds : np.ndarray [shape=(n, members)]
        Out of fold, centred.
    popular : np.ndarray of 0 and 1 [shape=(n,)]
    shrinkage : float
        Of the weights of calibrated log odds; infinite for equal ones.

    Returns
    -------
    np.ndarray [shape=(members,)]
    """
    members, base = odds.shape[1], logit(popular.mean())
    slopes = np.array([fit_slope(popular, x, np.full(len(x), base)) for x in odds.T])
    X, equal = odds * slopes, np.full(members, 1 / members)
    if np.isinf(shrinkage):
        return slopes * equal

    def loss(values):
        z, away = X @ values[:-1] + values[-1], values[:-1] - equal
        error = expit(z) - popular
        return (
            (np.logaddexp(0, z) - popular * z).sum() + shrinkage / 2 * away @ away,
            np.append(X.T @ error + shrinkage * away, error.sum()),
        )

    fitted = minimize(
        loss,
        np.append(equal, base),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * members + [(None, None)],
    )
    return slopes * fitted.x[:-1]


def fit_stack(
    features: Mapping[str, pd.DataFrame],
    popularity: pd.Series,
    popular: np.ndarray,
    groups: np.ndarray,
    network: np.ndarray | None = None,
) -> tuple[Stack, np.ndarray]:
    """Fit heads, and weights for them and a network.

    Parameters
    ----------
    features : mapping of str to pd.DataFrame [shape=(n, features)]
        By kind; a head is fitted to each.
    popularity : pd.Series [shape=(n,)]
        Its percentile is what the heads learn.
    popular : np.ndarray of 0 and 1 [shape=(n,)]
        What the weights are fitted to.
    groups : np.ndarray [shape=(n,)]
        Tracks of a group, an artist's, are scored by heads that learnt from none of them.
    network : np.ndarray [shape=(n,)], optional
        Log odds of a network, out of fold as well.

    Returns
    -------
    stack : Stack
    probability : np.ndarray [shape=(n,)]
        Of each track, by heads and weights that did not learn from it.
    """
    parts = divide(popular == 1, groups, min(PARTS, *np.bincount(popular)))
    target = percentile(popularity, np.full(len(popular), True)).to_numpy()
    heads = {kind: fit_head(X, target) for kind, X in features.items()}
    odds = {kind: out_of_fold(X, target, parts) for kind, X in features.items()}
    if network is not None:
        odds[CRNN] = network
    Z, base = np.stack(list(odds.values()), axis=1), logit(popular.mean())
    means = Z.mean(axis=0)
    Z = Z - means
    probability = np.empty(len(Z))
    for part in np.unique(parts):
        others = parts != part
        probability[~others] = expit(Z[~others] @ fit_weights(Z[others], popular[others]) + base)
    weights = fit_weights(Z, popular)
    return Stack(
        heads, dict(zip(odds, weights.tolist())), float(base - weights @ means)
    ), probability


def stack_of_fold(
    experiment: Experiment, fold: int, features: Mapping[str, pd.DataFrame], network: Callable
) -> tuple[Stack, pd.Series]:
    """Fit the stack of a fold, and return it with its scores of all tracks.

    It learns from training and validation set, whose own scores are out of fold.

    Parameters
    ----------
    experiment : Experiment
    fold : int
    features : mapping of str to pd.DataFrame [shape=(tracks, features)], by kind
    network : callable
        `Entry.fit` of the CRNN, which counts where it is trained.

    Returns
    -------
    stack : Stack
    scores : pd.Series of float in [0, 1], indexed by track id
    """
    ids, test = experiment.ids(fold, "train", "validation"), experiment.ids(fold, "test")
    tracks, odds = experiment.tracks.loc[ids], network_odds(experiment, fold, network)
    stack, own = fit_stack(
        {kind: X.loc[ids] for kind, X in features.items()},
        tracks["popularity"],
        experiment.labels.loc[ids, fold].to_numpy(),
        artist_groups(tracks).to_numpy(),
        None if odds is None else odds[ids].to_numpy(),
    )
    scores = stack.predict(
        {kind: X.loc[test] for kind, X in features.items()},
        None if odds is None else odds[test].to_numpy(),
    )
    return stack, pd.concat([pd.Series(own, ids), pd.Series(scores, test)])


def read_members(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the features of the stack's heads.

    Parameters
    ----------
    folder : Path, of the corpus

    Returns
    -------
    dict of str to pd.DataFrame [shape=(tracks, features)]
        By kind.
    """
    return {"handcrafted": read_features(folder, "handcrafted"), **read_embeddings(folder)}


def network_odds(experiment: Experiment, fold: int, network: Callable) -> pd.Series | None:
    """Return the log odds of the CRNN for all tracks of a fold; may train networks for them.

    Parameters
    ----------
    experiment : Experiment
    fold : int
    network : callable
        As of `stack_of_fold`.

    Returns
    -------
    pd.Series, indexed by track id, or None if the CRNN is not trained, or tracks are too few
        Of test tracks the mean of its seeds. Of the others, by networks that learnt from others of
        them and from no test track: in inner folds, one training each.
    """
    seeds, test = experiment.trained_seeds(CRNN), experiment.ids(fold, "test")
    if not seeds:
        return None
    card = read_card(experiment.run_folder(CRNN, seeds[0], fold)) or {}
    try:
        inner = prepare_within(experiment, fold, INNER_FOLDS)
        train(inner, CRNN, epochs=card["max_epochs"])
    except BadInput:  # a set of one class
        return None
    scores = [network(experiment, fold, seed)[test] for seed in seeds]
    own = [network(inner, each, 0)[inner.ids(each, "test")] for each in inner.sides]
    return pd.concat(
        [
            pd.Series(np.mean([log_odds(each) for each in scores], axis=0), test),
            *(pd.Series(log_odds(each), each.index) for each in own),
        ]
    )


class ArtistIdentifier:
    """Probabilistic linear discriminant analysis: which artist does a track sound like?

    A track is normal around its artist's mean, with the same covariance for all; means are normal
    around the origin. So the probability of each artist, and of a new one, has a closed form
    (Ioffe, "Probabilistic linear discriminant analysis", ECCV 2006, as used for speakers).

    Learns from standardised tracks, one artist of which at least has two.
    """

    def __init__(self, X, artists, popularity):
        member, self.artists = pd.factorize(np.asarray(artists))
        n = np.bincount(member)
        sums = np.stack([np.bincount(member, column) for column in X.T], axis=1)
        means = sums / n[:, None]
        inside = (X - means[member])[n[member] > 1]
        covariance = inside.T @ inside / (n[n > 1] - 1).sum()
        sphere = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        variance, axes = np.linalg.eigh((1 - SPHERE) * covariance + SPHERE * sphere)
        self.whiten = axes / np.sqrt(variance)
        between = np.maximum((X @ self.whiten).var(axis=0) - 1, MIN_BETWEEN)
        shrunk = n[:, None] * between / (n[:, None] * between + 1)
        self.means = np.vstack([(means @ self.whiten) * shrunk, np.zeros(len(between))])
        self.spread = np.vstack([1 + between / (n[:, None] * between + 1), 1 + between])
        self.prior = np.log(np.append((1 - NEW) * n / n.sum(), NEW))
        mean = popularity.mean()
        fame = (np.bincount(member, popularity) + FAME * mean) / (n + FAME)
        self.fame = np.append(fame, mean)

    def _probabilities(self, X):
        """Of each artist, and in the last column of a new one [shape=(n, artists + 1)]."""
        Z = X @ self.whiten
        distance = (
            Z**2 @ (1 / self.spread).T
            - 2 * Z @ (self.means / self.spread).T
            + (self.means**2 / self.spread).sum(axis=1)
        )
        logs = self.prior - (distance + np.log(self.spread).sum(axis=1)) / 2
        likely = np.exp(logs - logs.max(axis=1, keepdims=True))
        return likely / likely.sum(axis=1, keepdims=True)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the mean popularity of the likely artists.

        Parameters
        ----------
        X : np.ndarray [shape=(n, features)]

        Returns
        -------
        np.ndarray [shape=(n,)]
        """
        return self._probabilities(X) @ self.fame
