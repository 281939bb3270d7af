"""Which network of the cost of `crnn` is the best: the variants that were compared.

``python -m hiphoplib.studies.crnn_variants data/A data/B`` trains each on every corpus and seed,
and compares them on the side that stops the training early. The tracks held out are not looked at.
"""

import sys
from functools import partial

import numpy as np
import pandas as pd

from hiphoplib.models.experiment import prepare, train
from hiphoplib.models.networks import NETWORKS, crnn
from hiphoplib.models.training import read_card
from hiphoplib.studies.variants import search, search_parser

VARIANTS = {  # settings of `crnn`
    "crnn-plain": {"dropout": 0.0},
    "crnn-dropout": {"dropout": 0.3},
    "crnn-max": {"dropout": 0.3, "summary": "mean and max"},
    "crnn-conv": {"dropout": 0.3, "recurrent": False},
}


def enter(variants=VARIANTS):
    """Enter the variants in the registry."""
    for name, settings in variants.items():
        NETWORKS[name] = partial(crnn, **settings)


def compare(folder, seeds=5, variants=tuple(VARIANTS)):
    """Train the variants on a corpus, and see which stops at the best AUC.

    Parameters
    ----------
    folder : path-like
        A corpus with a mel store on the quick grid; split by artist.
    seeds : int > 0
    variants : sequence of str

    Returns
    -------
    pd.DataFrame
        One row a variant: "auc" and "loss" on the test side, mean over seeds and folds; "by_seed",
        the AUC of each seed; "parameters", "epochs", "ms" a clip and epoch.
    """
    experiment, rows = prepare(folder), {}
    for name in variants:
        cards = [read_card(run) for run in train(experiment, name, range(seeds))]
        auc = np.reshape([card["metrics"]["test_auc"] for card in cards], (seeds, -1)).mean(axis=1)
        rows[name] = {"auc": auc.mean(), "by_seed": auc.round(4).tolist(),
                      "loss": np.mean([card["metrics"]["test_loss"] for card in cards]),
                      "epochs": np.mean([card["epochs"] for card in cards]),
                      "parameters": cards[0]["parameters"],
                      "ms": 1e3 * np.mean([card["seconds_per_clip_epoch"] for card in cards])}
    return pd.DataFrame.from_dict(rows, orient="index")


def main(arguments=None):
    """Compare them on every corpus that is named; print the tables, best first."""
    parser = search_parser("crnn_search", (
        "Compare variants of the crnn, artists held out, on the side that stops the training. What "
        "is trained already is not trained again."))
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="(default 5)")
    parser.add_argument("--variant", action="append", choices=VARIANTS, metavar="NAME",
                        help=f"{', '.join(VARIANTS)}; can be repeated (default: all)")
    options = parser.parse_args(arguments)
    enter()
    variants = options.variant or tuple(VARIANTS)
    return search(parser, options, arguments,
                  partial(compare, seeds=options.seeds, variants=variants),
                  seeds=options.seeds, variants=VARIANTS)


if __name__ == "__main__":
    sys.exit(main())
