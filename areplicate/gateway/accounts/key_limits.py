"""What a key may do now, and how that is counted.

A request is let in for what it may cost: so many predictions, and for each of them about so many tokens
and dollars. That is its hold, and it counts from then on. When the request has ended, the hold is settled
by what really ran. Predictions are known beforehand, so a limit on them is never passed. Tokens and
dollars are known afterwards only: such a limit is passed by no more than one prediction beyond what was
expected, since all but one of a request's predictions must fit.

A minute is any minute: what was let in counts for a whole one (and a little longer, since Replicate sees
it a little later), whatever came before.

A gateway that has its database to itself counts in memory. Gateways that share one count in it under the
key's lock, and in memory besides: that is what they go by while the database does not answer.
"""

from __future__ import annotations

import math
import secrets
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import msgspec

from ..errors import NO_RETRY, GatewayError, over_budget, too_many
from .keys import Key

Measure = Literal["predictions", "tokens", "dollars"]
Span = Literal["a minute", "at once", "in all"]

WINDOW = 60.5
"""Seconds for which something counts against a limit of a minute."""


class Limit(NamedTuple):
    """How the limit that a key has in its field `field` is counted."""

    field: str
    measure: Measure
    span: Span


LIMITS = (
    Limit("rpm_limit", "predictions", "a minute"),
    Limit("tpm_limit", "tokens", "a minute"),
    Limit("max_parallel_requests", "predictions", "at once"),
    Limit("max_budget", "dollars", "in all"),
)
"""All limits. A new one is a line here, a field in `keys.KeyLimits`, and a step in `tables`."""

_MEASURES: tuple[Measure, ...] = ("predictions", "tokens", "dollars")
_CODES = {"a minute": "rate_limit_exceeded", "at once": "parallel_limit"}


class Hold(msgspec.Struct, kw_only=True):
    """What a request was let in for; tokens and dollars are of all its predictions together.

    `at` is in seconds since 1970, by the database's clock.
    """

    id: str
    key_id: str
    at: float
    predictions: int
    tokens: int
    dollars: float


class SettledHold(msgspec.Struct, frozen=True):
    """What a hold has really taken."""

    hold_id: str
    tokens: int
    dollars: float


def new_hold(key_id: str, *, predictions: int, tokens: int, dollars: float) -> Hold:
    return Hold(
        id=secrets.token_hex(12),
        key_id=key_id,
        at=0.0,
        predictions=predictions,
        tokens=tokens,
        dollars=dollars,
    )


Taken = dict[tuple[Measure, Span], float]
"""How much of each limit a key has taken."""


class RoomTaken(GatewayError):
    """A refusal that may be over when a request in flight ends."""

    def __init__(self, refusal: GatewayError) -> None:
        super().__init__(
            refusal.status, refusal.message, type=refusal.type, code=refusal.code, headers=refusal.headers
        )


def refusal(key: Key, hold: Hold, taken: Taken, wait: Callable[[], float]) -> GatewayError | None:
    """Why the key may not have the hold; None if it may.

    Args:
        taken: what its other holds take; of dollars, what is held and not yet spent.
        wait: seconds until something that counts in the minute no longer does.
    """
    for field, measure, span in LIMITS:
        limit = getattr(key, field)
        if limit is None:
            continue
        used = taken[measure, span] + (key.spend if span == "in all" else 0.0)
        all_but_one = _all_but_one(hold, measure)
        if used + all_but_one >= limit:
            never = all_but_one >= limit
            return _refused(key, Limit(field, measure, span), limit, hold, never, wait)
    return None


def _all_but_one(hold: Hold, measure: Measure) -> float:
    """What all predictions of a hold but one are expected to take; of predictions, how many those are."""
    amount: float = getattr(hold, measure)
    return amount * (hold.predictions - 1) / hold.predictions


def _refused(
    key: Key, limit: Limit, most: float, hold: Hold, never: bool, wait: Callable[[], float]
) -> GatewayError:
    if limit.span == "in all":
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
        return RoomTaken(
            over_budget(f"This key has ${left} of its budget of {budget} left, and this may need more.")
        )
    named = f"{limit.field} of this key allows {_plain(most)} {limit.measure} {limit.span}"
    if never:
        what = f"{hold.predictions} predictions" if limit.measure == "predictions" else "more"
        code = _CODES[limit.span]
        message = f"{named}, and this request asks for {what}."
        return GatewayError(429, message, type="requests", code=code, headers=NO_RETRY)
    if limit.span == "at once":
        return RoomTaken(too_many(f"{named}, and they are in flight.", 1.0, _CODES[limit.span]))
    seconds = max(1.0, wait())
    return too_many(f"{named}. Try again in {math.ceil(seconds)} s.", seconds, _CODES[limit.span])


def _plain(number: float) -> str:
    return f"{number:.8f}".rstrip("0").rstrip(".")


class Ledger:
    """What keys have taken of their limits, in memory."""

    def __init__(self) -> None:
        self._pages: dict[str, _Page] = {}

    def admit(self, key: Key, hold: Hold, now: float, *, alone: bool = True) -> None:
        """Takes the hold in, or raises the `GatewayError` that refuses it.

        Args:
            alone: whether what is known here is all there is. If not, money is the database's business:
                what others have spent by now is known there alone.
        """
        key = key.renewed(now)
        page = self._page(key)
        known = msgspec.structs.replace(
            key, spend=page.spent or 0.0, max_budget=key.max_budget if alone else None
        )
        if refused := refusal(known, hold, page.taken(now), lambda: page.wait(key, hold, now)):
            raise refused
        hold.at = now
        page.open(hold)

    def settle(self, hold: Hold, tokens: int, dollars: float, now: float) -> None:
        """The request has ended, and took that much."""
        if (page := self._pages.get(hold.key_id)) is not None:
            page.close(hold)
            page.windows["tokens"].add(now, tokens)
            page.windows["dollars"].add(now, dollars)
            page.spent = (page.spent or 0.0) + dollars

    def give_back(self, hold: Hold) -> None:
        """The request was let in here, but nothing was asked of Replicate for it."""
        if (page := self._pages.get(hold.key_id)) is not None:
            page.close(hold)
            page.windows["predictions"].take_back(hold.at, hold.predictions)

    def remember(self, key_id: str, at: float, predictions: int, tokens: int) -> None:
        """What a key took before this process began, oldest first."""
        page = self._pages.setdefault(key_id, _Page(None))
        page.windows["predictions"].add(at, predictions)
        page.windows["tokens"].add(at, tokens)

    def saw(self, key: Key) -> None:
        """The database has said what the key has spent."""
        page = self._page(key)
        page.spent, page.resets_at = key.spend, key.budget_resets_at

    def forget(self, key_id: str) -> None:
        self._pages.pop(key_id, None)

    def _page(self, key: Key) -> _Page:
        if (page := self._pages.get(key.id)) is None:
            page = self._pages[key.id] = _Page(key)
        elif page.spent is None or page.resets_at != key.budget_resets_at:  # its budget is another one
            page.spent, page.resets_at = key.spend, key.budget_resets_at
        return page


class _Page:
    """What one key has taken."""

    __slots__ = ("held", "resets_at", "spent", "windows")

    def __init__(self, key: Key | None) -> None:
        self.spent = None if key is None else key.spend
        self.resets_at = None if key is None else key.budget_resets_at
        self.held: dict[Measure, float] = dict.fromkeys(_MEASURES, 0)
        self.windows = {measure: _Window() for measure in _MEASURES}

    def open(self, hold: Hold) -> None:
        for measure in _MEASURES:
            self.held[measure] += getattr(hold, measure)
        # Predictions count when they begin, the rest when it is known.
        self.windows["predictions"].add(hold.at, hold.predictions)

    def close(self, hold: Hold) -> None:
        for measure in _MEASURES:
            self.held[measure] -= getattr(hold, measure)
        if not self.held["predictions"]:
            self.held = dict.fromkeys(_MEASURES, 0)  # sums of floats drift

    def taken(self, now: float) -> Taken:
        taken: Taken = {}
        for measure in _MEASURES:
            held = self.held[measure]
            recent = self.windows[measure].total(now)
            taken[measure, "at once"] = taken[measure, "in all"] = held
            taken[measure, "a minute"] = recent if measure == "predictions" else recent + held
        return taken

    def wait(self, key: Key, hold: Hold, now: float) -> float:
        """Seconds until the limits of a minute have room, as far as it is known by now."""
        waits = [0.0]
        for field, measure, span in LIMITS:
            limit = getattr(key, field)
            if span == "a minute" and limit is not None:
                waits.append(wait_for(self.windows[measure].entries, room_for(hold, measure, limit), now))
        return max(waits)


class _Window:
    """What was taken in the last minute."""

    __slots__ = ("_total", "entries")

    def __init__(self) -> None:
        self.entries: deque[tuple[float, float]] = deque()
        self._total = 0.0

    def add(self, now: float, amount: float) -> None:
        if amount:
            self.entries.append((now, amount))
            self._total += amount

    def total(self, now: float) -> float:
        while self.entries and self.entries[0][0] <= now - WINDOW:
            self._total -= self.entries.popleft()[1]
        if not self.entries:
            self._total = 0.0  # sums of floats drift
        return self._total

    def take_back(self, at: float, amount: float) -> None:
        if (at, amount) in self.entries:
            self.entries.remove((at, amount))
            self._total -= amount


def room_for(hold: Hold, measure: Measure, limit: float) -> float:
    """How much may be taken already if the hold is to fit."""
    return limit - 1 - _all_but_one(hold, measure)


def wait_for(entries: Iterable[tuple[float, float]], most: float, now: float) -> float:
    """Seconds until no more than `most` is left of what was taken at these times, oldest first."""
    entries = list(entries)
    over = sum(amount for _, amount in entries) - most
    seconds = 0.0
    for at, amount in entries:
        if over <= 0:
            break
        over -= amount
        seconds = at + WINDOW - now
    return seconds
