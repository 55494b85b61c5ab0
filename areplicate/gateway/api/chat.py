"""`POST /v1/chat/completions`, as OpenAI's API reference has it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from ...chat.responses import ModelResponse, ModelResponseChunk
from ..http.events import data_event
from ..http.exchange import Exchange
from ..http.route import route
from .model_call import MAX_MESSAGES, Sampling, admitted_call
from .streaming import stream_answers

_NOT_PARAMS = ("model", "messages", "stream")


class ChatMessage(msgspec.Struct):
    """One message of a conversation, by system, developer, user, assistant or tool.

    Its content is a text, or a list of parts: texts, images, sounds, films and files.
    """

    role: str
    content: Any = None


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class ChatRequest(Sampling, kw_only=True):
    """A conversation. Further fields are the model's own inputs, which are sent to it as they are."""

    messages: Annotated[list[ChatMessage], msgspec.Meta(min_length=1, max_length=MAX_MESSAGES)]
    stream_options: StreamOptions | None = None


@route("POST", "/v1/chat/completions", "key", takes=ChatRequest, answer=ModelResponse, streams=True)
async def chat_completions(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Answer a conversation."""
    params = {key: value for key, value in body.items() if key not in _NOT_PARAMS}
    account = exchange.account
    call = await admitted_call(account, body, body["messages"], params)
    del body, params
    if not account.record.streamed:
        return await call.ask(account)

    def event_of(_: int, chunk: ModelResponseChunk) -> bytes:
        chunk.model = account.answered_by(call.name)
        if chunk.usage is not None:
            chunk.usage = account.priced(chunk.usage)
        return data_event(chunk)

    return await stream_answers(exchange, [call], event_of)
