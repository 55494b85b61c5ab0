"""The limits of keys: how each is counted, and why a request is refused.

A request is let in for what it may cost: so many predictions, and for each of them about so many tokens
and dollars. That is its hold, and it counts from then on. When the request has ended, the hold is settled
by what really ran. Predictions are known beforehand, so a limit on them is never passed. Tokens and
dollars are known afterwards only: such a limit is passed by no more than one prediction beyond what was
expected, since all but one of a request's predictions must fit.

A minute is any minute: what was let in counts for a whole one (and a little longer, since Replicate sees
it a little later), whatever came before.

A gateway that has its database to itself counts in memory (`ledger`). Gateways that share one count in it under
the key's lock (`counting`), and in memory besides: that is what they go by while the database does not answer.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal, NamedTuple

import msgspec

from ..errors import NO_RETRY, GatewayError, over_budget
from .keys import Key

Measure = Literal["predictions", "tokens", "dollars"]
Span = Literal["a minute", "at once", "in all"]

WINDOW = 60.5
"""Seconds for which something counts against a limit of a minute."""
LONGEST_WAIT = 60.0
"""Seconds of a `Retry-After`. Most versions of OpenAI's and Anthropic's SDKs ask again at once, in vain, if it is
longer."""


class Limit(NamedTuple):
    """How the limit that a key has in its field `field` is counted."""

    field: str
    measure: Measure
    span: Span


BUDGET = Limit("max_budget", "dollars", "in all")
LIMITS = (
    Limit("rpm_limit", "predictions", "a minute"),
    Limit("tpm_limit", "tokens", "a minute"),
    Limit("max_parallel_requests", "predictions", "at once"),
    BUDGET,
)
"""All limits. A new one is a line here, and a field in `keys.KeyLimits`."""

MEASURES: tuple[Measure, ...] = ("predictions", "tokens", "dollars")
_CODES = {"a minute": "rate_limit_exceeded", "at once": "parallel_limit"}


_new_id = partial(secrets.token_hex, 12)


class Hold(msgspec.Struct, kw_only=True):
    """What a request was let in for; tokens and dollars are of all its predictions together.

    `at` is when, in seconds since 1970, by the database's clock.
    """

    id: str = msgspec.field(default_factory=_new_id)
    key_id: str
    at: float = 0.0
    predictions: int
    tokens: int
    dollars: float

    def again(self) -> Hold:
        """A hold of the same size with a new id: the old one may still be in the database, on its way out."""
        return msgspec.structs.replace(self, id=_new_id())


class Again(msgspec.Struct, frozen=True):
    """One more prediction of a request that is in: what failed, or did not fit, is asked again.

    Attributes:
        tokens: that it is expected to take.
        before, dollars: what the request is expected to take without it, and with it, by what is known by now.
    """

    tokens: int
    before: float
    dollars: float


class SettledHold(msgspec.Struct, frozen=True):
    """What a hold has really taken."""

    hold_id: str
    tokens: int
    dollars: float


Taken = dict[tuple[Measure, Span], float]
"""How much of each limit a key has taken."""
Recent = Callable[[Measure], Iterable[tuple[float, float]]]
"""Gives what counts in the minute of a measure: since when and how much, oldest first."""


class RoomTaken(GatewayError):
    """A refusal because requests in flight take all the room; it passes when one of them ends."""


def refusal(
    key: Key, hold: Hold, taken: Taken, recent: Recent, now: float, limits: Sequence[Limit] = LIMITS
) -> GatewayError | None:
    """Why the key may not have the hold; None if it may.

    Args:
        taken: what its other holds take; of dollars, what is held and not yet spent.
    """
    for limit in limits:
        most = getattr(key, limit.field)
        if most is None:
            continue
        in_budget = limit.span == "in all"
        used = taken[limit.measure, limit.span] + (key.spend if in_budget else 0.0)
        all_but_one = _all_but_one(hold, limit.measure)
        if used + all_but_one < most:
            continue
        never = all_but_one >= most
        if in_budget:
            return _beyond_budget(key, most, hold, never)
        return _limited(limit, most, hold, never, partial(_wait, key, hold, recent, now))
    return None


def refusal_of_more(key: Key, hold: Hold, again: Again, taken: Taken, now: float) -> GatewayError | None:
    """Why a request that is in with this hold may not make one more prediction.

    Only a budget can refuse it. What a minute allows is for new requests: this one has begun, and is paid in part.
    """
    if again.dollars <= hold.dollars:
        return None
    one = msgspec.structs.replace(hold, predictions=1)
    budget = BUDGET.measure, BUDGET.span
    known = {**taken, budget: taken[budget] - hold.dollars + again.before}
    return refusal(key, one, known, lambda measure: (), now, (BUDGET,))


def _all_but_one(hold: Hold, measure: Measure) -> float:
    """What all predictions of a hold but one are expected to take; of predictions, how many those are."""
    amount: float = getattr(hold, measure)
    return amount * (hold.predictions - 1) / hold.predictions


def _beyond_budget(key: Key, most: float, hold: Hold, never: bool) -> GatewayError:
    budget = f"${_plain(most)}"
    if key.spend >= most:
        renews = " until it renews" if key.budget_duration is not None else ""
        return over_budget(f"This key has used up its budget of {budget}{renews}.")
    if never:
        return over_budget(
            f"This request asks for {hold.predictions} predictions, which may cost more than this key's "
            f"budget of {budget}: ask for fewer at once."
        )
    left = _plain(round(most - key.spend, 8))
    message = f"This key has ${left} of its budget of {budget} left, and this may need more."
    return over_budget(message, RoomTaken)


def _limited(limit: Limit, most: float, hold: Hold, never: bool, wait: Callable[[], float]) -> GatewayError:
    code = _CODES[limit.span]
    named = f"{limit.field} of this key allows {_plain(most)} {limit.measure} {limit.span}"
    if never:
        what = f"{hold.predictions} predictions" if limit.measure == "predictions" else "more"
        message = f"{named}, and this request asks for {what}."
        return GatewayError(429, message, type="requests", code=code, headers=NO_RETRY)
    if limit.span == "at once":
        message = f"{named}, and they are in flight."
        return RoomTaken(429, message, type="requests", code=code, retry_after=1.0)
    seconds = min(max(1.0, wait()), LONGEST_WAIT)
    message = f"{named}. Try again in {math.ceil(seconds)} s."
    return GatewayError(429, message, type="requests", code=code, retry_after=seconds)


def _plain(number: float) -> str:
    return f"{number:.8f}".rstrip("0").rstrip(".")


def _wait(key: Key, hold: Hold, recent: Recent, now: float) -> float:
    """Seconds until the limits of a minute have room, as far as it is known by now."""
    waits = [0.0]
    for field, measure, span in LIMITS:
        most = getattr(key, field)
        if span == "a minute" and most is not None:
            room = most - 1 - _all_but_one(hold, measure)
            waits.append(_seconds_until(room, list(recent(measure)), now))
    return max(waits)


def _seconds_until(most: float, entries: Sequence[tuple[float, float]], now: float) -> float:
    """Seconds until no more than `most` is left of what was taken at these times, oldest first."""
    over = sum(amount for _, amount in entries) - most
    seconds = 0.0
    for at, amount in entries:
        if over <= 0:
            break
        over -= amount
        seconds = at + WINDOW - now
    return seconds
