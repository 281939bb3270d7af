"""A corpus is gathered once, from one source, and found again."""

import json
from pathlib import Path

import pytest

from hiphoplib.errors import BadInput
from hiphoplib.tracks import gather as corpora
from hiphoplib.tracks.gather import gather, open_corpus, report_folders
from hiphoplib.tracks.table import read_tracks


def contents(folder):
    """Return the bytes of every file below a folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def test_gathering_twice_changes_nothing(tmp_path, source_folder):
    folder = tmp_path / "data" / "tiny"
    gather("folder", folder, path=source_folder, jobs=1)
    first = contents(folder)
    times = {path: path.stat().st_mtime_ns for path in (folder / "audio").iterdir()}
    gather("folder", folder, path=source_folder, jobs=1)
    assert contents(folder) == first
    assert {path: path.stat().st_mtime_ns for path in (folder / "audio").iterdir()} == times
    assert {"tracks.parquet", "source.json", "rejected.csv", "audio/0000.mp3"} <= set(first)
    assert len(times) == len(read_tracks(folder)) == 40


def test_gathering_goes_on_where_it_was_stopped(tmp_path, source_folder):
    folder, whole = tmp_path / "stopped", tmp_path / "whole"
    for at in (folder, whole):
        gather("folder", at, path=source_folder, jobs=1)
    for path in sorted((folder / "audio").iterdir())[5:]:
        path.unlink()
    (folder / "source.json").unlink()
    gather("folder", folder, path=source_folder, jobs=2)
    assert contents(folder) == contents(whole)


def test_a_folder_holds_the_corpus_of_one_source_and_settings(tmp_path, source_folder):
    tracks = gather("synthetic", tmp_path, n=2, seed=1, jobs=1)
    assert set(json.loads((tmp_path / "truth.json").read_text())["tracks"]) == set(tracks["id"])
    before = contents(tmp_path)
    for source, options in [("synthetic", {"n": 2, "seed": 2}), ("synthetic", {"n": 3, "seed": 1}),
                            ("folder", {"path": source_folder})]:
        with pytest.raises(BadInput, match="choose another folder or delete it") as error:
            gather(source, tmp_path, **options)
        assert "\n" not in str(error.value)
        assert contents(tmp_path) == before


def test_a_gathered_corpus_is_taken_as_it_is(corpus):
    before = contents(corpus)
    assert open_corpus(corpus) == open_corpus(str(corpus)) == corpus
    assert contents(corpus) == before


def test_a_foreign_folder_is_copied_and_stays_as_it_was(tmp_path, source_folder):
    before = contents(source_folder)
    folder = open_corpus(source_folder, data=tmp_path)
    assert folder == tmp_path / "tiny"
    assert open_corpus(source_folder, data=tmp_path) == folder
    assert len(list((folder / "audio").glob("*.mp3"))) == 40
    assert contents(source_folder) == before


def test_two_foreign_folders_of_one_name_are_not_mixed(tmp_path, source_folder):
    open_corpus(source_folder, data=tmp_path / "data")
    other = tmp_path / "elsewhere" / "tiny"
    other.mkdir(parents=True)
    (other / "tracks.csv").write_bytes((source_folder / "tracks.csv").read_bytes())
    with pytest.raises(BadInput, match="holds a corpus made by"):
        open_corpus(other, data=tmp_path / "data")


def test_what_is_no_corpus_is_told(tmp_path):
    with pytest.raises(BadInput, match="no such folder"):
        open_corpus(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="no corpus there"):
        open_corpus(tmp_path / "empty", data=tmp_path / "data")
    with pytest.raises(BadInput, match="no such folder"):
        gather("folder", tmp_path / "data", path=tmp_path / "nothing")
    with pytest.raises(BadInput, match="there is none of that name"):
        gather("tape", tmp_path / "data")


def test_a_folder_is_not_gathered_into_itself(source_folder):
    before = sorted(source_folder.rglob("*"))
    with pytest.raises(BadInput, match="source itself"):
        gather("folder", source_folder, path=source_folder)
    assert sorted(source_folder.rglob("*")) == before


def test_a_report_replaces_the_committed_figures_only_if_it_is_told_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HIPHOP_COMMIT", raising=False)
    built = Path("build/synthetic")
    assert report_folders("data/synthetic") == (built, built) and built.is_dir()
    monkeypatch.setenv("HIPHOP_COMMIT", "1")
    assert report_folders("data/synthetic") == (Path("images"), Path("notebooks/results"))
    for name in ("mine", "tiny"):
        assert report_folders(f"data/{name}") == (Path(f"build/{name}"),) * 2


def test_the_default_corpus_is_tiny_where_the_environment_says_so(tmp_path, monkeypatch):
    gathered = []
    monkeypatch.setattr(corpora, "gather", lambda source, folder, n: gathered.append((folder, n)))
    monkeypatch.delenv("HIPHOP_TINY", raising=False)
    assert open_corpus(data=tmp_path) == tmp_path / "synthetic"
    monkeypatch.setenv("HIPHOP_TINY", "1")
    assert open_corpus(data=tmp_path) == tmp_path / "tiny"
    assert gathered == [(tmp_path / "synthetic", 1200), (tmp_path / "tiny", 80)]
