"""The database as one gateway process uses it: tables, signs of life, holds of requests in flight, and usage.

This module and those below it import SQLAlchemy, whose import takes longer than the rest of the gateway: they are
loaded while the gateway already listens. Each method is one unit of work.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, and_, delete, insert, or_, select, update
from sqlalchemy import text as sql

from ..config.database_url import DatabaseURL
from ..config.settings import DatabaseSettings
from ..errors import DatabaseUnavailable
from .batch_store import BatchStore
from .counting import taken_of, wait_of
from .database import Database
from .key_limits import WINDOW, Hold, SettledHold, refusal
from .key_store import KeyStore, locked_key, renewed_key
from .keys import Key
from .reports import Reports
from .response_store import ResponseStore
from .rows import UsageRow
from .tables import added, audit, create_tables, holds, keys, processes, usage

HEARTBEAT = 2.0
"""Seconds between a process's signs of life, which are also its looks at the database's health."""
_FORGOTTEN_AFTER = 3600.0
_OPENING_SECONDS = 300.0
_LATE = 30.0
"""Seconds after which a hold that this process does not know of is one that it gave up on."""


class RecentUse(NamedTuple):
    """What one request of a key took; `at` is in seconds since 1970."""

    key_id: str
    at: float
    predictions: int
    tokens: int


class Store:
    def __init__(self, url: DatabaseURL, waits: DatabaseSettings, *, alone: bool) -> None:
        self.database = Database(url, waits)
        self.process = secrets.token_hex(8)
        self.keys = KeyStore(self.database)
        self.reports = Reports(self.database)
        self.batches = BatchStore(self.database, self.process)
        self.responses = ResponseStore(self.database)
        self._file = url.file
        self._alone = alone
        self._schema = url.quoted_schema
        self._file_lock: int | None = None
        self._inode: int | None = None
        """Of SQLite's file, as it was opened."""

    async def open(self) -> None:
        """Connects, and makes the tables if there are none. If this fails, close it and make another.

        Raises:
            DatabaseUnavailable, RuntimeError: it cannot be, for now; it may be tried again.
        """

        def work(connection: Connection, now: float) -> None:
            if self._schema:
                # CREATE SCHEMA IF NOT EXISTS needs the right to create one, even where there is one.
                there = sql("SELECT to_regnamespace(:schema) IS NOT NULL")
                if not connection.execute(there, {"schema": self._schema}).scalar():
                    connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {self._schema}")
            create_tables(connection)

        if self._file is not None:
            self._file_lock = _lock(self._file, self._alone)
        await self.database.begin(work, seconds=_OPENING_SECONDS, probe=True)
        self._inode = _inode(self._file)
        await self.heartbeat(())

    async def aclose(self) -> None:
        await self.database.aclose()
        if self._file_lock is not None:
            os.close(self._file_lock)
            self._file_lock = None

    async def heartbeat(self, held: Iterable[str]) -> None:
        """Shows that this process lives, checks that the tables can be written to, and tidies up.

        Args:
            held: the holds that this process still has. Others of its own are left from units of work
                whose end it did not learn: they are given back.
        """
        mine = list(held)

        def work(connection: Connection, now: float) -> None:
            if _inode(self._file) != self._inode:
                raise DatabaseUnavailable(
                    f"{self._file} was removed or replaced: put it back, or restart the gateway"
                )
            if connection.dialect.name == "postgresql":
                tables = ", ".join(table.name for table in (keys, usage, holds, audit))
                connection.execute(sql(f"LOCK TABLE {tables} IN ROW EXCLUSIVE MODE"))
            seen = connection.execute(
                update(processes).where(processes.c.id == self.process).values(seen_at=now)
            )
            if not seen.rowcount:
                connection.execute(insert(processes).values(id=self.process, seen_at=now))
            forgotten = select(processes.c.id).where(processes.c.seen_at < now - _FORGOTTEN_AFTER)
            lost = and_(
                holds.c.process == self.process,
                holds.c.ended_at.is_(None),
                holds.c.at < now - _LATE,
                holds.c.id.not_in(mine),
            )
            connection.execute(
                delete(holds).where(
                    or_(holds.c.ended_at < now - WINDOW, holds.c.process.in_(forgotten), lost)
                )
            )
            connection.execute(delete(processes).where(processes.c.seen_at < now - _FORGOTTEN_AFTER))

        await asyncio.shield(self.database.begin(work, seconds=HEARTBEAT, probe=True))

    async def leave(self) -> None:
        """What this process had in flight counts no longer."""

        def work(connection: Connection, now: float) -> None:
            connection.execute(
                delete(holds).where(holds.c.process == self.process, holds.c.ended_at.is_(None))
            )
            connection.execute(delete(processes).where(processes.c.id == self.process))

        await self.database.run(work, seconds=HEARTBEAT)

    # Limits

    def admit(self, hold: Hold, seconds: float) -> asyncio.Future[Key]:
        """Counts a hold against its key, or raises the `GatewayError` that refuses it; gives the key.

        The key is locked first, so that what follows sees every request that was let in before; a refusal
        rolls all of it back. `KeyError` where the key has gone.
        """

        def work(connection: Connection, now: float) -> Key:
            key = locked_key(connection, hold.key_id, now)
            if key is None:
                raise KeyError(hold.key_id)
            taken = taken_of(connection, key.id, now)
            if refused := refusal(key, hold, taken, lambda: wait_of(connection, key, hold, now)):
                raise refused
            # Its own time stays: that is when it was counted in memory, by which it may be given back there.
            counted = msgspec.structs.replace(hold, at=now)
            connection.execute(added(holds, counted, process=self.process))
            return key

        return self.database.begin(work, seconds=seconds)

    async def recent(self) -> list[RecentUse]:
        """What began within the last minute, oldest first, for limits counted in memory."""
        u = usage.c
        tokens = (u.prompt_tokens + u.completion_tokens).label("tokens")
        query = select(u.key_id, u.at, u.predictions, tokens).where(u.key_id.is_not(None)).order_by(u.at)
        return await self.database.rows(lambda now: query.where(u.at > now - WINDOW), RecentUse)

    # Usage

    async def write_usage(self, rows: Sequence[UsageRow], settled: Sequence[SettledHold]) -> None:
        """Writes rows, adds their costs to the keys and settles their holds; once, however often it is tried."""

        def work(connection: Connection, now: float) -> None:
            ids = [row.request_id for row in rows]
            there = set(
                connection.execute(select(usage.c.request_id).where(usage.c.request_id.in_(ids))).scalars()
            )
            new = [row for row in rows if row.request_id not in there]
            if new:
                connection.execute(insert(usage), [msgspec.structs.asdict(row) for row in new])
                _add_spend(connection, new, now)
            for each in settled:
                connection.execute(
                    update(holds)
                    .where(holds.c.id == each.hold_id)
                    .values(tokens=each.tokens, dollars=each.dollars, ended_at=now)
                )

        await self.database.run(work)

    async def give_back(self, hold_ids: Sequence[str]) -> None:
        """Requests for which nothing was asked of Replicate do not count."""
        await self.database.execute(delete(holds).where(holds.c.id.in_(hold_ids)))


def _inode(file: str | None) -> int | None:
    return os.stat(file).st_ino if file is not None and os.path.exists(file) else None


def _lock(file: str, alone: bool) -> int:
    """Holds the database for this process, or for the workers that share it, until it is closed."""
    lock = os.open(f"{os.path.realpath(file)}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise RuntimeError(
            f"another gateway uses {file}, and each would count limits for itself: stop one of them, or use "
            "--workers, or PostgreSQL"
        ) from None
    return lock


def _add_spend(connection: Connection, rows: Sequence[UsageRow], now: float) -> None:
    """Adds what the rows cost to their keys, whose budgets are renewed if that is due."""
    spent: dict[str, float] = defaultdict(float)
    for row in rows:
        if row.key_id is not None:
            spent[row.key_id] += row.cost or 0.0
    due = select(keys).where(keys.c.id.in_(spent), keys.c.budget_resets_at <= now).order_by(keys.c.id)
    for found in connection.execute(due).all():
        renewed_key(connection, Key(**found._mapping), now)
    for key_id in sorted(spent):  # always in one order: two gateways never block each other
        more = keys.c.spend + spent[key_id]
        connection.execute(update(keys).where(keys.c.id == key_id).values(spend=more))
