"""SQLite and PostgreSQL: how a connection is opened, a transaction begun, and both ended from outside.

Connections are the drivers' own, with rows as dictionaries. `errors` is the driver, which has its exceptions by their
names in PEP 249; `kept` is how many connections stay open while nobody uses them.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import time
from typing import Any

from ..config.database_url import DatabaseURL
from ..config.settings import DatabaseSettings

GRACE = 1.0
"""Seconds that the server may take beyond a statement's time before its connection is cut."""
_READ_ONLY = "25006"
"""What PostgreSQL says to a change in a transaction that only reads."""


class SQLite:
    """A SQLite file, which is made if there is none."""

    errors = sqlite3
    kept = 2
    is_sqlite = True

    def __init__(self, file: str, waits: DatabaseSettings) -> None:
        self._file = file
        self._waits = waits
        _make_private(file)

    def open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._file,
            timeout=self._waits.database_lock_timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.row_factory = _as_dictionary
        try:
            # Readers and the writer do not wait for one another; kept in the file.
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def begin(self, connection: sqlite3.Connection, seconds: float, *, reads: bool) -> float:
        """Begins a transaction, and gives the time by the database's clock."""
        # Takes the lock for writers at once: a reader that became a writer half-way would be refused.
        connection.execute("BEGIN" if reads else "BEGIN IMMEDIATE")
        return time.time()

    def is_lost(self, connection: sqlite3.Connection, error: BaseException) -> bool:
        """Whether the connection is of no use after this error."""
        return False

    def cut(self, connection: sqlite3.Connection) -> None:
        """Ends what another thread is doing with the connection."""
        connection.interrupt()


def _as_dictionary(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


def _make_private(file: str) -> None:
    """Only the gateway's user may read keys and usage. SQLite's side files get the same rights.

    Where there is the file already, it is not opened: closing it again would end the locks that SQLite has on it.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with contextlib.suppress(PermissionError):  # another user's file: its owner decides
        os.chmod(file, 0o600)


class PostgreSQL:
    """A PostgreSQL database. psycopg uses libpq, so that libpq's parameters mean what they always mean.

    No statement is prepared on the server and nothing is set for longer than a transaction, as PgBouncer's
    transaction mode wants it.
    """

    is_sqlite = False

    def __init__(self, url: DatabaseURL, waits: DatabaseSettings, connections: int) -> None:
        import psycopg

        self.errors = psycopg
        self.kept = connections
        self._url = url
        self._waits = waits

    def open(self) -> Any:
        connection = self.errors.connect(
            self._url.conninfo,
            prepare_threshold=None,
            row_factory=self.errors.rows.dict_row,
            connect_timeout=max(2, round(self._waits.database_connect_timeout)),
            client_encoding="UTF8",  # whatever the database or the environment says
        )
        # What follows a lock must see what others did before: a user's own default may be stricter.
        connection.isolation_level = self.errors.IsolationLevel.READ_COMMITTED
        return connection

    def begin(self, connection: Any, seconds: float, *, reads: bool) -> float:
        """The same, with time limits of `seconds` at the server."""
        lock_seconds = min(self._waits.database_lock_timeout, seconds)
        settings = {
            "statement_timeout": f"{max(1, round(seconds * 1000))}ms",
            "lock_timeout": f"{max(1, round(lock_seconds * 1000))}ms",
            "idle_in_transaction_session_timeout": f"{round((seconds + GRACE) * 1000)}ms",
            **({"search_path": self._url.quoted_schema} if self._url.schema else {}),
        }
        set_all = ", ".join(f"set_config('{name}', %({name})s, true)" for name in settings)
        clock = "CAST(extract(epoch FROM clock_timestamp()) AS float8) AS now"
        now: float = connection.execute(f"SELECT {clock}, {set_all}", settings).fetchone()["now"]
        return now

    def is_lost(self, connection: Any, error: BaseException) -> bool:
        # After a failover the server may only read: new connections lead to the one that writes by now.
        return connection.closed or getattr(error, "sqlstate", None) == _READ_ONLY

    def cut(self, connection: Any) -> None:
        # libpq waits on this descriptor; what it reads from now on is the end.
        with socket.socket(fileno=os.dup(connection.pgconn.socket)) as wire:
            wire.shutdown(socket.SHUT_RDWR)


Dialect = SQLite | PostgreSQL
