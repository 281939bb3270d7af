"""Swap test: which parts of a clip move a model's score when they change places with other tracks'.

A part is taken out, with a donor's sound in its place, and put into the donor. Donors are real
clips, so that a model is never asked about silence or ruins. For segments they are those nearest in
the level of every band, or each segment of a loud clip would stand for its loudness. For a whole
band they are those in which it is about as loud as usual, so that "less than usual" can be said.

Whole bands are asked about only where no segment decides, and have to do more. A network that has
learnt nothing still depends on levels, so nothing is said of a model that orders tracks no better
than chance.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.ndimage import label
from scipy.stats import mannwhitneyu

from hiphoplib.errors import BadInput
from hiphoplib.explanation.heard import FEWEST, Exchange, Heard, hear_clips, of_arrays, to_arrays
from hiphoplib.explanation.segments import SegmentGrid
from hiphoplib.models.calibration import log_odds
from hiphoplib.models.experiment import Experiment

SCREENED, CONFIRMED = 12, 25  # donors: the second are others than the first
MIN_SHARE = 0.5  # of the effect of the strongest part
NOISE = 0.02  # standard deviations of the model's log odds: less is no disagreement
MAX_UNPACKED = 2**28  # bytes of a file of donors; 200 clips as in 2021 have a quarter of that
MAX_DONORS = 200  # clips of which the nearest lend their sound
CHANCE = 0.025  # how rarely a model that knows nothing may pass for one that does
MAX_CANDIDATES = 6  # parts of a kind that are tested with the second donors
MAX_BINS = 400 * 64 * 323  # of swapped clips that are made at a time


class Rule(NamedTuple):
    """What a part has to do to be said."""

    agreed: float  # of the donors that agree or disagree, share that agrees; more than half of all
    deviations: float  # effect, in standard deviations of the model's log odds over tracks


SEGMENT, BAND = Rule(0.8, 0.22), Rule(0.95, 1.0)  # chosen on planted causes, see `planted`

RULES = SEGMENT, BAND, SCREENED, CONFIRMED, MIN_SHARE, NOISE  # what is said depends on

# from dB [shape=(n, n_mels, frames)], and features [shape=(n, features)] if there are heads:
Predict = Callable[..., np.ndarray]  # probabilities


@dataclass(frozen=True, eq=False)
class Donors:
    """Clips that lend their sound."""

    grid: SegmentGrid
    S_db: np.ndarray  # [shape=(n, n_mels, frames)], in dB
    spread: float  # standard deviation of the model's log odds over tracks it has not seen
    able: bool = True  # whether the model orders such tracks better than chance
    heard: Heard | None = None  # what the model's heads read of these clips, if it has any

    @cached_property
    def levels(self) -> np.ndarray:
        """Level of each band of each clip [shape=(n, n_bands)], in dB."""
        return band_levels(self.S_db, self.grid)

    def nearest(self, S_db: np.ndarray, n: int) -> np.ndarray:
        """Return the numbers of the clips whose bands are nearest in level to a clip's.

        Parameters
        ----------
        S_db : np.ndarray [shape=(n_mels, frames)], in dB
        n : int

        Returns
        -------
        np.ndarray of int [shape=(n,)]
        """
        spread = self.levels.std(axis=0)
        spread[spread == 0] = 1  # of a band that is silent in all of them
        distances = (self.levels - band_levels(S_db[None], self.grid)) / spread
        return np.argsort((distances**2).sum(axis=1), kind="stable")[:n]

    def usual(self, band: int, n: int) -> np.ndarray:
        """Return the numbers of the clips in which a band is nearest to its median level.

        Parameters
        ----------
        band, n : int

        Returns
        -------
        np.ndarray of int [shape=(n,)]
        """
        levels = self.levels[:, band]
        return np.argsort(np.abs(levels - np.median(levels)), kind="stable")[:n]


def write_donors(experiment: Experiment, kinds: Sequence[str], path: Path) -> None:
    """Write some clips of a corpus to swap parts with, as a model's members read them.

    Parameters
    ----------
    experiment : Experiment
    kinds : sequence of {"handcrafted", "musicnn", "vgg"}
        Features that the model's heads read; with any, there are fewer clips.
    path : Path, of an npz file

    Raises
    ------
    BadInput
        If there are heads, and too few clips can be decoded.
    """
    drawn = list(np.random.default_rng(0).permutation(experiment.store.ids)[:MAX_DONORS])
    arrays: dict[str, Any] = {}
    if kinds:
        own = [track_id for track_id in drawn if track_id in experiment.tracks.index]
        drawn, heard = hear_clips(experiment, own, kinds)
        arrays = to_arrays(heard)
    arrays["S_db"] = experiment.store.batch(drawn).astype(np.float16)
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_donors(
    path: Path, grid: SegmentGrid, kinds: Sequence[str], spread: float, able: bool
) -> Donors | None:
    """Read the clips that `write_donors` wrote.

    Parameters
    ----------
    path : Path
    grid : SegmentGrid
    kinds : sequence of {"handcrafted", "musicnn", "vgg"}
    spread, able
        As of `Donors`.

    Returns
    -------
    Donors, or None
        None of an older folder, which does not hold what heads read.

    Raises
    ------
    OSError, ValueError, EOFError, BadZipFile
        If the file is damaged, too large once unpacked, or not of this grid and these features.
    """
    with np.load(path, allow_pickle=False) as kept:
        if sum(member.file_size for member in kept.zip.infolist()) > MAX_UNPACKED:
            raise ValueError("unpacks to more than the clips of a model have")
        if kinds and set(kept.files) == {"S_db"}:
            return None
        S_db = kept["S_db"].astype(np.float32)
        heard = of_arrays(dict(kept), kinds, grid) if kinds else None
    if (
        S_db.shape[1:] != grid.mel_grid.shape
        or not np.isfinite(S_db).all()
        or (heard and any(len(clips) != len(S_db) for clips in heard.spectrograms.values()))
    ):
        raise ValueError("no spectrograms of the model's grid")
    return Donors(grid, S_db, spread, able, heard)


def better_than_chance(odds: np.ndarray, popular: np.ndarray) -> bool:
    """Return whether a model's log odds put popular tracks above others, by the rank-sum test.

    Parameters
    ----------
    odds : np.ndarray [shape=(n,)]
        Of tracks that it has not seen.
    popular : np.ndarray of 0 and 1 [shape=(n,)]

    Returns
    -------
    bool
    """
    odds, popular = np.asarray(odds), np.asarray(popular) == 1
    return bool(mannwhitneyu(odds[popular], odds[~popular], alternative="greater").pvalue < CHANCE)


def band_levels(S_db: np.ndarray, grid: SegmentGrid) -> np.ndarray:
    """Return the mean level of each band.

    Parameters
    ----------
    S_db : np.ndarray [shape=(n, n_mels, frames)], in dB
    grid : SegmentGrid

    Returns
    -------
    np.ndarray [shape=(n, n_bands)], in dB
    """
    bands = grid.labels()[:, 0] // grid.shape[1]
    rows = S_db.mean(axis=2, dtype=float)
    return np.stack([rows[:, bands == band].mean(axis=1) for band in range(grid.shape[0])], axis=1)


@dataclass(frozen=True, eq=False)
class Part:
    """Segments of a clip that were swapped together, and what that did to the log odds."""

    mask: np.ndarray  # bool [shape=(n_bands, n_segments)]
    taken_out: np.ndarray  # what the clip loses with each donor's sound instead [shape=(donors,)]
    put_in: np.ndarray  # what each donor gains by it [shape=(donors,)]

    @property
    def effect(self) -> float:
        """The smaller of the two means, above 0 for popularity; 0 if they contradict each other."""
        means = self.taken_out.mean(), self.put_in.mean()
        return min(means, key=abs) if means[0] * means[1] > 0 else 0.0

    @property
    def agreeing(self) -> tuple[int, int]:
        """Number of donors in which it moved the score its way: taken out, and put in."""
        out, into = (np.sign(self.effect) * self._rises > 0).sum(axis=1)
        return int(out), int(into)

    @property
    def _rises(self):
        return np.array([self.taken_out, self.put_in])

    def holds(self, rule: Rule, spread: float) -> bool:
        """Return whether a rule lets the part be said.

        Parameters
        ----------
        rule : Rule
        spread : float
            Standard deviation of the model's log odds.

        Returns
        -------
        bool
        """
        against = -np.sign(self.effect) * self._rises > NOISE * spread
        for agreed, denied in zip(self.agreeing, against.sum(axis=1)):
            if agreed < rule.agreed * (agreed + denied) or 2 * agreed <= len(self.put_in):
                return False
        return bool(abs(self.effect) >= rule.deviations * spread > 0)


def swap_test(
    predict: Predict, S_db: np.ndarray, donors: Donors, *, heard: Heard | None = None, seed: int = 0
) -> list[Part]:
    """Return the parts of a clip that move the score.

    Parameters
    ----------
    predict : callable
        The model; whether calibrated by a slope or not makes no difference.
    S_db : np.ndarray [shape=(n_mels, frames)], in dB
    donors : Donors
    heard : Heard, optional
        What heads read of the clip; parts of it change places as those of `S_db` do.
    seed : int, which donors screen and which confirm

    Returns
    -------
    list of Part
        Strongest first, each at least half as strong as the first: neighbouring segments of a band;
        if there are none, whole bands. Empty if no part decides, or the model orders tracks no
        better than chance.

    Raises
    ------
    BadInput
        If there are too few donors.
    """
    if not donors.able:
        return []
    rng, grid = np.random.default_rng(seed), donors.grid
    n = min(SCREENED + CONFIRMED, len(donors.S_db))  # of a small corpus fewer
    if n < FEWEST:
        raise BadInput(
            f"swap test: {n} clips to swap with, {FEWEST} are needed; gather more tracks"
        )
    single = np.eye(grid.size, dtype=bool).reshape(-1, *grid.shape)
    swaps = _Swaps(
        predict,
        S_db,
        donors,
        Exchange(grid, heard, donors.heard) if heard and donors.heard else None,
    )
    said = _find(swaps, rng.permutation(donors.nearest(S_db, n)), single, SEGMENT)
    for band in range(grid.shape[0]) if not said else ():
        whole = np.zeros((1, *grid.shape), dtype=bool)
        whole[:, band] = True
        said += _find(swaps, rng.permutation(donors.usual(band, n)), whole, BAND)
    return _strongest(said)


def _find(swaps, numbers, masks, rule):
    """Return those of some parts that hold: screened with the first donors, confirmed by others."""
    least = rule.deviations * swaps.donors.spread
    first, others = np.split(numbers, [len(numbers) * SCREENED // (SCREENED + CONFIRMED)])
    screened = [part for part in swaps.parts(first, masks, least) if abs(part.effect) >= least > 0]
    if not screened:
        return []
    candidates = _joined(_strongest(screened)[:MAX_CANDIDATES])
    return [
        part for part in swaps.parts(others, candidates) if part.holds(rule, swaps.donors.spread)
    ]


def _strongest(parts):
    """Return the parts with at least half of the effect of the strongest, strongest first."""
    parts = sorted(parts, key=lambda part: -abs(part.effect))
    return [part for part in parts if abs(part.effect) >= MIN_SHARE * abs(parts[0].effect)]


def _joined(parts):
    """Return masks; segments of one band that follow each other, of one sign, are one."""
    masks = [part.mask for part in parts if part.mask.sum() > 1]
    for sign in (1, -1):
        single = [part.mask for part in parts if part.mask.sum() == 1 and sign * part.effect > 0]
        bands = np.any(single, axis=0) if single else np.zeros_like(parts[0].mask)
        numbers, n = label(bands, structure=[[0, 0, 0], [1, 1, 1], [0, 0, 0]])
        masks += [numbers == number for number in range(1, n + 1)]
    return np.array(masks)


@dataclass(frozen=True, eq=False)
class _Swaps:
    """A model that is asked about one clip, its donors, and either with parts of the other."""

    predict: Predict
    S_db: np.ndarray
    donors: Donors
    exchange: Exchange | None  # of what heads read

    def parts(self, numbers, masks, least=0.0):
        """Return parts as swapped with each donor, without those that lose less than `least`."""
        before = self._before(numbers)
        taken_out = before[0] - self._after(numbers, masks, put_in=False)
        kept = np.flatnonzero(np.abs(taken_out.mean(axis=1)) >= least)
        if not kept.size:
            return []
        put_in = self._after(numbers, masks[kept], put_in=True) - before[1:]
        return [Part(masks[number], taken_out[number], row) for number, row in zip(kept, put_in)]

    def _before(self, numbers):
        """Log odds of the clip and of donors [shape=(1 + donors,)]."""
        X = [self.exchange.before(numbers)] if self.exchange else []
        return log_odds(self.predict(np.stack([self.S_db, *self.donors.S_db[numbers]]), *X))

    def _after(self, numbers, masks, put_in):
        """Log odds with donors' parts, or of donors with the clip's [shape=(parts, donors)]."""
        labels, others = self.donors.grid.labels(), self.donors.S_db[numbers]
        inside, outside = (self.S_db, others) if put_in else (others, self.S_db)
        step = max(1, MAX_BINS // others.size)
        odds = []
        for first in range(0, len(masks), step):
            some = masks[first : first + step]
            X = [self.exchange.after(numbers, some, put_in)] if self.exchange else []
            on = some.reshape(len(some), 1, -1)[..., labels]
            swapped = np.where(on, inside, outside).reshape(-1, *labels.shape)
            odds.append(log_odds(self.predict(swapped, *X)))
        return np.concatenate(odds).reshape(len(masks), -1)
