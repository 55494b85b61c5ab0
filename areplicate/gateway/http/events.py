"""Answers as server-sent events, kept alive while a model boots.

The head of the answer waits for the first of its text, so that a refusal is still an HTTP status, also one by the
model, but no longer than `_HEAD_SECONDS`. From then on a comment, `: booting 35s`, goes out whenever nothing
else has for `BEAT_SECONDS`, so that no proxy between closes the connection.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from ...replicate.progress import Status, phase_by_now
from ..errors import GatewayError
from .exchange import Exchange

BEAT_SECONDS = 10.0
_HEAD_SECONDS = 2.0

_BREAKS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))
"""What some clients take for the end of a line, though JSON and server-sent events do not."""


def data_event(value: Any, name: str | None = None) -> bytes:
    """A value as an event, on one line whatever its text holds."""
    data = msgspec.json.encode(value)
    if not data.isascii():
        for raw, escaped in _BREAKS:
            data = data.replace(raw, escaped)
    head = b"" if name is None else b"event: " + name.encode() + b"\n"
    return head + b"data: " + data + b"\n\n"


class EventWriter(msgspec.Struct, eq=False):
    """Writes the events of one answer. Use it as a context manager; `send` opens the answer if need be."""

    _exchange: Exchange
    _beat_event: bytes | None = None
    """Sent instead of the comment, for an API that has an event for it."""
    response: web.StreamResponse = msgspec.field(default_factory=web.StreamResponse)
    _loop: asyncio.AbstractEventLoop = msgspec.field(default_factory=asyncio.get_running_loop)
    _status: Status | None = None
    _opening: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)
    _beating: asyncio.Task[None] | None = None
    _sending: bool = False
    _beginning: bytes | None = None
    """Events that have not gone out yet; None before a prediction has begun."""
    _last: float = 0.0
    due: float = 0.0
    """When it is looked at whether anything has gone out."""

    def __post_init__(self) -> None:
        self.response.headers.update(self._exchange.head("text/event-stream; charset=utf-8"))
        self.response.headers["X-Accel-Buffering"] = "no"  # nginx would collect the events
        self._last = self._loop.time()
        self.due = self._last + _HEAD_SECONDS

    def __enter__(self) -> EventWriter:
        self._exchange.beats.begin(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._exchange.beats.end(self)
        if self._beating is not None:
            self._beating.cancel()

    def saw(self, status: Status) -> None:
        """For `on_status`."""
        self._status = status

    def begin_with(self, data: bytes) -> None:
        """Whole events before any of the model's text: they wait for what is sent next, or for the head."""
        self._beginning = (self._beginning or b"") + data

    async def _open(self) -> None:
        """Sends the head of the answer."""
        async with self._opening:
            if not self.response.prepared:
                await self.response.prepare(self._exchange.request)
                self.response.headers.clear()  # they are sent; aiohttp would keep them to the end
                self._last = self._loop.time()

    async def send(self, data: bytes) -> None:
        """Sends whole events; returns when the client's connection has room for more."""
        if not self.response.prepared:
            await self._open()
        self._sending = True
        self._last = self._loop.time()
        await self.response.write(self._begun() + data)
        self._sending = False

    def _begun(self) -> bytes:
        """The events that wait, for a caller that writes them at once."""
        beginning, self._beginning = self._beginning or b"", b""
        return beginning

    def failed(self, error: Exception) -> GatewayError:
        """The client's error as the last event of its answer.

        It is raised again, for an answer with its status, as long as the head has not gone out and no prediction has
        begun, or one has told what is wrong with the request, as a prompt that is too long: agents know by the status
        that they must shorten it. So is an error for a client that is gone.
        """
        unanswered = not self.response.prepared
        if isinstance(error, ConnectionError) or (unanswered and self._beginning is None):
            raise error
        failure = self._exchange.account.failed(error)
        if unanswered and failure.status < 500:
            raise error
        return failure

    def wake(self) -> None:
        time = self._loop.time()
        due = BEAT_SECONDS if self.response.prepared else _HEAD_SECONDS
        if self._sending:  # to a client that reads slowly
            self._last = time
        elif time - self._last >= due - 0.01:
            self._beating = self._loop.create_task(self._beat())
            self._last = time
        self.due = self._last + BEAT_SECONDS

    async def _beat(self) -> None:
        try:
            if not self.response.prepared:
                await self._open()
                if begun := self._begun():
                    await self.response.write(begun)
            else:
                await self.response.write(self._beat_event or f": {self._shown()}\n\n".encode())
        except ConnectionError:
            pass  # the request's own task learns of it, too
        self._beating = None

    def _shown(self) -> str:
        seconds = self._exchange.account.record.seconds()
        return f"{phase_by_now(self._status, seconds)} {seconds:.0f}s"
