"""Execute notebooks from top to bottom, with their times and fingerprints.

An executed notebook carries a fingerprint of its code cells, by which a test sees whether the
outputs are those of the code that stands there.
"""

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

from hiphoplib.errors import BadInput
from hiphoplib.io import write_whole
from hiphoplib.run_size import TINY
from hiphoplib.studies.stage_times import TIMES, Stage, StageTimes, as_table, write_times
from hiphoplib.tracks.gather import open_corpus

REPORT = Path("HipHopPopularity.ipynb")
MODEL = "crnn"  # handed over to score with


def code_fingerprint(notebook):
    """Return a hash of the sources of a notebook's code cells, str.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
    """
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return "sha256:" + hashlib.sha256("\0".join(sources).encode()).hexdigest()


def execute(path, times=None):
    """Execute a notebook from its first cell to its last, in its own folder.

    Parameters
    ----------
    path : path-like
    times : StageTimes, optional
        Gets a stage for every heading.

    Returns
    -------
    nbformat.NotebookNode
        With outputs, and with the fingerprint of its code in the metadata.

    Raises
    ------
    BadInput
        If a cell fails; the message names it and what it said.
    """
    path = Path(path)
    notebook = nbformat.read(path, as_version=4)
    headings = _headings(notebook)

    def on_cell_start(cell, cell_index):
        if times and cell_index in headings:
            times.begin(headings[cell_index])

    client = NotebookClient(notebook, timeout=None, record_timing=False,
                            resources={"metadata": {"path": str(path.resolve().parent)}},
                            on_cell_start=on_cell_start,
                            extra_arguments=["--IPKernelApp.log_level=ERROR"])
    try:
        client.execute(env={**os.environ, "TQDM_DISABLE": "1"})
    except CellExecutionError as error:
        raise BadInput(f"{path}: a cell failed\n{error}") from error
    notebook.metadata["code_fingerprint"] = code_fingerprint(notebook)
    return notebook


def _headings(notebook):
    """Headings by the number of the first cell that follows each, dict."""
    found, waiting = {}, None
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            waiting = cell.source.splitlines()[0].lstrip("# ")
        elif cell.cell_type == "code" and waiting:
            found[number], waiting = waiting, None
    return found


def make_report(commit=False):
    """Execute the report, write it with a page beside it, and train the model to score with.

    Parameters
    ----------
    commit : bool
        Replace the committed report, its figures and results; else all of it goes to ``build``.

    Returns
    -------
    list of stage_times.Stage

    Raises
    ------
    BadInput
        If a cell fails, or a report on another corpus is to replace the committed one.
    """
    if commit:
        for name in ("HIPHOP_CORPUS", TINY):
            if os.environ.get(name):
                raise BadInput(f"--commit: the committed report is of the default corpus; "
                               f"unset {name}")
        os.environ["HIPHOP_COMMIT"] = "1"
    with StageTimes() as times:
        times.begin("Tracks and clips")
        corpus = open_corpus(os.environ.get("HIPHOP_CORPUS", "synthetic"))
        notebook = execute(REPORT, times)
        times.begin("HTML beside it")
        built = Path("build") / corpus.name
        page, _ = HTMLExporter().from_notebook_node(notebook)
        write_whole(built / REPORT.with_suffix(".html"), page)
        write_whole(REPORT if commit else built / REPORT, nbformat.writes(notebook) + "\n")
        times.begin("Model to score with")
        subprocess.run([sys.executable, "-m", "hiphoplib", "train", str(corpus), "--model", MODEL,
                        "--out", f"models/{corpus.name}"], check=True)
    return [*_environment(), *times.stages]


def _environment():
    """Return what installing took, which make has written down as the shell tells it."""
    try:
        wall, _, cpu = Path(sys.prefix, "installed").read_text().split("\n")[:3]
        user, kernel = (float(m) * 60 + float(s) for m, s in
                        (part.rstrip("s").split("m") for part in cpu.split()))
        return [Stage("Environment, once", float(wall), user, kernel, 0.0)]
    except (OSError, ValueError):
        return []  # not made by make


def main(arguments=None):
    """Execute what is asked for; the exit status is 0, or 1 for a cell that failed."""
    parser = argparse.ArgumentParser(prog="python -m hiphoplib.studies.notebooks", description=(
        "Execute notebooks from top to bottom, each in a process of its own. Without a name: the "
        "report, into build/<corpus>, with a page beside it, a model to score with, and a table of "
        "what each stage took."))
    parser.add_argument("notebook", nargs="*", type=Path, metavar="NOTEBOOK.ipynb",
                        help="execute these in place")
    parser.add_argument("--commit", action="store_true", help="replace the committed report, "
                        "images and results by those of this run")
    options = parser.parse_args(arguments)
    try:
        if not options.notebook:
            stages = make_report(options.commit)
            write_times(stages)
            print(as_table(stages))
            print(f"written: {TIMES}")
        for path in options.notebook:
            write_whole(path, nbformat.writes(execute(path)) + "\n")
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
