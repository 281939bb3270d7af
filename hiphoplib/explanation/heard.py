"""What heads read of clips, and their features when parts of two clips change places.

A head reads features, and these are made from spectrograms of their own: the tagger's windows of
3 s, and the frames that hand-crafted features sum up. The swap is made there, by the same bands and
stretches as in a network's spectrogram; what a spectrogram does not hold of a band, as the tagger's
holds nothing above 8 kHz, stays as it is. What a swap does not touch is computed once.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from hiphoplib.audio import tagger
from hiphoplib.audio.features import HOP, SR, Bands, frame_values, mixed, mixed_features, table
from hiphoplib.audio.files import read_clip
from hiphoplib.dataset.features import FEATURES
from hiphoplib.errors import BadInput
from hiphoplib.explanation.segments import SegmentGrid
from hiphoplib.models.experiment import Experiment
from hiphoplib.tracks.previews import clip_path

TAGGED = "musicnn", "vgg"  # kinds of features that are made from the tagger's windows
WINDOW_SECONDS = tagger.WINDOW * tagger.HOP / tagger.SR
BATCH = 32  # windows that the tagger is given at a time: more take memory and are no faster
FEWEST, MAX_HEARD = 10, 80  # clips to swap parts with; the most take 25 MB
LEVELS = 255  # between the least and the greatest value of a row


@dataclass(frozen=True, eq=False)
class Levels:
    """Spectrograms of clips with a byte a bin: too coarse to hear, fine enough to swap."""

    steps: np.ndarray  # of all clips one after the other, uint8 [shape=(frames, rows)]
    low: np.ndarray  # of each row [shape=(rows,)]
    step: np.ndarray
    lengths: np.ndarray  # frames of each clip, int [shape=(n,)]

    @classmethod
    def of(cls, spectrograms: Sequence[np.ndarray]) -> "Levels":
        """Return spectrograms of clips as levels.

        Parameters
        ----------
        spectrograms : sequence of np.ndarray [shape=(frames, rows)]

        Returns
        -------
        Levels
        """
        frames = np.concatenate(spectrograms)
        low = frames.min(axis=0)
        step = np.maximum((frames.max(axis=0) - low) / LEVELS, 1e-12)
        return cls(
            np.rint((frames - low) / step).astype(np.uint8),
            low,
            step,
            np.array([len(each) for each in spectrograms]),
        )

    def __post_init__(self) -> None:
        rows = self.steps.shape[1:]
        if (
            self.steps.dtype != np.uint8
            or len(rows) != 1
            or self.lengths.dtype.kind != "i"
            or self.lengths.ndim != 1
            or self.lengths.min(initial=1) < 1
            or self.lengths.sum() != len(self.steps)
            or self.low.shape != rows
            or self.step.shape != rows
            or not np.isfinite([self.low, self.step]).all()
        ):
            raise ValueError("no spectrograms of clips")

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, number: int) -> np.ndarray:
        end = int(self.lengths[: number + 1].sum())
        steps = self.steps[end - int(self.lengths[number]) : end]
        return (self.low + self.step * steps).astype(np.float32)


Clips = Sequence[np.ndarray] | Levels  # spectrograms of clips [shape=(frames, rows)], float32


@dataclass(frozen=True, eq=False)
class Heard:
    """What heads read of clips, by kind of features.

    Parameters
    ----------
    spectrograms : dict of str to Clips
        Of each clip: ``"tagged"``, the tagger's windows one after the other, and ``"handcrafted"``,
        what `features.table` returns.
    kinds : tuple of str
        Features that are made from them.
    """

    spectrograms: dict[str, Clips]
    kinds: tuple[str, ...]
    known: dict = field(default_factory=dict)  # what was computed, by kind and number of a clip

    def of(self, kind: str, number: int) -> np.ndarray:
        """Return what a kind of features is made from.

        Parameters
        ----------
        kind : {"handcrafted", "musicnn", "vgg"}
        number : int, of the clip

        Returns
        -------
        np.ndarray [shape=(frames, rows)], float32
        """
        return self.spectrograms["tagged" if kind in TAGGED else kind][number]


def hear(y: np.ndarray, sr: int, kinds: Sequence[str], grid: SegmentGrid) -> Heard:
    """Return what heads read of a clip.

    Parameters
    ----------
    y : np.ndarray [shape=(samples,)]
        At least 3 s.
    sr : int, in Hz
    kinds : sequence of {"handcrafted", "musicnn", "vgg"}
    grid : SegmentGrid

    Returns
    -------
    Heard
    """
    spectrograms: dict[str, Clips] = {}
    if "handcrafted" in kinds:
        spectrograms["handcrafted"] = [table(y, sr, Bands(grid.edges)).T]
    if set(TAGGED) & set(kinds):
        spectrograms["tagged"] = [tagger.windows(y, sr).reshape(-1, tagger.N_MELS)]
    return Heard(spectrograms, tuple(kinds))


def hear_clips(
    experiment: Experiment, ids: Sequence[str], kinds: Sequence[str], most: int = MAX_HEARD
) -> tuple[list[str], Heard]:
    """Return what heads read of the first clips of a corpus that can be decoded.

    Parameters
    ----------
    experiment : Experiment
    ids : sequence of str
    kinds : sequence of {"handcrafted", "musicnn", "vgg"}
    most : int
        Clips.

    Returns
    -------
    ids : list of str
        Of those clips.
    heard : Heard

    Raises
    ------
    BadInput
        If there are fewer than `FEWEST`.
    """
    grid, heard = SegmentGrid(experiment.protocol.grid), dict[str, dict[str, Clips]]()
    for track_id in ids:
        if len(heard) < most:
            with suppress(BadInput):
                y, sr = read_clip(clip_path(experiment.folder, experiment.tracks.loc[track_id]))
                heard[track_id] = hear(y, sr, kinds, grid).spectrograms
    if len(heard) < FEWEST:
        raise BadInput(
            f"{experiment.folder}: {len(heard)} clips of it can be decoded, {FEWEST} "
            "are needed to swap parts with; gather again to fetch them"
        )
    names = next(iter(heard.values()))
    return list(heard), Heard(
        {name: Levels.of([clip[name][0] for clip in heard.values()]) for name in names},
        tuple(kinds),
    )


def to_arrays(heard: Heard) -> dict[str, np.ndarray]:
    """Return what heads read of clips as arrays, for `of_arrays`.

    Parameters
    ----------
    heard : Heard
        Of clips kept as `Levels`.

    Returns
    -------
    dict of str to np.ndarray
    """
    return {
        f"{name}_{part}": array
        for name, levels in heard.spectrograms.items()
        for part, array in vars(levels).items()
    }


def of_arrays(arrays: Mapping[str, np.ndarray], kinds: Sequence[str], grid: SegmentGrid) -> Heard:
    """Return what heads read of clips, from arrays that somebody may have changed.

    Parameters
    ----------
    arrays : mapping of str to np.ndarray
    kinds : sequence of {"handcrafted", "musicnn", "vgg"}
    grid : SegmentGrid

    Returns
    -------
    Heard

    Raises
    ------
    ValueError
        If they are not what these kinds of features are made from.
    """
    names = {"tagged" if kind in TAGGED else kind for kind in kinds}
    read = {
        name: Levels(*(arrays[f"{name}_{part}"] for part in ("steps", "low", "step", "lengths")))
        for name in names
    }
    for name, levels in read.items():
        rows, frames = (
            (tagger.N_MELS, tagger.WINDOW)
            if name == "tagged"
            else (len(Bands(grid.edges).of_rows), 1)
        )
        if len(levels.low) != rows or (levels.lengths % frames).any():
            raise ValueError(f"{name}: spectrograms of another kind")
    return Heard(dict(read), tuple(kinds))


@dataclass(frozen=True, eq=False)
class Exchange:
    """Features of a clip and of donors, before and after parts of them change places."""

    grid: SegmentGrid
    clip: Heard  # of one clip
    donors: Heard

    def before(self, numbers: Sequence[int]) -> pd.DataFrame:
        """Return the features of the clip and of donors.

        Parameters
        ----------
        numbers : sequence of int, of donors

        Returns
        -------
        pd.DataFrame [shape=(1 + donors, features)]
        """
        clips = [(self.clip, 0), *((self.donors, number) for number in numbers)]
        return self._frame(lambda way: [way.features(way.known(*clip)) for clip in clips])

    def after(self, numbers: Sequence[int], masks: np.ndarray, put_in: bool) -> pd.DataFrame:
        """Return the features of the clip with parts of donors, or of donors with the clip's.

        Parameters
        ----------
        numbers : sequence of int, of donors
        masks : np.ndarray of bool [shape=(parts, n_bands, n_segments)]
        put_in : bool
            Whether the donors receive the parts, not the clip.

        Returns
        -------
        pd.DataFrame [shape=(parts * donors, features)]
            Parts first.
        """
        pairs = [
            ((self.clip, 0), (self.donors, number))[:: 1 if put_in else -1] for number in numbers
        ]
        return self._frame(lambda way: [row for mask in masks for row in way.swapped(pairs, mask)])

    def _frame(self, rows_of):
        ways = {
            kind: _Tagged(kind, self.grid) if kind in TAGGED else _Handcrafted(kind, self.grid)
            for kind in self.donors.kinds
        }
        return pd.concat(
            [
                pd.DataFrame(np.array(rows_of(way)), columns=FEATURES[kind].names)
                for kind, way in ways.items()
            ],
            axis=1,
        )


@dataclass(frozen=True)
class _Way:
    """How features of one kind are made from what is known of a clip, and that from frames."""

    kind: str
    grid: SegmentGrid

    def known(self, heard, number):
        """What `features` needs of a clip; computed once."""
        if (self.kind, number) not in heard.known:
            heard.known[self.kind, number] = self.compute(heard.of(self.kind, number))
        return heard.known[self.kind, number]


class _Tagged(_Way):
    """Windows of the tagger: of each that a swap touches, all of its outputs are computed again."""

    def features(self, outputs):
        return FEATURES[self.kind].over_windows(outputs)

    def compute(self, frames):
        windows = _windows(frames)
        return np.concatenate(
            [
                FEATURES[self.kind].outputs(windows[first : first + BATCH])
                for first in range(0, len(windows), BATCH)
            ]
        )

    def swapped(self, pairs, mask):
        """Features of the second of each pair with parts of the first."""
        bands, seconds = self.grid.band_of(tagger.band_centres()), WINDOW_SECONDS
        changed = []
        for inside, outside in pairs:
            own, other = (
                _windows(heard.of(self.kind, number)) for heard, number in (outside, inside)
            )
            n = min(len(own), len(other))  # of clips of other lengths, what both have
            # windows are 8 ms shorter than stretches; the last begins 72 ms before its own, which
            # is less than a frame of the networks
            chosen = mask[bands][:, self.grid.stretch_of((np.arange(n) + 0.5) * seconds)].T
            at = np.flatnonzero(chosen.any(axis=1))
            changed.append((at, np.where(chosen[at, None], other[at], own[at])))
        windows = np.concatenate([new for _, new in changed])
        new = self.compute(windows) if len(windows) else windows
        ends = np.cumsum([len(at) for at, _ in changed])
        for (at, _), end, (_, outside) in zip(changed, ends, pairs):
            outputs = self.known(*outside).copy()
            if len(at):
                outputs[at] = new[end - len(at) : end]
            yield self.features(outputs)


class _Handcrafted(_Way):
    """Frames, each a sum over bands: those that a swap touches are put together anew."""

    def features(self, values):
        return mixed_features(values)

    def compute(self, frames):
        return frame_values(frames.T, Bands(self.grid.edges)).astype(np.float32)

    def swapped(self, pairs, mask):
        """Features of the second of each pair with parts of the first."""
        bands = Bands(self.grid.edges)
        for inside, outside in pairs:
            own, other = (heard.of(self.kind, number).T for heard, number in (outside, inside))
            n = min(own.shape[1], other.shape[1])  # of clips of other lengths, what both have
            chosen = mask[:, self.grid.stretch_of(np.arange(n) * HOP / SR)]
            at = np.flatnonzero(chosen.any(axis=0))
            values = self.known(*outside).copy()
            rows = mixed(other[:, at], own[:, at], chosen[:, at], bands)
            values[:, at] = frame_values(rows, bands)
            yield self.features(values)


def _windows(frames):
    """Frames of the tagger's spectrogram as its windows [shape=(windows, 187, 96)]."""
    return frames.reshape(-1, tagger.WINDOW, tagger.N_MELS)
