"""Every model by its name: a function ``(experiment, fold, seed) -> scores``, entered in `MODELS`.

Fitted on the training set, it returns a score for each track of the validation and test sets.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from hiphoplib.audio.features import LOUDNESS
from hiphoplib.dataset.features import metadata_features, read_features, read_musicnn
from hiphoplib.io import progress, write_whole
from hiphoplib.models.calibration import calibrated, fit_calibration, log_odds
from hiphoplib.models.experiment import Experiment
from hiphoplib.models.networks import NETWORKS
from hiphoplib.models.stack import (
    CRNN,
    ArtistIdentifier,
    Stack,
    fit_head,
    read_members,
    stack_of_fold,
)
from hiphoplib.models.training import load_run

UPPER_BOUND = "upper_bound"  # the synthetic corpus' own truth: no model, but scored like one
SEEDS = 5  # of a model that is fitted in seconds
STACKED = ("handcrafted", "musicnn", "vgg")  # features of the stack's heads


@dataclass(frozen=True)
class Entry:
    """A model of the comparison."""

    fit: Callable  # of an experiment, a fold and a seed: scores as of `Scores.of`
    needs: tuple[str, ...] = ()  # kinds of features that have to be there
    seeded: bool = False  # whether another seed gives other scores
    built_on: tuple[str, ...] = ()  # models that hear what it hears, and that it should surpass
    stack: Callable | None = None  # of an experiment and a fold: what it learnt, to be passed on
    offered: bool = True  # to an artist; the others show what a score is worth


class Scores:
    """Scores of an experiment's models, each computed once."""

    def __init__(self, experiment: Experiment):
        self.experiment = experiment
        self._kept: dict[tuple, pd.Series] = {}
        self._calibrations: dict[tuple, dict[int, tuple[float, float]]] = {}

    def of(self, model: str, fold: int, seed: int = 0) -> pd.Series:
        """Return the scores of the validation and test tracks of a fold; the stack's of all.

        Parameters
        ----------
        model : str
            A name in `MODELS`.
        fold, seed : int
            A model without seeds gives the same for all.

        Returns
        -------
        pd.Series of float in [0, 1], indexed by track id
        """
        entry = MODELS[model]
        key = model, fold, seed if entry.seeded else 0
        if key not in self._kept:
            self._kept[key] = entry.fit(self.experiment, fold, key[2])
        return self._kept[key]

    def calibration(self, model: str, fold: int, seed: int = 0) -> tuple[float, float]:
        """Return the calibration of a model, see `calibration.fit_calibration`.

        It is fitted on the validation sets of all folds together, and on the training tracks that
        a model scores out of fold.

        Parameters
        ----------
        model, fold, seed
            As for `of`.

        Returns
        -------
        slope, offset : float
            For `calibration.calibrated`.
        """
        key = model, seed if MODELS[model].seeded else 0
        if key not in self._calibrations:
            self._calibrations[key] = fit_calibration(
                {fold: self._to_calibrate(*key, fold) for fold in self.experiment.sides}
            )
        return self._calibrations[key][fold]

    def _to_calibrate(self, model, seed, fold):
        """Log odds, labels and the base rate's log odds of what a model is calibrated on."""
        ids, labels = partial(self.experiment.ids, fold), self.experiment.labels[fold]
        score = self.of(model, fold, seed).drop(ids("test"))
        base = logit(labels[ids("train")].mean())
        return pd.DataFrame({"x": log_odds(score), "base": base, "y": labels[score.index]})

    def on_test(self, model: str) -> pd.DataFrame:
        """Return calibrated probabilities of the test tracks, by models that never saw them.

        They are calibrated, so that those of all folds compare. Where a model says the same of all
        tracks it knows nothing, and the dummy's one number stands: a number of each fold's own
        would rank the folds.

        Parameters
        ----------
        model : str
            A name in `MODELS`, or `UPPER_BOUND`.

        Returns
        -------
        pd.DataFrame [shape=(test tracks, seeds)], indexed by track id
        """
        test = {fold: self.experiment.ids(fold, "test") for fold in self.experiment.sides}
        if model == UPPER_BOUND:
            truth = json.loads((self.experiment.folder / "truth.json").read_bytes())["tracks"]
            ids = np.concatenate(list(test.values()))
            return pd.DataFrame({0: [truth[track_id][model] for track_id in ids]}, index=ids)
        parts: dict[int, list] = {seed: [] for seed in self.seeds(model)}
        runs = [(seed, fold) for seed in parts for fold in test]
        for seed, fold in progress(runs, desc=f"score {model}", unit="run"):
            score = self.of(model, fold, seed)
            if score.nunique() == 1:
                score = self.of("dummy", fold)
            else:
                line = self.calibration(model, fold, seed)
                score = pd.Series(calibrated(score, *line), score.index)
            parts[seed].append(score[test[fold]])
        return pd.DataFrame({seed: pd.concat(scores) for seed, scores in parts.items()})

    def on_validation(self, model: str) -> float:
        """Return the AUC on the validation sets, mean over folds and seeds.

        Parameters
        ----------
        model : str, in `MODELS`

        Returns
        -------
        float
        """
        labels, aucs = self.experiment.labels, []
        for seed in self.seeds(model):
            for fold in self.experiment.sides:
                ids = self.experiment.ids(fold, "validation")
                aucs.append(roc_auc_score(labels.loc[ids, fold], self.of(model, fold, seed)[ids]))
        return float(np.mean(aucs))

    def seeds(self, model: str) -> list[int]:
        """Return the seeds that a model has scores for: a network those it was trained with.

        Parameters
        ----------
        model : str, in `MODELS`

        Returns
        -------
        list of int, empty where something lacks
        """
        entry, folder = MODELS[model], self.experiment.folder
        if not all((folder / f"features-{kind}.npz").is_file() for kind in entry.needs):
            return []
        if model in NETWORKS:
            return self.experiment.trained_seeds(model)
        return list(range(SEEDS)) if entry.seeded else [0]


def _logistic():
    """Logistic regression on standardised features."""
    return make_pipeline(*_scaled(), LogisticRegression(max_iter=1000))


def _scaled():
    """Steps that standardise features; unknown ones get their mean."""
    return SimpleImputer(keep_empty_features=True), StandardScaler()


def _fitted(estimator, X, experiment, fold):
    """Scores of a scikit-learn classifier, from features [shape=(tracks, features)]."""
    train, unseen = experiment.ids(fold, "train"), _unseen(experiment, fold)
    with threadpool_limits(1):  # threads that wait for each other on a busy machine take 40 times
        estimator.fit(X.loc[train].to_numpy(), experiment.labels.loc[train, fold])
        return pd.Series(estimator.predict_proba(X.loc[unseen].to_numpy())[:, 1], index=unseen)


def _unseen(experiment, fold):
    """Ids of the validation and test tracks."""
    return experiment.ids(fold, "validation", "test")


def _dummy(experiment, fold, seed):
    """Share of popular tracks in the training sets, the same for all."""
    # one constant over all folds: constants of their own would rank the folds' tracks
    labels = experiment.labels
    shares = [labels.loc[experiment.ids(each, "train"), each].mean() for each in experiment.sides]
    return pd.Series(np.mean(shares), index=_unseen(experiment, fold))


def _recency(experiment, fold, seed):
    """Age alone: known without listening, and a service's popularity decays with it."""
    return _fitted(_logistic(), metadata_features(experiment.tracks)[["days"]], experiment, fold)


def _loudness(experiment, fold, seed):
    """What a level meter and a watch show."""
    duration = metadata_features(experiment.tracks)[["duration"]]
    X = _handcrafted(experiment)[LOUDNESS].join(duration)
    return _fitted(_logistic(), X, experiment, fold)


def _handcrafted(experiment):
    return read_features(experiment.folder, "handcrafted")


def _linear(kind, read, C):
    """Entry of a logistic regression on one kind of features, `read` from the corpus' folder."""

    def stack(experiment, fold):
        X, train = read(experiment.folder), experiment.ids(fold, "train")
        head = fit_head(X.loc[train], experiment.labels.loc[train, fold], C * X.shape[1], np.inf)
        return Stack({kind: head}, {kind: 1.0}, 0.0)

    def fit(experiment, fold, seed):
        unseen = _unseen(experiment, fold)
        X = read(experiment.folder).loc[unseen]
        return pd.Series(stack(experiment, fold).predict({kind: X}), unseen)

    return Entry(fit, needs=(kind,), stack=stack)


def _boosting(experiment, fold, seed):
    """Boosted trees on the same features."""
    trees = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=150,
        max_leaf_nodes=8,
        l2_regularization=1.0,
        max_features=0.3,
        random_state=seed,
    )
    return _fitted(trees, _handcrafted(experiment), experiment, fold)


def _neighbours(experiment, fold, seed):
    """Nearest neighbours by the same features, which are often tracks of the same artist.

    The artist effect was first seen with such a model (Pampalk, Flexer & Widmer, "Improvements of
    audio-based music similarity and genre classification", ISMIR 2005).
    """
    nearest = make_pipeline(*_scaled(), KNeighborsClassifier(10, weights="distance"))
    return _fitted(nearest, _handcrafted(experiment), experiment, fold)


def _artist_identification(experiment, fold, seed):
    """Popularity that the artists whom a track sounds like have in the training set.

    The artist effect as a model of its own: its gain where artists cross the split is what
    identifying them is worth. Where no artist has two tracks, its scores are all equal.
    """
    X = _handcrafted(experiment)
    train, unseen = experiment.ids(fold, "train"), _unseen(experiment, fold)
    artists = experiment.tracks.loc[train, "artists"].str[0]
    popularity = experiment.tracks.loc[train, "popularity"].to_numpy()
    if not artists.duplicated().any():
        return _as_odds(experiment, fold, np.full(len(unseen), popularity.mean()))
    scale = make_pipeline(*_scaled())
    model = ArtistIdentifier(scale.fit_transform(X.loc[train]), artists.to_numpy(), popularity)
    return _as_odds(experiment, fold, model.predict(scale.transform(X.loc[unseen])))


def _metadata(experiment, fold, seed):
    """What is known before a release besides the sound: when, how long, what kind, how many."""
    return _fitted(_logistic(), _before_release(experiment), experiment, fold)


def _before_release(experiment):
    """Metadata features less the days since: every new track has none."""
    return metadata_features(experiment.tracks).drop(columns="days")


def _network(name):
    """Scores of a trained network, computed once and then read from beside its weights."""

    def fit(experiment, fold, seed):
        folder, ids = experiment.run_folder(name, seed, fold), _unseen(experiment, fold)
        path = folder / "scores.csv"
        if path.is_file():
            table = pd.read_csv(path, dtype={"id": str}, keep_default_na=False)
            scores = table.set_index("id")["score"]
            if scores.index.equals(pd.Index(ids, name="id")):
                return scores
        run = load_run(folder)
        batches = [ids[start : start + 64] for start in range(0, len(ids), 64)]
        scores = [run.predict(experiment.store.batch(batch)) for batch in batches]
        scores = np.concatenate(scores).astype(float)
        # six decimals come back from the file as they are now: a second evaluation gives the same
        scores = pd.Series(scores.round(6), index=pd.Index(ids, name="id"), name="score")
        write_whole(path, scores.to_csv())
        return scores

    return fit


def _typicality(experiment, fold, seed):
    """How far a track lies from what was released before it, in musicnn's space.

    Songs that differ a little from others of their time chart higher (Askin & Mauskapf, "What makes
    popular culture popular?", American Sociological Review 82, 2017). Others of the training set
    stand for those; all of them where nothing is known to be older.
    """
    train, dates = experiment.ids(fold, "train"), experiment.tracks["release_date"]
    X = read_musicnn(experiment.folder).loc[experiment.tracks.index]
    Z = make_pipeline(*_scaled()).fit(X.loc[train]).transform(X)
    older = dates[train].dropna().sort_values()
    sums = np.cumsum(Z[X.index.get_indexer(older.index)], axis=0)
    number = np.where(dates.isna(), 0, older.searchsorted(dates))
    mean = np.repeat(Z[X.index.get_indexer(train)].mean(axis=0)[None], len(Z), axis=0)
    mean[number > 0] = sums[number[number > 0] - 1] / number[number > 0, None]
    distance = np.linalg.norm(Z - mean, axis=1)
    inputs = pd.DataFrame({"distance": distance, "squared": distance**2}, X.index)
    return _fitted(_logistic(), inputs, experiment, fold)


def _stack(experiment, fold):
    """Hand-crafted features, taggers' and the CRNN where it is trained, see `stack`."""
    return stack_of_fold(experiment, fold, read_members(experiment.folder), MODELS[CRNN].fit)


def _stack_metadata(experiment, fold, seed):
    """The same with one member more."""
    members = {**read_members(experiment.folder), "metadata": _before_release(experiment)}
    return stack_of_fold(experiment, fold, members, MODELS[CRNN].fit)[1]


def _artist_mean(experiment, fold, seed):
    """Mean popularity of the main artist in the training set, as odds of being popular.

    Never to be used: a newcomer has no such mean. With an artist-disjoint split it is a constant.
    """
    train = experiment.tracks.loc[experiment.ids(fold, "train")]
    mean = train["popularity"].groupby(train["artists"].str[0]).mean()
    known = experiment.tracks["artists"].str[0].map(mean).fillna(train["popularity"].mean())
    return _as_odds(experiment, fold, known[_unseen(experiment, fold)].to_numpy())


def _as_odds(experiment, fold, popularity):
    """Popularities of the unseen tracks as scores, above 0.5 from the threshold on."""
    spread = experiment.tracks.loc[experiment.ids(fold, "train"), "popularity"].std()
    scores = expit((popularity - experiment.thresholds[fold]) / spread)
    return pd.Series(scores, index=_unseen(experiment, fold))


def enter_networks() -> None:
    """Enter every network of `NETWORKS` in `MODELS`, also those that came there since."""
    for name in NETWORKS:
        MODELS.setdefault(name, Entry(_network(name), seeded=True))


MODELS: dict[str, Entry] = {
    "dummy": Entry(_dummy, offered=False),
    "recency": Entry(_recency, offered=False),
    "loudness": Entry(_loudness, needs=("handcrafted",), offered=False),
    # timbre, harmony, loudness and rhythm
    "handcrafted": _linear("handcrafted", partial(read_features, kind="handcrafted"), C=0.01),
    "boosting": Entry(_boosting, needs=("handcrafted",), seeded=True),
    "neighbours": Entry(_neighbours, needs=("handcrafted",)),
    "artist_identification": Entry(_artist_identification, needs=("handcrafted",), offered=False),
    "metadata": Entry(_metadata, offered=False),
    "typicality": Entry(_typicality, needs=("musicnn",), offered=False),
}
enter_networks()
MODELS |= {
    # means of its tags and of the layers before them: more than a small corpus has clips
    "musicnn": _linear("musicnn", read_musicnn, C=0.001),
    "stack": Entry(
        lambda experiment, fold, seed: _stack(experiment, fold)[1],
        needs=STACKED,
        built_on=("handcrafted", "musicnn", CRNN),
        stack=lambda experiment, fold: _stack(experiment, fold)[0],
    ),
    "stack_metadata": Entry(_stack_metadata, needs=STACKED, built_on=("stack", "metadata")),
    "artist_mean": Entry(_artist_mean, offered=False),
}
