"""What a key may do now: requests a minute, requests in flight, dollars.

A request that is let through holds an estimate of its cost until the true cost is known. Requests are
let through while spent and held dollars leave room for their own estimate, or while nothing is held
and the budget is not used up. So a key passes its budget by no more than what the requests in flight
at that moment cost beyond their estimates.

There are two ways of counting. A gateway that has its database to itself (SQLite, one process) counts
in memory, which costs microseconds. Gateways that share one count in it, in one short transaction
under the key's row lock: exact across workers and machines, and a few milliseconds a request, for
keys that have a limit only.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

import msgspec

from ..http.errors import GatewayError, over_budget, too_many
from .keys import Key

if TYPE_CHECKING:
    from .store import Store
    from .usage import UsageWriter

MINUTE = 60.0
_ANOTHER_LOOK = 0.05
"""Seconds after which a key whose room is taken is looked at again, once.

A client that sends its next request as soon as it has an answer would otherwise race with the
database's learning that the last one has ended."""


class Admission(msgspec.Struct, frozen=True):
    """A request that was let through: what it holds of its key's budget, and its row where it has one."""

    key_id: str
    hold: float
    row: str | None = None


class Limits(Protocol):
    """One way of counting."""

    async def admit(self, key: Key, hold: float) -> Admission:
        """Lets a request through, or raises the `GatewayError` that refuses it."""

    def finished(self, admission: Admission, cost: float) -> None:
        """The request has ended; its usage row is written by then or soon."""


def take_turn(tat: float, rpm: int, now: float) -> float:
    """The new `tat` of a key after one more request; refuses the request where it comes too early.

    The generic cell rate algorithm, a token bucket in one number: each request moves `tat`, the time
    at which the allowance is full again, by a minute's share; a request that would move it more than
    a minute ahead is too early.
    """
    moved = max(tat, now) + MINUTE / rpm
    check_turn(moved, rpm, now)
    return moved


def check_turn(moved: float, rpm: int, now: float) -> None:
    early = moved - now - MINUTE
    if early > 1e-6:
        raise too_many(f"This key may send {rpm} requests a minute. Try again in {early:.1f} s.", early)


def check_room(key: Key, in_flight: int, held: float, hold: float) -> None:
    """Refuses a request for which the key has no parallel slot or no money left.

    It is a `RoomTaken` where requests in flight are the reason, which may end any moment.
    """
    if key.max_budget is not None:
        if key.spend >= key.max_budget:
            budget = f"{key.max_budget:.8f}".rstrip("0").rstrip(".")
            raise over_budget(f"This key has used up its budget of ${budget}.")
        if held > 0 and key.spend + held + hold > key.max_budget:
            raise RoomTaken(
                over_budget(
                    f"This key has ${key.max_budget - key.spend:.6f} of its budget left, "
                    "and its requests in flight may need all of it."
                )
            )
    if key.max_parallel is not None and in_flight >= key.max_parallel:
        message = f"This key may have {key.max_parallel} requests in flight, and has."
        raise RoomTaken(too_many(message, 1.0, "parallel_limit"))


class RoomTaken(GatewayError):
    """A refusal that the end of a request in flight would lift."""

    def __init__(self, refusal: GatewayError) -> None:
        super().__init__(
            refusal.status, refusal.message, type=refusal.type, code=refusal.code, headers=refusal.headers
        )


class _Count:
    __slots__ = ("held", "in_flight", "spent", "tat")

    def __init__(self, key: Key) -> None:
        self.tat = key.tat
        self.in_flight = 0
        self.held = 0.0
        self.spent = key.spend


class MemoryLimits:
    """Counting for a gateway that has its database to itself."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    async def admit(self, key: Key, hold: float) -> Admission:
        count = self._counts.get(key.id)
        if count is None:
            count = self._counts[key.id] = _Count(key)
        now = time.time()
        check_room(msgspec.structs.replace(key, spend=count.spent), count.in_flight, count.held, hold)
        if key.rpm is not None:
            count.tat = take_turn(count.tat, key.rpm, now)
        count.in_flight += 1
        count.held += hold
        return Admission(key.id, hold)

    def finished(self, admission: Admission, cost: float) -> None:
        count = self._counts[admission.key_id]
        count.in_flight -= 1
        count.held = count.held - admission.hold if count.in_flight else 0.0
        count.spent += cost


class SharedLimits:
    """Counting in the database, for gateways that share it."""

    def __init__(self, store: Store, writer: UsageWriter) -> None:
        self._store = store
        self._writer = writer

    async def admit(self, key: Key, hold: float) -> Admission:
        try:
            return await self._store.admit(key.id, hold)
        except RoomTaken:
            await self._writer.flush()
            await asyncio.sleep(_ANOTHER_LOOK)
            return await self._store.admit(key.id, hold)

    def finished(self, admission: Admission, cost: float) -> None:
        """Its row goes with the usage row, in the same transaction as the cost is added to the key."""
        self._writer.hurry()
