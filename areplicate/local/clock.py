"""The stand-in's clock, which follows the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import formatdate

TICK = 1e-6
"""Seconds that count as the same instant: timers may fire a clock's resolution early."""


class Clock:
    """The running loop's clock, with the wall's time read off once at the start.

    Nothing else in the stand-in looks at a clock, so that on a loop whose time is skipped the
    timestamps and the waits skip together.
    """

    def __init__(self) -> None:
        self.now: Callable[[], float] = time.monotonic
        """Seconds on the loop's clock, the unit of every instant in this package."""
        self._offset = 0.0
        self._dated, self._date = 0, ""

    def start(self) -> None:
        """Follow the running loop from here on."""
        self.now = asyncio.get_running_loop().time
        self._offset = time.time() - self.now()

    def http_date(self) -> str:
        """Now, as a `Date` header says it."""
        second = int(self.now() + self._offset)
        if second != self._dated:
            self._dated, self._date = second, formatdate(second, usegmt=True)
        return self._date

    def wall(self, instant: float) -> datetime:
        """The instant as a time of day, which `msgspec` writes as Replicate does."""
        return datetime.fromtimestamp(instant + self._offset, timezone.utc)
