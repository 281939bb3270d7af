"""A training that was interrupted ends as one that was not, and so do several at once."""

import errno
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
from hiphoplib.keras_backend import keras
from hiphoplib.models import experiment as training_side_by_side
from hiphoplib.models.experiment import prepare, train
from hiphoplib.models.networks import AT_ONCE
from hiphoplib.models.training import (
    CHECKPOINT,
    Checkpoint,
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


def fitted(experiment, name, epochs, folder=None, progress=None):
    """A run of the first fold."""
    return fit(
        name,
        experiment.store,
        experiment.labels[0],
        experiment.sides[0],
        epochs=epochs,
        folder=folder,
        progress=progress,
    )


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
    return {name: fitted(experiment, name, 4) for name in ("cnn1", "crnn")}


@pytest.mark.parametrize("name, after", [("cnn1", 1), ("cnn1", 3), ("crnn", 2)])
def test_an_interrupted_training_ends_as_an_undisturbed_one(
    experiment, undisturbed, tmp_path, name, after
):
    with pytest.raises(Interrupted):
        fitted(experiment, name, 4, tmp_path, interrupt_after(after))
    seen = []
    resumed = fitted(experiment, name, 4, tmp_path, seen.append)
    assert seen == list(range(after + 1, 5))
    np.testing.assert_array_equal(weights_of(resumed), weights_of(undisturbed[name]))
    pd.testing.assert_frame_equal(
        resumed.history.drop(columns="seconds"), undisturbed[name].history.drop(columns="seconds")
    )


def test_an_interrupted_training_in_parts_goes_on_with_the_gradients_that_wait(
    experiment, tmp_path, in_parts
):
    clips = (experiment.sides[0] == "train").sum()
    assert -(-clips // 2) % 4  # the first epoch ends between two changes of the weights
    with pytest.raises(Interrupted):
        fitted(experiment, "mlp", 2, tmp_path, interrupt_after(1))
    resumed, whole = (fitted(experiment, "mlp", 2, folder) for folder in (tmp_path, None))
    np.testing.assert_array_equal(weights_of(resumed), weights_of(whole))


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory):
    """Weights of CNN 1 after eight epochs, by fold, of a training in one go."""
    folder = shutil.copytree(corpus, tmp_path_factory.mktemp("whole") / "tiny")
    runs = map(load_run, train(prepare(folder, folds=3), "cnn1", epochs=8, jobs=1))
    return {run.card["fold"]: weights_of(run) for run in runs}


@pytest.mark.parametrize(
    "how, status, said",
    [
        (signal.SIGKILL, -signal.SIGKILL, ""),
        (signal.SIGINT, 130, "stopped; the same command goes on from here\n"),
    ],
    ids=["kill", "Ctrl-C"],
)
def test_a_stopped_training_ends_as_an_undisturbed_one(whole, own_corpus, how, status, said):
    options = "--folds 3 --model cnn1 --epochs 8".split()
    command = [sys.executable, "-m", "hiphoplib", "train", str(own_corpus), *options]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, text=True, stderr=subprocess.PIPE
    )
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
        busiest = max(
            psutil.Process().children(recursive=True), key=lambda process: process.memory_info().rss
        )
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
    def after(*ranks, epochs=5, patience=2):
        return _is_finished([{"val_rank": rank} for rank in ranks], epochs, patience)

    assert not after() and not after(1, 2, 3) and not after(2, 0)
    assert after(3, 0, 0) and after(1, 3, 0, 0) and after(1, 2, 3, 4, 5)
    assert not after(2, 1.5, 1.5)  # the first one alone may be luck


# the state of a training on disk: whole, of this training, or none

SETTINGS = {"model": "tiny", "seed": 0}


def tiny(units=60):
    """Return a compiled network with a dropout, whose random numbers are part of its state."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((50,)),
            layers.Dense(units),
            layers.Dropout(0.5),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    return model


def learn(model):
    x = np.random.default_rng(0).normal(size=(32, 50))
    model.fit(x, x[:, :1] > 0, shuffle=False, verbose=0)


def state(model):
    return [variable.numpy() for variable in [*model.variables, *model.optimizer.variables]]


def assert_same(arrays, others):
    for array, other in zip(arrays, others, strict=True):
        np.testing.assert_array_equal(array, other)


@pytest.fixture
def begun(tmp_path):
    """Return a model after two epochs, the second one no better, and its checkpoint."""
    model = tiny()
    checkpoint = Checkpoint(tmp_path, model, SETTINGS)
    for epoch, rank in enumerate((0.2, -0.1)):
        learn(model)
        checkpoint.keep({"epoch": epoch, "val_rank": rank})
    return model, checkpoint


def test_all_that_the_next_epoch_depends_on_comes_back(begun, tmp_path):
    again = tiny()
    checkpoint = Checkpoint(tmp_path, again, SETTINGS)
    assert_same(state(begun[0]), state(again))
    assert checkpoint.history == begun[1].history
    for model in (begun[0], again):
        learn(model)
    assert_same(state(begun[0]), state(again))


def test_the_best_weights_are_those_of_the_best_order(begun, tmp_path):
    best = Checkpoint(tmp_path, tiny(), SETTINGS).best
    now = begun[0].get_weights()
    assert all((a != b).any() for a, b in zip(best, now, strict=True))
    assert_same(begun[1].best, best)


@pytest.mark.parametrize("settings", [SETTINGS | {"seed": 1}, {}])
def test_one_of_other_settings_is_not_taken_up(begun, tmp_path, settings):
    checkpoint = Checkpoint(tmp_path, tiny(), settings)
    assert checkpoint.history == [] and checkpoint.best is None


@pytest.mark.parametrize("length", [0, 100, 9_000])
def test_a_damaged_one_is_not_taken_up(begun, tmp_path, length):
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:length])
    assert Checkpoint(tmp_path, tiny(), SETTINGS).history == []


def test_one_of_a_network_of_another_size_is_not_taken_up(begun, tmp_path):
    model = tiny(units=61)
    before = state(model)
    assert Checkpoint(tmp_path, model, SETTINGS).history == []
    assert_same(before, state(model)[: len(before)])


def test_a_full_disk_names_the_file_and_leaves_the_epoch_before(begun, tmp_path):
    resource = pytest.importorskip("resource")  # not there on Windows
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
        with pytest.raises(OSError) as error:
            begun[1].keep({"epoch": 2, "val_rank": 0.3})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert error.value.errno == errno.EFBIG
    assert error.value.filename == str(tmp_path / CHECKPOINT)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    assert len(Checkpoint(tmp_path, tiny(), SETTINGS).history) == 2


def test_nothing_is_kept_without_a_folder():
    checkpoint = Checkpoint(None, tiny(), SETTINGS)
    checkpoint.keep({"epoch": 0, "val_rank": 0.2})
    assert checkpoint.path is None and len(checkpoint.best) == 4
