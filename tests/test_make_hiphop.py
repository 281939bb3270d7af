"""`make hiphop`: real tracks from an archive, by the commands of the Makefile, to a model."""

import hashlib
import json
import shlex
import subprocess

import pytest
import requests

from hiphoplib.cli import main
from hiphoplib.scoring.model_folder import load_model
from hiphoplib.tracks.sources import fma
from tests.fma_server import HOST, Archive, zips
from tests.loopback import Reroute, serving
from tests.paths import ROOT


@pytest.fixture
def archive(monkeypatch):
    """The archive, which all requests reach."""
    monkeypatch.setattr(fma, "METADATA_SHA1", hashlib.sha1(zips()[0]).hexdigest())
    archive = Archive(*zips())
    with serving(archive, HOST) as (server, _):
        adapter = Reroute(server.url)
        monkeypatch.setattr(requests.Session, "get_adapter", lambda session, url: adapter)
        yield archive


def test_one_target_leads_from_the_archive_to_a_model_to_score_with(
    archive, tmp_path, monkeypatch, capsys
):
    printed = subprocess.run(
        ["make", "-n", "hiphop", "N=200", "SEEDS=1"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    said = " ".join(line for line in printed.splitlines() if line.startswith("echo"))
    assert all(part in said for part in ("342 MiB", "about 200 MB", "hour", "same command goes on"))
    commands = [
        shlex.split(line.partition(" -m hiphoplib ")[2])
        for line in printed.splitlines()
        if " -m hiphoplib " in line
    ]
    assert [words[0] for words in commands] == ["gather", "mels", "features", "train", "evaluate"]
    monkeypatch.chdir(tmp_path)
    for command in commands:
        short = {"train": ["--epochs", "1"], "features": ["--kind", "handcrafted"]}
        assert main([*command, *short.get(command[0], [])]) == 0, capsys.readouterr().err
    results = json.loads((tmp_path / "notebooks" / "results" / "hiphop.json").read_text())
    assert results["protocol"]["folds"] == 5 and results["corpus"]["tracks"] > 30
    assert {"handcrafted", "crnn"} <= set(results["models"])
    assert "Hip-Hop" in results["corpus"]["popularity_kind"]
    model = load_model(tmp_path / "models" / "hiphop")
    assert len(model.trainings) == 5 and not model.card["synthetic"]
    asked = len(archive.requests)
    assert main(commands[0]) == 0 and main(commands[1]) == 0  # a second time nothing is fetched
    assert len(archive.requests) == asked
