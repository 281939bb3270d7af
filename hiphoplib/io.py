"""Files that are there whole or not at all."""

import contextlib
import os
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

from tqdm.auto import tqdm

_lock, _silent, _kept = threading.Lock(), 0, None  # how many are inside, and what 2 was before


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


@contextlib.contextmanager
def silent_stderr():
    """Send file descriptor 2 nowhere, to which decoders and TensorFlow write past `sys.stderr`.

    The descriptor is the whole process': of threads that overlap, the first to come silences it,
    and the last to leave gives it back. Each on its own would restore what another one had put
    there, and standard error would stay silent for ever.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter():
    global _silent, _kept
    with _lock:
        if not _silent:
            _kept = os.dup(2)
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 2)
        _silent += 1


def _leave():
    global _silent
    with _lock:
        _silent -= 1
        if not _silent:
            os.dup2(_kept, 2)
            os.close(_kept)


def progress(iterable=None, **options):
    """A progress bar; none where output is no terminal, nor with ``TQDM_DISABLE`` set.

    Notebooks that are executed unseen set it: a bar that stopped is no output to keep.
    """
    return tqdm(iterable, disable=True if os.environ.get("TQDM_DISABLE") else None, **options)
