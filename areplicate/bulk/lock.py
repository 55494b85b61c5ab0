"""Locks a job's journal against a second process."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ..errors import BadRequestError


def locked(path: Path) -> sqlite3.Connection:
    """The lock of a journal; closing it frees it, and so does the end of the process, however that ends.

    It is SQLite's own lock on a file beside the journal, which works alike on every system.

    Raises:
        BadRequestError: another process has it, or the file cannot be opened.
    """
    lock = path.with_name(path.name + ".lock")
    try:
        connection = sqlite3.connect(lock, timeout=0, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise BadRequestError(f"{lock} cannot be opened: {error}.") from None
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        connection.close()
        raise BadRequestError(
            f"Another process works on this job: {lock} is locked ({error}). Wait for it, or give "
            "this job a journal of its own."
        ) from None
    return connection
