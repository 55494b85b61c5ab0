"""Holding an account to the rate of requests that Replicate allows it.

Replicate publishes 600 creations a minute and 3,000 other requests a minute, with short bursts
above that, and tells on every answer how many are left.
"""

from __future__ import annotations

import math

import anyio

from ..clock import now
from ..errors import RateLimitError

CREATIONS_PER_MINUTE = 600.0
OTHERS_PER_MINUTE = 3000.0
_MARGIN = 0.98
"""How much of the allowed rate is used: requests do not arrive in the rhythm in which they leave."""
_SLOWEST = 1.0
"""Requests a minute below which a limiter never goes, however often it is throttled."""
_RECOVERY = 0.005
"""What each answer but a 429 gives back of the rate that 429s have taken."""
_LONGEST_PAUSE = 600.0
"""Seconds that a server may make everybody wait."""
_WINDOW = 60.0
"""Seconds' worth of unused slots that may be taken in one burst."""


class Limiter:
    """A token bucket that is fair (first come, first served) and learns from answers.

    It hands out slots on a clock of its own, which stands still while the account is throttled: one
    caller's 429 delays everybody's slot once, and keeps their order.

    Args:
        per_minute: the allowed rate to begin with.
    """

    def __init__(self, per_minute: float) -> None:
        self.per_minute = per_minute
        self._allowed = per_minute
        self._next_slot = float("-inf")
        self._paused_until = float("-inf")
        self._pauses = 0.0

    def ready(self) -> bool:
        """Whether one more request could be sent at once."""
        time = now()
        return time >= self._paused_until and self._next_slot <= self._clock(time)

    async def acquire(self, deadline: float = math.inf) -> float:
        """Returns when one more request may be sent, and gives the time (`anyio.current_time()`).

        Raises `RateLimitError` at once where that is after `deadline` (`anyio.current_time()`).
        """
        time = now()
        slot = max(self._next_slot, self._clock(time) - _WINDOW)
        wait = max(slot + self._pauses, self._paused_until) - time
        if time + wait > deadline:
            raise RateLimitError(
                f"The account's rate limit has no room for this request for another {wait:.0f} s.",
                retry_after=wait,
                request_sent=False,
            )
        self._next_slot = slot + _WINDOW / (self.per_minute * _MARGIN)
        while wait > 0:
            await anyio.sleep(wait)
            time = now()
            wait = max(slot + self._pauses, self._paused_until) - time
        return time

    def throttled(self, retry_after: float) -> None:
        """An answer was 429: nobody sends for `retry_after` seconds, and less often from then on."""
        time = now()
        if time >= self._paused_until:  # of the requests that were out together, one 429 counts
            self.per_minute = max(_SLOWEST, self.per_minute / 2)
        self._pause(time, retry_after)
        self._spend_all_but(0, time)

    def observe(self, time: float, remaining: int | None, reset: float | None) -> None:
        """Learns from an answer's `ratelimit-remaining` (requests) and `ratelimit-reset` (seconds)."""
        slowed = self.per_minute < self._allowed
        if remaining is not None and remaining > self._allowed:  # more than the published rate is allowed
            self._allowed = remaining + 1.0
        if slowed:  # it was throttled, and goes well again
            self.per_minute = min(self._allowed, self.per_minute + self._allowed * _RECOVERY)
        else:
            self.per_minute = self._allowed
        if remaining is None:
            return
        remaining = max(0, remaining)
        if remaining == 0 and reset:
            self._pause(time, reset)
        self._spend_all_but(remaining, time)

    def _clock(self, time: float) -> float:
        return max(time, self._paused_until) - self._pauses

    def _pause(self, time: float, seconds: float) -> None:
        until = time + (min(seconds, _LONGEST_PAUSE) if math.isfinite(seconds) else 0.0)
        if until > self._paused_until:
            self._pauses += until - max(time, self._paused_until)
            self._paused_until = until

    def _spend_all_but(self, remaining: int, time: float) -> None:
        left = remaining * _WINDOW / self.per_minute
        self._next_slot = max(self._next_slot, self._clock(time) - left)


class Slots:
    """Connections that may be held open by something that waits.

    Args:
        most: how many.
        of: where they are taken from, with others.
    """

    def __init__(self, most: int, of: Slots | None = None) -> None:
        self._free = most
        self._of = of

    def take(self) -> bool:
        """Takes a slot; False where none is free."""
        if self._free <= 0 or (self._of is not None and not self._of.take()):
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        self._free += 1
        if self._of is not None:
            self._of.give_back()
