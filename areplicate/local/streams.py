"""A prediction's output as server-sent events.

Source: https://replicate.com/docs/topics/predictions/streaming
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec
from aiohttp import web

from .clock import TICK
from .faults import reset
from .predictions import LocalPrediction

HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store"}
OPENING = b": hi\n\n"
TIMED_OUT = b":408: 408 Request Timeout\n\n"

_NEWLINE = re.compile("\r\n|\n|\r")


class Cut(NamedTuple):
    """Where a faulty stream breaks off: after that many events, or in the middle of the next."""

    after: int
    mid_event: bool


class _DueEvent(NamedTuple):
    """One event, and the instant at which it is due."""

    due: float
    kind: str
    data: str


def _event_at(prediction: LocalPrediction, index: int) -> _DueEvent | None:
    """The event of that index as things stand now, or None past the last; cancelling moves the end."""
    ends, logs = prediction.ends, prediction.model.logs
    if logs and prediction.starts <= ends:
        if index == 0:
            return _DueEvent(prediction.starts, "logs", logs)
        index -= 1
    pieces = prediction.written.pieces
    if index < len(pieces) and (due := prediction.piece_at(index)) <= ends + TICK:
        return _DueEvent(due, "output", pieces[index])
    index -= prediction.state_at(ends).written
    if prediction.outcome == "failed":
        if index == 0:
            return _DueEvent(ends, "error", msgspec.json.encode({"detail": prediction.error}).decode())
        return _DueEvent(ends, "done", '{"reason": "error"}') if index == 1 else None
    if index > 0:
        return None
    return _DueEvent(ends, "done", "{}" if prediction.outcome == "succeeded" else '{"reason": "canceled"}')


def _encode_event(prediction: LocalPrediction, index: int, event: _DueEvent) -> bytes:
    """The event as it goes over the wire; a newline in its text starts another `data:` line."""
    second = int(prediction.clock.wall(event.due).timestamp())
    data = "".join(f"data: {line}\n" for line in _NEWLINE.split(event.data))
    return f"event: {event.kind}\nid: {second}:{index}\n{data}\n".encode()


def index_after(last_event_id: str | None) -> int:
    """Which event comes after `Last-Event-ID`; an unknown id replays from the start."""
    _, _, index = (last_event_id or "").rpartition(":")
    return int(index) + 1 if index.isdecimal() else 0


async def send_events(
    request: web.BaseRequest, prediction: LocalPrediction, start: int, timeout: float, cut: Cut | None = None
) -> web.StreamResponse:
    """Send the events from `start` on as they fall due, until the last or `timeout` seconds of silence."""
    clock = prediction.clock
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    await response.write(OPENING)
    index, last = start, clock.now()
    while (event := _event_at(prediction, index)) is not None:
        now = clock.now()
        if event.due > now + TICK:
            if last + timeout <= now + TICK:
                await response.write(TIMED_OUT)
                break
            await prediction.wait(min(event.due, last + timeout))
            continue
        chunk = bytearray()
        while event is not None and event.due <= now + TICK:
            encoded = _encode_event(prediction, index, event)
            if cut is not None and index - start == cut.after:
                await response.write(chunk + encoded[: len(encoded) // 2 if cut.mid_event else 0])
                return await reset(request)
            chunk += encoded
            index += 1
            event = _event_at(prediction, index)
        await response.write(chunk)
        last = now
    return response
