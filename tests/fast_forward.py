"""An event loop whose clock jumps ahead whenever nothing is left to do.

Tests run the real client against the real local server over real sockets; only waiting is skipped,
so that a cold boot of five minutes takes milliseconds and no result depends on the machine's speed.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from typing import Any

GRACE = 0.0001
"""Real seconds in which a loopback socket may still speak up before a jump."""
HELPERS_GRACE = 0.001
"""The same beside other threads: one of them may first have to be given a processor."""

_THREADS_OF_THE_RUNNER = threading.active_count()


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of sleeping until the next timer, moves the clock to it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if events := super().select(0):
            return events
        # To select for less than a millisecond takes a millisecond.
        time.sleep(HELPERS_GRACE if threading.active_count() > _THREADS_OF_THE_RUNNER else GRACE)
        events = super().select(0)
        if not events:
            self.now += timeout
        return events


class FastForwardLoop(asyncio.SelectorEventLoop):
    """Use it as `anyio.run(main, backend_options={"loop_factory": FastForwardLoop})`."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now
