"""Files and batches in the database. Each method is one unit of work.

A batch is worked on by one process at a time: the one that has its lease, and renews it. A process that dies
renews nothing, and when the lease is over another one takes the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, Update, and_, delete, func, or_, select, true, update

from .auth import Caller
from .database import Database
from .key_store import locked_key
from .rows import LEASE, UNFINISHED, BatchRow, FileRow
from .tables import added, batches, files


class BegunBatch(NamedTuple):
    """A batch that is `in_progress`, or `validating` if it is expected to cost more than the dollars `left`."""

    row: BatchRow
    left: float


class BatchStore:
    def __init__(self, database: Database, process: str) -> None:
        self._database = database
        self._process = process

    async def add_file(self, row: FileRow, most: int) -> bool:
        """Adds a file, unless its key has `most` already."""

        def work(connection: Connection, now: float) -> bool:
            count = select(func.count()).select_from(files).where(files.c.key_id == row.key_id)
            if connection.execute(count).scalar_one() >= most:
                return False
            connection.execute(added(files, row))
            return True

        return await self._database.run(work)

    async def file(self, id: str, caller: Caller) -> FileRow | None:
        """A file that the caller may see."""
        query = select(files).where(files.c.id == id, _of(files, caller))
        return await self._database.row(query, FileRow)

    async def list_files(
        self, caller: Caller, purpose: str | None, after: str | None, limit: int, ascending: bool
    ) -> list[FileRow]:
        query = _page(files, caller, after, limit, ascending)
        if purpose is not None:
            query = query.where(files.c.purpose == purpose)
        return await self._database.rows(query, FileRow)

    async def delete_file(self, id: str, caller: Caller) -> bool:
        return bool(await self._database.execute(delete(files).where(files.c.id == id, _of(files, caller))))

    async def add_batch(self, row: BatchRow) -> None:
        await self._database.execute(added(batches, row))

    async def batch(self, id: str, caller: Caller) -> BatchRow | None:
        """A batch that the caller may see."""
        query = select(batches).where(batches.c.id == id, _of(batches, caller))
        return await self._database.row(query, BatchRow)

    async def list_batches(self, caller: Caller, after: str | None, limit: int) -> list[BatchRow]:
        """The batches that the caller may see, newest first."""
        return await self._database.rows(_page(batches, caller, after, limit, ascending=False), BatchRow)

    async def cancel(self, id: str) -> None:
        """Asks for the end of a batch, if it has not ended or is ending already."""
        may_go_on = update(batches).where(
            batches.c.id == id, batches.c.status.in_(("validating", "in_progress"))
        )
        await self._database.execute(lambda now: may_go_on.values(status="cancelling", cancelling_at=now))

    # Leases

    async def claim(self) -> BatchRow | None:
        """Takes the oldest batch that nobody works on."""

        def work(connection: Connection, now: float) -> BatchRow | None:
            b = batches.c
            free = and_(b.status.in_(UNFINISHED), or_(b.leased_until.is_(None), b.leased_until < now))
            oldest = select(b.id).where(free).order_by(b.created_at).limit(1)
            if not self._database.is_sqlite:
                oldest = oldest.with_for_update(skip_locked=True)
            id = connection.execute(oldest).scalar()
            if id is None:
                return None
            taken = update(batches).where(b.id == id, free)
            values = {"leased_by": self._process, "leased_until": now + LEASE}
            return _changed(connection, taken.values(**values))

        return await self._database.run(work)

    async def save(self, id: str, **changes: Any) -> BatchRow | None:
        """Renews the lease, and writes what has changed; None if another process has it."""

        def work(connection: Connection, now: float) -> BatchRow | None:
            return _changed(connection, self._leased(id).values(**{"leased_until": now + LEASE, **changes}))

        return await self._database.run(work)

    async def begin(self, id: str, key_id: str | None, total: int, expected: float) -> BegunBatch | None:
        """Begins a batch that has been checked, if its key's budget is enough for it beside the key's others.

        One batch of a key after the other: two at once cannot both take what is left. One that has been cancelled
        meanwhile stays so. None if another process has the lease.

        Args:
            expected: dollars that all of it is expected to cost.
        """

        def work(connection: Connection, now: float) -> BegunBatch | None:
            mine = self._leased(id)
            left = _left(connection, key_id, now)
            row = _changed(connection, mine.values(leased_until=now + LEASE, total=total))
            if row is not None and row.status == "validating" and expected <= left:
                begun = {"status": "in_progress", "in_progress_at": now, "expected": expected}
                row = _changed(connection, mine.values(**begun))
            return None if row is None else BegunBatch(row, left)

        return await self._database.run(work)

    async def finish(self, id: str, made: Sequence[FileRow], **changes: Any) -> None:
        """Writes a batch's end, with the files that it made; nothing where another process has the lease."""

        def work(connection: Connection, now: float) -> None:
            ended = self._leased(id).values(leased_by=None, leased_until=None, **changes)
            if connection.execute(ended).rowcount:
                for file in made:
                    connection.execute(added(files, file))

        await self._database.run(work)

    async def release(self, id: str, seconds: float = 0.0) -> None:
        """Leaves a batch, after that many seconds, to the process that claims it next."""
        leased = self._leased(id)
        await self._database.execute(lambda now: leased.values(leased_by=None, leased_until=now + seconds))

    async def free_all(self) -> None:
        """Ends all leases, for a process that knows itself to be the only one."""
        await self._database.execute(update(batches).values(leased_by=None, leased_until=None))

    def _leased(self, id: str) -> Update:
        """An update of a batch, which changes nothing where another process has the lease."""
        return update(batches).where(batches.c.id == id, batches.c.leased_by == self._process)


def _changed(connection: Connection, statement: Update) -> BatchRow | None:
    """The batch as an update leaves it; None if it changes none."""
    row = connection.execute(statement.returning(*batches.c)).first()
    return None if row is None else BatchRow(**row._mapping)


def _left(connection: Connection, key_id: str | None, now: float) -> float:
    """Dollars left of a key's budget, after what it and its batches under way have taken; locks the key."""
    key = locked_key(connection, key_id, now)
    if key is None or key.max_budget is None:
        return math.inf
    b = batches.c
    running = and_(b.key_id == key_id, b.status.in_(("in_progress", "finalizing")))
    others = connection.execute(select(b.expected, b.total, b.completed, b.failed).where(running))
    taken = sum(float(o.expected * (o.total - o.completed - o.failed) / o.total) for o in others if o.total)
    return key.max_budget - key.spend - taken


def _of(table: Table, caller: Caller) -> ColumnElement[bool]:
    """What the caller may see: its key's own; the master key sees all."""
    return true() if caller.is_master else table.c.key_id == caller.key_id


def _page(table: Table, caller: Caller, after: str | None, limit: int, ascending: bool) -> Any:
    """Rows in the order of their making, from behind the one with the id `after`."""
    c = table.c
    query = select(table).where(_of(table, caller)).limit(limit)
    if after is not None:
        at = select(c.created_at).where(c.id == after).scalar_subquery()
        beyond = c.created_at > at if ascending else c.created_at < at
        same = and_(c.created_at == at, c.id > after)
        query = query.where(or_(beyond, same))
    return query.order_by(c.created_at if ascending else c.created_at.desc(), c.id)
