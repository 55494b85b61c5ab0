"""Holds code to little work, where a mistake once let it take minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quickly() -> Iterator[None]:
    """Fails if what is done within it takes more than five seconds of this thread's processor time: several times as
    much as it takes on a slow machine, and a small part of what the mistake took on a fast one."""
    begun = time.thread_time()
    yield
    assert time.thread_time() - begun < 5
