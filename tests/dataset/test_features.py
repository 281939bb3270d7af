"""Features of clips are computed once, a bad clip is skipped, and a stopped run goes on."""

import dataclasses
import os
import shutil
from contextlib import closing
from importlib.metadata import PackageNotFoundError

import numpy as np
import pandas as pd
import pytest

from hiphoplib.audio import tagger as musicnn
from hiphoplib.audio.features import NAMES, clip_features
from hiphoplib.audio.tagger import INSTALL
from hiphoplib.dataset import features
from hiphoplib.dataset.features import FEATURES, make_available, make_features, read_features
from hiphoplib.errors import BadInput
from hiphoplib.tracks.table import read_tracks


@pytest.fixture(scope="module")
def made(corpus, tmp_path_factory):
    """A corpus of ten tracks with its hand-crafted features."""
    folder = shutil.copytree(corpus, tmp_path_factory.mktemp("made") / "tiny")
    tracks = read_tracks(folder)[:10]
    return folder, tracks, make_features(tracks, folder, "handcrafted", jobs=2)


@pytest.fixture
def own(made, tmp_path):
    """A copy of it that a test may change, and the tracks."""
    return shutil.copytree(made[0], tmp_path / "tiny"), made[1]


def test_every_clip_has_its_features_under_its_id(made):
    folder, tracks, X = made
    assert list(X) == NAMES and list(X.index) == list(tracks["id"])
    assert np.isfinite(X.to_numpy()).all()
    y, sr = features.read_clip(folder / tracks["preview_url"][3], 30)
    np.testing.assert_allclose(X.iloc[3], clip_features(y, sr), rtol=1e-5)
    pd.testing.assert_frame_equal(read_features(folder, "handcrafted"), X)


def test_what_is_there_is_not_computed_again_and_a_replaced_clip_is(own, monkeypatch):
    folder, tracks = own
    new, old = (folder / tracks["preview_url"][row] for row in (4, 5))
    new.write_bytes(old.read_bytes())
    os.utime(new, ns=(1, 1))
    asked = []

    def unordered(work, tasks, **options):
        for number, task in enumerate(tasks):
            asked.append(task)
            yield number, work(task)

    monkeypatch.setattr(features, "unordered", unordered)
    X = make_features(tracks, folder, "handcrafted")
    assert asked == [str(new)]
    np.testing.assert_allclose(X.iloc[4], X.iloc[5], rtol=1e-5)
    make_features(tracks, folder, "handcrafted")
    assert len(asked) == 1


def test_a_clip_that_cannot_be_read_has_an_empty_row(own):
    folder, tracks = own
    (folder / tracks["preview_url"][2]).write_bytes(b"no audio")
    X = make_features(tracks, folder, "handcrafted", jobs=1)
    assert X.iloc[2].isna().all() and X.drop(X.index[2]).notna().all().all()


def test_a_run_that_is_stopped_keeps_what_it_has(made, own, monkeypatch):
    folder, _ = own
    (folder / "features-handcrafted.npz").unlink()
    monkeypatch.setattr(features, "SAVE", 2)
    whole = features.unordered

    def stopped(work, tasks, **options):
        with closing(whole(work, tasks, **options)) as results:
            for done, result in enumerate(results):
                if done == 5:
                    raise KeyboardInterrupt
                yield result

    monkeypatch.setattr(features, "unordered", stopped)
    with pytest.raises(KeyboardInterrupt):
        make_features(made[1], folder, "handcrafted", jobs=1)
    assert read_features(folder, "handcrafted").notna().all(axis=1).sum() == 4
    monkeypatch.setattr(features, "unordered", whole)
    pd.testing.assert_frame_equal(make_features(made[1], folder, "handcrafted", jobs=1), made[2])


@pytest.mark.parametrize("content", [None, b"", b"no table", "cut"])
def test_without_a_table_the_next_step_is_told(made, tmp_path, content):
    path = tmp_path / "features-handcrafted.npz"
    if content == "cut":
        content = (made[0] / path.name).read_bytes()[:-100]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match="hiphoplib features .* --kind handcrafted"):
        read_features(tmp_path, "handcrafted")


def test_a_table_of_another_version_does_not_count(made, monkeypatch):
    other = dataclasses.replace(FEATURES["handcrafted"], version=99)
    monkeypatch.setitem(FEATURES, "handcrafted", other)
    with pytest.raises(BadInput, match="no such features"):
        read_features(made[0], "handcrafted")


def test_a_corpus_without_a_clip_that_can_be_read_is_told(made, tmp_path):
    with pytest.raises(BadInput, match="none of 2 clips"):
        make_features(made[1][:2], tmp_path, "handcrafted", jobs=1)


def test_without_the_taggers_weights_the_rest_is_made_and_the_next_step_told(
    made, own, monkeypatch
):
    def missing(name):
        raise PackageNotFoundError(name)

    folder, tracks = own
    monkeypatch.setattr(musicnn, "distribution", missing)
    tables, missing = make_available(tracks, folder, jobs=1)
    pd.testing.assert_frame_equal(tables.pop("handcrafted"), made[2])
    assert not tables and list(missing) == ["musicnn", "vgg"]
    assert all(INSTALL in reason for reason in missing.values())
