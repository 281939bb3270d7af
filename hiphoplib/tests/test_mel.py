"""The mel spectrogram is librosa's; the store is complete, resumable and never in memory."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile as sf

import hiphoplib.mel
from hiphoplib.errors import BadInput
from hiphoplib.mel import (
    DONE,
    FLOOR_DB,
    FULL,
    GRIDS,
    QUICK,
    REJECTED,
    TODO,
    MelGrid,
    MelStore,
    make_mels,
    mel_spectrogram,
    read_clip,
)
from hiphoplib.rejected import read_rejected
from hiphoplib.tracks import normalise, read_tracks

FILES = ("mels.npy", "state.npy", "index.csv")


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


@pytest.mark.parametrize("sr", [22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("grid", [QUICK, FULL], ids=["quick", "full"])
def test_it_agrees_with_plain_librosa(tmp_path, noise, mp3, sr, channels, grid):
    path = tmp_path / "clip.mp3"
    path.write_bytes(mp3(noise(-20, 5, sr, channels=channels), sr))
    y, _ = librosa.load(path, sr=22050, mono=True)
    plain = librosa.power_to_db(
        librosa.feature.melspectrogram(y=y, sr=22050, n_fft=2048, hop_length=grid.hop_length,
                                       n_mels=grid.n_mels), ref=1.0, amin=1e-10, top_db=None)
    S_db = mel_spectrogram(*read_clip(path), grid)
    np.testing.assert_allclose(S_db[:, :plain.shape[1]], plain, atol=1e-3)
    assert (S_db[:, plain.shape[1]:] == FLOOR_DB).all()


def test_it_agrees_with_plain_librosa_on_a_real_song(liked_songs):
    path = sorted((liked_songs / "audio").iterdir())[0]
    y, _ = librosa.load(path, sr=22050, mono=True, duration=30)
    plain = librosa.power_to_db(
        librosa.feature.melspectrogram(y=y, sr=22050, n_fft=2048, hop_length=512, n_mels=128),
        ref=1.0, amin=1e-10, top_db=None)
    np.testing.assert_allclose(mel_spectrogram(*read_clip(path), FULL), plain, atol=1e-3)


@pytest.mark.parametrize("grid", [QUICK, FULL], ids=["quick", "full"])
def test_a_clip_cut_short_keeps_its_frames_and_ends_in_silence(noise, grid):
    whole, end = noise(-20, 30), int(12.3 * 22050)
    long, short = (mel_spectrogram(y, 22050, grid) for y in (whole, whole[:end]))
    first_silent = 1 + end // grid.hop_length
    untouched = (end - grid.n_fft // 2) // grid.hop_length  # their windows end before the cut
    np.testing.assert_array_equal(short[:, :untouched], long[:, :untouched])
    assert (short[:, first_silent:] == FLOOR_DB).all()
    assert (short[:, :untouched] > FLOOR_DB).all()
    assert (long > FLOOR_DB).all()


def test_what_comes_after_the_grid_ends_does_not_matter(noise):
    y = noise(-20, 33)
    np.testing.assert_array_equal(mel_spectrogram(y, 22050), mel_spectrogram(y[:30 * 22050], 22050))


def test_a_quieter_clip_is_as_much_lower(noise):
    y = noise(-10, 30)
    loud, quiet = mel_spectrogram(y, 22050), mel_spectrogram(y * 10 ** (-10 / 20), 22050)
    np.testing.assert_allclose(loud - quiet, 10, atol=1e-3)


def test_a_tone_lies_in_the_band_of_its_frequency():
    for grid in (QUICK, FULL):
        for band in (20, 40, 60):
            hz = grid.mel_frequencies()[band]
            y = 0.5 * np.sin(2 * np.pi * hz * np.arange(5 * 22050) / 22050)
            S_db = mel_spectrogram(y.astype(np.float32), 22050, grid)
            assert S_db[:, 3].argmax() == band


# clips as they come


@pytest.fixture(scope="module")
def odd_clips(tmp_path_factory, noise, mp3):
    """Return the folder of ten clips of every kind, and what is wrong with them by id."""
    folder = tmp_path_factory.mktemp("odd")
    whole = mp3(noise(-20, 20))
    clips = {
        "good": whole, "mono 48 kHz": mp3(noise(-20, 6, 48000), 48000),
        "stereo 44 kHz": mp3(noise(-20, 6, 44100, channels=2), 44100),
        "cut at 8 s": whole[:8 * 8000], "cut at 2 s": whole[:2 * 8000],
        "1.5 s": mp3(noise(-20, 1.5)), "silent": mp3(np.zeros(6 * 22050, np.float32)),
        "empty": b"", "text": b"<html><body>404 Not Found</body></html>" * 50}
    for name, content in clips.items():
        (folder / f"{name}.mp3").write_bytes(content)
    reasons = {"cut at 2 s": "at least 3 s are needed", "1.5 s": "s of audio, at least 3 s",
               "silent": "only silence", "empty": "the file is empty",
               "text": "audio that can be decoded", "missing": "no such file"}
    return folder, [*clips, "missing"], reasons


def table_of(ids):
    """Return a tracks table whose clips lie beside it."""
    return normalise(pd.DataFrame({"id": ids, "popularity": 50, "track": ids, "artists": ids,
                                   "preview_url": [f"{i}.mp3" for i in ids]}))


def test_a_clip_that_cannot_be_used_costs_one_row_with_its_reason(odd_clips):
    folder, ids, reasons = odd_clips
    store = make_mels(table_of(ids), folder, jobs=1)
    assert store.ids.tolist() == [i for i in ids if i not in reasons]
    rejected = read_rejected(folder).set_index("id")
    assert set(rejected.index) == set(reasons)
    assert (rejected["stage"] == "mels").all()
    for track_id, reason in reasons.items():
        said = rejected["reason"][track_id]
        assert said.startswith(f"clip {track_id}.mp3: ")
        assert reason in said and "\n" not in said
    seconds = (store["cut at 8 s"] > FLOOR_DB).any(axis=0).sum() * 2048 / 22050
    assert seconds == pytest.approx(8, abs=0.3)


@pytest.mark.parametrize("y, reason", [
    (np.full(5 * 22050, np.nan), "no numbers"), (np.full(5 * 22050, 1e-5), "only silence")])
def test_samples_that_are_no_sound_are_refused(tmp_path, y, reason):
    sf.write(tmp_path / "clip.wav", y.astype(np.float32), 22050, subtype="FLOAT")
    with pytest.raises(BadInput, match=reason):
        read_clip(tmp_path / "clip.wav")


def test_a_row_that_leads_outside_costs_only_itself(odd_clips, tmp_path):
    shutil.copy(odd_clips[0] / "good.mp3", tmp_path)
    tracks = table_of(["good", "bad"])
    tracks.loc[1, "preview_url"] = "../bad.mp3"
    assert make_mels(tracks, tmp_path, jobs=1).ids.tolist() == ["good"]
    assert "outside" in read_rejected(tmp_path).set_index("id")["reason"]["bad"]


@pytest.mark.parametrize("url", ["gone.mp3", None])
def test_no_usable_clip_at_all_is_told(tmp_path, url):
    with pytest.raises(BadInput) as error:
        make_mels(table_of(["a"]).assign(preview_url=url), tmp_path, jobs=1)
    assert "\n" not in str(error.value)


# the store


def files(folder, grid=QUICK):
    """Return the bytes of the store's files."""
    return [(folder / f"mels-{grid.name}" / name).read_bytes() for name in FILES]


def test_the_store_holds_the_spectrogram_of_every_clip(corpus):
    store = MelStore(corpus)
    tracks = read_tracks(corpus)
    assert store.ids.tolist() == tracks["id"].tolist() and len(store) == 40
    for row in tracks[:5].itertuples():
        S_db = mel_spectrogram(*read_clip(corpus / row.preview_url))
        np.testing.assert_array_equal(store[row.id], S_db.astype(np.float16).astype(np.float32))
        assert store[row.id].dtype == np.float32
    ids = ["0030", "0002", "0011"]
    np.testing.assert_array_equal(store.batch(ids), [store[i] for i in ids])
    assert "0030" in store and "nope" not in store


def test_float16_is_exact_to_a_sixteenth_of_a_decibel(corpus):
    S_db = mel_spectrogram(*read_clip(corpus / "audio" / "0000.mp3"))
    assert np.abs(MelStore(corpus)["0000"] - S_db).max() <= 1 / 16


def test_the_store_is_mapped_not_loaded(corpus):
    mels = MelStore(corpus)._mels
    assert isinstance(mels, np.memmap)
    assert not mels.flags.writeable


def test_a_second_call_computes_nothing(own_corpus):
    tracks, mels = read_tracks(own_corpus), own_corpus / "mels-quick" / "mels.npy"
    before = files(own_corpus)
    with np.errstate(all="ignore"):
        stored = np.lib.format.open_memmap(mels, mode="r+")
        stored[7] = -50  # told from what would be computed
        stored.flush()
    make_mels(tracks, own_corpus, jobs=1)
    assert (MelStore(own_corpus)["0007"] == -50).all()
    np.lib.format.open_memmap(own_corpus / "mels-quick" / "state.npy", mode="r+")[7] = TODO
    make_mels(tracks, own_corpus, jobs=1)
    assert files(own_corpus) == before


def test_a_killed_run_goes_on_and_ends_as_an_undisturbed_one(own_corpus):
    tracks, undisturbed = read_tracks(own_corpus), files(own_corpus)
    index, state = (own_corpus / "mels-quick" / name for name in ("index.csv", "state.npy"))
    shutil.rmtree(own_corpus / "mels-quick")
    process = subprocess.Popen(
        [sys.executable, "-m", "hiphoplib", "mels", str(own_corpus), "--jobs", "1"],
        cwd=Path(hiphoplib.mel.__file__).parents[1], stdout=subprocess.DEVNULL)
    done, until = 0, time.monotonic() + 60
    while done < 2 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.001)
        if index.is_file():
            done = (np.load(state) == DONE).sum()
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 0 < (np.load(state) == DONE).sum() < len(tracks)
    make_mels(tracks, own_corpus, jobs=1)
    assert files(own_corpus) == undisturbed


def test_a_grown_or_shrunk_table_keeps_its_rows(own_corpus, tmp_path, noise, mp3):
    tracks = read_tracks(own_corpus)
    mels = np.lib.format.open_memmap(own_corpus / "mels-quick" / "mels.npy", mode="r+")
    mels[5:8] = np.array([-50, -60, -70])[:, None, None]
    mels.flush()
    (own_corpus / "audio" / "new.mp3").write_bytes(mp3(noise(-20, seed=99)))
    new = tracks[:1].assign(id="new", preview_url="audio/new.mp3")
    grown = pd.concat([tracks[7:], new, tracks[:6]], ignore_index=True)
    store = make_mels(grown, own_corpus, jobs=1)
    assert store.ids.tolist() == grown["id"].tolist()
    assert (store["0005"] == -50).all() and (store["0007"] == -70).all()
    S_db = mel_spectrogram(*read_clip(own_corpus / "audio" / "new.mp3"))
    np.testing.assert_array_equal(store["new"], S_db.astype(np.float16))
    assert "0006" not in store


@pytest.mark.parametrize("seconds", [6, 15], ids=["another length", "the same length"])
def test_a_replaced_clip_is_computed_again(own_corpus, noise, mp3, seconds):
    clip = own_corpus / "audio" / "0003.mp3"
    clip.write_bytes(mp3(noise(-12, seconds, seed=99)))
    store = make_mels(read_tracks(own_corpus), own_corpus, jobs=1)
    np.testing.assert_array_equal(
        store["0003"], mel_spectrogram(*read_clip(clip)).astype(np.float16))


def test_a_clip_that_is_gone_or_comes_back_is_noticed(own_corpus):
    clip, tracks = own_corpus / "audio" / "0003.mp3", read_tracks(own_corpus)
    before = MelStore(own_corpus)["0003"]
    clip.rename(clip.with_suffix(".away"))
    store = make_mels(tracks, own_corpus, jobs=1)
    assert "0003" not in store and len(store) == 39
    assert np.load(own_corpus / "mels-quick" / "state.npy")[3] == REJECTED
    assert read_rejected(own_corpus)["id"].tolist() == ["0003"]
    clip.with_suffix(".away").rename(clip)
    np.testing.assert_array_equal(make_mels(tracks, own_corpus, jobs=1)["0003"], before)
    assert len(read_rejected(own_corpus)) == 0


def test_a_store_on_another_grid_is_told(corpus, own_corpus):
    with pytest.raises(BadInput, match="made on another grid"):
        MelStore(corpus, MelGrid(32, 2048, name="quick"))
    with pytest.raises(BadInput, match="python -m hiphoplib mels"):
        MelStore(corpus, FULL)
    small = MelGrid(32, 4096, name="quick")
    store = make_mels(read_tracks(own_corpus), own_corpus, small, jobs=1)
    assert store["0000"].shape == small.shape
