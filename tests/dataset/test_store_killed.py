"""Whatever ends a run or its workers: the store opens, and ends as an undisturbed one."""

import os
import shutil
import signal

import numpy as np
import pytest

from hiphoplib.dataset import store as mel
from hiphoplib.dataset.store import DONE, REJECTED, TODO, MelStore, make_mels
from hiphoplib.tracks.table import read_rejected, read_tracks
from tests import mel_runs as runs


def finished(folder, jobs=2):
    """Bytes of the store when the same call has gone on to the end."""
    make_mels(read_tracks(folder), folder, jobs=jobs)
    return runs.store_bytes(folder)


def test_two_workers_write_the_bytes_of_one(bare, corpus):
    assert finished(bare) == runs.store_bytes(corpus)


@runs.linux
def test_a_killed_run_goes_on_and_ends_as_an_undisturbed_one(bare, corpus):
    clip = bare / "audio" / "0039.mp3"
    clip.rename(bare / "away.mp3")
    finished(bare)
    runs.states(bare)[:39] = TODO
    process = runs.start(bare, "--jobs", 1)
    runs.wait_for_rows(process, bare, 2)
    workers = runs.children(process.pid)
    runs.kill(process)
    assert 0 < runs.rows_done(bare) < 39
    assert len(MelStore(bare)) == runs.rows_done(bare)
    assert read_rejected(bare)["id"].tolist() == ["0039"]  # it is not its turn yet
    (bare / "away.mp3").rename(clip)
    finished(bare)
    assert runs.same_clips(bare, corpus) and len(read_rejected(bare)) == 0 and runs.gone(workers)


@runs.linux
def test_ctrl_c_is_one_line_and_leaves_no_process(bare, corpus):
    (bare / "audio" / "0000.mp3").rename(bare / "away.mp3")
    process = runs.start(bare, "--jobs", 2)
    runs.wait_for_rows(process, bare, 2)
    workers = runs.children(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # to the workers as well, as a terminal does
    shown = process.communicate(timeout=60)
    assert shown == ("", "stopped; the same command goes on from here\n")
    assert process.returncode == 130 and workers and runs.gone(workers)
    assert 0 < len(MelStore(bare)) < 39
    assert read_rejected(bare)["id"].tolist() == ["0000"]
    (bare / "away.mp3").rename(bare / "audio" / "0000.mp3")
    finished(bare)
    assert runs.same_clips(bare, corpus) and len(read_rejected(bare)) == 0


@runs.linux
def test_workers_that_are_killed_cost_no_clip(bare, corpus):
    process = runs.start(bare, "--jobs", 2)
    runs.wait_for_rows(process, bare, 1)
    for pid in runs.children(process.pid):
        os.kill(pid, signal.SIGKILL)
    output, said = process.communicate(timeout=60)
    assert process.returncode == 0 and "40  spectrograms" in output, said
    assert "0  clips not usable" in output
    assert runs.store_bytes(bare) == runs.store_bytes(corpus)


def test_a_clip_that_crashes_the_decoder_costs_only_itself(bare, corpus, monkeypatch):
    monkeypatch.setattr(mel, "clip_to_mel", runs.crashing_work)
    store = make_mels(read_tracks(bare), bare, jobs=2)
    assert store.ids.tolist() == [i for i in MelStore(corpus).ids if i != runs.CRASHES]
    assert read_rejected(bare).values.tolist() == [
        [
            runs.CRASHES,
            "mels",
            f"clip {runs.CRASHES}.mp3: decoding it ended the worker, or took over 120 s; replace "
            "the file",
        ]
    ]
    assert (runs.states(bare) == REJECTED).nonzero()[0].tolist() == [int(runs.CRASHES)]
    monkeypatch.undo()
    assert finished(bare) == runs.store_bytes(corpus)  # tried again, as every rejected clip is
    assert len(read_rejected(bare)) == 0


@runs.posix
def test_a_full_disk_is_one_line_and_what_was_done_counts(bare, corpus):
    finished(bare)
    path = bare / "mels-quick" / "mels.float16"
    runs.states(bare)[:] = TODO
    size = path.stat().st_size
    with path.open("r+b") as file:  # a store just begun
        file.truncate(0)
        file.truncate(size)
    process = runs.start(bare, "--jobs", 2, limit=size // 2)
    output, said = process.communicate(timeout=60)
    assert process.returncode == 1 and output == ""
    assert said == (
        f"error: {path}: File too large; make room, the same command goes on from here\n"
    )
    done = np.flatnonzero(runs.states(bare) == DONE)
    assert 0 < len(done) < 21 and len(MelStore(bare)) == len(done)
    row = MelStore(corpus).ids[done[0]]
    np.testing.assert_array_equal(MelStore(bare)[row], MelStore(corpus)[row])
    assert finished(bare) == runs.store_bytes(corpus)


@runs.posix
def test_a_disk_too_full_for_the_store_leaves_an_earlier_one(own_corpus):
    tracks = read_tracks(own_corpus)
    shutil.rmtree(own_corpus / "mels-quick")
    make_mels(tracks[:10], own_corpus, jobs=1)
    before = runs.store_bytes(own_corpus)
    process = runs.start(own_corpus, "--jobs", 1, limit=2 * len(before["mels.float16"]))
    output, said = process.communicate(timeout=60)
    assert process.returncode == 1 and output == ""
    assert said.startswith(f"error: {own_corpus}/mels-quick/mels.float16: File too large; make ")
    assert said.count("\n") == 1
    assert runs.store_bytes(own_corpus) == before and len(MelStore(own_corpus)) == 10


# what is no folder of its own, or half of one


def test_the_first_store_is_made_again_where_a_kill_left_half_of_it(bare, corpus):
    (bare / "mels-quick").mkdir()
    (bare / "mels-quick" / "mels.float16").write_bytes(b"half")
    assert finished(bare) == runs.store_bytes(corpus)


@pytest.mark.parametrize("writes", [0, 1])
def test_a_table_that_grew_may_be_killed_before_its_store_knows(
    own_corpus, corpus, monkeypatch, writes
):
    """Files that are longer than the rows in use are in nobody's way."""

    def killed(*_):
        raise KeyboardInterrupt

    tracks = read_tracks(own_corpus)
    make_mels(tracks[:30], own_corpus)
    before = (own_corpus / "mels-quick" / "store.json").read_text()
    monkeypatch.setattr(mel, "write_whole" if writes else "_sizes", killed)
    with pytest.raises(KeyboardInterrupt):
        make_mels(tracks, own_corpus)
    monkeypatch.undo()
    assert (own_corpus / "mels-quick" / "store.json").read_text() == before
    assert len(MelStore(own_corpus)) == 30
    make_mels(tracks, own_corpus)
    assert runs.same_clips(own_corpus, corpus)


@runs.posix
def test_a_store_that_is_a_link_to_another_disk_stays_there(own_corpus, corpus, tmp_path):
    shutil.move(own_corpus / "mels-quick", tmp_path / "disk" / "store")
    (own_corpus / "mels-quick").symlink_to(tmp_path / "disk" / "store")
    tracks = read_tracks(own_corpus)[::-3]
    store = make_mels(tracks, own_corpus)
    assert (own_corpus / "mels-quick").is_symlink() and os.listdir(tmp_path / "disk") == ["store"]
    assert store.checksum(tracks["id"]) == MelStore(corpus).checksum(tracks["id"])
