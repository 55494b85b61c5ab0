"""What the process frees goes back to the system at once."""

from __future__ import annotations

import contextlib
import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8


def give_back_early() -> None:
    """Sets glibc's allocator, before there are threads.

    By itself it raises its threshold with the first prompt of some size, and keeps what a hundred of them once
    took, twice their bytes, for good. From now on what is larger than a read from a socket is mapped on its own,
    and all threads, which wait for the database, share the heap.
    Source: mallopt(3).
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(AttributeError, OSError):  # another C library, such as musl
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 16)
        libc.mallopt(_M_TRIM_THRESHOLD, 1 << 17)
        libc.mallopt(_M_ARENA_MAX, 1)
