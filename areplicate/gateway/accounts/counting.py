"""Counts in SQL how much of a key's limits is taken by all gateways that share the database.

`ledger` does the same in memory, for one process.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from .key_limits import LIMITS, WINDOW, Hold, Measure, Span, Taken, room_for, wait_for
from .keys import Key
from .tables import holds, processes

DEAD_AFTER = 20.0
"""Seconds without a sign of life after which what a process has in flight no longer counts."""


def _counted(measure: Measure, span: Span, now: float) -> ColumnElement[bool]:
    """Which holds count against a limit."""
    # Predictions count when they begin, the rest when it is known.
    if span == "a minute" and measure == "predictions":
        return holds.c.at > now - WINDOW
    alive = select(processes.c.id).where(processes.c.seen_at > now - DEAD_AFTER)
    in_flight = and_(holds.c.ended_at.is_(None), holds.c.process.in_(alive))
    return or_(in_flight, holds.c.ended_at > now - WINDOW) if span == "a minute" else in_flight


def taken_of(connection: Connection, key_id: str, now: float) -> Taken:
    """How much of each limit the holds of a key take."""
    sums = [
        func.coalesce(func.sum(case((_counted(measure, span, now), holds.c[measure]), else_=0)), 0)
        for _, measure, span in LIMITS
    ]
    row = connection.execute(select(*sums).where(holds.c.key_id == key_id)).one()
    return {(limit.measure, limit.span): float(value) for limit, value in zip(LIMITS, row, strict=True)}


def wait_of(connection: Connection, key: Key, hold: Hold, now: float) -> float:
    """Seconds until the limits of a minute have room, as far as it is known by now."""
    waits = [0.0]
    for field, measure, span in LIMITS:
        limit = getattr(key, field)
        if span != "a minute" or limit is None:
            continue
        at = holds.c.at if measure == "predictions" else func.coalesce(holds.c.ended_at, now)
        query = select(at, holds.c[measure]).where(holds.c.key_id == key.id, _counted(measure, span, now))
        entries = [(row[0], row[1]) for row in connection.execute(query.order_by(at))]
        waits.append(wait_for(entries, room_for(hold, measure, limit), now))
    return max(waits)
