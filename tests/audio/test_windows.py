"""Whole songs from files: every format read alike, any length, and a reason where it cannot be."""

import gc
import os
import tracemalloc

import av
import numpy as np
import pytest
import soundfile as sf

from hiphoplib.audio import windows as songs
from hiphoplib.audio.files import Recording, read_clip
from hiphoplib.audio.mel import FULL, QUICK, mel_spectrogram
from hiphoplib.audio.windows import _read_windows, find_songs, stretch, windows_or_reason
from hiphoplib.errors import BadInput
from tests.audio.sounds import encoded, written

SR = 22_050


def sound(content, suffix, folder, name="song"):
    path = folder / f"{name}{suffix}"
    path.write_bytes(content)
    return path


def every_format(y, sr, mp3):
    """The same sound as bytes, by suffix."""
    suffixes = ".wav", ".flac", ".ogg", ".aif", ".m4a", ".aac"
    return {".mp3": mp3(y, sr)} | {suffix: encoded(y, sr, suffix) for suffix in suffixes}


@pytest.fixture(scope="module")
def tune(noise):
    """50 s whose level moves, stereo."""
    y = noise(-20, seconds=50, sr=SR, channels=2)
    return y * (0.3 + 0.7 * np.sin(np.arange(len(y)) / SR / 4) ** 2)[:, None].astype(np.float32)


def test_every_format_is_read_alike(tune, mp3, tmp_path):
    song = {
        suffix: _read_windows(sound(content, suffix, tmp_path), QUICK)
        for suffix, content in every_format(tune, SR, mp3).items()
    }
    exact = song[".wav"]
    assert exact.starts.tolist() == [0, 5, 10, 15, 20]
    for suffix, one in song.items():
        # a lossy encoder may put some hundredths of a second in front
        assert one.seconds == pytest.approx(50, abs=0.2), suffix
        assert len(one.starts) == 5 and one.S_db.shape == exact.S_db.shape, suffix
        # below 1 kHz: above, an encoder makes of noise what it likes
        low = one.S_db.astype(float)[:, :12] - exact.S_db.astype(float)[:, :12]
        assert np.abs(np.median(low)) < 0.5, suffix
    assert np.abs(song[".flac"].S_db - exact.S_db).max() < 0.3


@pytest.mark.parametrize("grid", [QUICK, FULL])
def test_a_window_is_what_the_pipeline_makes_of_that_clip(tune, tmp_path, grid):
    path = sound(written(tune, SR, ".wav", subtype="FLOAT"), ".wav", tmp_path)
    clip = sound(
        written(tune[10 * SR : 40 * SR], SR, ".wav", subtype="FLOAT"), ".wav", tmp_path, "clip"
    )
    window = _read_windows(path, grid).S_db[2]
    expected = mel_spectrogram(*read_clip(clip), grid).astype(np.float16)
    assert np.abs(window.astype(float) - expected.astype(float)).max() < 0.1


@pytest.mark.parametrize(
    "size, step, n", [(7, 3, 50), (7, 7, 50), (4, 9, 50), (60, 5, 50), (50, 5, 50)]
)
@pytest.mark.parametrize("block", [1, 8, 64])
def test_stretches_are_slices_however_the_song_comes_in_blocks(size, step, n, block):
    y = np.arange(n, dtype=np.float32)
    found = list(songs._stretches((y[i : i + block] for i in range(0, n, block)), step, size))
    expected = [(s, y[s : s + size]) for s in range(0, n - size + 1, step)] or [(0, y)]
    assert [s for s, _ in found] == [s for s, _ in expected]
    assert all(np.array_equal(one, other) for (_, one), (_, other) in zip(found, expected))


def test_a_part_is_cut_where_it_lies(tune, tmp_path):
    path = sound(written(tune, SR, ".wav", subtype="FLOAT"), ".wav", tmp_path)
    y, sr = stretch(path, 12.5, 30)
    assert sr == SR and np.allclose(y, tune[int(12.5 * SR) : int(42.5 * SR)].mean(axis=1))


@pytest.mark.parametrize(
    "sr, channels, subtype",
    [(8000, 1, "PCM_16"), (96_000, 2, "PCM_24"), (192_000, 2, "FLOAT"), (44_100, 6, "PCM_16")],
)
def test_what_a_studio_exports_is_read(noise, tmp_path, sr, channels, subtype):
    y = noise(-20, seconds=32, sr=sr, channels=channels)
    song = _read_windows(sound(written(y, sr, ".wav", subtype=subtype), ".wav", tmp_path), QUICK)
    assert song.starts.tolist() == [0] and np.isfinite(song.S_db).all()


def test_silent_windows_are_left_out(noise, tmp_path):
    y = noise(-20, seconds=120, sr=8000)
    y[20 * 8000 : 80 * 8000] = 0
    song = _read_windows(sound(written(y, 8000, ".wav"), ".wav", tmp_path), QUICK)
    assert not {20, 25, 30, 35, 40, 45, 50} & set(song.starts)
    assert {15, 55, 90} <= set(song.starts)


def test_a_short_song_is_one_window_and_says_so(noise, tmp_path):
    song = _read_windows(sound(written(noise(-20, 20), SR, ".wav"), ".wav", tmp_path), QUICK)
    assert song.starts.tolist() == [0] and "Only 20 s long" in song.note
    nearly = _read_windows(sound(written(noise(-20, 29.98), SR, ".wav"), ".wav", tmp_path), QUICK)
    assert nearly.note == ""  # as most clips of services are


def test_an_hour_is_heard_at_larger_steps_in_little_memory(noise, tmp_path):
    path, part = tmp_path / "mix.flac", noise(-20, 60, sr=8000)
    with sf.SoundFile(path, "w", 8000, 1) as mix:
        for _ in range(60):
            mix.write(part)
    tracemalloc.start()
    song = _read_windows(path, QUICK)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert song.seconds == 3600 and len(song.starts) <= songs.MAX_WINDOWS
    assert song.starts[-1] > 3550 and "heard every 10 s" in song.note
    # an hour of samples alone would be 115 MB
    assert most < 60e6


def test_silence_four_seconds_and_no_numbers_are_told(noise, tmp_path):
    y = noise(-20, 40)
    y[30 * SR] = np.nan
    made = {
        "only silence": np.zeros(40 * SR, np.float32),
        "4.0 s of audio": noise(-20, 4),
        "no numbers": y,
    }
    for reason, samples in made.items():
        path = sound(written(samples, SR, ".wav", subtype="FLOAT"), ".wav", tmp_path)
        told = windows_or_reason((path, QUICK, 5.0))
        assert reason in told and "\n" not in told


def test_a_coding_that_nobody_knows_is_told(noise, tmp_path):
    content = bytearray(written(noise(-20, 20), SR, ".wav"))
    content[20:22] = b"\x34\x12"  # the format tag
    assert "not audio" in windows_or_reason((sound(bytes(content), ".wav", tmp_path), QUICK, 5.0))


def test_a_film_without_sound_and_a_file_that_is_gone_are_told(tmp_path):
    with av.open(str(tmp_path / "film.mp4"), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        for _ in range(3):
            out.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        out.mux(stream.encode(None))
    assert "not audio" in windows_or_reason((tmp_path / "film.mp4", QUICK, 5.0))
    assert "no such file" in windows_or_reason((tmp_path / "gone.mp4", QUICK, 5.0))


def test_a_little_longer_than_a_song_is_heard_at_larger_steps_as_well(tune, tmp_path, monkeypatch):
    path = sound(written(tune, SR, ".wav"), ".wav", tmp_path)
    monkeypatch.setattr(songs, "MAX_WINDOWS", 5)
    assert len(_read_windows(path, QUICK).starts) == 5
    monkeypatch.setattr(songs, "MAX_WINDOWS", 4)
    song = _read_windows(path, QUICK)
    assert song.starts.tolist() == [0, 10, 20] and "heard every 10 s" in song.note


@pytest.mark.parametrize("suffix", [".mp3", ".m4a", ".ogg", ".flac"])
def test_a_damaged_end_costs_the_song_or_nothing_else(tune, mp3, tmp_path, suffix):
    content = bytearray(every_format(tune, SR, mp3)[suffix])
    content[len(content) // 2 :] = np.random.default_rng(0).bytes(len(content) // 8)
    song = windows_or_reason((sound(bytes(content), suffix, tmp_path), QUICK, 5.0))
    if isinstance(song, str):
        # an m4a has its table of contents at the end
        assert suffix == ".m4a" and "cut off, damaged" in song
    else:
        assert np.isfinite(song.S_db).all() and song.seconds > 20


def test_a_folder_is_read_in_the_order_of_names_and_no_deeper(tmp_path):
    for name in ("b.MP3", "A.wav", "notes.txt", ".hidden.mp3", "c.m4a"):
        (tmp_path / name).touch()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "d.mp3").touch()
    found, others = find_songs(tmp_path)
    assert [path.name for path in found] == ["A.wav", "b.MP3", "c.m4a"]
    assert others == [".hidden.mp3", "deep/", "notes.txt"]
    assert find_songs(tmp_path / "A.wav") == ([tmp_path / "A.wav"], [])


def test_a_folder_without_audio_says_what_to_do(tmp_path):
    with pytest.raises(BadInput, match="no audio files in it; put songs there"):
        find_songs(tmp_path)
    with pytest.raises(BadInput, match="no such folder"):
        find_songs(tmp_path / "nowhere")
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "a.mp3").touch()
    with pytest.raises(BadInput, match="in its folder 'album': name that one"):
        find_songs(tmp_path)


def test_no_file_stays_open(tune, tmp_path, mp3):
    for suffix, content in every_format(tune, SR, mp3).items():
        path = sound(content, suffix, tmp_path)
        gc.collect()
        before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        _read_windows(path, QUICK)
        with Recording(path) as half:
            next(half.blocks())
        stretch(path, 5, 10)
        if before:
            assert len(os.listdir("/proc/self/fd")) == before, suffix
