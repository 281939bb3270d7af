"""Where in a clip of the synthetic corpus the causes of its popularity act, on a grid of cells."""

import json
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Acting:
    """A cause in one track.

    Parameters
    ----------
    cells : np.ndarray of bool [shape=(n_bands, n_cells)]
        Cells that it acts in: of bands that it reaches into, and of stretches that it fills at
        least half of, or, where it fills none that far, the stretch that it fills most.
    weight : float
        Of the cause, relative to the others.
    value : float
        In standard deviations, above 0 where it speaks for popularity.
    """

    cells: np.ndarray
    weight: float
    value: float

    @property
    def side(self):
        """1 where it speaks for popularity, -1 where against."""
        return 1 if self.value > 0 else -1


def read_truth(task):
    """What a synthetic corpus' popularity is made of, dict; None of any other corpus."""
    path = task.folder / "truth.json"
    return json.loads(path.read_text()) if path.is_file() else None


def acting(truth, track_id, grid):
    """The causes in a track, dict of str to Acting.

    Parameters
    ----------
    truth : dict
        From `read_truth`.
    track_id : str
    grid : Grid
    """
    causes = {}
    for name, found in truth["tracks"][track_id]["causes"].items():
        cause = truth["causes"][name]
        low, high = cause["band_hz"]
        bands = [lower < high and upper > low for lower, upper in grid.bands.values()]
        shares = np.array([_filled(grid.span(cell), found["times_s"])
                           for cell in range(grid.shape[1])])
        stretches = (shares > 0) & (shares >= min(0.5, shares.max()))
        causes[name] = Acting(np.outer(bands, stretches), cause["weight"], found["value"])
    return causes


def strongest(causes):
    """The cause that moves a track most, Acting, of what `acting` gives."""
    return max(causes.values(), key=lambda cause: abs(cause.weight * cause.value))


def _filled(span, times):
    """Share of a span in s that lies within some of the times."""
    start, end = span
    return sum(max(0.0, min(end, stop) - max(start, begin)) for begin, stop in times) / (
        end - start)
