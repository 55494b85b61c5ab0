"""Keys in the database, and who changed what of them. Each method is one unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, select, update

from .database import Database
from .keys import Key
from .rows import AuditRow
from .tables import added, audit, keys


class KeyStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_hash(self, hash: str, seconds: float | None = None) -> Key | None:
        return await self._key(keys.c.hash == hash, seconds)

    async def by_id(self, id: str) -> Key | None:
        return await self._key(keys.c.id == id, None)

    async def _key(self, condition: ColumnElement[bool], seconds: float | None) -> Key | None:
        key = await self._database.row(select(keys).where(condition), Key, seconds=seconds)
        return None if key is None else key.renewed(self._database.now())

    async def page(self, limit: int, offset: int) -> tuple[list[Key], int]:
        """The keys, newest first, and how many there are."""
        page = select(keys).order_by(keys.c.created_at.desc(), keys.c.id).limit(limit).offset(offset)

        def work(connection: Connection, now: float) -> tuple[list[Key], int]:
            found = [Key(**row._mapping).renewed(now) for row in connection.execute(page)]
            return found, connection.execute(select(func.count()).select_from(keys)).scalar_one()

        return await self._database.run(work, reads=True)

    async def add(self, key: Key, entry: AuditRow) -> None:
        def work(connection: Connection, now: float) -> None:
            connection.execute(added(keys, key))
            connection.execute(added(audit, entry, at=now))

        await self._database.run(work)

    async def change(
        self, id: str, changes: dict[str, Any], entry: AuditRow, hash: str | None = None
    ) -> Key | None:
        """Sets fields of a key; gives it as it is then, or None if there is none.

        `hash` is of the token that it must still have: somebody else may be giving it another.
        """
        meant = keys.c.id == id if hash is None else and_(keys.c.id == id, keys.c.hash == hash)

        def work(connection: Connection, now: float) -> Key | None:
            values = {"id": id, **changes}
            if "budget_resets_at" in changes:  # a budget that is due to renew does so before
                values["spend"] = case((keys.c.budget_resets_at <= now, 0.0), else_=keys.c.spend)
            changed = update(keys).where(meant).values(**values).returning(*keys.c)
            row = connection.execute(changed).first()
            if row is None:
                return None
            connection.execute(added(audit, entry, at=now))
            return Key(**row._mapping).renewed(now)

        return await self._database.run(work)

    async def delete(self, entries: Sequence[AuditRow]) -> list[str]:
        """Deletes the keys that these entries are about; gives the ids of those that there were."""

        def work(connection: Connection, now: float) -> list[str]:
            gone = delete(keys).where(keys.c.id.in_([entry.key_id for entry in entries])).returning(keys.c.id)
            ids = set(connection.execute(gone).scalars())
            deleted = [entry for entry in entries if entry.key_id in ids]
            for entry in deleted:
                connection.execute(added(audit, entry, at=now))
            return [entry.key_id for entry in deleted]

        return await self._database.run(work)

    async def audit_rows(self, limit: int, offset: int, key_id: str | None) -> list[AuditRow]:
        """Who did what, the latest first."""
        query = select(audit).order_by(audit.c.at.desc(), audit.c.id).limit(limit).offset(offset)
        if key_id is not None:
            query = query.where(audit.c.key_id == key_id)
        return await self._database.rows(query, AuditRow)


def locked_key(connection: Connection, id: str | None, now: float) -> Key | None:
    """A key with its budget renewed, if that is due; None if there is none.

    Nobody else gets it before the transaction ends: its row is locked, in SQLite the whole database.
    """
    lock = update(keys).where(keys.c.id == id).values(blocked=keys.c.blocked)
    row = connection.execute(lock.returning(*keys.c)).first()
    return None if row is None else renewed_key(connection, Key(**row._mapping), now)


def renewed_key(connection: Connection, key: Key, now: float) -> Key:
    """The key with its budget renewed in the table, too, if that is due."""
    renewed = key.renewed(now)
    if renewed is not key:
        values = {"spend": renewed.spend, "budget_resets_at": renewed.budget_resets_at}
        connection.execute(update(keys).where(keys.c.id == key.id).values(**values))
    return renewed
