"""Folders that are there whole or not at all, however large they are."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(folder):
    """Write a folder anew beside the one that stands, which it replaces at the end.

    A disk renames no folder onto another one, so the old one steps aside before. Where the new
    one cannot take its place, or an error comes before, the old one stands again; where the
    process is killed in between, `standing` finds it and `recover` puts it back.

    Parameters
    ----------
    folder : path-like
        It need not be there. What an earlier process left of it is gone, see `recover`.

    Yields
    ------
    new : Path
        An empty folder.

    Raises
    ------
    OSError
        If a folder cannot be made or renamed: on Windows, while somebody reads from it.
    """
    folder, new, old = _places(folder)
    new.mkdir(parents=True)
    try:
        yield new
        if folder.exists():
            os.replace(folder, old)
        os.replace(new, folder)
    except BaseException:
        recover(folder)  # a full disk is not made fuller
        raise
    shutil.rmtree(old, ignore_errors=True)


def recover(folder):
    """Undo an exchange that was killed half way, and remove what is left of any."""
    folder, new, old = _places(folder)
    if old.exists() and not folder.exists():
        os.replace(old, folder)
    for rest in (new, old):
        if rest.exists():
            shutil.rmtree(rest)


def standing(folder):
    """Where to read a folder: where it stepped aside to, if nothing has taken its place."""
    old = _places(folder)[2]
    return old if old.exists() and not Path(folder).exists() else Path(folder)


def _places(folder):
    """Paths of a folder, of the new one beside it, and of the old one that steps aside."""
    folder = Path(folder).resolve()  # a link to another disk stays one
    return folder, *(folder.with_name(f"{folder.name}.{end}") for end in ("new", "old"))
