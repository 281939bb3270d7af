"""The store of mel spectrograms is complete, resumable and never in memory."""

import json
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

import hiphoplib.dataset.store
from hiphoplib.audio.files import read_clip
from hiphoplib.audio.mel import FLOOR_DB, FULL, mel_spectrogram
from hiphoplib.dataset.store import REJECTED, STORE_VERSION, TODO, MelStore, StoreWriter, make_mels
from hiphoplib.errors import BadInput
from hiphoplib.tracks.table import normalise, read_rejected, read_tracks
from tests.mel_runs import linux, store_bytes

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


@linux
def test_the_store_is_mapped_and_what_was_read_does_not_stay(corpus):
    store = MelStore(corpus)
    assert isinstance(store._mels, np.memmap) and not store._mels.flags.writeable
    batch, one = store.batch(store.ids), store["0003"]
    store.checksum(store.ids)
    assert "mels.npy" not in Path("/proc/self/maps").read_text()
    np.testing.assert_array_equal(batch[3], one)


def test_a_checksum_is_that_of_the_rows_in_their_order(corpus, monkeypatch):
    store, ids = MelStore(corpus), ["0030", "0002", "0011", "0004", "0020"]
    whole = zlib.crc32(store.batch(ids).astype(np.float16).tobytes())
    for block in (1, 2, 5, 64):
        monkeypatch.setattr(hiphoplib.dataset.store, "BLOCK", block)
        assert store.checksum(ids) == whole
    assert store.checksum(ids[::-1]) != whole


def test_threads_read_one_store_at_a_time_of_their_own(corpus):
    store = MelStore(corpus)
    expected = store.batch(store.ids)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            np.testing.assert_array_equal(list(pool.map(store.__getitem__, store.ids)), expected)


def test_a_second_call_computes_nothing(own_corpus):
    tracks, mels = read_tracks(own_corpus), own_corpus / "mels-quick" / "mels.npy"
    before = store_bytes(own_corpus)
    with np.errstate(all="ignore"):
        stored = np.lib.format.open_memmap(mels, mode="r+")
        stored[7] = -50  # told from what would be computed
        stored.flush()
    make_mels(tracks, own_corpus, jobs=1)
    assert (MelStore(own_corpus)["0007"] == -50).all()
    np.lib.format.open_memmap(own_corpus / "mels-quick" / "state.npy", mode="r+")[7] = TODO
    make_mels(tracks, own_corpus, jobs=1)
    assert store_bytes(own_corpus) == before


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


def test_a_table_that_grew_has_the_bytes_of_one_that_was_whole(own_corpus, corpus):
    tracks = read_tracks(own_corpus)
    make_mels(tracks[::-3], own_corpus, jobs=1)
    make_mels(tracks, own_corpus, jobs=1)
    assert store_bytes(own_corpus) == store_bytes(corpus)


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


@pytest.mark.parametrize("settings, reason", [
    ({"n_mels": 32}, r"made on another grid \(32 bands, hop 2048\)"),
    ({"hop_length": 4096}, r"made on another grid \(64 bands, hop 4096\)"),
    ({"version": STORE_VERSION + 1}, f"version {STORE_VERSION + 1} .* this is"),
    ({"version": None}, "version 1 .* this is"), (None, "grid.json is damaged")])
def test_a_store_of_another_grid_or_version_is_told_and_stays(own_corpus, settings, reason):
    path = own_corpus / "mels-quick" / "grid.json"
    changed = json.loads(path.read_text()) | (settings or {})
    if changed["version"] is None:
        del changed["version"]  # there was none in the first
    path.write_text(json.dumps(changed) if settings else "")
    before = store_bytes(own_corpus), path.read_bytes()
    for use in (lambda: MelStore(own_corpus),
                lambda: make_mels(read_tracks(own_corpus)[5:], own_corpus, jobs=1)):
        with pytest.raises(BadInput, match=reason) as error:
            use()
        said = str(error.value)
        assert said.startswith(f"{path.parent}: ") and "\n" not in said
        assert said.endswith("; delete the folder and run `mels` again")
        assert (store_bytes(own_corpus), path.read_bytes()) == before


@pytest.mark.parametrize("name", ["mels.npy", "state.npy", "index.csv"])
@pytest.mark.parametrize("left", [0, 0.5])
def test_a_damaged_store_is_told_and_stays(own_corpus, name, left):
    path = own_corpus / "mels-quick" / name
    path.write_bytes(path.read_bytes()[:int(left * path.stat().st_size)])
    before, tracks = store_bytes(own_corpus), read_tracks(own_corpus)
    for use in (lambda: MelStore(own_corpus)["0030"],
                lambda: make_mels(tracks[5:], own_corpus, jobs=1),
                lambda: make_mels(tracks, own_corpus, jobs=1)):
        with pytest.raises(BadInput) as error:
            use()
        damaged = f"{'state.npy' if (name, left) == ('index.csv', 0.5) else name} is damaged"
        assert str(error.value) == (f"{path.parent}: {damaged}; delete the folder and run `mels` "
                                    "again")
        assert store_bytes(own_corpus) == before


def test_an_open_store_reads_on_while_rows_come_but_no_other_store(own_corpus):
    store = MelStore(own_corpus)
    before = store["0003"]
    with StoreWriter(own_corpus / "mels-quick") as writer:
        writer.done(4, before)
    np.testing.assert_array_equal(store.batch(["0003", "0004"]), [before, before])
    make_mels(read_tracks(own_corpus)[::-1], own_corpus, jobs=1)
    for read in (lambda: store["0003"], lambda: store.batch(["0003"]),
                 lambda: store.checksum(["0003"])):
        with pytest.raises(BadInput, match="mels-quick: the store was made anew meanwhile; start"):
            read()
    shutil.rmtree(own_corpus / "mels-quick")
    with pytest.raises(BadInput, match="made anew meanwhile"):
        store["0003"]


def test_a_store_that_is_not_there_is_told(corpus):
    with pytest.raises(BadInput, match="python -m hiphoplib mels"):
        MelStore(corpus, FULL)


def test_rows_without_a_spectrogram_are_zeros(own_corpus):
    (own_corpus / "audio" / "0003.mp3").write_bytes(b"")
    make_mels(read_tracks(own_corpus), own_corpus, jobs=1)
    mels = np.load(own_corpus / "mels-quick" / "mels.npy")
    assert [row for row in range(40) if not mels[row].any()] == [3]
