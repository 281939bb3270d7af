"""The C library's memory: kept for the next step instead of handed back."""

import ctypes
import os
import sys

# of glibc's malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
USERS_CHOICE = ("GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_ARENA_MAX")


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
