"""Swap test: which parts of a clip move a model's score when they change places with other tracks'.

A part is taken out, with a donor's sound in its place, and put into the donor. Donors are real
training clips, so that a model is never asked about silence or ruins. For segments they are those
nearest in the level of every band, or each segment of a loud clip would stand for its loudness.

What is said of a whole band, "less bass than usual", is asked with donors drawn at random. Every
track differs from some others in every band, so that such a part has to do more than a segment, and
is said only where no segment is: else half of what is said of bands is wrong on planted causes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import label

from hiphoplib.explanation.segments import SegmentGrid
from hiphoplib.models.calibration import log_odds

SCREENED, CONFIRMED = 12, 25  # donors: the second are others than the first
MIN_SHARE = 0.5  # of the effect of the strongest part
MAX_CANDIDATES = 6  # parts of a kind that are tested with the second donors
MAX_BINS = 400 * 64 * 323  # of swapped clips that are made at a time



class Rule(NamedTuple):
    """What a part has to do to be said."""

    agreed: float  # share of the donors in which it moves the score the same way
    deviations: float  # effect, in standard deviations of the model's log odds over tracks


SEGMENT, STRETCH, BAND = Rule(0.8, 0.25), Rule(0.95, 0.5), Rule(1.0, 1.0)

# from a batch of dB for each spectrogram that it reads: calibrated probabilities [shape=(n,)]
Predict = Callable[..., np.ndarray]


@dataclass(frozen=True, eq=False)
class Donors:
    """Training clips of a model that lend their sound."""

    grids: Sequence[SegmentGrid]  # one for each spectrogram that the model reads
    read: Callable[[Sequence], Sequence[np.ndarray]]  # from track ids to a batch for each of them
    levels: pd.DataFrame  # mean of each band in dB, indexed by track id
    spread: float  # standard deviation of the model's log odds over tracks it has not seen

    def nearest(self, levels: np.ndarray, n: int) -> pd.Index:
        """Return the ids of the `n` clips whose bands are nearest in level to those of a clip."""
        distances = (((self.levels - levels) / self.levels.std()) ** 2).sum(axis=1)
        return distances.nsmallest(n).index


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
        sign = np.sign(self.effect)
        out, into = ((np.sign(rises) == sign).sum() for rises in (self.taken_out, self.put_in))
        return int(out), int(into)

    def holds(self, rule: Rule, spread: float) -> bool:
        """Return whether a rule lets the part be said, of a model with this spread of log odds."""
        return (min(self.agreeing) >= rule.agreed * len(self.put_in)
                and abs(self.effect) >= rule.deviations * spread > 0)


def swap_test(predict: Predict, clip: Sequence[np.ndarray], donors: Donors, *,
              seed: int = 0) -> list[Part]:
    """Return the parts of a clip that move the score.

    Parameters
    ----------
    predict : callable
    clip : sequence of np.ndarray [shape=(n_mels, frames)], one for each grid of the donors, in dB
    donors : Donors
    seed : int

    Returns
    -------
    list of Part
        Strongest first: neighbouring segments of a band, each at least half as strong as the first;
        if there are none, whole bands or stretches. Empty if no part decides.
    """
    rng, grid, n = np.random.default_rng(seed), donors.grids[0], SCREENED + CONFIRMED
    near = rng.permutation(donors.nearest(band_levels(clip[0][None], grid)[0], n))
    single = np.eye(grid.size, dtype=bool).reshape(*grid.shape, *grid.shape)
    segments = _find(predict, clip, donors, near, single.reshape(-1, *grid.shape), SEGMENT)
    if segments:
        return segments
    anyone = rng.permutation(donors.levels.index)[:n]
    return _strongest(_find(predict, clip, donors, anyone, single.any(axis=1), BAND)
                      + _find(predict, clip, donors, anyone, single.any(axis=0), STRETCH))


def _find(predict, clip, donors, ids, masks, rule):
    """Return those of some parts that hold: screened with the first donors, confirmed by others."""
    least = rule.deviations * donors.spread
    screened = [part for part in _swapped(predict, clip, donors, ids[:SCREENED], masks, least)
                if part.holds(rule, donors.spread)]
    if not screened:
        return []
    candidates = _joined(_strongest(screened)[:MAX_CANDIDATES])
    return _strongest([part for part in _swapped(predict, clip, donors, ids[SCREENED:], candidates)
                       if part.holds(rule, donors.spread)])


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


def _swapped(predict, clip, donors, ids, masks, least=0.0):
    """Return parts as swapped with each donor; those that lose less than `least` are left out."""
    others = donors.read(list(ids))
    labels = [grid.labels() for grid in donors.grids]
    before = _log_odds(predict, [np.concatenate([one[None], many])
                                 for one, many in zip(clip, others)])

    def after(inside, outside, masks):
        """Log odds of clips with the parts of others [shape=(parts, donors)]."""
        return np.concatenate([*_in_batches(predict, inside, outside, masks, labels)]).reshape(
            len(masks), -1)

    taken_out = before[0] - after(others, clip, masks)
    kept = np.flatnonzero(np.abs(taken_out.mean(axis=1)) >= least)
    if not len(kept):
        return []
    put_in = after(clip, others, masks[kept]) - before[1:]
    return [Part(masks[number], taken_out[number], row) for number, row in zip(kept, put_in)]


def _in_batches(predict, inside, outside, masks, labels) -> Iterator[np.ndarray]:
    """Yield the log odds of `outside` with the parts of `inside`, some parts at a time."""
    n = max(len(one) if one.ndim == 3 else 1 for one in (inside[0], outside[0]))
    step = max(1, MAX_BINS // (n * sum(each.size for each in labels)))
    for first in range(0, len(masks), step):
        some = masks[first: first + step].reshape(-1, 1, masks[0].size)
        yield _log_odds(predict, [np.where(some[..., where], new, old).reshape(-1, *where.shape)
                                  for new, old, where in zip(inside, outside, labels)])


def _log_odds(predict, batches):
    return log_odds(np.ravel(predict(*batches)))
