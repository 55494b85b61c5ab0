"""Runs units of work in a SQLite or PostgreSQL database, each as one transaction in a thread.

Each unit of work is one transaction and runs to its end in one of these threads, even if the task that asked
for it is cancelled: a thread cannot be interrupted half-way. Its time is bounded instead: statements and
locks have time limits at the server, and if that does not even answer, the connection is cut. After that the
database is only checked every other second, so that no request waits for one that is known to be down.

SQLAlchemy is used without its `ext.asyncio`, which loads the whole ORM, and in which a transaction ends
half-way if its task is cancelled. psycopg uses libpq, so that libpq's parameters mean what they always mean. No
statement is prepared on the server and nothing is set for longer than a transaction, as PgBouncer's transaction
mode wants it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

import msgspec
from sqlalchemy import Connection, Delete, Insert, Select, Update, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..config.database_url import DatabaseURL
from ..config.settings import DatabaseSettings
from ..errors import DatabaseUnavailable
from .engines import postgres_engine, sqlite_engine

T = TypeVar("T")
Change = Delete | Insert | Update
Work = Callable[[Connection, float], T]
"""A unit of work: gets a transaction, and the time by the database's clock."""
Timed: TypeAlias = T | Callable[[float], T]
"""A statement, or a function of the time by the database's clock that gives it."""

_GRACE = 1.0
"""Seconds that the server may take beyond a statement's time before its connection is cut."""
_CONNECTIONS = 8
_LATELY = 1.0
"""Seconds for which a server that has answered counts as one that answers."""
_BETWEEN_TRIES = 0.02
_BUSY = ("55P03", "57014", "40001", "40P01")
"""PostgreSQL's codes for what fails although the server is well: locks, time-outs, deadlocks."""


class Database:
    def __init__(self, url: DatabaseURL, waits: DatabaseSettings) -> None:
        self._waits = msgspec.structs.replace(
            waits,
            database_connect_timeout=url.connect_timeout or waits.database_connect_timeout,
            database_statement_timeout=url.statement_timeout or waits.database_statement_timeout,
        )
        self._schema = url.quoted_schema
        self.is_sqlite = url.file is not None
        connections = url.connections or _CONNECTIONS
        self._engine = (
            sqlite_engine(url.file, self._waits, connections)
            if url.file
            else postgres_engine(url, self._waits, connections, lambda raw: _current.unit.asks(raw))
        )
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="areplicate-database")
        self._clock = time.time() - time.monotonic()
        self._answered = -math.inf
        """When a unit of work has last succeeded, by `time.monotonic`."""
        self.trouble: str | None = None
        """Why the database is left alone; None while it answers."""

    def now(self) -> float:
        """The time by the database's clock, as far as it is known without asking."""
        return time.monotonic() + self._clock

    async def run(self, work: Work[T], *, seconds: float | None = None, reads: bool = False) -> T:
        """What `work` gives, once its transaction is committed.

        Args:
            seconds: how long it may take, and each of its statements; the settings' by default.
            reads: it writes nothing.

        Raises:
            DatabaseUnavailable: it did not, or it is not known whether it did.
        """
        return await asyncio.shield(self.begin(work, seconds=seconds, reads=reads))

    async def rows(
        self, query: Timed[Select[Any]], kind: type[T], *, seconds: float | None = None
    ) -> list[T]:
        """What a query finds, each row made of `kind` by its columns; `seconds` and errors as `run` has them."""

        def work(connection: Connection, now: float) -> list[T]:
            found = connection.execute(query(now) if callable(query) else query)
            return [kind(**row._mapping) for row in found]

        return await self.run(work, seconds=seconds, reads=True)

    async def row(
        self, query: Timed[Select[Any]], kind: type[T], *, seconds: float | None = None
    ) -> T | None:
        """The first of `rows`; None if there is none."""
        return next(iter(await self.rows(query, kind, seconds=seconds)), None)

    async def execute(self, change: Timed[Change]) -> int:
        """Changes rows in a transaction of its own; gives how many; errors as `run` has them."""

        def work(connection: Connection, now: float) -> int:
            return connection.execute(change(now) if callable(change) else change).rowcount

        return await self.run(work)

    def begin(
        self, work: Work[T], *, seconds: float | None = None, reads: bool = False, probe: bool = False
    ) -> asyncio.Future[T]:
        """As `run`, but only begun: it runs to its end even if nobody waits for it.

        A `probe` is tried even while the database is left alone, and any failure of it counts as trouble.
        """
        unit = _Unit(seconds or self._waits.database_statement_timeout, reads=reads, is_broken=probe)
        task = asyncio.ensure_future(self._bounded(unit, work))
        task.add_done_callback(_is_retrieved)  # asyncio would complain if nobody waited for it
        return task

    async def aclose(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._engine.dispose)

    async def _bounded(self, unit: _Unit, work: Work[T]) -> T:
        """Runs it in a thread, and cuts its connection if even that takes too long."""
        if self.trouble is not None and not unit.broken:  # a probe counts as broken until it has succeeded
            raise DatabaseUnavailable(self.trouble)
        thread = self._threads.submit(self._do, unit, work)
        done = asyncio.wrap_future(thread)
        done.add_done_callback(_is_retrieved)  # nobody may be left to hear of it
        # All threads may be busy: then it has not begun when its time is over, and never will.
        waits = unit.seconds + _GRACE
        try:
            result = await asyncio.wait_for(asyncio.shield(done), waits)
        except asyncio.TimeoutError:
            if thread.cancel():
                raise DatabaseUnavailable(f"it was too busy for this within {waits:g} s") from None
            unit.cut()
            self.trouble = f"it did not answer within {waits:g} s"
            raise DatabaseUnavailable(f"it did not answer within {waits:g} s") from None
        except DatabaseUnavailable as error:
            if unit.broken:
                self.trouble = str(error)
            raise
        self.trouble = None
        if unit.clock is not None:
            self._clock = unit.clock - time.monotonic()
        return result

    # In a thread

    def _do(self, unit: _Unit, work: Work[T]) -> T:
        for left in (2, 1, 0):
            begun = False
            try:
                with self._connection(unit) as connection, unit.watched(connection):
                    with connection.begin():
                        now = self._set_bounds(connection, unit)
                        begun = True
                        result = work(connection, now)
                    unit.clock = now
                    self._answered = time.monotonic()
                    return result
            except (IntegrityError, DataError):
                raise  # what was to be written is wrong
            except (DBAPIError, PoolTimeout) as error:
                stale = isinstance(error, DBAPIError) and error.connection_invalidated and not begun
                again = _code(error) in ("40001", "40P01") or stale
                if again and left and not unit.is_cut:
                    continue
                # Whether more than this is missing, such as a table or a right, is for the next look to find out.
                unit.broken |= not (isinstance(error, ProgrammingError) or _is_busy(error))
                raise DatabaseUnavailable(_reason(error)) from None
        raise AssertionError("the last try returns or raises")

    def _connection(self, unit: _Unit) -> Connection:
        """A connection. If the server answers but allows no more of them, waits until one is free."""
        _current.unit = unit
        while True:
            try:
                return self._engine.connect().execution_options(writes=not unit.reads)
            except DBAPIError:
                if unit.is_cut or time.monotonic() - self._answered > _LATELY:
                    raise
            time.sleep(_BETWEEN_TRIES)

    def _set_bounds(self, connection: Connection, unit: _Unit) -> float:
        """Sets the transaction's time limits, and gives the time by the database's clock."""
        if self.is_sqlite:
            return time.time()
        settings = {
            "statement_timeout": f"{max(1, round(unit.seconds * 1000))}ms",
            "lock_timeout": f"{max(1, round(min(self._waits.database_lock_timeout, unit.seconds) * 1000))}ms",
            "idle_in_transaction_session_timeout": f"{round((unit.seconds + _GRACE) * 1000)}ms",
            **({"search_path": self._schema} if self._schema else {}),
        }
        set_all = ", ".join(f"set_config('{name}', :{name}, true)" for name in settings)
        row = connection.execute(
            text(f"SELECT CAST(extract(epoch FROM clock_timestamp()) AS float8), {set_all}"), settings
        ).one()
        now: float = row[0]
        return now


_current = threading.local()
"""`unit` is the unit of work of this thread, also while SQLAlchemy sets up a new connection."""


class _Unit:
    """One unit of work, as seen from outside of its thread."""

    def __init__(self, seconds: float, *, reads: bool, is_broken: bool) -> None:
        self.seconds = seconds
        self.reads = reads
        self.clock: float | None = None
        self.broken = is_broken
        """Whether what went wrong concerns the whole database."""
        self.is_cut = False
        self._raw: Any = None
        self._lock = threading.Lock()

    @contextmanager
    def watched(self, connection: Connection) -> Iterator[None]:
        """Within it, `cut` ends whatever the connection is doing."""
        self.asks(connection.connection.driver_connection)
        try:
            yield
        finally:
            with self._lock:
                self._raw = None

    def asks(self, raw: Any) -> None:
        """Notes the driver's connection that it uses now; closes it if the unit's time is over."""
        with self._lock:
            if self.is_cut:
                raw.close()
                raise DatabaseUnavailable("there was no connection in time")
            self._raw = raw

    def cut(self) -> None:
        with self._lock, contextlib.suppress(Exception):
            self.is_cut = True
            if isinstance(self._raw, sqlite3.Connection):
                self._raw.interrupt()
            elif self._raw is not None:
                # libpq waits on this descriptor; what it reads from now on is the end.
                with socket.socket(fileno=os.dup(self._raw.pgconn.socket)) as wire:
                    wire.shutdown(socket.SHUT_RDWR)


def _code(error: Exception) -> str | None:
    return getattr(getattr(error, "orig", None), "sqlstate", None)


def _is_busy(error: Exception) -> bool:
    """Whether the database is well, and only this failed."""
    return _code(error) in _BUSY or "is locked" in str(getattr(error, "orig", None))  # as SQLite says it


def _reason(error: Exception) -> str:
    """The driver's own words, on one line: SQLAlchemy's have the statement in them."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


def _is_retrieved(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
