"""Rendered songs: whole, on one grid of bars, without a click, and unlike in their parts."""

from io import BytesIO
from itertools import pairwise

import av
import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfiltfilt

from hiphoplib.errors import BadInput
from hiphoplib.io import write_whole
from hiphoplib.tracks.synthetic import songs
from hiphoplib.tracks.synthetic.beats import CAUSES, ROLLS, SR, N, Recipe
from hiphoplib.tracks.synthetic.instruments import LOW_DB, render

ARTISTS = range(40)
SEED = 9  # a loud artist: peaks are held back


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Three songs of an artist, as the function gave them back."""
    return songs.render_songs(tmp_path_factory.mktemp("songs"), 3, SEED)


@pytest.fixture(scope="module")
def whole():
    """One of them as samples, and its parts."""
    return songs._song(SEED, 2), songs.parts(SEED, 2)


def decoded(file, kind):
    """Samples of a file or path, float [shape=(channels, samples)], and sampling rate in Hz."""
    if kind == "m4a":
        with av.open(file) as stream:
            rate = stream.streams.audio[0].rate
            return np.concatenate([each.to_ndarray() for each in stream.decode(audio=0)], 1), rate
    y, rate = soundfile.read(file, always_2d=True)
    return y.T, rate


def test_songs_last_two_to_four_minutes_and_their_parts_leave_no_bar_out():
    for seed in ARTISTS:
        for number in (1, 2, 3):
            form = songs.parts(seed, number)
            assert 120 < form[-1].samples[1] / SR < 240
            assert form[0].bars.start == 0 and all(len(part.bars) for part in form)
            for one, other in pairwise(form):
                assert one.bars.stop == other.bars.start and one.samples[1] == other.samples[0]


@pytest.mark.parametrize("kind", songs.FORMATS)
def test_every_format_decodes_to_the_song(whole, kind):
    song = whole[0]
    y, rate = decoded(BytesIO(songs._encode_as(kind, song)), kind)
    assert rate == SR and len(y) == 2 and abs(y.shape[1] - song.shape[1]) < 0.1 * SR
    assert np.isfinite(y).all() and np.abs(y).max() < 1
    assert np.std(y) == pytest.approx(np.std(song), rel=0.1)  # LAME takes 0.5 dB


def test_the_files_hold_the_songs_of_their_numbers(written):
    for number, (path, kind) in enumerate(zip(written, songs.FORMATS), start=1):
        (y, _), n = decoded(path, kind), songs.parts(SEED, number)[-1].samples[1]
        assert path.suffix == f".{kind}" and abs(y.shape[1] - n) < 0.1 * SR, path.name
    assert np.abs(decoded(written[2], "flac")[0] - songs._song(SEED, 3)).max() < 2 / 2**15


def test_same_seed_same_song_other_seed_or_number_other(whole):
    y, form = whole
    assert np.array_equal(y, songs._song(SEED, 2)) and y.dtype == np.float32
    content = y[:, : 10 * SR]
    for kind in ("wav", "flac"):
        assert songs._encode_as(kind, content) == songs._encode_as(kind, content.copy())
    assert form == songs.parts(SEED, 2)
    assert form not in [songs.parts(SEED + 1, 2), songs.parts(SEED, 3)]
    names = [songs.file_name(seed, k) for seed in range(10) for k in range(1, 11)]
    assert len({name[3:].rpartition(".")[0] for name in names}) == 100  # titles


def test_songs_are_by_one_artist_and_in_tempos_of_their_own():
    recipes = [songs.parts(SEED, number)[0].recipe for number in range(1, 11)]
    for own in ("kit", "voice_hz", "tract", "style", "width", "tilt"):
        assert len({getattr(recipe, own) for recipe in recipes}) == 1, own
    assert len({recipe.bpm for recipe in recipes}) == 10
    assert len({recipe.root for recipe in recipes}) > 1
    assert len({songs.parts(seed, 1)[0].recipe.kit for seed in ARTISTS}) == len(ARTISTS)


@pytest.mark.parametrize("number", range(1, 6))
def test_parts_differ_in_their_causes(number):
    form = [part for part in songs.parts(SEED, number) if part.role != "lead"]
    style = form[0].recipe.style
    for cause in (name for name, what in CAUSES.items() if what["kind"] in ("level", "change")):
        values = [part.recipe.effects()[cause] for part in form]
        if cause == "hat_rolls":
            values = np.divide(values, abs(ROLLS[style]))
        assert np.ptp(values) > 2 and np.abs(values).max() < 3, cause
        # one part has the most, from which they fall on both sides
        best = int(np.argmax(values))
        assert form[best].role in ("verse", "hook")
        assert (np.diff(values[: best + 1]) > 0).all() and (np.diff(values[best:]) < 0).all()


def test_what_a_part_has_more_of_is_heard_there(whole):
    y, form = whole
    verses = [part for part in form if part.role == "verse"]
    verses.sort(key=lambda part: part.recipe.causes["low_end"])
    bass = butter(4, [30, 120], "bandpass", fs=SR, output="sos")
    high = butter(4, [6000, 11000], "bandpass", fs=SR, output="sos")
    shares = []
    for part in (verses[0], verses[-1]):
        heard = y[:, slice(*part.samples)].mean(axis=0)
        shares.append(np.std(sosfiltfilt(bass, heard)) / np.std(sosfiltfilt(high, heard)))
    least, most = (verses[i].recipe.causes["low_end"] for i in (0, -1))
    wanted = LOW_DB * (most - least)
    assert 20 * np.log10(shares[1] / shares[0]) == pytest.approx(wanted, abs=3)


def test_verses_have_words_of_their_own_and_hooks_the_same():
    form = songs.parts(SEED, 1)
    streams = {
        role: [part.recipe.rng("voice").random() for part in form if part.role == role]
        for role in ("verse", "hook")
    }
    assert len(set(streams["verse"])) == len(streams["verse"]) > 2
    assert len(set(streams["hook"])) == 1 < len(streams["hook"])
    assert len({part.recipe.rng("drums").random() for part in form}) == 1


def test_joins_lie_on_one_grid_of_beats(monkeypatch):
    """Beats that are one impulse on every quarter make a song with one on every quarter."""

    def impulses(recipe):
        line, y = recipe.timeline, np.zeros((2, N + 1), dtype=np.float32)
        at = np.array([line.at(quarter / 4) for quarter in range(4 * line.spans["end"][1])])
        y[:, at[(at >= 0) & (at < N)]] = 1
        return y

    monkeypatch.setattr(songs, "render", impulses)
    for seed in range(6):
        y, form = songs._song(seed, 1), songs.parts(seed, 1)
        bar = form[0].recipe.timeline.bar
        # the last bar fades out, and its last quarter is silent
        found = np.flatnonzero(y[0])
        wanted = songs.FADE + bar * np.arange(4 * form[-1].bars.stop) / 4
        assert len(found) == len(wanted) and np.abs(found - wanted).max() <= 1


def test_no_bar_is_cut_and_each_plays_its_part():
    for seed in ARTISTS:
        form = songs.parts(seed, 1)
        for part in form:
            line = part.recipe.timeline
            bars = songs._bars(part.role, part.recipe)
            assert bars and all(
                line.at(bar) >= songs.FADE and line.at(bar + 1) <= N for bar in bars
            )
            if part.role in ("verse", "hook"):
                assert set(bars) <= set(part.recipe.bars_of(part.role))
            if part.role == "lead":  # the riser swells over the whole of it
                assert len(bars) == len(part.bars)


def test_a_bar_is_followed_by_the_next_or_by_its_chord():
    bars = [2, 3, 4, 5, 8, 9]
    for last in range(-1, 12):
        found = songs._follower(bars, last, 4)
        assert found == last + 1 or (last + 1 not in bars and found % 4 == (last + 1) % 4)
    assert songs._follower([6], 0, 4) == 6  # a part without that chord


def test_beats_that_do_not_fit_are_joined_without_a_click(monkeypatch):
    """Beats of one low tone each, out of phase: no step is above what tone and fade explain."""
    hz, level = 50.0, 0.5

    def tone(recipe):
        phase = 7.0 * recipe.take + 3.0 * recipe.causes["low_end"]
        y = level * np.sin(2 * np.pi * hz * np.arange(N + 1) / SR + phase)
        return np.stack([y, -y]).astype(np.float32)

    monkeypatch.setattr(songs, "render", tone)
    y = songs._song(SEED, 1)
    slope = (2 * np.pi * hz / SR + 2 / songs.FADE) * np.abs(y).max()
    assert np.abs(np.diff(y)).max() < 1.01 * slope
    assert np.abs(y[:, [0, -1]]).max() < 1e-6  # neither where it begins nor where it ends


def test_a_riser_swells_from_its_first_bar_to_its_last(monkeypatch):
    """Beats that are louder with every bar show which of their bars a song plays."""

    def staircase(recipe):
        line = recipe.timeline
        return np.tile((np.arange(N + 1) + line.offset) // line.bar + 1, (2, 1)).astype(np.float32)

    monkeypatch.setattr(songs, "render", staircase)
    risers = [
        (seed, part)
        for seed in ARTISTS
        for part in songs.parts(seed, 1)
        if part.role == "lead" and len(part.bars) == 2
    ]
    assert len(risers) > 9
    for seed, part in risers[:10]:
        (start, _), line = part.samples, part.recipe.timeline
        y, first = songs._song(seed, 1)[0], line.spans["lead"][0]
        assert y[start + line.bar] / y[start] == pytest.approx((first + 2) / (first + 1), rel=1e-3)


def test_a_song_has_the_level_of_its_recipe_unless_its_peaks_forbid_it(whole):
    y, form = whole
    level_db, peak = 20 * np.log10(np.sqrt(np.mean(y**2))), np.abs(y).max()
    over = level_db - form[0].recipe.level_db
    assert peak <= songs.PEAK + 1e-6 < 0.9 and over < 0.01
    assert peak > songs.PEAK - 1e-6 or over > -0.01


def test_bars_that_follow_each_other_in_a_beat_come_out_as_they_were():
    beat, bar = render(Recipe(seed=5)), 50_000
    y = np.zeros((2, songs.FADE + 4 * bar), dtype=np.float32)
    for at in range(songs.FADE, y.shape[1], bar):
        songs._join(y, beat[:, at - songs.FADE : at + bar], at)
    assert np.abs(y - beat[:, : y.shape[1]])[:, songs.FADE :].max() < 1e-6


def two_seconds(task):
    """In place of a song, noise: what a worker does."""
    y = np.random.default_rng(0).normal(0, 0.1, (2, 2 * SR)).astype(np.float32)
    write_whole(task[0], songs._encode_as(task[0].suffix[1:], y))


def test_what_is_there_stays_and_what_is_missing_comes(written, tmp_path, monkeypatch):
    monkeypatch.setattr(songs, "_write", two_seconds)
    for path in written:
        (tmp_path / path.name).write_bytes(b"mine")
    assert [path.name for path in songs.render_songs(tmp_path, 3, SEED, jobs=1)] == [
        path.name for path in written
    ]
    paths = songs.render_songs(tmp_path, 7, SEED, jobs=1)
    assert all(path.read_bytes() == b"mine" for path in paths[:3])
    assert sorted(tmp_path.iterdir()) == paths  # nothing half-written beside them
    for path, kind in zip(paths[3:], ("ogg", "m4a", "mp3", "wav"), strict=True):
        assert path.suffix == f".{kind}" and abs(len(decoded(path, kind)[0][0]) / SR - 2) < 0.1


def test_no_songs_are_none():
    with pytest.raises(BadInput, match="at least 1 song"):
        songs.render_songs("nowhere", 0)
