"""How connections to SQLite and PostgreSQL are opened."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.pool import QueuePool

from ..config.database_url import DatabaseURL
from ..config.settings import DatabaseSettings

_READ_ONLY = "25006"
"""What PostgreSQL says to a change in a transaction that only reads."""


def sqlite_engine(file: str, waits: DatabaseSettings, connections: int) -> Engine:
    """A SQLite file, which is made if there is none."""
    _make_private(file)
    engine = create_engine(
        "sqlite://",
        creator=lambda: _open_sqlite(file, waits),
        poolclass=QueuePool,
        pool_size=2,
        max_overflow=connections,
        hide_parameters=True,
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # Takes the lock for writers at once: a reader that became a writer half-way would be refused.
        writes = connection.get_execution_options().get("writes", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _make_private(file: str) -> None:
    """Only the gateway's user may read keys and usage. SQLite's side files get the same rights.

    Where there is the file already, it is not opened: closing it again would end the locks that SQLite has on it.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with contextlib.suppress(PermissionError):  # another user's file: its owner decides
        os.chmod(file, 0o600)


def _open_sqlite(file: str, waits: DatabaseSettings) -> sqlite3.Connection:
    connection = sqlite3.connect(
        file, timeout=waits.database_lock_timeout, isolation_level=None, check_same_thread=False
    )
    # Readers and the writer do not wait for one another; kept in the file.
    connection.execute("PRAGMA journal_mode=WAL")
    return connection


def postgres_engine(
    url: DatabaseURL, waits: DatabaseSettings, connections: int, opened: Callable[[Any], None]
) -> Engine:
    """A PostgreSQL database; `opened` is called with each new connection of the driver's."""
    import psycopg

    def connect() -> Any:
        connection = psycopg.connect(
            url.conninfo,
            prepare_threshold=None,
            connect_timeout=max(2, round(waits.database_connect_timeout)),
            client_encoding="UTF8",  # whatever the database or the environment says
        )
        # What follows a lock must see what others did before: a user's own default may be stricter.
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        opened(connection)
        return connection

    engine = create_engine(
        "postgresql+psycopg://",
        creator=connect,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=waits.database_connect_timeout,
        hide_parameters=True,
        use_native_hstore=False,  # which would look for that type on every new connection
    )

    @event.listens_for(engine, "handle_error")
    def _leave_standby(context: ExceptionContext) -> None:
        # After a failover the server may only read: new connections lead to the one that writes by now.
        if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
            context.is_disconnect = True

    return engine
