"""Write files whole or not at all, silence compiled code, show progress, keep memory."""

import ctypes
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psutil
from tqdm.auto import tqdm

# of glibc's malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
USERS_CHOICE = ("GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_ARENA_MAX")
_silence = threading.RLock()


def write_whole(path: Path | str, content: bytes | str | Callable[[IO[bytes]], Any]) -> None:
    """Write a file under a temporary name and rename it, so that no half-written one is left.

    Parameters
    ----------
    path : path-like
        Its folder is made if it is not there.
    content : bytes, str or callable
        Text is written as UTF-8; a function is given the open file.

    Raises
    ------
    OSError
        Names the file, for instance where the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # others may write it as well, and its own name may be as long as a name can be
    part = path.with_name(f"{os.getpid()}-{threading.get_native_id()}.part")
    try:
        with naming(path):
            with part.open("wb") as file:
                if callable(content):
                    content(file)
                else:
                    file.write(content.encode() if isinstance(content, str) else content)
            os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def forget_parts(folder: Path | str) -> None:
    """Delete what `write_whole` had written in processes that were killed since.

    Parameters
    ----------
    folder : path-like
        And all folders in it.
    """
    for part in Path(folder).rglob("*-*.part"):
        process, _, thread = part.stem.partition("-")
        if process.isdigit() and thread.isdigit() and not psutil.pid_exists(int(process)):
            part.unlink(missing_ok=True)


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Put a file's name into errors of the system, many of which have none.

    Parameters
    ----------
    path : path-like

    Yields
    ------
    None

    Raises
    ------
    OSError
    """
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def replacing(folder: Path | str) -> Iterator[Path]:
    """Write a folder anew beside the old one, which it replaces at the end.

    No folder can be renamed onto another, so the old one steps aside first. After an error it
    stands again; after a kill in between, once the folder is written anew.

    Parameters
    ----------
    folder : path-like
        It need not be there.

    Yields
    ------
    Path
        The new folder, empty.

    Raises
    ------
    OSError
        If a folder cannot be made or renamed: on Windows, while somebody reads from it.
    """
    folder = Path(folder).resolve()  # a link to another disk stays one
    new, old = (folder.with_name(f"{folder.name}.{end}") for end in ("new", "old"))

    def clear():
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        for rest in (new, old):
            shutil.rmtree(rest, ignore_errors=True)

    clear()  # what a killed process left
    new.mkdir(parents=True)
    try:
        yield new
        if folder.exists():
            os.replace(folder, old)
        os.replace(new, folder)
    finally:
        clear()


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 nowhere, to which decoders and TensorFlow write past `sys.stderr`.

    Threads take turns, since the descriptor is the whole process'.

    Yields
    ------
    None
    """
    with _silence, open(os.devnull, "w") as nowhere:
        kept = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def progress(iterable: Iterable | None = None, **options: Any) -> tqdm:
    """Return a progress bar; none where output is no terminal, nor with ``TQDM_DISABLE`` set.

    Parameters
    ----------
    iterable : iterable, optional
        What to pass on; without it the bar is moved by its `update`.
    **options
        Of `tqdm`.

    Returns
    -------
    tqdm
    """
    return tqdm(iterable, disable=True if os.environ.get("TQDM_DISABLE") else None, **options)


def keep_memory() -> bool:
    """Have the C library keep the memory that this process frees, for what it takes next.

    TensorFlow takes and frees buffers of tens of megabytes at every step, and so do spectrograms.
    By default glibc maps each anew, and the kernel fills it with zeros, which takes up to half of
    the time. Returns whether it keeps it: not on other systems, with another C library or an older
    glibc, which refuses so high a threshold, or where the environment says what the user wants.
    """
    if sys.platform != "linux" or any(os.environ.get(name) for name in USERS_CHOICE):
        return False
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018 - other C libraries lack it
        set_option = libc.mallopt
    except (OSError, AttributeError):
        return False
    if not set_option(MMAP_THRESHOLD, 1 << 30):
        return False
    # one arena: those of other threads hold no large buffer and would map each of them all the same
    return bool(set_option(TRIM_THRESHOLD, (1 << 31) - 1) and set_option(ARENA_MAX, 1))
