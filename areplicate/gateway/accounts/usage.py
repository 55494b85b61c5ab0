"""Writes usage rows into the database, in batches and off the requests' path.

Rows wait in memory. If the database does not take them for a minute, or they become too many, they go to a file,
which this process or the next one reads when the database is back. A row is recognised by its request, so that none
is counted twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections import deque
from glob import escape
from itertools import islice
from pathlib import Path

import msgspec

from ..errors import DatabaseUnavailable
from ..logs import fields, logger
from .key_limits import SettledHold
from .store import Store
from .tables import UsageRow

_PERIOD = 1.0
"""Seconds that a row waits at most while the database answers; what a `kill -9` can lose."""
_BATCH = 100
_PATIENCE = 60.0
"""Seconds for which rows wait in memory for a database that does not answer."""
_LAST_TRIES = 5.0
"""Seconds for which the rows that are left at the end are tried."""


class UsageWriter(msgspec.Struct):
    """Takes rows at any time, and writes them once there is a store."""

    _overflow: Overflow
    """Where rows wait that are too many, or for too long."""
    _most: int
    """Rows that wait in memory."""
    _rows: deque[tuple[UsageRow, SettledHold | None]] = msgspec.field(default_factory=deque)
    _store: Store | None = None
    _writing: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)
    _hurry: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None
    _failing_since: float | None = None

    def start(self, store: Store) -> None:
        self._store = store
        self._task = asyncio.get_running_loop().create_task(self._run())

    def add(self, row: UsageRow, settled: SettledHold | None = None) -> None:
        self._rows.append((row, settled))
        if settled is not None or len(self._rows) >= _BATCH:  # a hold counts until it is settled
            self._hurry.set()

    @property
    def waiting(self) -> bool:
        """Whether there are rows that are not written yet."""
        return bool(self._rows)

    @property
    def failing(self) -> bool:
        """Whether the database does not take them."""
        return self._failing_since is not None

    async def flush(self) -> None:
        """Returns when the rows added so far are in the database; raises what the database raises."""
        async with self._writing:
            if self._store is None:
                return
            left = len(self._rows)
            while left > 0:
                batch = list(islice(self._rows, _BATCH))
                await _write(self._store, batch)
                for _ in batch:
                    self._rows.popleft()
                left -= len(batch)

    async def aclose(self) -> None:
        """Writes what is left; what the database does not take goes to the file."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._store is not None:
            try:
                await asyncio.wait_for(self.flush(), _LAST_TRIES)
            except Exception as error:
                logger.error("usage cannot be written: %s", error)
        self._put_aside()

    async def _run(self) -> None:
        assert self._store is not None
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), _PERIOD)
            self._hurry.clear()
            try:
                await self.flush()
                self._failing_since = None
                await self._overflow.read_in(self._store)
            except Exception as error:
                await self._failed(error)

    async def _failed(self, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        if self._failing_since is None:
            self._failing_since = now
            logger.error("usage cannot be written, it is kept: %s", error, extra=fields(rows=len(self._rows)))
        if len(self._rows) > self._most or now - self._failing_since > _PATIENCE:
            self._put_aside()
        self._hurry.clear()
        await asyncio.sleep(_PERIOD)

    def _put_aside(self) -> None:
        """Moves what waits to the file, or to the log if no file can be written."""
        if not self._rows or self._writing.locked():
            return
        rows = list(self._rows)
        self._rows.clear()
        try:
            file = self._overflow.add([row for row, _ in rows])
        except OSError as error:
            logger.error(
                "usage is in the log, since %s cannot be written to: %s", self._overflow.folder, error
            )
            for row, _ in rows:
                logger.error("usage row could not be stored", extra=fields(usage=msgspec.to_builtins(row)))
        else:
            logger.warning(
                "usage row could not be stored in the database: it waits in a file",
                extra=fields(rows=len(rows), file=str(file)),
            )


async def _write(store: Store, batch: list[tuple[UsageRow, SettledHold | None]]) -> None:
    """Writes a batch; if one of its rows cannot be written, all but that."""
    try:
        await store.write_usage([row for row, _ in batch], [end for _, end in batch if end is not None])
    except DatabaseUnavailable:
        raise
    except Exception as error:
        if len(batch) > 1:
            for each in batch:
                await _write(store, [each])
            return
        [(row, end)] = batch
        logger.error("usage row could not be stored: %s", error, extra=fields(usage=msgspec.to_builtins(row)))
        if end is not None:  # its key's next requests need the room
            await store.write_usage([], [end])


class Overflow(msgspec.Struct):
    """Files that rows wait in, one JSON object a line. Each is written once, and read by any process of that name.

    A process renames a file before it reads it, so that others leave it alone. What two processes read at once
    all the same is in the database once, as rows are known by their requests.
    """

    folder: Path
    _name: str
    """In the names of the files."""
    _may_be_there: bool = True

    def add(self, rows: list[UsageRow]) -> Path:
        """Writes a file of these rows: a reader sees all of them, or no file."""
        self._may_be_there = True
        file = self._new()
        new = file.with_suffix(".new")
        try:
            with open(os.open(new, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as lines:
                lines.writelines(msgspec.json.encode(row) + b"\n" for row in rows)
                lines.flush()
                os.fsync(lines.fileno())
            return new.rename(file)
        finally:
            new.unlink(missing_ok=True)

    async def read_in(self, store: Store) -> None:
        """Writes the rows of all files into the database, also of those that other processes have left behind."""
        if not self._may_be_there:
            return
        pattern = f"areplicate-usage-{'[0-9a-f]' * 12}-{escape(self._name)}.jsonl"
        for file in sorted(self.folder.glob(pattern)):
            try:
                taken = file.rename(self._new())
                rows = await asyncio.to_thread(_read, taken)
            except OSError:
                continue  # another process has it
            for begin in range(0, len(rows), _BATCH):
                await _write(store, [(row, None) for row in rows[begin : begin + _BATCH]])
            taken.unlink(missing_ok=True)
            logger.info("usage that waited in a file is in the database", extra=fields(rows=len(rows)))
        self._may_be_there = False

    def _new(self) -> Path:
        """The path of a file that does not exist yet."""
        return self.folder / f"areplicate-usage-{secrets.token_hex(6)}-{self._name}.jsonl"


def _read(path: Path) -> list[UsageRow]:
    rows = []
    for line in path.read_bytes().splitlines():
        try:
            rows.append(msgspec.json.decode(line, type=UsageRow))
        except msgspec.DecodeError:
            logger.error("a line of %s is not a usage row: it is left out", path)
    return rows
