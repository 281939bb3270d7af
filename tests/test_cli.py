"""The command line: the stages in a row, and one line where something is wrong."""

import json
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import requests
import soundfile as sf

from hiphoplib import cli as program
from hiphoplib import options
from hiphoplib.cli import main
from hiphoplib.tracks.cleaning import clean_tracks
from hiphoplib.tracks.table import read_tracks
from tests import spotify_server
from tests.loopback import Reroute, serving
from tests.paths import ROOT


def run(*arguments):
    """Run ``python -m hiphoplib`` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "hiphoplib", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def one_line(text):
    return text.startswith("error: ") and text.count("\n") == 1 and text.endswith("\n")


def test_help_names_every_command_and_each_has_its_own(capsys):
    shown = run("--help")
    assert shown.returncode == 0 and shown.stderr == ""
    for command in ("gather", "describe", "mels", "train", "evaluate", "explain", "score"):
        assert command in shown.stdout
        assert main([command, "--help"]) == 0
        assert "Usage: python -m hiphoplib" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        "",
        "sing",
        "gather",
        "gather tape --out x",
        "gather synthetic",
        "gather synthetic --n 0 --out x",
        "mels",
        "mels x --grid huge",
        "train x --model vgg",
        "train x --model mlp --folds many",
        "train x --model mlp --epochs 0",
        "evaluate x --split moon",
        "explain x 0001",
        "score x",
        "score x --model y",
        "score x --model y --out r.html --details 0",
    ],
)
def test_wrong_usage_ends_with_2(command, capsys):
    assert main(command.split()) == 2
    assert "Usage: " in capsys.readouterr().err


def test_the_models_and_splits_it_offers_are_those_that_there_are():
    from hiphoplib.dataset.features import FEATURES
    from hiphoplib.dataset.splits import SPLITS
    from hiphoplib.models.networks import NETWORKS

    assert program.NETWORKS == tuple(NETWORKS)
    assert options.SPLITS == SPLITS
    assert program.FEATURES == tuple(FEATURES)


def test_an_error_is_one_line_and_ends_with_1():
    ended = run("mels", "/nothing")
    assert ended.returncode == 1 and ended.stdout == ""
    assert one_line(ended.stderr)
    assert "/nothing" in ended.stderr and "python -m hiphoplib gather" in ended.stderr


def test_errors_of_every_command_are_one_line(corpus, source_folder, tmp_path, capsys):
    picture = str(tmp_path / "a.png")
    (tmp_path / "file").write_text("")
    for command in (
        f"gather folder /nothing --out {tmp_path}/new",
        f"gather folder {source_folder} --out {tmp_path}/file/corpus",
        f"gather synthetic --n 2 --out {corpus}",
        f"mels {tmp_path}",
        f"train {tmp_path} --model mlp",
        f"train {corpus} --model mlp --grid full",
        f"train {corpus} --model mlp --folds 1",
        f"train {corpus} --model mlp --folds 39",
        f"evaluate {corpus} --model rnn",
        f"explain {corpus} nope --model mlp --out {picture}",
        f"explain {corpus} 0001 --model mlp --out {picture}",
    ):
        assert main(command.split()) == 1, command
        shown = capsys.readouterr()
        assert one_line(shown.err), command
        assert shown.out == ""
    assert not Path(picture).exists()


def test_the_stages_in_a_row(source_folder, tmp_path, capsys):
    folder, results = tmp_path / "tiny", tmp_path / "results" / "tiny.json"
    model = tmp_path / "models" / "tiny"
    shown = []
    for command in (
        f"gather folder {source_folder} --out {folder} --jobs 1",
        f"mels {folder} --jobs 1",
        f"train {folder} --model mlp --epochs 2 --folds 3 --out {model}",
        f"evaluate {folder} --json {results} --folds 3",
    ):
        assert main(command.split()) == 0
        output = capsys.readouterr()
        assert output.err == ""  # no bar where nobody watches
        shown.append(output.out)
    assert "40  preview there" in shown[0] and "0  clips missing" in shown[0]
    assert "40  spectrograms, 64 bands x 323 frames" in shown[1]
    assert "mlp: 3 runs" in shown[2] and "tiny: mlp, all that scoring needs" in shown[2]
    files = "model.json card.md domain.csv donors.npz network0.keras network1.keras network2.keras"
    assert {path.name for path in model.iterdir()} == {*files.split()}
    assert main(["train", str(folder), "--model", "mlp", "--model", "cnn1", "--out", "x"]) == 1
    assert "one model a folder" in capsys.readouterr().err
    assert "40 test tracks, split by artist, 3 folds" in shown[3]
    written = json.loads(results.read_text())
    assert f"AUC {written['models']['mlp']['auc']['mean']:.3f}" in shown[3]
    assert written["command"].startswith("python -m hiphoplib evaluate ")


def test_an_evaluation_in_a_process_of_its_own_says_nothing_else(trained):
    ended = run("evaluate", trained, "--folds", "3")
    assert ended.returncode == 0 and ended.stderr == ""
    firsts = [line.split()[0] for line in ended.stdout.splitlines()]
    assert firsts == ["40", "dummy", "metadata", "mlp"]


def test_features_are_made_by_a_command_and_told(trained, tmp_path, capsys):
    folder = shutil.copytree(trained, tmp_path / "tiny")
    assert main(["features", str(folder), "--kind", "handcrafted", "--jobs", "1"]) == 0
    assert capsys.readouterr().out == "     40  clips by 101 features, handcrafted\n"
    assert (folder / "features-handcrafted.npz").is_file()


def test_an_explanation_is_a_picture_sentences_and_sound(trained, tmp_path, capsys, monkeypatch):
    from hiphoplib.explanation import tracks
    from hiphoplib.explanation.swap_test import Part

    folder = shutil.copytree(trained, tmp_path / "tiny")
    picture, sounds = tmp_path / "why.png", tmp_path / "new" / "sounds"
    asked = f"explain {folder} 0001 --model mlp --folds 3 --out {picture} --wav {sounds}".split()
    everything = Part(np.ones((4, 10), bool), np.ones(25), np.ones(25))
    monkeypatch.setattr(tracks, "swap_track", lambda *_: [everything])
    assert main(asked) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("0001:\n- The MLP's probability, before calibration, is 0.")
    assert "taken out, the score fell with 25 of 25 other tracks' sound" in shown.out
    assert shown.out.endswith(f"written to {sounds}: said, rest\n") and shown.err == ""
    assert picture.read_bytes().startswith(b"\x89PNG")
    read = {path.name: sf.read(path)[0] for path in sounds.iterdir()}
    assert set(read) == {"said.wav", "rest.wav"}
    assert np.abs(read["said.wav"]).max() > 0.01 > 1e-3 > np.abs(read["rest.wav"]).max()
    shutil.rmtree(sounds)
    monkeypatch.setattr(tracks, "swap_track", lambda *_: [])
    assert main(asked) == 0 and not sounds.exists()
    assert capsys.readouterr().out.endswith("- No single passage decides.\n")
    picture.unlink()
    asked[asked.index("mlp")] = "stack"  # which LIME cannot ask
    assert main(asked) == 0 and picture.read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out == "0001:\n- No single passage decides.\n"


@pytest.fixture
def spotify(monkeypatch, noise, mp3):
    """Function of an era: the command line's requests reach that Spotify from then on."""
    clip = mp3(noise(-20, 3.5))

    def start(era):
        service = spotify_server.Spotify(era=era, clips=lambda track_id: clip)
        server, _ = running.enter_context(serving(service, *spotify_server.HOSTS))
        adapter = Reroute(server.url)
        monkeypatch.setattr(requests.Session, "get_adapter", lambda session, url: adapter)
        return server

    monkeypatch.setenv("SPOTIPY_CLIENT_ID", spotify_server.CLIENT_ID)
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", spotify_server.SECRET)
    with ExitStack() as running:
        yield start


SPOTIFY = ["gather", "spotify", "--n", "60", "--years", "2015-2020", "--out"]


def test_spotify_as_it_was(spotify, tmp_path, capsys):
    server = spotify(2021)
    out = str(tmp_path / "spotify")
    assert main([*SPOTIFY, out]) == 1
    refused = capsys.readouterr()
    assert one_line(refused.err) and "--i-have-permission" in refused.err and server.log == []
    assert main([*SPOTIFY, out, "--i-have-permission"]) == 0
    shown = capsys.readouterr()
    assert "60  rows gathered" in shown.out and "0  clips missing" in shown.out
    assert shown.err.count("\n") == 1 and "gather fma" in shown.err  # the terms, once
    clean = clean_tracks(read_tracks(out))[0]
    assert len(list((tmp_path / "spotify" / "audio").glob("*.mp3"))) == len(clean)
    server.log.clear()
    assert main([*SPOTIFY, out, "--i-have-permission"]) == 0
    assert server.log == []
    next((tmp_path / "spotify" / "audio").glob("*.mp3")).unlink()
    (tmp_path / "spotify" / "tracks.parquet").unlink()
    assert main([*SPOTIFY, out, "--offline"]) == 0
    assert server.log == [] and len(read_tracks(out)) == 60


def test_spotify_as_it_is_today(spotify, tmp_path, capsys):
    spotify(2026)
    assert main([*SPOTIFY, str(tmp_path / "spotify"), "--i-have-permission"]) == 1
    shown = capsys.readouterr()
    assert shown.out == "" and "Traceback" not in shown.err
    terms, error = shown.err.splitlines()
    assert error.startswith("error: spotify: none of ") and "2026" in error and "2024" in error
    assert "gather fma" in error and "terms" in terms


@pytest.mark.parametrize(
    "place, said",
    [
        ("file/x", "Not a directory"),
        ("folder", "is a folder"),
        ("/proc/x", ""),
        ("n" * 256, "File name too long"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        "evaluate data/none --json",
        "describe data/none --json",
        "explain data/none 1 --out",
        "score songs --model models/none --out",
    ],
)
def test_where_nothing_can_be_written_is_told_before_the_work(
    command, place, said, tmp_path, monkeypatch, capsys
):
    if place.startswith("/proc") and not sys.platform.startswith("linux"):
        pytest.skip("needs a place where nobody may write")
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("", encoding="utf-8")
    ending = {"score": ".html", "explain": ".png"}.get(command.split()[0], ".json")
    Path(f"folder{ending}").mkdir()
    assert main([*command.split(), place + ending]) == 1
    error = capsys.readouterr().err
    assert one_line(error) and place in error and said in error and "another place" in error
    assert {path.name for path in tmp_path.iterdir()} == {"file", f"folder{ending}"}


@pytest.mark.parametrize(
    "command",
    [
        "gather synthetic --out",
        "train data/none --model mlp --out",
        "explain data/none 1 --out a.png --wav",
        "explanations data/none --pictures",
        "pictures --out",
        "render-songs",
    ],
)
def test_a_folder_that_cannot_be_made_is_told_before_the_work(
    command, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("", encoding="utf-8")
    for place in ("file", "file/x"):
        assert main([*command.split(), place]) == 1
        assert one_line(error := capsys.readouterr().err) and error.startswith(f"error: {place}: ")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "command, ending",
    [
        ("explain data/none 1 --out why.txt", ".png"),
        ("score songs --model m --out report.pdf", ".html"),
    ],
)
def test_a_kind_of_file_that_is_not_written_is_told_before_the_work(command, ending, capsys):
    assert main(command.split()) == 1
    assert one_line(error := capsys.readouterr().err) and f"example why{ending}".split()[0] in error
    assert ending in error
