"""The client's page, one HTML file: it holds all that it shows, runs no script, asks nobody.

What strangers wrote, names of files above all, is escaped by Jinja2.
"""

import base64
import datetime
import html
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import soxr
from jinja2 import Environment, PackageLoader, StrictUndefined

from hiphoplib.audio.files import encode
from hiphoplib.audio.mel import mel_spectrogram
from hiphoplib.audio.windows import stretch
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import Estimate, verdict
from hiphoplib.explanation.lime import explain
from hiphoplib.explanation.segments import SegmentGrid, fills
from hiphoplib.io import progress, write_whole
from hiphoplib.report.figures_explanation import explained, score_over_time
from hiphoplib.report.sentences import (
    BANNER,
    NO_DOMAIN,
    UNLIKE,
    attributions,
    headline,
    right_orders,
)
from hiphoplib.report.style import STYLE, clock, label_of
from hiphoplib.scoring import score
from hiphoplib.tracks.synthetic.corpus import CAVEAT

MAX_DETAILS = 10  # songs that are shown one by one: of more, a phone opens the page no longer
MAX_IN_TABLE = 12  # songs of which every pair fits into a table
KBPS, AUDIO_SR = 64, 44_100  # mono, good enough to judge the part by
DPI = 160
PHONE = {"font.size": 9, "axes.titlesize": 10, "axes.labelsize": 9, "xtick.labelsize": 8.5,
         "ytick.labelsize": 8.5, "legend.fontsize": 8.5}


def _page(scored, *, audio=True, explaining=True, details=MAX_DETAILS):
    """Return what `write_report` writes, str."""
    closer = scored.songs[:max(0, details)]
    rows = [_row(scored, number, number < len(closer)) for number in range(len(scored.songs))]
    songs = [_shown(song, scored.model, row, explaining, audio) for song, row in
             progress(zip(closer, rows), total=len(closer), desc="look closer", unit="song")]
    env = Environment(loader=PackageLoader("hiphoplib.report", ""), autoescape=True,
                      undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    low, high, ticks = _scale(scored)
    env.filters |= {
        "percent": "{:.0%}".format,
        "along": lambda share: round(100 * (share - low) / (high - low), 2),  # where on the scale
        "estimate": lambda entry, digits=3: f"{Estimate.read(entry):.{digits}f}"}
    return env.get_template("song_page.html").render(
        headline=(headline(scored) if scored.songs or scored.unlike
                  else "No song could be scored."),
        scored=scored, count=len(rows), today=datetime.date.today().isoformat(), scale=ticks,
        rows=rows, songs=songs, left_out=len(rows) - len(closer), most_in_table=MAX_IN_TABLE,
        card=scored.model.card, trainings=len(scored.model.trainings), banner=BANNER,
        caveat=CAVEAT, model=label_of(scored.model.card["model"]), verdict=verdict, unlike=UNLIKE,
        no_domain="" if scored.model.domain else NO_DOMAIN, right_orders=right_orders)


def write_report(scored: score.Scored, path: Path | str, *, audio: bool = True,
                 explaining: bool = True, details: int = MAX_DETAILS) -> None:
    """Write the page on a scored folder to a file.

    Parameters
    ----------
    scored : Scored
    path : path-like
    audio, explaining : bool
        Whether the best 30 seconds can be listened to, and are explained, which takes seconds.
    details : int, so many songs are shown one by one, from the highest score on; all are ranked

    Raises
    ------
    BadInput
        If `path` is a folder or no HTML file by its name.
    """
    check_path(path)
    write_whole(path, _page(scored, audio=audio, explaining=explaining, details=details))


def check_path(path: Path | str) -> None:
    """Check, before the work is done, that the page can be written there after it.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    BadInput
        If `path` is a folder or no HTML file by its name.
    """
    path = Path(path)
    if path.is_dir() or path.suffix.lower() not in (".html", ".htm"):
        raise BadInput(f"{path}: the report is an HTML file; name it so, for example report.html")


def inline(page: str) -> str:
    """Return the page as a part of a notebook: a frame of its own, in which nothing can run.

    Parameters
    ----------
    page : str, HTML

    Returns
    -------
    str
    """
    return (f'<div><iframe title="The report on the songs" sandbox srcdoc="{html.escape(page)}" '
            'style="width:100%;max-width:46rem;height:800px;border:1px solid #ddd"></iframe></div>')


def _row(scored, number, in_detail):
    """One line of the ranking."""
    song = scored.songs[number]
    low, high = song.spread
    end = min(song.best + scored.model.grid.seconds, song.seconds)
    others = {"Above": scored.reliably_above[number],
              "About the same as": scored.about_the_same[number],
              "Below": scored.reliably_above[:, number]}
    return {"name": song.name, "anchor": f"song-{number + 1}" if in_detail else "",
            "place": scored.rank_texts[number], "score": song.score,
            "percentile": f"{song.percentile:.0f}", "low": low, "high": high, "note": song.note,
            "stands_out": song.stands_out(scored.model.margin),
            "best": f"{clock(song.best)} to {clock(end)}",
            "whole": song.seconds <= scored.model.grid.seconds,
            "compared": {how: [(scored.songs[other].name, scored.share_above[number, other])
                               for other in np.flatnonzero(which)]
                         for how, which in others.items()}}


def _shown(song, model, row, explaining, audio):
    """One song in detail: its line of the ranking, and its best 30 seconds."""
    grid, picture, sentences, mp3 = model.grid, None, [], None
    y, sr = stretch(song.path, song.best, grid.seconds)
    with plt.style.context(["default", STYLE | PHONE]):
        curve = _png(score_over_time(song, grid.seconds))
        # no reasons for silence, and none by what is no part of a spectrogram
        if explaining and model.explainable and song.seconds >= grid.seconds - 1:
            S_db = mel_spectrogram(y, sr, grid)
            # all trainings together, as they score
            expl = explain(model, S_db, SegmentGrid(grid), fills(model.mean_db))
            picture = _png(explained(S_db, expl, song.best))
            sentences = attributions(expl, lambda second: clock(song.best + second))
    if audio:
        if sr != AUDIO_SR:  # LAME does not take every rate that a studio exports
            y = soxr.resample(y, sr, AUDIO_SR, quality="HQ")
        mp3 = _data("audio/mpeg", encode(y, AUDIO_SR, kbps=KBPS))
    return row | {"curve": curve, "picture": picture, "attributions": sentences, "mp3": mp3}


def _scale(scored):
    """Ends and ticks of the ranking's scale: tenths, so wide that little looks like little."""
    ends = [end for song in scored.songs for end in song.spread] or [0.5]
    low, high = np.floor(10 * min(*ends, 0.45)) / 10, np.ceil(10 * max(*ends, 0.55)) / 10
    return low, high, [tenth / 10 for tenth in range(round(10 * low), round(10 * high) + 1)
                       if high - low < 0.45 or tenth % 2]  # of few, 50 % is one


def _png(ax):
    """A figure as a data URL; it is closed."""
    file = BytesIO()
    ax.figure.savefig(file, format="png", dpi=DPI)
    plt.close(ax.figure)
    return _data("image/png", file.getvalue())


def _data(kind, content):
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
