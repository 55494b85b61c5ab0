"""An event loop whose clock jumps ahead whenever nothing is left to do.

Tests run the real client against the real local server over real sockets; only waiting is skipped,
so that a cold boot of five minutes takes milliseconds and no result depends on the machine's speed.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

GRACE = 0.0002
"""Real seconds in which a loopback socket or a helper thread may still speak up before a jump."""


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of sleeping until the next timer, moves the clock to it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        events = super().select(GRACE)
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
