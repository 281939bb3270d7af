"""How much is computed by default: the report's amounts, or a tiny run's."""

import os
from dataclasses import dataclass

TINY = "HIPHOP_TINY"


@dataclass(frozen=True)
class RunSize:
    """Amounts of a run on the synthetic corpus.

    Parameters
    ----------
    corpus : str
        Name of its folder.
    rows : int
        Of its tracks table.
    folds : int or None
        Of the cross-validation; None for what the number of tracks asks for.
    epochs : int
        A training has at most.
    resamples : int
        Of a bootstrap.
    lime_seeds : tuple of int
        Of an explanation, under each filling.
    planted : int
        Clips that a network learns a planted cause from.
    """

    corpus: str = "synthetic"
    rows: int = 600
    folds: int | None = None
    epochs: int = 25
    resamples: int = 2000
    lime_seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    planted: int = 400


def run_size() -> RunSize:
    """Return the amounts: tiny ones where ``HIPHOP_TINY`` is set in the environment.

    With those every notebook runs through in a minute, which proves that it does; its results
    mean nothing.

    Returns
    -------
    RunSize
    """
    if os.environ.get(TINY):
        return RunSize("tiny", rows=80, folds=2, epochs=2, resamples=200, lime_seeds=(0, 1),
                       planted=40)
    return RunSize()
