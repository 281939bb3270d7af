"""Every model by its name, from guessing to the networks and beyond: one function each.

A model is a function ``(experiment, fold, seed)``: fitted on the training set, it returns a score
for each track of the validation and test sets. The networks are those of `networks.NETWORKS`; a
new model of any other kind is a function here with `enter`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from hiphoplib.audio.features import LOUDNESS
from hiphoplib.dataset.features import metadata_features, read_features
from hiphoplib.io import write_whole
from hiphoplib.models.calibration import calibrated, log_odds, platt
from hiphoplib.models.networks import NETWORKS
from hiphoplib.models.training import load_run

MODELS = {}
UNSEEN = ("validation", "test")
NEIGHBOURS = 10
PENALTY = 0.001  # C of a head on the tagger's features, of which there are more than clips
TRANSFERRED = ("tags", "max_pool", "penultimate")  # as the tagger's authors advise
SHRINKAGE = 0.1  # of the covariance within artists, towards a sphere
NEW = 0.5  # chance, before listening, that an artist is not among those that were learnt from
FAME = 3.0  # tracks whose mean is worth as much as the mean of all artists
LEAST = 0.05  # variance between artists in units of that within, so that no direction has none


@dataclass(frozen=True)
class Entry:
    """A model of the ladder.

    Parameters
    ----------
    name : str
    answer : callable
        Of an `Experiment`, a fold and a seed: scores between 0 and 1, pd.Series indexed by track
        id, of the validation and test sets.
    needs : str or None
        Kind of features that have to be there.
    seeded : bool
        Whether another seed gives another answer.
    built_on : tuple of str
        Rungs whose answers it takes.
    """

    name: str
    answer: callable
    needs: str = None
    seeded: bool = False
    built_on: tuple = ()


def enter(**options):
    """Enter a function ``(experiment, fold, seed) -> scores`` in the ladder, under its name."""
    def add(answer):
        MODELS[answer.__name__] = Entry(answer.__name__, answer, **options)
        return answer
    return add


def unseen_ids(experiment, fold):
    """Ids of the test and holdout tracks of a fold."""
    return experiment.sides.index[experiment.sides[fold].isin(UNSEEN)]


def fitted(estimator, X, experiment, fold):
    """Answers of a scikit-learn classifier that has seen the training side.

    Parameters
    ----------
    X : pd.DataFrame [shape=(tracks, features)], indexed by track id
    """
    train, asked = (
        experiment.sides.index[experiment.sides[fold] == "train"],
        unseen_ids(experiment, fold),
    )
    with threadpool_limits(1):  # threads that wait for each other on a busy machine take 40 times
        estimator.fit(X.loc[train].to_numpy(), experiment.labels.loc[train, fold])
        return pd.Series(estimator.predict_proba(X.loc[asked].to_numpy())[:, 1], index=asked)


def logistic(C=1.0):
    """Logistic regression on standardised features; where one is not known, its mean stands."""
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(),
                         LogisticRegression(C=C, max_iter=1000))


@enter()
def dummy(experiment, fold, seed):
    """Share of popular tracks on the training sides, the same for all."""
    # one constant over all folds: constants of their own would rank the folds' tracks
    share = np.mean(
        [
            experiment.labels[each][experiment.sides[each] == "train"].mean()
            for each in experiment.sides
        ]
    )
    return pd.Series(share, index=unseen_ids(experiment, fold))


@enter()
def recency(experiment, fold, seed):
    """Age alone: what is known without listening, and what a service's popularity decays with."""
    return fitted(logistic(), metadata_features(experiment.tracks)[["days"]], experiment, fold)


@enter(needs="handcrafted")
def loudness(experiment, fold, seed):
    """What a level meter and a watch tell."""
    X = read_features(experiment.folder, "handcrafted")[LOUDNESS].join(
        metadata_features(experiment.tracks)[["duration"]]
    )
    return fitted(logistic(), X, experiment, fold)


@enter(needs="handcrafted")
def handcrafted(experiment, fold, seed):
    """Timbre, harmony, loudness and rhythm as means and deviations, and a straight line."""
    return fitted(
        logistic(C=0.01), read_features(experiment.folder, "handcrafted"), experiment, fold
    )


@enter(needs="handcrafted", seeded=True)
def boosting(experiment, fold, seed):
    """The same statistics, and trees."""
    trees = HistGradientBoostingClassifier(learning_rate=0.05, max_iter=150, max_leaf_nodes=8,
                                           l2_regularization=1.0, max_features=0.3,
                                           random_state=seed)
    return fitted(trees, read_features(experiment.folder, "handcrafted"), experiment, fold)


@enter(needs="handcrafted")
def neighbours(experiment, fold, seed):
    """The most similar tracks by the same statistics, which are often those of the same artist.

    What an artist effect looks like was first seen with such a model (Pampalk, Flexer & Widmer,
    "Improvements of audio-based music similarity and genre classification", ISMIR 2005).
    """
    nearest = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(),
                            KNeighborsClassifier(NEIGHBOURS, weights="distance"))
    return fitted(nearest, read_features(experiment.folder, "handcrafted"), experiment, fold)


@enter(needs="handcrafted")
def artist_identification(experiment, fold, seed):
    """Who plays, told by the same statistics, and how popular that artist is in training data.

    The artist effect as a model of its own: what it gains where artists cross the split is what
    recognising them is worth. Where no artist has two tracks there is nobody to recognise, and it
    answers the same for all.
    """
    X = read_features(experiment.folder, "handcrafted").loc[experiment.tracks.index]
    train, asked = (
        experiment.sides.index[experiment.sides[fold] == "train"],
        unseen_ids(experiment, fold),
    )
    artists, popularity = (
        experiment.tracks.loc[train, column] for column in ("artists", "popularity")
    )
    if not artists.str[0].duplicated().any():
        return _as_odds(experiment, fold, np.full(len(asked), popularity.mean()), asked)
    scale = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    heard = ArtistIdentifier().fit(scale.fit_transform(X.loc[train]), artists.str[0].to_numpy(),
                             popularity.to_numpy())
    return _as_odds(experiment, fold, heard.predict(scale.transform(X.loc[asked])), asked)


@enter()
def metadata(experiment, fold, seed):
    """What is known before a release besides the sound: when, how long, what kind, how many out."""
    return fitted(
        logistic(), metadata_features(experiment.tracks).drop(columns="days"), experiment, fold
    )


def _network(name):
    """Answers of a trained network, computed once and then read from beside its weights."""
    def answer(experiment, fold, seed):
        folder, ids = experiment.run_folder(name, seed, fold), unseen_ids(experiment, fold)
        path = folder / "scores.csv"
        if path.is_file():
            table = pd.read_csv(path, dtype={"id": str}, keep_default_na=False)
            scores = table.set_index("id")["score"]
            if scores.index.equals(pd.Index(ids, name="id")):
                return scores
        run = load_run(folder)
        batches = (
            experiment.store.batch(ids[start : start + 64]) for start in range(0, len(ids), 64)
        )
        found = np.concatenate([run.predict(S_db) for S_db in batches]).astype(float)
        # six decimals come back from the file as they are now: a second evaluation gives the same
        scores = pd.Series(found.round(6), index=pd.Index(ids, name="id"), name="score")
        write_whole(path, scores.to_csv())
        return scores
    return answer


def enter_networks():
    """Enter every network of `NETWORKS` in the ladder, those that were registered since as well."""
    for name in NETWORKS:
        MODELS.setdefault(name, Entry(name, _network(name), seeded=True))


enter_networks()


@enter(needs="musicnn")
def musicnn(experiment, fold, seed):
    """Logistic regression on what a tagger of 200,000 other songs finds in each.

    Tags, the maxima of its channels and the layer before the tags, means over the windows of a
    clip; they are many for a small corpus, hence the strong penalty.
    """
    X = read_features(experiment.folder, "musicnn")
    parts = [name for name in X if name.startswith(TRANSFERRED) and name.endswith("_mean")]
    return fitted(logistic(PENALTY), X[parts], experiment, fold)


@enter(needs="musicnn", seeded=True, built_on=("musicnn", "crnn"))
def ensemble(experiment, fold, seed):
    """The transferred features and the cheap recurrent network: the mean of their log odds."""
    return together(experiment, fold, seed, MODELS["ensemble"])


@enter(needs="musicnn", seeded=True, built_on=("ensemble", "metadata"))
def ensemble_metadata(experiment, fold, seed):
    """The ensemble and the context without sound."""
    return together(experiment, fold, seed, MODELS["ensemble_metadata"])


@enter()
def artist_mean(experiment, fold, seed):
    """Mean popularity of the main artist in training data, as odds of being above the threshold.

    Never to be used: a newcomer has no such mean. Where artists are held out it is a constant.
    """
    train = experiment.tracks[experiment.sides[fold] == "train"]
    artist, mean = train["artists"].str[0], train["popularity"].mean()
    known = experiment.tracks["artists"].str[0].map(train["popularity"].groupby(artist).mean())
    asked = unseen_ids(experiment, fold)
    return _as_odds(experiment, fold, known.fillna(mean)[asked].to_numpy(), asked)


def _as_odds(experiment, fold, popularity, ids):
    """Popularities as scores between 0 and 1, above 0.5 from the threshold on."""
    spread = experiment.tracks.loc[experiment.sides[fold] == "train", "popularity"].std()
    return pd.Series(expit((popularity - experiment.thresholds[fold]) / spread), index=ids)


def together(experiment, fold, seed, entry):
    """Mean of the calibrated log odds of what an entry is built on."""
    odds = []
    for name in entry.built_on:
        score = scores_of(experiment, name, fold, seed)
        odds.append(log_odds(calibrated(score, *platt_on_validation(experiment, fold, score))))
    return pd.Series(expit(np.mean(odds, axis=0)), index=unseen_ids(experiment, fold))


def scores_of(experiment, name, fold, seed):
    """Return the scores of a model, fitted once per fold, and per seed where it has seeds."""
    entry = MODELS[name]
    key = name, fold, seed if entry.seeded else 0
    if key not in experiment.answers:
        experiment.answers[key] = entry.answer(experiment, fold, key[2])
    return experiment.answers[key]


def platt_on_validation(experiment, fold, score):
    """Calibration of scores by the test side, which no model was fitted on."""
    test = experiment.sides.index[experiment.sides[fold] == "validation"]
    return platt(experiment.labels.loc[test, fold], score[test])


class ArtistIdentifier:
    """Tells tracks' artists by their sound, and answers with what those reached before.

    A track is normal around its artist's place, with the same covariance for all; places are
    normal around the origin. So the probability of each artist, and of one that is new, has a
    closed form.
    """

    def fit(self, X, artists, popularity):
        """Learn from tracks.

        Parameters
        ----------
        X : np.ndarray [shape=(tracks, features)]
            Standardised.
        artists : np.ndarray of str [shape=(tracks,)]
            At least one of them with two tracks: how an artist's tracks differ is learnt, too.
        popularity : np.ndarray [shape=(tracks,)]

        Returns
        -------
        self
        """
        member, self.artists = pd.factorize(np.asarray(artists))
        n = np.bincount(member)
        places = _sums(member, X) / n[:, None]
        inside = (X - places[member])[n[member] > 1]
        covariance = inside.T @ inside / (n[n > 1] - 1).sum()
        sphere = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        variance, axes = np.linalg.eigh((1 - SHRINKAGE) * covariance + SHRINKAGE * sphere)
        self.whiten = axes / np.sqrt(variance)
        between = np.maximum((X @ self.whiten).var(axis=0) - 1, LEAST)
        shrunk = n[:, None] * between / (n[:, None] * between + 1)
        self.places = np.vstack([(places @ self.whiten) * shrunk, np.zeros(len(between))])
        self.spread = np.vstack([1 + between / (n[:, None] * between + 1), 1 + between])
        self.prior = np.log(np.append((1 - NEW) * n / n.sum(), NEW))
        mean = popularity.mean()
        fame = (np.bincount(member, popularity) + FAME * mean) / (n + FAME)
        self.fame = np.append(fame, mean)
        return self

    def probabilities(self, X):
        """Of each artist, and in the last column of a new one, np.ndarray [shape=(n, artists+1)]"""
        Z = X @ self.whiten
        distance = (Z**2 @ (1 / self.spread).T - 2 * Z @ (self.places / self.spread).T
                    + (self.places**2 / self.spread).sum(axis=1))
        logs = self.prior - (distance + np.log(self.spread).sum(axis=1)) / 2
        likely = np.exp(logs - logs.max(axis=1, keepdims=True))
        return likely / likely.sum(axis=1, keepdims=True)

    def predict(self, X):
        """Popularity that the likely artists had, np.ndarray [shape=(n,)]."""
        return self.probabilities(X) @ self.fame


def _sums(member, X):
    """Sum of the rows of each group, np.ndarray [shape=(groups, features)]."""
    return np.stack([np.bincount(member, column) for column in X.T], axis=1)
