"""What is told of the label is what it is: counted by hand, simulated, or known beforehand."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from hiphoplib.dataset.splits import artist_groups
from hiphoplib.evaluation.bootstrap import Bootstrap
from hiphoplib.evaluation.label import (
    _auc_by_threshold,
    _auc_without_middle,
    _highest_auc,
    describe_label,
    popularity_by_age,
    version_noise,
)
from hiphoplib.tracks.cleaning import clean_tracks
from hiphoplib.tracks.describe import _artist_share, intraclass
from hiphoplib.tracks.gather import get_tracks
from hiphoplib.tracks.table import normalise

RNG = np.random.default_rng(0)
N = 400
POPULARITY = np.r_[np.zeros(60), RNG.uniform(1, 100, N - 60).round()]  # as on a service: many at 0
SCORES = {
    "rnn": 1 / (1 + np.exp(-(POPULARITY[:, None] - 50) / 25 + RNG.normal(size=(N, 2)))),
    "dummy": np.full((N, 1), 0.5),
}
BOOT = Bootstrap(np.arange(N), 300)


@pytest.fixture(scope="module")
def gathered():
    """A table with versions, dates and gaps, as a source gives it."""
    return get_tracks("synthetic", n=1500)


def table(popularity, artists=None, tracks=None, days=None):
    """Return a tracks table; songs of one name are one recording."""
    n = len(popularity)
    return normalise(
        pd.DataFrame(
            {
                "id": [f"{i:05d}" for i in range(n)],
                "popularity": popularity,
                "preview_url": None,
                "track": tracks if tracks is not None else [f"Song {i:05d}" for i in range(n)],
                "artists": [
                    [name]
                    for name in (
                        artists if artists is not None else [f"Artist {i:05d}" for i in range(n)]
                    )
                ],
                "release_date": None
                if days is None
                else pd.Timestamp("2020-01-01") - pd.to_timedelta(days, unit="D"),
            }
        )
    )


def released_twice(correlation, recordings=600, seed=0):
    """Return a table of two versions each, of a known correlation, and what they have in common."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=recordings) * correlation**0.5
    heard = np.repeat(own, 2) + rng.normal(size=2 * recordings) * (1 - correlation) ** 0.5
    songs = np.repeat([f"Song {i}" for i in range(recordings)], 2)
    return table((50 + 10 * heard).clip(0, 100), songs, songs), own


def test_a_threshold_makes_the_label_and_leaves_the_scores():
    steps = _auc_by_threshold(POPULARITY, SCORES, BOOT, [10, 50, 90])
    assert [step["threshold"] for step in steps] == [10, 50, 90]
    for step in steps:
        y = POPULARITY >= step["threshold"]
        assert step["positive_share"] == y.mean()
        assert step["models"]["rnn"]["mean"] == pytest.approx(
            np.mean([roc_auc_score(y, seed) for seed in SCORES["rnn"].T]), abs=1e-6
        )
        assert step["models"]["rnn"]["low"] < step["models"]["rnn"]["mean"]
        assert step["models"]["dummy"] == {"mean": 0.5, "low": 0.5, "high": 0.5}


def test_thresholds_are_percentiles_once_each_and_leave_two_classes():
    flat = np.where(np.arange(N) < 150, 0, POPULARITY)  # the 20th and 30th percentile are 0
    steps = _auc_by_threshold(flat, SCORES, BOOT)
    found = [step["threshold"] for step in steps]
    assert found == sorted(set(np.percentile(flat, [40, 50, 60, 70, 80])))
    assert _auc_by_threshold(flat, SCORES, BOOT, [-1, 0, 101]) == []


def test_the_middle_that_is_left_out_is_nearest_to_the_median_in_rank():
    order = RNG.permutation(N)
    popularity = np.sort(RNG.lognormal(2, 0.6, N).clip(0, 100))[order]
    scores = {"rnn": RNG.random((N, 1))}
    for step in _auc_without_middle(popularity, scores, BOOT, [0, 0.25, 0.5]):
        gone = int(step["left_out"] * N)
        kept = (order < (N - gone) / 2) | (order >= (N + gone) / 2)
        assert step["tracks"] == kept.sum() == N - gone
        y = popularity[kept] >= np.median(popularity)
        assert step["models"]["rnn"]["mean"] == pytest.approx(
            roc_auc_score(y, scores["rnn"][kept, 0]), abs=1e-6
        )


def test_equals_at_the_edge_of_the_middle_are_judged_alike():
    popularity = np.repeat([10.0, 40, 60, 90], N // 4)
    tracks = [step["tracks"] for step in _auc_without_middle(popularity, SCORES, BOOT)]
    assert tracks == [N, N, N, N // 2]


def test_without_the_middle_a_noisy_label_is_easier():
    steps = _auc_without_middle(POPULARITY, SCORES, BOOT)
    aucs = [step["models"]["rnn"]["mean"] for step in steps]
    assert aucs == sorted(aucs) and aucs[-1] > aucs[0] + 0.05


@pytest.mark.parametrize("correlation", [0, 0.3, 0.7, 1])
def test_the_highest_auc_is_that_of_simulated_listeners(correlation):
    own = RNG.normal(size=200_000) * correlation**0.5
    label = own + RNG.normal(size=own.size) * (1 - correlation) ** 0.5 > 0
    assert _highest_auc(correlation) == pytest.approx(roc_auc_score(label, own), abs=0.005)


@pytest.mark.parametrize("correlation", [0.3, 0.8])
def test_versions_of_a_known_correlation_tell_it_and_what_a_listener_can_reach(correlation):
    tracks, own = released_twice(correlation)
    found = version_noise(tracks, resamples=500)
    assert (found["recordings"], found["versions"]) == (600, 1200)
    assert found["correlation"]["low"] < correlation < found["correlation"]["high"]
    assert found["correlation"]["high"] - found["correlation"]["low"] < 0.2
    reached = roc_auc_score(tracks["popularity"] >= found["threshold"], np.repeat(own, 2))
    assert found["ceiling"]["low"] < reached < found["ceiling"]["high"]
    assert found["apart_by_chance"] == pytest.approx(0.5)
    assert found["apart"]["high"] < found["apart_by_chance"]


def test_versions_on_two_sides_are_counted_by_pairs_each_recording_alike():
    tracks = table([10, 90, 90, 10, 20, 80, 80], list("aaabbcd"), list("aaabbcd"))
    found = version_noise(tracks, threshold=50)
    assert (found["recordings"], found["versions"]) == (2, 5)
    assert found["apart"]["mean"] == pytest.approx((2 / 3 + 0) / 2)
    assert found["apart_by_chance"] == pytest.approx(2 * 4 / 7 * 3 / 7)


def test_versions_that_disagree_have_no_ceiling():
    popularity = np.ravel([(x, 100 - x) for x in range(1, 40)])
    names = np.repeat(np.arange(39), 2).astype(str)
    found = version_noise(table(popularity, names, names))
    assert found["correlation"]["mean"] < 0 and found["ceiling"] is None


@pytest.mark.parametrize(
    "tracks, correlation",
    [
        (table([1, 2, 3]), "nothing"),
        (table([None, 2, 3], list("aab"), list("aab")), "nothing"),
        (table([1, 5, 3], list("aab"), list("aab")), None),
        (table([7, 7, 7, 7], list("aabb"), list("aabb")), None),
    ],
)
def test_where_versions_tell_nothing_nothing_is_told(tracks, correlation):
    found = version_noise(tracks)
    assert (
        found is None
        if correlation == "nothing"
        else (found["correlation"] is None and found["ceiling"] is None)
    )


def test_recordings_of_one_artist_are_drawn_together_by_all_spellings_of_him():
    """The first is joined by its ISRC and credited to two names, the second to one of them."""
    tracks = table([10, 90, 10, 10], ["Star", "A Star", "A Star", "A Star"], list("xyzz"))
    tracks.loc[:1, "isrc"] = "USABC2000001"
    found = version_noise(tracks, threshold=50)
    assert found["recordings"] == 2 and found["apart"] == {"mean": 0.5, "low": 0.5, "high": 0.5}


def test_the_intraclass_correlation_is_that_of_repeated_groups():
    member = np.repeat(np.arange(12), RNG.integers(2, 6, 12))
    values = RNG.normal(size=len(member)) + RNG.normal(size=12)[member]
    weights = RNG.integers(0, 3, (20, 12)).astype(float)
    for found, times in zip(intraclass(values, member, weights), weights.astype(int)):
        copies = [
            (values[member == group], f"{group} {copy}")
            for group in range(12)
            for copy in range(times[group])
        ]
        groups = np.concatenate([[name] * len(part) for part, name in copies])
        repeated = pd.Series(np.concatenate([part for part, _ in copies]))
        assert found == pytest.approx(_artist_share(repeated, pd.Series(groups)))


@pytest.mark.parametrize("slope", [-1, 1])
def test_popularity_that_goes_with_age_is_seen_in_correlation_and_bins(slope):
    days = RNG.integers(0, 3000, 300)
    tracks = table(
        (50 + slope * (days - 1500) / 100 + RNG.normal(0, 10, 300)).clip(0, 100), days=days
    )
    found = popularity_by_age(tracks, resamples=300)
    low, high = sorted(slope * found["spearman"][end] for end in ("low", "high"))
    assert 0.4 < low < slope * found["spearman"]["mean"] < high < 1
    medians = [part["median"] for part in found["bins"]]
    assert len(medians) == 6 and slope * (medians[-1] - medians[0]) > 10
    assert all(part["q25"] <= part["median"] <= part["q75"] for part in found["bins"])


def test_bins_hold_every_dated_track_and_part_no_day():
    days = np.r_[np.zeros(200), RNG.integers(1, 100, 100)]
    tracks = table(RNG.uniform(0, 100, 300), days=days)
    tracks.loc[:9, "release_date"] = pd.NaT
    tracks.loc[10:19, "popularity"] = np.nan
    bins = popularity_by_age(tracks, resamples=50)["bins"]
    assert sum(part["tracks"] for part in bins) == 280
    assert all(one["to"] < other["from"] for one, other in zip(bins, bins[1:]))


def test_tracks_of_one_artist_are_no_independent_evidence_of_age():
    days, popularity = np.repeat(RNG.integers(0, 3000, (2, 30)), 10, axis=1)
    widths = [
        np.diff([found["low"], found["high"]])[0]
        for found in (
            popularity_by_age(table(popularity / 30, artists, days=days), resamples=300)["spearman"]
            for artists in (None, np.repeat(np.arange(30), 10).astype(str))
        )
    ]
    assert widths[1] > 2 * widths[0]


@pytest.mark.parametrize(
    "popularity, days", [([1, 2, 3], None), ([1, 2, 3], [5, 5, 7]), ([4, 4, 4, 4], [1, 2, 3, 4])]
)
def test_without_dates_or_with_one_number_there_is_no_age(popularity, days):
    assert popularity_by_age(table(popularity, days=days)) is None


def test_a_gathered_table_is_described_in_json_whatever_its_order(gathered):
    clean, _ = clean_tracks(gathered)
    ids = clean["id"].sample(200, random_state=0).to_list()
    boot = Bootstrap(artist_groups(clean)[ids], 200)
    popularity = clean.set_index("id")["popularity"][ids].to_numpy()
    scores = {"rnn": RNG.random((200, 2)), "upper_bound": popularity[:, None] / 100}
    label = describe_label(gathered, clean, ids, scores, boot)
    assert json.loads(json.dumps(label, allow_nan=False)) == label
    assert set(label) == {"by_threshold", "without_middle", "versions", "age"}
    for step in label["by_threshold"] + label["without_middle"]:
        assert step["models"]["upper_bound"]["mean"] == 1  # in the order of the ids that were given
    assert label["versions"]["correlation"]["low"] > 0.4  # popularity of a release is the song's
    again = describe_label(
        gathered.sample(frac=1, random_state=1), clean.iloc[::-1], ids, scores, boot
    )
    assert again["by_threshold"] == label["by_threshold"]
    for part, key in (("versions", "correlation"), ("age", "spearman")):
        assert again[part][key]["mean"] == pytest.approx(label[part][key]["mean"])
    assert again["age"]["bins"] == label["age"]["bins"]


def test_songs_without_date_or_version_have_neither(liked_songs):
    tracks = normalise(pd.read_csv(liked_songs / "tracks.csv", dtype={"id": str}))
    ids = tracks["id"].to_list()
    label = describe_label(tracks, tracks, ids, SCORES, BOOT)
    assert label["versions"] is None and label["age"] is None
    assert len(label["by_threshold"]) == 7 and label["without_middle"][0]["tracks"] == 400
