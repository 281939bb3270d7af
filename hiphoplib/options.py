"""Arguments and options that several commands have, and the kinds of values that they take."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
from click import argument, option

from hiphoplib.errors import BadInput


class Output(click.Path):
    """A file, or a folder, to write: whether that can be done is told before the work.

    Parameters
    ----------
    *endings : str
        One of which its name has to have.
    folder : bool
    """

    def __init__(self, *endings: str, folder: bool = False):
        super().__init__(path_type=Path)
        self.endings, self.folder = endings, folder

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:
        """Return the path.

        Parameters
        ----------
        value, param, ctx
            As click hands them over.

        Returns
        -------
        Path

        Raises
        ------
        BadInput
            If it cannot be written, or has another ending.
        """
        from hiphoplib.io import check_output

        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if self.endings and path.suffix.lower() not in self.endings:
            raise BadInput(
                f"{path}: can be {', '.join(self.endings)}; name it so, for example "
                f"{path.stem or 'name'}{self.endings[0]}"
            )
        check_output(path, self.folder)
        return path


def all_of(*decorators: Callable) -> Callable:
    """Return one decorator made of several arguments and options.

    Parameters
    ----------
    *decorators : callable

    Returns
    -------
    callable
    """

    def decorate(function):
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def _first_and_last(context, option, years):
    """First and last year of "1990-2020", or of "1999"."""
    first, _, last = years.partition("-")
    last = last or first
    if first.isdecimal() and last.isdecimal() and 1900 <= int(first) <= int(last) <= 2100:
        return int(first), int(last)
    raise click.BadParameter(f"{years} is not like 1990-2020")


SPLITS = ("artist", "time", "random")  # those of `splits.SPLITS`
PATH = click.Path(path_type=Path)
flag = partial(option, is_flag=True)
number = partial(option, type=click.IntRange(min=1))
folder = partial(option, type=Output(folder=True))
CORPUS = argument("corpus", type=PATH, metavar="data/NAME")
GRID = option(
    "--grid",
    type=click.Choice(["quick", "full"]),
    default="quick",
    help="64 bands x 323 frames, or 128 x 1292 as in 2021.",
)
FOLDS = option(
    "--folds",
    type=int,
    metavar="K",
    help="Folds of the cross-validation; 0: one split, 10 % for the test set. Default: 5 up to "
    "10,000 tracks, else 0; 3 for data/synthetic.",
)
SPLIT = option(
    "--split",
    type=click.Choice(SPLITS),
    default="artist",
    help="Keep each artist in one set, test on the newest tracks, or draw at random.",
)
PROTOCOL = all_of(CORPUS, GRID, FOLDS, SPLIT)
JOBS = option(
    "--jobs",
    type=int,
    default=-1,
    metavar="N",
    show_default=False,
    help="Processes; default: one per core. Results do not depend on it.",
)
JSON = option("--json", "out", type=Output(), metavar="FILE", help="Write the results here.")
years = partial(
    option, "--years", callback=_first_and_last, metavar="FIRST-LAST", help="Release years."
)
