"""Watching many predictions at once through the account's list, a hundred a request.

One task per account reads the list for all callers, with its own time-out and without retries, so that no
caller waits for another's deadline. Predictions that a round did not see are handed back to their callers,
who look at each by itself; so are a few of those that the list has shown for long.
"""

from __future__ import annotations

import contextlib
from itertools import islice

import anyio
import msgspec

from ..clock import now
from ..errors import APIError
from .background import Background
from .http import Http
from .prediction_list import ListRow, PredictionList
from .progress import RAISED, Progress
from .protocol.predictions import Prediction
from .server_clock import ServerClock, seconds
from .waiter import Waiter, one_waiter

_SHORTEST_PAUSE = 0.2
_LONGEST_PAUSE = 0.7
"""Seconds between two rounds. They grow while nothing ends: where one prediction ends, others soon do."""
_SHARE = 0.5
"""Of the allowed requests, what watching may use: the rest is for cancelling and looking up."""
_TRUSTED = 90.0
"""Seconds for which the list alone is believed: what lies between may show an old one."""
_LOOKED_AT = 1 / 200
"""Of those that have waited for longer, how many are looked at singly after a round, and one at least."""


class _Member(msgspec.Struct):
    """One prediction that is watched, and the event that wakes its caller.

    Attributes:
        raised: what the caller's `on_status` has raised, for the caller to raise.
    """

    prediction: Prediction
    progress: Progress
    since: float
    raised: BaseException | None = None
    joined: float = msgspec.field(default_factory=now)
    woken: Waiter = msgspec.field(default_factory=one_waiter)


class BulkPoller(msgspec.Struct, eq=False):
    """Looks at the predictions of one account, round after round, as long as anybody waits for one."""

    _http: Http
    _list: PredictionList
    _clock: ServerClock
    _background: Background
    _members: dict[str, _Member] = {}
    _task: object = None
    _eventful: float = float("-inf")
    """When the first joined, or the last was seen to have ended."""

    async def wait(self, prediction: Prediction, progress: Progress) -> Prediction:
        """The prediction once it is terminal; as it was before if the list did not show it."""
        if not self._members:
            self._eventful = now()
        member = _Member(prediction, progress, self._created(prediction, progress))
        self._members[prediction.id] = member
        if not self._background.runs(self._task):
            self._task = self._background.spawn(self._go_round)
        try:
            await member.woken.wait()
            if member.raised is not None:
                raise member.raised
            return member.prediction
        finally:
            self._members.pop(prediction.id, None)

    async def _go_round(self) -> None:
        try:
            while self._members:
                await anyio.sleep(self._pause())
                await self._round()
        finally:
            for member in self._members.values():
                member.woken.set()

    async def _round(self) -> None:
        """Looks at every member once; wakes those that have ended, and those that it did not see."""
        missing = dict(self._members)

        def seen(row: ListRow) -> None:
            prediction = row.prediction
            if (member := missing.pop(prediction.id, None)) is not None:
                try:
                    member.progress.saw(prediction)
                except RAISED as raised:
                    member.raised = raised
                    member.woken.set()
                if prediction.terminal:
                    if prediction.complete:
                        member.prediction = prediction
                    self._eventful = now()
                    member.woken.set()

        if len(missing) > self._list.pages:  # for fewer, single looks take fewer requests
            since = min(member.since for member in missing.values())
            with contextlib.suppress(APIError):
                await self._list.read(lambda: since, seen)
        for member in missing.values():
            member.woken.set()
        for member in islice(self._members.values(), max(1, int(len(self._members) * _LOOKED_AT))):
            if now() - member.joined > _TRUSTED:
                member.woken.set()

    def _pause(self) -> float:
        per_second = self._http.others.per_minute / 60 * _SHARE
        allowed = min(len(self._members), self._list.pages) / per_second
        return max(allowed, _SHORTEST_PAUSE, min(now() - self._eventful, _LONGEST_PAUSE))

    def _created(self, prediction: Prediction, progress: Progress) -> float:
        """When it was created on the server's clock, or a little before."""
        then = seconds(prediction.created_at)
        return then - 1.0 if then is not None else self._clock.earliest(now() - progress.seconds())
