"""The batches that one gateway process works on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from ..accounts.batch_store import BatchStore
from ..app import Gateway
from ..errors import DatabaseUnavailable
from ..logs import fields, logger

if TYPE_CHECKING:
    from .work import Work

_LOOK = 3.0
"""Seconds between looks for batches that have no process."""
_AT_ONCE = 16
"""Batches at most that one process works on; they share `batch_requests_in_flight`."""
_LEAVING = 10.0
"""Seconds for which the end of the process waits for batches."""


class Batches:
    """The batches that this process works on.

    Args:
        alone: whether no other process uses the database, so that every lease is left over from an earlier run.
    """

    def __init__(self, gateway: Gateway, *, alone: bool) -> None:
        self._gateway = gateway
        self._alone = alone
        self._room = asyncio.Semaphore(gateway.config.general.batch_requests_in_flight)
        self._working: dict[asyncio.Task[None], Work] = {}
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._looking = asyncio.get_running_loop().create_task(self._look())

    def leave(self) -> None:
        """No further request is asked: the process stops."""
        if self._looking is not None:
            self._looking.cancel()
        for work in self._working.values():
            work.leave()

    async def aclose(self) -> None:
        """Waits for what is in flight, for a while, and leaves the batches to others."""
        self.leave()
        if self._working:
            _, late = await asyncio.wait(self._working, timeout=_LEAVING)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_LEAVING)

    async def _look(self) -> None:
        await asyncio.to_thread(self._gateway.files.tidy, time.time())
        wanted = self._gateway.batch_wanted
        while True:
            wanted.clear()
            try:
                await self._take_all((await self._gateway.accounts.store()).batches)
            except DatabaseUnavailable:
                pass
            except Exception:  # one batch that cannot be taken must not keep others from being found
                logger.exception("batches could not be looked for")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(wanted.wait(), _LOOK)

    async def _take_all(self, store: BatchStore) -> None:
        if self._alone:
            await store.free_all()
            self._alone = False
        while len(self._working) < _AT_ONCE and (batch := await store.claim()) is not None:
            from .work import Work  # most gateways never have a batch, and it brings all of `bulk`

            logger.info("batch taken", extra=fields(batch_id=batch.id, status=batch.status))
            work = Work(self._gateway, store, batch, self._room)
            task = asyncio.ensure_future(work.run())
            self._working[task] = work
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._working[task]
        self._gateway.batch_wanted.set()
