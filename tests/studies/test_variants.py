"""Every head that is compared learns, and the command says what it compared."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from hiphoplib.errors import BadInput
from hiphoplib.studies.transfer_variants import VARIANTS, by_ranking
from hiphoplib.studies.variants import search, search_parser

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 30))
POPULARITY = 50 + 10 * X[:, 0] + 10 * RNG.normal(size=400)
LABELS = (POPULARITY >= np.median(POPULARITY)).astype(int)
HALF = slice(0, 200), slice(200, 400)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_head_orders_tracks_that_it_has_not_seen(name):
    head, train, test = VARIANTS[name][0], *HALF
    score = head(X[train], LABELS[train], POPULARITY[train], X[test])
    assert roc_auc_score(LABELS[test], score) > 0.7


def test_a_ranking_sees_the_order_of_popularities_and_nothing_else():
    train, test = HALF
    scores = [by_ranking(X[train], None, popularity[train], X[test])
              for popularity in (POPULARITY, np.exp(POPULARITY / 20))]
    np.testing.assert_array_equal(*scores)


def test_a_search_prints_the_best_first_and_writes_all(tmp_path, capsys):
    table = pd.DataFrame({"auc": [0.6, 0.7], "by_fold": [[0.6], [0.7]]}, index=["one", "other"])
    parser = search_parser("some_search", "Compare.")
    arguments = ["data/a", "--json", str(tmp_path / "found.json")]
    options = parser.parse_args(arguments)
    assert search(parser, options, arguments, lambda folder: table, seeds=3) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["a", "auc", "other", "one"]
    written = json.loads((tmp_path / "found.json").read_text())
    assert written["seeds"] == 3 and written["corpora"]["a"]["one"]["by_fold"] == [0.6]
    assert written["command"] == "python -m hiphoplib.some_search " + " ".join(arguments)


def test_a_search_that_cannot_be_is_one_line(tmp_path, capsys):
    def compare(folder):
        raise BadInput(f"{folder}: no such corpus")

    parser = search_parser("some_search", "Compare.")
    assert search(parser, parser.parse_args(["a"]), ["a"], compare) == 1
    assert capsys.readouterr().err == "error: a: no such corpus\n"
