"""A corpus is gathered once, from one source, and found again."""

import json
import os
import unicodedata
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pytest

from hiphoplib.audio.files import encode
from hiphoplib.dataset.store import make_mels
from hiphoplib.errors import BadInput
from hiphoplib.tracks import gather as corpora
from hiphoplib.tracks.cleaning import read_clean
from hiphoplib.tracks.gather import gather, open_corpus, report_folders
from hiphoplib.tracks.table import read_rejected, read_tracks
from tests.mel_runs import posix
from tests.tables import raw_table


def contents(folder):
    """Return the bytes of every file below a folder, by path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


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
    for source, options in [
        ("synthetic", {"n": 2, "seed": 2}),
        ("synthetic", {"n": 3, "seed": 1}),
        ("folder", {"path": source_folder}),
    ]:
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


@posix
def test_no_file_ends_a_stage_whatever_it_is_called_or_is(tmp_path):
    folder, sound = tmp_path / "from", encode(np.sin(np.arange(5 * 44_100) / 20), 44_100)
    good = [
        "a" * 250 + ".mp3",
        "é" * 125 + ".mp3",
        unicodedata.normalize("NFD", "ü.mp3"),
        "🎤 \u202e$x$.mp3",
        "-rf.mp3",
        'a,"b"\nc.mp3',
        "a%20b#c?.mp3",
        "no ending",
        "/".join("d" * 200 for _ in range(5)) + "/a.mp3",
    ]
    bad = {
        "c" * 300 + ".mp3": "File name too long",
        "loop.mp3": "in a circle",
        "folder.mp3": "a folder",
        "pipe.mp3": "a pipe",
        "dead.mp3": "a link that leads to no file",
        "empty.mp3": "is empty",
        "zeros.mp3": "are not audio",
        "gone.mp3": "no such file",
        "../up.mp3": "lies outside",
        "/etc/passwd": "lies outside",
        "x://[": "no address",
        "file:///etc/passwd": "where https is wanted",
    }
    for name in good:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(sound)
    (folder / "folder.mp3").mkdir()
    os.mkfifo(folder / "pipe.mp3")
    for name, target in {"loop.mp3": "loop.mp3", "dead.mp3": "nowhere"}.items():
        (folder / name).symlink_to(target)
    (folder / "empty.mp3").touch()
    for path in (folder / "zeros.mp3", tmp_path / "up.mp3"):
        path.write_bytes(bytes(9000) if path.name == "zeros.mp3" else sound)
    names = [name for pair in zip_longest(bad, good) for name in pair if name]
    ids = {name: f"{number}" for number, name in enumerate(names)}
    table = raw_table(len(names), id=ids.values(), preview_url=names)
    table.to_csv(folder / "tracks.csv", index=False)
    gather("folder", tmp_path / "to", path=folder, jobs=1)
    store = make_mels(read_clean(tmp_path / "to"), tmp_path / "to", jobs=1)
    assert sorted(store.ids) == sorted(map(ids.get, good))
    rejected = read_rejected(tmp_path / "to").drop_duplicates("id").set_index("id")["reason"]
    for name, said in bad.items():
        assert said in rejected[ids[name]], name
