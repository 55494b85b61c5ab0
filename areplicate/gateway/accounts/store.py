"""The database as one gateway process uses it: tables, signs of life, holds of requests in flight, and usage."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import msgspec

from ..config.database_url import DatabaseURL
from ..config.settings import DatabaseSettings
from ..errors import DatabaseUnavailable
from .batch_store import BatchStore
from .counting import recent_of, taken_of, within
from .database import Database, Stored, unit
from .key_limits import WINDOW, Again, Hold, SettledHold, refusal, refusal_of_more
from .key_store import KeyStore, locked_key, renewed_key
from .keys import Key
from .reports import Reports
from .response_store import ResponseStore
from .tables import UsageRow, create_tables
from .transaction import Transaction

HEARTBEAT = 2.0
"""Seconds between a process's signs of life, which are also its looks at the database's health."""
ADMISSION_SECONDS = 2.0
"""Seconds that counting a request in the database may take, before it is counted in memory alone."""
_FORGOTTEN_AFTER = 3600.0
_OPENING_SECONDS = 300.0
_LATE = 30.0
"""Seconds after which a hold that this process does not know of is one that it gave up on."""

_FORGOTTEN = f"seen_at < :now - {_FORGOTTEN_AFTER}"
_LIVES = """
    INSERT INTO areplicate_processes (id, seen_at) VALUES (:process, :now)
    ON CONFLICT (id) DO UPDATE SET seen_at = :now
"""
_DELETE_OLD_HOLDS = f"""
    DELETE FROM areplicate_holds WHERE NOT ({within("ended_at", WINDOW)})
    OR process IN (SELECT id FROM areplicate_processes WHERE {_FORGOTTEN})
    OR process = :process AND ended_at IS NULL AND NOT ({within("at", _LATE)}) AND id NOT IN :mine
"""
_SETTLE = """
    UPDATE areplicate_holds SET tokens = :tokens, dollars = :dollars, ended_at = :now
    WHERE id = :hold_id AND ended_at IS NULL
"""
_EXTEND = """
    UPDATE areplicate_holds SET tokens = tokens + :tokens,
        dollars = CASE WHEN dollars < :dollars THEN :dollars ELSE dollars END
    WHERE id = :id AND ended_at IS NULL
"""


class Store(Stored):
    def __init__(self, url: DatabaseURL, waits: DatabaseSettings, *, alone: bool) -> None:
        super().__init__(Database(url, waits))
        self.process = secrets.token_hex(8)
        self.keys = KeyStore(self.database)
        self.reports = Reports(self.database)
        self.batches = BatchStore(self.database, self.process)
        self.responses = ResponseStore(self.database)
        self._file = url.file
        self._alone = alone
        self._schema = url.quoted_schema
        self._file_lock: int | None = None
        self._inode: int | None = None
        """Of SQLite's file, as it was opened."""

    async def open(self) -> None:
        """Connects, and makes the tables if there are none. If this fails, close it and make another.

        Raises:
            DatabaseUnavailable, RuntimeError: it cannot be, for now; it may be tried again.
        """
        if self._file is not None:
            self._file_lock = _lock(self._file, self._alone)
        await self._make_tables()
        self._inode = _inode(self._file)
        await self.heartbeat(())

    @unit(seconds=_OPENING_SECONDS, probe=True)
    def _make_tables(self, transaction: Transaction) -> None:
        if self._schema:
            # CREATE SCHEMA IF NOT EXISTS needs the right to create one, even where there is one.
            known = "SELECT to_regnamespace(:schema) IS NOT NULL"
            if not transaction.value(known, schema=self._schema):
                transaction.execute(f"CREATE SCHEMA IF NOT EXISTS {self._schema}")
        create_tables(transaction)

    async def aclose(self) -> None:
        await self.database.aclose()
        if self._file_lock is not None:
            os.close(self._file_lock)
            self._file_lock = None

    @unit(seconds=HEARTBEAT, probe=True)
    def heartbeat(self, transaction: Transaction, held: Iterable[str]) -> None:
        """Shows that this process lives, checks that the tables can be written to, and tidies up.

        Args:
            held: the holds that this process still has. Others of its own are left from units of work
                whose end it did not learn: they are given back.
        """
        if _inode(self._file) != self._inode:
            raise DatabaseUnavailable(
                f"{self._file} was removed or replaced: put it back, or restart the gateway"
            )
        if not transaction.is_sqlite:
            transaction.execute(
                "LOCK TABLE areplicate_keys, areplicate_usage, areplicate_holds, areplicate_audit "
                "IN ROW EXCLUSIVE MODE"
            )
        transaction.execute(_LIVES, process=self.process)
        transaction.execute(_DELETE_OLD_HOLDS, process=self.process, mine=list(held))
        transaction.execute(f"DELETE FROM areplicate_processes WHERE {_FORGOTTEN}")

    @unit(seconds=HEARTBEAT)
    def leave(self, transaction: Transaction) -> None:
        """What this process had in flight counts no longer."""
        in_flight = "process = :process AND ended_at IS NULL"
        transaction.execute(f"DELETE FROM areplicate_holds WHERE {in_flight}", process=self.process)
        transaction.execute("DELETE FROM areplicate_processes WHERE id = :process", process=self.process)

    # Limits

    @unit(seconds=ADMISSION_SECONDS)
    def admit(self, transaction: Transaction, hold: Hold) -> Key:
        """Counts a hold against its key, or raises the `GatewayError` that refuses it; gives the key.

        The key is locked first, so that what follows sees every request that was let in before; a refusal
        rolls all of it back. `KeyError` where the key has gone.
        """
        key = _key_of(transaction, hold)
        recent = partial(recent_of, transaction, key.id)
        if refused := refusal(key, hold, taken_of(transaction, key.id), recent, transaction.now):
            raise refused
        # Its own time stays: that is when it was counted in memory, by which it may be given back there.
        transaction.add("areplicate_holds", hold, at=transaction.now, process=self.process)
        return key

    @unit(seconds=ADMISSION_SECONDS)
    def extend(self, transaction: Transaction, hold: Hold, again: Again) -> Key:
        """Counts one more prediction for a hold that is in; otherwise like `admit`."""
        key = _key_of(transaction, hold)
        if refused := refusal_of_more(key, hold, again, taken_of(transaction, key.id), transaction.now):
            raise refused
        transaction.execute(_EXTEND, id=hold.id, tokens=again.tokens, dollars=again.dollars)
        # It counts in its minute alone: as one in flight, it takes the place of the one that failed.
        one = Hold(key_id=key.id, at=transaction.now, predictions=1, tokens=0, dollars=0.0)
        transaction.add("areplicate_holds", one, process=self.process, ended_at=transaction.now)
        return key

    @unit(reads=True)
    def recent(self, transaction: Transaction) -> list[dict[str, Any]]:
        """What began within the last minute, oldest first, as `Ledger.remember` takes it."""
        query = f"""
            SELECT key_id, at, predictions, prompt_tokens + completion_tokens AS tokens FROM areplicate_usage
            WHERE key_id IS NOT NULL AND at > :now - {WINDOW} ORDER BY at
        """
        return transaction.rows(dict, query)

    @unit()
    def give_back(self, transaction: Transaction, hold_id: str) -> None:
        """A request for which nothing was asked of Replicate does not count."""
        transaction.execute("DELETE FROM areplicate_holds WHERE id = :id", id=hold_id)

    # Usage

    @unit()
    def write_usage(
        self, transaction: Transaction, rows: Sequence[UsageRow], settled: Sequence[SettledHold]
    ) -> None:
        """Writes rows, adds their costs to the keys and settles their holds; once, however often it is tried."""
        query = "SELECT request_id FROM areplicate_usage WHERE request_id IN :ids"
        found = transaction.rows(dict, query, ids=[row.request_id for row in rows])
        known = {row["request_id"] for row in found}
        new = [row for row in rows if row.request_id not in known]
        transaction.add("areplicate_usage", *new)
        _add_spend(transaction, new)
        for each in settled:
            transaction.execute(_SETTLE, **msgspec.structs.asdict(each))


def _key_of(transaction: Transaction, hold: Hold) -> Key:
    key = locked_key(transaction, hold.key_id)
    if key is None:
        raise KeyError(hold.key_id)
    return key


def _inode(file: str | None) -> int | None:
    return os.stat(file).st_ino if file is not None and os.path.exists(file) else None


def _lock(file: str, alone: bool) -> int:
    """Holds the database for this process, or for the workers that share it, until it is closed."""
    lock = os.open(f"{os.path.realpath(file)}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise RuntimeError(
            f"another gateway uses {file}, and each would count limits for itself: stop one of them, or use "
            "--workers, or PostgreSQL"
        ) from None
    return lock


def _add_spend(transaction: Transaction, rows: Sequence[UsageRow]) -> None:
    """Adds what the rows cost to their keys, whose budgets are renewed if that is due."""
    spent: dict[str, float] = defaultdict(float)
    for row in rows:
        if row.key_id is not None:
            spent[row.key_id] += row.cost or 0.0
    due = "SELECT * FROM areplicate_keys WHERE id IN :ids AND budget_resets_at <= :now ORDER BY id"
    for key in transaction.rows(Key, due, ids=list(spent)):
        renewed_key(transaction, key)
    for key_id in sorted(spent):  # always in one order: two gateways never block each other
        more = "UPDATE areplicate_keys SET spend = spend + :more WHERE id = :id"
        transaction.execute(more, more=spent[key_id], id=key_id)
