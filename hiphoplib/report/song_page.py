"""The client's page, one HTML file: it holds all that it shows and asks nobody.

What strangers wrote, names of files above all, is escaped by Jinja2. The one script moves the
playhead; the page's policy names its hash and lets no other run.
"""

import base64
import datetime
import hashlib
import html
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hiphoplib.audio.files import encode
from hiphoplib.audio.windows import stretch
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import Estimate, verdict
from hiphoplib.explanation.segments import SegmentGrid
from hiphoplib.io import progress, write_whole
from hiphoplib.report.sentences import (
    BANNER,
    NO_DOMAIN,
    UNLIKE,
    backtest_verdict,
    headline,
    right_orders,
    swap_sentences,
)
from hiphoplib.report.style import clock, label_of
from hiphoplib.scoring.backtest import BackTest
from hiphoplib.scoring.score import NO_ORDER, STANDS_OUT, TIERS, Scored
from hiphoplib.scoring.trained_model import song_parts
from hiphoplib.tracks.synthetic.corpus import CAVEAT

MAX_DETAILS = 10  # songs with a curve and a player: of more, a phone opens the page no longer
MAX_EXPLAINED = 3
KBPS, AUDIO_SR = 64, 44_100  # mono, good enough to judge the part by
SCRIPT = Path(__file__).with_name("song_page.js").read_text(encoding="utf-8")


class Passage(NamedTuple):
    """A part of a song that moves its score, as an explanation found it."""

    start: float  # in s of the song
    end: float
    sign: int  # above 0 where it speaks for popularity
    sentence: str  # what is said of it


# by the path of a song
Passages = Mapping[Path, Sequence[Passage]]


def _page(scored, *, audio=True, details=MAX_DETAILS, passages=None, backtest=None):
    """Return what `write_report` writes, str."""
    low, high = _scale(scored)
    cards = [
        _card(scored, number, low, high, number < details, audio, passages or {})
        for number in progress(range(len(scored.songs)), desc="look closer", unit="song")
    ]
    env = Environment(
        loader=PackageLoader("hiphoplib.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "percent": "{:.0%}".format,
        "along": _along,
        "estimate": lambda entry, digits=3: f"{Estimate.read(entry):.{digits}f}",
    }
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    card = scored.model.card
    return env.get_template("song_page.html").render(
        title="Does it work for your released songs?"
        if backtest
        else "Which of these songs has a chance?",
        headline=headline(scored),
        scored=scored,
        count=len(cards),
        low=low,
        high=high,
        today=datetime.date.today().isoformat(),
        tiers=_by_tier(scored, cards),
        order=card["results"].get("order"),
        card=card,
        trainings=len(scored.model.trainings),
        banner=BANNER,
        caveat=CAVEAT,
        model=label_of(card["model"]),
        verdict=verdict,
        unlike=UNLIKE,
        no_domain="" if scored.model.domain else NO_DOMAIN,
        right_orders=right_orders,
        tested=_tested(backtest) if backtest else None,
        script=Markup(SCRIPT),
        script_hash=f"sha256-{digest}",
    )


def write_report(
    scored: Scored,
    path: Path | str,
    *,
    audio: bool = True,
    details: int = MAX_DETAILS,
    passages: Passages | None = None,
    backtest: BackTest | None = None,
) -> None:
    """Write the page on a scored folder to a file.

    Parameters
    ----------
    scored : Scored
    path : path-like
    audio : bool
        Whether 30 seconds of each song can be listened to.
    details : int
        So many songs, from the highest score on, have a curve and a player.
    passages : mapping of Path to sequence of Passage, optional
        What moves the score of a song, by its path: marked on its curve, a sentence each.
    backtest : BackTest, optional
        Adds what the scores of released songs are worth.

    Raises
    ------
    BadInput
        If `path` is a folder or no HTML file by its name.
    """
    path = Path(path)
    if path.is_dir() or path.suffix.lower() not in (".html", ".htm"):
        raise BadInput(f"{path}: the report is an HTML file; name it so, for example report.html")
    write_whole(
        path, _page(scored, audio=audio, details=details, passages=passages, backtest=backtest)
    )


def find_passages(scored: Scored, most: int = MAX_EXPLAINED) -> Passages:
    """Return what the swap test names in the songs that stand out, in their part that is played.

    Parameters
    ----------
    scored : Scored
    most : int
        So many of them, from the highest score on; each takes some seconds.

    Returns
    -------
    mapping of Path to list of Passage
        Without songs of a model that has nothing to swap, see `song_parts`.
    """
    model, found = scored.model, {}
    leading = [song for song, tier in zip(scored.songs, scored.tiers) if tier == STANDS_OUT]
    for song in progress(leading[:most], desc="explain", unit="song"):
        start, grid = song.excerpt(model.margin), SegmentGrid(model.grid)
        parts = song_parts(model, *stretch(song.path, start, model.grid.seconds))
        if parts is not None:
            times = [start + np.array(grid.spans)[part.mask.any(axis=0)] for part in parts]
            sentences = swap_sentences(parts, grid, start)
            found[song.path] = [
                Passage(time.min(), time.max(), int(np.sign(part.effect)), sentence)
                for part, time, sentence in zip(parts, times, sentences)
            ]
    return found


def inline(page: str) -> str:
    """Return the page as a part of a notebook: a frame of its own, in which nothing can run.

    Parameters
    ----------
    page : str, HTML

    Returns
    -------
    str
    """
    return (
        f'<div><iframe title="The report on the songs" sandbox srcdoc="{html.escape(page)}" '
        'style="width:100%;max-width:46rem;height:800px;border:1px solid #ddd"></iframe></div>'
    )


def _by_tier(scored, cards):
    """Tiers with songs in them, each with its cards."""
    pairs = sorted(zip(scored.tiers, cards), key=lambda pair: [*TIERS, NO_ORDER].index(pair[0]))
    return [
        (tier, [card for _, card in group])
        for tier, group in groupby(pairs, key=lambda pair: pair[0])
    ]


def _card(scored, number, least, most, in_detail, audio, passages):
    """What the page says of one song; a curve and a player only in detail."""
    song, grid = scored.songs[number], scored.model.grid
    low, high = song.spread
    margin, length = scored.model.margin, max(song.seconds, grid.seconds)
    whole = len(song.starts) == 1

    def part(start, end):
        return round(100 * start / length, 2), round(100 * (min(end, length) - start) / length, 2)

    start, best = song.excerpt(margin), song.stands_out(margin) and not whole
    stretch_of_it = "the best 30 seconds" if best else "30 seconds from the middle"
    until = clock(min(start + grid.seconds, song.seconds))
    card = {
        "anchor": f"song-{number + 1}",
        "title": song.title,
        "score": song.score,
        "low": low,
        "high": high,
        "note": song.note,
        "whole": whole,
        "seconds": round(length, 2),
        "end": clock(song.seconds),
        "start": start,
        "least": song.by_window.min(),
        "most": song.by_window.max(),
        "curve": "",
        "mp3": "",
        "best": part(start, start + grid.seconds) if best else None,
        "best_text": f"{clock(start)} to {until}" if best else "",
        "listen": "the song" if whole else stretch_of_it,
        "no_passage": passages.get(song.path) == [],
        "passages": [
            dict(
                zip(("x", "width"), part(each.start, each.end)),
                kind="for" if each.sign > 0 else "against",
                sentence=each.sentence,
            )
            for each in passages.get(song.path, ())
        ],
    }
    if in_detail and not whole:
        card |= _curve(song, grid.seconds, length, least, most)
    if in_detail and audio:
        card["mp3"] = _mp3(song.path, start, grid.seconds)
    return card


def _curve(song, window, length, least, most):
    """Points of a song's curve and the height of its mean, in per cent from the upper left."""

    def down(score):
        return round(100 * (most - score) / (most - least), 1)

    times = 100 * (song.starts + window / 2) / length
    points = " ".join(f"{x:.1f},{down(y)}" for x, y in zip(times, song.by_window))
    return {"curve": points, "middle": down(song.score)}


def _mp3(path, start, seconds):
    """A part of a song as a data URL."""
    y, sr = stretch(path, start, seconds)
    if sr != AUDIO_SR:  # LAME does not take every rate that a studio exports
        y = soxr.resample(y, sr, AUDIO_SR, quality="HQ")
    return f"data:audio/mpeg;base64,{base64.b64encode(encode(y, AUDIO_SR, kbps=KBPS)).decode()}"


def _tested(test):
    """What the page says of a back-test; popularity is drawn by its logarithm where it is wide."""
    songs = test.songs
    heights = songs["popularity"] if test.kind == "popularity" else np.log1p(songs["popularity"])
    at = {"x": songs["score"], "y": heights}
    at = {
        axis: (8 + 84 * (values - values.min()) / (np.ptp(values) or 1)).round(1)
        for axis, values in at.items()
    }
    return {
        "kind": test.kind,
        "left_out": test.left_out,
        "verdict": backtest_verdict(test),
        "rows": [
            {
                "title": row.title,
                "file": row.file,
                "score": row.score,
                "x": x,
                "y": y,
                "popularity": f"{row.popularity:,.0f}"
                if row.popularity >= 10
                else f"{row.popularity:.2g}",
            }
            for row, x, y in zip(songs.itertuples(), at["x"], at["y"])
        ],
    }


def _scale(scored):
    """Ends of the curves' scale: tenths, so wide that little looks like little."""
    ends = [
        end for song in scored.songs for end in (song.by_window.min(), song.by_window.max())
    ] or [0.5]
    return np.floor(10 * min(*ends, 0.4)) / 10, np.ceil(10 * max(*ends, 0.6)) / 10


def _along(share):
    """Per cent of a bar's width."""
    return round(100 * share, 2)
