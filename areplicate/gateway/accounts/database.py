"""Runs units of work in a SQLite or PostgreSQL database.

Each unit of work is one transaction and runs to its end in a thread, even if the task that asked
for it is cancelled: a thread cannot be interrupted half-way. Its time is bounded instead: statements and
locks have time limits at the server, and if that does not even answer, the connection is cut. After that the
database is only checked every other second, so that no request waits for one that is known to be down.

The SQL is written out, for the drivers themselves: a toolkit that writes it, such as SQLAlchemy, takes a sixth of the
gateway's memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec

from ..config.database_url import DatabaseURL
from ..config.settings import DatabaseSettings
from ..errors import DatabaseUnavailable
from .dialects import GRACE, Dialect, PostgreSQL, SQLite
from .transaction import Transaction

T = TypeVar("T")
P = ParamSpec("P")
S = TypeVar("S", bound="Stored")
Work = Callable[[Transaction], T]
"""A unit of work."""

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
        connections = url.connections or _CONNECTIONS
        self._dialect: Dialect = (
            SQLite(url.file, self._waits) if url.file else PostgreSQL(url, self._waits, connections)
        )
        self._idle: list[Any] = []
        """Connections that nobody uses; another list once one of them was lost, as the others may be, too."""
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="areplicate-database")
        self._clock = time.time() - time.monotonic()
        self._answered = -math.inf
        """When a unit of work has last succeeded, by `time.monotonic`."""
        self.trouble: str | None = None
        """Why the database is left alone; None while it answers."""

    def now(self) -> float:
        """The time by the database's clock, as far as it is known without asking."""
        return time.monotonic() + self._clock

    async def run(
        self, work: Work[T], *, seconds: float | None = None, reads: bool = False, probe: bool = False
    ) -> T:
        """What `work` gives, once its transaction is committed. It runs to its end even if its caller is cancelled.

        Args:
            seconds: how long it may take, and each of its statements; the settings' by default.
            reads: it writes nothing.
            probe: it is tried even while the database is left alone, and any failure of it counts as trouble.

        Raises:
            DatabaseUnavailable: it did not, or it is not known whether it did.
        """
        unit = _Unit(seconds or self._waits.database_statement_timeout, reads=reads, broken=probe)
        task = asyncio.ensure_future(self._bounded(unit, work))
        task.add_done_callback(_is_retrieved)  # asyncio would complain if nobody waited for it
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._close_idle)

    async def _bounded(self, unit: _Unit, work: Work[T]) -> T:
        """Runs it in a thread, and cuts its connection if even that takes too long."""
        if self.trouble is not None and not unit.broken:  # a probe counts as broken until it has succeeded
            raise DatabaseUnavailable(self.trouble)
        thread = self._threads.submit(self._do, unit, work)
        done = asyncio.wrap_future(thread)
        done.add_done_callback(_is_retrieved)  # nobody may be left to hear of it
        # All threads may be busy: then it has not begun when its time is over, and never will.
        waits = unit.seconds + GRACE
        try:
            result = await asyncio.wait_for(asyncio.shield(done), waits)
        except asyncio.TimeoutError:
            if thread.cancel():
                raise DatabaseUnavailable(f"it was too busy for this within {waits:g} s") from None
            unit.cut(self._dialect)
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
        errors = self._dialect.errors
        for left in (2, 1, 0):
            begun = False
            connection: Any = None
            try:
                with self._lent(unit) as connection:
                    now = self._dialect.begin(connection, unit.seconds, reads=unit.reads)
                    begun = True
                    result = work(Transaction(connection, now, is_sqlite=self._dialect.is_sqlite))
                    connection.commit()
                unit.clock = now
                self._answered = time.monotonic()
                return result
            except (errors.IntegrityError, errors.DataError):
                raise  # what was to be written is wrong
            except errors.Error as error:
                stale = connection is not None and not begun and self._dialect.is_lost(connection, error)
                again = _code(error) in ("40001", "40P01") or stale
                if again and left and not unit.is_cut:
                    continue
                # Whether more than this is missing, such as a table or a right, is for the next look to find out.
                unit.broken |= not (isinstance(error, errors.ProgrammingError) or _is_busy(error))
                raise DatabaseUnavailable(_reason(error)) from None
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def _lent(self, unit: _Unit) -> Iterator[Any]:
        """A connection for one transaction, which is rolled back if it fails."""
        idle, connection = self._idle, self._connection(unit)
        try:
            with unit.watched(connection):
                try:
                    yield connection
                except BaseException:
                    with contextlib.suppress(self._dialect.errors.Error):
                        connection.rollback()
                    raise
        except BaseException as error:
            if self._dialect.is_lost(connection, error):
                self._close_idle()
            raise
        finally:
            if idle is self._idle and len(idle) < self._dialect.kept:
                idle.append(connection)
            else:
                connection.close()

    def _connection(self, unit: _Unit) -> Any:
        """A connection. If the server answers but allows no more of them, waits until one is free."""
        while True:
            with contextlib.suppress(IndexError):
                return self._idle.pop()
            try:
                return self._dialect.open()
            except self._dialect.errors.Error:
                if unit.is_cut or time.monotonic() - self._answered > _LATELY:
                    raise
            time.sleep(_BETWEEN_TRIES)

    def _close_idle(self) -> None:
        """Closes what nobody uses; what is in use now is closed afterwards."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


class Stored:
    """One kind of things in the database; each method that is a `unit` is one unit of work."""

    def __init__(self, database: Database) -> None:
        self.database = database


def unit(
    *, seconds: float | None = None, reads: bool = False, probe: bool = False
) -> Callable[
    [Callable[Concatenate[S, Transaction, P], T]], Callable[Concatenate[S, P], Coroutine[Any, Any, T]]
]:
    """Makes a method that takes a transaction one that runs in its own, as `Database.run` has it."""

    def unit_of(
        work: Callable[Concatenate[S, Transaction, P], T],
    ) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
        @wraps(work)
        async def run(store: S, /, *args: P.args, **values: P.kwargs) -> T:
            def whole(transaction: Transaction) -> T:
                return work(store, transaction, *args, **values)

            return await store.database.run(whole, seconds=seconds, reads=reads, probe=probe)

        return run

    return unit_of


class _Unit(msgspec.Struct):
    """One unit of work, as seen from outside of its thread."""

    seconds: float
    reads: bool
    broken: bool
    """Whether what went wrong concerns the whole database."""
    clock: float | None = None
    is_cut: bool = False
    _connection: Any = None
    _lock: threading.Lock = msgspec.field(default_factory=threading.Lock)

    @contextmanager
    def watched(self, connection: Any) -> Iterator[None]:
        """Within it, `cut` ends whatever the connection is doing."""
        with self._lock:
            if self.is_cut:
                raise DatabaseUnavailable("there was no connection in time")
            self._connection = connection
        try:
            yield
        finally:
            with self._lock:
                self._connection = None

    def cut(self, dialect: Dialect) -> None:
        with self._lock, contextlib.suppress(Exception):
            self.is_cut = True
            if self._connection is not None:
                dialect.cut(self._connection)


def _code(error: Exception) -> str | None:
    return getattr(error, "sqlstate", None)


def _is_busy(error: Exception) -> bool:
    """Whether the database is well, and only this failed."""
    return _code(error) in _BUSY or "is locked" in str(error)  # as SQLite says it


def _reason(error: Exception) -> str:
    """The driver's words, on one line."""
    return " ".join(str(error).split())


def _is_retrieved(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
