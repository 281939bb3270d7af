"""What every source shares: licences that are understood, and a percentile within groups."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from hiphoplib.tracks.sources.base import (
    NO_DERIVATIVES,
    NO_LICENCE,
    UNCLEAR,
    percentile_within,
    withheld,
)

VERSIONS = "", " 3.0 United States", " 3.0 International", " 2.0 UK: England & Wales", " 4.0"
ALLOWED = [
    *(
        f"{cc}Attribution{nc}{sa}{version}"
        for cc, nc, sa, version in product(
            ("", "Creative Commons "),
            ("", "-Noncommercial", "-NonCommercial"),
            ("", "-ShareAlike", "-Share Alike"),
            VERSIONS,
        )
    ),
    *(
        f"{start}{nc}{sa}{end}"
        for (start, end), nc, sa in product(
            [
                ("CC BY", " 4.0"),
                ("CC-BY", ""),
                ("by", "/3.0"),
                ("https://creativecommons.org/licenses/by", "/3.0/"),
                ("http://creativecommons.org/licenses/by", "/2.0/fr/"),
            ],
            ("", "-nc"),
            ("", "-sa"),
        )
    ),
    "CC0",
    "CC0 1.0 Universal",
    "cc0-1.0",
    "Creative Commons Zero",
    "Public Domain",
    "Public Domain Mark 1.0",
    "https://creativecommons.org/publicdomain/zero/1.0/",
    "Free Art License",
    "Sampling+ 1.0",
    "NonCommercial Sampling Plus 1.0",
]
FORBIDDEN = [
    "Attribution-Noncommercial-No Derivative Works 3.0 United States",
    "Attribution-NonCommercial-NoDerivatives (aka Music Sharing) 3.0 International",
    "Creative Commons Attribution-NonCommercial-NoDerivatives 4.0",
    "Attribution-NoDerivs 2.5",
    "Attribution-NoDerivatives 4.0 International",
    "CC BY-ND 4.0",
    "CC-BY-NC-ND 3.0",
    "by-nc-nd",
    "http://creativecommons.org/licenses/by-nc-nd/3.0/",
    "https://creativecommons.org/licenses/by-nd/4.0/deed.fr",
    "CC Music Sharing",
]
NOT_UNDERSTOOD = [
    "FMA-Limited: Download Only",
    "All Rights Reserved",
    "Orphan work",
    "Free Music Philosophy (FMP)",
    "FMA Sound Recording Common Law",
    "by permission of the label",
    "attribution is required",
    "Attribution 4.0, all rights reserved",
    "https://example.org/licenses/by/4.0/",
    "3",
    "© 2009",
]
MISSING = [None, "", "  ", "---", float("nan")]
CASES = str, str.lower, str.upper, lambda text: f"  {text}\n"


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "licences, reason", [(ALLOWED, None), (FORBIDDEN, NO_DERIVATIVES), (NOT_UNDERSTOOD, UNCLEAR)]
)
def test_a_licence_is_read_in_every_spelling(licences, reason, case):
    assert [text for text in licences if withheld(case(text)) != reason] == []


@pytest.mark.parametrize("text", MISSING)
def test_a_missing_licence_is_no_licence(text):
    assert withheld(text) == NO_LICENCE


def test_what_forbids_derivatives_can_be_taken_and_nothing_else_with_it():
    assert {withheld(text, no_derivatives=True) for text in FORBIDDEN} == {None}
    for text in [*ALLOWED, *NOT_UNDERSTOOD, *MISSING]:
        assert withheld(text, no_derivatives=True) == withheld(text)


def test_no_derivatives_is_seen_whatever_stands_before_it():
    for allowed, forbidden in product(ALLOWED[:20], FORBIDDEN):
        assert withheld(f"{allowed}; {forbidden}") == NO_DERIVATIVES


@pytest.fixture
def table():
    """Counts of three groups of 1, 4 and 100, shuffled, with ties and an index of their own."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "year": [2004.0] + [2010.0] * 4 + [2020.0] * 100,
            "listens": [7.0, 3, 1, 2, 9, *rng.integers(0, 30, 100)],
        }
    )
    return table.sample(frac=1, random_state=1).set_index(np.arange(200, 305))


def test_a_percentile_is_what_is_below_and_half_of_the_equals(table):
    found = percentile_within(table["listens"], table["year"])
    assert found.index.equals(table.index)
    for _, group in table.groupby("year"):
        listens, percentile = group["listens"].to_numpy(), found[group.index].to_numpy()
        below = (listens[:, None] > listens).mean(axis=1)
        equal = (listens[:, None] == listens).mean(axis=1)
        np.testing.assert_allclose(percentile, 100 * (below + equal / 2))
        assert percentile.mean() == pytest.approx(50)


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
