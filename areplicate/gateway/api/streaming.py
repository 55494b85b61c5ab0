"""Answers to calls as server-sent events: as chunks of chat completions, or in the form of another API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from aiohttp import web

from ...chat.apis.answer_builder import AnswerBuilder, Event
from ...chat.responses import FinishReason, ModelResponseChunk, Usage
from ..errors import GatewayError
from ..http.events import EventWriter, data_event
from ..http.exchange import Exchange
from .model_call import ModelCall

DONE = b"data: [DONE]\n\n"
"""The end of OpenAI's streams of completions."""


async def _done() -> bytes:
    return DONE


def _error_event(failure: GatewayError) -> bytes:
    return b"data: " + failure.envelope() + b"\n\n"


async def stream_answers(
    exchange: Exchange,
    calls: Sequence[ModelCall],
    event_of: Callable[[int, ModelResponseChunk], bytes],
    end: Callable[[], Awaitable[bytes]] = _done,
    failed: Callable[[GatewayError], bytes] = _error_event,
    *,
    beat: bytes | None = None,
) -> web.StreamResponse:
    """Streams the answers to calls, one after the other.

    Args:
        event_of: gives the events for a chunk of the call of that number; empty if the client gets none.
        end: gives the events after the last chunk.
        failed: gives the events for an error after the answer has begun.
        beat: sent while a model boots, instead of a comment.
    """
    account = exchange.account
    with EventWriter(exchange, beat) as events:
        try:
            for number, call in enumerate(calls):
                async with await call.stream(account, events.saw) as chunks:
                    async for chunk in chunks:
                        account.record.streamed_chunk(chunk)
                        event = event_of(number, chunk)
                        if chunk.choices and chunk.choices[0].delta.role:  # with that alone a choice begins
                            events.begin_with(event)
                        elif event:
                            await events.send(event)
                        del chunk, event  # the next may be long in coming
            await events.send(await end())
        except Exception as error:
            await events.send(failed(events.failed(error)))
    return events.response


async def relay(
    exchange: Exchange,
    call: ModelCall,
    builder: AnswerBuilder,
    error_events: Callable[[GatewayError], list[Event]],
    *,
    beat: bytes | None = None,
    before_end: Callable[[], Awaitable[None]] | None = None,
) -> Any:
    """Answers as another API does, by its builder; streamed if the request says so.

    Args:
        error_events: gives the events for an error after the answer has begun.
        before_end: awaited when the answer is whole, before the client is sent its end.
    """
    account = exchange.account
    if not account.record.streamed:
        answer = builder.build(await call.ask(account))
        if before_end is not None:
            await before_end()
        return answer
    counted = msgspec.structs.replace(call, params={**call.params, "stream_options": {"include_usage": True}})
    finish_reason: FinishReason = "stop"
    usage: Usage | None = None
    begun = False

    def event_of(_: int, chunk: ModelResponseChunk) -> bytes:
        nonlocal finish_reason, usage, begun
        events: list[Event] = []
        if not begun:
            begun = True
            builder.answered_by(account.answered_by(call.name))
            events += builder.begin()
        usage = chunk.usage or usage
        builder.ran(chunk.replicate or ())
        for choice in chunk.choices:
            finish_reason = choice.finish_reason or finish_reason
            events += builder.add(choice.delta)
        return _encoded(events)

    async def end() -> bytes:
        last = builder.end(finish_reason, None if usage is None else account.priced(usage))
        if before_end is not None:
            await before_end()
        return _encoded(last)

    def failed(failure: GatewayError) -> bytes:
        opening = [] if begun else builder.begin()
        return _encoded([*opening, *error_events(failure)])

    return await stream_answers(exchange, [counted], event_of, end, failed, beat=beat)


def _encoded(events: list[Event]) -> bytes:
    return b"".join([data_event(event, event["type"]) for event in events])
