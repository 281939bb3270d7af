"""Which head on the tagger's features is the best: those that were compared for `transfer`.

``python -m hiphoplib.transfer_search data/A data/B`` fits each on the training sides and compares
them on the test sides. The tracks held out are not looked at.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from .errors import BadInput
from .evaluation import write_results
from .experiment import prepare
from .features import read_features
from .ladder import PENALTY, TRANSFERRED, logistic
from .musicnn import PARTS

PAIRS = 5000  # that a ranking learns from
ADVISED = TRANSFERRED, ("mean",)


class Label:
    """Learns popular or not, a logistic regression with an inverse penalty `C`."""

    def __init__(self, C=PENALTY):
        self.head = logistic(C)

    def answer(self, X, labels, popularity, asked):
        """Score of each row asked about."""
        return self.head.fit(X, labels).decision_function(asked)


class Popularity:
    """Learns the popularity itself, as ranks; ridge regression of about the same penalty."""

    def answer(self, X, labels, popularity, asked):
        """Score of each row asked about."""
        ridge = make_pipeline(StandardScaler(), Ridge(alpha=0.25 / PENALTY))
        return ridge.fit(X, rankdata(popularity) / len(popularity)).predict(asked)


class Ranking:
    """Learns which of two tracks is the more popular (Herbrich, Graepel & Obermayer, 1999)."""

    def answer(self, X, labels, popularity, asked):
        """Score of each row asked about."""
        scaler, rng = StandardScaler().fit(X), np.random.default_rng(0)
        one, other = rng.integers(0, len(X), (2, PAIRS))
        differ = popularity[one] != popularity[other]
        one, other = one[differ], other[differ]
        X = scaler.transform(X)
        rank = LogisticRegression(C=PENALTY * len(X) / len(one), fit_intercept=False, max_iter=1000)
        rank.fit(X[one] - X[other], popularity[one] > popularity[other])
        return rank.decision_function(scaler.transform(asked))


VARIANTS = {  # head, parts of the tagger, what of the windows
    "label": (Label(), *ADVISED),
    "label, tags only": (Label(), ("tags",), ("mean",)),
    "label, all parts": (Label(), tuple(PARTS), ("mean",)),
    "label, windows' mean and deviation": (Label(), TRANSFERRED, ("mean", "std")),
    "label, a tenth of the penalty": (Label(10 * PENALTY), *ADVISED),
    "label, ten times the penalty": (Label(PENALTY / 10), *ADVISED),
    "popularity": (Popularity(), *ADVISED),
    "ranking": (Ranking(), *ADVISED),
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
    task, rows = prepare(folder), {}
    table = read_features(task.folder, "musicnn")
    for name, (head, parts, over) in VARIANTS.items():
        X = table[[each for each in table if each.startswith(parts) and each.endswith(over)]]
        aucs = [_auc(task, fold, head, X) for fold in task.sides]
        rows[name] = {"auc": np.mean(aucs), "by_fold": np.round(aucs, 4).tolist(),
                      "features": X.shape[1]}
    return pd.DataFrame.from_dict(rows, orient="index")


def _auc(task, fold, head, X):
    train, test = (task.sides.index[task.sides[fold] == side] for side in ("train", "test"))
    with threadpool_limits(1):
        score = head.answer(X.loc[train].to_numpy(), task.labels.loc[train, fold].to_numpy(),
                            task.tracks.loc[train, "popularity"].to_numpy(), X.loc[test].to_numpy())
    return roc_auc_score(task.labels.loc[test, fold], score)


def main(arguments=None):
    """Compare them on every corpus that is named; print the tables, best first."""
    parser = argparse.ArgumentParser(prog="python -m hiphoplib.transfer_search", description=(
        "Compare heads on musicnn's features, artists held out, on the test sides."))
    parser.add_argument("corpora", type=Path, nargs="+", metavar="data/NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables here")
    options = parser.parse_args(arguments)
    results = {}
    try:
        for folder in options.corpora:
            table = compare(folder)
            best_first = table.drop(columns="by_fold").sort_values("auc", ascending=False)
            print(f"{folder.name}\n{best_first.round(4).to_string()}")
            results[folder.resolve().name] = table.to_dict("index")
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        write_results({"corpora": results, "command":
                       f"{parser.prog} {' '.join(arguments or sys.argv[1:])}"}, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
