"""Score and rank unreleased songs: a trained model rates each 30 s of them."""

import os
import unicodedata
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from hiphoplib.audio.windows import HOP, find_songs, windows_or_reason
from hiphoplib.errors import BadInput
from hiphoplib.io import progress
from hiphoplib.parallel import DIED, unordered
from hiphoplib.scoring.model_folder import TrainedModel, load_model, together

SPREAD = (0.1, 0.9)  # eight of ten windows lie between
BATCH = 64  # windows that are scored at a time
JOINERS = "\u200c\u200d"  # hold letters and emoji together; other invisible signs can deceive
MIN_SHARE_ABOVE = 0.8  # of the pairs of windows: below, the order depends on the window one picks
MIN_DIFFERENCE = 0.02  # of probability: the same song as mp3, ogg or m4a may differ by half of that
MIN_NETWORKS = 3  # what two of them agree on, another training contradicts too often


@dataclass(frozen=True, eq=False)
class Song:
    """A song and its scores."""

    path: Path
    seconds: float
    starts: np.ndarray  # of its windows, in s [shape=(n_windows,)]
    scores: np.ndarray  # calibrated, by each network [shape=(n_networks, n_windows)]
    percentile: float  # share of the model's test tracks that its windows score above, in percent
    note: str = ""  # what was unusual about the file

    @property
    def name(self) -> str:
        """Name of its file, safe to display."""
        return _displayable(self.path.name)

    @property
    def by_window(self) -> np.ndarray:
        """Probability of all networks together for each window [shape=(n_windows,)]."""
        return together(self.scores)

    @property
    def score(self) -> float:
        """Mean over windows: the probability that 30 s of it are popular."""
        return float(self.by_window.mean())

    @property
    def spread(self) -> tuple[float, float]:
        """Scores between which eight of ten windows lie, (low, high)."""
        low, high = np.quantile(self.by_window, SPREAD)
        return low, high

    @property
    def best(self) -> float:
        """Start of the window with the highest score, in s; the first one of equals."""
        return float(self.starts[np.argmax(self.by_window)])


@dataclass(frozen=True, eq=False)
class Scored:
    """A folder of songs, ranked."""

    folder: Path
    model: TrainedModel
    songs: list[Song]  # highest score first; `reliably_above` tells what of that order is reliable
    rejected: dict[str, str]  # why a file was not scored, by its name
    others: list[str]  # files that are no audio by their names

    @property
    def name(self) -> str:
        """Name of the folder, safe to display."""
        folder = self.folder.resolve()
        return _displayable(folder.parent.name if folder.is_file() else folder.name)

    @cached_property
    def share_above(self) -> np.ndarray:
        """Share of pairs of windows in which the song of the row scores above that of the column.

        Ties count half; mean over the networks; 0.5 on the diagonal [shape=(n_songs, n_songs)].
        """
        return _share_above([song.scores for song in self.songs])

    @cached_property
    def reliably_above(self) -> np.ndarray:
        """Whether the song of the row is above that of the column, bool [(n_songs, n_songs)]."""
        return reliably_above([song.scores for song in self.songs], self.share_above)

    @cached_property
    def about_the_same(self) -> np.ndarray:
        """Whether neither of two songs is above the other one, bool [shape=(n_songs, n_songs)]."""
        above = self.reliably_above
        return ~(above | above.T | np.eye(len(above), dtype=bool))

    @cached_property
    def rank_ranges(self) -> np.ndarray:
        """First and last rank that each song can have, from 1 [shape=(n_songs, 2)]."""
        above = self.reliably_above
        return np.column_stack([1 + above.sum(axis=0), len(above) - above.sum(axis=1)])

    @property
    def rank_texts(self) -> list[str]:
        """Range of ranks of each song, for example "2" or "2 to 4"."""
        return [f"{first}" if first == last else f"{first} to {last}"
                for first, last in self.rank_ranges]

    def table(self) -> pd.DataFrame:
        """Return the ranking, one row a song."""
        return pd.DataFrame([{
            "song": song.name, "place": rank, "score": song.score,
            "low": song.spread[0], "high": song.spread[1], "percentile": song.percentile,
            "best_start_s": song.best, "minutes": song.seconds / 60, "windows": len(song.starts),
        } for song, rank in zip(self.songs, self.rank_texts)])


def score_tracks(folder: Path | str, model: TrainedModel | Path | str, *, hop: float = HOP,
                 jobs: int = -1) -> Scored:
    """Score every song of a folder and rank them.

    Files are decoded in processes of their own: one that crashes the decoder is skipped and listed.

    Parameters
    ----------
    folder : path-like, of mp3, wav, flac, ogg, m4a and the like, of any length; or one such file
    model : TrainedModel, or path-like of the folder that `save_model` made
    hop : float > 0, from one window of 30 s to the next, in s
    jobs : int, processes; -1 takes every core

    Returns
    -------
    Scored

    Raises
    ------
    BadInput
        If there is no such folder, no audio in it, or the model cannot be loaded.
    """
    if not 0 < hop < np.inf:
        raise BadInput(f"hop of {hop} s: more than 0 is needed")
    paths, others = find_songs(folder)
    if not isinstance(model, TrainedModel):
        model = load_model(model)
    songs, rejected = {}, {}
    tasks = ((path.absolute(), model.grid, hop) for path in paths)
    with closing(unordered(windows_or_reason, tasks, jobs=jobs)) as decoded:
        for number, windows in progress(decoded, total=len(paths), desc="songs", unit="song"):
            if windows is DIED:
                windows = "decoding it ended the worker; export it again"
            if isinstance(windows, str):
                rejected[number] = windows
            else:
                songs[number] = _song(paths[number], windows, model)
    ranked = sorted(songs, key=lambda number: (-songs[number].score, number))
    return Scored(Path(folder), model, [songs[number] for number in ranked],
                  {_displayable(paths[number].name): reason
                   for number, reason in sorted(rejected.items())},
                  [_displayable(name) for name in others])


def _song(path, windows, model):
    batches = (windows.S_db[first: first + BATCH].astype(np.float32)
               for first in range(0, len(windows.starts), BATCH))
    scores = np.concatenate([[network.predict(batch) for network in model.networks]
                             for batch in batches], axis=1)
    shares = [_below(network.reference, mine) / len(network.reference)
              for network, mine in zip(model.networks, scores)]
    return Song(path, windows.seconds, windows.starts, scores, 100 * float(np.mean(shares)),
                windows.note)


def _below(ascending, values):
    """Return how many of some scores lie below each value, ties half."""
    return sum(np.searchsorted(ascending, values, side) for side in ("left", "right")) / 2


def _displayable(name):
    """Replace in a file's name what a page cannot hold or an eye cannot see."""
    readable = os.fsencode(name).decode("utf-8", "replace")
    return "".join(char if char in JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs")
                   else "\N{REPLACEMENT CHARACTER}" for char in readable)


def _share_above(scores):
    """Return `Scored.share_above` of scores [shape=(n_networks, n_windows)] of each song."""
    if not scores:
        return np.empty((0, 0))
    sizes = np.array([song.shape[1] for song in scores])
    starts, every = np.cumsum(sizes) - sizes, np.concatenate(scores, axis=1)
    share = np.empty((len(scores), len(scores)))
    for row, song in enumerate(scores):
        # windows of this song that lie below each window of all songs
        below = sum(_below(mine, others) for mine, others in zip(np.sort(song, axis=1), every))
        share[row] = 1 - np.add.reduceat(below, starts) / (sizes * song.size)
    return share


def reliably_above(scores: Sequence[np.ndarray], share: np.ndarray | None = None) -> np.ndarray:
    """Return which songs are reliably above which.

    A song is above another one if it scores higher in at least `MIN_SHARE_ABOVE` of the pairs of
    windows, each network puts its mean higher, and all together by at least `MIN_DIFFERENCE`; with
    fewer than `MIN_NETWORKS` no song is. The relation is transitive: where it would not be, a
    larger share is asked of all pairs.

    Parameters
    ----------
    scores : sequence of np.ndarray [shape=(n_networks, n_windows)], of each song
    share : np.ndarray [shape=(n_songs, n_songs)]; `Scored.share_above`, computed if not given

    Returns
    -------
    np.ndarray of bool [(n_songs, n_songs)]: whether the song of the row is above that of the column

    Examples
    --------
    >>> reliably_above([np.full((3, 9), 0.7), np.full((3, 9), 0.5)]).tolist()
    [[False, True], [False, False]]
    """
    share = _share_above(scores) if share is None else share
    above = np.zeros(share.shape, dtype=bool)
    if not len(scores) or len(scores[0]) < MIN_NETWORKS:
        return above
    means = np.array([song.mean(axis=1) for song in scores])  # [n_songs, n_networks]
    mean = means.mean(axis=1)
    agreed = (means[:, None] > means[None]).all(axis=2)
    agreed &= mean[:, None] >= mean[None, :] + MIN_DIFFERENCE
    # at the end every window is above every other one, which is transitive
    for least in [*np.arange(MIN_SHARE_ABOVE, 1, 0.01), 1.0]:
        above = agreed & (share >= least - 1e-9)
        chained = above.astype(np.float32) @ above.astype(np.float32) > 0
        if not (chained & ~above).any():
            break
    return above
