"""Counts in SQL how much of a key's limits is taken by all gateways that share the database.

`ledger` does the same in memory, for one process.
"""

from __future__ import annotations

from .key_limits import LIMITS, WINDOW, Measure, Span, Taken
from .transaction import Transaction

DEAD_AFTER = 20.0
"""Seconds without a sign of life after which what a process has in flight no longer counts."""


def within(column: str, seconds: float) -> str:
    """Whether it was so lately. What is that far ahead was written before the database's clock was set back."""
    return f"{column} BETWEEN :now - {seconds} AND :now + {seconds}"


_IN_FLIGHT = f"""(ended_at IS NULL AND process IN (
    SELECT id FROM areplicate_processes WHERE {within("seen_at", DEAD_AFTER)}
))"""


def _counted(measure: Measure, span: Span) -> str:
    """Which holds count against a limit."""
    # Predictions count when they begin, the rest when it is known.
    if span == "a minute" and measure == "predictions":
        return within("at", WINDOW)
    return f"({_IN_FLIGHT} OR {within('ended_at', WINDOW)})" if span == "a minute" else _IN_FLIGHT


def taken_of(transaction: Transaction, key_id: str) -> Taken:
    """How much of each limit the holds of a key take."""
    sums = ", ".join(
        f"COALESCE(SUM(CASE WHEN {_counted(measure, span)} THEN {measure} ELSE 0 END), 0) AS {field}"
        for field, measure, span in LIMITS
    )
    query = f"SELECT {sums} FROM areplicate_holds WHERE key_id = :key_id"
    [taken] = transaction.rows(dict, query, key_id=key_id)
    return {(limit.measure, limit.span): float(taken[limit.field]) for limit in LIMITS}


def recent_of(transaction: Transaction, key_id: str, measure: Measure) -> list[tuple[float, float]]:
    """What counts in the minute of a measure: since when and how much, oldest first. What is in flight is left out: it
    may end at any time, and have taken less than was expected."""
    since = "at" if measure == "predictions" else "ended_at"
    query = f"""
        SELECT {since} AS since, {measure} AS amount FROM areplicate_holds
        WHERE key_id = :key_id AND {within(since, WINDOW)} ORDER BY since
    """
    return [(row["since"], row["amount"]) for row in transaction.rows(dict, query, key_id=key_id)]
