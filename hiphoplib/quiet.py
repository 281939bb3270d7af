"""Compiled libraries that chatter on standard error, kept quiet."""

import contextlib
import os


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
