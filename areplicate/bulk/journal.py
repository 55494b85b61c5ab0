"""The journal of a job: what was asked and answered, on disk, so that the job can go on where it stopped.

A job must survive everything at any moment: Ctrl-C, `kill -9`, a power cut, a full disk. Two writes a row
are enough for that, because a prediction is known by its mark (see `replicate/creation.py`):

- *Before* a prediction is asked for, its mark is written and synced to disk. A row that has a mark and no
  end is one whose prediction may exist: the next run looks for it and takes it over.
- *After* it ended, the answer or the error is written, before anybody is given it. Such a row is never asked
  for again.

What is lost between the two is found by the mark; a mark that was never written was never sent. Writes that
come while the disk is busy go into one transaction together, so that thousands of rows share a few.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import msgspec
from anyio.abc import TaskGroup

from ..errors import APIError, BadRequestError
from ..options import names_for
from ..threads import in_thread
from .lock import locked

_FORMAT = 2
"""Of the tables below and of how a question is hashed. A journal of another format is refused."""

_HOW = names_for("caller") - names_for("client") - {"extra_body"}
"""Options that say how a request is made, not what it asks."""

_TABLES = """
CREATE TABLE IF NOT EXISTS job (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rows (
    number INTEGER PRIMARY KEY,  -- the row's place in the job, from 0
    question BLOB NOT NULL,      -- what it asks, as a hash: a job whose rows have changed is another job
    response BLOB,               -- the answer, as JSON
    error BLOB                   -- or what was wrong, as JSON
);
CREATE TABLE IF NOT EXISTS asked (
    number INTEGER NOT NULL,     -- the row
    part INTEGER NOT NULL,       -- which of its predictions, from 0: a row with n=3 has three
    mark INTEGER NOT NULL,       -- the seconds by which the prediction is known
    at REAL NOT NULL,            -- when it was asked for, in seconds since 1970
    PRIMARY KEY (number, part)
) WITHOUT ROWID;
"""

_BEGIN = """
INSERT INTO rows (number, question) VALUES (?, ?)
ON CONFLICT (number) DO UPDATE SET error = NULL
"""
_ASK = """
INSERT INTO asked (number, part, mark, at) VALUES (?, ?, ?, ?)
ON CONFLICT (number, part) DO UPDATE SET mark = excluded.mark, at = excluded.at
"""
_END = """
INSERT INTO rows (number, question, response, error) VALUES (?, ?, ?, ?)
ON CONFLICT (number) DO UPDATE SET response = excluded.response, error = excluded.error
"""
_FORGET = "DELETE FROM asked WHERE number = ?"


class MaybeCreated(NamedTuple):
    """A prediction that may exist: its mark (seconds), and when it was asked for (seconds since 1970)."""

    mark: int
    at: float


class JournalEntry(msgspec.Struct, frozen=True):
    """What the journal knows of one row. `response` and `error` are JSON; both None if it has not ended."""

    number: int
    question: bytes
    response: bytes | None = None
    error: bytes | None = None

    @property
    def ended(self) -> bool:
        return self.response is not None or self.error is not None


class ChangedRequest(BadRequestError):
    """The journal has an answer to another question under this request's number."""


class _Batch:
    """What is written in one transaction."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, tuple[Any, ...]]] = []
        self.written = anyio.Event()


class UnwritableJournal(APIError):
    """Nothing more can be written, as on a full disk, so that nothing more is asked."""


class Journal:
    """One job's journal. Use it as an async context manager: it belongs to one process at a time.

    Args:
        path: the SQLite file; made if it does not exist.

    Raises:
        BadRequestError: another process has it, or it is not a journal of this format.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self._lock: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._tasks: TaskGroup | None = None
        self._batch = _Batch()
        self._wanted = anyio.Event()
        self._failure: APIError | None = None

    async def __aenter__(self) -> Journal:
        self._lock = locked(self.path)
        try:
            self._writer = await in_thread(_opened, self.path)
            # A connection of its own: reading must not wait for the disk while another thread writes.
            self._reader = sqlite3.connect(self.path)
        except BaseException:
            self._lock.close()
            raise
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._write_batches)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._tasks and self._lock and self._reader and self._writer, "it is entered"
        self._tasks.cancel_scope.cancel()
        try:
            await self._tasks.__aexit__(None, None, None)
        finally:
            # What nobody waits for any more is written all the same: it has been paid for.
            with anyio.CancelScope(shield=True):
                while self._batch.statements:
                    await self._write_batch()
                reader, writer = self._reader, self._writer
                self._reader = self._writer = None  # from here on nobody may come to wait for a write
                reader.close()
                await in_thread(writer.close)
            self._lock.close()

    def entry(self, number: int) -> JournalEntry | None:
        """What is known of a row; None if it has never been asked."""
        found = self._read(f"{_SELECT} WHERE number = ?", (number,)).fetchone()
        return None if found is None else JournalEntry(*found)

    def question(self, number: int, request: Mapping[str, Any]) -> bytes:
        """The hash of what a row asks.

        Raises:
            ChangedRequest: the journal has another question under this number.
        """
        asks = question_hash(request)
        known = self._read("SELECT question FROM rows WHERE number = ?", (number,)).fetchone()
        if known is not None and known[0] != asks:
            raise ChangedRequest(
                f"Request {number} differs from the one in the journal {self.path}: the job has changed since "
                "it began. Give the changed job a journal of its own."
            )
        return asks

    def asked(self, number: int) -> dict[int, MaybeCreated]:
        """The predictions of a row that has not ended, by their part, as far as an earlier run asked for them."""
        found = self._read("SELECT part, mark, at FROM asked WHERE number = ?", (number,))
        return {part: MaybeCreated(mark, at) for part, mark, at in found}

    async def ask(self, number: int, question: bytes, part: int, mark: int) -> None:
        """Writes that a prediction with `mark` is about to be asked for; returns once that is on disk."""
        await self._write((_BEGIN, (number, question)), (_ASK, (number, part, mark, time.time())))

    async def end(
        self, number: int, question: bytes, *, response: bytes | None = None, error: bytes | None = None
    ) -> None:
        """Writes a row's answer or error, as JSON; returns once that is on disk.

        What was asked for a row that has ended is forgotten: nobody looks for it any more.
        """
        await self._write((_END, (number, question, response, error)), (_FORGET, (number,)))

    async def _write(self, *statements: tuple[str, tuple[Any, ...]]) -> None:
        """Writes with whatever else is waiting to be written."""
        if self._writer is None:
            raise self._closed()
        batch = self._batch
        batch.statements.extend(statements)
        self._wanted.set()
        await batch.written.wait()
        if self._failure is not None:
            raise self._failure

    async def _write_batches(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            with anyio.CancelScope(shield=True):
                await self._write_batch()

    async def _write_batch(self) -> None:
        batch, self._batch = self._batch, _Batch()
        try:
            if batch.statements and self._failure is None and self._writer is not None:
                await in_thread(_write_all, self._writer, batch.statements)
        except Exception as error:  # whatever it is: those who wait must not take it for written
            self._failure = UnwritableJournal(
                f"The journal {self.path} cannot be written: {error}. Nothing more is asked. Fix that, and "
                "start the same job again."
            )
        finally:
            batch.written.set()

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        if self._reader is None:
            raise self._closed()
        return self._reader.execute(query, values)

    def _closed(self) -> APIError:
        return APIError(f"The journal {self.path} is closed.")


def read_journal(path: str | PathLike[str]) -> Iterator[JournalEntry]:
    """The rows of a journal in their order, also while a job writes it. The file is only read.

    Raises:
        BadRequestError: there is no journal at `path`.
    """
    if not Path(path).is_file():
        raise BadRequestError(f"There is no journal at {path}.")
    # The last process to close the journal removes SQLite's own files beside it, if it may write.
    mode = "rw" if os.access(path, os.W_OK) else "ro"
    # A reader that is left half-read may be closed by another thread.
    database = sqlite3.connect(
        f"{Path(path).absolute().as_uri()}?mode={mode}", uri=True, check_same_thread=False
    )
    try:
        _check_format(database, path)
        for found in database.execute(f"{_SELECT} ORDER BY number"):
            yield JournalEntry(*found)
    finally:
        database.close()


def question_hash(request: Mapping[str, Any]) -> bytes:
    """Sixteen bytes that stand for what a request asks.

    How it is asked (a time-out, a key, who watches) does not count. Values that JSON does not have count by
    their `repr`.
    """
    asks = {name: value for name, value in request.items() if name not in _HOW}
    encoded = msgspec.json.encode(asks, enc_hook=repr, order="deterministic")
    return hashlib.blake2b(encoded, digest_size=16).digest()


_SELECT = "SELECT number, question, response, error FROM rows"


def _opened(path: Path) -> sqlite3.Connection:
    # The connection is used by one thread at a time: the loop's for reading, a worker's for writing.
    try:
        database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
    except sqlite3.Error as error:
        raise BadRequestError(f"The journal {path} cannot be opened: {error}.") from None
    try:
        # A mark must be on disk before its prediction is asked for: FULL syncs each transaction.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        fresh = database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone() == (0,)
        if fresh:
            database.executescript(_TABLES)
            database.execute("INSERT INTO job VALUES ('format', ?)", (str(_FORMAT),))
        _check_format(database, path)
    except (sqlite3.Error, BadRequestError) as error:
        database.close()
        if isinstance(error, BadRequestError):
            raise
        raise BadRequestError(f"{path} is not a journal of areplicate's: {error}.") from None
    return database


def _check_format(database: sqlite3.Connection, path: str | PathLike[str]) -> None:
    try:
        found = database.execute("SELECT value FROM job WHERE name = 'format'").fetchone()
    except sqlite3.DatabaseError as error:
        raise BadRequestError(f"{path} is not a journal of areplicate's: {error}.") from None
    if found != (str(_FORMAT),):
        raise BadRequestError(
            f"{path} is the journal of another version of areplicate (format {found and found[0]}, not {_FORMAT}): "
            "finish the job with that version, or begin it anew with another output or journal."
        )


def _write_all(database: sqlite3.Connection, batch: list[tuple[str, tuple[Any, ...]]]) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        for statement, values in batch:
            database.execute(statement, values)
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite may have done so, as it does on a full disk
            database.execute("ROLLBACK")
        raise
