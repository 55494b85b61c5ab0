"""`/v1/responses`: OpenAI's Responses API.

Source: "Responses" in OpenAI's API reference. Responses are kept where `general_settings.store_responses` says
so; else a conversation's earlier turns must be sent along.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from ...chat.apis.responses_input import read_request
from ...chat.apis.responses_output import Event, ResponseBuilder, new_id
from ..http.errors import GatewayError, bad_request
from ..http.exchange import Exchange
from ..http.route import route
from .question import MAX_MESSAGES, ModelRequest, question_of
from .relay import relay

if TYPE_CHECKING:
    from ..app import Gateway

_TEXT = {"type": "string"}
_ITEM = {
    "anyOf": [
        {
            "type": "object",
            "required": ["role", "content"],
            "properties": {
                "type": {"const": "message"},
                "role": {"enum": ["system", "developer", "user", "assistant"]},
                "content": _TEXT,
            },
        },
        {
            "type": "object",
            "required": ["type", "call_id", "name", "arguments"],
            "properties": {
                "type": {"const": "function_call"},
                "call_id": _TEXT,
                "name": {"type": "string", "minLength": 1},
                "arguments": {"description": "A JSON object, as text."},
            },
        },
        {
            "type": "object",
            "required": ["type", "call_id", "output"],
            "properties": {"type": {"const": "function_call_output"}, "call_id": _TEXT, "output": _TEXT},
        },
    ],
    "description": "Items of other kinds are taken as well; what says nothing to a model is left out.",
}
_TOOL = {
    "anyOf": [
        {
            "type": "object",
            "required": ["name"],
            "properties": {
                "type": {"const": "function"},
                "name": {"type": "string", "minLength": 1},
                "description": {"type": ["string", "null"]},
                "parameters": {"type": ["object", "null"], "description": "A JSON Schema."},
            },
        },
        {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"type": "string", "not": {"const": "function"}}},
            "description": "A tool of another type is left out.",
        },
    ]
}
_INPUT = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_MESSAGES - 1,
            "items": _ITEM,
            "contains": {"properties": {"role": {"enum": ["user", "assistant"]}}, "required": ["role"]},
        },
    ]
}


class ResponseRequest(ModelRequest, kw_only=True):
    """A conversation. What a model has no input for is left out, unless `drop_params` is false."""

    input: Annotated[Any, msgspec.Meta(extra_json_schema=_INPUT)]
    instructions: str | None = None
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    metadata: dict[str, str] | None = None
    parallel_tool_calls: bool | None = None
    previous_response_id: str | None = None
    reasoning: dict[str, Any] | None = None
    store: bool | None = None
    text: dict[str, Any] | None = None
    tools: list[Annotated[dict[str, Any], msgspec.Meta(extra_json_schema=_TOOL)]] | None = None
    truncation: Literal["auto", "disabled"] | None = None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a conversation."""

    id: str
    object: Literal["response"]
    created_at: int
    status: str
    model: str
    output: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    usage: dict[str, Any] | None


@route("POST", "/v1/responses", "key", takes=ResponseRequest, answer=Response, streams=True)
async def responses(gateway: Gateway, exchange: Exchange, body: dict[str, Any]) -> Any:
    """Answer a conversation, as OpenAI's Responses API does."""
    if body.get("previous_response_id"):
        raise _not_stored("previous_response_id")
    asked = read_request(body)
    question = await question_of(
        gateway, exchange, body, asked.messages, {"drop_params": True, **asked.params}
    )
    builder = _Builder(new_id("resp"), int(time.time()), question.name, body, stored=False)
    if exchange.streamed:
        return await relay(exchange, question, builder)
    return builder.build(await question.ask(exchange))


class _Builder(ResponseBuilder):
    def fail(self, error: GatewayError) -> list[Event]:
        code = "rate_limit_exceeded" if error.status == 429 else "server_error"
        return self.failed(error.message, code)


def _not_stored(param: str) -> GatewayError:
    return bad_request(
        f"{param} cannot be used: responses are not stored here. Send the earlier turns in input, or set "
        "general_settings.store_responses in the gateway's configuration.",
        param=param,
    )
