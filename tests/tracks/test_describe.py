"""A summary of a table: numbers that add up, and name nobody."""

import json

import numpy as np
import pandas as pd
import pytest

from hiphoplib.evaluation.evaluate import read_results
from hiphoplib.tracks.describe import MAX_TRACKS, MIN_TRACKS, _artist_share, describe, years_table
from hiphoplib.tracks.gather import get_tracks
from tests import tables
from tests.paths import ROOT


def table(popularity, artists, dates=None):
    return tables.table(
        len(popularity), popularity=popularity, track="Secret", artists=artists, release_date=dates
    )


def test_every_track_with_a_popularity_is_counted_once():
    tracks = get_tracks("synthetic", n=400)
    tracks.loc[3:9, "popularity"] = np.nan
    found = describe(tracks)
    known = tracks[tracks["popularity"].notna()]
    assert found["tracks"] == sum(found["popularity"]) == len(known) == 393
    assert sum(found["artists"]) == known["artists"].str[0].nunique()
    assert found["zero"] == round((known["popularity"] == 0).mean(), 4)
    assert found == describe(tracks.sample(frac=1, random_state=0, ignore_index=True))


def test_it_names_no_track_and_no_artist_and_both_ends_of_the_scale_are_in_a_bin():
    found = describe(table([0, 2, 100], ["Nameless", "Nameless", "Other"]))
    assert not [name for name in ("Secret", "Nameless", "Other") if name in json.dumps(found)]
    assert found["popularity"] == [1, 1] + [0] * 47 + [1]


def test_artists_with_many_tracks_are_counted_together():
    found = describe(table([5] * (MAX_TRACKS + 6), ["a"] * (MAX_TRACKS + 3) + ["b", "b", "c"]))
    assert found["artists"] == [1, 1] + [0] * (MAX_TRACKS - 3) + [1]


def test_a_year_of_a_few_tracks_is_left_out():
    dates = ["2001"] * MIN_TRACKS + ["2002-03"] * (MIN_TRACKS - 1) + [None]
    artists = [f"{i}" for i in range(2 * MIN_TRACKS)]
    found = describe(table(list(range(2 * MIN_TRACKS)), artists, dates))
    years = years_table(found)
    assert years.index.tolist() == [2001]
    quartiles = np.quantile(range(MIN_TRACKS), [0.25, 0.5, 0.75]).round(1)
    assert years.loc[2001].tolist() == [MIN_TRACKS, *quartiles]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_the_artists_share_is_found_again(share):
    rng = np.random.default_rng(0)
    artist = pd.Series(rng.integers(0, 1500, 6000))
    popularity = pd.Series(
        share**0.5 * rng.normal(size=1500)[artist] + (1 - share) ** 0.5 * rng.normal(size=6000)
    )
    assert _artist_share(popularity, artist) == pytest.approx(share, abs=0.03)
    assert _artist_share(50 + 7 * popularity, artist) == pytest.approx(
        _artist_share(popularity, artist)
    )


def test_the_artists_share_where_all_or_nothing_is_the_artists():
    artist = pd.Series(["a", "a", "b", "b", "b", "c"])
    assert _artist_share(artist.map({"a": 1.0, "b": 5.0, "c": 9.0}), artist) == 1
    assert _artist_share(pd.Series([1.0, 2, 3]), pd.Series(["a", "b", "c"])) is None
    assert _artist_share(pd.Series([3.0] * 6), artist) is None
    assert _artist_share(pd.Series([1.0, 2, 3]), pd.Series(["a", "a", "a"])) is None


def test_an_empty_table_can_be_described():
    found = describe(table([], []))
    assert found["tracks"] == sum(found["artists"]) == sum(found["popularity"]) == 0
    assert found["zero"] is None and len(years_table(found)) == 0


def test_the_committed_summary_is_whole():
    real = read_results(ROOT / "notebooks/results/summary_rap_2020.json")
    assert real["tracks"] == sum(real["popularity"]) == 4877
    assert 0 < real["artist_share"] < 1 and real["command"].startswith("python -m hiphoplib")
    assert years_table(real)["tracks"].sum() <= real["tracks"]
