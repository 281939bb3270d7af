"""What is said on standard error: progress where somebody looks, no chatter of libraries."""

import contextlib
import os

from tqdm.auto import tqdm


@contextlib.contextmanager
def silent_stderr():
    """Send file descriptor 2 nowhere, to which decoders and TensorFlow write past `sys.stderr`."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def progress(iterable=None, **options):
    """A progress bar; none where output is no terminal, nor with ``TQDM_DISABLE`` set.

    Notebooks that are executed unseen set it: a bar that stopped is no output to keep.
    """
    return tqdm(iterable, disable=True if os.environ.get("TQDM_DISABLE") else None, **options)
