"""Reports of usage and spend: sums over the usage table, and its rows. Each method is one unit of work."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Select, case, cast, func, select

from .database import Database
from .rows import SpendFilter, UsageRow
from .tables import usage

_SECONDS = 30.0
"""Seconds that a report may take."""


class Reports:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def spend_by(
        self, column: str, wanted: SpendFilter, *, by_day: bool = False
    ) -> list[dict[str, Any]]:
        """Requests, predictions, tokens, seconds and dollars by a column of usage, the dearest first."""
        query = _spend_query(column, wanted, by_day=by_day, is_sqlite=self._database.is_sqlite)
        rows = await self._database.rows(query, dict, seconds=_SECONDS)
        return [{name: _number_of(value) for name, value in row.items()} for row in rows]

    async def usage_rows(self, wanted: SpendFilter, limit: int, offset: int) -> list[UsageRow]:
        """The latest usage rows, newest first."""
        query = _filtered(select(usage), wanted).order_by(usage.c.at.desc(), usage.c.request_id)
        query = query.limit(limit).offset(offset)
        return await self._database.rows(query, UsageRow, seconds=_SECONDS)


def _spend_query(column: str, wanted: SpendFilter, *, by_day: bool, is_sqlite: bool) -> Select[Any]:
    """Sums over requests by a column of usage, the dearest first; with `by_day`, for each day."""
    u = usage.c
    # Days since 1970, UTC. PostgreSQL's cast rounds, and not every SQLite has floor.
    day = cast(u.at / 86400, BigInteger) if is_sqlite else func.floor(u.at / 86400)
    days = [day.label("day")] if by_day else []
    cost = func.coalesce(func.sum(u.cost), 0.0)
    query = (
        select(
            u[column],
            *days,
            func.count().label("requests"),
            *(
                func.sum(u[name]).label(name)
                for name in ("predictions", "prompt_tokens", "completion_tokens", "run_s")
            ),
            cost.label("cost"),
            func.sum(case((u.cost.is_(None), 1), else_=0)).label("without_price"),
        )
        .group_by(u[column], *days)
        .order_by(*days, cost.desc(), u[column])
    )
    return _filtered(query, wanted)


def _filtered(query: Select[Any], wanted: SpendFilter) -> Select[Any]:
    """The query for those rows of usage only."""
    u = usage.c
    if wanted.start is not None:
        query = query.where(u.at >= wanted.start)
    if wanted.end is not None:
        query = query.where(u.at < wanted.end)
    for name in ("key_id", "model", "status", "request_id"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(u[name] == value)
    return query


def _number_of(value: Any) -> Any:
    """A sum as a plain number: PostgreSQL sums whole numbers to decimals."""
    return value if value is None or isinstance(value, (str, int, float)) else int(value)
