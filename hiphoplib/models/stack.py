"""The stack: linear heads on features and a network, weighed by what each adds to the others.

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

from hiphoplib.dataset.features import read_embeddings, read_features
from hiphoplib.dataset.splits import artist_groups, divide, percentile
from hiphoplib.models.calibration import fit_slope, log_odds
from hiphoplib.models.experiment import Experiment

CRNN = "crnn"  # the member that is no head
PARTS = 5  # of the tracks, each scored by heads that learnt from the others
LIMIT = 5.0  # of a standardised feature
PENALTY = 0.5  # C of a head, times how many features it has
SHRINKAGE = 10.0  # of the weights towards equal ones, as so many tracks' worth of evidence


@dataclass(frozen=True, eq=False)
class Head:
    """A logistic regression on standardised features.

    Parameters
    ----------
    table : pd.DataFrame, indexed by feature
        ``mean`` and ``scale`` of the tracks that it learnt from, and ``weight``, the log odds that
        one ``scale`` more is worth.
    offset : float
    """

    table: pd.DataFrame
    offset: float

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
        Z = _standardised(X[self.table.index], self.table["mean"], self.table["scale"])
        return Z @ self.table["weight"].to_numpy() + self.offset


def _standardised(X, mean, scale):
    """Features [shape=(n, features)], limited: a channel that was nearly silent may not shout."""
    Z = ((X.astype(float) - mean) / scale).clip(-LIMIT, LIMIT)
    return Z.fillna(0).to_numpy()


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

    def predict(self, features: Mapping[str, pd.DataFrame],
                network: np.ndarray | None = None) -> np.ndarray:
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
        total = sum(self.weights[kind] * head.predict(features[kind])
                    for kind, head in self.heads.items())
        if network is not None:
            total = total + self.weights[CRNN] * network
        return expit(total + self.offset)


def fit_head(X: pd.DataFrame, target: np.ndarray, penalty: float = PENALTY) -> Head:
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

    Returns
    -------
    Head
    """
    mean, scale = X.mean().fillna(0), X.std(ddof=0).fillna(0).replace(0, 1)
    Z = _standardised(X, mean, scale)
    model = LogisticRegression(C=penalty / Z.shape[1], max_iter=1000)
    with threadpool_limits(1):  # threads that wait for each other on a busy machine take 40 times
        model.fit(np.vstack([Z, Z]), np.repeat([1, 0], len(Z)),
                  sample_weight=np.concatenate([target, 1 - target]))
    return Head(pd.DataFrame({"mean": mean, "scale": scale, "weight": model.coef_[0]}),
                float(model.intercept_[0]))


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


def fit_weights(odds: np.ndarray, popular: np.ndarray, shrinkage: float = SHRINKAGE,
                shares: np.ndarray | None = None) -> np.ndarray:
    """Fit how much the log odds of each member count: at least nothing.

    Each is calibrated by itself first. Then the loss of their weighted sum is least, with a
    penalty on what differs from the shares that are expected: as good as the best weights where
    there are many tracks, and as safe as equal ones where there are few.

    Parameters
    ----------
    odds : np.ndarray [shape=(n, members)]
        Out of fold, centred.
    popular : np.ndarray of 0 and 1 [shape=(n,)]
    shrinkage : float
        Towards the shares; infinite for nothing else.
    shares : np.ndarray [shape=(members,)], optional
        Equal ones if not given.

    Returns
    -------
    np.ndarray [shape=(members,)]
    """
    members, base = odds.shape[1], logit(popular.mean())
    shares = np.full(members, 1 / members) if shares is None else shares
    slopes = np.array([fit_slope(popular, x, np.full(len(x), base)) for x in odds.T])
    X = odds * slopes
    if np.isinf(shrinkage):
        return slopes * shares

    def loss(values):
        z, away = X @ values[:-1] + values[-1], values[:-1] - shares
        error = expit(z) - popular
        return ((np.logaddexp(0, z) - popular * z).sum() + shrinkage / 2 * away @ away,
                np.append(X.T @ error + shrinkage * away, error.sum()))

    fitted = minimize(loss, np.append(shares, base), jac=True, method="L-BFGS-B",
                      bounds=[(0, None)] * members + [(None, None)])
    return slopes * fitted.x[:-1]


def _member_weights(odds, popular, network):
    """Weights of the heads by all tracks, then that of the network by those it is known of."""
    heads = fit_weights(odds, popular)
    if network is None:
        return heads
    known, members = np.isfinite(network), len(heads) + 1
    both = fit_weights(np.column_stack([odds @ heads, network])[known], popular[known],
                       shares=np.array([len(heads), 1]) / members)
    return np.append(heads * both[0], both[1])


def fit_stack(features: Mapping[str, pd.DataFrame], popularity: pd.Series, popular: np.ndarray,
              groups: np.ndarray, network: np.ndarray | None = None) -> tuple[Stack, np.ndarray]:
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
        Log odds of a network, NaN of the tracks that it learnt from.

    Returns
    -------
    stack : Stack
    probability : np.ndarray [shape=(n,)]
        Of each track, by heads and weights that did not learn from it; NaN where the network's is.
    """
    parts = divide(popular == 1, groups, min(PARTS, *np.bincount(popular)))
    target = percentile(popularity, np.full(len(popular), True)).to_numpy()
    heads = {kind: fit_head(X, target) for kind, X in features.items()}
    Z = np.column_stack([out_of_fold(X, target, parts) for X in features.values()])
    means, members = Z.mean(axis=0), list(features)
    Z, base = Z - means, logit(popular.mean())
    if network is not None:
        means, members = np.append(means, np.nanmean(network)), [*members, CRNN]
        network = network - means[-1]

    def weights(rows):
        return _member_weights(Z[rows], popular[rows], None if network is None else network[rows])

    everything = Z if network is None else np.column_stack([Z, network])
    probability = np.empty(len(Z))
    for part in np.unique(parts):
        others = parts != part
        probability[~others] = expit(everything[~others] @ weights(others) + base)
    final = weights(np.full(len(Z), True))
    return Stack(heads, dict(zip(members, final.tolist())),
                 float(base - final @ means)), probability


def stack_scores(experiment: Experiment, fold: int, features: Mapping[str, pd.DataFrame],
                 network: Callable) -> pd.Series:
    """Fit the stack of a fold, and return its scores of the validation and test tracks.

    It learns from training and validation set; the scores of the latter are out of fold.

    Parameters
    ----------
    experiment : Experiment
    fold : int
    features : mapping of str to pd.DataFrame [shape=(tracks, features)]
        By kind.
    network : callable
        `Entry.fit` of the CRNN, which counts where it is trained.

    Returns
    -------
    pd.Series of float in [0, 1], indexed by track id
    """
    ids, test = experiment.ids(fold, "train", "validation"), experiment.ids(fold, "test")
    tracks = experiment.tracks.loc[ids]
    odds = network_odds(experiment, fold, network)
    stack, own = fit_stack(
        {kind: X.loc[ids] for kind, X in features.items()}, tracks["popularity"],
        experiment.labels.loc[ids, fold].to_numpy(), artist_groups(tracks).to_numpy(),
        None if odds is None else odds.reindex(ids).to_numpy())
    scores = stack.predict({kind: X.loc[test] for kind, X in features.items()},
                           None if odds is None else odds[test].to_numpy())
    validation = experiment.ids(fold, "validation")
    return pd.concat([pd.Series(own, ids)[validation], pd.Series(scores, test)])


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
    """Return the log odds of the CRNN of a fold, the mean of its seeds.

    Parameters
    ----------
    experiment : Experiment
    fold : int
    network : callable
        As of `stack_scores`.

    Returns
    -------
    pd.Series, indexed by track id, or None if it is not trained
        Of the tracks that it did not learn from. A network of another fold, which tests on those,
        is not asked: it has learnt from the test tracks of this one.
    """
    scores = [network(experiment, fold, seed) for seed in experiment.trained_seeds(CRNN)]
    if not scores:
        return None
    return pd.Series(np.mean([log_odds(score) for score in scores], axis=0), scores[0].index)
