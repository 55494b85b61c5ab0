"""Keys in the database, and who changed what of them. Each method is one unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .columns import stored
from .database import Database
from .keys import Key
from .rows import AuditRow
from .transaction import Transaction, assigned


class KeyStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_hash(self, hash: str, seconds: float | None = None) -> Key | None:
        return await self._key("hash = :value", hash, seconds)

    async def by_id(self, id: str) -> Key | None:
        return await self._key("id = :value", id, None)

    async def _key(self, condition: str, value: str, seconds: float | None) -> Key | None:
        query = f"SELECT * FROM areplicate_keys WHERE {condition}"
        key = await self._database.row(Key, query, seconds=seconds, value=value)
        return None if key is None else key.renewed(self._database.now())

    async def page(self, limit: int, offset: int) -> tuple[list[Key], int]:
        """The keys, newest first, and how many there are."""
        page = "SELECT * FROM areplicate_keys ORDER BY created_at DESC, id LIMIT :limit OFFSET :offset"

        def work(transaction: Transaction) -> tuple[list[Key], int]:
            found = transaction.rows(Key, page, limit=limit, offset=offset)
            return [key.renewed(transaction.now) for key in found], transaction.value(
                "SELECT COUNT(*) FROM areplicate_keys"
            )

        return await self._database.run(work, reads=True)

    async def add(self, key: Key, entry: AuditRow) -> None:
        def work(transaction: Transaction) -> None:
            transaction.add("areplicate_keys", key)
            _note(transaction, entry)

        await self._database.run(work)

    async def change(
        self, id: str, changes: dict[str, Any], entry: AuditRow, hash: str | None = None
    ) -> Key | None:
        """Sets fields of a key; gives it as it is then, or None if there is none.

        `hash` is of the token that it must still have: somebody else may be giving it another.
        """
        values = stored({"id": id, **changes})
        columns = assigned(values)
        if "budget_resets_at" in changes:  # a budget that is due to renew does so before
            columns += ", spend = CASE WHEN budget_resets_at <= :now THEN 0.0 ELSE spend END"
        same = "id = :id" if hash is None else "id = :id AND hash = :hash_before"
        change = f"UPDATE areplicate_keys SET {columns} WHERE {same} RETURNING *"

        def work(transaction: Transaction) -> Key | None:
            key = transaction.row(Key, change, hash_before=hash, **values)
            if key is None:
                return None
            _note(transaction, entry)
            return key.renewed(transaction.now)

        return await self._database.run(work)

    async def delete(self, entries: Sequence[AuditRow]) -> list[str]:
        """Deletes the keys that these entries are about; gives the ids of those that there were."""

        def work(transaction: Transaction) -> list[str]:
            ids = [entry.key_id for entry in entries]
            gone = transaction.rows(
                dict, "DELETE FROM areplicate_keys WHERE id IN :ids RETURNING id", ids=ids
            )
            there_were = {row["id"] for row in gone}
            deleted = [entry for entry in entries if entry.key_id in there_were]
            for entry in deleted:
                _note(transaction, entry)
            return [entry.key_id for entry in deleted]

        return await self._database.run(work)

    async def audit_rows(self, limit: int, offset: int, key_id: str | None) -> list[AuditRow]:
        """Who did what, the latest first."""
        query = f"""
            SELECT * FROM areplicate_audit {"WHERE key_id = :key_id" if key_id is not None else ""}
            ORDER BY at DESC, id LIMIT :limit OFFSET :offset
        """
        return await self._database.rows(AuditRow, query, key_id=key_id, limit=limit, offset=offset)


def _note(transaction: Transaction, entry: AuditRow) -> None:
    transaction.add("areplicate_audit", entry, at=transaction.now)


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
