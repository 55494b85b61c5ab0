"""One prediction's event stream, over as many connections as it takes.

Replicate ends a stream after 30 s of silence, and a cold boot lasts minutes. So a stream that ends without
saying `done` is opened again: seldom while the model boots, and later each time if it brings nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress

import anyio
import msgspec

from ..clock import now
from ..errors import APIConnectionError
from .http import Http
from .limits import Slots
from .protocol.events import Event, EventParser
from .retry import waits
from .transports.base import Answer

SILENCE = 35.0
"""Seconds without an event after which a connection is taken for dead; Replicate ends it after 30."""

BOOT_RECONNECT = 25.0
"""Seconds at least between two openings while the model boots."""

GIVE_UP_AFTER = 4
"""After this many connections in a row that brought no text from a running model, no other is opened."""


class EventStream(msgspec.Struct):
    """Opens an event stream and reads its events, one connection after the other."""

    _http: Http
    _url: str | None
    """Where it is; None if the prediction has none."""
    _slots: Slots
    """Connections that may be held. One is taken until `release`; if none is free, there is no stream."""
    _answer: Answer | None = None
    _parser: EventParser = msgspec.field(default_factory=EventParser)
    _heard_at: float = -math.inf
    _opened_at: float = -math.inf
    _retry_at: float = -math.inf
    _fruitful: bool = False
    _fruitless: int = 0
    _waits: Iterator[float] | None = None

    def __post_init__(self) -> None:
        if self._url is not None:
            self._http.credentials.headers_for(self._url)  # raises if it must not be asked
            self._url = self._url if self._slots.take() else None

    @property
    def connected(self) -> bool:
        return self._answer is not None

    @property
    def silent_at(self) -> float:
        """When the connection counts as dead if no event comes; comments do not count."""
        return math.inf if self._answer is None else self._heard_at + SILENCE

    def opens_in(self, booting: bool) -> float:
        """Seconds until it may be opened; infinity if the prediction has no stream."""
        if self._url is None:
            return math.inf
        return max(0.0, (self._opened_at + BOOT_RECONNECT if booting else self._retry_at) - now())

    async def open(self, last_id: str, booting: bool) -> None:
        """Connects, to go on after the event `last_id`. `connected` says whether that worked."""
        assert self._url is not None
        self._opened_at = now()
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        self._fruitful = False
        answer: Answer | None = None
        with suppress(APIConnectionError), anyio.move_on_after(SILENCE):
            answer = await self._http.open_stream(self._url, headers)
        if answer is None:
            self._failed(booting)
            return
        if answer.status == 200:
            self._answer = answer
            self._parser = EventParser()
            self._heard_at = now()
            return
        await answer.aclose()
        if answer.status >= 500 or answer.status == 429:
            self._failed(booting)
        else:
            self.release()

    async def receive(self, booting: bool) -> list[Event] | None:
        """The next events, perhaps none yet; None if the connection has ended. It waits beyond `silent_at`."""
        assert self._answer is not None
        try:
            data = await self._answer.receive()
            events = self._parser.feed(data)
        except (APIConnectionError, ValueError):
            data, events = b"", []
        if events:
            self._heard_at = now()
        elif not data:
            await self.give_up(booting)
            return None
        return events

    async def give_up(self, booting: bool) -> None:
        """The present connection has ended, or counts as dead."""
        if self.connected:
            await self.disconnect()
            self._failed(booting)

    def brought_text(self) -> None:
        """The present connection has brought text."""
        self._fruitful = True
        self._fruitless = 0

    async def disconnect(self) -> None:
        """Closes the connection, also under a `receive` in another task."""
        answer, self._answer = self._answer, None
        if answer is not None:
            await answer.aclose()

    def release(self) -> None:
        """The stream is not opened again: its connection is free for others."""
        if self._url is not None:
            self._url = None
            self._slots.give_back()

    def _failed(self, booting: bool) -> None:
        """Notes that a stream ended without saying that it is done, or could not be opened."""
        if self._fruitful or booting:
            return
        self._fruitless += 1
        self._waits = self._waits or waits()
        self._retry_at = now() + next(self._waits)
        if self._fruitless >= GIVE_UP_AFTER:
            self.release()
