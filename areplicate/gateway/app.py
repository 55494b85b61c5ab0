"""The running gateway: its configuration, its connections to Replicate, its accounts and files."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar
from weakref import WeakSet

import areplicate

from ..chat.structured.validation import KEPT
from .accounts.accounts import Accounts
from .accounts.auth import hash_master
from .accounts.folder import Folder
from .config.backend import Backend
from .config.config import Config
from .logs import logger
from .metrics import Metrics

T = TypeVar("T")

_MOST_OF_SCHEMAS = 256_000_000
"""Bytes of memory, counted high, for the JSON Schemas of all requests in flight."""
_LAST_SECONDS = 5.0
"""Seconds for which the end of the process waits for changes whose clients have left."""


class Gateway:
    """Everything that requests share.

    Args:
        alone: whether no other process uses the database, so that limits are counted in memory.
    """

    def __init__(self, config: Config, *, alone: bool) -> None:
        self.metrics = Metrics()
        self.backend = Backend(config, self.metrics)
        self._backends = WeakSet((self.backend,))
        """This one, and those from before a reload that still have requests in flight."""
        self.accounts = Accounts(config.general.master_key, config.accounts, alone=alone)
        self.files = Folder(config.accounts.files_dir)
        """Uploaded files, and the work on batches."""
        self.batch_wanted = asyncio.Event()
        """Set when there is something to do for a batch."""
        self.draining = False
        self._checking: asyncio.Task[None] | None = None
        self._changing: set[asyncio.Task[Any]] = set()
        areplicate.set_verbose = config.verbose
        KEPT.most_in_use = _MOST_OF_SCHEMAS

    @property
    def config(self) -> Config:
        return self.backend.config

    def start(self) -> None:
        self.accounts.start()
        self._begin_checking()

    def _begin_checking(self) -> None:
        if self._checking is not None:
            self._checking.cancel()
        self._checking = asyncio.get_running_loop().create_task(self._check_prices())

    async def _check_prices(self) -> None:
        try:
            await self.backend.check_prices()
        except Exception as error:
            logger.info("prices could not be checked: %s", error)

    async def reload(self, config: Config) -> None:
        """Takes a new configuration; requests in flight end under the old one."""
        old = self.backend
        self.backend = Backend(config, self.metrics)
        self._backends.add(self.backend)
        self._begin_checking()
        self.accounts.auth.master = hash_master(config.general.master_key)
        areplicate.set_verbose = config.verbose
        if config.accounts != old.config.accounts:
            logger.warning("what general_settings says of the database has changed: that needs a restart")
        old.retire()

    async def end_calls(self) -> None:
        """Ends all calls of Replicate."""
        await asyncio.gather(*(backend.close() for backend in self._backends))

    async def whole(self, work: Coroutine[Any, Any, T]) -> T:
        """Does the work to its end, even if its caller leaves, and gives its result."""
        task = asyncio.get_running_loop().create_task(work)
        self._changing.add(task)
        task.add_done_callback(self._changed)
        return await asyncio.shield(task)

    def _changed(self, task: asyncio.Task[Any]) -> None:
        self._changing.discard(task)
        if not task.cancelled():
            task.exception()  # asyncio would log it if nobody asked for it

    async def aclose(self) -> None:
        """Writes the usage that is left, and closes all connections."""
        if self._checking is not None:
            self._checking.cancel()
        if self._changing:
            await asyncio.wait(self._changing, timeout=_LAST_SECONDS)
        await self.accounts.aclose()
        await self.end_calls()
