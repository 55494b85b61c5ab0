"""Files and batches in the database.

A batch is worked on by one process at a time: the one that has its lease, and renews it. A process that dies
renews nothing, and when the lease is over another one takes the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from .auth import Caller
from .database import Database, Stored, unit
from .key_store import locked_key
from .tables import UNFINISHED, BatchRow, FileRow
from .transaction import Transaction, assigned, owned, stored

T = TypeVar("T", FileRow, BatchRow)
_TABLES = {FileRow: "areplicate_files", BatchRow: "areplicate_batches"}
OF_A_KEY = 4
"""Batches of one key that a process works on: those of others do not wait for all of them."""
_RESULTS = 2
"""Files that a batch may make: its output, and its errors."""
LEASE = 15.0
"""Seconds after which a batch no longer belongs to a process that has not renewed its lease."""


class LeaseLost(Exception):
    """Another process works on the batch now."""


class BatchStore(Stored):
    def __init__(self, database: Database, process: str) -> None:
        super().__init__(database)
        self._process = process

    @unit(reads=True)
    def files_of(self, transaction: Transaction, key_id: str | None) -> int:
        """How many files a key has, with the results of its batches under way."""
        return _files_of(transaction, key_id)

    @unit()
    def add(self, transaction: Transaction, row: FileRow | BatchRow, most: int) -> bool:
        """Adds a file or a batch, unless its key would have more than `most` files, those of its batches included."""
        locked_key(transaction, row.key_id)  # of several at once, each sees those before
        more = 1 if isinstance(row, FileRow) else _RESULTS
        if _files_of(transaction, row.key_id) + more > most:
            return False
        transaction.add(_TABLES[type(row)], row)
        return True

    @unit(reads=True)
    def find(self, transaction: Transaction, kind: type[T], id: str, caller: Caller) -> T | None:
        """A file or a batch, by its kind of row, that the caller may see."""
        query = f"SELECT * FROM {_TABLES[kind]} WHERE id = :id AND {_seen_by(caller)}"
        return transaction.row(kind, query, id=id, key_id=caller.key_id)

    @unit(reads=True)
    def page(
        self,
        transaction: Transaction,
        kind: type[T],
        caller: Caller,
        after: str | None,
        limit: int,
        order: Literal["asc", "desc"] = "desc",
        purpose: str | None = None,
    ) -> list[T]:
        """Files or batches that the caller may see, by when they were made, from behind the one with the id `after`."""
        table, than = _TABLES[kind], ">" if order == "asc" else "<"
        conditions = [_seen_by(caller)]
        if purpose is not None:
            conditions.append("purpose = :purpose")
        if after is not None:
            at = f"(SELECT created_at FROM {table} WHERE id = :after)"
            conditions.append(f"(created_at {than} {at} OR created_at = {at} AND id > :after)")
        where = " AND ".join(conditions)
        query = f"SELECT * FROM {table} WHERE {where} ORDER BY created_at {order}, id LIMIT :limit"
        values = {"key_id": caller.key_id, "purpose": purpose, "after": after, "limit": limit}
        return transaction.rows(kind, query, **values)

    @unit()
    def delete_file(self, transaction: Transaction, id: str, caller: Caller) -> bool:
        delete = f"DELETE FROM areplicate_files WHERE id = :id AND {_seen_by(caller)}"
        return bool(transaction.execute(delete, id=id, key_id=caller.key_id))

    @unit()
    def cancel(self, transaction: Transaction, id: str) -> None:
        """Asks for the end of a batch, if it has not ended or is ending already."""
        cancel = """
            UPDATE areplicate_batches SET status = 'cancelling', cancelling_at = :now
            WHERE id = :id AND status IN ('validating', 'in_progress')
        """
        transaction.execute(cancel, id=id)

    # Leases

    @unit()
    def claim(self, transaction: Transaction) -> BatchRow | None:
        """Takes the oldest batch that nobody works on, of a key of which this process has not its share already."""
        free = "status IN :unfinished AND (leased_until IS NULL OR leased_until < :now)"
        lock = "" if transaction.is_sqlite else "FOR UPDATE SKIP LOCKED"
        take = f"""
            UPDATE areplicate_batches SET leased_by = :process, leased_until = :now + :lease
            WHERE {free} AND id = (
                SELECT id FROM areplicate_batches AS next WHERE {free} AND {OF_A_KEY} > (
                    SELECT COUNT(*) FROM areplicate_batches AS other
                    WHERE other.leased_by = :process AND other.leased_until >= :now
                    AND COALESCE(other.key_id, '') = COALESCE(next.key_id, '')
                ) ORDER BY created_at LIMIT 1 {lock}
            ) RETURNING *
        """
        values = {"unfinished": list(UNFINISHED), "process": self._process, "lease": LEASE}
        return transaction.row(BatchRow, take, **values)

    @unit()
    def save(self, transaction: Transaction, /, id: str, **changes: Any) -> BatchRow:
        """Renews the lease, and writes what has changed; raises `LeaseLost`, as what follows does."""
        return self._change(transaction, id, **changes)

    @unit()
    def begin(
        self, transaction: Transaction, id: str, key_id: str | None, total: int, expected: float
    ) -> tuple[BatchRow, float]:
        """Begins a batch that has been checked, if its key's budget is enough for it beside the key's others; else it
        stays `validating`. Gives the batch, and the dollars that the key had left.

        One batch of a key after the other: two at once cannot both take what is left. One that has been cancelled
        meanwhile stays so.

        Args:
            expected: dollars that all of it is expected to cost.
        """
        left = _left(transaction, key_id)
        row = self._change(transaction, id, total=total)
        if row.status == "validating" and expected <= left:
            begun = {"status": "in_progress", "in_progress_at": transaction.now, "expected": expected}
            row = self._change(transaction, id, **begun)
        return row, left

    @unit()
    def finish(self, transaction: Transaction, /, id: str, made: Sequence[FileRow], **changes: Any) -> None:
        """Writes a batch's end, with the files that it made."""
        self._change(transaction, id, **changes, leased_by=None, leased_until=None)
        transaction.add("areplicate_files", *made)

    @unit()
    def release(self, transaction: Transaction, id: str, seconds: float) -> None:
        """Leaves a batch, after that many seconds, to the process that claims it next."""
        self._change(transaction, id, leased_by=None, leased_until=transaction.now + seconds)

    @unit()
    def free_all(self, transaction: Transaction) -> None:
        """Ends all leases, for a process that knows itself to be the only one."""
        transaction.execute("UPDATE areplicate_batches SET leased_by = NULL, leased_until = NULL")

    def _change(self, transaction: Transaction, id: str, **changes: Any) -> BatchRow:
        """The batch after a change, which also renews its lease; raises `LeaseLost`."""
        values = stored(BatchRow, {"leased_until": transaction.now + LEASE, **changes})
        change = f"""
            UPDATE areplicate_batches SET {assigned(values)}
            WHERE id = :id AND leased_by = :process RETURNING *
        """
        row = transaction.row(BatchRow, change, id=id, process=self._process, **values)
        if row is None:
            raise LeaseLost
        return row


def _files_of(transaction: Transaction, key_id: str | None) -> int:
    """How many files a key has, with the results of its batches under way."""
    count = f"""
        SELECT (SELECT COUNT(*) FROM areplicate_files WHERE {owned(key_id)}) + {_RESULTS} * (
            SELECT COUNT(*) FROM areplicate_batches WHERE {owned(key_id)} AND status IN :unfinished
        )
    """
    return int(transaction.value(count, key_id=key_id, unfinished=list(UNFINISHED)))


def _left(transaction: Transaction, key_id: str | None) -> float:
    """Dollars left of a key's budget, after what it and its batches under way have taken; locks the key."""
    key = locked_key(transaction, key_id)
    if key is None or key.max_budget is None:
        return math.inf
    running = """
        SELECT * FROM areplicate_batches
        WHERE key_id = :key_id AND status IN ('in_progress', 'finalizing') AND total > 0
    """
    others = transaction.rows(BatchRow, running, key_id=key_id)
    taken = sum(o.expected * (o.total - o.completed - o.failed) / o.total for o in others)
    return key.max_budget - key.spend - taken


def _seen_by(caller: Caller) -> str:
    """What the caller may see: its key's own; the master key sees all."""
    return "TRUE" if caller.is_master else owned(caller.key_id)
