"""One row a recording: which rows are releases of one, which are no music, and what went."""

import hashlib
import re
import unicodedata
from collections import defaultdict
from contextlib import suppress
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from hiphoplib.io import write_whole
from hiphoplib.tracks import cells, table
from hiphoplib.tracks.table import normalise, read_tracks, table_path

_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}\d{7}")  # anything else, such as "n/a", joins nothing
SAME_DURATION_MS = 2000  # two releases of one recording differ by no more

# Where a title's additions start: a bracket, or a dash or bar between blanks.
_ADDITION = re.compile(r"[()\[\]{}【】]|\s[-–—|]+\s")
# "Go feat. B" without brackets; "6 ft. deep" is a length.
_BARE = re.compile(r"(?<![\d\s])\s+(?=(?:feat|ft|featuring)\b|prod(?:\.|\s+by\b))", re.IGNORECASE)
# The rest is on additions in lower case and without punctuation, as `_plain` leaves them.
_GUESTS = re.compile(r"^(?:with|w|starring|co starring)\b|\b(?:feat|ft|featuring)\b")
_CREDIT = re.compile(r"\bprod(?:uced)?\b.*|^from\b.*")
# Words that name a release or a cut; a cut of another length differs in duration.
_SAME = re.compile(
    r"""\b(?:
    (?:\d{4}\s)? (?:digital(?:ly)?\s)? remaster(?:ed|s|ing)? (?:\s\d{4})?
    | (?:\d+(?:st|nd|rd|th)\s)? anniversary | deluxe | expanded | special | greatest\shits
    | album | single | ep | lp | studio | radio | original(?:\smix)? | official | main | street
    | (?:music\s|lyrics?\s)?video | audio | lyrics? | mono | stereo
    | bonus | track | bonustrack | explicit | clean | dirty | amended | censored | uncensored
    | soundtrack | versions? | ver | editions? | edit | edited )\b""",
    re.VERBOSE,
)

_SPELLED = str.maketrans(
    {"$": "s", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "ı": "i", "&": " and "}
)
# Accents of Latin, Greek and Cyrillic (a lone one, as in "Don´t", is a blank and an accent),
# apostrophes and what has no width. Other scripts keep their marks: there they make other words.
_SILENT = re.compile(" ?[\u0300-\u036f]|['’‘`ʼ\u200b-\u200f\ufe00-\ufe0f]")
_ABBREVIATED = re.compile(r"(?<!\w)([^\W\d])\.(?=\w\b|\s|$)")  # T.I. is TI, "pt.3" is two words
_LINKS = {"and", "the", "with"}

# What is not music of the query, by whole words in a title, an album or an artist's name.
FLAGS = {
    "podcast": r"podcasts?",
    "karaoke": r"karaokes?|in the style of|(?:originally|as) (?:performed|recorded|made famous) by"
    r"|made famous by|sing ?along version|backing tracks?",
    "ringtone": r"ring ?tones?",
    "type beat": r"type ?beats?|type instrumentals?",
    "audiobook": r"audio ?books?|horbuch(?:er)?|horspiele?",
    "sound effects": r"sound (?:effects?|fx)|sfx",
}
_IS_A_FLAG = re.compile("|".join(FLAGS.values()))
_FLAGS = {flag: re.compile(rf"\b(?:{words})\b") for flag, words in FLAGS.items()}


def clean_tracks(tracks: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep one row a recording, labelled by its most popular release, with a preview.

    Parameters
    ----------
    tracks : pd.DataFrame
        Rows with a text in ``withheld`` (why they may not be trained on) go first: they neither
        join nor label a recording.

    Returns
    -------
    clean : pd.DataFrame
        The same columns, and ``releases``: how many rows the recording had, and ``flag``: what
        the row is if it is hardly music of the query (a key of `FLAGS`), else None.
    steps : pd.DataFrame
        What went and why: ``step``, ``gone``, ``left``.

    Examples
    --------
    >>> from hiphoplib.tracks.table import normalise
    >>> clean, steps = clean_tracks(normalise(pd.DataFrame({
    ...     "id": ["a", "b", "c"], "track": ["Go", "Go (Deluxe)", "Stay"], "artists": "A",
    ...     "popularity": [50, 70, None], "preview_url": ["a.mp3", None, "c.mp3"]})))
    >>> clean[["id", "popularity", "releases"]].values.tolist(), steps["left"].tolist()
    ([['a', 70.0, 2]], [3, 2, 1, 1])
    """
    withheld = tracks.get("withheld", pd.Series(None, tracks.index, dtype=object))
    left = [("rows gathered", len(tracks))]
    for reason, rows in sorted(withheld.value_counts().items(), key=lambda item: (-item[1], item)):
        left.append((reason, left[-1][1] - rows))
    best = _best_releases(tracks[withheld.isna()])
    known = best[best["popularity"].notna()]
    clean = known[known["preview_url"].notna()].reset_index(drop=True)
    clean["flag"] = pd.Series(
        map(_flag, clean["track"], clean["album_name"], clean["artists"]), dtype=object
    )
    left += [
        ("one row a recording", len(best)),
        ("popularity known", len(known)),
        ("preview there", len(clean)),
    ]
    steps = pd.DataFrame(left, columns=["step", "left"])
    steps.insert(1, "gone", -steps["left"].diff().fillna(0).astype(int))
    return clean, steps


def read_clean(folder: Path | str) -> pd.DataFrame:
    """Return the cleaned tracks of a corpus, as of `clean_tracks`, from ``clean.parquet``.

    The file is made where it is missing, or was made from another table or by other rules.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    pd.DataFrame
    """
    path = Path(folder) / "clean.parquet"
    rules = __file__, cells.__file__, table.__file__
    made_from = b"".join(Path(file).read_bytes() for file in (*rules, table_path(folder)))
    origin = hashlib.sha256(made_from).hexdigest()
    with suppress(OSError, ValueError):  # also one that was cut short
        clean = pd.read_parquet(path)
        if clean.attrs.get("origin") == origin:
            clean.attrs.clear()
            return normalise(clean, where=str(path))
    clean, _ = clean_tracks(read_tracks(folder))
    clean.attrs["origin"] = origin
    with suppress(PermissionError):  # a corpus that may only be read is cleaned anew
        write_whole(path, partial(clean.to_parquet, index=False))
    clean.attrs.clear()
    return clean


def _best_releases(tracks):
    """The most popular row with a preview of each recording, labelled."""
    recording = recordings(tracks)
    # a table that was cleaned before knows how many rows its own were
    releases = tracks.get("releases", pd.Series(1, index=tracks.index))
    releases = pd.to_numeric(releases, errors="coerce").fillna(1).astype(int)
    best = tracks.assign(
        popularity=tracks["popularity"].groupby(recording).transform("max"),
        releases=releases.groupby(recording).transform("sum"),
        playable=tracks["preview_url"].notna(),
        was=tracks["popularity"].fillna(-1),
    )
    # the id decides between equals, so that the order of the table does not matter
    best = best.sort_values(["playable", "was", "id"], ascending=[False, False, True])
    return (
        best[~recording.loc[best.index].duplicated()].sort_index().drop(columns=["playable", "was"])
    )


def recordings(tracks: pd.DataFrame) -> pd.Series:
    """Number the recordings: rows that are releases of one have the same number.

    Two rows are one recording if they share an ISRC, or if their titles agree without what only
    names a release ("feat. …", "Remastered 2011", "Deluxe"), all artists of one stand among those
    of the other, guests in the title included, and their durations differ by no more than 2 s or
    one is not known; or if both are one recording with a third.

    Parameters
    ----------
    tracks : pd.DataFrame

    Returns
    -------
    pd.Series of int
    """
    pairs = np.array([*_same_isrc(tracks["isrc"]), *_same_song(tracks)], dtype=int).reshape(-1, 2)
    joined = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(len(tracks), len(tracks)))
    number = connected_components(joined, directed=False)[1]
    return pd.Series(number, index=tracks.index, dtype=int)


def _same_isrc(codes):
    """Pairs of row numbers that share an ISRC, however it is written."""
    first = {}
    for row, code in enumerate(codes):
        code = re.sub(r"[^A-Z0-9]", "", code.upper()) if isinstance(code, str) else ""
        if _ISRC.fullmatch(code):
            yield row, first.setdefault(code, row)


def _same_song(tracks):
    """Pairs of row numbers whose title, artists and duration agree."""
    takes = defaultdict(dict)  # by title, the first row of each duration and artists
    durations = tracks["duration_ms"].fillna(0)  # 0 where not known: stands first when sorted
    for row, (title, artists, ms) in enumerate(zip(tracks["track"], tracks["artists"], durations)):
        song, guests = _song(title or "")
        if song:
            take = ms, frozenset().union(guests, *map(_name_words, artists))
            yield row, takes[song].setdefault(take, row)
    for rows in takes.values():
        order = sorted(rows, key=lambda take: take[0])
        for number, (ms, artists) in enumerate(order):
            for other_ms, others in islice(order, number + 1, None):
                if ms and other_ms - ms > SAME_DURATION_MS:
                    break
                if artists <= others or artists >= others:
                    yield rows[ms, artists], rows[other_ms, others]


def _song(title):
    """Plain title without what names no other recording, and the words of the guests in it."""
    base, *additions = _ADDITION.split(unicodedata.normalize("NFKC", title))
    base, *bare = _BARE.split(base)
    kept, guests = [_plain(base)], []
    for addition in map(_plain, bare + additions):
        own, *names = _GUESTS.split(_CREDIT.sub("", addition))
        kept += _SAME.sub(" ", own).split()
        guests += [word for name in names for word in name.split()]
    song = re.sub(r"\bpts?\b", "part", " ".join(filter(None, kept)))
    if not song:  # a title such as "(Explicit)" is all there is
        return _plain(title) or title.strip().casefold(), frozenset()
    return song, frozenset(guests) - _LINKS


@lru_cache(maxsize=100_000)
def _name_words(name):
    """The words of an artist's name; the name itself where that leaves none, as of "!!!"."""
    return frozenset(_plain(name).split()) - _LINKS or frozenset([name.casefold()])


def _plain(text):
    """Lower case without accents and punctuation, so that spellings of one name agree."""
    text = unicodedata.normalize("NFKD", text).casefold().translate(_SPELLED)
    text = _SILENT.sub("", _ABBREVIATED.sub(r"\1", text))
    return " ".join(
        "".join(
            c if c.isalnum() or unicodedata.category(c) in ("Mn", "Mc") else " " for c in text
        ).split()
    )


def _flag(title, album, artists):
    """What a row is if it is hardly music of the query, else None."""
    texts = [_plain(name) for name in artists]
    for text in (title or "", album or ""):
        whole, *additions = map(_plain, _ADDITION.split(unicodedata.normalize("NFKC", text)))
        # a song may be called "Karaoke"; an artist of that name sings for others
        texts += additions + ([] if _IS_A_FLAG.fullmatch(whole) else [whole])
    return next((flag for flag, words in _FLAGS.items() if any(map(words.search, texts))), None)
