"""A tiny real corpus: encoded clips of noise whose level follows their popularity."""

import json
import logging
import shutil
import signal
from pathlib import Path

import lameenc
import numpy as np
import pandas as pd
import pytest

from hiphoplib.tracks.sources import web
from tests.paths import SHARED
from tests.web_server import reaching

N_TRACKS, SECONDS, SR = 40, 24, 22050
SAID = []  # what every test printed, logged and complained of, for test_secrets


# what a shell starts in the background is deaf to Ctrl-C, and so is what that starts
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_logreport(report):
    """Keep what a test said."""
    SAID.extend([report.capstdout, report.capstderr, report.caplog, report.longreprtext])


def pytest_collection_modifyitems(items):
    """Look for secrets when all others have run."""
    items.sort(key=lambda item: item.path.stem == "test_secrets")


@pytest.fixture(scope="session")
def said():
    """All that the tests of this process have said so far, list of str.

    A fixture, since pytest loads this file under another name than an import of it would.
    """
    return SAID


@pytest.fixture(scope="session", autouse=True)
def whole_log(tmp_path_factory):
    """What the libraries that ask services log in the whole run, at DEBUG, in a file."""
    path = tmp_path_factory.mktemp("log") / "whole_run.log"
    handler = logging.FileHandler(path)
    logging.getLogger().addHandler(handler)
    for name in ("urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield path
    logging.getLogger().removeHandler(handler)
    handler.close()


@pytest.fixture(scope="session")
def noise():
    """Noise of a level in dB below full scale, float32 [shape=(samples,) or (samples, 2)]."""

    def make(level_db, seconds=6, sr=SR, seed=0, channels=1):
        shape = (int(seconds * sr), channels)
        y = np.random.default_rng(seed).normal(0, 10 ** (level_db / 20), shape)
        return np.clip(y, -1, 1).astype(np.float32).squeeze()

    return make


@pytest.fixture(scope="session")
def mp3():
    """Encode samples, bytes of an mp3 of 64 kbit/s."""

    def encode(y, sr=SR):
        encoder = lameenc.Encoder()
        encoder.set_bit_rate(64)
        encoder.set_in_sample_rate(sr)
        encoder.set_out_sample_rate(sr)
        encoder.set_channels(y.ndim)
        encoder.set_quality(7)
        encoder.silence()
        samples = (np.clip(y, -1, 1) * 32_000).astype(np.int16).tobytes()
        return bytes(encoder.encode(samples) + encoder.flush())

    return encode


@pytest.fixture(scope="session")
def write_corpus():
    """Write a folder that the `folder` source reads: ``tracks.csv`` and audio bytes by path."""

    def write(folder, table, audio):
        folder.mkdir(parents=True, exist_ok=True)
        table = table.assign(artists=[json.dumps(names) for names in table["artists"]])
        table.to_csv(folder / "tracks.csv", index=False)
        for path, content in audio.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        return folder

    return write


@pytest.fixture(scope="session")
def source_folder(tmp_path_factory, noise, mp3, write_corpus):
    """40 tracks as they lie on a disk, 4 of them with a guest: the louder, the more popular."""
    popularity = np.random.default_rng(0).permutation(np.linspace(5, 95, N_TRACKS)).round(1)
    ids = [f"{i:04d}" for i in range(N_TRACKS)]
    table = pd.DataFrame(
        {
            "id": ids,
            "popularity": popularity,
            "track": [f"Song {i}" for i in ids],
            "artists": [
                [f"Artist {i:04d}"] + ([f"Artist {i + 1:04d}"] if i % 10 == 0 else [])
                for i in range(N_TRACKS)
            ],
            "preview_url": [f"audio/{i}.mp3" for i in ids],
        }
    )
    audio = {
        f"audio/{i}.mp3": mp3(noise(-45 + 0.4 * p, SECONDS, seed=int(i)))
        for i, p in zip(ids, popularity, strict=True)
    }
    return write_corpus(tmp_path_factory.mktemp("source") / "tiny", table, audio)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory, source_folder):
    """The same, gathered, with its mel store on the quick grid; to be read only."""
    from hiphoplib.dataset.store import make_mels
    from hiphoplib.tracks.gather import gather

    folder = tmp_path_factory.mktemp("data") / "tiny"
    make_mels(gather("folder", folder, path=source_folder, jobs=1), folder, jobs=1)
    return folder


@pytest.fixture
def own_corpus(corpus, tmp_path):
    """A copy of it that a test may change."""
    return Path(shutil.copytree(corpus, tmp_path / "tiny"))


@pytest.fixture
def bare(own_corpus):
    """Such a copy without its store."""
    shutil.rmtree(own_corpus / "mels-quick")
    return own_corpus


@pytest.fixture(scope="session")
def trained(tmp_path_factory, corpus):
    """A corpus with `mlp` trained in three folds; to be read only."""
    from hiphoplib.models.experiment import prepare, train

    folder = Path(shutil.copytree(corpus, tmp_path_factory.mktemp("trained") / "tiny"))
    train(prepare(folder, folds=3), "mlp", epochs=3)
    return folder


@pytest.fixture(scope="session")
def liked_songs():
    """400 real recordings, where they are at hand."""
    folder = SHARED / "corpora" / "liked_songs"
    if not (folder / "tracks.csv").is_file():
        pytest.skip(f"no real corpus at {folder}; it is not part of the repository")
    return folder


@pytest.fixture
def hasty(monkeypatch):
    """Pauses between tries that a test can wait for."""
    monkeypatch.setattr(web, "PAUSE", 0.001)


@pytest.fixture
def reach():
    """Function of replies: a `Web` that gets them."""
    with reaching() as make:
        yield make


@pytest.fixture
def figure_style():
    """The figures' style, and none of them left open."""
    import matplotlib.pyplot as plt

    from hiphoplib.report.style import use_style

    with plt.rc_context():
        use_style()
        yield
    plt.close("all")
