"""Counts in memory, for one process, how much of its limits each key has taken."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from .key_limits import MEASURES, WINDOW, Again, Hold, Measure, Taken, refusal, refusal_of_more
from .keys import Key, renewal


class Ledger:
    def __init__(self) -> None:
        self._pages: dict[str, _Page] = {}

    def admit(self, key: Key, hold: Hold, now: float, *, alone: bool = True) -> None:
        """Takes the hold in, or raises the `GatewayError` that refuses it.

        Args:
            alone: whether what is known here is all there is. If not, the database is asked next, which knows
                what others do: here is refused only what could not be let in there either.
        """
        known, page = self._known(key, now, alone)
        if refused := refusal(known, hold, page.taken(now), page.recent, now):
            raise refused
        hold.at = now
        page.open(hold)

    def extend(self, key: Key, hold: Hold, again: Again, now: float, *, alone: bool = True) -> None:
        """Counts one more prediction for a hold that is in, or raises the `GatewayError` that refuses it."""
        known, page = self._known(key, now, alone)
        if refused := refusal_of_more(known, hold, again, page.taken(now), now):
            raise refused
        page.extend(hold, again, now)

    def settle(self, hold: Hold, tokens: int, dollars: float, now: float) -> None:
        """The request has ended, and took that much."""
        page = self._pages[hold.key_id]
        page.renew(now)
        page.close(hold)
        page.windows["tokens"].add(now, tokens)
        page.windows["dollars"].add(now, dollars)
        page.spent += dollars

    def give_back(self, hold: Hold) -> None:
        """The request was let in here, but nothing was asked of Replicate for it."""
        page = self._pages[hold.key_id]
        page.close(hold)
        page.windows["predictions"].take_back(hold.at, hold.predictions)

    def remember(self, key_id: str, at: float, predictions: int, tokens: int) -> None:
        """What a key took before this process began, oldest first."""
        page = self._pages.setdefault(key_id, _Page())
        page.windows["predictions"].add(at, predictions)
        page.windows["tokens"].add(at, tokens)

    def saw(self, key: Key) -> None:
        """The database has said what the key has spent. What was settled here may not be written there yet."""
        if (page := self._pages.get(key.id)) is not None:
            page.spent = max(page.spent, key.spend)

    def _known(self, key: Key, now: float, alone: bool) -> tuple[Key, _Page]:
        """The key with what it has spent, and its page."""
        key = key.renewed(now)
        page = self._page(key, now)
        return (msgspec.structs.replace(key, spend=page.spent) if alone else key), page

    def _page(self, key: Key, now: float) -> _Page:
        page = self._pages.setdefault(key.id, _Page())
        page.renew(now)
        page.resets_at, page.duration = key.budget_resets_at, key.budget_duration
        self.saw(key)  # the row knows more where it had no limits for a while, or usage waited in a file
        return page


class _Page(msgspec.Struct):
    spent: float = 0.0
    resets_at: float | None = None
    duration: float | None = None
    """Seconds after which its budget renews."""
    held: dict[Measure, float] = msgspec.field(default_factory=lambda: dict.fromkeys(MEASURES, 0.0))
    windows: dict[Measure, _Window] = msgspec.field(
        default_factory=lambda: {each: _Window() for each in MEASURES}
    )

    def renew(self, now: float) -> None:
        """Begins its budget anew, if that is due."""
        resets = renewal(self.resets_at, self.duration, now)
        if resets != self.resets_at:
            self.spent, self.resets_at = 0.0, resets

    def open(self, hold: Hold) -> None:
        for measure in MEASURES:
            self.held[measure] += getattr(hold, measure)
        # Predictions count when they begin, the rest when it is known.
        self.windows["predictions"].add(hold.at, hold.predictions)

    def extend(self, hold: Hold, again: Again, now: float) -> None:
        more = max(0.0, again.dollars - hold.dollars)
        hold.tokens += again.tokens
        hold.dollars += more
        self.held["tokens"] += again.tokens
        self.held["dollars"] += more
        self.windows["predictions"].add(now, 1)

    def close(self, hold: Hold) -> None:
        for measure in MEASURES:
            self.held[measure] -= getattr(hold, measure)
        if not self.held["predictions"]:
            self.held = dict.fromkeys(MEASURES, 0)  # sums of floats drift

    def recent(self, measure: Measure) -> Iterable[tuple[float, float]]:
        return self.windows[measure].entries

    def taken(self, now: float) -> Taken:
        taken: Taken = {}
        for measure in MEASURES:
            held = self.held[measure]
            recent = self.windows[measure].total(now)
            taken[measure, "at once"] = taken[measure, "in all"] = held
            taken[measure, "a minute"] = recent if measure == "predictions" else recent + held
        return taken


class _Window(msgspec.Struct):
    """What was taken in the last minute."""

    entries: deque[tuple[float, float]] = msgspec.field(default_factory=deque)
    _total: float = 0.0

    def add(self, now: float, amount: float) -> None:
        if amount:
            self.entries.append((now, amount))
            self._total += amount

    def total(self, now: float) -> float:
        # What is a minute ahead was counted before the clock was set back.
        while self.entries and abs(self.entries[0][0] - now) >= WINDOW:
            self._total -= self.entries.popleft()[1]
        if not self.entries:
            self._total = 0.0  # sums of floats drift
        return self._total

    def take_back(self, at: float, amount: float) -> None:
        if (at, amount) in self.entries:
            self.entries.remove((at, amount))
            self._total -= amount
