"""Swap test: which parts of a clip move a model's score when they change places with other tracks'.

A part is taken out, with a donor's sound in its place, and put into the donor. Donors are real
training clips, so that a model is never asked about silence or ruins. For segments they are those
nearest in the level of every band, or each segment of a loud clip would stand for its loudness; for
whole bands and whole stretches they are drawn at random, so that this is said of the band.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hiphoplib.explanation.segments import SegmentGrid
from hiphoplib.models.calibration import log_odds

SCREENED, CONFIRMED = 12, 25  # donors: the second are others than the first
AGREED = 0.8  # share of the donors in which a part has to move the score the same way
MIN_SHARE = 0.5  # of the effect of the strongest part
MIN_DEVIATIONS = 0.2  # effect, in standard deviations of the model's log odds over tracks
MAX_CANDIDATES = 6  # parts of a kind that are tested with the second donors
MAX_BINS = 400 * 64 * 323  # of swapped clips that are made at a time

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
        return int((np.sign(self.taken_out) == sign).sum()), int((np.sign(self.put_in) == sign).sum())

    @property
    def agreed(self) -> bool:
        """Whether those are enough of the donors, both ways."""
        return self.effect != 0 and min(self.agreeing) >= AGREED * len(self.put_in)


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
        Strongest first; whole bands, whole stretches, and neighbouring segments of a band. Empty if
        no part decides.
    """
    rng, grid, n = np.random.default_rng(seed), donors.grids[0], SCREENED + CONFIRMED
    near = rng.permutation(donors.nearest(band_levels(clip[0][None], grid)[0], n))
    anyone = rng.permutation(donors.levels.index)[:n]
    whole = _find(predict, clip, donors, anyone, _whole(grid.shape))
    single = np.eye(grid.size, dtype=bool).reshape(-1, *grid.shape)
    segments = _find(predict, clip, donors, near, single)
    return _most_specific(whole, segments)


def _whole(shape):
    """Masks of the whole bands and of the whole stretches."""
    bands, stretches = np.eye(shape[0], dtype=bool), np.eye(shape[1], dtype=bool)
    return np.concatenate([np.broadcast_to(bands[:, :, None], (len(bands), *shape)),
                           np.broadcast_to(stretches[:, None, :], (len(stretches), *shape))])


def _find(predict, clip, donors, ids, masks):
    """Return those of some parts that hold: screened with the first donors, confirmed by others."""
    least = MIN_DEVIATIONS * donors.spread
    screened = [part for part in _swapped(predict, clip, donors, ids[:SCREENED], masks, least)
                if abs(part.effect) >= least]
    candidates = _strongest(screened)[:MAX_CANDIDATES]
    if not candidates:
        return []
    confirmed = _swapped(predict, clip, donors, ids[SCREENED:], _joined(candidates))
    return [part for part in confirmed if part.agreed and abs(part.effect) >= least]


def _strongest(parts):
    """Return the parts with at least half of the effect of the strongest, strongest first."""
    parts = sorted(parts, key=lambda part: -abs(part.effect))
    return [part for part in parts if abs(part.effect) >= MIN_SHARE * abs(parts[0].effect)]


def _joined(parts):
    """Return masks in which segments of one band that follow each other, of one sign, are one."""
    masks = []
    for sign in (1, -1):
        single = [part.mask for part in parts if sign * part.effect > 0 and part.mask.sum() == 1]
        masks += [part.mask for part in parts if sign * part.effect > 0 and part.mask.sum() > 1]
        for band, row in enumerate(np.any(single, axis=0) if single else ()):
            starts = np.flatnonzero(np.diff(row, prepend=False))
            for columns in np.split(np.arange(len(row)), starts):
                if len(columns) and row[columns[0]]:
                    masks.append(np.zeros_like(single[0]))
                    masks[-1][band, columns] = True
    return np.array(masks)


def _most_specific(whole, segments):
    """Return the parts to be said: of a whole and a segment in it, the one that says more.

    That is the segment if it has at least half of the effect.
    """
    said = _strongest(whole + segments)
    for part in _strongest(whole):
        inside = [each for each in segments if (each.mask & part.mask).any()
                  and each.effect * part.effect > 0]
        enough = any(abs(each.effect) >= MIN_SHARE * abs(part.effect) for each in inside)
        dropped = [part] if enough else inside
        said = [each for each in said if not any(each is other for other in dropped)]
    return said


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
