"""Which head on the tagger's features is the best: those that were compared for `transfer`.

``python -m hiphoplib.studies.transfer_variants data/A data/B`` fits each on the training sets and
compares them on the validation sets. The tracks held out are not looked at.
"""

import sys
from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from hiphoplib.audio.tagger import PARTS
from hiphoplib.dataset.features import read_features
from hiphoplib.models.comparison import PENALTY, TRANSFERRED, logistic
from hiphoplib.models.experiment import prepare
from hiphoplib.studies.variants import search, search_parser

PAIRS = 5000  # that a ranking learns from
ADVISED = TRANSFERRED, ("mean",)


def by_label(X, labels, popularity, asked, C=PENALTY):
    """Scores of a logistic regression that learns popular or not, with an inverse penalty `C`."""
    return logistic(C).fit(X, labels).decision_function(asked)


def by_popularity(X, labels, popularity, asked):
    """Scores of a ridge regression on the ranks of popularity, of about the same penalty."""
    ridge = make_pipeline(StandardScaler(), Ridge(alpha=0.25 / PENALTY))
    return ridge.fit(X, rankdata(popularity) / len(popularity)).predict(asked)


def by_ranking(X, labels, popularity, asked):
    """Scores that learn which of two is the more popular (Herbrich, Graepel & Obermayer, 1999)."""
    scaler, rng = StandardScaler().fit(X), np.random.default_rng(0)
    one, other = rng.integers(0, len(X), (2, PAIRS))
    differ = popularity[one] != popularity[other]
    one, other = one[differ], other[differ]
    X = scaler.transform(X)
    rank = LogisticRegression(C=PENALTY * len(X) / len(one), fit_intercept=False, max_iter=1000)
    rank.fit(X[one] - X[other], popularity[one] > popularity[other])
    return rank.decision_function(scaler.transform(asked))


VARIANTS = {  # head, parts of the tagger, what of the windows
    "label": (by_label, *ADVISED),
    "label, tags only": (by_label, ("tags",), ("mean",)),
    "label, all parts": (by_label, tuple(PARTS), ("mean",)),
    "label, windows' mean and deviation": (by_label, TRANSFERRED, ("mean", "std")),
    "label, a tenth of the penalty": (partial(by_label, C=10 * PENALTY), *ADVISED),
    "label, ten times the penalty": (partial(by_label, C=PENALTY / 10), *ADVISED),
    "popularity": (by_popularity, *ADVISED),
    "ranking": (by_ranking, *ADVISED),
}


def compare(folder):
    """Fit every head on the training sides of a corpus, and see how it orders the test sides.

    Parameters
    ----------
    folder : path-like
        A corpus with mels and the features of musicnn; split by artist.

    Returns
    -------
    pd.DataFrame
        One row a variant: "auc", the mean over folds, "by_fold", "features".
    """
    experiment, rows = prepare(folder), {}
    table = read_features(experiment.folder, "musicnn")
    for name, (head, parts, over) in VARIANTS.items():
        X = table[[each for each in table if each.startswith(parts) and each.endswith(over)]]
        aucs = [_auc(experiment, fold, head, X) for fold in experiment.sides]
        rows[name] = {"auc": np.mean(aucs), "by_fold": np.round(aucs, 4).tolist(),
                      "features": X.shape[1]}
    return pd.DataFrame.from_dict(rows, orient="index")


def _auc(experiment, fold, head, X):
    train, test = (
        experiment.sides.index[experiment.sides[fold] == side] for side in ("train", "validation")
    )
    with threadpool_limits(1):
        score = head(X.loc[train].to_numpy(), experiment.labels.loc[train, fold].to_numpy(),
                     experiment.tracks.loc[train, "popularity"].to_numpy(), X.loc[test].to_numpy())
    return roc_auc_score(experiment.labels.loc[test, fold], score)


def main(arguments=None):
    """Compare them on every corpus that is named; print the tables, best first."""
    parser = search_parser("transfer_search", "Compare heads on musicnn's features, artists held "
                           "out, on the test sides.")
    return search(parser, parser.parse_args(arguments), arguments, compare)


if __name__ == "__main__":
    sys.exit(main())
