"""Keys in the database, and who changed what of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .database import Stored, unit
from .keys import Key
from .tables import AuditRow
from .transaction import Transaction, assigned, stored

_LOOK_SECONDS = 2.0
"""Seconds that looking a key up may take."""


class KeyStore(Stored):
    @unit(reads=True, seconds=_LOOK_SECONDS)
    def by_hash(self, transaction: Transaction, hash: str) -> Key | None:
        return _key(transaction, "hash = :value", hash)

    @unit(reads=True)
    def by_id(self, transaction: Transaction, id: str) -> Key | None:
        return _key(transaction, "id = :value", id)

    @unit(reads=True)
    def page(self, transaction: Transaction, limit: int, offset: int) -> tuple[list[Key], int]:
        """The keys, newest first, and how many there are."""
        page = "SELECT * FROM areplicate_keys ORDER BY created_at DESC, id LIMIT :limit OFFSET :offset"
        found = transaction.rows(Key, page, limit=limit, offset=offset)
        total = transaction.value("SELECT COUNT(*) FROM areplicate_keys")
        return [key.renewed(transaction.now) for key in found], total

    @unit()
    def add(self, transaction: Transaction, key: Key, entry: AuditRow) -> None:
        transaction.add("areplicate_keys", key)
        transaction.add("areplicate_audit", entry, at=transaction.now)

    @unit()
    def change(
        self,
        transaction: Transaction,
        id: str,
        changes: dict[str, Any],
        entry: AuditRow,
        hash: str | None = None,
    ) -> Key | None:
        """Sets fields of a key; gives it as it is then, or None if there is none.

        `hash` is of the token that it must still have: somebody else may be giving it another.
        """
        values = stored(Key, {"id": id, **changes})
        columns = assigned(values)
        if "budget_resets_at" in changes:  # a budget that is due to renew does so before
            columns += ", spend = CASE WHEN budget_resets_at <= :now THEN 0.0 ELSE spend END"
        same = "id = :id" if hash is None else "id = :id AND hash = :hash_before"
        change = f"UPDATE areplicate_keys SET {columns} WHERE {same} RETURNING *"
        key = transaction.row(Key, change, hash_before=hash, **values)
        if key is None:
            return None
        transaction.add("areplicate_audit", entry, at=transaction.now)
        return key.renewed(transaction.now)

    @unit()
    def delete(self, transaction: Transaction, entries: Sequence[AuditRow]) -> list[str]:
        """Deletes the keys that these entries are about; gives the ids of those that there were."""
        ids = [entry.key_id for entry in entries]
        gone = transaction.rows(dict, "DELETE FROM areplicate_keys WHERE id IN :ids RETURNING id", ids=ids)
        there_were = {row["id"] for row in gone}
        deleted = [entry for entry in entries if entry.key_id in there_were]
        transaction.add("areplicate_audit", *deleted, at=transaction.now)
        return [entry.key_id for entry in deleted]

    @unit(reads=True)
    def audit_rows(
        self, transaction: Transaction, limit: int, offset: int, key_id: str | None
    ) -> list[AuditRow]:
        """Who did what, the latest first."""
        query = f"""
            SELECT * FROM areplicate_audit {"WHERE key_id = :key_id" if key_id is not None else ""}
            ORDER BY at DESC, id LIMIT :limit OFFSET :offset
        """
        return transaction.rows(AuditRow, query, key_id=key_id, limit=limit, offset=offset)


def _key(transaction: Transaction, condition: str, value: str) -> Key | None:
    key = transaction.row(Key, f"SELECT * FROM areplicate_keys WHERE {condition}", value=value)
    return None if key is None else key.renewed(transaction.now)


def locked_key(transaction: Transaction, id: str | None) -> Key | None:
    """A key with its budget renewed, if that is due; None if there is none.

    Nobody else gets it before the transaction ends: its row is locked, in SQLite the whole database.
    """
    lock = "UPDATE areplicate_keys SET blocked = blocked WHERE id = :id RETURNING *"
    key = transaction.row(Key, lock, id=id)
    return None if key is None else renewed_key(transaction, key)


def renewed_key(transaction: Transaction, key: Key) -> Key:
    """The key with its budget renewed in the table, too, if that is due."""
    renewed = key.renewed(transaction.now)
    if renewed is not key:
        transaction.execute(
            "UPDATE areplicate_keys SET spend = :spend, budget_resets_at = :resets_at WHERE id = :id",
            spend=renewed.spend,
            resets_at=renewed.budget_resets_at,
            id=key.id,
        )
    return renewed
