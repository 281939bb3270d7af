"""The synthetic corpus: reproducible, of real proportions, its popularity made of what is heard."""

import io
import json
import pickle
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.ndimage import uniform_filter1d
from scipy.signal import stft
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from hiphoplib.audio.features import LOUDNESS, NAMES, clip_features
from hiphoplib.audio.mel import QUICK, mel_spectrogram
from hiphoplib.errors import BadInput
from hiphoplib.tracks.cleaning import clean_tracks, recordings
from hiphoplib.tracks.gather import get_tracks
from hiphoplib.tracks.sources.base import Clip
from hiphoplib.tracks.synthetic import beats
from hiphoplib.tracks.synthetic import corpus as synthetic
from hiphoplib.tracks.synthetic.corpus import Synthetic
from hiphoplib.tracks.synthetic.flaws import CLIP_FLAWS
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


def of_kind(*kinds):
    """Causes of some kinds."""
    return [cause for cause, about in beats.CAUSES.items() if about["kind"] in kinds]


def smooth(S_db):
    """Means over half a second: which of two rolls has which stroke says nothing."""
    return uniform_filter1d(S_db, 5, axis=1)


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
        np.mean(np.array(oracle) * (1 - np.array(oracle))), abs=0.015
    )


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


def either_way(cause):
    """Recipes of three beats with a cause turned down and up."""
    for seed, (style, bpm) in enumerate([("trap", 142), ("boom-bap", 88), ("trap", 124)]):
        recipe = beats.Recipe(seed=seed, kit=seed, style=style, bpm=bpm)
        yield [replace(recipe, causes=recipe.causes | {cause: z}) for z in (-1.5, 1.5)]


@pytest.mark.parametrize("cause", of_kind("level"))
def test_a_level_raises_its_own_band_at_its_own_times(cause):
    gains = []
    for low, high in either_way(cause):
        times, band = high.cause_times()[cause], beats.CAUSES[cause]["band_hz"]
        gains.append(power(high, band, times) - power(low, band, times))
    own, elsewhere = np.median(gains, axis=0)
    assert own > 2  # the master takes a part away
    assert own - elsewhere > 3


@pytest.mark.parametrize("cause", of_kind("structure", "change"))
def test_a_cause_in_time_changes_when_something_sounds_and_not_how_much(cause):
    """What a mean over the clip shows stays as it is."""
    band, changes, means = beats.CAUSES[cause]["band_hz"], [], []
    for recipes in either_way(cause):
        bands = [mel_spectrogram(render(recipe).mean(axis=0), SR) for recipe in recipes]
        inside = (QUICK.mel_frequencies() >= band[0]) & (QUICK.mel_frequencies() < band[1])
        low, high = (S_db[inside] for S_db in bands)
        spans = [span for recipe in recipes for span in recipe.cause_times()[cause]]
        heard = np.any([(QUICK.times() > a) & (QUICK.times() < b) for a, b in spans], axis=0)
        changes.append(np.abs(smooth(high)[:, heard] - smooth(low)[:, heard]).mean())
        means.append(np.abs(high.mean(axis=1) - low.mean(axis=1)).mean())
    assert np.median(changes) > 3 > 1 > np.median(means)  # dB


def test_the_arrangement_has_more_notes_and_an_optimum():
    band = beats.CAUSES["arrangement"]["band_hz"]
    for recipes in either_way("arrangement"):
        few, many = (power(recipe, band, recipe.cause_times()["arrangement"]) for recipe in recipes)
        own, elsewhere = many - few
        assert own > 1 and own - elsewhere > 1
        sparse, dense = (recipe.effects()["arrangement"] for recipe in recipes)
        assert sparse < 0 > dense
        assert beats.Recipe().effects()["arrangement"] > 0.5


def test_rolling_hats_help_trap_and_not_boom_bap():
    worth = {
        style: beats.Recipe(style=style, causes=dict.fromkeys(beats.CAUSES, 1.0)).effects()[
            "hat_rolls"
        ]
        for style in ("trap", "boom-bap")
    }
    assert worth["trap"] > 1 and worth["boom-bap"] < 0


def test_every_effect_has_the_same_weight_in_all_beats_together():
    effects = pd.DataFrame(
        [behind["recipe"].effects() for _, behind in synthetic._corpus(4000, 0).values()]
    )
    assert np.allclose(effects.mean(), 0, atol=0.1) and np.allclose(effects.std(), 1, atol=0.1)


def test_what_lies_in_time_weighs_most():
    weights = {cause: synthetic.WEIGHTS[cause] ** 2 for cause in beats.CAUSES}
    in_time = sum(weights[cause] for cause in of_kind("structure", "change"))
    assert in_time > 0.9 * sum(weights.values())


def test_every_section_and_stop_is_heard_whatever_the_beat():
    for _, behind in synthetic._corpus(900, 2).values():
        recipe = behind["recipe"]
        spans, line = recipe.timeline.spans, recipe.timeline
        stop, hook = spans["stop"], spans["hook"]
        assert (stop[1] == hook[0]) == (recipe.causes["drop"] > 0)
        assert (spans["again"][0] > spans["bridge"][0]) == (recipe.causes["hook_returns"] > 0)
        for name in ("lead", "hook", "again", "bridge", "stop"):
            start, end = (line.at(bar) / SR for bar in spans[name])
            assert min(end, 30) - max(start, 0) > 1, name


def test_new_tracks_are_more_popular_as_on_spotify(tracks):
    """In rap_tracks_2020 the rank correlation of popularity and age is -0.33."""
    age = -tracks["release_date"].dropna().astype("int64")
    assert -0.36 < tracks["popularity"].corr(age, method="spearman") < -0.24


def test_metadata_say_a_little(tracks):
    clean, _ = clean_tracks(tracks)
    single = clean["album_type"] == "single"
    guests = clean["artists"].str.len() > 1
    for flag in (single, guests):
        gain = clean["popularity"][flag].mean() - clean["popularity"][~flag].mean()
        assert 1 < gain < 8


@pytest.mark.slow
def test_a_level_meter_hears_little_of_what_can_be_heard():
    """With all other noise gone: the correlation is the share of the achievable gain."""
    heard, audible = [], []
    for _, behind in list(synthetic._corpus(4000, 0).values())[:300]:
        y = render(behind["recipe"]).mean(axis=0)
        heard.append(clip_features(y, SR)[[NAMES.index(name) for name in LOUDNESS]])
        audible.append(behind["audible"])
    found = cross_val_predict(LinearRegression(), np.array(heard), audible, cv=5)
    assert np.corrcoef(found, audible)[0, 1] < 0.25


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
            assert minutes.quantile(share) == pytest.approx(length, abs=0.3)
    year = tracks["release_date"].dt.year
    assert (year == 2019).mean() == pytest.approx(0.33, abs=0.04)
    assert year.between(1990, 1999).mean() == pytest.approx(0.105, abs=0.03)
    assert 0.12 <= (songs["artists"].str.len() > 1).mean() <= 0.42
    assert tracks["track"].str.contains("feat. ", regex=False).mean() == pytest.approx(
        0.12, abs=0.03
    )
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
    for flaw in CLIP_FLAWS:
        assert 0 < np.mean([clip == flaw for clip in clips]) <= 0.0101, flaw
    for flaw in ("html", "text"):
        with pytest.raises(soundfile.LibsndfileError):
            soundfile.read(io.BytesIO(clip_of(source, flaw)))


@pytest.mark.parametrize(
    "flaw, channels, sr, seconds",
    [
        ("whole", 2, 44_100, 30),
        ("8 s", 2, 44_100, 8),
        ("1.5 s", 2, 44_100, 1.5),
        ("silent", 2, 44_100, 30),
        ("mono", 1, 44_100, 30),
        ("48 kHz", 2, 48_000, 30),
    ],
)
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
        octaves = [
            10 * np.log10(mean[(f >= low) & (f < 2 * low)].mean())
            for low in 62.5 * 2.0 ** np.arange(8)
        ]
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
