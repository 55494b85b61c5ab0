"""What a fork waits for.

A forked child has its parent's locks without the threads that hold them. While Python imports a module, the module has
such a lock: a child that is forked meanwhile, and needs that module, waits for ever.
"""

from __future__ import annotations

import os
import threading

_LONGEST = 10.0
"""Seconds for which a fork waits at most."""


class _NoFork:
    """A context manager: no fork happens within its block."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._forking = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._wait, after_in_parent=self._go_on, after_in_child=self._go_on_in_child
            )

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _wait(self) -> None:
        self._forking = self._lock.acquire(timeout=_LONGEST)

    def _go_on(self) -> None:
        if self._forking:
            self._forking = False
            self._lock.release()

    def _go_on_in_child(self) -> None:
        if not self._forking:
            self._lock = threading.RLock()
        self._go_on()


no_fork = _NoFork()
"""Around imports that a call makes when it is the first to need them."""
