"""Remembers a SIGHUP that comes before the event loop can handle it.

By default the signal ends a process. The command handles it from its first line on; once the event loop runs, that
takes over, and reads the configuration again if the signal has come meanwhile.
"""

from __future__ import annotations

import signal
from types import FrameType

_come: list[int] = []


def remember() -> None:
    """From now on SIGHUP is remembered."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, _remember)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])


def take_over() -> bool:
    """Whether SIGHUP has come so far; the caller handles the signal from then on."""
    come = bool(_come)
    _come.clear()
    return come


def _remember(number: int, frame: FrameType | None) -> None:
    _come.append(number)
