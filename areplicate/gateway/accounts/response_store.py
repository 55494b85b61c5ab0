"""Stored responses of the Responses API, in the database. Each method is one unit of work."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select

from .database import Database
from .rows import StoredResponse
from .tables import response_items, responses


class ResponseStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, key_id: str | None, stored: StoredResponse, seconds: float, most: int) -> None:
        """Keeps a response for that many seconds, and deletes those that have expired.

        Args:
            most: bytes of all of the key's; if they are more, the oldest go.
        """
        id = stored.response["id"]
        items = {item["id"]: item for item in (*stored.input, *stored.response["output"]) if item.get("id")}

        def work(connection: Connection, now: float) -> None:
            body = msgspec.json.encode(stored).decode()
            rows = [
                {"response_id": id, "item_id": item_id, "body": msgspec.json.encode(item).decode()}
                for item_id, item in items.items()
            ]
            length = sum(map(len, (body, *(row["body"] for row in rows))))
            values = {"id": id, "key_id": key_id, "expires_at": now + seconds, "bytes": length, "body": body}
            connection.execute(insert(responses).values(**values))
            if rows:
                connection.execute(insert(response_items), rows)
            _forget(connection, select(responses.c.id).where(responses.c.expires_at < now))
            total = select(func.sum(responses.c.bytes)).where(_of(key_id))
            if connection.execute(total).scalar_one() > most:
                _forget(connection, _beyond(key_id, most))

        await self._database.run(work)

    async def find(self, key_id: str | None, id: str) -> StoredResponse | None:
        """The key's response of this id."""

        named = select(responses.c.body).where(_of(key_id), responses.c.id == id)
        found = await self._database.row(lambda now: named.where(responses.c.expires_at >= now), dict)
        return None if found is None else msgspec.json.decode(found["body"], type=StoredResponse)

    async def find_items(self, key_id: str | None, ids: list[str]) -> dict[str, Any]:
        """Items of the key's responses, by their ids."""
        items = response_items.c
        named = (
            select(items.item_id, items.body)
            .join(responses, responses.c.id == items.response_id)
            .where(_of(key_id), items.item_id.in_(ids))
        )
        found = await self._database.rows(lambda now: named.where(responses.c.expires_at >= now), dict)
        return {row["item_id"]: msgspec.json.decode(row["body"]) for row in found}

    async def forget(self, key_id: str | None, id: str) -> bool:
        """Deletes the key's response of this id; False if there is none."""

        def work(connection: Connection, now: float) -> bool:
            gone = connection.execute(delete(responses).where(_of(key_id), responses.c.id == id)).rowcount
            if gone:
                connection.execute(delete(response_items).where(response_items.c.response_id == id))
            return bool(gone)

        return await self._database.run(work)


def _beyond(key_id: str | None, most: int) -> Select[Any]:
    """The key's oldest responses, without which the others have no more than that many bytes."""
    r = responses.c
    and_newer = func.sum(r.bytes).over(order_by=(r.expires_at.desc(), r.id)).label("and_newer")
    sums = select(r.id, and_newer).where(_of(key_id)).subquery()
    return select(sums.c.id).where(sums.c.and_newer > most)


def _forget(connection: Connection, ids: Select[Any]) -> None:
    connection.execute(delete(response_items).where(response_items.c.response_id.in_(ids)))
    connection.execute(delete(responses).where(responses.c.id.in_(ids)))


def _of(key_id: str | None) -> ColumnElement[bool]:
    return responses.c.key_id.is_(None) if key_id is None else responses.c.key_id == key_id
