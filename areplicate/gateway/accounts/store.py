"""What outlives the process: keys and usage, in SQLite or PostgreSQL.

Only this module and `tables` import SQLAlchemy, whose import takes longer than the rest of the
gateway: they are loaded while the gateway already listens.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, case, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from .engine import AsyncEngine, create_async_engine
from .keys import Key
from .limits import MINUTE, Admission, check_room, check_turn
from .tables import in_flight, keys, migrate, processes, usage
from .usage import UsageRow

HEARTBEAT = 5.0
"""Seconds between a process's signs of life."""
_DEAD_AFTER = 4 * HEARTBEAT
_FORGOTTEN_AFTER = 3600.0
_POSTGRES_CONNECTIONS = 8


class Store:
    """The database of one gateway process."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._process = secrets.token_hex(8)

    @staticmethod
    async def open(url: str) -> Store:
        """Connects, and brings the tables up to date; raises what the driver raises."""
        sqlite = url.startswith("sqlite")
        options: dict[str, Any] = (
            {"connect_args": {"timeout": 10.0}, "pool_size": 2}
            if sqlite
            else {"pool_size": _POSTGRES_CONNECTIONS, "max_overflow": 0, "pool_pre_ping": True}
        )
        engine = create_async_engine(url, hide_parameters=True, **options)
        try:
            if sqlite:
                async with engine.connect() as connection:
                    # Readers and the writer do not wait for one another; kept in the file.
                    await connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            async with engine.begin() as connection:
                await connection.run_sync(migrate)
            store = Store(engine)
            await store.heartbeat()
        except BaseException:
            await engine.dispose()
            raise
        return store

    async def aclose(self) -> None:
        await self._engine.dispose()

    async def heartbeat(self) -> None:
        """Shows that this process lives, and forgets those that have not for an hour."""
        now = time.time()
        forgotten = select(processes.c.id).where(processes.c.seen_at < now - _FORGOTTEN_AFTER)
        async with self._engine.begin() as connection:
            seen = await connection.execute(
                update(processes).where(processes.c.id == self._process).values(seen_at=now)
            )
            if not seen.rowcount:
                await connection.execute(insert(processes).values(id=self._process, seen_at=now))
            await connection.execute(delete(in_flight).where(in_flight.c.process.in_(forgotten)))
            await connection.execute(delete(processes).where(processes.c.seen_at < now - _FORGOTTEN_AFTER))

    async def leave(self) -> None:
        """What this process had in flight counts no longer."""
        async with self._engine.begin() as connection:
            await connection.execute(delete(in_flight).where(in_flight.c.process == self._process))
            await connection.execute(delete(processes).where(processes.c.id == self._process))

    # Keys

    async def add_key(self, key: Key) -> None:
        values = msgspec.structs.asdict(key)
        values["models"] = json.dumps(key.models)
        values["metadata"] = json.dumps(key.metadata)
        async with self._engine.begin() as connection:
            await connection.execute(insert(keys).values(**values))

    async def key_by_hash(self, hash: str) -> Key | None:
        return await self._key(keys.c.hash == hash)

    async def key_by_id(self, id: str) -> Key | None:
        return await self._key(keys.c.id == id)

    async def _key(self, condition: Any) -> Key | None:
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(keys).where(condition))).first()
        return None if row is None else _key(row)

    async def list_keys(self, limit: int, offset: int) -> tuple[list[Key], int]:
        """The keys, newest first, and how many there are."""
        page = select(keys).order_by(keys.c.created_at.desc(), keys.c.id).limit(limit).offset(offset)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(page)).all()
            total = (await connection.execute(select(func.count()).select_from(keys))).scalar_one()
        return [_key(row) for row in rows], total

    async def block_key(self, id: str, blocked: bool) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(update(keys).where(keys.c.id == id).values(blocked=blocked))

    async def delete_keys(self, ids: Sequence[str]) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(delete(keys).where(keys.c.id.in_(ids)))

    # Limits

    async def admit(self, key_id: str, hold: float) -> Admission:
        """Counts one more request against a key, or raises the `GatewayError` that refuses it.

        The first statement takes the key's row lock (in SQLite the write lock), so that what follows
        sees every request that was let through before; a refusal rolls all of it back.
        """
        now = time.time()
        fuller = case((keys.c.tat > now, keys.c.tat), else_=now) + MINUTE / keys.c.rpm
        moved = case((keys.c.rpm.is_(None), keys.c.tat), else_=fuller)
        alive = select(processes.c.id).where(processes.c.seen_at > now - _DEAD_AFTER)
        counts = select(func.count(), func.coalesce(func.sum(in_flight.c.hold), 0.0)).where(
            in_flight.c.key_id == key_id, in_flight.c.process.in_(alive)
        )
        async with self._engine.begin() as connection:
            turn = update(keys).where(keys.c.id == key_id).values(tat=moved).returning(*keys.c)
            row = (await connection.execute(turn)).first()
            if row is None:
                raise KeyError(key_id)
            key = _key(row)
            if key.rpm is not None:
                check_turn(key.tat, key.rpm, now)
            count, held = (await connection.execute(counts)).one()
            check_room(key, count, held, hold)
            admission = Admission(key_id, hold, secrets.token_hex(12))
            await connection.execute(
                insert(in_flight).values(id=admission.row, key_id=key_id, process=self._process, hold=hold)
            )
        return admission

    # Usage

    async def write_usage(self, rows: Sequence[UsageRow]) -> None:
        """Writes a batch and adds its costs to the keys; once, however often it is tried."""
        spent: Counter[str] = Counter()
        ended = [row.admission for row in rows if row.admission is not None]
        values = []
        for row in rows:
            fields = msgspec.structs.asdict(row)
            del fields["admission"]
            values.append(fields)
            if row.key_id is not None:
                spent[row.key_id] += row.cost  # type: ignore[assignment]
        try:
            async with self._engine.begin() as connection:
                await connection.execute(insert(usage), values)
                for key_id in sorted(spent):  # always in one order: two gateways never block each other
                    await connection.execute(
                        update(keys).where(keys.c.id == key_id).values(spend=keys.c.spend + spent[key_id])
                    )
                if ended:
                    await connection.execute(delete(in_flight).where(in_flight.c.id.in_(ended)))
        except IntegrityError:
            # Its rows are there already: an earlier try was committed, and only its answer was lost.
            async with self._engine.connect() as connection:
                known = select(usage.c.request_id).where(usage.c.request_id == rows[0].request_id)
                if (await connection.execute(known)).first() is None:
                    raise

    async def spend_by(self, column: str) -> list[dict[str, Any]]:
        """Requests, tokens, seconds and dollars by `key_id` or `model`, the dearest first."""
        cost = func.sum(usage.c.cost)
        by = usage.c[column]
        query = (
            select(
                by,
                func.count().label("requests"),
                func.sum(usage.c.prompt_tokens).label("prompt_tokens"),
                func.sum(usage.c.completion_tokens).label("completion_tokens"),
                func.sum(usage.c.run_s).label("run_s"),
                cost.label("cost"),
            )
            .group_by(by)
            .order_by(cost.desc(), by)
        )
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query)).mappings().all()
        # PostgreSQL sums whole numbers to decimals.
        return [{name: _number(value) for name, value in row.items()} for row in rows]

    async def usage_rows(
        self, limit: int, *, key_id: str | None = None, before: float | None = None
    ) -> list[dict[str, Any]]:
        """The latest usage rows, newest first."""
        query = select(usage).order_by(usage.c.at.desc(), usage.c.request_id).limit(limit)
        if key_id is not None:
            query = query.where(usage.c.key_id == key_id)
        if before is not None:
            query = query.where(usage.c.at < before)
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]


def _key(row: Row[Any]) -> Key:
    fields = dict(row._mapping)
    fields["models"] = tuple(json.loads(fields["models"]))
    fields["metadata"] = json.loads(fields["metadata"])
    return Key(**fields)


def _number(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int, float)) else int(value)
