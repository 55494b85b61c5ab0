"""`/v1/messages`: Anthropic's Messages API.

Source: "Messages", "Count tokens in a message" and "Errors" in Anthropic's API reference. `claude-*` names reach
a model by `router_settings.model_group_alias`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ...chat.apis.answer_builder import Event
from ...chat.apis.chat_arguments import count_tokens
from ...chat.apis.messages_input import read_request
from ...chat.apis.messages_output import MessageBuilder
from ...chat.apis.responses_output import new_id
from ..errors import GatewayError
from ..http.anthropic import error_type
from ..http.events import data_event
from ..http.exchange import Exchange
from ..http.route import route
from .model_call import MAX_MESSAGES, ModelName, admitted_call, usable
from .streaming import relay

_PING = data_event({"type": "ping"}, "ping")


class MessageParam(msgspec.Struct):
    """One message of a conversation. Its content is a text, or a list of blocks."""

    role: Literal["user", "assistant", "system"]
    content: Any


class Counted(msgspec.Struct, kw_only=True):
    """What a model reads. Tools that only Anthropic has are left out."""

    model: ModelName
    messages: Annotated[list[MessageParam], msgspec.Meta(min_length=1, max_length=MAX_MESSAGES)]
    system: Any = None
    tools: list[dict[str, Any]] | None = None


class MessageRequest(Counted, kw_only=True):
    """A conversation. What a model has no input for is left out, unless `drop_params` is false."""

    max_tokens: Annotated[int, msgspec.Meta(ge=1)]
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None


class ClaudeMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a conversation."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[dict[str, Any]]
    stop_reason: str | None
    usage: dict[str, Any]


class TokenCount(msgspec.Struct, frozen=True):
    """About how many tokens a conversation has: each model's own tokenizer would say something else."""

    input_tokens: int


@route("POST", "/v1/messages", "key", takes=MessageRequest, answer=ClaudeMessage, streams=True)
async def messages(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Answer a conversation, as Anthropic's Messages API does."""
    asked = read_request(body)
    read = count_tokens(asked) if body.get("stream") else 0
    call = await admitted_call(exchange.account, body, asked.messages, {"drop_params": True, **asked.params})
    builder = MessageBuilder(new_id("msg"), call.name, body, read)
    return await relay(exchange, call, builder, _failed, beat=_PING)


@route("POST", "/v1/messages/count_tokens", "key", takes=Counted, answer=TokenCount)
async def count_message_tokens(exchange: Exchange, body: dict[str, Any]) -> TokenCount:
    """Estimate how many tokens a conversation has."""
    usable(exchange.backend, exchange.caller, body["model"])
    return TokenCount(count_tokens(read_request(body)))


def _failed(failure: GatewayError) -> list[Event]:
    return [{"type": "error", "error": {"type": error_type(failure.status), "message": failure.message}}]
