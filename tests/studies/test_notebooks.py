"""Notebooks are executed whole, and say which code their outputs are of."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from hiphoplib.errors import BadInput
from hiphoplib.studies import notebooks
from hiphoplib.studies.notebooks import code_fingerprint, execute, main
from hiphoplib.studies.resources import ROOT
from hiphoplib.studies.stage_times import StageTimes

COMMITTED = [ROOT / "HipHopPopularity.ipynb", *sorted((ROOT / "notebooks").glob("*.ipynb"))]


def write(path, *cells):
    notebook = new_notebook(cells=cells, metadata={
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    nbformat.write(notebook, path)
    return path


def test_a_notebook_is_executed_where_it_lies_and_stamped(tmp_path):
    path = write(tmp_path / "one.ipynb", new_markdown_cell("# Title"),
                 new_code_cell("import os\nx = 2"), new_markdown_cell("## Doubled\n\nText."),
                 new_code_cell("print(2 * x, os.getcwd())"))
    with StageTimes() as times:
        done = execute(path, times)
    assert done.cells[3].outputs[0].text == f"4 {tmp_path}\n"
    assert [stage.name for stage in times.stages] == ["Title", "Doubled"]
    assert done.metadata["code_fingerprint"] == code_fingerprint(done)
    assert [cell.execution_count for cell in done.cells if cell.cell_type == "code"] == [1, 2]
    assert "execution" not in done.cells[1].metadata  # no times in what is committed


def test_the_fingerprint_is_of_the_code_and_of_nothing_else():
    code, text = new_code_cell("x = 1"), new_markdown_cell("said")
    same = code_fingerprint(new_notebook(cells=[text, code]))
    assert same == code_fingerprint(new_notebook(cells=[code, new_markdown_cell("other")]))
    for other in ([new_code_cell("x = 2")], [code, new_code_cell("x = 1")], []):
        assert code_fingerprint(new_notebook(cells=other)) != same


def test_a_cell_that_fails_is_named_and_the_notebook_stays(tmp_path, capsys):
    path = write(tmp_path / "bad.ipynb", new_code_cell("open('nothing')"))
    before = path.read_bytes()
    with pytest.raises(BadInput, match="bad.ipynb: a cell failed"):
        execute(path)
    assert main([str(path)]) == 1
    assert "No such file" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_executing_in_place_writes_what_came_out(tmp_path):
    path = write(tmp_path / "one.ipynb", new_code_cell("1 + 1"))
    assert main([str(path)]) == 0
    done = nbformat.read(path, 4)
    assert done.cells[0].outputs[0].data["text/plain"] == "2"


@pytest.mark.parametrize("name", ["HIPHOP_CORPUS", "HIPHOP_TINY"])
def test_no_other_corpus_replaces_the_committed_report(monkeypatch, capsys, name):
    monkeypatch.setenv(name, "1")
    monkeypatch.setattr(notebooks, "execute", None)
    assert main(["--commit"]) == 1
    assert f"unset {name}" in capsys.readouterr().err


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_committed_outputs_are_of_the_committed_code(path):
    notebook = nbformat.read(path, 4)
    assert notebook.metadata.get("code_fingerprint") == code_fingerprint(notebook), (
        f"{path.name}: its code was changed after it was executed; run `make report COMMIT=1` or "
        "`make stages`")


@pytest.mark.parametrize("content, seconds", [("75\n0m0.00s 0m0.00s\n1m2.50s 0m10.50s\n", 73.0),
                                              ("", None), ("75\nodd\n", None)])
def test_what_installing_took_is_read_where_make_has_written_it(tmp_path, monkeypatch, content,
                                                                seconds):
    (tmp_path / "installed").write_text(content)
    monkeypatch.setattr(notebooks.sys, "prefix", str(tmp_path))
    found = notebooks._environment()
    assert [stage.user + stage.kernel for stage in found] == ([seconds] if seconds else [])
