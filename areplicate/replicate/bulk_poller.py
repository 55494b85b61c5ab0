"""Watching many predictions at once through the account's list, a hundred a request."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

import anyio

from ..clock import now
from ..errors import APIError
from .http import Http
from .prediction_list import PredictionList, created
from .progress import Progress
from .protocol.predictions import Prediction
from .retry import MAX_RETRIES, RetryPolicy
from .waiter import one_waiter

Look = Callable[[str, RetryPolicy], Awaitable[Prediction]]

_SHORTEST_PAUSE = 0.2
_LONGEST_PAUSE = 0.7
"""Seconds between two rounds: as long as nothing has ended before, since where some end more soon do."""
_SHARE = 0.5
"""Of the allowed requests, what watching may use: the rest is for cancelling and looking up."""


class _Member:
    """One prediction that is watched, and whoever waits for it."""

    __slots__ = ("prediction", "progress", "shown", "since", "woken")

    def __init__(self, prediction: Prediction, progress: Progress, since: float) -> None:
        self.prediction = prediction
        self.progress = progress
        self.since = since
        self.shown = True
        self.woken = one_waiter()


class BulkPoller:
    """Everybody waits, and one of them looks for all: whoever leaves hands that on."""

    def __init__(self, api: Http, listing: PredictionList, look: Look) -> None:
        self._api = api
        self._listing = listing
        self._look = look
        self._members: dict[str, _Member] = {}
        self._led = False
        self._eventful = float("-inf")
        """When the first joined, or the last was seen to have ended."""

    async def wait(self, prediction: Prediction, progress: Progress, policy: RetryPolicy) -> Prediction:
        """The prediction once it is terminal, or as it was where the list does not show it."""
        if not self._members:
            self._eventful = now()
        member = _Member(prediction, progress, self._created(prediction))
        self._members[prediction.id] = member
        try:
            while member.shown and not member.prediction.terminal:
                if self._led:
                    await member.woken.wait()
                    member.woken = one_waiter()
                else:
                    await self._lead(member, policy)
            return member.prediction
        finally:
            del self._members[prediction.id]
            if not self._led:
                self._appoint()

    def _appoint(self) -> None:
        """Wakes somebody to lead; who is about to leave passes it on."""
        for member in self._members.values():
            member.woken.set()
            return

    async def _lead(self, leader: _Member, policy: RetryPolicy) -> None:
        self._led = True
        try:
            while leader.shown and not leader.prediction.terminal:
                await anyio.sleep(self._pause())
                await self._round(RetryPolicy(MAX_RETRIES, policy.deadline))
        finally:
            self._led = False

    async def _round(self, policy: RetryPolicy) -> None:
        """Looks at every member once, in whichever way takes fewer requests."""
        members = list(self._members.values())
        if len(members) <= self._listing.pages:
            for member in members:
                try:
                    self._tell(member, await self._look(member.prediction.id, policy))
                except APIError:
                    _dismiss(member)
            return
        missing = {member.prediction.id: member for member in members}

        def seen(prediction: Prediction) -> None:
            if (member := missing.pop(prediction.id, None)) is not None:
                self._tell(member, prediction)

        with contextlib.suppress(APIError):
            await self._listing.read(min(member.since for member in members), seen, policy)
        for member in missing.values():
            _dismiss(member)

    def _pause(self) -> float:
        per_second = self._api.others.per_minute / 60 * _SHARE
        allowed = min(len(self._members), self._listing.pages) / per_second
        return max(allowed, _SHORTEST_PAUSE, min(now() - self._eventful, _LONGEST_PAUSE))

    def _tell(self, member: _Member, prediction: Prediction) -> None:
        member.progress.saw(prediction)
        if prediction.terminal:
            member.prediction = prediction
            self._eventful = now()
            member.woken.set()

    def _created(self, prediction: Prediction) -> float:
        """When the prediction was created, on our clock."""
        time = now()
        server_now = self._api.server_time(time)
        then = created(prediction.created_at)
        if server_now is None or then is None:
            return time
        return time - max(0.0, (server_now - then).total_seconds())


def _dismiss(member: _Member) -> None:
    """From now on this one asks for itself, with its own patience."""
    member.shown = False
    member.woken.set()
