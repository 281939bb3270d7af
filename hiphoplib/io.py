"""Files that are there whole or not at all."""

import os
from contextlib import contextmanager
from pathlib import Path


def write_whole(path, content):
    """Write a file under a temporary name and rename it, so that a half-written one never counts.

    Parameters
    ----------
    path : path-like
        Its folder is made if it is not there.
    content : bytes, str or callable
        Text is written as UTF-8; a function gets the open file and writes to it.

    Raises
    ------
    OSError
        Names the file, for instance where the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        with naming(path):
            with part.open("wb") as file:
                if callable(content):
                    content(file)
                else:
                    file.write(content.encode() if isinstance(content, str) else content)
            os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)  # a full disk is not made fuller
        raise


@contextmanager
def naming(path):
    """Put a file's name into errors of the system, many of which have none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
