"""What is asked of the table of usage, as SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Select, case, cast, func, select

from .rows import SpendFilter
from .tables import usage


def spend_query(column: str, wanted: SpendFilter, *, by_day: bool, is_sqlite: bool) -> Select[Any]:
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
    return filtered(query, wanted)


def filtered(query: Select[Any], wanted: SpendFilter) -> Select[Any]:
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


def number_of(value: Any) -> Any:
    """A sum as a plain number: PostgreSQL sums whole numbers to decimals."""
    return value if value is None or isinstance(value, (str, int, float)) else int(value)
