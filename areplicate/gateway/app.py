"""The gateway as it runs: its configuration, its road to Replicate, and what it remembers."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from typing import TYPE_CHECKING
from weakref import WeakSet

import areplicate

from .accounts.account import Account
from .accounts.auth import Keyring, database_gone
from .accounts.costs import Costs
from .accounts.limits import Limits, MemoryLimits, SharedLimits
from .accounts.usage import UsageWriter
from .config.backend import Backend
from .config.config import Config
from .http.errors import GatewayError
from .http.exchange import Exchange
from .logs import logger
from .metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .accounts.store import Store
    from .http.route import Route

_STORE_DELAY = 0.3
"""Seconds that the first requests have the processor to themselves: importing the database code takes
half a second of it. A request that needs the database ends the delay."""
_STORE_WAIT = 10.0
"""Seconds for which a request waits for the database while the gateway starts."""


class Gateway:
    """Everything that requests share.

    Args:
        alone: whether no other process uses the database, so that limits are counted in memory.
        routes: what it answers.
    """

    def __init__(self, config: Config, *, alone: bool, routes: Sequence[Route] = ()) -> None:
        self.routes = routes
        self.metrics = Metrics()
        self.backend = Backend(config, self.metrics)
        self._backends = WeakSet((self.backend,))
        """Those that requests are still with, after a reload."""
        self.costs = Costs()
        self.keyring = Keyring(config.master_key, self.store)
        self.usage = UsageWriter()
        self.draining = False
        self.database_error: str | None = None
        self._alone = alone
        self.limits: Limits | None = None
        self._store: Store | None = None
        self._opened = asyncio.Event()
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        areplicate.set_verbose = config.verbose

    @property
    def config(self) -> Config:
        return self.backend.config

    @property
    def ready(self) -> bool:
        return self._store is not None and not self.draining

    def start(self) -> None:
        """Begins to open the database; requests that do not need it are served meanwhile."""
        self._tasks.append(asyncio.get_running_loop().create_task(self._open_store()))

    async def store(self) -> Store:
        """The database; waits for it while the gateway starts, or raises the `GatewayError` 503."""
        if self._store is None:
            self._wanted.set()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._opened.wait(), _STORE_WAIT if not self.database_error else 1.0)
        if self._store is None:
            raise database_gone()
        return self._store

    async def reload(self, config: Config) -> None:
        """Takes a new configuration; requests in flight end under the old one."""
        old = self.backend
        self.backend = Backend(config, self.metrics)
        self._backends.add(self.backend)
        self.keyring.set_master_key(config.master_key)
        areplicate.set_verbose = config.verbose
        if config.database_url != old.config.database_url:
            logger.warning("general_settings.database_url has changed: that needs a restart")
        await old.retire()

    async def end_calls(self) -> None:
        """Ends what is asked of Replicate."""
        await asyncio.gather(*(backend.close() for backend in self._backends))

    def account(self, exchange: Exchange) -> Account:
        """The account of one request, for the front door's `async with`."""
        return Account(self, exchange)

    async def aclose(self) -> None:
        """Writes the usage that is left, and closes all connections."""
        if self.usage.waiting:
            with contextlib.suppress(GatewayError):  # its rows then go to the log
                await self.store()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.usage.aclose()
        if self._store is not None:
            with contextlib.suppress(Exception):  # others notice by its silence, a little later
                await self._store.leave()
            await self._store.aclose()
        await self.backend.router.aclose()

    async def _open_store(self) -> None:
        """Imports the database code beside the running loop, and connects until it succeeds."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._wanted.wait(), _STORE_DELAY)
        pause = 0.5
        while self._store is None:
            try:
                module = await asyncio.to_thread(importlib.import_module, "areplicate.gateway.accounts.store")
                self._store = await module.Store.open(self.config.database_url)
            except Exception as error:
                self.database_error = f"{type(error).__name__}: {error}"
                logger.error("the database cannot be opened, trying again: %s", self.database_error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 10.0)
        self.database_error = None
        self.limits = MemoryLimits() if self._alone else SharedLimits(self._store, self.usage)
        self.usage.start(self._store)
        self._opened.set()
        await self._show_life(self._store)

    async def _show_life(self, store: Store) -> None:
        from .accounts.store import HEARTBEAT

        while not self._alone:
            await asyncio.sleep(HEARTBEAT)
            try:
                await store.heartbeat()
            except Exception as error:
                logger.error("the database does not answer: %s", error)
