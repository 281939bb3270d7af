"""The mel spectrogram is librosa's in a fraction of its time, whatever the clip's rate."""

import librosa
import numpy as np
import pytest
import soundfile as sf

from hiphoplib.audio.files import read_clip
from hiphoplib.audio.mel import FLOOR_DB, FULL, GRIDS, QUICK, MelGrid, _filter_bank, mel_spectrogram
from hiphoplib.errors import BadInput

both_grids = pytest.mark.parametrize("grid", [QUICK, FULL], ids=["quick", "full"])
both_ways = pytest.mark.parametrize("sr", [22_050, 44_100])  # as it is, and resampled
RINGING = 2048  # samples over which the end of a clip can be heard through the resampler


def plain_way(path, grid):
    """Return the spectrogram of a file as librosa makes it, dB."""
    y, _ = librosa.load(path, sr=grid.sr, mono=True, duration=grid.seconds)
    power = librosa.feature.melspectrogram(
        y=y, sr=grid.sr, n_fft=grid.n_fft, n_mels=grid.n_mels, hop_length=grid.hop_length
    )
    return librosa.power_to_db(power, ref=1.0, amin=10 ** (FLOOR_DB / 10), top_db=None)


def assert_equivalent(S_db, plain):
    """Hold a spectrogram against the plain one: what it has more is silence."""
    assert (S_db[:, plain.shape[1] :] == FLOOR_DB).all()
    difference = np.abs(S_db[:, : plain.shape[1]] - plain)
    assert difference.mean() <= 0.01
    audible = difference[plain > plain.max() - 60]
    assert audible.mean() <= 0.01
    assert np.quantile(audible, 0.999) <= 0.5
    assert audible.max() <= 0.05  # more than is asked for


def music(seconds, sr, channels):
    """Return a bass line, chords and a beat, float32 [shape=(samples,) or (samples, 2)]."""
    t, rng = np.arange(int(seconds * sr)) / sr, np.random.default_rng(0)
    beat = np.exp(-12 * (t % 0.6))[:, None]
    chord = sum(
        np.sin(2 * np.pi * hz * t) / number
        for number, hz in enumerate(55 * np.array([1, 2, 3, 4, 5, 6, 12, 24, 48, 96]), start=1)
    )[:, None]
    hat = np.exp(-40 * ((t + 0.3) % 0.6))[:, None] * rng.normal(0, 1, (len(t), channels))
    left_to_right = np.linspace(0.2, 0.1, channels)
    return (left_to_right * chord * beat + 0.2 * hat).astype(np.float32).squeeze()


@pytest.mark.parametrize("grid, shape", [(FULL, (128, 1292)), (QUICK, (64, 323))])
def test_the_presets_have_the_shape_of_the_design(grid, shape, noise):
    assert grid.shape == shape
    assert GRIDS[grid.name] is grid
    for seconds in (3, 30, 31):
        S_db = mel_spectrogram(noise(-20, seconds), grid.sr, grid)
        assert S_db.shape == shape and S_db.dtype == np.float32
    assert len(grid.times()) == shape[1] and grid.times()[-1] <= grid.seconds
    assert len(grid.mel_frequencies()) == shape[0]
    assert (np.diff(grid.mel_frequencies()) > 0).all()


# against librosa


@pytest.mark.parametrize("sr", [8_000, 22_050, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
@both_grids
def test_it_agrees_with_librosa_on_noise_and_music(tmp_path, noise, mp3, sr, channels, grid):
    # up to half the sampling rate, which an mp3 is not
    sf.write(tmp_path / "noise.wav", noise(-20, 5, sr, channels=channels), sr)
    if sr <= 48_000:  # the highest of an mp3
        (tmp_path / "music.mp3").write_bytes(mp3(music(5, sr, channels), sr))
    for path in tmp_path.iterdir():
        assert_equivalent(mel_spectrogram(*read_clip(path), grid), plain_way(path, grid))


@both_grids
def test_it_agrees_with_librosa_on_real_songs(liked_songs, grid):
    for path in sorted((liked_songs / "audio").iterdir())[:3]:
        assert_equivalent(mel_spectrogram(*read_clip(path), grid), plain_way(path, grid))


@both_grids
def test_frames_and_bands_lie_where_librosa_says(grid):
    frames = librosa.frames_to_time(range(grid.frames), sr=grid.sr, hop_length=grid.hop_length)
    np.testing.assert_allclose(grid.times(), frames)
    bands = librosa.mel_frequencies(grid.n_mels + 2, fmin=0, fmax=grid.sr / 2)
    np.testing.assert_allclose(grid.mel_frequencies(), bands[1:-1], rtol=1e-6)


@both_grids
def test_the_filter_bank_is_that_of_librosa(grid):
    bank = _filter_bank(grid)
    plain = librosa.filters.mel(sr=grid.sr, n_fft=grid.n_fft, n_mels=grid.n_mels)
    np.testing.assert_allclose(bank.toarray(), plain, atol=1e-6 * plain.max())
    assert bank.nnz < 0.05 * plain.size


def test_a_clip_shorter_than_a_window_is_as_if_silence_came_around_it(noise):
    y = noise(-20, 1)[:700]
    plain = librosa.feature.melspectrogram(y=np.pad(y, (0, 4096)), sr=22_050, n_mels=128)[:, :2]
    S_db = mel_spectrogram(y, 22_050, FULL)
    np.testing.assert_allclose(S_db[:, :2], librosa.power_to_db(plain, top_db=None), atol=1e-3)
    assert (S_db[:, 2:] == FLOOR_DB).all()
    for sr in (22_050, 44_100):
        assert (mel_spectrogram(y[:0], sr, FULL) == FLOOR_DB).all()


@pytest.mark.parametrize("missing", [0, 1, 440, 441, 442])
def test_a_clip_that_ends_with_the_grid_has_its_last_frame(noise, missing):
    grid = MelGrid(40, 441, seconds=2.0)  # the last frame is centred on the last sample
    y = noise(-20, 2)[: 44_100 - missing]
    plain = librosa.feature.melspectrogram(y=y, sr=22_050, hop_length=441, n_mels=40)
    S_db = mel_spectrogram(y, 22_050, grid)
    assert_equivalent(S_db, librosa.power_to_db(plain, top_db=None))
    assert S_db.shape == (40, 101)


# what must hold of any


@both_grids
@both_ways
def test_a_clip_cut_short_keeps_its_frames_and_ends_in_silence(noise, grid, sr):
    whole = noise(-20, 30, sr)
    long, short = (mel_spectrogram(y, sr, grid) for y in (whole, whole[: int(12.3 * sr)]))
    end = int(12.3 * grid.sr)
    first_silent = 1 + end // grid.hop_length
    heard = end - grid.n_fft // 2 - (RINGING if sr != grid.sr else 0)
    untouched = heard // grid.hop_length  # their windows end before the cut
    np.testing.assert_array_equal(short[:, :untouched], long[:, :untouched])
    assert (short[:, first_silent:] == FLOOR_DB).all()
    assert (short[:, :untouched] > FLOOR_DB).all()
    assert (long > FLOOR_DB).all()


@both_grids
@both_ways
def test_what_comes_after_the_grid_ends_does_not_matter(noise, grid, sr):
    y = noise(-20, 33, sr)
    np.testing.assert_array_equal(
        mel_spectrogram(y, sr, grid), mel_spectrogram(y[: 30 * sr], sr, grid)
    )


@both_ways
def test_a_quieter_clip_is_as_much_lower(noise, sr):
    y = noise(-10, 30, sr)
    loud, quiet = mel_spectrogram(y, sr), mel_spectrogram(y * 10 ** (-10 / 20), sr)
    np.testing.assert_allclose(loud - quiet, 10, atol=1e-3)


@both_ways
def test_a_tone_lies_in_the_band_of_its_frequency(sr):
    for grid in (QUICK, FULL):
        for band in (20, 40, 60):
            hz = grid.mel_frequencies()[band]
            y = 0.5 * np.sin(2 * np.pi * hz * np.arange(5 * sr) / sr)
            S_db = mel_spectrogram(y.astype(np.float32), sr, grid)
            assert S_db[:, 3].argmax() == band


@both_ways
def test_how_the_samples_lie_in_memory_does_not_matter(noise, sr):
    y = noise(-20, 5, sr)
    expected = mel_spectrogram(y, sr, FULL)
    beside_another = np.stack([y, y], axis=1)[:, 0]
    shifted = np.concatenate([[0], y]).astype(np.float32)[1:]
    y.flags.writeable = False
    for same in (y, beside_another, shifted, y.astype(np.float64)):
        for rate in (sr, np.int32(sr), np.int64(sr)):
            np.testing.assert_array_equal(mel_spectrogram(same, rate, FULL), expected)


# around it


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_a_clip_is_the_mean_of_its_channels(tmp_path, channels):
    samples = np.random.default_rng(0).normal(0, 0.1, (4 * 8000, channels)).astype(np.float32)
    sf.write(tmp_path / "clip.wav", samples, 8000, subtype="FLOAT")
    y, sr = read_clip(tmp_path / "clip.wav")
    assert sr == 8000 and y.dtype == np.float32 and y.flags.c_contiguous
    np.testing.assert_allclose(y, samples.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize(
    "left, right",
    [
        (np.nan, 0),
        (0, np.nan),
        (np.inf, 0),
        (-np.inf, 0),
        (np.inf, -np.inf),
        (3e38, 3e38),
        (1e20, 0),
        (9, -9),
    ],
)
def test_one_sample_that_is_no_number_or_far_out_of_range_is_enough(tmp_path, left, right):
    samples = np.random.default_rng(0).normal(0, 0.1, (4 * 8000, 2)).astype(np.float32)
    samples[12_345] = left, right
    sf.write(tmp_path / "clip.wav", samples, 8000, subtype="FLOAT")
    reason = "no numbers" if not np.isfinite([left, right]).all() else "times full scale"
    with pytest.raises(BadInput, match=reason):
        read_clip(tmp_path / "clip.wav")


@pytest.mark.parametrize("level", [-1e-3, 1e-3])
def test_a_faint_sound_on_one_side_of_zero_is_no_silence(tmp_path, level):
    constant, path = np.full(4 * 8000, level, np.float32), tmp_path / "clip.wav"
    sf.write(path, constant, 8000, subtype="FLOAT")
    assert read_clip(path)[0][0] == np.float32(level)
    sf.write(path, constant / 100, 8000, subtype="FLOAT")
    with pytest.raises(BadInput, match="only silence"):
        read_clip(path)
