"""The client's presentation, from the report's results and figures, and pictures of their report.

Typst sets the presentation; the pictures, for README and presentation, show the client's report as
a phone does, and need a Chromium.
"""

import re
import shutil
from pathlib import Path

import matplotlib
import typst

from hiphoplib.errors import BadInput

SOURCE = "Presentation.typ"
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # DejaVu Sans, the figures' typeface
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT, SCALE = 390, 844, 2  # of a phone, in CSS pixels, and its pixels for each


def make_presentation(folder: Path | str = ".") -> Path:
    """Typeset `Presentation.typ` of a folder.

    Parameters
    ----------
    folder : path-like
        Holds `Presentation.typ`, its parts in `presentation/`, and the results files and figures
        that it names.

    Returns
    -------
    Path
        ``Presentation.pdf`` in the same folder. The same results give the same file.

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


def make_pictures(model: Path | str = "models/synthetic", songs: Path | str = "data/songs",
                  out: Path | str = "images") -> list[Path]:
    """Score ten rendered songs, and photograph the report on them.

    Parameters
    ----------
    model, songs, out : path-like
        Folders of the model, by default what `make report` leaves, of the songs, which are
        rendered there if it is empty, and of the pictures.

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
