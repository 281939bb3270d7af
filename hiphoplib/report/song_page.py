"""The client's report: one HTML file with a ranking, pictures, sentences and players.

It holds all that it shows, runs no script, and asks nobody for anything: its own content policy
forbids both. What strangers wrote, names of files above all, is escaped by Jinja2.
"""

import base64
import datetime
import html
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import soxr
from jinja2 import Environment, PackageLoader, StrictUndefined

from hiphoplib.audio.files import encode
from hiphoplib.audio.mel import mel_spectrogram
from hiphoplib.audio.windows import is_short, stretch
from hiphoplib.errors import BadInput
from hiphoplib.explanation.lime import Attribution, explain
from hiphoplib.explanation.segments import SegmentGrid, fills
from hiphoplib.io import progress, write_whole
from hiphoplib.report import sentences_songs as wording
from hiphoplib.report.figures_explanation import PHONE, clock, explained, score_over_time
from hiphoplib.report.sentences_songs import NOTHING, claims, doubts
from hiphoplib.report.style import STYLE
from hiphoplib.scoring.score import displayable

DETAILED = 10  # songs that are shown one by one: of more, a phone opens the page no longer
IN_TABLE = 12  # songs of which every pair fits into a table
KBPS, AUDIO_SR = 64, 44_100  # mono, good enough to judge the place by
DPI = 160


@dataclass(frozen=True, eq=False)
class Detail:
    """What is shown of the best 30 seconds of one song.

    Parameters
    ----------
    S_db : np.ndarray [shape=(n_mels, frames)]
    explanation : Attribution or None
    mp3 : bytes or None
    """

    S_db: np.ndarray
    explanation: Attribution | None
    mp3: bytes | None


def detail(song, model, *, explaining=True, audio=True):
    """The best 30 seconds of a song: to look at, explained, and to listen to.

    Parameters
    ----------
    song : Song
    model : TrainedModel
        Its networks are explained together, as they score.
    explaining, audio : bool
        Whether to do either.

    Returns
    -------
    Detail
    """
    grid = model.grid
    y, sr = stretch(song.path, song.best, grid.seconds)
    S_db = mel_spectrogram(y, sr, grid)
    found = None
    if explaining and not is_short(song.seconds, grid.seconds):  # of silence there is no reason
        found = explain(model, S_db, SegmentGrid(grid), fills(model.mean_db))
    mp3 = None
    if audio:
        if sr != AUDIO_SR:  # of what a studio exports, LAME takes not every rate
            y = soxr.resample(y, sr, AUDIO_SR, quality="HQ")
        mp3 = encode(np.clip(y, -1, 1)[None], AUDIO_SR, kbps=KBPS)
    return Detail(S_db, found, mp3)


def make_report(scored, *, audio=True, explaining=True, details=DETAILED):
    """The report on a scored folder.

    Parameters
    ----------
    scored : Scored
    audio : bool
        Whether the best 30 seconds can be listened to.
    explaining : bool
        Whether each song shown is explained, which takes seconds.
    details : int
        So many songs are shown one by one, from the highest score on; all are ranked.

    Returns
    -------
    str
        HTML.
    """
    closer = scored.songs[:max(0, details)]
    found = [detail(song, scored.model, explaining=explaining, audio=audio)
             for song in progress(closer, desc="look closer", unit="song")]
    card, scale = scored.model.card, _scale(scored)
    page = Environment(loader=PackageLoader("hiphoplib.report", ""), autoescape=True,
                       undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return page.get_template("song_page.html").render(
        headline=wording.headline(scored) if scored.songs else "No song could be scored.",
        folder=_folder_name(scored.folder), count=len(scored.songs),
        today=datetime.date.today().isoformat(), banner=wording.BANNER if card["synthetic"] else "",
        scale=scale, half=_along(0.5, scale),
        rows=[_row(scored, number, scale, number < len(closer))
              for number in range(len(scored.songs))],
        songs=[_shown(scored, number, each) for number, each in enumerate(found)],
        left_out=len(scored.songs) - len(closer),
        pairs=_pairs(scored), rejected=scored.rejected, others=scored.others,
        how_to_read=wording.how_to_read(scored), limits=wording.limits(card),
        made_by=wording.made_by(scored))


def write_report(scored, path, **options):
    """Write the report to a file; options are those of `make_report`.

    Raises
    ------
    BadInput
        As `check_path`.
    """
    check_path(path)
    write_whole(path, make_report(scored, **options))


def check_path(path):
    """Raise before the work is done where the report could not be written after it.

    Raises
    ------
    BadInput
        If `path` is a folder or no HTML file by its name.
    """
    path = Path(path)
    if path.is_dir() or path.suffix.lower() not in (".html", ".htm"):
        raise BadInput(f"{path}: the report is an HTML file; name it so, for example report.html")


def inline(page, height=800):
    """The report as a part of a notebook: a frame of its own, in which nothing can run.

    Parameters
    ----------
    page : str
        HTML of `make_report`.
    height : int
        In CSS pixels.

    Returns
    -------
    str
        HTML.
    """
    return (f'<div><iframe title="The report on the songs" sandbox srcdoc="{html.escape(page)}" '
            f'style="width:100%;max-width:46rem;height:{height}px;border:1px solid #ddd">'
            "</iframe></div>")


def _folder_name(path):
    """Name of the folder that was scored, or of that in which the one file lies."""
    path = path.resolve()
    return displayable(path.parent.name if path.is_file() else path.name)


def _row(scored, number, scale, in_detail):
    """One line of the ranking."""
    song = scored.songs[number]
    low, high = song.spread
    end = min(song.best + scored.model.grid.seconds, song.seconds)
    return {"name": song.name, "anchor": f"song-{number + 1}" if in_detail else "",
            "place": scored.rank_texts[number], "score": f"{song.score:.0%}",
            "percentile": f"{song.percentile:.0f}", "low": f"{low:.0%}", "high": f"{high:.0%}",
            "best": f"{clock(song.best)} to {clock(end)}",
            "from": _along(low, scale), "width": max(_along(high, scale) - _along(low, scale), 0.5),
            "dot": _along(song.score, scale), "compared": wording.compared(scored, number),
            "note": song.note}


def _shown(scored, number, found):
    """One song looked at closely."""
    song, row = scored.songs[number], _row(scored, number, _scale(scored), True)
    said = None
    with plt.rc_context(STYLE | PHONE):
        curve = _png(score_over_time(song, scored.model.grid.seconds))
        picture = None
        if found.explanation:
            picture = _png(explained(found.S_db, found.explanation, song.best))
            said = [*(claims(found.explanation, wording.in_song(song.best)) or [NOTHING]),
                    *doubts(found.explanation)]
    return row | {"curve": curve, "picture": picture, "claims": said,
                  "use": wording.best_part(song, scored.model.grid.seconds),
                  "mp3": _data("audio/mpeg", found.mp3) if found.mp3 else None}


def _pairs(scored):
    """How often each song is above each other one, in words for a table; None of too many."""
    n = len(scored.songs)
    if not 2 <= n <= IN_TABLE:
        return None
    return [[{"share": "" if one == other else f"{scored.share_above[one, other]:.0%}",
              "told": bool(scored.reliably_above[one, other])} for other in range(n)]
            for one in range(n)]


def _scale(scored):
    """Ends of the ranking's scale: tens of per cent, and room enough that little looks like it."""
    ends = [end for song in scored.songs for end in song.spread] or [0.5]
    low, high = np.floor(10 * min(*ends, 0.45)) / 10, np.ceil(10 * max(*ends, 0.55)) / 10
    return {"low": low, "high": high, "ticks": [
        {"at": _along(tenth / 10, {"low": low, "high": high}), "text": f"{10 * tenth}%"}
        for tenth in range(round(10 * low), round(10 * high) + 1)
        if high - low < 0.45 or tenth % 2]}  # of few, 50 % is one


def _along(share, scale):
    """Where a share lies on a scale, in per cent of its length."""
    return round(100 * (share - scale["low"]) / (scale["high"] - scale["low"]), 2)


def _png(ax):
    """A figure as a data URL; it is closed."""
    file = BytesIO()
    ax.figure.savefig(file, format="png", dpi=DPI)
    plt.close(ax.figure)
    return _data("image/png", file.getvalue())


def _data(kind, content):
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
