"""Unreleased songs in, a ranking out: how a trained model hears each 30 s of whole songs."""

import os
import unicodedata
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from hiphoplib.audio.windows import HOP, find_songs, hear_song
from hiphoplib.errors import BadInput
from hiphoplib.parallel import DIED, unordered
from hiphoplib.quiet import progress
from hiphoplib.scoring.model_folder import TrainedModel, load_model
from hiphoplib.scoring.ranking import above, places, told_apart

SPREAD = (0.1, 0.9)  # eight of ten windows lie between
JOINERS = "\u200c\u200d"  # hold letters and emoji together; other invisible signs can deceive


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
        """Which song is surely above which, bool, see `order.told_apart`."""
        return told_apart([song.scores for song in self.songs], self.above)

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
    heard = unordered(hear_song, ((path.absolute(), model.grid, hop) for path in paths), jobs=jobs)
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
