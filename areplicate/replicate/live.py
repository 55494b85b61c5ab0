"""Every prediction that a caller of this router has, and the cancelling of those that nobody wants any more.

A prediction costs money as long as it runs, and its caller may leave at any moment: at any `await`, twice in
a row, or because nobody refers to the call any more. So callers do not clean up themselves. A
`LivePrediction` is entered here before its creation is sent. Leaving it is one synchronous step. If the
prediction may still run, a task of the router does the rest: it looks for a prediction whose creation was not
answered, cancels it within the account's rate limits, and tries again if that fails. Closing the router, and
the end of its event loop, leave all predictions that are still wanted, and wait for these tasks, for a bounded time.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import lru_cache, partial
from math import inf
from random import Random
from types import TracebackType
from typing import Any, Protocol, TypeVar

import anyio
import msgspec

from .. import logs
from ..clock import Scope, TimeLimits
from ..errors import APIConnectionError, AreplicateWarning, BadRequestError, Timeout
from .background import Background
from .endings import Work
from .endpoints import Endpoint
from .limits import RANK, Rank
from .protocol.predictions import CANCELLED, TERMINAL, Prediction
from .protocol.requests import SHORTEST_CANCEL_AFTER

T = TypeVar("T")

_marks = Random()
"""Not Python's own generator: processes that seed that alike would draw the same marks."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_marks.seed)

CLOSING = 10.0
"""Seconds at most that closing waits until nothing is left running."""

_LOOK_AGAIN = 0.5
"""Seconds after which closing looks whether a task has been interrupted."""

_SETTLING = 120.0
"""Seconds for which cancelling one prediction is tried; then `Cancel-After` has to end it."""

_CLAIMS_KEPT = 20_000
"""Ids that are remembered: what is created in half an hour at the usual limit; a claim matters for minutes."""

_MARKS = 59
"""Seconds, at least, that are drawn from to tell predictions of equal input apart: with them a minute at most is added."""


ON_BEGUN: ContextVar[Callable[[LivePrediction], object] | None] = ContextVar(
    "areplicate_on_begun", default=None
)
"""A function that is called with each prediction begun in this context. That object shows what becomes of the
prediction, even long after its caller has left."""


class Owner(Protocol):
    """The account on which a prediction was created."""

    base: str

    async def find(self, attempt: LivePrediction) -> object:
        """Looks for a prediction that may exist, until it is found or is certain not to, for some seconds."""

    async def confirm(self, attempt: LivePrediction) -> None:
        """Finds out whether the prediction that was found is certainly this one."""

    async def cancel(self, prediction_id: str) -> bool:
        """Cancels it, however often that has to be tried; False if it is refused."""


class LivePrediction(msgspec.Struct, eq=False):
    """One creation, and the prediction that has come of it. As a context manager it is left with its block.

    Attributes:
        key: equal for equal inputs of one endpoint.
        mark: the seconds of its `Cancel-After`, by which it is known again; None if the caller chose them.
        sent, answered: when its creation was sent, and its connection ended, on our clock.
        may_exist: whether there may be a prediction, and it may run.
        certain: whether `prediction` is known to be this one and does not only resemble it. Only then is it
            cancelled.
        found: whether it was taken from the list.
        prediction: as it was last seen.
        close: what happens when it is left, before it is cancelled.
    """

    _live: Live
    owner: Owner
    endpoint: Endpoint
    input: dict[str, Any]
    key: int
    mark: int | None
    sent: float
    answered: float = inf
    may_exist: bool = False
    certain: bool = True
    found: bool = False
    prediction: Prediction | None = None
    close: Work | None = None

    @property
    def cancelled_elsewhere(self) -> bool:
        """Whether what was taken from the list has been cancelled by somebody else: perhaps it was theirs. The
        caller goes on to look for their own."""
        return self.found and self.prediction is not None and self.prediction.status in CANCELLED

    def is_free(self, prediction_id: str) -> bool:
        """Whether no call of this router has that prediction."""
        return (self.owner.base, prediction_id) not in self._live.claims

    def is_asked_here(self, mark: int | None) -> bool:
        """Whether some caller of this router has asked for an equal input with that mark, and has it still."""
        return (self.key, mark) in self._live.marks

    def take(self, prediction: Prediction, *, certain: bool = True, found: bool = False) -> bool:
        """Makes a prediction this caller's own; False if somebody else of this router has it."""
        if not self._live.claim(self.owner.base, prediction.id):
            return False
        self.certain, self.found = certain, found
        self.saw(prediction)
        return True

    def saw(self, prediction: Prediction) -> Prediction:
        """The prediction as it is now. What has ended needs no cancelling."""
        self.prediction = prediction
        self.may_exist = prediction.status not in TERMINAL
        return prediction

    def leave(self) -> None:
        """Says that nobody wants the prediction any more. From any thread, and any number of times."""
        self.call_soon(self.__exit__)

    def call_soon(self, do: Callable[[], object]) -> None:
        """Calls `do` in the thread of the loop to which it belongs."""
        self._live.background.call_soon(do)

    def __enter__(self) -> LivePrediction:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self._live.left(self)


class Live:
    """The calls and predictions of one router.

    Args:
        at_end: what the end of the event loop does: closing the router.
    """

    def __init__(self, at_end: Work) -> None:
        self.background = Background(at_end)
        self.closed = False
        self._calls = TimeLimits()
        self._wanted: set[LivePrediction] = set()
        self._unwanted: dict[LivePrediction, object] = {}
        """The predictions that nobody wants, each with the task that settles it."""
        self.marks: set[tuple[int, int | None]] = set()
        """The marks of the inputs in flight, each with its input's key."""
        self.claims: OrderedDict[tuple[str, str], None] = OrderedDict()
        """Base and id of what somebody has or had."""
        self._changed: anyio.Event | None = None
        """Set when a call has ended or a prediction is settled, once the router closes."""

    def scope(self, deadline: float) -> Scope:
        """A block in which somebody waits, until the deadline at most; closing cancels it.

        Raises:
            APIConnectionError: the router is closed.
            BadRequestError: it belongs to another event loop.
        """
        if self.closed:
            raise APIConnectionError(
                "The router is closed: aclose() was called, or the event loop in which it was used has ended "
                "(each asyncio.run has its own, and needs a router of its own).",
                request_sent=False,
            )
        if not self.background.begun:
            self.background.begin()
        self.check_loop()
        return self._calls.scope(deadline)

    def check_loop(self) -> None:
        """Raises `BadRequestError` on another event loop than the one that it belongs to."""
        if self.background.elsewhere:
            raise BadRequestError(
                "This router, or its stream, is in use on another event loop, in another thread or process: "
                "make one for each loop, or call acompletion().",
                request_sent=False,
            )

    async def wait_for(self, work: Callable[[], Awaitable[T]], deadline: float, late: str) -> T:
        """The result of `work`; raises `Timeout` with the message `late` if the deadline passes first."""
        with self.scope(deadline):
            return await work()
        raise self.why_ended(late)

    def why_ended(self, late: str) -> APIConnectionError | Timeout:
        """The error for a call whose scope was cancelled."""
        if self.closed:
            return APIConnectionError("The router was closed before the answer came.")
        return Timeout(late)

    def enter(self, attempt: LivePrediction) -> None:
        """One more that a caller wants: about to be asked for, or asked for earlier, so that it may exist."""
        if attempt.may_exist:
            self.marks.add((attempt.key, attempt.mark))
        self._wanted.add(attempt)
        if (notify := ON_BEGUN.get()) is not None:
            notify(attempt)

    def draw_mark(self, key: int, timeout: float) -> int:
        """Seconds for `Cancel-After`: the timeout, and some more, which no equal input in flight has.

        Args:
            key: equal for equal inputs of one endpoint.
            timeout: seconds after which the server may cancel the prediction, or some more.
        """
        least, span = _marks_for(timeout)
        while (key, mark := least + int(_marks.random() * span)) in self.marks:
            span += span // 4  # so that a few draws find one however many ask the same
        self.marks.add((key, mark))
        return mark

    def left(self, attempt: LivePrediction) -> None:
        """Nobody wants a prediction any more; in the loop's own thread."""
        if attempt not in self._wanted:
            return
        if (
            not attempt.may_exist
            and (attempt.certain or attempt.cancelled_elsewhere)
            and attempt.close is None
        ):
            self._wanted.discard(attempt)
            self.marks.discard((attempt.key, attempt.mark))
            return
        if self.background.inherited:
            return
        self._unwanted[attempt] = None  # at no moment is it in neither: Ctrl-C may interrupt any line
        self._wanted.discard(attempt)
        self._unwanted[attempt] = self.background.spawn(partial(self._settle, attempt))

    def claim(self, base: str, prediction_id: str) -> bool:
        """Gives somebody of this router that prediction; False if it is taken."""
        claimed = base, prediction_id
        if claimed in self.claims:
            return False
        self.claims[claimed] = None
        if len(self.claims) > _CLAIMS_KEPT:
            self.claims.popitem(last=False)
        return True

    async def aclose(self) -> None:
        """Ends all calls and leaves all predictions, and waits until nothing runs; for `CLOSING` seconds at most."""
        self.closed = True
        self._calls.on_left = self._notify
        with anyio.move_on_after(CLOSING, shield=True):
            for scope in list(self._calls.entered):
                scope.cancel()
            for attempt in list(self._wanted):
                self.left(attempt)
            while self._calls.entered or self._unwanted:
                if self._changed is None or self._changed.is_set():
                    self._changed = anyio.Event()
                await self._settle_again()
                with anyio.move_on_after(_LOOK_AGAIN):
                    await self._changed.wait()
        self._calls.close()
        with anyio.CancelScope(shield=True):
            await self.background.aclose()
        _warn_of_running(
            [attempt.prediction.id for attempt in self._unwanted if attempt.prediction is not None]
        )

    async def _settle_again(self) -> None:
        """Takes up what the end of the event loop has interrupted: it cancels tasks."""
        async with anyio.create_task_group() as too_late_for_tasks:
            for attempt, task in list(self._unwanted.items()):
                if not self.background.runs(task):
                    self._unwanted[attempt] = task = self.background.spawn(partial(self._settle, attempt))
                    if not self.background.runs(task):
                        too_late_for_tasks.start_soon(self._settle, attempt)

    async def _settle(self, attempt: LivePrediction) -> None:
        RANK.set(Rank.CANCEL)
        try:
            with anyio.move_on_after(_SETTLING) as scope:
                if attempt.close is not None:
                    await attempt.close()
                    attempt.close = None  # it holds all that was read, and whom it belongs to
                if attempt.may_exist and attempt.prediction is None:
                    await attempt.owner.find(attempt)
                if attempt.prediction is not None and not attempt.certain:
                    await attempt.owner.confirm(attempt)
                if attempt.prediction is not None and attempt.may_exist and attempt.certain:
                    attempt.may_exist = not await attempt.owner.cancel(attempt.prediction.id)
            if (
                attempt.prediction is not None
                and attempt.may_exist
                and (attempt.certain or scope.cancelled_caught)
            ):
                _warn_of_running([attempt.prediction.id])
        except Exception:
            logs.logger.exception("A prediction may still be running: cancelling it failed")
        self._unwanted.pop(attempt, None)
        self.marks.discard((attempt.key, attempt.mark))
        self._notify()

    def _notify(self) -> None:
        if self._changed is not None:
            self._changed.set()


@lru_cache(maxsize=256)
def _marks_for(timeout: float) -> tuple[int, int]:
    """The least mark for a timeout, and how many there are from there on."""
    # More than the timeout, so that the server never gives up before the caller does.
    least = int(max(SHORTEST_CANCEL_AFTER, timeout)) + 1
    return least, max(_MARKS, least // 10)


def _warn_of_running(prediction_ids: list[str]) -> None:
    """Warns of predictions that may go on to cost money; where warnings are errors, only the log has it."""
    if prediction_ids:
        message = f"Could not be cancelled and may still be running: {', '.join(prediction_ids)}"
        logs.logger.warning("%s", message)
        with suppress(AreplicateWarning):
            logs.warn(message)
