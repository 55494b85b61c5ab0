"""One batch as the database has it, for as long as this process has its lease."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from ...errors import AuthenticationError
from ..accounts.accounts import Accounts
from ..accounts.auth import ANYBODY, MASTER, Caller
from ..accounts.batch_store import LEASE, BatchStore
from ..accounts.tables import BatchRow
from ..errors import DatabaseUnavailable

_RENEWAL = 1.0
"""Seconds between renewals, each of which also looks whether the batch was cancelled or its key changed."""


class LeasedBatch(msgspec.Struct):
    """A batch and the key that it asks with, as they were last read."""

    _accounts: Accounts
    _store: BatchStore
    row: BatchRow
    counts: dict[str, int] = msgspec.field(default_factory=lambda: {"completed": 0, "failed": 0})
    """The requests that this process has answered, and that have failed; each renewal writes them."""
    stopped: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    """Set once no further request may be asked."""
    _caller: Caller | None = None

    def now(self) -> float:
        return self._accounts.now()

    def caller(self) -> Caller:
        """Whose batch it is; raises an `AuthenticationError` if that key may not ask any more."""
        if self._caller is None:
            raise AuthenticationError("The batch's key has been deleted or blocked, or has expired.")
        return self._caller

    async def read_caller(self) -> None:
        """Reads the batch's key again: it may have been changed or deleted."""
        id = self.row.key_id
        if id is None:
            self._caller = ANYBODY if self._accounts.auth.open else MASTER
            return
        key = await (await self._accounts.store()).keys.by_id(id)
        gone = key is None or key.blocked or (key.expires_at is not None and key.expires_at <= self.now())
        self._caller = None if gone else Caller(key)

    async def keep(self) -> None:
        """Renews the lease until it is lost, which is an error."""
        held = time.monotonic()
        while True:
            await asyncio.sleep(_RENEWAL)
            asked = time.monotonic()
            try:
                newer = sum(self.counts.values()) > self.row.completed
                await self.save(**self.counts if newer else {})
                await self.read_caller()
                held = asked
            except DatabaseUnavailable:
                if time.monotonic() - held > LEASE - 2 * _RENEWAL:
                    raise

    async def save(self, **changes: Any) -> None:
        """Renews the lease and writes what has changed."""
        self._learn(await self._store.save(self.row.id, **changes))

    async def begin(self, total: int, expected: float) -> float:
        """Begins a batch that has been checked, if its key's budget is enough for it beside its others.

        Gives the dollars that the key had left.
        """
        row, left = await self._store.begin(self.row.id, self.row.key_id, total, expected)
        self._learn(row)
        return left

    def _learn(self, row: BatchRow) -> None:
        self.row = row
        if row.status == "cancelling":
            self.stopped.set()
