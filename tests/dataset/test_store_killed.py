"""Whatever ends a run or its workers: the store opens, and ends as an undisturbed one."""

import os
import shutil
import signal

import numpy as np
import pytest

from hiphoplib.dataset import store as mel
from hiphoplib.dataset.store import DONE, REJECTED, TODO, MelStore, make_mels
from hiphoplib.tracks.table import read_rejected, read_tracks
from tests.mel_runs import (
    CRASHES,
    children,
    crashing_work,
    gone,
    kill,
    limit_code,
    linux,
    posix,
    rows_done,
    same_clips,
    start,
    states,
    store_bytes,
    wait_for_rows,
)


def finished(folder, jobs=2):
    """Bytes of the store when the same call has gone on to the end."""
    make_mels(read_tracks(folder), folder, jobs=jobs)
    return store_bytes(folder)


def test_two_workers_write_the_bytes_of_one(bare, corpus):
    assert finished(bare) == store_bytes(corpus)


@linux
def test_a_killed_run_goes_on_and_ends_as_an_undisturbed_one(bare, corpus):
    clip = bare / "audio" / "0039.mp3"
    clip.rename(bare / "away.mp3")
    finished(bare)
    states(bare)[:39] = TODO
    process = start(bare, "--jobs", 1)
    wait_for_rows(process, bare, 2)
    workers = children(process.pid)
    kill(process)
    assert 0 < rows_done(bare) < 39
    assert len(MelStore(bare)) == rows_done(bare)
    assert read_rejected(bare)["id"].tolist() == ["0039"]  # it is not its turn yet
    (bare / "away.mp3").rename(clip)
    finished(bare)
    assert same_clips(bare, corpus) and len(read_rejected(bare)) == 0 and gone(workers)


@linux
def test_ctrl_c_is_one_line_and_leaves_no_process(bare, corpus):
    (bare / "audio" / "0000.mp3").rename(bare / "away.mp3")
    process = start(bare, "--jobs", 2)
    wait_for_rows(process, bare, 2)
    workers = children(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # to the workers as well, as a terminal does
    shown = process.communicate(timeout=60)
    assert shown == ("", "stopped; the same command goes on from here\n")
    assert process.returncode == 130 and workers and gone(workers)
    assert 0 < len(MelStore(bare)) < 39
    assert read_rejected(bare)["id"].tolist() == ["0000"]
    (bare / "away.mp3").rename(bare / "audio" / "0000.mp3")
    finished(bare)
    assert same_clips(bare, corpus) and len(read_rejected(bare)) == 0


@linux
def test_workers_that_are_killed_cost_no_clip(bare, corpus):
    process = start(bare, "--jobs", 2)
    wait_for_rows(process, bare, 1)
    for pid in children(process.pid):
        os.kill(pid, signal.SIGKILL)
    output, said = process.communicate(timeout=60)
    assert process.returncode == 0 and "40  spectrograms" in output, said
    assert "0  clips not usable" in output
    assert store_bytes(bare) == store_bytes(corpus)


def test_a_clip_that_crashes_the_decoder_costs_only_itself(bare, corpus, monkeypatch):
    monkeypatch.setattr(mel, "clip_to_mel", crashing_work)
    store = make_mels(read_tracks(bare), bare, jobs=2)
    assert store.ids.tolist() == [i for i in MelStore(corpus).ids if i != CRASHES]
    rejected = read_rejected(bare)
    assert rejected.values.tolist() == [
        [CRASHES, "mels", f"clip {CRASHES}.mp3: decoding it ended the worker; replace the file"]]
    assert (states(bare) == REJECTED).nonzero()[0].tolist() == [int(CRASHES)]
    monkeypatch.undo()
    assert finished(bare) == store_bytes(corpus)  # tried again, as every rejected clip is
    assert len(read_rejected(bare)) == 0


@posix
def test_a_full_disk_is_one_line_and_what_was_done_counts(bare, corpus):
    finished(bare)
    path = bare / "mels-quick" / "mels.float16"
    states(bare)[:] = TODO
    size = path.stat().st_size
    with path.open("r+b") as file:  # a store just begun
        file.truncate(0)
        file.truncate(size)
    process = start(bare, "--jobs", 2, code=limit_code(size // 2))
    output, said = process.communicate(timeout=60)
    assert process.returncode == 1 and output == ""
    assert said == (f"error: {path}: File too large; make room, the same command goes on from "
                    "here\n")
    done = np.flatnonzero(states(bare) == DONE)
    assert 0 < len(done) < 21 and len(MelStore(bare)) == len(done)
    row = MelStore(corpus).ids[done[0]]
    np.testing.assert_array_equal(MelStore(bare)[row], MelStore(corpus)[row])
    assert finished(bare) == store_bytes(corpus)


@posix
def test_a_disk_too_full_for_the_store_leaves_an_earlier_one(own_corpus):
    tracks = read_tracks(own_corpus)
    shutil.rmtree(own_corpus / "mels-quick")
    make_mels(tracks[:10], own_corpus, jobs=1)
    before = store_bytes(own_corpus)
    process = start(own_corpus, "--jobs", 1, code=limit_code(len(before["mels.float16"]) * 2))
    output, said = process.communicate(timeout=60)
    assert process.returncode == 1 and output == ""
    assert said.startswith(f"error: {own_corpus}/mels-quick/mels.float16: File too large; make ")
    assert said.count("\n") == 1
    assert store_bytes(own_corpus) == before and len(MelStore(own_corpus)) == 10


# what is no folder of its own, or half of one


def test_the_first_store_is_made_again_where_a_kill_left_half_of_it(bare, corpus):
    (bare / "mels-quick").mkdir()
    (bare / "mels-quick" / "mels.float16").write_bytes(b"half")
    assert finished(bare) == store_bytes(corpus)


@pytest.mark.parametrize("writes", [0, 1])
def test_a_table_that_grew_may_be_killed_before_its_store_knows(
        own_corpus, corpus, monkeypatch, writes):
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
    assert same_clips(own_corpus, corpus)


@posix
def test_a_store_that_is_a_link_to_another_disk_stays_there(own_corpus, corpus, tmp_path):
    shutil.move(own_corpus / "mels-quick", tmp_path / "disk" / "store")
    (own_corpus / "mels-quick").symlink_to(tmp_path / "disk" / "store")
    tracks = read_tracks(own_corpus)[::-3]
    store = make_mels(tracks, own_corpus)
    assert (own_corpus / "mels-quick").is_symlink() and os.listdir(tmp_path / "disk") == ["store"]
    assert store.checksum(tracks["id"]) == MelStore(corpus).checksum(tracks["id"])
