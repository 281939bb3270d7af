"""Pictures of the client's report for README and presentation, as a phone shows it.

``python -m hiphoplib.studies.pictures`` scores ten rendered songs and makes them; it needs a
Chromium, which Debian's package of that name brings.
"""

import argparse
import shutil
import sys
from pathlib import Path

from hiphoplib.errors import BadInput

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT, SCALE = 390, 844, 2  # of a phone, in CSS pixels, and its pixels for each


def browser_path():
    """A Chromium of this machine, str.

    Raises
    ------
    BadInput
        If there is none.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        raise BadInput("no Chromium here; install one, on Debian by `apt-get install chromium`")
    return found


def take_pictures(report, folder):
    """Photograph a report's beginning and its first song.

    Parameters
    ----------
    report : path-like
        HTML of `song_report.write_report`.
    folder : path-like

    Returns
    -------
    list of Path
        ``score_report.png`` and ``score_song.png`` there.
    """
    from playwright.sync_api import sync_playwright

    paths = [Path(folder) / name for name in ("score_report.png", "score_song.png")]
    with sync_playwright() as playwright:
        # as root, as in a container, Chromium has no sandbox; the page is our own
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT},
                                device_scale_factor=SCALE)
        page.goto(Path(report).resolve().as_uri())
        page.screenshot(path=paths[0])
        # the top of the section, its green line included
        page.evaluate("document.querySelector('#song-1').scrollIntoView()")
        page.screenshot(path=paths[1])
        browser.close()
    return paths


def main(arguments=None):
    """Score ten rendered songs and photograph the report on them."""
    parser = argparse.ArgumentParser(prog="python -m hiphoplib.studies.pictures",
                                     description=main.__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/synthetic"),
                        metavar="models/NAME", help="default models/synthetic, of `make report`")
    parser.add_argument("--songs", type=Path, default=Path("data/songs"), metavar="FOLDER",
                        help="rendered there if it is empty (default data/songs)")
    parser.add_argument("--out", type=Path, default=Path("images"), metavar="FOLDER",
                        help="default images")
    options = parser.parse_args(arguments)
    try:
        browser_path()
        from hiphoplib.report.song_page import write_report
        from hiphoplib.scoring.score import score_tracks
        from hiphoplib.tracks.synthetic.songs import render_songs

        render_songs(options.songs)
        report = Path("build/songs/report.html")
        write_report(score_tracks(options.songs, options.model), report, details=1)
        print(*take_pictures(report, options.out), sep="\n")
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
