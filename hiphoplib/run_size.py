"""How much is computed by default: the report's amounts, or a tiny run's."""

import os
from dataclasses import dataclass

TINY = "HIPHOP_TINY"


@dataclass(frozen=True)
class RunSize:
    """Amounts of a run on the synthetic corpus."""

    corpus: str = "synthetic"  # name of its folder
    rows: int = 1200  # of its tracks table
    folds: int = 3  # of its cross-validation
    epochs: int = 20  # that a training has at most
    resamples: int = 2000  # of a bootstrap
    lime_seeds: tuple[int, ...] = (0, 1, 2, 3, 4)  # of an explanation, under each fill value
    planted: int = 800  # clips that a network learns a planted cause from


def run_size() -> RunSize:
    """Return the amounts: tiny ones where ``HIPHOP_TINY`` is set in the environment.

    With those every notebook runs through in a minute, which proves that it does; its results
    mean nothing.
    """
    if os.environ.get(TINY):
        return RunSize(
            "tiny", rows=80, folds=2, epochs=2, resamples=200, lime_seeds=(0, 1), planted=40
        )
    return RunSize()
