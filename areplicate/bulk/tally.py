"""Counts how far a job is: what has ended, how fast, and what it has cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..clock import now
from ..replicate.progress import OnStatus, Status
from .map import MapResult


class Tally(msgspec.Struct):
    """How far a job is."""

    rows: int
    creations_per_minute: float
    """The account's limit."""
    cost_of: Callable[[Any], float | None] = lambda response: None
    """What an answer cost in US dollars; None if that is not known."""
    done: int = 0
    failed: int = 0
    cost: float = 0.0
    _phases: dict[int, str] = {}
    """Of the rows that are under way."""
    _first_at: float | None = None
    """When this run got its first answer; those of earlier runs say nothing of its speed."""
    _since: int = 0
    """Rows that have ended since then."""

    @property
    def ended(self) -> int:
        return self.done + self.failed

    @property
    def per_minute(self) -> float:
        """How many rows this run ends in a minute."""
        return 0.0 if self._first_at is None else self._since / max(1.0, now() - self._first_at) * 60

    @property
    def seconds_left(self) -> float:
        """At this run's pace; until that is known, at the account's limit, which is also the fastest possible."""
        pace = min(self.per_minute or self.creations_per_minute, self.creations_per_minute)
        return (self.rows - self.ended) / pace * 60

    def watch(self, number: int) -> OnStatus:
        """The `on_status` of a row: keeps its phase."""

        def saw(status: Status) -> None:
            self._phases[number] = status.phase

        return saw

    def saw(self, result: MapResult) -> None:
        was_asked = self._phases.pop(result.index, None) is not None
        if self._first_at is not None:
            self._since += was_asked
        elif was_asked:
            self._first_at = now()
        self.done += result.error is None
        self.failed += result.error is not None
        if result.response is not None:
            self.cost += self.cost_of(result.response) or 0.0

    def line(self) -> str:
        booting = sum(phase == "booting" for phase in self._phases.values())
        return (
            f"{self.done:,} done, {self.failed:,} failed, {len(self._phases):,} in flight, {booting:,} booting, "
            f"{self.per_minute:,.0f} a minute{f', ${self.cost:,.2f}' if self.cost else ''}"
        )
