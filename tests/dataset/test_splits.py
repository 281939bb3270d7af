"""Nobody is learnt from and judged on, and everything else about a split."""

import numpy as np
import pandas as pd
import pytest

from hiphoplib.dataset.splits import (
    SETS,
    SHARES,
    SPLITS,
    artist_groups,
    default_folds,
    label_popular,
    percentile,
    split_tracks,
)
from hiphoplib.errors import BadInput
from hiphoplib.tracks.cleaning import clean_tracks, recordings
from hiphoplib.tracks.gather import get_tracks
from hiphoplib.tracks.table import read_tracks
from tests.tables import raw_table


def table(n=400, artists=120, seed=0):
    """Return n tracks of some artists with long tails and guests."""
    rng = np.random.default_rng(seed)
    main = np.minimum(rng.geometric(2.5 / artists, n), artists)
    names = [[f"A{a}"] + [f"A{rng.integers(artists)}"] * (rng.random() < 0.05) for a in main]
    return pd.DataFrame(
        {
            "id": [f"{i:05d}" for i in range(n)],
            "artists": names,
            "popularity": rng.uniform(0, 100, n).round(),
        }
    )


def tracks_by(*names):
    """Return a track of each of these artists, the later the more popular."""
    artists = [[name] for name in names]
    return raw_table(len(names), artists=artists, popularity=np.arange(float(len(names))))


def sides_of(tracks, side):
    """Return the number of sides that each artist, guests as well, stands on."""
    credits = tracks[["id", "artists"]].explode("artists")
    return side.loc[credits["id"]].groupby(credits["artists"].to_numpy()).nunique()


def test_a_chain_of_guests_is_one_group():
    tracks = pd.DataFrame(
        {"id": list("abcde"), "artists": [["A", "B"], ["B ", "C"], ["c"], ["D"], ["E"]]}
    )
    groups = artist_groups(tracks)
    assert groups["a"] == groups["b"] == groups["c"]
    assert groups.nunique() == 3 and groups.index.name == "id"


@pytest.mark.parametrize("folds", [0, 2, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_artist_stands_on_two_sides(folds, seed):
    tracks = table()
    sides = split_tracks(tracks, "artist", folds, seed)
    assert sides.shape == (400, folds or 1) and sides.index.name == "id"
    for _, side in sides.items():
        assert (sides_of(tracks, side) == 1).all()
        assert set(side) == set(SETS)


@pytest.mark.parametrize("by", SPLITS)
@pytest.mark.parametrize("folds", [0, 3])
def test_no_recording_stands_on_two_sides(by, folds):
    raw = get_tracks("synthetic", n=600)
    tracks, _ = clean_tracks(raw)
    recording = pd.Series(recordings(raw).to_numpy(), index=raw["id"])
    assert recording.duplicated().any()  # before they are cleaned
    for _, side in split_tracks(tracks, by, folds).items():
        assert (side.groupby(recording[side.index]).size() == 1).all()


def test_the_random_split_does_put_artists_on_two_sides():
    tracks = table()
    assert sides_of(tracks, split_tracks(tracks, "random")[0]).max() > 1


@pytest.mark.parametrize("by, within", [("artist", 0.04), ("random", 0.01)])
@pytest.mark.parametrize("n", [400, 1000])
def test_one_split_has_the_shares_of_2021(by, within, n):
    share = split_tracks(table(n, artists=n // 2), by)[0].value_counts(normalize=True)
    np.testing.assert_allclose(share[list(SETS)], SHARES, atol=within)


@pytest.mark.parametrize("by", ["artist", "random"])
@pytest.mark.parametrize("folds", [2, 3, 5])
def test_with_folds_every_track_is_held_out_once(by, folds):
    sides = split_tracks(table(), by, folds)
    assert ((sides == "test").sum(axis=1) == 1).all()
    train, test = ((sides == side).mean() for side in ("train", "validation"))
    np.testing.assert_allclose(test / (test + train), 1 / 6, atol=0.05)
    np.testing.assert_allclose((sides == "test").mean(), 1 / folds, atol=0.05)


@pytest.mark.parametrize("by", ["artist", "random"])
@pytest.mark.parametrize("folds", [0, 3])
def test_a_permuted_table_gives_the_same_split(by, folds):
    tracks = table()
    sides = split_tracks(tracks, by, folds)
    for state in range(3):
        permuted = split_tracks(tracks.sample(frac=1, random_state=state), by, folds)
        pd.testing.assert_frame_equal(permuted.loc[sides.index], sides)


@pytest.mark.parametrize("by", ["artist", "random"])
@pytest.mark.parametrize("folds", [0, 3])
def test_seeds_differ_and_repeat(by, folds):
    tracks = table()
    first, again, other = (split_tracks(tracks, by, folds, seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    for held in ("train", "test"):
        assert ((first == held) != (other == held)).mean().mean() > 0.1


@pytest.mark.parametrize("n, artists", [(30, 25), (40, 40), (60, 20)])
@pytest.mark.parametrize("folds", [0, 3, 5])
def test_small_corpora_with_shared_artists_can_be_split(n, artists, folds):
    tracks = tracks_by(*(f"A{i % artists}" for i in range(n)))
    tracks["popularity"] = np.random.default_rng(0).uniform(0, 100, n)
    for _, side in split_tracks(tracks, "artist", folds).items():
        assert (sides_of(tracks, side) == 1).all()
        assert set(side) == set(SETS)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"by": "moon"}, "none of that name; there are artist, time, random"),
        ({"folds": 1}, "at least 2"),
        ({"folds": -3}, "at least 2"),
        ({"folds": 11}, "at least 11"),
    ],
)
def test_a_split_that_cannot_be_is_told(options, said):
    tracks = tracks_by(*(f"A{i % 10}" for i in range(40)))
    with pytest.raises(BadInput, match=said) as error:
        split_tracks(tracks, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("names", [["A"] * 40, ["A"] * 20 + ["B"] * 20, ["A"] * 38 + ["B", "C"]])
@pytest.mark.parametrize("folds", [0, 2])
def test_too_few_artists_are_told(names, folds):
    tracks = tracks_by(*names)
    with pytest.raises(BadInput, match="gather more, or split at random"):
        split_tracks(tracks, "artist", folds)
    split_tracks(tracks, "random", folds)


@pytest.mark.parametrize("n", [4, 8, 10])
@pytest.mark.parametrize("folds", [3, 8])
def test_a_handful_of_tracks_is_split_or_refused_in_words(n, folds):
    tracks = tracks_by(*(f"A{max(i, 1)}" for i in range(n)))
    try:
        sides = split_tracks(tracks, "artist", folds)
    except BadInput:
        return
    assert ((sides == "test").sum(axis=1) == 1).all()


def test_a_few_tracks_below_all_others_give_no_warning():
    tracks = table().assign(popularity=[0.0] * 3 + [50.0] * 397)
    assert set(split_tracks(tracks)[0]) == set(SETS)


def test_the_real_corpus_is_split_in_folds(liked_songs):
    tracks, _ = clean_tracks(read_tracks(liked_songs))
    sides = split_tracks(tracks, "artist", default_folds(len(tracks)))
    assert sides.shape == (400, 5)
    assert (sides == "test").sum().between(70, 90).all()


# the label


def test_the_threshold_is_learnt_from_the_training_tracks_only():
    popularity = pd.Series(np.random.default_rng(0).uniform(0, 100, 99))
    train = np.arange(99) < 60
    popular, threshold = label_popular(popularity, train)
    assert threshold == popularity[train].median()
    changed = popularity.where(train, 0.0)
    assert label_popular(changed, train)[1] == threshold
    assert (label_popular(changed, train)[0][train] == popular[train]).all()
    assert popular[train].mean() == 0.5
    assert (popular == (popularity >= threshold)).all()


def test_where_most_share_the_lowest_popularity_the_next_one_is_the_threshold():
    popular, threshold = label_popular(pd.Series([0.0] * 7 + [3, 9, 50]), np.ones(10, bool))
    assert threshold == 3
    assert popular.sum() == 3


@pytest.mark.parametrize("popularity", [[50.0] * 4, [50.0, np.nan, 50.0, 20.0], [np.nan] * 4])
def test_one_class_among_the_training_tracks_is_told(popularity):
    with pytest.raises(BadInput, match="no two classes"):
        label_popular(pd.Series(popularity), [True, True, True, False])


def test_two_values_of_popularity_are_two_classes():
    """As of songs that listeners liked or did not."""
    popular, threshold = label_popular(pd.Series([0.0, 100, 0, 100, 0]), [True] * 5)
    assert popular.tolist() == [0, 1, 0, 1, 0] and threshold == 100
    assert popular.dtype == int


def test_a_percentile_is_the_share_of_less_popular_training_tracks():
    popularity = pd.Series([10, 20, 20, 40, 5, 20, 99, np.nan], index=list("abcdefgh"))
    found = percentile(popularity, [True] * 4 + [False] * 3 + [True])
    assert found[:-1].tolist() == [0.125, 0.5, 0.5, 0.875, 0, 0.5, 1]
    assert found.index.equals(popularity.index)


def test_small_corpora_get_folds():
    assert default_folds(400) == default_folds(10_000) == 5
    assert default_folds(10_001) == 0


# by time


def dated(n=200, unknown=0):
    """Tracks of a table with release dates, one a week and in no order."""
    tracks = table(n)
    weeks = np.random.default_rng(1).permutation(n)
    dates = pd.Timestamp("2015-01-02") + pd.to_timedelta(7 * weeks, unit="D")
    return tracks.assign(release_date=pd.Series(dates).where(np.arange(n) >= unknown))


@pytest.mark.parametrize("folds", [0, 3])
def test_by_time_nothing_is_learnt_from_the_future(folds):
    tracks = dated(unknown=20)
    dates = tracks.set_index("id")["release_date"]
    sides = split_tracks(tracks, "time", folds)
    for side in map(sides.get, sides):
        days = {name: dates[side.index[side == name]] for name in (*SETS, "later")}
        assert (
            days["train"].max()
            < days["validation"].min()
            <= days["validation"].max()
            < (days["test"].min())
        )
        assert days["later"].empty or days["later"].min() > days["test"].max()
        assert len(days["test"]) == 20
        assert len(days["validation"]) / len(days["train"]) == pytest.approx(0.2, abs=0.02)
    held = (sides == "test").sum(axis=1)
    assert held.max() == 1
    newest = dates.sort_values(na_position="first").index[-20 * max(folds, 1) :]
    assert set(held.index[held == 1]) == set(newest)


def test_by_time_half_of_the_dates_or_three_of_them_are_enough():
    split_tracks(dated(unknown=100), "time", 5)
    months = dated()["release_date"].dt.year.clip(2015, 2017)
    side = split_tracks(dated().assign(release_date=pd.to_datetime(months, format="%Y")), "time")[0]
    assert set(side) == set(SETS)


def test_by_time_without_dates_is_told():
    for tracks in (dated(unknown=101), dated().assign(release_date=pd.Timestamp("2020-01-01"))):
        with pytest.raises(BadInput, match="by time: .* release date"):
            split_tracks(tracks, "time")
    with pytest.raises(BadInput, match="folds 6: a split by time has 5 at most"):
        split_tracks(dated(), "time", 6)
