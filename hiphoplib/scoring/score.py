"""Unreleased songs in, a ranking out: how a trained model hears each 30 s of whole songs."""

import os
import unicodedata
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
from hiphoplib.scoring.model_folder import TrainedModel, load_model

SPREAD = (0.1, 0.9)  # eight of ten windows lie between
JOINERS = "\u200c\u200d"  # hold letters and emoji together; other invisible signs can deceive
SURE = 0.8  # of the pairs of windows: less, and the order is a matter of which window one hears
LEAST = 0.02  # of probability: the same song as mp3, ogg or m4a may differ by half of that
FEWEST = 3  # networks: what two of them agree on, another training turns round too often
STEP = 0.01


@dataclass(frozen=True, eq=False)
class Song:
    """A song and what a model says of it.

    Parameters
    ----------
    path : Path
    seconds : float
    starts : np.ndarray [shape=(n_windows,)]
        Of its windows, in s.
    scores : np.ndarray [shape=(n_networks, n_windows)]
        Calibrated probability of being popular, of each network and window.
    percentile : float
        Share of the tracks that the model was held out from which its windows score above, in
        percent.
    note : str
        What was unusual in hearing it; empty for most.
    """

    path: Path
    seconds: float
    starts: np.ndarray
    scores: np.ndarray
    percentile: float
    note: str = ""

    @property
    def name(self):
        """Name of its file, fit to be shown."""
        return shown(self.path.name)

    @property
    def by_window(self):
        """Mean of the networks for each window, np.ndarray [shape=(n_windows,)]."""
        return self.scores.mean(axis=0)

    @property
    def score(self):
        """Mean over windows and networks: the probability that 30 s of it are popular."""
        return float(self.scores.mean())

    @property
    def spread(self):
        """Scores between which eight of ten windows lie, (low, high)."""
        return tuple(np.quantile(self.by_window, SPREAD))

    @property
    def best(self):
        """Beginning of the window with the highest score, in s; the first one of equals."""
        return float(self.starts[np.argmax(self.by_window)])


@dataclass(frozen=True, eq=False)
class Scored:
    """A folder of songs, ranked.

    Parameters
    ----------
    folder : Path
    model : TrainedModel
    songs : list of Song
        By their score, highest first. Whether that order means anything, `told` says.
    rejected : dict of str to str
        Why a file was not scored, by its name.
    others : list of str
        Files that are no audio by their names.
    """

    folder: Path
    model: TrainedModel
    songs: list
    rejected: dict
    others: list

    @cached_property
    def above(self):
        """How often each song is above each other one, see `order.above`."""
        return above([song.scores for song in self.songs])

    @cached_property
    def told(self):
        """Which song is surely above which, bool, see `order.reliably_above`."""
        return reliably_above([song.scores for song in self.songs], self.above)

    @cached_property
    def places(self):
        """First and last place that each song can have, see `order.places`."""
        return places(self.told)

    def same(self, number):
        """Numbers of the songs that are about the same as one."""
        apart = self.told[number] | self.told[:, number]
        return [other for other in np.flatnonzero(~apart) if other != number]

    def table(self):
        """The ranking, pd.DataFrame, one row a song."""
        return pd.DataFrame([{
            "song": song.name, "place": place(*self.places[number]), "score": song.score,
            "low": song.spread[0], "high": song.spread[1], "percentile": song.percentile,
            "best_start_s": song.best, "minutes": song.seconds / 60, "windows": len(song.starts),
        } for number, song in enumerate(self.songs)])


def score_tracks(folder, model, *, hop=HOP, jobs=-1):
    """Score every song of a folder and rank them.

    Files are decoded in processes of their own: one that crashes the decoder costs its line.

    Parameters
    ----------
    folder : path-like
        Of mp3, wav, flac, ogg, m4a and the like, of any length; or one such file.
    model : path-like or TrainedModel
        A folder that `save_model` made.
    hop : float > 0
        s from one window of 30 s to the next.
    jobs : int
        Processes; -1 takes every core.

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
    heard = unordered(windows_or_reason, ((path.absolute(), model.grid, hop) for path in paths),
                      jobs=jobs)
    with closing(heard):
        for number, found in progress(heard, total=len(paths), desc="songs", unit="song"):
            if found is DIED:
                found = "decoding it ended the worker; export it again"
            if isinstance(found, str):
                rejected[number] = found
            else:
                songs[number] = _song(paths[number], found, model)
    ranked = sorted(songs, key=lambda number: (-songs[number].score, number))
    return Scored(Path(folder), model, [songs[number] for number in ranked],
                  {shown(paths[number].name): rejected[number] for number in sorted(rejected)},
                  [shown(name) for name in others])


def _song(path, heard, model):
    """A song scored, a part of its windows at a time."""
    parts = [model.scores(heard.S_db[begin: begin + 64].astype(np.float32))
             for begin in range(0, len(heard.starts), 64)]
    scores = np.concatenate(parts, axis=1)
    return Song(path, heard.seconds, heard.starts, scores, model.percentile(scores), heard.note)


def place(first, last):
    """How a place is called, for example "2" or "2 to 4"."""
    return f"{first}" if first == last else f"{first} to {last}"


def shown(name):
    """A file's name without what a page cannot hold or an eye cannot see, str."""
    readable = os.fsencode(name).decode("utf-8", "replace")
    return "".join(char if char in JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs")
                   else "\N{REPLACEMENT CHARACTER}" for char in readable)


def above(scores):
    """How often each song is above each other one.

    Parameters
    ----------
    scores : list of np.ndarray [shape=(n_networks, n_windows)]
        Of each song; songs differ in windows, not in networks.

    Returns
    -------
    np.ndarray [shape=(n_songs, n_songs)]
        Share of pairs of windows in which the song of the row has the higher score, ties half; mean
        over the networks. 0.5 on the diagonal.
    """
    if not scores:
        return np.empty((0, 0))
    starts = np.cumsum([0, *(song.shape[1] for song in scores)])[:-1]
    sizes = np.array([song.shape[1] for song in scores])
    found = np.empty((len(scores), len(scores)))
    every = np.concatenate(scores, axis=1)  # [n_networks, windows of all songs]
    for row, song in enumerate(scores):
        lower = np.zeros(every.shape[1])
        for mine, others in zip(np.sort(song, axis=1), every):
            # windows of this song that lie above each window of the others
            lower += len(mine) - sum(np.searchsorted(mine, others, side)
                                     for side in ("left", "right")) / 2
        found[row] = np.add.reduceat(lower, starts) / (sizes * song.size)
    return found


def reliably_above(scores, share=None, sure=SURE):
    """Which songs are above which, as far as the networks can tell.

    A song is above another one if that holds in at least `sure` of the pairs of windows, each
    network puts its mean higher, and all together by at least `LEAST`. Fewer than `FEWEST`
    networks tell nothing apart. The relation is transitive: where it would not be, more is asked of
    all pairs.

    Parameters
    ----------
    scores : list of np.ndarray [shape=(n_networks, n_windows)]
    share : np.ndarray [shape=(n_songs, n_songs)], optional
        From `above`, computed if not given.

    Returns
    -------
    np.ndarray of bool [shape=(n_songs, n_songs)]
        Whether the song of the row is above that of the column.
    """
    if not scores:
        return np.empty((0, 0), dtype=bool)
    share = above(scores) if share is None else share
    means = np.array([song.mean(axis=1) for song in scores])  # [n_songs, n_networks]
    if means.shape[1] < FEWEST:
        return np.zeros(share.shape, dtype=bool)
    mean = means.mean(axis=1)
    agreed = mean[:, None] >= mean[None, :] + LEAST
    for network in means.T:
        agreed &= network[:, None] > network[None, :]
    # at the end every window is above every other one, which is transitive
    for least in [*np.arange(sure, 1, STEP), 1.0]:
        told = agreed & (share >= least - 1e-9)
        chained = told.astype(np.float32) @ told.astype(np.float32) > 0
        if not (chained & ~told).any():
            break
    return told


def places(told):
    """First and last place that each song can have, [shape=(n_songs, 2)], from 1.

    Parameters
    ----------
    told : np.ndarray of bool [shape=(n_songs, n_songs)]
        From `reliably_above`. Where it does not tell two songs apart, their places overlap.
    """
    return np.column_stack([1 + told.sum(axis=0), len(told) - told.sum(axis=1)])
