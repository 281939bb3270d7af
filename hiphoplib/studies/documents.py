"""Make what people read: executed notebooks, the presentation, the pictures of the report."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import font_manrope
import matplotlib.pyplot as plt
import nbformat
import numpy as np
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
SOURCE, CLIP = "Presentation.typ", "images/clip.png"
FONTS = Path(font_manrope.__file__).with_name("files")  # Manrope, under the Open Font License
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
EXAMPLE_PLAYERS = 5  # of more, the example page would be over 2 MB
EXAMPLE_ARTIST = 6  # seed of the songs on it: by 4,000 tracks one stands out, which is rare
WIDTH, HEIGHT, SCALE = 390, 844, 2  # of a phone, in CSS pixels, and its pixels for each
# how the setup cell of each notebook begins
SETUP = """# @title Set up
DRIVE = ""  # on Colab, a folder of your Drive, such as "Music", keeps data and models
REPOSITORY = "{address}"
import os
import sys


def projects():
    return [d for d in (".", "HipHopPopularity", "..") if os.path.isdir(d + "/hiphoplib")]


if "google.colab" in sys.modules and not projects():
    os.system(f"rm -rf HipHopPopularity; git clone -q --depth 1 {{REPOSITORY}} HipHopPopularity")
if not projects():
    sys.exit(f"{{REPOSITORY}} has no folder hiphoplib: set REPOSITORY above to one that has")
os.chdir(projects()[0])
from hiphoplib import colab

colab.set_up(DRIVE)  # does nothing elsewhere"""


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

    client = NotebookClient(
        notebook,
        timeout=None,
        record_timing=False,
        resources={"metadata": {"path": str(Path(path).resolve().parent)}},
        on_cell_start=on_cell_start,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    try:
        client.execute(
            env={
                **os.environ,
                "TQDM_DISABLE": "1",
                "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            }
        )
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
                raise BadInput(
                    f"--commit: the committed report is of the default corpus; unset {name}"
                )
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
        subprocess.run(
            [
                sys.executable,
                "-m",
                "hiphoplib",
                "train",
                str(corpus),
                "--model",
                _MODEL,
                "--out",
                f"models/{corpus.name}",
            ],
            check=True,
        )
    _tell([*_environment(), *times.stages])


def _tell(stages, path=TIMES):
    """Print stages, those of less than a second together, and write them to a file."""
    of_several = {"wall": "sum", "user": "sum", "kernel": "sum", "memory_mb": "max"}
    table = pd.DataFrame(stages).set_index("name").rename_axis(None)
    short = table["wall"] < 1
    rows = {"all others": table[short].agg(of_several), "together": table.agg(of_several)}
    table = pd.concat([table[~short], pd.DataFrame(rows).T[0 if short.any() else 1 :]])
    content = {
        "machine": machine(),
        "stages": table.rename_axis("name").reset_index().to_dict("records"),
    }
    write_whole(path, json.dumps(content, indent=1) + "\n")
    print(
        table.to_string(
            header=["wall s", "user s", "kernel s", "memory MB"],
            float_format="{:.1f}".format,
            formatters={"memory_mb": "{:,.0f}".format},
        )
    )
    print(f"written: {path}")


def _environment():
    """Return what installing took, which make has written down as the shell tells it."""
    try:
        wall, _, cpu = Path(sys.prefix, "installed").read_text(encoding="utf-8").split("\n")[:3]
        user, kernel = (
            float(m) * 60 + float(s)
            for m, s in (part.rstrip("s").split("m") for part in cpu.split())
        )
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
    if not (clip := source.parent / CLIP).is_file():
        _draw_clip(clip)
    for name in _needed_files(source):
        if not (source.parent / name).is_file():
            raise BadInput(
                f"{name}: there is no such file, and the presentation shows it; "
                "`make report` makes it, or a command of docs/data.md"
            )
    try:
        pdf = typst.compile(source, font_paths=[FONTS], ignore_system_fonts=True)
    except typst.TypstError as error:
        reason = " ".join(str(error).split())
        raise BadInput(f"{source}: cannot be typeset ({reason})") from error
    path = source.with_suffix(".pdf")
    path.write_bytes(pdf)
    return path


def _draw_clip(path):
    """Draw the spectrogram of a beat with a riser and nothing around it, for the slides."""
    import matplotlib.pyplot as plt

    from hiphoplib.audio.mel import FULL, mel_spectrogram
    from hiphoplib.tracks.synthetic.beats import SR, Recipe
    from hiphoplib.tracks.synthetic.instruments import render

    recipe = Recipe(seed=4)
    recipe = replace(recipe, causes=recipe.causes | {"riser": 1.0, "hat_rolls": 1.0})
    S_db = mel_spectrogram(render(recipe).mean(axis=0), SR, FULL)
    plt.imsave(path, S_db, vmin=-50, vmax=30, cmap="magma", origin="lower")


def _needed_files(source):
    """Return the results files and figures that a Typst source names."""
    return re.findall(r'"((?:images|notebooks/results)/[^"]+)"', source.read_text("utf-8"))


def write_address(folder: Path | str = ".") -> list[Path]:
    """Write the project's address, of `pyproject.toml`, wherever a reader meets it.

    Parameters
    ----------
    folder : path-like
        Of the project.

    Returns
    -------
    list of Path
        Pages and notebooks that had another one: in a badge, a clone command or a setup cell.
    """
    folder, changed = Path(folder), []
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    address = project["urls"]["Repository"].rstrip("/")
    for path in [*folder.glob("*.md"), *folder.glob("docs/*.md")]:
        text = path.read_text("utf-8")
        if (new := _addressed(text, address)) != text:
            path.write_text(new, "utf-8")
            changed.append(path)
    for path in [*folder.glob("*.ipynb"), *folder.glob("notebooks/*.ipynb")]:
        notebook = nbformat.read(path, as_version=4)
        before, stamp = nbformat.writes(notebook), _code_fingerprint(notebook)
        for cell in notebook.cells:
            cell.source = _addressed(cell.source, address)
        if notebook.metadata.get("code_fingerprint") == stamp:  # the setup cell shows nothing
            notebook.metadata["code_fingerprint"] = _code_fingerprint(notebook)
        if (new := nbformat.writes(notebook)) != before:
            write_whole(path, new + "\n")
            changed.append(path)
    return changed


def _addressed(text, address):
    """Return a text with this address in its badges, clone commands and setup cell."""
    name = address.removeprefix("https://github.com/")
    text = re.sub(r"(?<=colab\.research\.google\.com/github/)[\w.-]+/[\w.-]+(?=/blob/)", name, text)
    text = re.sub(r"(?<=git clone )https://\S+", address, text)
    return re.sub(
        r'^(?:# ?@title Set up\n)?DRIVE = "".*?^colab\.set_up\(DRIVE\)[^\n]*',
        lambda _: SETUP.format(address=address),
        text,
        flags=re.S | re.M,
    )


def make_pictures(
    model: Path | str, songs: Path | str, out: Path | str, example: Path | str
) -> list[Path]:
    """Score ten rendered songs, keep the page on them as an example, and photograph it.

    Parameters
    ----------
    model, songs, out : path-like
        Folders of the model, of the songs, which are rendered if it is empty, and of the pictures.
    example : path-like
        The page.

    Returns
    -------
    list of Path
        The page; ``score_report.png``, ``score_song.png``, and both side by side, light and dark,
        as ``score_page.png``.

    Raises
    ------
    BadInput
        If there is no Chromium.
    """
    from hiphoplib.report.song_page import find_passages, write_report
    from hiphoplib.scoring.score import score_tracks
    from hiphoplib.tracks.synthetic.songs import render_songs

    browser = _browser()
    render_songs(songs, seed=EXAMPLE_ARTIST)
    scored = score_tracks(songs, model)
    write_report(scored, example, details=EXAMPLE_PLAYERS, passages=find_passages(scored))
    return [Path(example), *_take_pictures(example, out, browser)]


def _browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        raise BadInput("no Chromium here; install one, on Debian by `apt-get install chromium`")
    return found


def _take_pictures(report, folder, browser):
    """Photograph a report's beginning and its first song; return where the pictures are."""
    from playwright.sync_api import sync_playwright

    paths = [Path(folder) / f"score_{name}.png" for name in ("report", "song", "page")]
    shots = []
    with sync_playwright() as playwright:
        # as root, as in a container, Chromium has no sandbox; the page is our own
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            page = chromium.new_page(
                viewport={"width": WIDTH, "height": HEIGHT},
                device_scale_factor=SCALE,
                color_scheme=scheme,
            )
            page.goto(Path(report).resolve().as_uri())
            shots.append(page.screenshot())
            page.evaluate("scrollTo(0, document.querySelector('#song-1').offsetTop - 16)")
            shots.append(page.screenshot())
        chromium.close()
    for path, shot in zip(paths, shots):
        write_whole(path, shot)
    pixels = [plt.imread(BytesIO(shot))[..., :3] for shot in (shots[0], shots[1], shots[3])]
    gap = np.ones((SCALE * HEIGHT, SCALE * 24, 3))
    plt.imsave(paths[2], np.hstack([pixels[0], gap, pixels[1], gap, pixels[2]]))
    return paths
