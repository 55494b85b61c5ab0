"""A prediction's text as it is written, through boots, time-outs and broken connections.

Replicate's event stream ends after 30 s of silence, and a cold boot lasts minutes. So a stream that
ends without saying `done` is opened again where it left off, until the prediction itself is terminal;
where there is no stream, or it keeps failing, the text is read from looks at the prediction. Whatever
the road, the texts given out join to the prediction's output: each piece is placed by its position in
the whole, and what has been given out already is left away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import anyio

from ..clock import now
from ..errors import APIConnectionError, APIError
from .http import Http
from .limits import Slots
from .poller import Poller, poll_waits
from .progress import Progress
from .protocol.events import Event, EventParser
from .protocol.predictions import Prediction
from .retry import RetryPolicy, waits
from .transports.base import Answer

SILENCE = 35.0
"""Seconds without a byte after which a stream is taken for dead; Replicate ends it after 30."""

_BOOT_RECONNECT = 25.0
"""Seconds between two openings of the stream while the model boots."""

_UNKNOWN = -1

_NO_COINCIDENCE = 40
"""Characters that a model does not by chance write a second time just where a connection broke."""

_GIVE_UP_AFTER = 4
"""Streams in a row that brought nothing from a running model; from then on it is looked at instead."""


class PredictionStream:
    """Reads one prediction's text.

    Args:
        policy: its deadline is when `read` raises TimeoutError.
        slots: connections that may be held; where none is free, the prediction is looked at.
        text_of: the text of a prediction's `output`.
    """

    def __init__(
        self,
        api: Http,
        poller: Poller,
        prediction: Prediction,
        progress: Progress,
        *,
        policy: RetryPolicy,
        slots: Slots,
        text_of: Callable[[Any], str],
    ) -> None:
        self.prediction = prediction
        self._api = api
        self._poller = poller
        self._progress = progress
        self._policy = policy
        self._slots = slots
        self._text_of = text_of
        self._url = prediction.urls.stream if prediction.urls else None
        if self._url:
            api.check_trusted(self._url)
            if not slots.take():
                self._url = None
        self._answer: Answer | None = None
        self._parser = EventParser()
        self._given: list[str] = []
        self._given_length = 0
        self._position: int | None = None
        self._stream_end = 0
        self._first_id = self._last_id = ""
        self._last_start = 0
        self._done = self._lost = self._finished = self._closed = False
        self._scope: anyio.CancelScope | None = None
        self._unplaced = ""
        self._heard_at = float("-inf")
        self._opened_at = self._retry_at = float("-inf")
        self._fruitful = False
        self._fruitless = 0

    @cached_property
    def _retry_waits(self) -> Iterator[float]:
        return waits()

    @cached_property
    def _poll_waits(self) -> Iterator[float]:
        return poll_waits()

    @property
    def text(self) -> str:
        """What has been given out so far."""
        return "".join(self._given)

    @property
    def phase(self) -> str:
        return self._progress.phase

    async def read(self) -> list[str]:
        """The next pieces of text, as soon as there are any; none once `prediction` is terminal."""
        while not self._finished:
            if self._answer is not None and self._policy.deadline - now() > SILENCE:
                pieces = await self._receive(self._answer)  # ends by itself before the deadline
            else:
                with anyio.CancelScope(deadline=self._policy.deadline) as self._scope:
                    pieces = await self._advance()
                if self._scope.cancelled_caught and not self._closed:
                    raise TimeoutError
            if self._closed:
                raise APIConnectionError("The stream was closed.")
            if pieces:
                return pieces
        return []

    async def interrupt(self) -> None:
        """Ends a `read` that another task is in."""
        self._closed = True
        if self._scope is not None:
            self._scope.cancel()
        await self._drop()

    async def aclose(self) -> None:
        """Closes the connection."""
        await self._drop()
        self._release()

    async def _advance(self) -> list[str]:
        if self._done:
            return await self._finish()
        if self._answer is not None:
            return await self._receive(self._answer)
        if self._url is not None and now() >= self._opens_at():
            await self._open(self._url)
            return []
        await anyio.sleep(self._until_next_look())
        return await self._look()

    async def _open(self, url: str) -> None:
        self._opened_at = now()
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        self._fruitful = False
        try:
            answer = await self._api.open_stream(url, headers, SILENCE)
        except APIConnectionError:
            self._stream_failed()
            return
        if answer.status == 200:
            self._answer = answer
            self._parser = EventParser()
            self._position = None
            self._unplaced = ""
            self._heard_at = now()
            return
        await answer.aclose()
        if answer.status >= 500 or answer.status == 429:
            self._stream_failed()
        else:
            self._release()

    async def _receive(self, answer: Answer) -> list[str]:
        try:
            data = await answer.receive()
            events = self._parser.feed(data)
        except (APIConnectionError, ValueError):
            data, events = b"", []
        if any(type(event) is Event for event in events):
            self._heard_at = now()
        elif now() - self._heard_at > SILENCE:  # comments alone keep it open
            data = b""
        if not data:
            await self._drop()
            if self._closed:
                return []
            self._stream_failed()
            return await self._look()
        pieces = []
        for event in events:
            if type(event) is Event and (piece := self._piece(event)):
                pieces.append(piece)
        if self._done or self._lost:
            await self._drop()
        if self._lost:
            self._release()
        if pieces and not self._fruitful:
            self._fruitful = True
            self._fruitless = 0
            self._progress.writing()
        return pieces

    def _piece(self, event: Event) -> str:
        """What an event adds to the text given out."""
        if self._position is None:
            self._position = self._start_of(event)
        if event.type == "output":
            text = event.data
            if self._position == _UNKNOWN:
                text = self._place(text)
            if self._position == _UNKNOWN or self._lost:
                return ""
            start = self._position
            self._note_id(event.id, start)
            self._position += len(text)
            self._stream_end = max(self._stream_end, self._position)
            return self._give(text[max(0, self._given_length - start) :])
        if self._position != _UNKNOWN:
            self._note_id(event.id, self._position)
        self._done = self._done or event.type in ("done", "error")
        return ""

    def _start_of(self, event: Event) -> int:
        """Where in the whole text a new connection begins, as far as its first event's id tells."""
        if not self._last_id or event.id == self._first_id or not self._stream_end:
            return 0
        return self._last_start if event.id == self._last_id else _UNKNOWN

    def _place(self, text: str) -> str:
        """Finds out where a connection with unknown ids begins, and returns what has come of it.

        It goes on where the last one ended, unless the server ignores `Last-Event-ID` and names its
        events anew each time: then it repeats the text given out, and is held back while it does. A model
        that writes the same again looks like that too where little was given out; then nothing is placed,
        the stream is lost, and the prediction is looked at instead.
        """
        self._unplaced += text
        given = self.text
        if given.startswith(self._unplaced) and len(self._unplaced) < len(given):
            return ""
        repeats = self._unplaced.startswith(given[: self._stream_end])
        self._lost = repeats and self._stream_end < _NO_COINCIDENCE
        self._position = 0 if repeats else self._stream_end
        return self._unplaced

    def _note_id(self, id: str, start: int) -> None:
        if id:
            self._first_id = self._first_id or id
            self._last_id, self._last_start = id, start

    def _give(self, piece: str) -> str:
        if piece:
            self._given.append(piece)
            self._given_length += len(piece)
        return piece

    async def _look(self) -> list[str]:
        """Looks at the prediction; gives what its output is ahead by."""
        self.prediction = await self._poller.look(self.prediction.id, self._policy)
        self._progress.saw(self.prediction)
        if self.prediction.terminal:
            return await self._finish()
        return self._rest()

    async def _finish(self) -> list[str]:
        """Waits for the prediction to be terminal, which a stream's end comes a moment before."""
        if not self.prediction.terminal:
            self.prediction = await self._poller.look(self.prediction.id, self._policy)
        self.prediction = await self._poller.wait(self.prediction, self._progress, self._policy)
        self._release()
        self._finished = True
        return self._rest()

    def _rest(self) -> list[str]:
        """What the prediction's output has beyond the text given out; raises where the two differ."""
        output = self._text_of(self.prediction.output)
        if self._stream_end:  # the event stream's format turns every line break into \n
            output = output.replace("\r\n", "\n").replace("\r", "\n")
        length = self._given_length
        text = self.text
        succeeded = self.prediction.status == "succeeded"
        if not output.startswith(text[: len(output)]) or (succeeded and len(output) < length):
            # Joining URLs, JSON and trimmed ends differ from their pieces in white space alone.
            if "".join(text.split()) == "".join(output.split()):
                return []
            raise APIError("The stream and the prediction's output differ.", prediction_id=self.prediction.id)
        if len(output) <= length:
            return []
        return [self._give(output[length:])]

    def _stream_failed(self) -> None:
        """The stream ended without saying that it is done, or could not be opened."""
        if self._fruitful or self.prediction.status == "starting":
            return
        self._fruitless += 1
        self._retry_at = now() + next(self._retry_waits)
        if self._fruitless >= _GIVE_UP_AFTER:
            self._release()

    def _opens_at(self) -> float:
        """When the stream may be opened: seldom while the model boots, later where it has failed."""
        if self.prediction.status == "starting":
            return self._opened_at + _BOOT_RECONNECT
        return self._retry_at

    def _until_next_look(self) -> float:
        wait = next(self._poll_waits)
        if self._url is None:
            return wait
        return max(0.0, min(wait, self._opens_at() - now()))

    async def _drop(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            await answer.aclose()

    def _release(self) -> None:
        """From now on without the stream: its connection is free for others."""
        if self._url is not None:
            self._url = None
            self._slots.give_back()
