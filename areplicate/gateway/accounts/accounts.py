"""Keys, limits, costs and usage of one gateway process, and the database behind them.

The database is opened while the gateway serves already, and may go and come back. While it does not
answer, keys that were seen in the last minutes go on under the limits that are counted in memory, and
usage waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from ..config.account_settings import AccountSettings
from ..errors import DatabaseUnavailable
from ..logs import logger
from .auth import Auth, hash_master, unauthenticated
from .costs import Costs
from .held_bodies import HeldBodies
from .key_limits import Again, Hold, RoomTaken, SettledHold
from .keys import Key
from .ledger import Ledger
from .store import ADMISSION_SECONDS, HEARTBEAT, Store
from .tables import UsageRow
from .usage import Overflow, UsageWriter

T = TypeVar("T")

_STORE_WAIT = 10.0
"""Seconds for which a request waits for the database while the gateway starts."""
_ANOTHER_LOOK = 0.05
"""Seconds after which a key that has no room is looked at once more.

A client that sends its next request as soon as it has an answer would otherwise race with the
database's learning that the last one has ended."""
_REPORT_WAIT = 1.0
"""Seconds for which a report waits for what is still looked at."""
_LAST_SECONDS = 10.0
"""Seconds for which the end of the process waits for what is still done in the background."""


class Accounts:
    """Keys, limits, costs and usage.

    Args:
        alone: whether no other process uses the database, so that limits are counted in memory.
    """

    def __init__(self, master_key: str | None, settings: AccountSettings, *, alone: bool) -> None:
        master = hash_master(master_key)
        self.auth = Auth(master, self._key_by_hash, self.now, settings.waits.database_grace_seconds)
        self.costs = Costs()
        self.bodies, self.answers = HeldBodies(), HeldBodies()
        overflow = Overflow(settings.usage_folder, settings.usage_name)
        self.usage = UsageWriter(overflow, settings.waits.usage_rows_in_memory)
        self._settings = settings
        self._alone = alone
        self._ledger = Ledger()
        self._held: dict[str, Hold] = {}
        """The holds of requests that are not settled yet."""
        self._store: Store | None = None
        self.opened = asyncio.Event()
        """Set once the database has been opened."""
        self._opening_error: str | None = None
        self._opener: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[Any]] = set()
        self._giving_back: set[asyncio.Task[None]] = set()

    # The store

    def start(self) -> None:
        """Begins to open the database; requests that do not need it are served meanwhile."""
        self._opener = asyncio.get_running_loop().create_task(self._keep_open())

    async def store(self) -> Store:
        """The database; waits for it while the gateway starts, or raises the `GatewayError` 503."""
        if self._store is None:
            wait = 1.0 if self._opening_error else _STORE_WAIT
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.opened.wait(), wait)
        if self._store is None:
            raise DatabaseUnavailable(self._opening_error or "it is not open yet")
        return self._store

    async def _key_by_hash(self, hash: str) -> Key | None:
        return await (await self.store()).keys.by_hash(hash)

    @property
    def trouble(self) -> str | None:
        """What is wrong with the database; None while all is well, or nothing is known yet."""
        if self._store is None:
            return self._opening_error
        return self._store.database.trouble or ("usage cannot be written" if self.usage.failing else None)

    def now(self) -> float:
        """The time by the database's clock."""
        return time.time() if self._store is None else self._store.database.now()

    async def aclose(self) -> None:
        """Writes what is left; what the database does not take goes to a file."""
        if self._background:
            _, late = await asyncio.wait(self._background, timeout=_LAST_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self.usage.waiting:
            with contextlib.suppress(DatabaseUnavailable):
                await self.store()
        if self._opener is not None:
            self._opener.cancel()
            await asyncio.gather(self._opener, return_exceptions=True)
        await self.usage.aclose()
        if self._store is not None:
            with contextlib.suppress(Exception):  # others notice by its silence, a little later
                await self._store.leave()
            await self._store.aclose()

    async def _keep_open(self) -> None:
        """Connects until it succeeds, and looks after the database from then on."""
        pause = 0.5
        while self._store is None:
            try:
                await self._open()
            except Exception as error:
                if self._opening_error is None or str(error) not in self._opening_error:
                    logger.error("the database cannot be opened, trying again: %s", error)
                self._opening_error = f"{type(error).__name__}: {error}"
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)
        self._opening_error = None
        self.usage.start(self._store)
        self.opened.set()
        await self._look_after(self._store)

    async def _open(self) -> None:
        # In a thread, since it may import PostgreSQL's driver.
        store = await asyncio.to_thread(
            Store, self._settings.database, self._settings.waits, alone=self._alone
        )
        try:
            await store.open()
            if self._alone:
                for use in await store.recent():
                    self._ledger.remember(**use)
        except BaseException:
            await store.aclose()
            raise
        self._store = store

    async def _look_after(self, store: Store) -> None:
        """Looks every other second whether the database answers."""
        was_well = True
        while True:
            await asyncio.sleep(HEARTBEAT)
            try:
                await store.heartbeat(self._held)
            except Exception as error:
                if was_well:
                    logger.error("the database does not answer: %s", error)
                was_well = False
            else:
                if not was_well:
                    logger.warning("the database answers again")
                was_well = True

    # Admission

    async def admit(self, key: Key, hold: Hold) -> None:
        """Lets a hold in, or raises the `GatewayError` that refuses it."""
        store = await self.store()
        self._ledger.admit(key, hold, self.now(), alone=self._alone)
        self._held[hold.id] = hold
        if self._alone:
            return
        counting = self.in_background(self._admit_shared(store, key, hold))
        try:
            await asyncio.shield(counting)
        except asyncio.CancelledError:
            counting.add_done_callback(partial(self._left, hold))
            raise
        except Exception:
            self.give_back(hold)
            raise

    def _left(self, hold: Hold, counting: asyncio.Task[None]) -> None:
        """Gives the hold of a caller who left back, once it is counted: leaving interrupts nothing."""
        if not counting.cancelled():
            counting.exception()  # asyncio would log it if nobody asked for it
        self.give_back(hold)

    async def _admit_shared(self, store: Store, key: Key, hold: Hold) -> None:
        if self._giving_back:  # what was refused a moment ago must not count
            await asyncio.wait(self._giving_back, timeout=ADMISSION_SECONDS)
        try:
            self._ledger.saw(await self._counted(key, partial(store.admit, hold)))
        except DatabaseUnavailable:
            # What was counted in memory so far left the money out.
            del self._held[hold.id]
            self._ledger.give_back(hold)
            self._ledger.admit(key, hold, self.now(), alone=True)
            self._held[hold.id] = hold

    async def extend(self, key: Key, hold: Hold, again: Again) -> None:
        """Counts one more prediction for a hold that is in, or raises the `GatewayError` that refuses it."""
        alone = self._alone
        if not alone:
            store = await self.store()
            counting = self.in_background(self._counted(key, partial(store.extend, hold, again)))
            try:
                key = await asyncio.shield(counting)
            except DatabaseUnavailable:
                alone = True
        self._ledger.extend(key, hold, again, self.now(), alone=alone)

    async def _counted(self, key: Key, count: Callable[[], Awaitable[Key]]) -> Key:
        """Counts in the database; looks once more where requests in flight take all the room."""
        try:
            try:
                return await count()
            except RoomTaken:
                with contextlib.suppress(DatabaseUnavailable):
                    await self.usage.flush()
                await asyncio.sleep(_ANOTHER_LOOK)
                return await count()
        except KeyError:
            self.auth.forget(key.hash)
            raise unauthenticated("This API key is not known here.") from None

    def give_back(self, hold: Hold) -> None:
        """Replicate was not asked for it, so it does not count."""
        if self._held.pop(hold.id, None) is not None:
            self._ledger.give_back(hold)
        if self._store is not None and not self._alone:
            giving = self.in_background(self._give_back_shared(self._store, hold))
            self._giving_back.add(giving)
            giving.add_done_callback(self._giving_back.discard)

    async def _give_back_shared(self, store: Store, hold: Hold) -> None:
        with contextlib.suppress(Exception):  # the next look after the database finds what is left
            await store.give_back(hold.id)

    def settle(self, row: UsageRow, hold: Hold | None) -> None:
        """A request has ended: writes down what it took."""
        tokens, dollars = row.prompt_tokens + row.completion_tokens, row.cost or 0.0
        settled = None
        if hold is not None:
            self._held.pop(hold.id, None)
            self._ledger.settle(hold, tokens, dollars, self.now())
            settled = None if self._alone else SettledHold(hold.id, tokens, dollars)
        self.usage.add(row, settled)

    async def up_to_date(self) -> None:
        """Returns when what has been spent until now is in the database, or nearly all of it."""
        if self._background:
            await asyncio.wait(self._background, timeout=_REPORT_WAIT)
        await self.usage.flush()

    def in_background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Runs `work` in the background; the end of the process waits for it, for a while."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task
