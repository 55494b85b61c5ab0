"""A prediction's text as it is written, through boots, time-outs and broken connections.

The text comes from the event stream, and from looks at the prediction if there is no stream, if it
has failed, and while it may not be opened again yet. `text_assembly` joins what comes by either way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import anyio
import msgspec

from ..clock import Scope, now
from ..errors import APIConnectionError, APIError, PredictionFailedError
from ..logs import logger
from .event_stream import EventStream
from .http import HOLD_LARGE, LARGE, MAX_BODY
from .live import Live
from .poller import Poller, poll_waits
from .progress import Progress
from .protocol.predictions import TERMINAL, Prediction
from .retry import RetryPolicy
from .text_assembly import TextAssembly, as_streamed, grows

FIGURES = 5.0
"""Seconds to wait, after a text is whole, for the prediction's figures."""

LATE_LOOK = 1.0
"""Seconds that a look may take after the deadline."""


class PredictionStream(msgspec.Struct, kw_only=True, eq=False):
    """Reads one prediction's text."""

    events: EventStream
    poller: Poller
    prediction: Prediction
    progress: Progress
    live: Live
    """Ends a `read` when the router closes."""
    policy: RetryPolicy
    """How often requests are tried again; at its deadline `read` raises TimeoutError."""
    text_of: Callable[[Any], str]
    """The text of a prediction's `output`."""
    streams: bool
    """Whether the prediction has an event stream, which need not be read."""
    _assembly: TextAssembly = msgspec.field(default_factory=TextAssembly)
    _waits: Iterator[float] | None = None
    """Between looks, once there is one."""
    _held: int = 0
    """Characters of a large text that are counted among large answers."""
    _finished: bool = False
    _closed: bool = False
    _scope: Scope | None = None

    @property
    def text(self) -> str:
        """What has been given out so far."""
        return self._assembly.text

    @property
    def phase(self) -> str:
        return self.progress.phase

    async def read(self) -> list[str]:
        """The next pieces of text, as soon as there are any; none once `prediction` is terminal.

        Raises:
            TimeoutError: the deadline passed before the model was done.
            APIConnectionError: the stream was closed.
        """
        if not self._finished and now() >= self.policy.deadline:
            return await self._read_late()
        silent = False
        while not self._finished:
            self._check_open()
            with self.live.scope(min(self.policy.deadline, self.events.silent_at)) as scope:
                self._scope = scope
                try:
                    pieces = await (self._look() if silent else self._advance())
                finally:
                    self._scope = None
            self._check_open()
            silent = scope.cancelled_caught and now() < self.policy.deadline
            if silent:
                await self.events.give_up(self._booting)
                continue
            if scope.cancelled_caught:
                if not self._whole:
                    raise TimeoutError
                pieces = self._end()
            if pieces:
                if self._assembly.length > LARGE:
                    self._hold()
                return pieces
        return []

    async def cut(self, cancel: Callable[[str], Awaitable[object]] | None) -> Prediction:
        """Ends the text here: from now on `prediction` counts as succeeded, with what it has written.

        Args:
            cancel: ends the prediction of that id, and its figures are waited for, for a moment.

        Returns:
            The prediction as it was last seen.
        """
        await self.aclose()
        if cancel is not None and not self.prediction.terminal:
            with anyio.move_on_after(FIGURES), suppress(APIError):
                await cancel(self.prediction.id)
                await self._wait_for_end()
        seen, self._finished = self.prediction, True
        output = seen.output or self.text
        self.prediction = msgspec.structs.replace(seen, status="succeeded", error=None, output=output)
        return seen

    async def interrupt(self) -> None:
        """Ends a `read` that another task is in."""
        self._closed = True
        if self._scope is not None:
            self._scope.cancel()
        await self.events.disconnect()

    async def aclose(self) -> None:
        """Closes the connection."""
        await self.events.disconnect()
        self.events.release()

    @property
    def _whole(self) -> bool:
        """Whether the text is complete, whatever a look says. A stream that has brought none proves nothing."""
        return self._assembly.whole and bool(self.text)

    @property
    def _booting(self) -> bool:
        return self.prediction.status == "starting"

    def _hold(self) -> None:
        """Counts what a large text has more than before; raises an `APIError` if there is no room for it."""
        if (hold := HOLD_LARGE.get()) is not None:
            more = self._assembly.length - self._held
            self._held = self._assembly.length
            hold(self.prediction.id, more, False)

    def _check_open(self) -> None:
        if self._closed or self.live.closed:
            raise APIConnectionError("The stream was closed.")

    def _advance(self) -> Awaitable[list[str]]:
        """The next step. Were this a coroutine too, each stream would keep one more in memory while it waits."""
        if self._assembly.done:
            return self._finish()
        return self._receive() if self.events.connected else self._connect()

    async def _connect(self) -> list[str]:
        """Opens the event stream, or looks at the prediction if it cannot be opened yet."""
        opens_in = self.events.opens_in(self._booting)
        if opens_in <= 0:
            await self.events.open(self._assembly.last_id, self._booting)
            self._assembly.reconnected()
            return []
        self._waits = self._waits or poll_waits()
        await anyio.sleep(min(next(self._waits), opens_in))
        return await self._look()

    async def _receive(self) -> list[str]:
        events = await self.events.receive(self._booting)
        if events is None:
            return [] if self._closed else await self._look()
        pieces = [piece for event in events if (piece := self._assembly.add(event))]
        if self._assembly.length > MAX_BODY:
            raise PredictionFailedError(
                f"The model has written more than {MAX_BODY >> 20} MiB, which is the most that is read."
            )
        if self._assembly.done or self._assembly.lost:
            await self.events.disconnect()
        if self._assembly.lost:
            self.events.release()
        if pieces:
            self.events.brought_text()
            if self._booting:
                self.prediction = msgspec.structs.replace(self.prediction, status="processing")
                self.progress.saw(self.prediction)
        return pieces

    async def _look(self) -> list[str]:
        """Looks at the prediction; gives what its output has beyond the text so far."""
        self.prediction = await self.poller.look(self.prediction.id, self.policy)
        self.progress.saw(self.prediction)
        if self.prediction.terminal:
            return self._end()
        return self._ahead()

    def _ahead(self) -> list[str]:
        """What the output of the running prediction has beyond the text so far."""
        output = self.prediction.output
        piece = self._assembly.catch_up(self.text_of(self._as_given(output))) if grows(output) else ""
        return [piece] if piece else []

    async def _finish(self) -> list[str]:
        """Waits for the prediction to be terminal, which it is a moment after its stream's end.

        If the text is whole, only the figures are missing, and it does not fail without them. But as long as looks
        show that it runs, its stream may have ended too early.
        """
        before, whole = self.prediction, self._whole
        with anyio.move_on_after(FIGURES if whole else None):
            try:
                await self._wait_for_end()
            except APIError as error:
                if not whole:
                    raise
                logger.warning(
                    "The text of prediction %s is complete, and its figures could not be read: %s",
                    self.prediction.id,
                    error,
                )
        if self.prediction is not before and not self.prediction.terminal:
            pieces = self._ahead()
            self._assembly.whole = whole and not pieces
            return pieces
        return self._end()

    async def _wait_for_end(self) -> None:
        self.prediction = await self.poller.look(self.prediction.id, self.policy)
        self.prediction = await self.poller.wait(self.prediction, self.progress, self.policy)

    async def _read_late(self) -> list[str]:
        """What the model wrote until the deadline, for a reader who comes only after it."""
        with self.live.scope(now() + LATE_LOOK) as self._scope, suppress(APIError):
            self.prediction = await self.poller.look(self.prediction.id, RetryPolicy(retries=0))
        self._check_open()
        if self.prediction.terminal or self._whole:
            return self._end()
        raise TimeoutError

    def _end(self) -> list[str]:
        """The rest of the text, now that the model is done."""
        self.events.release()
        self._finished = True
        if self._whole and (self.prediction.status not in TERMINAL or self._was_removed()):
            self.prediction = msgspec.structs.replace(
                self.prediction, status="succeeded", output=self.text, data_removed=None
            )
        output = self.prediction.output
        given = len(self.text)
        rest, agrees = self._assembly.finish(self.text_of(self._as_given(output) if given else output))
        if not agrees and self.prediction.status == "succeeded":
            logger.warning(
                "Prediction %s was streamed as %d characters, and its output is another text of %d",
                self.prediction.id,
                given,
                len(self.text_of(output)),
            )
        return [rest] if rest else []

    def _was_removed(self) -> bool:
        return self.prediction.status == "succeeded" and self.prediction.output is None

    def _as_given(self, output: Any) -> Any:
        """An output with the line breaks that the streamed pieces have."""
        return as_streamed(output) if self.streams else output
