"""Wakes the answers that are being streamed, each when nothing may have gone out for a while."""

from __future__ import annotations

from ...clock import SharedTimer, Sleeper

_BETWEEN_LOOKS = 0.25


class Beats:
    """The timer of all answers of a process."""

    def __init__(self) -> None:
        self._open: set[Sleeper] = set()
        self._timer = SharedTimer(self._open, between=_BETWEEN_LOOKS)

    def begin(self, answer: Sleeper) -> None:
        self._open.add(answer)
        if answer.due < self._timer.next:
            self._timer.look_at(answer.due)

    def end(self, answer: Sleeper) -> None:
        self._open.discard(answer)
