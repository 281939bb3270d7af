"""SIGKILL at any moment of any stage: started again, its result is that of an undisturbed run."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import pandas as pd
import pytest

from hiphoplib.cli import main
from hiphoplib.dataset.store import TODO, make_mels
from hiphoplib.errors import BadInput
from hiphoplib.parallel import alone
from hiphoplib.tracks.gather import gather
from hiphoplib.tracks.table import read_tracks
from tests import mel_runs as runs
from tests.paths import ROOT
from tests.scored_songs import trained_model, write_song

KILLS = [1, pytest.param(25, marks=pytest.mark.slow)]
pytestmark = runs.linux


def started(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "hiphoplib", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def killed_at_random(arguments, began, kills, seed=0):
    """Start a command, and kill it at a moment of its work, which begins when `began` is true.

    Yields the number of the kill; the longest run so far tells how long the work takes.
    """
    rng, longest = random.Random(seed), 0.5
    for number in range(kills):
        process, until = started(*arguments), time.monotonic() + 100
        while not began() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        first = time.monotonic()
        try:
            process.wait(rng.uniform(0, 1.2 * longest))
            longest = max(longest, time.monotonic() - first)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            longest *= 1.1  # it would have gone on
        yield number


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("kills", KILLS)
def test_gathering(source_folder, tmp_path, kills):
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    gather("folder", whole, path=source_folder, jobs=1)
    arguments = ["gather", "folder", source_folder, "--out", folder, "--jobs", 1]
    for number in killed_at_random(arguments, folder.exists, kills):
        if number % 2 or kills == 1:  # or the next kill hits the same run once more
            gather("folder", folder, path=source_folder, jobs=1)
            assert contents(folder) == contents(whole), number
            shutil.rmtree(folder)


@pytest.mark.parametrize("kills", KILLS)
def test_spectrograms(bare, corpus, kills):
    store = bare / "mels-quick"
    for number in killed_at_random(["mels", bare, "--jobs", 1], store.exists, kills):
        if number % 2 or kills == 1:
            make_mels(read_tracks(bare), bare, jobs=1)
            assert runs.same_clips(bare, corpus), number
            if kills == 1:
                assert runs.store_bytes(bare) == runs.store_bytes(corpus)
            shutil.rmtree(store)


def metrics(folder):
    """What each run came to, and every epoch of it, but for the time that it took."""
    found = {}
    for path in sorted((folder / "runs").rglob("card.json")):
        history = pd.read_csv(path.with_name("history.csv")).drop(columns="seconds")
        found[str(path.parent.relative_to(folder))] = (
            json.loads(path.read_text())["metrics"],
            history.to_csv(),
        )
    return found


@pytest.mark.parametrize("kills", KILLS)
def test_training(own_corpus, kills):
    arguments = ["train", own_corpus, "--model", "mlp", "--folds", 3, "--epochs", 3, "--jobs", 1]
    shutil.rmtree(own_corpus / "runs", ignore_errors=True)
    assert main([*map(str, arguments)]) == 0
    whole = metrics(own_corpus)
    assert len(whole) == 3
    shutil.rmtree(own_corpus / "runs")
    for number in killed_at_random(arguments, (own_corpus / "runs").exists, kills):
        if number % 2 or kills == 1:
            assert main([*map(str, arguments)]) == 0
            assert metrics(own_corpus) == whole, number
            shutil.rmtree(own_corpus / "runs")


@pytest.fixture
def scoring(trained, noise, tmp_path):
    """A command that scores two songs, their folder, and the page that it writes."""
    trained_model(trained)
    songs, page = tmp_path / "songs", tmp_path / "page.html"
    songs.mkdir()
    for name, level in {"a.mp3": -10, "b.flac": -30}.items():
        write_song(songs / name, noise(level, 40))
    model = trained.with_name("songs_model")
    options = ["--passages", "0", "--no-audio", "--jobs", "1"]
    return ["score", str(songs), "--model", str(model), "--out", str(page), *options], songs, page


@pytest.mark.parametrize("kills", KILLS)
def test_scoring(scoring, kills):
    arguments, songs, page = scoring
    assert main(arguments) == 0
    whole, before = page.read_bytes(), contents(songs)
    page.unlink()
    for number in killed_at_random(arguments, lambda: True, kills):
        assert not page.exists() or page.read_bytes() == whole, number
        assert main(arguments) == 0
        assert page.read_bytes() == whole and contents(songs) == before, number
        page.unlink()


def with_files_up_to(most, arguments):
    """A command run to its end where no file may have more bytes, as on a full disk."""
    resource = pytest.importorskip("resource")
    return subprocess.run(
        [sys.executable, "-m", "hiphoplib", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=partial(
            resource.setrlimit, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY)
        ),
        env={**os.environ, "TQDM_DISABLE": "1"},
    )


def test_a_full_disk_costs_the_page_and_not_the_ranking(scoring):
    arguments, _, page = scoring
    done = with_files_up_to(100, arguments)
    assert done.returncode == 1 and "a.mp3" in done.stdout and not page.exists()
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {page}: File too large; make room")


@pytest.mark.parametrize("most", [100, 20_000])
def test_a_full_disk_ends_a_stage_in_one_line_and_the_same_command_goes_on(
    source_folder, bare, corpus, tmp_path, most
):
    gather("folder", tmp_path / "whole", path=source_folder, jobs=1)
    for arguments in (
        ["gather", "folder", source_folder, "--out", tmp_path / "full"],
        ["mels", bare],
    ):
        arguments += ["--jobs", "1"]
        done = with_files_up_to(most, arguments)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith("error: /")
        assert "; make room, the same command goes on from here" in done.stderr
        assert main([*map(str, arguments)]) == 0
    assert contents(tmp_path / "full") == contents(tmp_path / "whole")
    assert runs.same_clips(bare, corpus)


def test_of_two_runs_on_one_corpus_one_works_and_the_other_says_so(bare, corpus):
    process = runs.start(bare, "--jobs", 1)
    runs.wait_for_rows(process, bare, 1)
    os.kill(process.pid, signal.SIGSTOP)  # for long enough, however fast this machine is
    try:
        with pytest.raises(BadInput, match="another run works there; wait until it ends"):
            make_mels(read_tracks(bare), bare, jobs=1)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    process.communicate(timeout=60)
    assert process.returncode == 0 and runs.same_clips(bare, corpus)


def test_two_runs_that_gather_or_train_one_thing_keep_apart(
    source_folder, own_corpus, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("hiphoplib.parallel.WAIT", 0.1)
    with alone(tmp_path / "new"), pytest.raises(BadInput, match="another run works there"):
        gather("folder", tmp_path / "new", path=source_folder, jobs=1)
    gather("folder", tmp_path / "new", path=source_folder, jobs=1)
    with alone(tmp_path / "new"):  # there is nothing to do, so nobody is in the way
        gather("folder", tmp_path / "new", path=source_folder, jobs=1)
    runs.states(own_corpus)[3] = TODO
    with alone(own_corpus / "mels-quick"), pytest.raises(BadInput, match="another run"):
        make_mels(read_tracks(own_corpus), own_corpus, jobs=1)
    run = own_corpus / "runs/quick-artist-3folds/mlp/seed0-fold0"
    shutil.rmtree(run, ignore_errors=True)
    arguments = ["train", own_corpus, "--model", "mlp", "--folds", 3, "--epochs", 1, "--jobs", 1]
    with alone(run):
        assert main([*map(str, arguments)]) == 1
    assert f"{run}: another run works there" in capsys.readouterr().err
