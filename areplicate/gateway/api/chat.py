"""`POST /v1/chat/completions`, as OpenAI's API reference has it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from aiohttp import web

from ...chat.responses import ModelResponse
from ..app import Gateway
from ..errors import GatewayError
from ..http.events import EventWriter, data_event
from ..http.exchange import Exchange
from ..http.route import route
from .model_call import MAX_MESSAGES, ModelCall, Sampling, admitted_call
from .shapes import TEXT, either, items, mapping, one_of

DONE = b"data: [DONE]\n\n"
_NOT_PARAMS = ("model", "messages", "stream")


_TEXT_PART = mapping("type text", type=one_of("text", "input_text", "output_text"), text=TEXT)
_CONTENT = either(TEXT, items(either(TEXT, _TEXT_PART)))


class ChatMessage(msgspec.Struct):
    """One message of a conversation. Images, sounds and files are further parts, for models that take them."""

    role: Annotated[str, msgspec.Meta(extra_json_schema=one_of("system", "developer", "user", "assistant"))]
    content: Annotated[Any, msgspec.Meta(extra_json_schema=_CONTENT)] = None


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class ChatRequest(Sampling, kw_only=True):
    """A conversation. Further fields are the model's own inputs, which are sent to it as they are."""

    messages: Annotated[
        list[Annotated[ChatMessage, msgspec.Meta(extra_json_schema={"required": ["role", "content"]})]],
        msgspec.Meta(min_length=1, max_length=MAX_MESSAGES),
    ]
    stream_options: StreamOptions | None = None


@route("POST", "/v1/chat/completions", "key", takes=ChatRequest, answer=ModelResponse, streams=True)
async def chat_completions(gateway: Gateway, exchange: Exchange, body: dict[str, Any]) -> Any:
    """Answer a conversation."""
    params = {key: value for key, value in body.items() if key not in _NOT_PARAMS}
    call = await admitted_call(exchange.account, body, body["messages"], params)
    del body, params
    if exchange.account.record.streamed:
        return await _stream(exchange, call)
    return await call.ask(exchange.account)


async def _stream(exchange: Exchange, call: ModelCall) -> web.StreamResponse:
    account = exchange.account
    with EventWriter(exchange) as events:
        try:
            chunks = await call.stream(account, events.saw)
            await events.open()
            async with chunks:
                async for chunk in chunks:
                    account.record.streamed_chunk(chunk)
                    await events.send(data_event(account.shown_chunk(chunk, call.name)))
        except Exception as error:
            await events.send(error_event(events.failed(error)))
        else:
            await events.send(DONE)
    return events.response


def error_event(error: GatewayError) -> bytes:
    """An error after the answer has begun."""
    return b"data: " + error.envelope() + b"\n\n"
