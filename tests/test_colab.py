"""On Colab nothing that is preinstalled is replaced; Drive keeps data and models where asked."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from packaging.utils import canonicalize_name

from hiphoplib.colab import (
    LEFT_OUT,
    gpu_line,
    install_missing,
    installed,
    keep_on,
    missing,
    too_old,
)
from tests.paths import ROOT

NOTEBOOKS = [ROOT / "HipHopPopularity.ipynb", *sorted((ROOT / "notebooks").glob("*.ipynb"))]
OPEN = ("[![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        "(https://colab.research.google.com/github/NicholasIndorf/HipHopPopularity/blob/main/{})")
PACKAGES = Path(__file__).with_name("colab_packages.txt")
REQUIREMENTS = (ROOT / "requirements.txt").read_text().splitlines()


def first_cell(notebook):
    """Source of the first code cell."""
    return next(cell.source for cell in nbformat.read(notebook, 4).cells
                if cell.cell_type == "code")


def test_only_what_no_version_of_is_there_is_asked_for():
    lines = ["# a comment", "keras>=99", "numpy>=1.26", "", "lime>=0.2  # why"]
    assert missing(lines, {"keras": "3.5.0", "numpy": "2.0"}) == ["lime>=0.2"]


def test_what_is_older_than_asked_for_is_named_and_not_asked_for():
    lines, there = ["keras>=99", "numpy>=1.26", "lime>=0.2"], {"keras": "3.5.0", "numpy": "2.0"}
    assert too_old(lines, there) == ["keras 3.5.0 (>=99)"]
    assert missing(lines[:2], there) == []


def test_colab_has_what_the_project_asks_for_in_versions_that_do():
    lines = (line.split("#")[0].strip() for line in PACKAGES.read_text().splitlines())
    there = {canonicalize_name(name): version
             for name, version in (line.split("==") for line in lines if line)}
    assert too_old(REQUIREMENTS, there) == ["urllib3 2.5.0 (>=2.6)"]  # which does as well
    assert len(missing(REQUIREMENTS, there)) < 10


def test_what_only_tests_and_shells_need_is_left_out():
    assert missing([f"{name}>=1.0" for name in sorted(LEFT_OUT)] + ["lime>=0.2"], {}) == [
        "lime>=0.2"]


def test_the_preinstalled_tensorflow_does_for_the_cpu_one():
    assert not [need for need in missing(REQUIREMENTS, {"tensorflow": "2.19.0"})
                if "tensorflow" in need]


def test_a_package_without_what_its_extra_asks_for_is_asked_for():
    there = installed()
    assert missing(["dask[distributed]>=2024.8", "dask>=2024.8"], there) == []
    del there["distributed"]
    assert missing(["dask[distributed]>=2024.8", "dask>=2024.8"], there) == [
        "dask[distributed]>=2024.8"]


def test_of_two_versions_on_the_path_the_one_that_is_imported_counts(tmp_path):
    for folder, version in (("local", "2.0"), ("debian", "1.0")):
        info = tmp_path / folder / f"blinker-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: Blinker\nVersion: {version}\n")
    assert installed([str(tmp_path / "local"), str(tmp_path / "debian")]) == {"blinker": "2.0"}


def test_where_all_is_there_nothing_is_installed():
    before = installed()
    assert install_missing(ROOT / "requirements.txt") == []
    assert before == installed()


def test_every_requirement_has_a_lower_bound_and_a_constraint():
    needs = [line for line in REQUIREMENTS if line and not line.startswith("#")]
    assert all(re.match(r"[\w-]+(\[\w+\])?>=[\d.]+(; .*)?$", need) for need in needs)
    held = {canonicalize_name(line.split("==")[0])
            for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    names = {canonicalize_name(re.match(r"[\w-]+", need)[0]) for need in needs}
    assert names - held <= {"tensorflow"}


def tree(folder):
    """What lies in a folder, links with their aim and their age."""
    return {path.relative_to(folder): (path.is_symlink() and path.readlink(),
                                       path.is_file() and path.read_text())
            for path in sorted(folder.rglob("*"))}


def test_data_and_models_become_links_and_what_lies_on_drive_is_seen(tmp_path, monkeypatch,
                                                                     capsys):
    project, drive = tmp_path / "project", tmp_path / "drive" / "MyDrive" / "songs"
    (project / "data").mkdir(parents=True)  # empty, as a stage leaves it that was stopped
    (drive / "data").mkdir(parents=True)
    (drive / "data" / "tracks.csv").write_text("of an earlier runtime")
    monkeypatch.chdir(project)
    keep_on(drive)
    assert Path("data/tracks.csv").read_text() == "of an earlier runtime"
    Path("models/crnn").mkdir()
    assert (drive / "models" / "crnn").is_dir()
    assert str(drive / "models") in capsys.readouterr().out
    before = tree(tmp_path)
    keep_on(drive)
    assert tree(tmp_path) == before


def test_data_that_is_there_already_stays_and_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/tracks.csv").write_text("mine")
    keep_on("drive")
    assert not Path("data").is_symlink() and Path("data/tracks.csv").read_text() == "mine"
    assert Path("models").resolve() == (tmp_path / "drive" / "models")
    assert "data: holds something already" in capsys.readouterr().out


def test_another_folder_of_drive_takes_the_place_of_the_first_and_the_first_keeps_its_own(
        tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keep_on("drive/one")
    Path("data/tracks.csv").write_text("of one")
    keep_on("drive/two")
    assert not Path("data/tracks.csv").exists()
    assert Path("drive/one/data/tracks.csv").read_text() == "of one"


LISTED = "GPU {}: Tesla T4 (UUID: GPU-8f7b3c52-0000-1111-2222-333344445555)"


@pytest.mark.parametrize("said, code, line", [
    (LISTED.format(0), 0, "GPU: Tesla T4"),
    (f"{LISTED.format(0)}\n{LISTED.format(1)}", 0, "GPU: Tesla T4, Tesla T4"),
    ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", 9, "no GPU"),
    ("No devices found.", 6, "no GPU")])
def test_the_gpu_is_named_in_one_line(tmp_path, monkeypatch, said, code, line):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{said}\nEND\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_line().startswith(line) and "\n" not in gpu_line()


def test_without_a_driver_the_line_says_where_a_gpu_is_to_be_had(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_line().startswith("no GPU: ") and "Change runtime type" in gpu_line()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_badge_at_the_top_opens_this_very_notebook(path):
    top = json.loads(path.read_text())["cells"][0]
    assert top["cell_type"] == "markdown"
    assert OPEN.format(path.relative_to(ROOT)) in "".join(top["source"][:4])


def test_the_readme_has_the_badge_of_the_report_at_its_top():
    assert OPEN.format("HipHopPopularity.ipynb") in (ROOT / "README.md").read_text()[:600]


def test_all_notebooks_begin_with_the_same_cell_which_asks_for_no_drive():
    assert len({first_cell(path) for path in NOTEBOOKS}) == 1
    assert first_cell(NOTEBOOKS[0]).startswith('DRIVE = ""')


@pytest.mark.parametrize("start", [".", "notebooks"])
def test_elsewhere_the_first_cell_only_goes_to_the_projects_folder(tmp_path, monkeypatch, capsys,
                                                                   start):
    for folder in ("hiphoplib", "notebooks"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / start)
    before = tree(tmp_path)
    exec(first_cell(NOTEBOOKS[0]), {})
    assert Path.cwd() == tmp_path and tree(tmp_path) == before
    assert capsys.readouterr().out == ""
