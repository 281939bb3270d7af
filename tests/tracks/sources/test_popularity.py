"""A percentile within groups: what it has to be whatever the counts are."""

import numpy as np
import pandas as pd
import pytest

from hiphoplib.tracks.sources.base import percentile_within


@pytest.fixture
def table():
    """Counts of three groups of 1, 4 and 100, shuffled, with ties and an index of their own."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"year": [2004.0] + [2010.0] * 4 + [2020.0] * 100,
                          "listens": [7.0, 3, 1, 2, 9, *rng.integers(0, 30, 100)]})
    return table.sample(frac=1, random_state=1).set_index(np.arange(200, 305))


def test_a_group_of_four_and_one_of_one():
    values = pd.Series([3.0, 1, 2, 9, 7], index=list("abcde"))
    found = percentile_within(values, pd.Series([1, 1, 1, 1, 2], index=list("abcde")))
    assert found.to_dict() == {"a": 62.5, "b": 12.5, "c": 37.5, "d": 87.5, "e": 50.0}


def test_the_mean_of_every_group_is_50_and_no_value_is_0_or_100(table):
    found = percentile_within(table["listens"], table["year"])
    assert found.index.equals(table.index)
    assert found.groupby(table["year"]).mean().to_numpy() == pytest.approx(50)
    assert found.between(0, 100, inclusive="neither").all()


def test_more_is_more_and_equals_are_equal(table):
    found = percentile_within(table["listens"], table["year"])
    for year, group in table.groupby("year"):
        listens, rank = group["listens"].to_numpy(), found[group.index].to_numpy()
        more = listens[:, None] > listens
        assert ((rank[:, None] > rank) == more).all(), year


def test_a_group_does_not_depend_on_the_others_nor_on_the_order(table):
    found = percentile_within(table["listens"], table["year"])
    late = table[table["year"] == 2020][::-1]
    alone = percentile_within(late["listens"] * 10 + 5, late["year"])
    pd.testing.assert_series_equal(alone, found[late.index])


def test_where_value_or_group_is_missing_so_is_the_percentile(table):
    whole = table.copy()
    table.loc[table.index[:5], "listens"] = np.nan
    table.loc[table.index[5:10], "year"] = np.nan
    found = percentile_within(table["listens"], table["year"])
    assert found[:10].isna().all() and found[10:].notna().all()
    rest = whole[10:]
    pd.testing.assert_series_equal(found[10:], percentile_within(rest["listens"], rest["year"]))


def test_nothing_gives_nothing():
    empty = pd.Series([], dtype=float)
    assert percentile_within(empty, empty).empty
    missing = pd.Series([np.nan, np.nan])
    assert percentile_within(missing, missing).isna().all()
