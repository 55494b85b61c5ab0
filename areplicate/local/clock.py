"""What time it is, by the loop the stand-in runs on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timezone

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

    def start(self) -> None:
        """Follow the running loop from here on."""
        self.now = asyncio.get_running_loop().time
        self._offset = time.time() - self.now()

    def unix(self, instant: float) -> float:
        """The instant as seconds since 1970, to the microsecond that `timestamp` shows."""
        return round(instant + self._offset, 6)

    def timestamp(self, instant: float) -> str:
        """The instant as Replicate writes it: `2024-10-04T18:07:35.262123Z`."""
        moment = datetime.fromtimestamp(self.unix(instant), timezone.utc)
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
