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
from ..app import Gateway
from ..http.anthropic import error_type
from ..http.events import data_event
from ..http.exchange import Exchange
from ..http.route import route
from .model_call import MAX_MESSAGES, ModelName, admitted_call, usable
from .relay import relay
from .shapes import TEXT, either, items, mapping, one_of, tool

_PING = data_event({"type": "ping"}, "ping")
_BLOCK = mapping("type text", type=one_of("text"), text=TEXT)
_CONTENT = either(
    TEXT,
    items(_BLOCK),
    description="Images, documents, tool_use and tool_result are further blocks.",
)
_PARAM: dict[str, Any] = {
    "if": {"properties": {"role": one_of("assistant")}},  # an empty answer may be sent back
    "else": {"properties": {"content": {"minItems": 1}}},
}
_SYSTEM = either(TEXT, items(_BLOCK), {"type": "null"})
_TOOL = tool(
    one_of("custom", None),
    "name input_schema",
    "A tool that runs on Anthropic's servers is left out.",
    description=TEXT,
    input_schema={"type": "object", "description": "A JSON Schema."},
)


class MessageParam(msgspec.Struct):
    """One message of a conversation."""

    role: Literal["user", "assistant", "system"]
    content: Annotated[Any, msgspec.Meta(extra_json_schema=_CONTENT)]


class Counted(msgspec.Struct, kw_only=True):
    """What a model reads."""

    model: ModelName
    messages: Annotated[
        list[Annotated[MessageParam, msgspec.Meta(extra_json_schema=_PARAM)]],
        msgspec.Meta(min_length=1, max_length=MAX_MESSAGES),
    ]
    system: Annotated[Any, msgspec.Meta(extra_json_schema=_SYSTEM)] = None
    tools: list[Annotated[dict[str, Any], msgspec.Meta(extra_json_schema=_TOOL)]] | None = None


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
async def messages(gateway: Gateway, exchange: Exchange, body: dict[str, Any]) -> Any:
    """Answer a conversation, as Anthropic's Messages API does."""
    asked = read_request(body)
    read = count_tokens(asked) if body.get("stream") else 0
    call = await admitted_call(exchange.account, body, asked.messages, {"drop_params": True, **asked.params})
    builder = MessageBuilder(new_id("msg"), call.name, body, read)
    return await relay(exchange, call, builder, _failed, beat=_PING)


@route("POST", "/v1/messages/count_tokens", "key", takes=Counted, answer=TokenCount)
async def count_message_tokens(gateway: Gateway, exchange: Exchange, body: dict[str, Any]) -> TokenCount:
    """Estimate how many tokens a conversation has."""
    usable(exchange.backend, exchange.caller, body["model"])
    return TokenCount(count_tokens(read_request(body)))


def _failed(status: int, message: str) -> list[Event]:
    return [{"type": "error", "error": {"type": error_type(status), "message": message}}]
