"""The store of mel spectrograms is complete, resumable and never in memory."""

import json
import pickle
import shutil
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from hiphoplib.audio.files import read_clip
from hiphoplib.audio.mel import FLOOR_DB, FULL, STORE_VERSION, mel_spectrogram
from hiphoplib.dataset.store import REJECTED, TODO, MelStore, make_mels
from hiphoplib.errors import BadInput
from hiphoplib.tracks.table import read_rejected, read_tracks
from tests.mel_runs import linux, same_clips, states, store_bytes, stored
from tests.paths import ROOT
from tests.tables import table

# clips as they come


@pytest.fixture(scope="module")
def odd_clips(tmp_path_factory, noise, mp3):
    """Return the folder of ten clips of every kind, and what is wrong with them by id."""
    folder = tmp_path_factory.mktemp("odd")
    whole = mp3(noise(-20, 20))
    clips = {
        "good": whole,
        "mono 48 kHz": mp3(noise(-20, 6, 48000), 48000),
        "stereo 44 kHz": mp3(noise(-20, 6, 44100, channels=2), 44100),
        "cut at 8 s": whole[: 8 * 8000],
        "cut at 2 s": whole[: 2 * 8000],
        "1.5 s": mp3(noise(-20, 1.5)),
        "silent": mp3(np.zeros(6 * 22050, np.float32)),
        "empty": b"",
        "text": b"<html><body>404 Not Found</body></html>" * 50,
    }
    for name, content in clips.items():
        (folder / f"{name}.mp3").write_bytes(content)
    reasons = {
        "cut at 2 s": "at least 3 s are needed",
        "1.5 s": "s of audio, at least 3 s",
        "silent": "only silence",
        "empty": "the file is empty",
        "text": "audio that can be decoded",
        "missing": "no such file",
    }
    return folder, [*clips, "missing"], reasons


def table_of(ids):
    """Return a tracks table whose clips lie beside it."""
    return table(len(ids), id=ids, preview_url=[f"{i}.mp3" for i in ids])


def test_a_clip_that_cannot_be_used_is_skipped_and_listed_with_its_reason(odd_clips):
    folder, ids, reasons = odd_clips
    store = make_mels(table_of(ids), folder, jobs=1)
    assert store.ids.tolist() == [i for i in ids if i not in reasons]
    rejected = read_rejected(folder).set_index("id")
    assert set(rejected.index) == set(reasons)
    assert (rejected["stage"] == "mels").all()
    for track_id, reason in reasons.items():
        listed = rejected["reason"][track_id]
        assert listed.startswith(f"clip {track_id}.mp3: ")
        assert reason in listed and "\n" not in listed
    seconds = (store["cut at 8 s"] > FLOOR_DB).any(axis=0).sum() * 2048 / 22050
    assert seconds == pytest.approx(8, abs=0.3)


def test_a_row_that_leads_outside_is_listed_alone(odd_clips, tmp_path):
    shutil.copy(odd_clips[0] / "good.mp3", tmp_path)
    tracks = table_of(["good", "bad"])
    tracks.loc[1, "preview_url"] = "../bad.mp3"
    assert make_mels(tracks, tmp_path, jobs=1).ids.tolist() == ["good"]
    assert "outside" in read_rejected(tmp_path).set_index("id")["reason"]["bad"]


@pytest.mark.parametrize("url", ["gone.mp3", None])
def test_no_usable_clip_at_all_is_an_error(tmp_path, url):
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
        assert np.abs(store[row.id] - S_db).max() <= 1 / 16  # dB
    ids = ["0030", "0002", "0011"]
    np.testing.assert_array_equal(store.batch(ids), [store[i] for i in ids])
    assert "0030" in store.ids and "nope" not in store.ids


@linux
def test_what_was_read_does_not_stay_in_memory(own_corpus):
    with (own_corpus / "mels-quick" / "mels.float16").open("r+b") as file:
        file.truncate(4000 * 2 * 64 * 323)
    path = own_corpus / "mels-quick" / "store.json"
    content = json.loads(path.read_text())
    content["clips"] = [[f"{row}", 0, 0, row] for row in range(4000)]
    path.write_text(json.dumps(content | {"rows": 4000}))
    np.ones(4000, np.uint8).tofile(path.with_name("states.uint8"))
    store, process = MelStore(own_corpus), psutil.Process()
    before = process.memory_info().rss
    for first in range(0, 4000, 50):
        store.batch(store.ids[first : first + 50])
    store.checksum(store.ids)
    assert process.memory_info().rss - before < 40e6  # of 165 MB
    assert "mels.float16" not in Path("/proc/self/maps").read_text(encoding="utf-8")


def test_a_checksum_is_that_of_the_rows_in_their_order(corpus):
    store, ids = MelStore(corpus), ["0030", "0002", "0011", "0004", "0020"]
    assert store.checksum(ids) == zlib.crc32(store.batch(ids).astype(np.float16).tobytes())
    assert store.checksum(ids[::-1]) != store.checksum(ids)


def test_threads_and_processes_may_read_one_store(corpus):
    store = MelStore(corpus)
    expected = store.batch(store.ids)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(store)).batch(store.ids), expected)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            np.testing.assert_array_equal(list(pool.map(store.__getitem__, store.ids)), expected)


def test_a_second_call_computes_nothing(own_corpus):
    tracks, before = read_tracks(own_corpus), store_bytes(own_corpus)
    stored(own_corpus)[7] = -50  # not what would be computed
    make_mels(tracks, own_corpus, jobs=1)
    assert (MelStore(own_corpus)["0007"] == -50).all()
    states(own_corpus)[7] = TODO
    make_mels(tracks, own_corpus, jobs=1)
    assert store_bytes(own_corpus) == before


def test_a_grown_or_shrunk_table_keeps_its_rows(own_corpus, noise, mp3):
    tracks = read_tracks(own_corpus)
    stored(own_corpus)[5:8] = np.array([-50, -60, -70])[:, None, None]
    (own_corpus / "audio" / "new.mp3").write_bytes(mp3(noise(-20, seed=99)))
    new = tracks[:1].assign(id="new", preview_url="audio/new.mp3")
    grown = pd.concat([tracks[7:], new, tracks[:6]], ignore_index=True)
    store = make_mels(grown, own_corpus, jobs=1)
    assert store.ids.tolist() == grown["id"].tolist()
    assert (store["0005"] == -50).all() and (store["0007"] == -70).all()
    S_db = mel_spectrogram(*read_clip(own_corpus / "audio" / "new.mp3"))
    np.testing.assert_array_equal(store["new"], S_db.astype(np.float16))
    assert "0006" not in store.ids


def test_a_table_that_grew_reads_as_one_that_was_whole(bare, corpus):
    tracks = read_tracks(bare)
    assert make_mels(tracks[::-3], bare, jobs=1).ids.tolist() == tracks["id"][::-3].tolist()
    make_mels(tracks, bare, jobs=1)
    assert same_clips(bare, corpus)


@pytest.mark.parametrize("seconds", [6, 15], ids=["another length", "the same length"])
def test_a_replaced_clip_is_computed_again(own_corpus, noise, mp3, seconds):
    clip = own_corpus / "audio" / "0003.mp3"
    clip.write_bytes(mp3(noise(-12, seconds, seed=99)))
    store = make_mels(read_tracks(own_corpus), own_corpus, jobs=1)
    np.testing.assert_array_equal(
        store["0003"], mel_spectrogram(*read_clip(clip)).astype(np.float16)
    )


def test_a_clip_that_is_gone_or_comes_back_is_noticed(own_corpus):
    clip, tracks = own_corpus / "audio" / "0003.mp3", read_tracks(own_corpus)
    before = MelStore(own_corpus)["0003"]
    clip.rename(clip.with_suffix(".away"))
    store = make_mels(tracks, own_corpus, jobs=1)
    assert "0003" not in store.ids and len(store) == 39
    assert np.flatnonzero(states(own_corpus) == REJECTED).size == 1
    assert read_rejected(own_corpus)["id"].tolist() == ["0003"]
    clip.with_suffix(".away").rename(clip)
    np.testing.assert_array_equal(make_mels(tracks, own_corpus, jobs=1)["0003"], before)
    assert len(read_rejected(own_corpus)) == 0


def refused_and_untouched(folder, use, reason):
    """Check that a use of a store is refused in one line with the next step."""
    before, path = store_bytes(folder), folder / "mels-quick"
    with pytest.raises(BadInput, match=reason) as error:
        use()
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)
    assert str(error.value).endswith("; delete the folder and run `mels` again")
    assert store_bytes(folder) == before


@pytest.mark.parametrize(
    "change, reason",
    [
        (
            {"grid": {"n_mels": 32, "hop_length": 2048}},
            r"made on another grid \(32 bands, hop 2048\)",
        ),
        ({"version": STORE_VERSION + 1}, f"version {STORE_VERSION + 1} .* this is"),
        ({"clips": 3}, "store.json is damaged"),
        ({"rows": 41}, "float16 is damaged"),
        (None, "made by an older version of this project"),
    ],
)
def test_a_store_of_another_grid_version_or_layout_is_refused_and_stays(own_corpus, change, reason):
    path = own_corpus / "mels-quick" / "store.json"
    if change:
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    else:
        path.rename(path.with_name("grid.json"))  # there was one in the first layouts
    tracks = read_tracks(own_corpus)[5:]
    for use in (lambda: MelStore(own_corpus), lambda: make_mels(tracks, own_corpus, jobs=1)):
        refused_and_untouched(own_corpus, use, reason)


@pytest.mark.parametrize("name", ["mels.float16", "states.uint8", "store.json"])
@pytest.mark.parametrize("left", [None, 0, 0.5])
def test_a_damaged_store_is_refused_and_stays(own_corpus, name, left):
    path, tracks = own_corpus / "mels-quick" / name, read_tracks(own_corpus)
    content = path.read_bytes()
    path.unlink()
    if left is not None:
        path.write_bytes(content[: int(left * len(content))])
    elif name == "store.json":  # as if the first run had just begun
        return
    for use in (
        lambda: MelStore(own_corpus)["0030"],
        lambda: make_mels(tracks[5:], own_corpus, jobs=1),
        lambda: make_mels(tracks, own_corpus, jobs=1),
    ):
        refused_and_untouched(own_corpus, use, f"{name} is damaged")


def test_an_open_store_reads_on_whatever_becomes_of_its_folder(own_corpus, noise, mp3):
    store = MelStore(own_corpus)
    before = store.batch(store.ids)
    (own_corpus / "audio" / "0003.mp3").write_bytes(mp3(noise(-12, 6, seed=99)))
    changed = make_mels(read_tracks(own_corpus)[::-1], own_corpus, jobs=1)
    assert (changed["0003"] != before[3]).any()
    np.testing.assert_array_equal(store.batch(store.ids), before)
    shutil.rmtree(own_corpus / "mels-quick")
    make_mels(read_tracks(own_corpus)[::-1], own_corpus, jobs=1)
    np.testing.assert_array_equal(store.batch(store.ids), before)
    with (own_corpus / "mels-quick" / "mels.float16").open("r+b") as file:
        store = MelStore(own_corpus)
        file.truncate(100)
    with pytest.raises(BadInput, match="mels.float16 is damaged"):
        store["0003"]


def test_a_store_that_is_not_there_is_an_error(corpus):
    with pytest.raises(BadInput, match="python -m hiphoplib mels"):
        MelStore(corpus, FULL)


def test_a_worker_starts_without_librosa_and_pandas():
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, hiphoplib.parallel, hiphoplib.audio.mel; print([name for name in "
            "('librosa', 'numba', 'scipy.signal', 'pandas') if name in sys.modules])",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "[]\n"
