"""Stored responses of the Responses API, in the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from .database import Stored, unit
from .transaction import Transaction, owned


class StoredResponse(msgspec.Struct, frozen=True):
    """A response, what it was asked with, and the whole conversation that it answered, as items."""

    response: dict[str, Any]
    input: list[Any]
    earlier: list[Any] = []


CountBytes = Callable[[int], object]
"""Counts that many bytes as held in memory, or raises an error if they are too many."""

_BEYOND = """
    SELECT id FROM (
        SELECT id, SUM(bytes) OVER (ORDER BY expires_at DESC, id) AS and_newer
        FROM areplicate_responses WHERE {owned}
    ) AS sums WHERE and_newer > :most
"""
"""A key's oldest responses, without which the others have no more than that many bytes."""


class ResponseStore(Stored):
    @unit()
    def keep(
        self, transaction: Transaction, key_id: str | None, stored: StoredResponse, seconds: float, most: int
    ) -> None:
        """Keeps a response for that many seconds, and deletes those that have expired.

        Args:
            most: bytes of all of the key's; if they are more, the oldest go.
        """
        id = stored.response["id"]
        items = {item["id"]: item for item in (*stored.input, *stored.response["output"]) if item.get("id")}
        body = msgspec.json.encode(stored).decode()
        rows = [
            {"response_id": id, "item_id": item_id, "body": msgspec.json.encode(item).decode()}
            for item_id, item in items.items()
        ]
        kept = {
            "id": id,
            "key_id": key_id,
            "expires_at": transaction.now + seconds,
            "bytes": sum(map(len, (body, *(row["body"] for row in rows)))),
            "body": body,
        }
        transaction.add("areplicate_responses", kept)
        transaction.add("areplicate_response_items", *rows)
        _forget(transaction, "SELECT id FROM areplicate_responses WHERE expires_at < :now")
        total = f"SELECT SUM(bytes) FROM areplicate_responses WHERE {owned(key_id)}"
        if transaction.value(total, key_id=key_id) > most:
            _forget(transaction, _BEYOND.format(owned=owned(key_id)), key_id=key_id, most=most)

    async def find(self, key_id: str | None, id: str, count: CountBytes) -> StoredResponse | None:
        """The key's response of this id."""
        source = f"areplicate_responses WHERE {owned(key_id)} AND id = :id AND expires_at >= :now"
        for row in await self._read("body", source, count, key_id=key_id, id=id):
            return msgspec.json.decode(row["body"], type=StoredResponse)
        return None

    async def find_items(self, key_id: str | None, ids: list[str], count: CountBytes) -> dict[str, Any]:
        """Items of the key's responses, by their ids."""
        source = f"""
            areplicate_response_items WHERE item_id IN :ids AND response_id IN (
                SELECT id FROM areplicate_responses WHERE {owned(key_id)} AND expires_at >= :now
            )
        """
        found = await self._read("item_id, body", source, count, key_id=key_id, ids=ids)
        return {row["item_id"]: msgspec.json.decode(row["body"]) for row in found}

    async def _read(
        self, columns: str, source: str, count: CountBytes, **values: Any
    ) -> list[dict[str, Any]]:
        """Rows with their bodies, which may be large: `count` is asked first."""
        sizes = await self._select("LENGTH(body) AS size", source, **values)
        count(sum(row["size"] for row in sizes))
        return await self._select(columns, source, **values)

    @unit(reads=True)
    def _select(
        self, transaction: Transaction, /, columns: str, source: str, **values: Any
    ) -> list[dict[str, Any]]:
        return transaction.rows(dict, f"SELECT {columns} FROM {source}", **values)

    @unit()
    def forget(self, transaction: Transaction, key_id: str | None, id: str) -> bool:
        """Deletes the key's response of this id; False if there is none."""
        gone = transaction.execute(
            f"DELETE FROM areplicate_responses WHERE {owned(key_id)} AND id = :id", key_id=key_id, id=id
        )
        if gone:
            transaction.execute("DELETE FROM areplicate_response_items WHERE response_id = :id", id=id)
        return bool(gone)


def _forget(transaction: Transaction, ids: str, **values: Any) -> None:
    transaction.execute(f"DELETE FROM areplicate_response_items WHERE response_id IN ({ids})", **values)
    transaction.execute(f"DELETE FROM areplicate_responses WHERE id IN ({ids})", **values)
