"""What is said on standard error: progress where somebody looks, no chatter of libraries."""

import contextlib
import os
import threading

from tqdm.auto import tqdm

_lock, _silent, _kept = threading.Lock(), 0, None  # how many are inside, and what 2 was before


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
