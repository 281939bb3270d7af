"""Make what people read: executed notebooks, the presentation, the pictures of the report."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import nbformat
import pandas as pd
import typst
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

from hiphoplib.errors import BadInput
from hiphoplib.io import write_whole
from hiphoplib.run_size import TINY
from hiphoplib.studies.costs import TIMES, Stage, StageTimes, machine
from hiphoplib.tracks.gather import open_corpus

_REPORT = Path("HipHopPopularity.ipynb")
_MODEL = "crnn"  # handed over to score with
SOURCE = "Presentation.typ"
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # DejaVu Sans, the figures' typeface
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT, SCALE = 390, 844, 2  # of a phone, in CSS pixels, and its pixels for each


def _code_fingerprint(notebook):
    """Return a hash of the code, by which a test sees whether the outputs are those of it."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return "sha256:" + hashlib.sha256("\0".join(sources).encode()).hexdigest()


def _execute(path, times=None):
    """Return a notebook executed in its own folder and stamped; a heading begins a stage."""
    notebook, heading = nbformat.read(path, as_version=4), ""

    def on_cell_start(cell, cell_index):
        nonlocal heading
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            heading = cell.source.splitlines()[0].lstrip("# ")
        elif cell.cell_type == "code" and heading and times:
            times.begin(heading)
            heading = ""

    client = NotebookClient(notebook, timeout=None, record_timing=False,
                            resources={"metadata": {"path": str(Path(path).resolve().parent)}},
                            on_cell_start=on_cell_start,
                            extra_arguments=["--IPKernelApp.log_level=ERROR"])
    try:
        client.execute(env={**os.environ, "TQDM_DISABLE": "1",
                            "MPLBACKEND": "module://matplotlib_inline.backend_inline"})
    except CellExecutionError as error:
        raise BadInput(f"{path}: a cell failed\n{error}") from error
    notebook.metadata["code_fingerprint"] = _code_fingerprint(notebook)
    return notebook


def execute_notebooks(paths: Sequence[Path | str]) -> None:
    """Execute notebooks in place, each in a process of its own.

    Parameters
    ----------
    paths : sequence of path-like

    Raises
    ------
    BadInput
        If a cell fails; its notebook stays as it was.
    """
    for path in paths:
        write_whole(path, nbformat.writes(_execute(path)) + "\n")


def make_report(commit: bool = False) -> None:
    """Execute the report into ``build``, with a page beside it, and train the model to score with.

    What each stage took is printed and written there as well.

    Parameters
    ----------
    commit : bool
        Replace the committed report, its figures and results.

    Raises
    ------
    BadInput
        If a cell fails, or a report on another corpus is to replace the committed one.
    """
    if commit:
        for name in ("HIPHOP_CORPUS", TINY):
            if os.environ.get(name):
                raise BadInput("--commit: the committed report is of the default corpus; "
                               f"unset {name}")
        os.environ["HIPHOP_COMMIT"] = "1"
    with StageTimes() as times:
        times.begin("Tracks and clips")
        corpus = open_corpus(os.environ.get("HIPHOP_CORPUS", "synthetic"))
        notebook = _execute(_REPORT, times)
        times.begin("HTML beside it")
        built = Path("build") / corpus.name
        page, _ = HTMLExporter().from_notebook_node(notebook)
        write_whole(built / _REPORT.with_suffix(".html"), page)
        write_whole(_REPORT if commit else built / _REPORT, nbformat.writes(notebook) + "\n")
        times.begin("Model to score with")
        subprocess.run([sys.executable, "-m", "hiphoplib", "train", str(corpus), "--model", _MODEL,
                        "--out", f"models/{corpus.name}"], check=True)
    _tell([*_environment(), *times.stages])


def _tell(stages, path=TIMES):
    """Print stages, those of less than a second together, and write them to a file."""
    of_several = {"wall": "sum", "user": "sum", "kernel": "sum", "memory_mb": "max"}
    table = pd.DataFrame(stages).set_index("name").rename_axis(None)
    short = table["wall"] < 1
    rows = {"all others": table[short].agg(of_several), "together": table.agg(of_several)}
    table = pd.concat([table[~short], pd.DataFrame(rows).T[0 if short.any() else 1:]])
    content = {"machine": machine(),
               "stages": table.rename_axis("name").reset_index().to_dict("records")}
    write_whole(path, json.dumps(content, indent=1) + "\n")
    print(table.to_string(header=["wall s", "user s", "kernel s", "memory MB"],
                          float_format="{:.1f}".format,
                          formatters={"memory_mb": "{:,.0f}".format}))
    print(f"written: {path}")


def _environment():
    """Return what installing took, which make has written down as the shell tells it."""
    try:
        wall, _, cpu = Path(sys.prefix, "installed").read_text().split("\n")[:3]
        user, kernel = (float(m) * 60 + float(s) for m, s in
                        (part.rstrip("s").split("m") for part in cpu.split()))
        return [Stage("Environment, once", float(wall), user, kernel, 0.0)]
    except (OSError, ValueError):
        return []  # not made by make


def make_presentation(folder: Path | str = ".") -> Path:
    """Typeset `Presentation.typ` of a folder.

    Parameters
    ----------
    folder : path-like
        Holds what the source names as well: its parts, results files and figures.

    Returns
    -------
    Path
        ``Presentation.pdf`` in the same folder; the same results give the same file.

    Raises
    ------
    BadInput
        If a results file or figure is missing, or a results file lacks what is shown.
    """
    source = Path(folder) / SOURCE
    if not source.is_file():
        raise BadInput(f"{source}: there is no such file; name the folder of the repository")
    for name in _needed_files(source):
        if not (source.parent / name).is_file():
            raise BadInput(f"{name}: there is no such file, and the presentation shows it; "
                           "`make report` makes it, or a command in the README")
    try:
        pdf = typst.compile(source, font_paths=[FONTS], ignore_system_fonts=True)
    except typst.TypstError as error:
        reason = " ".join(str(error).split())
        raise BadInput(f"{source}: cannot be typeset ({reason})") from error
    path = source.with_suffix(".pdf")
    path.write_bytes(pdf)
    return path


def _needed_files(source):
    """Return the results files and figures that a Typst source names."""
    return re.findall(r'"((?:images|notebooks/results)/[^"]+)"', source.read_text("utf-8"))


def make_pictures(model: Path | str, songs: Path | str, out: Path | str) -> list[Path]:
    """Score ten rendered songs, and photograph the report on them.

    Parameters
    ----------
    model, songs, out : path-like
        Folders of the model, of the songs, which are rendered if it is empty, and of the pictures.

    Returns
    -------
    list of Path
        ``score_report.png`` and ``score_song.png``.

    Raises
    ------
    BadInput
        If there is no Chromium.
    """
    from hiphoplib.report.song_page import write_report
    from hiphoplib.scoring.score import score_tracks
    from hiphoplib.tracks.synthetic.songs import render_songs

    browser, report = _browser(), Path("build/songs/report.html")
    render_songs(songs)
    write_report(score_tracks(songs, model), report, details=1)
    return _take_pictures(report, out, browser)


def _browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        raise BadInput("no Chromium here; install one, on Debian by `apt-get install chromium`")
    return found


def _take_pictures(report, folder, browser):
    """Photograph a report's beginning and its first song; return where the pictures are."""
    from playwright.sync_api import sync_playwright

    paths = [Path(folder) / name for name in ("score_report.png", "score_song.png")]
    with sync_playwright() as playwright:
        # as root, as in a container, Chromium has no sandbox; the page is our own
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT},
                                 device_scale_factor=SCALE)
        page.goto(Path(report).resolve().as_uri())
        page.screenshot(path=paths[0])
        # the top of the section, its green line included
        page.evaluate("document.querySelector('#song-1').scrollIntoView()")
        page.screenshot(path=paths[1])
        chromium.close()
    return paths
