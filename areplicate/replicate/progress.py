"""How far a completion has come: its phases, for `on_status` and the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from .. import logs
from ..clock import now
from .protocol.predictions import TERMINAL, Prediction

RAISED = (Exception, SystemExit, KeyboardInterrupt, GeneratorExit)
"""What a caller's own code may raise: all but the cancellation of its task. In a task that is not the caller's it must
not go further, since it would end the event loop."""

Phase = Literal["queued", "booting", "processing", "done"]

BOOTING_AFTER = 2.0
"""Seconds of `starting` that a warm model does not need: after them it is taken to boot."""


class Status(msgspec.Struct, frozen=True):
    """What `on_status` is called with: at each change, once the prediction exists, and at each look while it
    boots."""

    phase: Phase
    seconds: float
    """Since the call began."""
    model: str
    prediction_id: str | None = None
    prediction_status: str | None = None


OnStatus = Callable[[Status], object]


def phase_by_now(status: Status | None, seconds: float) -> Phase:
    """The phase after that many seconds, if `status` was the last one reported.

    Phases are reported when a look sees them: a prediction may have begun to boot since the last look.
    """
    if status is None:
        return "queued"
    boots = status.phase == "queued" and status.prediction_id is not None and seconds >= BOOTING_AFTER
    return "booting" if boots else status.phase


class Progress(msgspec.Struct):
    """The phases of one completion, which began at that time. Nothing is computed unless somebody watches."""

    model: str
    begun: float
    on_status: OnStatus | None
    watched: bool
    phase: Phase = "queued"
    created: bool = False

    def seconds(self) -> float:
        return now() - self.begun

    def sending(self) -> None:
        """The prediction is about to be asked for, and somebody watches."""
        self._tell("queued", None)

    def saw(self, prediction: Prediction) -> None:
        """The prediction was looked at."""
        phase = self._phase_of(prediction)
        changed = phase != self.phase or not self.created
        self.phase, self.created = phase, True
        if self.watched and (changed or phase == "booting"):
            self._tell(phase, prediction)

    def _phase_of(self, prediction: Prediction) -> Phase:
        if prediction.status in TERMINAL:
            return "done"
        if prediction.status == "starting":
            return "booting" if self.seconds() >= BOOTING_AFTER else "queued"
        return "processing"

    def _tell(self, phase: Phase, prediction: Prediction | None) -> None:
        status = Status(
            phase,
            self.seconds(),
            self.model,
            prediction.id if prediction else None,
            prediction.status if prediction else None,
        )
        logs.logger.debug(
            "%s: %s, %.1f s %s", status.model, phase, status.seconds, status.prediction_id or ""
        )
        if self.on_status is not None:
            try:
                self.on_status(status)
            except Exception:
                logs.logger.exception("on_status failed; the completion goes on")
