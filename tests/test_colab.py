"""On Colab nothing that is preinstalled is replaced; Drive keeps data and models where asked."""

import json
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from packaging.utils import canonicalize_name

from hiphoplib import colab
from tests.paths import ROOT

NOTEBOOKS = [ROOT / "HipHopPopularity.ipynb", *sorted((ROOT / "notebooks").glob("*.ipynb"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPEN = (
    "]("
    + PROJECT["urls"]["Repository"].replace(
        "https://github.com", "https://colab.research.google.com/github"
    )
    + "/blob/main/{})"
)
PACKAGES = Path(__file__).with_name("colab_packages.txt")  # that Colab ships
GPU = "GPU {}: Tesla T4 (UUID: GPU-8f7b3c52-0000-1111-2222-333344445555)"


def lines(path):
    """Lines of a file of requirements."""
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def pinned(path):
    """Version by name of a file that holds every package at one."""
    return {
        canonicalize_name(name): version
        for name, version in (line.split("==") for line in lines(path))
    }


def first_cell(notebook):
    """Source of the first code cell."""
    return next(
        cell.source for cell in nbformat.read(notebook, 4).cells if cell.cell_type == "code"
    )


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Function that installs what is missing; it returns what pip was asked for."""

    def install(needs, there):
        needs = ",".join(map(repr, needs))
        (tmp_path / "pyproject.toml").write_text(f"[project]\ndependencies = [{needs}]")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(colab, "_installed", lambda: there)
        asked = []
        monkeypatch.setattr(
            colab,
            "_pip",
            lambda _, held, *needs: asked.extend([Path(held).read_text(encoding="utf-8"), *needs]),
        )
        colab._install_missing()
        return asked

    return install


def test_only_what_no_version_of_is_there_is_installed_and_the_rest_held(install, capsys):
    needs = ["keras>=99", "numpy>=1.26", "lime>=0.2", "lzma>=1; sys_platform == 'none'"]
    there = {"keras": "3.5.0", "numpy": "2.0", "blinker": "1.4-debian.7"}  # no version for pip
    assert install(needs, there) == ["keras==3.5.0\nnumpy==2.0\n", "lime>=0.2"]
    assert "older than the project asks for, and kept: keras 3.5.0 (>" in capsys.readouterr().out
    assert install(needs[:2], there) == []


def test_colab_has_most_of_what_the_project_asks_for(install, capsys):
    missing = install(PROJECT["dependencies"], pinned(PACKAGES))[1:]
    assert len(missing) < 10 and not [need for need in missing if "tensorflow" in need]
    assert ("and kept: urllib3 2.5.0 (>=2.6)\n") in capsys.readouterr().out  # which does as well


def test_of_two_versions_on_the_path_the_one_that_is_imported_counts(tmp_path, monkeypatch):
    for folder, version in (("local", "2.0"), ("debian", "1.0")):
        info = tmp_path / folder / f"blinker-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: Blinker\nVersion: {version}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "local"), str(tmp_path / "debian")])
    assert colab._installed() == {"blinker": "2.0"}


def test_requirements_are_those_of_the_project_with_a_lower_bound_and_a_constraint():
    needs = lines(ROOT / "requirements.txt")
    assert sorted(needs) == sorted(
        sum(PROJECT["optional-dependencies"].values(), PROJECT["dependencies"])
    )
    assert all(re.match(r"[\w-]+(\[\w+\])?>=[\d.]+(; .*)?$", need) for need in needs)
    held = set(pinned(ROOT / "constraints.txt"))
    names = {canonicalize_name(re.match(r"[\w-]+", need)[0]) for need in needs}
    assert names - held <= {"tensorflow"}


def tree(folder):
    """What lies in a folder, links with their aim and their age."""
    return {
        path.relative_to(folder): (
            path.is_symlink() and path.readlink(),
            path.is_file() and path.read_text(),
        )
        for path in sorted(folder.rglob("*"))
    }


def test_data_and_models_become_links_and_what_lies_on_drive_is_seen(tmp_path, monkeypatch, capsys):
    project, drive = tmp_path / "project", tmp_path / "drive" / "MyDrive" / "songs"
    (project / "data").mkdir(parents=True)  # empty, as a stage leaves it that was stopped
    (drive / "data").mkdir(parents=True)
    (drive / "data" / "tracks.csv").write_text("of an earlier runtime")
    monkeypatch.chdir(project)
    colab._keep_on(drive)
    assert Path("data/tracks.csv").read_text(encoding="utf-8") == "of an earlier runtime"
    Path("models/crnn").mkdir()
    assert (drive / "models" / "crnn").is_dir()
    assert str(drive / "models") in capsys.readouterr().out
    before = tree(tmp_path)
    colab._keep_on(drive)
    assert tree(tmp_path) == before
    colab._keep_on("drive/other")
    assert not Path("data/tracks.csv").exists() and (drive / "data" / "tracks.csv").is_file()


def test_data_that_is_there_already_stays_and_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/tracks.csv").write_text("mine", encoding="utf-8")
    colab._keep_on("drive")
    assert not Path("data").is_symlink()
    assert Path("data/tracks.csv").read_text(encoding="utf-8") == "mine"
    assert Path("models").resolve() == tmp_path / "drive" / "models"
    assert "data: holds something already" in capsys.readouterr().out


@pytest.mark.parametrize(
    "listed, code, line",
    [
        (GPU.format(0), 0, "GPU: Tesla T4"),
        (f"{GPU.format(0)}\n{GPU.format(1)}", 0, "GPU: Tesla T4, Tesla T4"),
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
            9,
            "no GPU",
        ),
        (None, 0, "no GPU: .* Change runtime type"),
    ],
)
def test_the_gpu_or_where_to_get_one_is_named_in_one_line(
    tmp_path, monkeypatch, listed, code, line
):
    if listed:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{listed}\nEND\nexit {code}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert re.match(line, colab._gpu_line()) and "\n" not in colab._gpu_line()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_badge_at_the_top_opens_this_very_notebook(path):
    top = json.loads(path.read_text())["cells"][0]
    assert top["cell_type"] == "markdown"
    assert OPEN.format(path.relative_to(ROOT)) in "".join(top["source"][:4])


def test_the_first_badges_of_the_readme_score_songs_and_open_the_report():
    opened = re.findall(r"\(https://colab.*?/blob/main/(.*?)\)", (ROOT / "README.md").read_text())
    assert opened == ["notebooks/5_ScoreMyTracks.ipynb", "HipHopPopularity.ipynb"]


@pytest.mark.parametrize("start", [".", "notebooks"])
def test_elsewhere_the_first_cell_only_goes_to_the_projects_folder(
    tmp_path, monkeypatch, capsys, start
):
    (cell,) = {first_cell(path) for path in NOTEBOOKS}
    assert cell.startswith('# @title Set up\nDRIVE = ""')
    for folder in ("hiphoplib", "notebooks"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / start)
    before = tree(tmp_path)
    exec(cell, {})
    assert Path.cwd() == tmp_path and tree(tmp_path) == before
    assert capsys.readouterr().out == ""


@pytest.fixture
def files(monkeypatch):
    """`google.colab.files`, with what is chosen and what was handed down."""
    names = ("google", "google.colab", "google.colab.files")
    google, module, files = map(ModuleType, names)
    files.chosen, files.down = {}, []
    files.upload, files.download = lambda: files.chosen, files.down.append
    google.colab, module.files = module, files
    for name, part in zip(names, (google, module, files)):
        monkeypatch.setitem(sys.modules, name, part)
    return files


def test_what_is_chosen_lies_in_the_folder(files, tmp_path):
    assert colab.upload(tmp_path / "songs") == [] and not (tmp_path / "songs").exists()
    files.chosen = {"a b.mp3": b"one", "../../out.mp3": b"two"}
    paths = colab.upload(tmp_path / "songs")
    assert {path.name: path.read_bytes() for path in (tmp_path / "songs").iterdir()} == {
        "a b.mp3": b"one",
        "out.mp3": b"two",
    }
    assert {path.parent for path in paths} == {tmp_path / "songs"}


def test_a_report_is_handed_down(files, tmp_path):
    colab.download(tmp_path / "report.html")
    assert files.down == [str(tmp_path / "report.html")]
