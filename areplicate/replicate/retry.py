"""Which requests are tried again, when, and how often."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

import anyio
import backoff
import msgspec

from ..clock import now
from ..errors import APIConnectionError, APIError, InternalServerError, RateLimitError
from ..logs import logger
from .first_contact import FirstContact
from .limits import LONGEST_PAUSE

_TRANSIENT_STATUSES = frozenset({408, 425})
"""Besides 429, the 4xx after which the same request may succeed: the server waited in vain, or it was too early."""
_LONGEST_WAIT = 30.0
AFTER_REFUSALS = (0.5, 1.0, 2.0, 4.0)
"""Seconds before asking again if a request about a prediction that exists is refused: not every machine of Replicate's
knows a new one at once, and a proxy may refuse what the API does not."""
_DEFAULT_THROTTLE = 5.0
"""Seconds to hold back after a 429 that does not say for how long."""


def waits() -> Iterator[float]:
    """Seconds to wait before each retry: exponential, with full jitter."""
    return (backoff.full_jitter(ceiling) for ceiling in growing(base=2, factor=0.5, longest=_LONGEST_WAIT))


def growing(*, base: float, factor: float, longest: float) -> Iterator[float]:
    """`factor`, `factor * base`, `factor * base**2`, ... up to `longest`."""
    # backoff's generators yield None once before their first value, for its decorators' sake.
    return islice(backoff.expo(base=base, factor=factor, max_value=longest), 1, None)


def wanted_wait(error: APIError) -> float | None:
    """Seconds after which the server wants to be asked again; None if it does not say, or says more than
    anybody can wait for."""
    wait = error.retry_after
    return wait if wait is not None and wait <= LONGEST_PAUSE else None


def throttle_seconds(error: APIError) -> float:
    """How long everybody holds back after a 429."""
    wait = wanted_wait(error)
    return _DEFAULT_THROTTLE if wait is None else wait


def is_transient(error: APIError) -> bool:
    """Whether the same request may succeed later: after 408, 425, 429, 5xx, and broken connections."""
    transient = isinstance(error, (APIConnectionError, InternalServerError, RateLimitError))
    return transient or error.status_code in _TRANSIENT_STATUSES


class RetryPolicy(msgspec.Struct, frozen=True):
    """How often, and until when, a caller's request is tried again."""

    retries: int
    """How often one request is tried again."""
    deadline: float = math.inf
    """The `anyio.current_time()` by which all must be over."""


class RetryBudget:
    """Keeps clients from answering an outage with a storm of retries.

    Each success earns a part of a retry, up to a reserve. Once the reserve is spent, retries go on,
    but slowly: each waits for its turn.
    """

    def __init__(self, reserve: float = 100.0, earned: float = 0.2, per_second: float = 2.0) -> None:
        self.reserve = reserve
        self._earned = earned
        self._per_second = per_second
        self.left = reserve
        self._next_turn = -math.inf

    def succeeded(self) -> None:
        self.left = min(self.reserve, self.left + self._earned)

    def spend(self) -> float:
        """Takes one retry; returns the seconds that it has to wait for its turn."""
        if self.left >= 1:
            self.left -= 1
            return 0.0
        time = now()
        self._next_turn = max(self._next_turn, time) + 1 / self._per_second
        return self._next_turn - time


class Retries:
    """The retries left to one request, which was first sent at that time."""

    def __init__(self, contact: FirstContact, budget: RetryBudget, policy: RetryPolicy, sent: float) -> None:
        self._contact = contact
        self._budget = budget
        self._waits: Iterator[float] | None = None
        self._sent = sent
        self._tries = 0
        self._left = policy.retries
        self._deadline = policy.deadline

    async def after(self, error: APIError) -> None:
        """Waits until it is time to try again; raises `error` if the request is not tried again.

        It is not if that would not help, if no retry is left, or if the deadline would pass first: then the
        caller learns what was wrong, and not only that time ran out.
        """
        self._tries += 1
        wait = self._contact.wait(error, self._tries, self._sent)
        if self._left <= 0 or not is_transient(error):
            raise error
        self._left -= 1
        if wait is None:
            self._waits = self._waits or waits()
            wait = max(next(self._waits), wanted_wait(error) or 0.0) + self._budget.spend()
        if now() + wait > self._deadline:
            raise error
        logger.debug("Trying again in %.1f s: %s", wait, error)
        await anyio.sleep(wait)
