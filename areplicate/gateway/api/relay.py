"""A chat completion as the answer of another API, whole or as events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ...chat.apis.answer_builder import AnswerBuilder, Event
from ...chat.responses import FinishReason, Usage
from ..http.events import EventWriter, data_event
from ..http.exchange import Exchange
from .model_call import ModelCall


async def relay(
    exchange: Exchange,
    call: ModelCall,
    builder: AnswerBuilder,
    failed: Callable[[int, str], list[Event]],
    *,
    beat: bytes | None = None,
    before_end: Callable[[], Awaitable[None]] | None = None,
) -> Any:
    """Answers as the builder builds it; streamed if the request says so.

    Args:
        failed: gives the events for an error after the answer has begun, by its status and message.
        beat: sent while a model boots, instead of a comment.
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
    with EventWriter(exchange, beat) as events:
        try:
            async with await counted.stream(account, events.saw) as chunks:
                async for chunk in chunks:
                    account.record.streamed_chunk(chunk)
                    if not begun:
                        begun = True
                        builder.answered_by(account.answered_by(call.name))
                        events.begin_with(_encoded(builder.begin()))
                    usage = chunk.usage or usage
                    builder.ran(chunk.replicate or ())
                    for choice in chunk.choices:
                        finish_reason = choice.finish_reason or finish_reason
                        if told := builder.add(choice.delta):
                            await events.send(_encoded(told))
            priced = None if usage is None else account.priced(usage)
            last = builder.end(finish_reason, priced)
            if before_end is not None:
                await before_end()
            await events.send(_encoded(last))
        except Exception as error:
            failure = events.failed(error)
            opening = [] if begun else builder.begin()
            await events.send(_encoded([*opening, *failed(failure.status, failure.message)]))
    return events.response


def _encoded(events: list[Event]) -> bytes:
    return b"".join([data_event(event, event["type"]) for event in events])
