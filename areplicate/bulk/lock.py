"""Keeps a second process away from a job."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ..errors import BadRequestError


class Lock:
    """Keeps a second process away from a journal; the system frees it with the process, however that ends.

    It is SQLite's own lock on a file beside the journal, which works alike on every system.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._connection: sqlite3.Connection | None = None

    def take(self) -> None:
        try:
            connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise BadRequestError(f"{self._path} cannot be opened: {error}.") from None
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            connection.close()
            raise BadRequestError(
                f"Another process works on this job: {self._path} is locked ({error}). Wait for it, or give "
                "this job a journal of its own."
            ) from None
        self._connection = connection

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
