"""The file of a job's journal: a SQLite database, and the lock that keeps a second process from it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..errors import BadRequestError

Statement = tuple[str, tuple[Any, ...]]
"""SQL and its values."""

_FORMAT = 3
"""Of the tables below and of how a question is hashed. A journal of another format is refused."""

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
    target TEXT NOT NULL,        -- of whom its prediction was asked: a model, or an entry of a model_list
    place INTEGER NOT NULL,      -- which of those that were asked of it, from 0: a row with n=3 has three
    mark INTEGER NOT NULL,       -- the seconds by which the prediction is known
    at REAL NOT NULL,            -- when it was asked for, in seconds since 1970
    PRIMARY KEY (number, target, place)
) WITHOUT ROWID;
"""

_BEGIN = """
INSERT INTO rows (number, question) VALUES (?, ?)
ON CONFLICT (number) DO UPDATE SET error = NULL
"""
_ASK = """
INSERT INTO asked (number, target, place, mark, at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (number, target, place) DO UPDATE SET mark = excluded.mark, at = excluded.at
"""
_END = """
INSERT INTO rows (number, question, response, error) VALUES (?, ?, ?, ?)
ON CONFLICT (number) DO UPDATE SET response = excluded.response, error = excluded.error
"""
_FORGET_ALL = "DELETE FROM asked WHERE number = ?"
_FORGET = f"{_FORGET_ALL} AND target = ? AND place = ? AND mark = ?"
_SELECT = "SELECT number, question, response, error FROM rows"


class Part(NamedTuple):
    """One of a row's predictions: of whom it was asked, and which of those it is that were asked of them, from 0."""

    target: str
    place: int


class MaybeCreated(NamedTuple):
    """A prediction that may exist: its mark (seconds), and when it was asked for (seconds since 1970)."""

    mark: int
    at: float


class DamagedJournal(BadRequestError):
    """What is in a journal cannot be read, so that nothing more is asked."""


class JournalEntry(msgspec.Struct, frozen=True):
    """What the journal knows of one row. `response` and `error` are JSON; both None if it has not ended."""

    number: int
    question: bytes
    response: bytes | None = None
    error: bytes | None = None

    @property
    def ended(self) -> bool:
        return self.response is not None or self.error is not None


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
        if "locked" not in str(error):
            raise BadRequestError(f"{lock} cannot be used: {error}.") from None
        raise BadRequestError(
            f"Another process works on this job: {lock} is locked ({error}). Wait for it, or give "
            "this job a journal of its own."
        ) from None
    return connection


def opened(path: Path) -> sqlite3.Connection:
    """The database of a journal, made if there is none; it may be used by one thread at a time.

    Raises:
        BadRequestError: it cannot be opened, or is not a journal of this format.
    """
    try:
        database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
    except sqlite3.Error as error:
        raise BadRequestError(f"The journal {path} cannot be opened: {error}.") from None
    try:
        with read_as_a_journal(path):
            # A mark must be on disk before its prediction is asked for: FULL syncs each transaction.
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            if _is_empty(database):
                # In one transaction: a process that is killed meanwhile leaves no half of a journal.
                insert = f"INSERT OR IGNORE INTO job VALUES ('format', '{_FORMAT}')"
                database.executescript(f"BEGIN IMMEDIATE; {_TABLES} {insert}; COMMIT")
            _check_format(database, path)
    except BadRequestError:
        database.close()
        raise
    return database


def asking(number: int, question: bytes, part: Part, made: MaybeCreated) -> Sequence[Statement]:
    """Writes that a part of the row is about to be asked for."""
    return (_BEGIN, (number, question)), (_ASK, (number, *part, *made))


def ending(entry: JournalEntry) -> Sequence[Statement]:
    """Writes a row's end; what was asked for it is forgotten, as nobody looks for it any more."""
    return (_END, (entry.number, entry.question, entry.response, entry.error)), (_FORGET_ALL, (entry.number,))


def forgetting(number: int, part: Part, mark: int) -> Sequence[Statement]:
    """Writes that no prediction was made with a mark, if that is still the part's."""
    return ((_FORGET, (number, *part, mark)),)


def write_all(database: sqlite3.Connection, statements: Sequence[Statement]) -> None:
    """Writes in one transaction."""
    database.execute("BEGIN IMMEDIATE")
    try:
        for statement, values in statements:
            database.execute(statement, values)
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite may have done so, as it does on a full disk
            database.execute("ROLLBACK")
        raise


def entry_of(database: sqlite3.Connection, number: int) -> JournalEntry | None:
    """What is known of a row; None if it has never been asked."""
    found = database.execute(f"{_SELECT} WHERE number = ?", (number,)).fetchone()
    return None if found is None else JournalEntry(*found)


def asked_of(database: sqlite3.Connection, number: int) -> dict[Part, MaybeCreated]:
    """The predictions of a row that has not ended."""
    found = database.execute("SELECT target, place, mark, at FROM asked WHERE number = ?", (number,))
    return {Part(target, place): MaybeCreated(mark, at) for target, place, mark, at in found}


def read_journal(path: Path) -> Generator[JournalEntry, None, None]:
    """The rows of a journal in their order, also while a job writes it; none if there is no file, or nothing in it.

    Raises:
        BadRequestError: it is not a journal of this format, or it is damaged.
    """
    if not path.is_file():
        return
    # The last process to close the journal removes SQLite's own files beside it, if it may write.
    mode = "rw" if os.access(path, os.W_OK) else "ro"
    # A reader that is left half-read may be closed by another thread.
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, check_same_thread=False)
    try:
        with read_as_a_journal(path):
            if _is_empty(database):
                return
            _check_format(database, path)
            for found in database.execute(f"{_SELECT} ORDER BY number"):
                yield JournalEntry(*found)
    finally:
        database.close()


@contextmanager
def read_as_a_journal(path: Path) -> Iterator[None]:
    """Raises `DamagedJournal` if what is read from a journal in this block is none."""
    try:
        yield
    except (sqlite3.Error, msgspec.DecodeError) as error:
        raise DamagedJournal(
            f"{path} is not a journal of areplicate, or it is damaged: {error}. Begin the job anew with another "
            "output or journal. The command .recover of sqlite3 may save the answers in a damaged one."
        ) from None


def _is_empty(database: sqlite3.Connection) -> bool:
    """Whether it has no tables: it was just made, perhaps by a process that was killed before it went on."""
    return database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


def _check_format(database: sqlite3.Connection, path: Path) -> None:
    found = database.execute("SELECT value FROM job WHERE name = 'format'").fetchone()
    if found != (str(_FORMAT),):
        raise BadRequestError(
            f"{path} is the journal of another version of areplicate (format {found and found[0]}, not {_FORMAT}): "
            "finish the job with that version, or begin it anew with another output or journal."
        )
