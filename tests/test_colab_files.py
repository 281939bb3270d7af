"""Files go up and down through what Colab offers, which here is a stand-in of two functions."""

import sys
from types import ModuleType

import pytest

from hiphoplib.colab import download, upload


@pytest.fixture
def colab(monkeypatch):
    """`google.colab.files`, with what is chosen and what was handed down."""
    google, module, files = (ModuleType(name) for name in (
        "google", "google.colab", "google.colab.files"))
    files.chosen, files.down = {}, []
    files.upload, files.download = lambda: files.chosen, files.down.append
    google.colab, module.files = module, files
    for part in (google, module, files):
        monkeypatch.setitem(sys.modules, part.__name__, part)
    return files


def test_what_is_chosen_lies_in_the_folder(colab, tmp_path):
    colab.chosen = {"a b.mp3": b"one", "../../out.mp3": b"two"}
    paths = upload(tmp_path / "songs")
    assert {path.name: path.read_bytes() for path in (tmp_path / "songs").iterdir()} == {
        "a b.mp3": b"one", "out.mp3": b"two"}
    assert {path.parent for path in paths} == {tmp_path / "songs"}


def test_none_chosen_makes_no_folder(colab, tmp_path):
    assert upload(tmp_path / "songs") == [] and not (tmp_path / "songs").exists()


def test_a_report_is_handed_down(colab, tmp_path):
    download(tmp_path / "report.html")
    assert colab.down == [str(tmp_path / "report.html")]
