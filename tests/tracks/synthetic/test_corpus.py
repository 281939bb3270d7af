"""The synthetic corpus: reproducible, of real proportions, its popularity made of what is heard."""

import io
import json
import pickle
import time
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from scipy.signal import stft
from sklearn.metrics import roc_auc_score

from hiphoplib.errors import BadInput
from hiphoplib.tracks.cleaning import clean_tracks, recordings
from hiphoplib.tracks.gather import get_tracks
from hiphoplib.tracks.sources.base import Clip
from hiphoplib.tracks.synthetic import beats
from hiphoplib.tracks.synthetic import corpus as synthetic
from hiphoplib.tracks.synthetic.corpus import Synthetic
from hiphoplib.tracks.synthetic.instruments import render

SR = beats.SR


@pytest.fixture(scope="module")
def tracks():
    """A large table, as the other stages see it."""
    return get_tracks(Synthetic(n=4000, seed=0))


def clip_of(source, flaw, skip=0):
    """Clip of a row with such a flaw, or "whole"."""
    ids = [name for name, track in source.truth()["tracks"].items() if track["clip"] == flaw]
    return source.preview(Clip(ids[skip], ""))


def power(recipe, band_hz, times_s):
    """Mean power of a beat within and outside a band, inside the given times, in dB."""
    y = render(recipe).mean(axis=0)
    f, t, spectrum = stft(y, SR, nperseg=4096)
    inside = np.any([(t >= a) & (t < b) for a, b in times_s], axis=0)
    rows = (f >= band_hz[0]) & (f < band_hz[1])
    near = (f >= band_hz[0] / 2) & (f < band_hz[1] * 2)
    density = np.abs(spectrum[:, inside]) ** 2
    return 10 * np.log10([density[rows].mean(), density[~near & (f < 15_000)].mean()])


def test_same_seed_same_corpus_other_seed_other():
    one, same, other = Synthetic(40, 3), Synthetic(40, 3), Synthetic(40, 4)
    assert one.tracks().equals(same.tracks())
    assert not one.tracks()["popularity"].equals(other.tracks()["popularity"])
    first = Clip(one.tracks()["id"][0], "")
    assert one.preview(first) == same.preview(first) != other.preview(first)


def test_rows_do_not_depend_on_each_other():
    small, large = Synthetic(50, 1), pickle.loads(pickle.dumps(Synthetic(900, 1)))
    assert large.tracks().head(50).equals(small.tracks())
    rows = list(large.tracks().itertuples())
    late = large.preview(rows[7])
    large.preview(rows[300])
    synthetic._corpus.cache_clear()
    assert small.preview(small.tracks().iloc[7]) == late == large.preview(rows[7])
    assert len(pickle.dumps(large)) < 300  # nothing of the corpus


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_oracle_of_all_that_is_heard_is_good_but_not_perfect_and_calibrated(seed):
    source = Synthetic(2000, seed)
    clean, _ = clean_tracks(get_tracks(source))
    truth = source.truth()["tracks"]
    oracle = [truth[name]["upper_bound"] for name in clean["id"]]
    popular = clean["popularity"] >= clean["popularity"].median()
    assert 0.72 < roc_auc_score(popular, oracle) < 0.78
    # calibrated: among tracks of one oracle probability, that share is popular
    assert np.mean((oracle - popular) ** 2) == pytest.approx(
        np.mean(np.array(oracle) * (1 - np.array(oracle))), abs=0.015)


def test_truth_is_json_and_says_where():
    source = Synthetic(250, 5)
    truth = json.loads(json.dumps(source.truth()))
    assert set(truth["tracks"]) == set(source.tracks()["id"])
    assert set(truth["causes"]) == set(beats.CAUSES)
    for track in truth["tracks"].values():
        assert 0 < track["upper_bound"] < 1
        for cause in track["causes"].values():
            assert cause["times_s"] and all(0 <= a < b <= 30 for a, b in cause["times_s"])


def test_no_column_tells_the_truth(tracks):
    hidden = {"upper_bound", "latent", "fame", "causes", "recipe", "recording", *beats.CAUSES}
    assert not hidden & set(tracks.columns)
    truth = Synthetic(4000, 0).truth()["tracks"]
    oracle = np.array([truth[name]["upper_bound"] for name in tracks["id"]])
    for column in ("duration_ms", "explicit"):
        r = np.corrcoef(tracks[column].astype(float), oracle)[0, 1]
        assert abs(r) < 0.06, column
    known = tracks["release_date"].notna()
    days = tracks["release_date"][known].astype("int64")
    assert abs(np.corrcoef(days, oracle[known])[0, 1]) < 0.06


@pytest.mark.parametrize("cause", beats.CAUSES)
def test_a_cause_raises_its_own_band_at_its_own_times(cause):
    gains = []
    for seed, (style, bpm) in enumerate([("trap", 142), ("boom-bap", 88), ("trap", 124)]):
        recipe = beats.Recipe(seed=seed, kit=seed, style=style, bpm=bpm)
        low, high = (replace(recipe, causes=recipe.causes | {cause: z}) for z in (-1.5, 1.5))
        times, band = high.cause_times()[cause], beats.CAUSES[cause]["band_hz"]
        gains.append(power(high, band, times) - power(low, band, times))
    own, elsewhere = np.median(gains, axis=0)
    assert own > 3
    assert own - elsewhere > 3


def test_three_humps(tracks):
    popularity = tracks["popularity"]
    assert popularity.between(0, 100).all()
    assert 36 <= popularity.median() <= 42 and popularity.quantile(0.999) > 75

    def per_point(low, high):
        return popularity.between(low, high).sum() / (high - low + 1)
    assert per_point(0, 2) > 3 * per_point(26, 29)
    assert per_point(4, 18) < 0.1 * per_point(26, 29)
    assert per_point(26, 29) > 1.15 * per_point(34, 36)
    assert per_point(42, 48) > 1.3 * per_point(34, 36)


def test_proportions_are_those_of_real_rap(tracks):
    songs = tracks[~recordings(tracks).duplicated()]
    counts = songs["artists"].str[0].value_counts()
    assert (counts == 1).mean() == pytest.approx(0.61, abs=0.05)
    assert 2.0 < counts.mean() < 2.7 and 15 < counts.max() <= 30
    minutes = songs["duration_ms"] / 60_000
    for share, length in zip(*synthetic.MINUTES, strict=True):
        if 0 < share < 1:
            assert minutes.quantile(share) == pytest.approx(length, abs=0.2)
    year = tracks["release_date"].dt.year
    assert (year == 2019).mean() == pytest.approx(0.33, abs=0.04)
    assert year.between(1990, 1999).mean() == pytest.approx(0.105, abs=0.03)
    assert 0.12 <= (songs["artists"].str.len() > 1).mean() <= 0.40
    assert tracks["track"].str.contains("feat. ", regex=False).mean() == pytest.approx(.12, abs=.03)
    assert tracks["explicit"].mean() == pytest.approx(0.31, abs=0.04)
    assert (tracks["album_type"] == "album").mean() == pytest.approx(0.56, abs=0.03)


def test_releases_of_one_recording_are_found_and_less_popular(tracks):
    again = 1 - len(clean_tracks(tracks)[0]) / tracks["preview_url"].notna().sum()
    assert again == pytest.approx(0.06, abs=0.02)
    found, rows = recordings(tracks), synthetic._corpus(4000, 0)
    seeds = tracks["id"].map(lambda name: rows[name][1]["recipe"].seed)
    assert (seeds.groupby(found).nunique() == 1).all()
    assert (found.groupby(seeds).nunique() == 1).mean() > 0.999
    spread = tracks["popularity"].groupby(found).agg(["count", "min", "max"])
    several = spread[spread["count"] > 1]
    assert (several["max"] > several["min"]).mean() > 0.8 and several["count"].max() <= 6


def test_every_flaw_is_there_and_rare():
    source = Synthetic(400, 0)
    table = source._tracks(None)
    share = table["preview_url"].isna().mean()
    assert share == pytest.approx(0.02, abs=0.005)
    lengths = table["release_date"].str.len()
    for flaw in (lengths == 4, lengths == 7, table["release_date"].isna()):
        assert 0 < flaw.mean() <= 0.0101
    clips = [track["clip"] for track in source.truth()["tracks"].values()]
    for flaw in synthetic.CLIP_FLAWS:
        assert 0 < np.mean([clip == flaw for clip in clips]) <= 0.0101, flaw
    for flaw in ("html", "text"):
        with pytest.raises(soundfile.LibsndfileError):
            soundfile.read(io.BytesIO(clip_of(source, flaw)))


@pytest.mark.parametrize("flaw, channels, sr, seconds", [
    ("whole", 2, 44_100, 30), ("8 s", 2, 44_100, 8), ("1.5 s", 2, 44_100, 1.5),
    ("silent", 2, 44_100, 30), ("mono", 1, 44_100, 30), ("48 kHz", 2, 48_000, 30)])
def test_clips_decode(flaw, channels, sr, seconds):
    y, found = soundfile.read(io.BytesIO(clip_of(Synthetic(400, 0), flaw)), always_2d=True)
    assert (found, y.shape[1]) == (sr, channels)
    assert len(y) / sr == pytest.approx(seconds, abs=0.1)
    assert (np.abs(y).max() < 1e-4) if flaw == "silent" else (0.02 < np.std(y) < 0.5)


def test_it_sounds_like_music_by_its_spectrum():
    for skip in range(4):
        y, _ = soundfile.read(io.BytesIO(clip_of(Synthetic(400, 0), "whole", skip)))
        f, _, spectrum = stft(y.mean(axis=1), SR, nperseg=4096)
        mean = np.mean(np.abs(spectrum) ** 2, axis=1)
        octaves = [10 * np.log10(mean[(f >= low) & (f < 2 * low)].mean())
                   for low in 62.5 * 2.0 ** np.arange(8)]
        slope = np.polyfit(np.arange(8), octaves, 1)[0]
        assert -8 < slope < -3  # dB an octave
        side = np.std(y[:, 0] - y[:, 1]) / np.std(y[:, 0] + y[:, 1])
        assert 0.03 < side < 1


def test_a_clip_costs_little():
    source, costs = Synthetic(400, 0), []
    for row in source.tracks().head(6).itertuples():
        start = time.process_time()
        source.preview(row)
        costs.append(time.process_time() - start)
    assert min(costs) < 0.35  # s of one core; the least, since the machine is shared


def test_input_that_cannot_be_used_is_named():
    with pytest.raises(BadInput, match="at least 1 track"):
        Synthetic(0)
    with pytest.raises(BadInput, match="syn-99999"):
        Synthetic(5).preview(Clip("syn-99999", ""))
