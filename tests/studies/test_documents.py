"""Notebooks are executed whole, say which code their outputs are of, and what stages took."""

import json
import re
import subprocess
import sys
import time

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from hiphoplib.errors import BadInput
from hiphoplib.studies import documents
from hiphoplib.studies.costs import Stage, StageTimes, machine
from hiphoplib.studies.documents import (
    SETUP,
    _code_fingerprint,
    _execute,
    execute_notebooks,
    make_report,
    write_address,
)
from tests.paths import ROOT

COMMITTED = [ROOT / "HipHopPopularity.ipynb", *sorted((ROOT / "notebooks").glob("*.ipynb"))]


def write(path, *cells):
    notebook = new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
    )
    nbformat.write(notebook, path)
    return path


def test_a_notebook_is_executed_where_it_lies_and_stamped(tmp_path):
    path = write(
        tmp_path / "one.ipynb",
        new_markdown_cell("# Title"),
        new_code_cell("import os\nx = 2"),
        new_markdown_cell("## Doubled\n\nText."),
        new_code_cell("print(2 * x, os.getcwd())"),
    )
    with StageTimes() as times:
        done = _execute(path, times)
    assert done.cells[3].outputs[0].text == f"4 {tmp_path}\n"
    assert [stage.name for stage in times.stages] == ["Title", "Doubled"]
    assert done.metadata["code_fingerprint"] == _code_fingerprint(done)
    assert [cell.execution_count for cell in done.cells if cell.cell_type == "code"] == [1, 2]
    assert "execution" not in done.cells[1].metadata  # no times in what is committed


def test_the_fingerprint_is_of_the_code_and_of_nothing_else():
    code, text = new_code_cell("x = 1"), new_markdown_cell("said")
    same = _code_fingerprint(new_notebook(cells=[text, code]))
    assert same == _code_fingerprint(new_notebook(cells=[code, new_markdown_cell("other")]))
    for other in ([new_code_cell("x = 2")], [code, new_code_cell("x = 1")], []):
        assert _code_fingerprint(new_notebook(cells=other)) != same


def test_a_cell_that_fails_is_named_and_its_notebook_stays(tmp_path):
    good = write(tmp_path / "one.ipynb", new_code_cell("1 + 1"))
    bad = write(tmp_path / "bad.ipynb", new_code_cell("open('nothing')"))
    before = bad.read_bytes()
    with pytest.raises(BadInput, match=r"bad.ipynb: a cell failed\n[\s\S]*No such file"):
        execute_notebooks([good, bad])
    assert bad.read_bytes() == before
    assert nbformat.read(good, 4).cells[0].outputs[0].data["text/plain"] == "2"


@pytest.mark.parametrize("name", ["HIPHOP_CORPUS", "HIPHOP_TINY"])
def test_no_other_corpus_replaces_the_committed_report(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    monkeypatch.setattr(documents, "_execute", None)
    with pytest.raises(BadInput, match=f"unset {name}"):
        make_report(commit=True)


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_committed_outputs_are_of_the_committed_code(path):
    notebook = nbformat.read(path, 4)
    assert notebook.metadata.get("code_fingerprint") == _code_fingerprint(notebook), (
        f"{path.name}: its code was changed after it was executed; run `make report COMMIT=1` or "
        "`make stages`"
    )


@pytest.mark.parametrize(
    "content, seconds",
    [("75\n0m0.00s 0m0.00s\n1m2.50s 0m10.50s\n", 73.0), ("", None), ("75\nodd\n", None)],
)
def test_what_installing_took_is_read_where_make_has_written_it(
    tmp_path, monkeypatch, content, seconds
):
    (tmp_path / "installed").write_text(content)
    monkeypatch.setattr(documents.sys, "prefix", str(tmp_path))
    assert [stage.user + stage.kernel for stage in documents._environment()] == (
        [seconds] if seconds else []
    )


# what stages took, with all processes that they started

BUSY = "import time\nuntil = time.process_time() + 0.5\nwhile time.process_time() < until: pass"


def test_a_stage_has_the_time_of_what_it_starts_and_the_next_has_not():
    with StageTimes() as times:
        times.begin("busy")
        subprocess.run([sys.executable, "-c", BUSY], check=True)
        times.begin("idle")
        time.sleep(0.2)
    busy, idle = times.stages
    assert (busy.name, idle.name) == ("busy", "idle")
    assert busy.user + busy.kernel >= 0.45 and busy.wall >= 0.45
    assert idle.user + idle.kernel < 0.2 <= idle.wall
    assert busy.memory_mb > 1


def test_a_process_that_still_runs_counts():
    with StageTimes() as times:
        times.begin("beside")
        child = subprocess.Popen(
            [sys.executable, "-c", f"{BUSY}\nprint(1, flush=True)\ninput()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        child.stdout.readline()
        times.begin("after")
        child.communicate(b"\n")
    assert times.stages[0].user + times.stages[0].kernel >= 0.45


def test_a_stage_that_fails_counts():
    with pytest.raises(ZeroDivisionError), StageTimes() as times:
        times.begin("bad")
        1 / 0  # noqa: B018
    assert [stage.name for stage in times.stages] == ["bad"]


def test_short_stages_are_summed_and_all_are_written_with_the_machine(tmp_path, capsys):
    documents._tell(
        [
            Stage("long", 60.0, 50.0, 2.0, 900.0),
            Stage("short", 0.5, 0.4, 0.1, 1200.0),
            Stage("shorter", 0.25, 0.1, 0.1, 100.0),
        ],
        tmp_path / "build" / "times.json",
    )
    lines = capsys.readouterr().out.splitlines()[:-1]
    assert [line.split("  ")[0] for line in lines[1:]] == ["long", "all others", "together"]
    assert lines[-1].split()[1:] == ["60.8", "50.5", "2.2", "1,200"]
    assert len({len(line) for line in lines}) == 1
    content = json.loads((tmp_path / "build" / "times.json").read_text())
    assert content["stages"][0] == {
        "name": "long",
        "wall": 60.0,
        "user": 50.0,
        "kernel": 2.0,
        "memory_mb": 900.0,
    }
    assert content["machine"] == machine()


def test_the_machine_is_named_without_saying_whose_it_is():
    of = machine()
    assert of["processor"] and of["cores"] >= 1 and of["memory_gb"] > 0.5
    assert {"numpy", "tensorflow", "keras"} <= set(of["packages"])
    assert str(ROOT.home()) not in json.dumps(of)


OTHER = "https://github.com/someone/a-copy"


@pytest.fixture
def elsewhere(tmp_path):
    """A copy of what has the address, with another one in pyproject.toml."""
    for path in [
        ROOT / "pyproject.toml",
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *COMMITTED,
    ]:
        there = tmp_path / path.relative_to(ROOT)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(path.read_text())
    project = tmp_path / "pyproject.toml"
    project.write_text(
        re.sub(r'^Repository = ".*?"', f'Repository = "{OTHER}"', project.read_text(), flags=re.M)
    )
    return tmp_path


def test_the_address_is_written_from_one_place(elsewhere):
    stamps = [nbformat.read(path, 4).metadata.get("code_fingerprint") for path in COMMITTED]
    assert {path.name for path in write_address(elsewhere)} == {
        "README.md",
        *(path.name for path in COMMITTED),
    }
    readme = (elsewhere / "README.md").read_text()
    assert f"git clone {OTHER} " in readme
    assert "github/someone/a-copy/blob/main/notebooks/5_ScoreMyTracks.ipynb" in readme
    assert "/github/NicholasIndorf" not in readme
    assert "<https://github.com/NicholasIndorf/HipHopPopularity>" in readme  # the study of 2021
    for path, stamp in zip(COMMITTED, stamps):
        notebook = nbformat.read(elsewhere / path.relative_to(ROOT), 4)
        first = next(cell.source for cell in notebook.cells if cell.cell_type == "code")
        assert SETUP.format(address=OTHER) in first
        assert (notebook.metadata.get("code_fingerprint") == _code_fingerprint(notebook)) == (
            stamp == _code_fingerprint(nbformat.read(path, 4))
        )
    assert write_address(elsewhere) == []


def run_setup(folder):
    """The setup cell in a process of its own, with a project there or without."""
    return subprocess.run(
        [sys.executable, "-c", SETUP.format(address=OTHER)],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ""},
    )


def test_a_clone_without_the_module_is_told_in_one_line(tmp_path):
    done = run_setup(tmp_path)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == f"{OTHER} has no folder hiphoplib: set REPOSITORY above to one that has\n"


def test_the_setup_cell_finds_the_project_from_notebooks(tmp_path):
    (tmp_path / "hiphoplib").mkdir()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "hiphoplib" / "__init__.py").touch()
    (tmp_path / "hiphoplib" / "colab.py").write_text(
        "import os\nset_up = lambda drive: print(os.getcwd())\n"
    )
    done = run_setup(tmp_path / "notebooks")
    assert (done.stdout, done.stderr) == (f"{tmp_path}\n", "")
