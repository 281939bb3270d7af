"""A training that was interrupted ends as one that was not, and so do several at once."""

import io
import json
import math
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import psutil
import pytest
from tqdm import tqdm

from hiphoplib.audio.mel import QUICK
from hiphoplib.errors import BadInput
from hiphoplib.models import experiment as training_side_by_side
from hiphoplib.models.checkpoint import CHECKPOINT
from hiphoplib.models.experiment import prepare, train
from hiphoplib.models.networks import AT_ONCE
from hiphoplib.models.training import (
    ClipBatches,
    Scaler,
    _is_finished,
    _settings,
    fit,
    load_run,
)
from hiphoplib.parallel import DIED
from tests.paths import ROOT


@pytest.fixture(scope="module")
def experiment(corpus):
    return prepare(corpus, folds=3)


def weights_of(run):
    return np.concatenate([weight.ravel() for weight in run.model.get_weights()])


@pytest.fixture
def in_parts(monkeypatch):
    """The MLP learns from a quarter of a batch at a time."""
    monkeypatch.setitem(AT_ONCE, "mlp", 2 * math.prod(QUICK.shape))


class Interrupted(Exception):
    """A training that was stopped."""


def interrupt_after(epochs):
    def progress(done):
        if done == epochs:
            raise Interrupted
    return progress


@pytest.fixture(scope="module")
def undisturbed(experiment):
    """Runs of four epochs: dropout keeps random numbers, batch normalisation moving means."""
    return {name: fit(name, experiment.store, experiment.labels[0], experiment.sides[0], epochs=4)
            for name in ("cnn1", "crnn")}


@pytest.mark.parametrize("name, after", [("cnn1", 1), ("cnn1", 3), ("crnn", 2)])
def test_an_interrupted_training_ends_as_an_undisturbed_one(experiment, undisturbed, tmp_path, name,
                                                            after):
    def go_on(progress=None):
        return fit(
            name,
            experiment.store,
            experiment.labels[0],
            experiment.sides[0],
            epochs=4,
            folder=tmp_path,
            progress=progress,
        )

    with pytest.raises(Interrupted):
        go_on(interrupt_after(after))
    seen = []
    resumed = go_on(seen.append)
    assert seen == list(range(after + 1, 5))
    np.testing.assert_array_equal(weights_of(resumed), weights_of(undisturbed[name]))
    pd.testing.assert_frame_equal(resumed.history.drop(columns="seconds"),
                                  undisturbed[name].history.drop(columns="seconds"))


def test_an_interrupted_training_in_parts_goes_on_with_the_gradients_that_wait(experiment, tmp_path,
                                                                               in_parts):
    def train_mlp(folder, progress=None):
        return fit(
            "mlp",
            experiment.store,
            experiment.labels[0],
            experiment.sides[0],
            epochs=2,
            folder=folder,
            progress=progress,
        )

    clips = (experiment.sides[0] == "train").sum()
    assert -(-clips // 2) % 4  # the first epoch ends between two changes of the weights
    with pytest.raises(Interrupted):
        train_mlp(tmp_path, interrupt_after(1))
    np.testing.assert_array_equal(weights_of(train_mlp(tmp_path)), weights_of(train_mlp(None)))


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory):
    """Weights of CNN 1 after eight epochs, by fold, of a training in one go."""
    folder = shutil.copytree(corpus, tmp_path_factory.mktemp("whole") / "tiny")
    runs = map(load_run, train(prepare(folder, folds=3), "cnn1", epochs=8, jobs=1))
    return {run.card["fold"]: weights_of(run) for run in runs}


@pytest.mark.parametrize("how, status, said", [
    (signal.SIGKILL, -signal.SIGKILL, ""),
    (signal.SIGINT, 130, "stopped; the same command goes on from here\n")], ids=["kill", "Ctrl-C"])
def test_a_stopped_training_ends_as_an_undisturbed_one(whole, own_corpus, how, status, said):
    command = [sys.executable, "-m", "hiphoplib", "train", str(own_corpus), "--folds", "3",
               "--model", "cnn1", "--epochs", "8"]
    process = subprocess.Popen(command, cwd=ROOT,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    workers = []
    checkpoint = prepare(own_corpus, folds=3).run_folder("cnn1", 0, 0) / CHECKPOINT
    until = time.monotonic() + 90
    while not checkpoint.is_file() and process.poll() is None and time.monotonic() < until:
        workers = psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.01)
    process.send_signal(how)
    complaint = process.communicate()[1]
    assert complaint == said or how == signal.SIGKILL  # then the tracker of its semaphores tells
    assert process.returncode == status
    assert not psutil.wait_procs(workers, timeout=10)[1]
    assert 1 <= len(json.loads(str(np.load(checkpoint)["note"]))["history"]) < 8
    runs = train(prepare(own_corpus, folds=3), "cnn1", epochs=8, jobs=2)
    for run in map(load_run, runs):  # nor do numbers depend on how many are trained at once
        np.testing.assert_array_equal(weights_of(run), whole[run.card["fold"]])
    left = {path.name for run in runs for path in run.iterdir()}
    assert left == {"card.json", "history.csv", "model.keras"}


def test_a_killed_worker_costs_its_epoch_and_no_training(whole, own_corpus):
    experiment = prepare(own_corpus, folds=3)

    def kill():
        first = experiment.run_folder("cnn1", 0, 0) / CHECKPOINT
        until = time.monotonic() + 60
        while not first.is_file() and time.monotonic() < until:
            time.sleep(0.01)
        busiest = max(psutil.Process().children(recursive=True),
                      key=lambda process: process.memory_info().rss)
        killed.append(busiest)
        busiest.kill()

    killed = []
    thread = threading.Thread(target=kill)
    thread.start()
    runs = train(experiment, "cnn1", epochs=8, jobs=2)
    thread.join()
    assert killed
    for run in map(load_run, runs):
        np.testing.assert_array_equal(weights_of(run), whole[run.card["fold"]])


def test_a_training_that_ends_its_process_is_named(own_corpus, monkeypatch):
    def unordered(*_, **__):
        yield 1, DIED

    monkeypatch.setattr(training_side_by_side, "unordered", unordered)
    with pytest.raises(BadInput, match="mlp seed 0 fold 1: the training ended its process twice"):
        train(prepare(own_corpus, folds=3), "mlp")


def test_the_bar_counts_epochs_and_says_what_runs(own_corpus, monkeypatch):
    bars = []

    def bar(**options):
        bars.append(tqdm(file=io.StringIO(), **options))
        return bars[0]

    monkeypatch.setattr(training_side_by_side, "progress", bar)
    monkeypatch.setattr(training_side_by_side, "LOOK", 0.05)
    said = []
    monkeypatch.setattr(tqdm, "set_postfix_str", lambda _, text, **__: said.append(text))
    train(prepare(own_corpus, folds=3), ["mlp", "cnn1"], folds=[0], epochs=2, jobs=2)
    assert bars[0].n == bars[0].total == 4 and bars[0].desc.startswith("mlp, cnn1")
    assert any("mlp seed 0 fold 0" in text for text in said) and said[-1] == ""


def test_a_training_begun_on_anything_else_is_another_one(experiment):
    def begun(labels=experiment.labels[0], name="mlp", seed=0, epochs=25, patience=6, level=0.0):
        scaler = Scaler(np.full(64, level), np.ones(64))
        sides = [ClipBatches(experiment.store, labels, scaler, 8) for _ in range(2)]
        return json.loads(json.dumps(_settings(name, seed, *sides, epochs, patience)))

    same = begun()
    assert same == begun()
    for other in (
        {"labels": 1 - experiment.labels[0]},
        {"labels": experiment.labels[0][:-1]},
        {"seed": 1},
        {"name": "rnn"},
        {"epochs": 5},
        {"patience": 1},
        {"level": 1e-9},
    ):
        assert begun(**other) != same


def test_a_training_is_finished_by_epochs_or_patience():
    def after(*losses, epochs=5, patience=2):
        return _is_finished([{"val_loss": loss} for loss in losses], epochs, patience)

    assert not after() and not after(3, 2, 1) and not after(1, 2)
    assert after(1, 2, 3) and after(3, 1, 2, 2) and after(5, 4, 3, 2, 1)
