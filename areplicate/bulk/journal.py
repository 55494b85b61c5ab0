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
import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

import anyio
import msgspec
from anyio.abc import TaskGroup

from ..chat.plain import plain
from ..errors import APIError, BadRequestError
from ..options.client_fields import names_for
from ..threads import in_thread
from .journal_file import (
    JournalEntry,
    MaybeCreated,
    Part,
    Statement,
    asked_of,
    asking,
    ending,
    entry_of,
    forgetting,
    locked,
    opened,
    read_as_a_journal,
    write_all,
)

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
"""In the `repr` of an object: another in each process."""

_HOW = names_for("caller") - names_for("client") - {"extra_body"}
"""Options that say how a request is made, not what it asks."""


class ChangedRequest(BadRequestError):
    """The journal has an answer to another question under this request's number."""


class _Batch(msgspec.Struct):
    """What is written in one transaction."""

    statements: list[Statement] = []
    written: anyio.Event = msgspec.field(default_factory=anyio.Event)


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
            self._writer = await in_thread(opened, self.path)
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
        with read_as_a_journal(self.path):
            return entry_of(self._readable(), number)

    def question(self, number: int, request: Mapping[str, Any]) -> bytes:
        """The hash of what a row asks.

        Raises:
            ChangedRequest: the journal has another question under this number.
        """
        asks, entry = question_hash(request), self.entry(number)
        if entry is not None and entry.question != asks:
            raise ChangedRequest(
                f"Request {number} differs from the one in the journal {self.path}: the job has changed since "
                "it began. Give the changed job a journal of its own."
            )
        return asks

    def asked(self, number: int) -> dict[Part, MaybeCreated]:
        """The predictions of a row that has not ended, as far as an earlier run asked for them."""
        with read_as_a_journal(self.path):
            return asked_of(self._readable(), number)

    async def ask(self, number: int, question: bytes, part: Part, mark: int) -> None:
        """Writes that a part is about to be asked for with `mark`; returns once that is on disk."""
        await self._write(asking(number, question, part, MaybeCreated(mark, time.time())))

    def forget(self, number: int, part: Part, mark: int) -> None:
        """Has it written soon that no prediction was made with `mark`, so that the next run looks for none."""
        if self._writer is not None:
            self._add(forgetting(number, part, mark))

    async def end(
        self, number: int, question: bytes, *, response: bytes | None = None, error: bytes | None = None
    ) -> None:
        """Writes a row's answer or error, as JSON; returns once that is on disk."""
        await self._write(ending(JournalEntry(number, question, response, error)))

    async def _write(self, statements: Sequence[Statement]) -> None:
        """Writes with whatever else is waiting to be written."""
        if self._writer is None:
            raise self._closed()
        await self._add(statements).written.wait()
        if self._failure is not None:
            raise self._failure

    def _add(self, statements: Sequence[Statement]) -> _Batch:
        """Has them written soon, with the batch that this gives."""
        self._batch.statements.extend(statements)
        self._wanted.set()
        return self._batch

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
                await in_thread(write_all, self._writer, batch.statements)
        except Exception as error:  # whatever it is: those who wait must not take it for written
            self._failure = UnwritableJournal(
                f"The journal {self.path} cannot be written: {error}. Nothing more is asked. Fix that, and "
                "start the same job again."
            )
        finally:
            batch.written.set()

    def _readable(self) -> sqlite3.Connection:
        if self._reader is None:
            raise self._closed()
        return self._reader

    def _closed(self) -> APIError:
        return APIError(f"The journal {self.path} is closed.")


def question_hash(request: Mapping[str, Any]) -> bytes:
    """Sixteen bytes that stand for what a request asks.

    How it is asked (a time-out, a key, who watches) does not count. Files in memory and images count by their
    content, and other values that JSON does not have by their `repr`, without addresses in memory.
    """
    asks = {name: value for name, value in request.items() if name not in _HOW}
    try:
        encoded = msgspec.json.encode(asks, enc_hook=_counts_as, order="deterministic")
    except (TypeError, ValueError, RecursionError):  # keys that are numbers, or halves of characters
        encoded = repr(asks).encode(errors="surrogatepass")
    return hashlib.blake2b(encoded, digest_size=16).digest()


def _counts_as(value: Any) -> Any:
    if isinstance(value, BytesIO):
        return value.getvalue()
    converted = plain(value)
    return _ADDRESS.sub("", repr(value)) if converted is value else converted
