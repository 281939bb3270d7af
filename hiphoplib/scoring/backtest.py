"""Back-test: does a model put an artist's own released songs in the order of their popularity?"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from os.path import splitext
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from hiphoplib.audio.windows import SUFFIXES, find_songs
from hiphoplib.errors import BadInput
from hiphoplib.evaluation.bootstrap import Estimate
from hiphoplib.scoring.score import Scored, displayable, score_tracks
from hiphoplib.tracks.table import as_dates, as_numbers, read_table

# names of columns as `read_table` spells them; the first that is there is taken
TITLES = (
    "file file_name filename title song song_title song_name track track_title track_name name"
).split()
NUMBERS = ("streams", "total_streams", "all_time_streams", "plays", "listens", "popularity")
DATES = ("release_date", "released", "first_release_date", "date_released")
Z = norm.ppf(0.975)


@dataclass(frozen=True, eq=False)
class BackTest:
    """An artist's released songs, scored."""

    scored: Scored
    # a row a song, the most popular first: `title`, `file`, `popularity`, `score`, `loudness` in dB
    songs: pd.DataFrame
    kind: str  # what `popularity` is: "streams a day", "streams", "popularity"
    left_out: list[str]  # a line on each row that does not count

    @property
    def by_model(self) -> tuple[Estimate, int]:
        """Share of pairs in the right order, and the number of pairs."""
        return pairs_in_order(self.songs["popularity"].to_numpy(), self.songs["score"].to_numpy())

    @property
    def by_loudness(self) -> tuple[Estimate, int]:
        """The same if the louder song is put first."""
        return pairs_in_order(
            self.songs["popularity"].to_numpy(), self.songs["loudness"].to_numpy()
        )


def backtest(
    folder: Path | str,
    popularity: Path | str,
    model: Path | str,
    *,
    today: pd.Timestamp | None = None,
    jobs: int = -1,
) -> BackTest:
    """Score released songs and set their scores beside their popularity.

    Parameters
    ----------
    folder : path-like
        As of `score_tracks`.
    popularity : path-like
        A table as `read_popularity` takes it.
    model : path-like
    today : pd.Timestamp, optional
        Until when streams were counted.
    jobs : int
        Processes; -1 takes every core.

    Returns
    -------
    BackTest

    Raises
    ------
    BadInput
        If no title is that of a file, or fewer than two songs have both a score and a number.
    """
    rows, kind, left_out = read_popularity(popularity, today)
    names = [displayable(path.name) for path in find_songs(folder)[0]]
    files = match_titles(rows["title"], names)
    if not files:
        raise BadInput(
            f"{popularity}: none of its {len(rows)} titles is one of the {len(names)} "
            f"files in {folder}; name the files in a column `file`"
        )
    left_out += [
        f"“{title}”: no file of that title" for title in rows["title"] if title not in files
    ]
    scored = score_tracks(folder, model, jobs=jobs)
    songs = {song.name: song for song in scored.songs}
    rows = rows.assign(file=rows["title"].map(files)).dropna(subset="file")
    left_out += [
        f"“{row.title}” ({row.file}): "
        + scored.rejected.get(row.file, "sounds unlike what the model learnt from")
        for row in rows.itertuples()
        if row.file not in songs
    ]
    rows = rows[rows["file"].isin(songs)].sort_values("popularity", ascending=False)
    if rows["popularity"].nunique() < 2:
        raise BadInput(
            f"{popularity}: {len(rows)} of its songs can be compared; two of different "
            "popularity are needed. " + "; ".join(left_out)
        )
    rows = rows.assign(
        score=[songs[file].score for file in rows["file"]],
        loudness=[songs[file].loudness for file in rows["file"]],
    )
    return BackTest(scored, rows.reset_index(drop=True), kind, left_out)


def read_popularity(
    path: Path | str, today: pd.Timestamp | None = None
) -> tuple[pd.DataFrame, str, list[str]]:
    """Read titles and how popular they are, from an export of Spotify for Artists or any table.

    Columns are known by their names: one of `TITLES`, one of `NUMBERS`, perhaps one of `DATES`.

    Parameters
    ----------
    path : path-like
    today : pd.Timestamp, optional
        From release until then streams were counted; this day if not given.

    Returns
    -------
    rows : pd.DataFrame
        ``title`` and ``popularity``: streams a day where dates of release are known.
    kind : {"streams a day", "streams", "popularity"}
    left_out : list of str
        A line on each row that cannot be used.

    Raises
    ------
    BadInput
        If the file cannot be read, or has no such columns or rows.
    """
    table = read_table(path)
    title, number, date = (
        next((name for name in names if name in table), None) for names in (TITLES, NUMBERS, DATES)
    )
    if title is None or number is None:
        raise BadInput(
            f"{path}: needs a column with titles ({', '.join(TITLES[:5])}) and one with "
            f"numbers ({', '.join(NUMBERS)}); it has {', '.join(table) or 'none'}"
        )
    kind = "popularity" if number == "popularity" else "streams"
    per_day = kind == "streams" and date is not None
    today = today or pd.Timestamp.now().normalize()
    titles = table[title].fillna("").astype(str).str.strip()
    values = as_numbers(table[number], counts=kind == "streams")
    days = (
        (today - as_dates(table[date], str(path))).dt.days if per_day else pd.Series(1, table.index)
    )
    counts, rows, left_out = Counter(titles.map(_plain)), [], []
    for row, name in titles.items():
        if not name or counts[_plain(name)] > 1:
            reason = f"{counts[_plain(name)]} rows for this song; leave one" if name else "no title"
        elif not values[row] >= 0:
            reason = f"“{table[number][row]}” is no number"
        elif not days[row] > 0:
            reason = f"“{table[date][row]}” is no date of release before today, like 2024-05-31"
        else:
            rows.append({"title": name, "popularity": values[row] / days[row]})
            continue
        left_out.append(f"“{displayable(name)}”: {reason}")
    if not rows:
        raise BadInput(
            f"{path}: no row with a title and a number. " + "; ".join(dict.fromkeys(left_out))
        )
    return (pd.DataFrame(rows), "streams a day" if per_day else kind, list(dict.fromkeys(left_out)))


def match_titles(titles: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Find the file of each title: by its whole name first, then by less and less of it.

    Parameters
    ----------
    titles : sequence of str
    names : sequence of str
        Of files.

    Returns
    -------
    dict of str to str
        Titles without a file, or with several that fit as well, are not in it.

    Examples
    --------
    >>> match_titles(["Cold Nights (feat. Ada)"], ["03 - cold_nights.mp3", "Nights.wav"])
    {'Cold Nights (feat. Ada)': '03 - cold_nights.mp3'}
    """
    found: dict[str, str] = {}
    for form in (str, _plain, _without_number, _without_guests, _without_artist):
        of_titles, of_names = (
            _unique(form, [each for each in all_ if each not in taken])
            for all_, taken in ((titles, found), (names, set(found.values())))
        )
        found |= {of_titles[key]: of_names[key] for key in of_titles if key in of_names}
    return found


def _unique(form: Callable[[str], str], names: Sequence[str]) -> dict[str, str]:
    """Names by a form that only one of them has."""
    forms = [form(name) for name in names]
    return {key: name for key, name in zip(forms, names) if key and forms.count(key) == 1}


def _plain(name):
    """Letters and digits in lower case, without accents and the file's ending."""
    stem, ending = splitext(name)
    name = stem if ending.lower() in SUFFIXES else name
    name = unicodedata.normalize("NFKD", name).casefold().replace("_", " ")
    letters = "".join(char for char in name if not unicodedata.combining(char))
    return " ".join(re.findall(r"\w+", letters))


def _without_number(name):
    return re.sub(r"^\d{1,3} (?=.)", "", _plain(name))


def _without_guests(name):
    return _without_number(
        re.sub(r"[(\[].*?[)\]]|\b(feat|ft)\b.*?(?=\.\w+$|$)", "", name, flags=re.I)
    )


def _without_artist(name):
    return _without_guests(re.split(r"\s[-–—]\s", name)[-1])


def pairs_in_order(popularity: np.ndarray, score: np.ndarray) -> tuple[Estimate, int]:
    """Return the share of pairs of songs that scores put in the right order, with an interval.

    Pairs of one song depend on each other. The interval is Kendall's conservative one, as wide as
    if n songs were n / 2 pairs (Kendall & Gibbons, "Rank correlation methods", 1990).

    Parameters
    ----------
    popularity, score : np.ndarray [shape=(n,)]
        Equal popularities make no pair; equal scores are right by half.

    Returns
    -------
    share : Estimate
    pairs : int

    Examples
    --------
    >>> share, pairs = pairs_in_order(np.array([4, 3, 2, 1]), np.array([0.9, 0.5, 0.7, 0.1]))
    >>> f"{share:.2f} of {pairs}"
    '0.83 [0.24, 0.99] of 6'
    """
    right = [
        (1 + np.sign(score[i] - score[j]) * np.sign(popularity[i] - popularity[j])) / 2
        for i, j in combinations(range(len(score)), 2)
        if popularity[i] != popularity[j]
    ]
    share, n = float(np.mean(right)), len(score) / 2
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return Estimate(share, middle - half, middle + half), len(right)


def songs_needed(share: float) -> int:
    """Return how many songs tell a share of pairs in the right order from chance.

    Parameters
    ----------
    share : float above 0.5

    Returns
    -------
    int

    Examples
    --------
    >>> songs_needed(0.6), songs_needed(0.8)
    (193, 22)
    """
    return int(np.ceil(Z**2 / (2 * (share - 0.5) ** 2)))
