"""What is known about the server's clock.

`created_at` of a prediction lies between the sending of its creation and the arrival of the answer, on the server's
clock. So each prediction that is answered bounds how far that clock is from ours, from both sides; and a row of the
list was created before it was read. A `Date` header would say less: proxies strip it, and it is a second coarse.
"""

from __future__ import annotations

import math
from datetime import datetime, timezone

from ..clock import now

MARGIN = 1.0
"""Seconds by which the clocks of Replicate's own machines may lie apart."""

_LATE = 1.0
"""Seconds that a creation may still be on its way to the server's clock when its connection has broken."""

_DRIFT = 1e-3
"""Seconds at most by which two clocks may come apart in a second."""

ONCE_IN = 1.0
"""Seconds after which one more answer may tell something new."""


class ServerClock:
    """Bounds for the server's time of day, in seconds since 1970, at a time on our own clock."""

    def __init__(self) -> None:
        self._least, self._most = -math.inf, math.inf
        """Seconds by which the server's clock is ahead of ours."""
        self._least_before, self._most_before = math.inf, -math.inf
        """The same bounds before one of the clocks was last set: ours stands still while the machine sleeps."""
        self._set_at = -math.inf
        """When that showed. What was sent until then may be of either time."""
        self.seen = -math.inf
        self.answered_at = -math.inf
        """When an answer told something last: only an answer bounds the clock from above."""

    def earliest(self, at: float, margin: float = MARGIN) -> float:
        """The server's time before which nothing sent at `at` was created; -inf if nothing is known."""
        least = self._least if at > self._set_at else min(self._least, self._least_before)
        return at + least - self._drift() - margin

    def latest(self, at: float, margin: float = MARGIN + _LATE) -> float:
        """The server's time after which nothing asked for until `at` was created; inf if nothing is known."""
        most = self._most if at > self._set_at else max(self._most, self._most_before)
        return at + most + self._drift() + margin

    def saw(self, created: float, sent: float, answered: float) -> None:
        """A prediction was asked for and answered at these times, and was created at that time of the server."""
        least, most = created - answered, created - sent
        self._forget_slowly()
        if least > self._most + MARGIN or most < self._least - MARGIN:  # one of the clocks was set
            self._least_before, self._most_before, self._set_at = self._least, self._most, now()
            self._least, self._most = least, most
        else:
            self._least, self._most = max(least, self._least), min(most, self._most)

    def answered(self, created_at: datetime | None, sent: float, answered: float) -> None:
        """`saw`, with the `created_at` of an answer; one answer in `ONCE_IN` seconds is enough."""
        self.answered_at = answered
        if (created := seconds(created_at)) is not None:
            self.saw(created, sent, answered)

    def assume(self, most: float) -> None:
        """The server's clock is `most` seconds ahead of ours at most, as long as nothing else is known. What it is at
        least must come from the server: rows that were left out by a wrong clock could not correct it."""
        if not math.isfinite(self._least) and not math.isfinite(self._most):
            self._most, self.seen = most, now()

    def saw_row(self, created: float, read: float) -> None:
        """The list shows a prediction that was created at that time of the server."""
        self.saw(created, -math.inf, read)

    def _forget_slowly(self) -> None:
        drift = self._drift()
        self._least -= drift
        self._most += drift
        self.seen = now()

    def _drift(self) -> float:
        """By how much the bounds may be wrong since the clock was last seen."""
        return (now() - self.seen) * _DRIFT if math.isfinite(self.seen) else 0.0


def seconds(time: datetime | None) -> float | None:
    """Seconds since 1970 of a timestamp; one without a zone is in UTC."""
    if time is None:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()


def timestamp(seconds: float) -> str:
    """Seconds since 1970 as Replicate writes them."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()
