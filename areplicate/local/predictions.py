"""A prediction as a function of time.

Everything that will happen to a prediction is known when it is created, unless somebody cancels it.
So there is no task behind a prediction: its state is read off its timeline when it is asked for,
and thousands in flight cost nothing but their memory.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import msgspec

from ..replicate.protocol.predictions import TERMINAL
from .clock import TICK, Clock
from .models import LocalModel
from .replies import Written, write

LONGEST_RUN = 30 * 60.0
"""Seconds after which Replicate ends a prediction that still runs."""
KEPT = 60 * 60.0
"""Seconds after its end for which a prediction's input and output are kept."""


class State(NamedTuple):
    """A prediction at one instant: its status, and how many pieces of its output there are."""

    status: str
    written: int

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL


class Machine:
    """Where a model or a deployment runs: cold until a prediction boots it, warm until it has idled."""

    def __init__(self, model: LocalModel) -> None:
        self.model = model
        depends_on_input = model.reply is None or callable(model.reply)
        self._always = None if depends_on_input else write(model, {})
        """What thousands of predictions share, if it is always the same."""
        self.ready = self.warm_until = float("-inf")

    def begin(
        self,
        clock: Clock,
        id: str,
        token: str,
        input: dict[str, Any],
        deployment: str | None,
        cancel_after: float | None,
    ) -> LocalPrediction:
        """A prediction that arrives now, its whole timeline laid out.

        Past `cancel_after` seconds (Replicate's `Cancel-After`) it is aborted if it has not started, and
        cancelled if it runs.
        """
        now = clock.now()
        if now > self.warm_until:
            self.ready = self.warm_until = now + self.model.boot_seconds
        starts = max(now, self.ready)  # at once, or with everyone else after the boot
        written = self._always or write(self.model, input)
        first_piece, pace, ends = _pace(self.model, written.tokens, starts)
        outcome, error = ("succeeded", None) if written.failure is None else ("failed", written.failure)
        if ends > starts + LONGEST_RUN:
            ends, outcome, error = starts + LONGEST_RUN, "failed", "Prediction timed out after 30 minutes"
        deadline = None if cancel_after is None else now + cancel_after
        if deadline is not None and deadline < ends:
            ends, outcome, error = deadline, "aborted" if deadline <= starts else "canceled", None
        self.warm_until = max(self.warm_until, ends + self.model.idle_seconds)
        return LocalPrediction(
            id=id,
            token=token,
            model=self.model,
            deployment=deployment,
            input=input,
            written=written,
            clock=clock,
            created=now,
            starts=starts,
            first_piece=first_piece,
            pace=pace,
            ends=ends,
            outcome=outcome,
            error=error,
            deadline=deadline,
        )


class LocalPrediction(msgspec.Struct, eq=False):
    """One prediction's timeline. Instants are seconds on the stand-in's clock."""

    id: str
    token: str
    model: LocalModel
    deployment: str | None
    input: dict[str, Any] | None
    written: Written
    clock: Clock
    created: float
    starts: float
    first_piece: float
    pace: float
    ends: float
    outcome: str
    error: str | None
    deadline: float | None
    waiters: set[asyncio.Future[None]] = msgspec.field(default_factory=set)
    listed: tuple[tuple[Any, ...], msgspec.Raw] | None = None
    """The prediction's row when the list was last asked for, and what the row was made from."""

    def state_at(self, now: float) -> State:
        """The state at an instant, past or future."""
        now += TICK
        if now >= self.ends:
            return State(self.outcome, self._pieces_by(self.ends + TICK))
        return State("processing" if now >= self.starts else "starting", self._pieces_by(now))

    @property
    def status(self) -> str:
        """The status now."""
        return self.state_at(self.clock.now()).status

    def piece_at(self, index: int) -> float:
        """When the piece of that index is written, provided that nothing stops it."""
        return self.first_piece + index * self.pace

    @property
    def last_piece(self) -> float:
        """When the output is complete, provided that nothing stops it."""
        return self.piece_at(max(0, len(self.written.pieces) - 1))

    @property
    def removed_at(self) -> float:
        """When Replicate removes its input and output."""
        return self.ends + KEPT

    def cancel(self, now: float) -> None:
        """Stop it now, and wake those who wait for it; once it has ended this changes nothing."""
        if self.state_at(now).terminal:
            return
        self.ends, self.outcome, self.error = now, "canceled", None
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, until: float) -> None:
        """Sleep until that instant, or until the prediction is cancelled."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        timer = loop.call_at(until, _wake, waiter)
        self.waiters.add(waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self.waiters.discard(waiter)

    def _pieces_by(self, now: float) -> int:
        total = len(self.written.pieces)
        if now < self.first_piece:
            return 0
        return total if self.pace == 0 else min(total, 1 + int((now - self.first_piece) / self.pace))


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _pace(model: LocalModel, tokens: int, starts: float) -> tuple[float, float, float]:
    """When the first piece of an output is written, the seconds between two pieces, and when all is written."""
    if model.tokens_per_second:
        pace = 1 / model.tokens_per_second
    else:
        pace = max(0.0, model.run_seconds - model.time_to_first_token) / max(1, tokens)
    first_piece = starts + model.time_to_first_token
    ends = max(starts + model.run_seconds, first_piece + tokens * pace)
    if model.output_kind != "list":  # in one piece
        return ends, 0.0, ends
    return first_piece, pace, ends
