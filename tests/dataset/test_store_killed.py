"""Whatever ends a run or its workers: the store opens, and ends as an undisturbed one."""

import errno
import itertools
import os
import shutil
import signal
from functools import partial
from pathlib import Path

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
    start,
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
    clip, state = bare / "audio" / "0039.mp3", bare / "mels-quick" / "state.npy"
    clip.rename(bare / "away.mp3")
    finished(bare)
    np.save(state, np.where(np.arange(40) == 39, REJECTED, TODO).astype(np.uint8))
    process = start(bare, "--jobs", 1)
    wait_for_rows(process, bare, 2)
    workers = children(process.pid)
    kill(process)
    assert 0 < rows_done(bare) < 39
    assert len(MelStore(bare)) == rows_done(bare)
    assert read_rejected(bare)["id"].tolist() == ["0039"]  # it is not its turn yet
    (bare / "away.mp3").rename(clip)
    assert finished(bare) == store_bytes(corpus)
    assert len(read_rejected(bare)) == 0 and gone(workers)


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
    shutil.move(bare / "away.mp3", bare / "audio" / "0000.mp3")
    assert finished(bare) == store_bytes(corpus)
    assert len(read_rejected(bare)) == 0


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
    state = np.load(bare / "mels-quick" / "state.npy")
    assert (state == REJECTED).nonzero()[0].tolist() == [int(CRASHES)]
    monkeypatch.undo()
    assert finished(bare) == store_bytes(corpus)  # tried again, as every rejected clip is
    assert len(read_rejected(bare)) == 0


@posix
def test_a_full_disk_is_one_line_and_what_was_done_counts(bare, corpus):
    finished(bare)
    path, state = (bare / "mels-quick" / name for name in ("mels.npy", "state.npy"))
    np.save(state, np.zeros(40, np.uint8))
    size = path.stat().st_size
    with path.open("r+b") as file:  # a store just begun
        file.truncate(128)
        file.truncate(size)
    process = start(bare, "--jobs", 2, code=limit_code(size // 2 + 100))
    output, said = process.communicate(timeout=60)
    assert process.returncode == 1 and output == ""
    assert said == (f"error: {path}: File too large; make room, the same command goes on from "
                    "here\n")
    done = np.flatnonzero(np.load(state) == DONE)
    assert 0 < len(done) < 21 and len(MelStore(bare)) == len(done)
    row = MelStore(corpus).ids[done[0]]
    np.testing.assert_array_equal(MelStore(bare)[row], MelStore(corpus)[row])
    assert finished(bare) == store_bytes(corpus)


@posix
def test_a_disk_too_full_for_the_store_leaves_an_earlier_one(own_corpus):
    tracks = read_tracks(own_corpus)
    make_mels(tracks[:10], own_corpus, jobs=1)
    before = store_bytes(own_corpus)
    process = start(own_corpus, "--jobs", 1, code=limit_code(len(before["mels.npy"]) * 2))
    output, said = process.communicate(timeout=60)
    assert process.returncode == 1 and output == ""
    assert said.startswith(f"error: {own_corpus}/mels-quick.new/mels.npy: File too large; make ")
    assert said.count("\n") == 1
    assert store_bytes(own_corpus) == before and len(MelStore(own_corpus)) == 10
    assert stores(own_corpus) == ["mels-quick"]


# a table that changed: the new store takes the old one's place


def stores(folder):
    """Names of the stores of a corpus, and of what was left of any."""
    return sorted(path.name for path in folder.glob("mels-*"))


@pytest.fixture(scope="module")
def third(tmp_path_factory, corpus):
    """Every third row of the table of the corpus, and the bytes of their store."""
    folder = Path(shutil.copytree(corpus, tmp_path_factory.mktemp("third") / "tiny"))
    tracks = read_tracks(folder)[::-3]
    make_mels(tracks, folder)
    return tracks, store_bytes(folder)


class Killed(BaseException):
    """The end of a process, after which it does nothing more."""


@pytest.fixture
def fail(monkeypatch):
    """Function that lets the step of an exchange with this number fail; or it is the last one."""
    numbers = itertools.count()

    def step(really, at, error, *arguments, **options):
        number = next(numbers)
        if number == at or number > at and error is Killed:
            raise error(errno.EACCES, "Permission denied")
        really(*arguments, **options)

    def make(at, error):
        monkeypatch.setattr(os, "replace", partial(step, os.replace, at, error))
        monkeypatch.setattr(shutil, "rmtree", partial(step, shutil.rmtree, at, error))

    return make


@pytest.mark.parametrize("number, error", [(0, OSError), (1, OSError), (0, Killed), (1, Killed),
                                           (2, Killed)])
def test_one_store_or_the_other_opens_wherever_their_exchange_ends(
        own_corpus, corpus, third, fail, monkeypatch, number, error):
    tracks, whole = third
    fail(number, error)
    with pytest.raises(error):
        make_mels(tracks, own_corpus)
    monkeypatch.undo()
    store = MelStore(own_corpus)
    assert set(store.ids) == set(MelStore(corpus).ids if number < 2 else tracks["id"])
    assert store.checksum(store.ids) == MelStore(corpus).checksum(store.ids)
    if error is OSError:
        assert stores(own_corpus) == ["mels-quick"]
        assert store_bytes(own_corpus) == store_bytes(corpus)
    make_mels(tracks, own_corpus)
    assert store_bytes(own_corpus) == whole and stores(own_corpus) == ["mels-quick"]


def test_the_first_store_is_made_again_where_a_kill_left_half_of_it(bare, corpus):
    (bare / "mels-quick.new").mkdir()
    (bare / "mels-quick.new" / "mels.npy").write_bytes(b"half")
    assert finished(bare) == store_bytes(corpus) and stores(bare) == ["mels-quick"]


@posix
def test_a_store_that_is_a_link_to_another_disk_stays_there(own_corpus, third, tmp_path):
    tracks, whole = third
    shutil.move(own_corpus / "mels-quick", tmp_path / "disk" / "store")
    (own_corpus / "mels-quick").symlink_to(tmp_path / "disk" / "store")
    make_mels(tracks, own_corpus)
    assert (own_corpus / "mels-quick").is_symlink() and store_bytes(own_corpus) == whole
    assert os.listdir(tmp_path / "disk") == ["store"]
