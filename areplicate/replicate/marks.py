"""How one's own prediction is known again, where the answer to its creation was lost.

Replicate has no idempotency key, and equal inputs are common. But predictions tell their `deadline`, and the seconds
from `created_at` to `deadline` are those of `Cancel-After`, which are drawn for each creation: its mark. So a row
of the account's list is one's own where it has the same target, input and mark, and was created while the creation
was under way, on the list's own clock. Where there is no deadline the rest is mere resemblance: that may claim a
prediction, for those of equal input are interchangeable, and never cancels one, for it may be somebody else's.

Only seeing it proves that a prediction exists, and the list may be late. That it does not exist is proven where the
list shows what was created some seconds later.
"""

from __future__ import annotations

import math
from enum import Enum, auto
from itertools import chain, repeat
from typing import Any

import anyio
import msgspec

from .. import logs
from ..clock import now
from ..errors import APIError
from .endpoints import DeploymentEndpoint, Endpoint, ModelEndpoint, VersionEndpoint
from .live import LivePrediction
from .prediction_list import PredictionList, Row
from .protocol.predictions import ListedPrediction
from .server_clock import ServerClock

_LOOKS = (0.1, 0.4, 1.0, 1.5, 1.5, 1.5)
"""Seconds before each look; by the last one, a prediction has had six to appear."""

_LOOKS_MORE = 8
"""Looks after those, where the list cannot be read."""

_LATEST_ROW = 2.5
"""Seconds by which one row of the list may be later than another."""


class Outcome(Enum):
    """What is known of a creation."""

    MADE = auto()
    NOTHING = auto()
    """It is certain that nothing was created."""
    UNKNOWN = auto()
    """There may be a prediction; where it was looked for, the list may be late."""
    UNREADABLE = auto()
    """The same, and the list could not be read."""


class Finder:
    """Looks for predictions in the list of one account."""

    def __init__(self, predictions: PredictionList, clock: ServerClock) -> None:
        self._predictions = predictions
        self._clock = clock

    async def find(self, *attempts: LivePrediction) -> Outcome:
        """Looks for what may have been created, for some seconds, until one of the attempts has its prediction.

        Those that are certain not to exist know it afterwards: `may_exist` is False.
        """
        for attempt in attempts:
            attempt.answered = min(attempt.answered, now())
        outcome = Outcome.UNREADABLE
        for looks, wait in enumerate(chain(_LOOKS, repeat(_LOOKS[-1], _LOOKS_MORE)), 1):
            await anyio.sleep(wait)
            try:
                outcome = await self._look([attempt for attempt in attempts if attempt.may_exist])
            except APIError as error:
                logs.logger.debug("The list of predictions could not be read: %s", error)
                outcome = Outcome.UNREADABLE
            if outcome in (Outcome.MADE, Outcome.NOTHING):
                break
            if outcome is Outcome.UNKNOWN and looks >= len(_LOOKS):
                break
        return outcome

    async def _look(self, attempts: list[LivePrediction]) -> Outcome:
        rows: dict[str, Row] = {}
        newest = -math.inf

        def seen(row: Row) -> None:
            nonlocal newest
            newest = max(newest, row.created or newest)
            if any(may_be(row, attempt) for attempt in attempts):
                rows[row.prediction.id] = row

        await self._predictions.read(lambda: self._clock.earliest(attempts[0].sent), seen)
        oldest_first = sorted(rows.values(), key=lambda row: row.created or 0.0)
        if any(self._take(attempt, oldest_first) for attempt in attempts):
            return Outcome.MADE
        for attempt in attempts:
            attempt.may_exist = newest <= self._clock.latest(attempt.answered) + _LATEST_ROW
        return Outcome.UNKNOWN if any(attempt.may_exist for attempt in attempts) else Outcome.NOTHING

    def _take(self, attempt: LivePrediction, rows: list[Row]) -> bool:
        """Gives an attempt the first row that may be its own and is nobody else's here."""
        since, until = self._clock.earliest(attempt.sent), self._clock.latest(attempt.answered)
        own = [
            row
            for row in rows
            if attempt.is_free(row.prediction.id)
            and (row.created is None or since <= row.created <= until)
            and may_be(row, attempt)
        ]
        if not own:
            return False
        row = own[0]
        logs.logger.info("Prediction %s is in the list: its creation was not answered", row.prediction.id)
        certain = len(own) == 1 and attempt.mark is not None and row.mark is not None
        return attempt.take(row.prediction, certain)


def may_be(row: Row, mine: LivePrediction) -> bool:
    """Whether a row has the mark, the target and the input of a creation, as far as it has any."""
    if mine.mark is not None and row.mark is not None and round(row.mark) != mine.mark:
        return False
    return _same_target(row.prediction, mine.endpoint) and _same_input(row.prediction, mine.input)


def _same_target(prediction: ListedPrediction, endpoint: Endpoint) -> bool:
    if isinstance(endpoint, DeploymentEndpoint):
        return prediction.deployment in (None, f"{endpoint.owner}/{endpoint.name}")
    if isinstance(endpoint, VersionEndpoint):
        return prediction.version in (None, "hidden", endpoint.version)
    if isinstance(endpoint, ModelEndpoint):
        # Official models at times go by an internal name.
        owner = (prediction.model or "").partition("/")[0]
        return prediction.model in (None, endpoint.model) or owner == "replicate-internal"
    return True


def _same_input(prediction: ListedPrediction, input: dict[str, Any]) -> bool:
    try:
        return bool(msgspec.json.decode(prediction.input) == input)
    except msgspec.DecodeError:
        return False
