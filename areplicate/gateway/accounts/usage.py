"""Usage: a row for every request, written in batches, off the request's path."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from ..logs import logger

if TYPE_CHECKING:
    from .store import Store

_PERIOD = 1.0
"""Seconds that a row waits at most; what a `kill -9` can lose."""
_BATCH = 100
_LAST_TRIES = 10.0
"""Seconds for which the rows that are left at the end are tried."""


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One request. Times are in seconds, `at` since 1970; `cost` is in dollars.

    Attributes:
        model: what the client asked for; `upstream_model`: what answered.
        seconds: from the request to the end of its answer.
        queue_s, boot_s, run_s: its predictions' time, added up.
        admission: the row in `in_flight` that ends with this one.
    """

    request_id: str
    at: float
    key_id: str | None
    endpoint: str
    model: str | None
    upstream_model: str | None
    prediction_id: str | None
    streamed: bool
    status: int
    seconds: float
    prompt_tokens: int
    completion_tokens: int
    queue_s: float
    boot_s: float
    run_s: float
    cost: float
    admission: str | None = None


class UsageWriter:
    """Takes rows at any time, and writes them once there is a store."""

    def __init__(self) -> None:
        self._rows: deque[UsageRow] = deque()
        self._batch: list[UsageRow] = []
        """What is being written. It stays as it is until it is written, so that a batch whose commit
        went through unnoticed is recognised by its first row."""
        self._store: Store | None = None
        self._writing = asyncio.Lock()
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, store: Store) -> None:
        self._store = store
        self._task = asyncio.get_running_loop().create_task(self._run())

    def add(self, row: UsageRow) -> None:
        self._rows.append(row)
        if len(self._rows) >= _BATCH:
            self._hurry.set()

    @property
    def waiting(self) -> bool:
        """Whether there are rows that are not written yet."""
        return bool(self._rows or self._batch)

    def hurry(self) -> None:
        """The rows so far are wanted in the database now."""
        self._hurry.set()

    async def flush(self) -> None:
        """Returns when the rows added so far are in the database; raises what the database raises."""
        async with self._writing:
            if self._store is None:
                return
            left = len(self._rows) + len(self._batch)
            while left > 0:
                if not self._batch:
                    self._batch = [self._rows.popleft() for _ in range(min(_BATCH, len(self._rows)))]
                await self._store.write_usage(self._batch)
                left -= len(self._batch)
                self._batch = []

    async def aclose(self) -> None:
        """Writes what is left. Rows that the database does not take go to the log, so that none is lost."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        deadline = asyncio.get_running_loop().time() + _LAST_TRIES
        while self.waiting:
            try:
                if self._store is None:
                    raise RuntimeError("there is no database connection")
                await self.flush()
            except Exception as error:
                if self._store is None or asyncio.get_running_loop().time() > deadline:
                    for row in (*self._batch, *self._rows):
                        logger.error(
                            "usage row could not be stored", extra={"usage": msgspec.to_builtins(row)}
                        )
                    logger.error("usage is in the log, not in the database: %s", error)
                    return
                await asyncio.sleep(0.5)

    async def _run(self) -> None:
        pause = _PERIOD
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), pause)
            self._hurry.clear()
            try:
                await self.flush()
                pause = _PERIOD
            except Exception as error:
                pause = min(pause * 2, 30.0)
                logger.error(
                    "usage could not be written, it is kept and tried again: %s",
                    error,
                    extra={"rows": len(self._rows) + len(self._batch)},
                )
                await asyncio.sleep(pause / 4)
