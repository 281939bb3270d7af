"""Score and rank unreleased songs: a trained model rates each 30 s of them."""

import os
import unicodedata
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from hiphoplib.audio.windows import HOP, SONG_SECONDS, find_songs, windows_or_reason
from hiphoplib.dataset.features import FEATURES, song_features
from hiphoplib.errors import BadInput
from hiphoplib.io import progress
from hiphoplib.models.calibration import together
from hiphoplib.parallel import DIED, unordered
from hiphoplib.scoring.model_folder import load_model
from hiphoplib.scoring.trained_model import TrainedModel

TIERS = STANDS_OUT, MIDDLE, BEHIND = "stands out", "in the middle", "behind"
NO_ORDER = "no reliable difference"
SPREAD = (0.1, 0.9)  # eight of ten windows lie between
BATCH = 64  # windows that are scored at a time
JOINERS = "\u200c\u200d"  # hold letters and emoji together; other invisible signs can deceive


@dataclass(frozen=True, eq=False)
class Song:
    """A song and its scores."""

    path: Path
    seconds: float
    starts: np.ndarray  # of its windows, in s [shape=(n_windows,)]
    scores: np.ndarray  # calibrated, by each training [shape=(n_trainings, n_windows)]
    percentile: float  # share of the model's test tracks that its windows score above, in percent
    note: str = ""  # what was unusual about the file
    loudness: float = np.nan  # mean level in dB, where the model needs hand-crafted features

    @property
    def name(self) -> str:
        """Name of its file, safe to display."""
        return displayable(self.path.name)

    @property
    def title(self) -> str:
        """That name without the file's ending."""
        return displayable(self.path.stem)

    @property
    def by_window(self) -> np.ndarray:
        """Probability by all trainings together for each window [shape=(n_windows,)]."""
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

    def stands_out(self, margin: float) -> bool:
        """Return whether every training puts the best window above the song's mean by a margin.

        Parameters
        ----------
        margin : float

        Returns
        -------
        bool
        """
        best = self.scores[:, np.argmax(self.by_window)]
        return bool((best >= self.scores.mean(axis=1) + margin).all())

    def excerpt(self, margin: float) -> float:
        """Return where to begin to listen, in s: the best part if one stands out, or the middle.

        Parameters
        ----------
        margin : float

        Returns
        -------
        float
        """
        return self.best if self.stands_out(margin) else float(self.starts[len(self.starts) // 2])


@dataclass(frozen=True, eq=False)
class Scored:
    """A folder of songs, ranked."""

    folder: Path
    model: TrainedModel
    songs: list[Song]  # highest score first; `tiers` tell what of that is reliable
    rejected: dict[str, str]  # why a file was not scored, by its name
    others: list[str]  # files that are no audio by their names
    unlike: list[str] = field(default_factory=list)  # songs that the model cannot judge, by name

    @property
    def name(self) -> str:
        """Name of the folder, safe to display."""
        folder = self.folder.resolve()
        return displayable(folder.parent.name if folder.is_file() else folder.name)

    @cached_property
    def reliably_above(self) -> np.ndarray:
        """Whether the song of the row is above that of the column, bool [(n_songs, n_songs)].

        Their scores differ by the model's margin, beyond which orders are known to be right.
        """
        scores = np.array([song.score for song in self.songs])
        return scores[:, None] >= scores + self.model.margin

    @cached_property
    def tiers(self) -> list[str]:
        """Tier of each song, one of `TIERS`; `NO_ORDER` for all where none is apart.

        A song stands out if none is above it and it is above half of the others, and is behind if
        it is above none and half of them are above it.
        """
        above, half = self.reliably_above, max(1, (len(self.songs) - 1) / 2)
        tiers = [
            STANDS_OUT
            if below >= half and not over
            else BEHIND
            if over >= half and not below
            else MIDDLE
            for below, over in zip(above.sum(axis=1), above.sum(axis=0))
        ]
        return tiers if {STANDS_OUT, BEHIND} & set(tiers) else [NO_ORDER] * len(tiers)

    def table(self) -> pd.DataFrame:
        """Return the ranking, one row a song."""
        return pd.DataFrame(
            [
                {
                    "song": song.name,
                    "tier": tier,
                    "score": song.score,
                    "low": song.spread[0],
                    "high": song.spread[1],
                    "percentile": song.percentile,
                    "best_start_s": song.best,
                    "minutes": song.seconds / 60,
                    "windows": len(song.starts),
                }
                for song, tier in zip(self.songs, self.tiers)
            ]
        )


def score_tracks(
    folder: Path | str, model: TrainedModel | Path | str, *, hop: float = HOP, jobs: int = -1
) -> Scored:
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
    songs, rejected, unlike = {}, {}, []
    tasks = ((path.absolute(), model.grid, hop, model.kinds) for path in paths)
    with closing(unordered(windows_or_reason, tasks, jobs=jobs, seconds=SONG_SECONDS)) as decoded:
        for number, windows in progress(decoded, total=len(paths), desc="songs", unit="song"):
            if windows is DIED:
                windows = (
                    f"decoding it ended the worker, or took over {SONG_SECONDS / 60:.0f} "
                    "min; export it again"
                )
            if isinstance(windows, str):
                rejected[number] = windows
            elif (X := _features(windows, model)) is None:
                unlike.append(number)
            else:
                songs[number] = _song(paths[number], windows, X, model)
    ranked = sorted(songs, key=lambda number: (-songs[number].score, number))
    return Scored(
        Path(folder),
        model,
        [songs[number] for number in ranked],
        {displayable(paths[number].name): reason for number, reason in sorted(rejected.items())},
        [displayable(name) for name in others],
        [displayable(paths[number].name) for number in sorted(unlike)],
    )


def _features(windows, model):
    """What a model's heads need of a song's windows; None if the song is outside its domain."""
    known = song_features(windows, [kind for kind in model.kinds if not FEATURES[kind].outputs])
    if model.domain and model.domain.outside(known):
        return None  # before the taggers, which take most of the time
    return known.join(
        song_features(windows, [kind for kind in model.kinds if FEATURES[kind].outputs])
    )


def _song(path, windows, X, model):
    batches = [
        (windows.S_db[rows].astype(np.float32), X.iloc[rows])
        for first in range(0, len(X), BATCH)
        for rows in [slice(first, first + BATCH)]
    ]
    scores = np.concatenate(
        [[training.predict(*batch) for training in model.trainings] for batch in batches], axis=1
    )
    shares = [
        _below(training.reference, mine) / len(training.reference)
        for training, mine in zip(model.trainings, scores)
    ]
    return Song(
        path,
        windows.seconds,
        windows.starts,
        scores,
        100 * float(np.mean(shares)),
        windows.note,
        float(X["loudness"].mean()) if "loudness" in X else np.nan,
    )


def _below(ascending, values):
    """Return how many of some scores lie below each value, ties half."""
    return sum(np.searchsorted(ascending, values, side) for side in ("left", "right")) / 2


def displayable(name: str) -> str:
    """Replace in a name what a page cannot hold or an eye cannot see.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
    """
    readable = os.fsencode(name).decode("utf-8", "replace")
    return "".join(
        char
        if char in JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs")
        else "\N{REPLACEMENT CHARACTER}"
        for char in readable
    )
