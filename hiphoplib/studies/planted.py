"""Spectrograms with one planted cause each, to see whether an explanation finds it.

In every clip one segment is louder (kind "level"), or its level jumps from frame to frame
("texture"): in the upper of two bands that speaks for popularity, in the lower against. Or a whole
band is louder or quieter ("band"). Some of the training clips have no cause, and a label by chance:
else a network that hears nothing would be sure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from hiphoplib.audio.mel import MelGrid
from hiphoplib.explanation.segments import SegmentGrid
from hiphoplib.explanation.swap_test import Donors, better_than_chance
from hiphoplib.models.calibration import log_odds
from hiphoplib.models.training import Run, fit, load_run, read_card, save_run
from hiphoplib.run_size import run_size

SMALL = MelGrid(32, 4096, name="planted")
BANDS = {"level": ("sub and bass", "low mids"), "texture": ("vocals and snare", "hats and air")}
LOUDER, JUMP = 8.0, 6.0  # dB
WHOLE, SHIFT = "sub and bass", (2.0, 6.0)  # dB, of the whole band, louder or quieter
_WITHOUT = 0.25  # share of the training and validation clips
_CLIPS = {"train": run_size().planted, "validation": 200, "test": 100}
PATIENCE = {"crnn": 10, "rnn": 20}  # the RNN begins to learn late


@dataclass(frozen=True, eq=False)
class Planted:
    """Spectrograms with a planted cause, and a small network that learns it."""

    S_db: np.ndarray  # in dB [shape=(clips, n_mels, frames)]
    labels: pd.Series  # 0 or 1
    sides: pd.Series  # "train", "validation" or "test"
    segments: np.ndarray  # that decide, bool [shape=(clips, n_bands, n_segments)]
    network: str = "crnn"
    seed: int = 0
    folder: Path | None = None  # keeps the network, if given

    @cached_property
    def run(self) -> Run:
        """The network, trained when it is first asked for."""
        if self.folder and read_card(self.folder):
            return load_run(self.folder)
        store: Any = SimpleNamespace(grid=SMALL, batch=lambda ids: self.S_db[list(ids)])
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)
        run = fit(
            self.network,
            store,
            self.labels,
            self.sides,
            seed=self.seed,
            epochs=30,
            patience=PATIENCE[self.network],
            folder=self.folder,
        )
        if self.folder:
            save_run(run, self.folder)
        return run

    @cached_property
    def scores(self) -> pd.Series:
        """Its probabilities of the test clips."""
        test = self.sides.index[self.sides == "test"]
        return pd.Series(self.run.predict(self.S_db[test]), test)

    @property
    def donors(self) -> Donors:
        """Its training clips, for the swap test."""
        train, validation = (np.flatnonzero(self.sides == side) for side in ("train", "validation"))
        odds = log_odds(self.run.predict(self.S_db[validation]))
        return Donors(
            SegmentGrid(SMALL),
            self.S_db[train],
            float(log_odds(self.scores).std()),
            better_than_chance(odds, self.labels[validation]),
        )


def plant(
    kind: str,
    clips: Mapping[str, int] = _CLIPS,
    *,
    network: str = "crnn",
    seed: int = 0,
    late: float = 0.0,
    shuffled: bool = False,
    folder: Path | None = None,
) -> Planted:
    """Make a corpus of spectrograms with a planted cause.

    Parameters
    ----------
    kind : {"level", "texture", "band"}
    clips : dict of str to int
        Clips of the training, validation and test sets.
    network : str, in `NETWORKS`
    seed : int, of the clips and of the network
    late : float
        By how much of a segment the cause is off the grid: it lies in two segments then.
    shuffled : bool
        Whether the labels of the training and validation sets are shuffled: nothing decides.
    folder : Path, optional
        Keeps the network.

    Returns
    -------
    Planted
    """
    rng, grid, n = np.random.default_rng(seed), SegmentGrid(SMALL), sum(clips.values())
    S_db = np.array([_beat(rng) for _ in range(n)], np.float32)
    labels, stretches = rng.permutation(np.arange(n) % 2), rng.integers(0, grid.shape[1], n)
    names, segments = list(grid.bands), np.zeros((n, *grid.shape), bool)
    jump = JUMP * (-1.0) ** (np.arange(SMALL.frames) // 2)
    sides = np.repeat(list(clips), list(clips.values()))
    without = (rng.random(n) < _WITHOUT) & (sides != "test")
    rows = grid.labels()[:, :1] // grid.shape[1]
    for i in np.flatnonzero(~without):
        if kind == "band":
            band, there = names.index(WHOLE), rows == names.index(WHOLE)
            segments[i, band] = True
            S_db[i] += there * (2 * labels[i] - 1) * rng.uniform(*SHIFT)
            continue
        start = min(stretches[i] + late, grid.shape[1] - 1)
        band = names.index(BANDS[kind][labels[i]])
        segments[i, band, int(np.floor(start)) : int(np.ceil(start)) + 1] = True
        times = SMALL.times() / grid.segment_seconds - start
        there = (rows == band) & (times >= 0) & (times < 1)
        S_db[i] += np.where(there, LOUDER if kind == "level" else jump, 0)
    if shuffled:
        learnt = np.flatnonzero(sides != "test")
        labels[learnt] = rng.permutation(labels[learnt])
    return Planted(S_db, pd.Series(labels), pd.Series(sides), segments, network, seed, folder)


def _beat(rng):
    """Return something like a beat in dB: a tilt, four rhythms, drift, noise."""
    t, row = SMALL.times(), np.arange(SMALL.n_mels)
    S_db = rng.normal(-8, 3) - 0.9 * row[:, None] * rng.uniform(0.8, 1.2)
    S_db = S_db + rng.normal(0, 3, SMALL.shape)
    seconds = 60 / rng.uniform(80, 150)
    for band, beats in zip(np.split(row, 4), (1, 2, 0.5, 0.25)):
        since = (t / (beats * seconds) + rng.uniform()) % 1
        drift = np.interp(t, np.linspace(0, SMALL.seconds, 11), rng.normal(0, 2, 11))
        S_db[band] += rng.uniform(4, 9) * np.exp(-4 * since) + drift
    return S_db
