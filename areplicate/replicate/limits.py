"""Taking turns: for requests, at the rate that Replicate allows an account, and for connections of the pool.

Replicate publishes 600 creations a minute and 3,000 other requests a minute, with short bursts
above that, and says in every answer how many are left.

A limiter is a queue. Its first waiter sleeps until the next request may be sent, and only then takes that
turn. So a waiter that leaves has taken nothing, a 429 delays all of them once, and they keep their order.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from contextvars import ContextVar
from enum import IntEnum
from itertools import chain

import anyio
from multidict import istr

from ..clock import now
from ..errors import RateLimitError
from .waiter import Waiter, one_waiter

CREATIONS_PER_MINUTE = 600.0
OTHERS_PER_MINUTE = 3000.0
_MARGIN = 0.98
"""How much of the allowed rate is used: requests do not arrive in the rhythm in which they leave."""
_SLOWEST = 1.0
"""Requests a minute below which a limiter never goes, however often it is throttled."""
_RECOVERY = 0.005
"""What each answer but a 429 gives back of the rate that 429s have taken."""
LONGEST_PAUSE = 600.0
"""Seconds that a server may make anybody wait. If it says more, it has not said when."""
_MINUTE = 60.0
_REMAINING, _RESET = istr("ratelimit-remaining"), istr("ratelimit-reset")
_MOST = 10**9
"""Requests of which no server allows more, whatever it says."""


class Rank(IntEnum):
    """Which requests go first: those of a lower rank. The list serves all callers, and cancelling saves money."""

    LIST = 0
    CANCEL = 1
    CALL = 2
    YIELDING = 3


RANK: ContextVar[Rank] = ContextVar("rank", default=Rank.CALL)
"""The rank of requests in this context."""


class Limiter:
    """A token bucket that is fair (first come, first served within a `Rank`) and learns from answers.

    Args:
        per_minute: the allowed rate to begin with; as many may come in one burst.
    """

    def __init__(self, per_minute: float) -> None:
        self.per_minute = per_minute
        self._allowed = per_minute
        self._burst = math.inf
        """Turns that may be taken at once, if those are fewer than a minute's."""
        self._next = -math.inf
        """When the next turn is due. The further in the past, the more turns were left unused."""
        self._paused_until = -math.inf
        self._queues: list[OrderedDict[Waiter, None]] = [OrderedDict() for _ in Rank]

    def ready(self) -> bool:
        """Whether one more request could be sent at once."""
        return not self._ahead(Rank.CALL) and self._wait(now()) <= 0

    async def acquire(self, deadline: float = math.inf) -> float:
        """Returns when one more request may be sent, and gives the time (`anyio.current_time()`).

        Raises `RateLimitError` at once if that is after `deadline` (`anyio.current_time()`).
        """
        time = now()
        if time >= self._next and time >= self._paused_until and not any(self._queues):
            self._take(time)
            return time
        wait = self._wait(time)
        wait = max(0.0, wait) + self._ahead(RANK.get()) * self._interval()
        if time + wait > deadline:
            raise RateLimitError(
                f"The account's rate limit allows this request in {wait:.0f} s, which is after its deadline.",
                retry_after=wait,
                request_sent=False,
            )
        return await self._queued()

    async def _queued(self) -> float:
        queue = self._queues[RANK.get()]
        waiter = one_waiter()
        queue[waiter] = None
        try:
            while True:
                if self._first() is not waiter:
                    await waiter.wait()
                    if self._first() is not waiter:  # another has come that goes first
                        del queue[waiter]
                        waiter = one_waiter()
                        queue[waiter] = None
                        queue.move_to_end(waiter, last=False)
                elif (wait := self._wait(now())) > 0:
                    await anyio.sleep(wait)
                else:
                    self._take(time := now())
                    return time
        finally:
            del queue[waiter]
            if (first := self._first()) is not None:
                first.set()

    def _first(self) -> Waiter | None:
        """The waiter whose turn is next."""
        return next(chain.from_iterable(self._queues), None)

    def _ahead(self, rank: Rank) -> int:
        """How many wait that go before another of that rank."""
        return sum(map(len, self._queues[: rank + 1]))

    def throttled(
        self, retry_after: float, per_minute: float | None = None, burst: int | None = None
    ) -> None:
        """An answer was 429: nobody sends for `retry_after` seconds, and less often from then on.

        `per_minute` and `burst` are what the answer says that the account is held to.
        """
        time = now()
        if per_minute is not None and burst is not None:
            self.per_minute = self._allowed = max(_SLOWEST, per_minute)
            self._burst = max(1, burst)
        elif time >= self._paused_until:  # of the requests that were out together, one 429 counts
            self.per_minute = max(_SLOWEST, self.per_minute / 2)
        self._spend_all_but(0, time)
        self._pause(time, retry_after)

    def observe(self, time: float, remaining: int | None, reset: float | None) -> None:
        """Learns from an answer's `ratelimit-remaining` (requests) and `ratelimit-reset` (seconds)."""
        slowed = self.per_minute < self._allowed
        if remaining is not None and remaining > self._allowed:  # more than the published rate is allowed
            self._allowed, self._burst = remaining + 1.0, math.inf
        if slowed:  # it was throttled, and goes well again
            self.per_minute = min(self._allowed, self.per_minute + self._allowed * _RECOVERY)
        else:
            self.per_minute = self._allowed
        if remaining is None:
            return
        remaining = max(0, remaining)
        self._spend_all_but(remaining, time)
        if remaining == 0 and reset:
            self._pause(time, reset)

    def _interval(self) -> float:
        return _MINUTE / (self.per_minute * _MARGIN)

    def _wait(self, time: float) -> float:
        """Seconds until the next turn; not above 0 if one is due."""
        return max(self._next, self._paused_until) - time

    def _take(self, time: float) -> None:
        interval = self._interval()
        unused = min(_MINUTE, (self._burst - 1) * interval)
        self._next = max(self._next, time - unused) + interval

    def _pause(self, time: float, seconds: float) -> None:
        """Lets nobody send for that many seconds; no turns gather meanwhile."""
        until = time + (seconds if 0 < seconds <= LONGEST_PAUSE else 0.0)
        if until > self._paused_until:
            self._next = max(self._next, time - _MINUTE) + until - max(time, self._paused_until)
            self._paused_until = until

    def _spend_all_but(self, remaining: int, time: float) -> None:
        begins = max(time, self._paused_until)
        self._next = max(self._next, begins - remaining * _MINUTE / self.per_minute)


def ratelimit(headers: Mapping[str, str]) -> tuple[int | None, float | None]:
    """`ratelimit-remaining` (requests) and `ratelimit-reset` (seconds), None if absent."""
    remaining, reset = headers.get(_REMAINING), headers.get(_RESET)
    try:
        return (min(int(remaining), _MOST) if remaining else None), (float(reset) if reset else None)
    except ValueError:
        return None, None


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
        """Takes a slot; False if none is free."""
        if self._free <= 0 or (self._of is not None and not self._of.take()):
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        self._free += 1
        if self._of is not None:
            self._of.give_back()


class Turns:
    """Connections that requests share for a moment each, and for which accounts take turns.

    An account with one waiting request is served as soon as one with thousands.
    """

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: OrderedDict[object, OrderedDict[Waiter, None]] = OrderedDict()

    async def acquire(self, account: object) -> None:
        if self._free > 0:
            self._free -= 1
            return
        waiter = one_waiter()
        queue = self._waiting.setdefault(account, OrderedDict())
        queue[waiter] = None
        try:
            await waiter.wait()
        except BaseException:
            if waiter not in queue:  # it has just been given a turn
                self.release()
            else:
                del queue[waiter]
                if not queue:
                    del self._waiting[account]
            raise

    def release(self) -> None:
        if not self._waiting:
            self._free += 1
            return
        account, queue = self._waiting.popitem(last=False)
        waiter, _ = queue.popitem(last=False)
        if queue:
            self._waiting[account] = queue
        waiter.set()
