"""Reports of usage and spend: sums over the usage table, and its rows."""

from __future__ import annotations

from typing import Any

from .database import Stored, unit
from .tables import UsageRow
from .transaction import Transaction

_SECONDS = 30.0
"""Seconds that a report may take."""

_SUMS = """
    COUNT(*) AS requests, CAST(SUM(predictions) AS BIGINT) AS predictions,
    CAST(SUM(prompt_tokens) AS BIGINT) AS prompt_tokens,
    CAST(SUM(completion_tokens) AS BIGINT) AS completion_tokens, SUM(run_s) AS run_s,
    COALESCE(SUM(cost), 0.0) AS cost, COUNT(*) - COUNT(cost) AS without_price
"""
"""PostgreSQL sums whole numbers to decimals, which are cast."""


_CONDITIONS = {
    "start": "at >= :start",
    "end": "at < :end",
    **{name: f"{name} = :{name}" for name in ("key_id", "model", "status", "request_id")},
}
"""By what rows may be chosen. `start` and `end` are in seconds since 1970; `end` itself is not in it."""


class Reports(Stored):
    @unit(reads=True, seconds=_SECONDS)
    def spend_by(
        self, transaction: Transaction, /, column: str, *, by_day: bool = False, **wanted: Any
    ) -> list[dict[str, Any]]:
        """Requests, predictions, tokens, seconds and dollars by a column of usage, the dearest first.

        Args:
            wanted: which rows, by the names of `_CONDITIONS`; None means any.
        """
        # Days since 1970, UTC. PostgreSQL's cast rounds, and not every SQLite has floor.
        days = "CAST(at / 86400 AS BIGINT)" if transaction.is_sqlite else "FLOOR(at / 86400)"
        of, day, first = (f"{column}, {days}", f"{days} AS day,", "day,") if by_day else (column, "", "")
        query = f"""
            SELECT {column}, {day} {_SUMS} FROM areplicate_usage WHERE {_filter(wanted)}
            GROUP BY {of} ORDER BY {first} cost DESC, {column}
        """
        return transaction.rows(dict, query, **wanted)

    @unit(reads=True, seconds=_SECONDS)
    def usage_rows(
        self, transaction: Transaction, /, limit: int, offset: int, **wanted: Any
    ) -> list[UsageRow]:
        """The latest usage rows that are `wanted`, newest first."""
        query = f"""
            SELECT * FROM areplicate_usage WHERE {_filter(wanted)}
            ORDER BY at DESC, request_id LIMIT :limit OFFSET :offset
        """
        return transaction.rows(UsageRow, query, **wanted, limit=limit, offset=offset)


def _filter(wanted: dict[str, Any]) -> str:
    """The condition for those rows of usage only."""
    given = (_CONDITIONS[name] for name, value in wanted.items() if value is not None)
    return " AND ".join(["TRUE", *given])
