"""Swap test: which parts of a clip move a model's score when they change places with other tracks'.

A part is taken out, with a donor's sound in its place, and put into the donor. Donors are real
clips, so that a model is never asked about silence or ruins. For segments they are those nearest in
the level of every band, or each segment of a loud clip would stand for its loudness. For a whole
band they are those in which it is about as loud as usual, so that "less than usual" can be said.

Whole bands are asked about only where no segment decides, and have to do more. A network that has
learnt nothing still depends on levels, so nothing is said of a model that orders tracks no better
than chance.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.ndimage import label
from scipy.stats import mannwhitneyu

from hiphoplib.errors import BadInput
from hiphoplib.explanation.segments import SegmentGrid
from hiphoplib.models.calibration import log_odds

SCREENED, CONFIRMED = 12, 25  # donors: the second are others than the first
FEWEST = 10  # donors
MIN_SHARE = 0.5  # of the effect of the strongest part
NOISE = 0.02  # standard deviations of the model's log odds: less is no disagreement
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

Predict = Callable[[np.ndarray], np.ndarray]  # from dB [shape=(n, n_mels, frames)]: probabilities


@dataclass(frozen=True, eq=False)
class Donors:
    """Clips that lend their sound."""

    grid: SegmentGrid
    S_db: np.ndarray  # [shape=(n, n_mels, frames)], in dB
    spread: float  # standard deviation of the model's log odds over tracks it has not seen
    able: bool = True  # whether the model orders such tracks better than chance

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
        distances = (self.levels - band_levels(S_db[None], self.grid)) / self.levels.std(axis=0)
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


def swap_test(predict: Predict, S_db: np.ndarray, donors: Donors, *, seed: int = 0) -> list[Part]:
    """Return the parts of a clip that move the score.

    Parameters
    ----------
    predict : callable
        The model; whether calibrated by a slope or not makes no difference.
    S_db : np.ndarray [shape=(n_mels, frames)], in dB
    donors : Donors
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
        raise BadInput(f"swap test: {n} clips to swap with, {FEWEST} are needed; gather more "
                       "tracks")
    single = np.eye(grid.size, dtype=bool).reshape(-1, *grid.shape)
    said = _find(predict, S_db, donors, rng.permutation(donors.nearest(S_db, n)), single, SEGMENT)
    for band in range(grid.shape[0]) if not said else ():
        whole = np.zeros((1, *grid.shape), dtype=bool)
        whole[:, band] = True
        said += _find(predict, S_db, donors, rng.permutation(donors.usual(band, n)), whole, BAND)
    return _strongest(said)


def _find(predict, S_db, donors, numbers, masks, rule):
    """Return those of some parts that hold: screened with the first donors, confirmed by others."""
    least = rule.deviations * donors.spread
    first, others = np.split(numbers, [len(numbers) * SCREENED // (SCREENED + CONFIRMED)])
    screened = [part for part in _swapped(predict, S_db, donors, first, masks, least)
                if abs(part.effect) >= least > 0]
    if not screened:
        return []
    candidates = _joined(_strongest(screened)[:MAX_CANDIDATES])
    return [part for part in _swapped(predict, S_db, donors, others, candidates)
            if part.holds(rule, donors.spread)]


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


def _swapped(predict, S_db, donors, numbers, masks, least=0.0):
    """Return parts as swapped with each donor; those that lose less than `least` are left out."""
    others, labels = donors.S_db[numbers], donors.grid.labels()
    before = log_odds(predict(np.concatenate([S_db[None], others])))
    taken_out = before[0] - _after(predict, others, S_db, masks, labels)
    kept = np.flatnonzero(np.abs(taken_out.mean(axis=1)) >= least)
    if not kept.size:
        return []
    put_in = _after(predict, S_db, others, masks[kept], labels) - before[1:]
    return [Part(masks[number], taken_out[number], row) for number, row in zip(kept, put_in)]


def _after(predict, inside, outside, masks, labels):
    """Log odds of `outside` with parts of `inside` [shape=(parts, donors)]; one is all donors."""
    shape = np.broadcast_shapes(inside.shape, outside.shape)
    step = max(1, MAX_BINS // int(np.prod(shape)))
    odds = []
    for first in range(0, len(masks), step):
        some = masks[first: first + step].reshape(-1, 1, masks[0].size)
        swapped = np.where(some[..., labels], inside, outside)
        odds.append(log_odds(predict(swapped.reshape(-1, *labels.shape))))
    return np.concatenate(odds).reshape(len(masks), -1)
