"""`POST /v1/chat/completions`, as OpenAI's API reference has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from ...errors import APIError
from ..http.bodies import read_object
from ..http.events import EventStream
from ..http.exchange import Exchange
from .question import Question, question_of

if TYPE_CHECKING:
    from ..app import Gateway

DONE = b"data: [DONE]\n\n"
_NOT_PARAMS = ("model", "messages", "stream")


async def chat_completions(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    question = await _question(gateway, exchange)
    if exchange.streamed:
        return await _stream(exchange, question)
    return exchange.json(msgspec.json.encode(await question.ask(exchange)))


async def _question(gateway: Gateway, exchange: Exchange) -> Question:
    body = await read_object(exchange.request)
    params = {key: value for key, value in body.items() if key not in _NOT_PARAMS}
    return await question_of(gateway, exchange, body, body.get("messages"), params)


async def _stream(exchange: Exchange, question: Question) -> web.StreamResponse:
    encode = msgspec.json.encode
    with EventStream(exchange) as events:
        try:
            chunks = await question.stream(exchange, events.saw)
            await events.open()
            async with chunks:
                async for chunk in chunks:
                    exchange.streamed_chunk(chunk)
                    named = msgspec.structs.replace(chunk, model=question.model)
                    await events.send(b"data: " + encode(named) + b"\n\n")
        except APIError as error:
            if not events.response.prepared:
                raise
            await events.send(error_event(exchange, error))
        else:
            await events.send(DONE)
    return events.response


def error_event(exchange: Exchange, error: APIError) -> bytes:
    """An error after the answer has begun."""
    return b"data: " + exchange.failed(error).envelope() + b"\n\n"
