"""How a call finds its own prediction again when the answer to its creation was lost.

Replicate has no idempotency key, and equal inputs are common. But a prediction has a `deadline`, and the seconds from
`created_at` to `deadline` are those of the `Cancel-After` that was sent. They are drawn for each creation:
they are its mark. So a row of the account's list is a call's own if it has the same target, input and mark,
and was created (by the list's clock) while the creation was under way. If a row has no deadline, it only
resembles what was asked for. Then a call may take it over, because predictions of equal input are
interchangeable, but must not cancel it, because it may be somebody else's.

That a prediction exists is proven only by seeing it, and the list may be late. That it does not exist is proven once
the list shows a prediction that was created some seconds later.
"""

from __future__ import annotations

from enum import Enum, auto
from itertools import chain, repeat
from math import isclose
from typing import Any

import anyio
import msgspec

from .. import logs
from ..clock import now
from ..errors import APIError
from .endpoints import DeploymentEndpoint, Endpoint, VersionEndpoint, is_version
from .live import LivePrediction
from .prediction_list import ListRow, PredictionList
from .protocol.predictions import ListedPrediction
from .retry import is_transient
from .server_clock import ServerClock

_LOOKS = (0.1, 0.4, 1.0, 1.5, 1.5, 1.5)
"""Seconds before each look; by the last one, a prediction has had six to appear."""

_LOOKS_MORE = 8
"""Further looks, if the list cannot be read for a reason that may pass."""

_LATEST_ROW = 2.5
"""Seconds by which one row of the list may be later than another."""

_NEIGHBOURS = 10.0
"""Seconds before an attempt in which others may have asked the same."""

_JUST_THEN = 0.25
"""Seconds by which a creation's own time may lie outside what is known of the clocks."""

_AT_ONCE = 1.0
"""Seconds in which Replicate has created what it was asked for, even if it answers only much later."""


class Outcome(Enum):
    """What is known about a creation."""

    MADE = auto()
    NOTHING = auto()
    """It is certain that nothing was created."""
    UNKNOWN = auto()
    """There may be a prediction. If it was looked for, the list may be late."""
    UNREADABLE = auto()
    """There may be a prediction, and the list could not be read."""


class Finder(msgspec.Struct, eq=False):
    """Looks for predictions in the list of one account."""

    _predictions: PredictionList
    _clock: ServerClock
    marks_are_shown: bool = True
    """Whether deadlines show the marks that were sent, as far as is known. If not, a row tells no mark."""

    async def find(self, *attempts: LivePrediction) -> Outcome:
        """Looks for what may have been created, for some seconds, until one of the attempts has its prediction.

        Those that are certain not to exist know it afterwards: `may_exist` is False.
        """
        for attempt in attempts:
            attempt.answered = min(attempt.answered, now())
        outcome, transient = Outcome.UNREADABLE, True
        for looks, wait in enumerate(chain(_LOOKS, repeat(_LOOKS[-1], _LOOKS_MORE)), 1):
            await anyio.sleep(wait)
            try:
                outcome = await self._look([attempt for attempt in attempts if attempt.may_exist])
            except APIError as error:
                logs.logger.debug("The list of predictions could not be read: %s", error)
                outcome, transient = Outcome.UNREADABLE, is_transient(error)
            if outcome in (Outcome.MADE, Outcome.NOTHING):
                break
            if looks >= len(_LOOKS) and not (outcome is Outcome.UNREADABLE and transient):
                break
        return outcome

    async def confirm(self, attempt: LivePrediction) -> None:
        """Finds out which prediction is certainly the one that was asked for, and takes that.

        Others may have asked the same at that time, and one of their predictions may have the same mark, or was taken
        because it has none. So the list is read once more, when it must show all of them; one that does not show what
        it has shown before is behind, and is read again. If several have the mark, it is the only one that was created
        at once. Nothing is certain if there are two of these, or if the only one was not created while it was asked
        for. What is cancelled already is that of a caller who has left.
        """
        if attempt.mark is None or attempt.prediction is None:
            return
        await anyio.sleep(max(0.0, attempt.answered + _LATEST_ROW - now()))
        for wait in _LOOKS:
            rows, unread = await self._rows([attempt])
            if unread is None and any(row.prediction.id == attempt.prediction.id for row in rows):
                break
            if unread is not None and not is_transient(unread):
                break
            await anyio.sleep(wait)
        if unread is not None:
            return
        own = [
            row
            for row in rows
            if row.mark == attempt.mark and self._is_own(row, attempt) and not row.cancelled
        ]
        own = [row for row in own if row.input == attempt.input] or own
        asked = attempt.answered if len(own) == 1 else min(attempt.answered, attempt.sent + _AT_ONCE)
        since, until = self._clock.earliest(attempt.sent, _JUST_THEN), self._clock.latest(asked, _JUST_THEN)
        own = [row for row in own if row.created is not None and since <= row.created <= until]
        if len(own) == 1:
            found = own[0].prediction
            attempt.certain = found.id == attempt.prediction.id or attempt.take(found)

    async def _look(self, attempts: list[LivePrediction]) -> Outcome:
        rows, unread = await self._rows(attempts)
        if any(self._take(attempt, rows, whole=unread is None) for attempt in attempts):
            return Outcome.MADE
        if unread is not None:
            raise unread
        newest = max((row.created or 0.0 for row in rows if self._has_come(row)), default=0.0)
        for attempt in attempts:
            attempt.may_exist = newest <= self._clock.latest(attempt.answered) + _LATEST_ROW
        return Outcome.UNKNOWN if any(attempt.may_exist for attempt in attempts) else Outcome.NOTHING

    async def _rows(self, attempts: list[LivePrediction]) -> tuple[list[ListRow], APIError | None]:
        """The rows with the input of one of the attempts, oldest first, and the newest row of all that may have come.

        If a page could not be read, its error too: then older rows may be missing.
        """
        found: dict[str, ListRow] = {}
        newest: ListRow | None = None

        def seen(row: ListRow) -> None:
            nonlocal newest
            if not self.marks_are_shown:
                row.mark = None
            if (newest is None or (row.created or 0.0) > (newest.created or 0.0)) and self._has_come(row):
                newest = row
            for attempt in attempts:
                if resembles(row, attempt):
                    found[row.prediction.id] = row

        unread: APIError | None = None
        try:
            await self._predictions.read(lambda: self._clock.earliest(attempts[0].sent) - _NEIGHBOURS, seen)
        except APIError as error:
            unread = error
        if newest is not None:
            found[newest.prediction.id] = newest
        return sorted(found.values(), key=lambda row: row.created or 0.0), unread

    def _has_come(self, row: ListRow) -> bool:
        """Whether the server's clock may show a row's time by now: that of the row's machine may be ahead."""
        return (row.created or 0.0) <= self._clock.latest(now())

    def _take(self, attempt: LivePrediction, rows: list[ListRow], whole: bool) -> bool:
        """Gives an attempt the first row that may be its own and that no other call here has, best with its mark
        and not cancelled."""
        free = [row for row in rows if attempt.is_free(row.prediction.id) and resembles(row, attempt)]
        own = [row for row in free if self._is_own(row, attempt)]
        if not own:
            return False
        row = min(own, key=lambda row: (row.mark != attempt.mark, row.input != attempt.input, row.cancelled))
        logs.logger.info("Prediction %s is in the list: its creation was not answered", row.prediction.id)
        marked = attempt.mark is not None and row.mark is not None and row.input == attempt.input
        others = [each for each in free if each is not row and not each.cancelled]
        alone = all(each.mark != row.mark and attempt.is_asked_here(each.mark) for each in others)
        certain = marked and alone and whole
        prediction = row.prediction
        if prediction.terminal and not prediction.complete:
            prediction = msgspec.structs.replace(prediction, status="processing")  # a look tells how it ended
        return attempt.take(prediction, certain=certain, found=True)

    def _is_own(self, row: ListRow, attempt: LivePrediction) -> bool:
        """Whether a row is what an attempt asked for: the same input and target, its mark, its time."""
        if attempt.mark is not None and row.mark is not None and row.mark != attempt.mark:
            return False
        since, until = self._clock.earliest(attempt.sent), self._clock.latest(attempt.answered)
        return resembles(row, attempt) and (row.created is None or since <= row.created <= until)


def resembles(row: ListRow, attempt: LivePrediction) -> bool:
    """Whether a row has the target and the input of an attempt; with its mark, that may be shown in another form."""
    same = row.input == attempt.input  # this first: a thousand calls may each look at a thousand rows
    if not same and row.mark is not None and row.mark == attempt.mark:
        same = echoes(row.input, attempt.input)
    return same and _same_target(row.prediction, attempt.endpoint)


def echoes(shown: Any, sent: Any) -> bool:
    """Whether what is shown may be what was sent: with defaults, rounded numbers, and URLs in place of files."""
    if isinstance(sent, dict):
        known = shown if isinstance(shown, dict) else {}
        return all(name in known and echoes(known[name], value) for name, value in sent.items())
    if isinstance(sent, (list, tuple)):
        listed = shown if isinstance(shown, list) else ()
        return len(listed) == len(sent) and all(map(echoes, listed, sent))
    if isinstance(sent, str) and sent.startswith("data:"):
        return isinstance(shown, str) and shown.startswith(("data:", "http:", "https:"))
    if isinstance(sent, float) and isinstance(shown, (int, float)):
        return isclose(shown, sent, rel_tol=1e-6)
    return bool(shown == sent)


def _same_target(prediction: ListedPrediction, endpoint: Endpoint) -> bool:
    if isinstance(endpoint, DeploymentEndpoint):
        return prediction.deployment in (None, f"{endpoint.owner}/{endpoint.name}")
    if isinstance(endpoint, VersionEndpoint):
        version = prediction.version or ""  # one such as "hidden" or "dp-..." does not say which it is
        return version == endpoint.version or not is_version(version)
    model = prediction.model or ""
    # Official models at times go by an internal name, or by none.
    return model == endpoint.model or "/" not in model or model.startswith("replicate-internal/")
