"""`POST /v1/responses`: OpenAI's Responses API, for text.

Source: "Responses" and "Streaming events" in OpenAI's API reference. Nothing is stored, so that a
conversation's earlier turns are to be sent along.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from aiohttp import web

from ...chat.responses import FinishReason, Usage
from ...errors import APIError
from ..http.events import EventStream, data_event
from ..http.exchange import Exchange
from ..http.route import route
from .question import MAX_MESSAGES, ModelRequest, Question, question_of
from .response_input import messages_of, params_of

if TYPE_CHECKING:
    from ..app import Gateway


_TURN = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {
        "role": {"enum": ["system", "developer", "user", "assistant"]},
        "content": {"type": "string"},
    },
}
_INPUT = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "minItems": 1, "maxItems": MAX_MESSAGES - 1, "items": _TURN},
    ]
}


class ResponseRequest(ModelRequest, kw_only=True):
    """A conversation. Nothing is stored: send the earlier turns along."""

    input: Annotated[Any, msgspec.Meta(extra_json_schema=_INPUT)]
    instructions: str | None = None
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a conversation."""

    id: str
    object: Literal["response"]
    created_at: int
    status: str
    model: str
    output: list[dict[str, Any]]


@route("POST", "/v1/responses", "key", takes=ResponseRequest, answer=Response, streams=True)
async def responses(gateway: Gateway, exchange: Exchange, body: dict[str, Any]) -> Any:
    """Answer a conversation, as OpenAI's Responses API does."""
    question = await question_of(gateway, exchange, body, messages_of(body), params_of(body))
    answer = _Answer(exchange, question.name, body)
    if exchange.streamed:
        return await _stream(exchange, question, answer)
    whole = await question.ask(exchange)
    choice = whole.choices[0]
    answer.text = choice.message.content or ""
    return answer.ended(choice.finish_reason, whole.usage)


class _Answer:
    """A response object as it grows."""

    def __init__(self, exchange: Exchange, name: str, body: dict[str, Any]) -> None:
        self.text = ""
        self._id = exchange.request_id.replace("req_", "resp_")
        self._message_id = exchange.request_id.replace("req_", "msg_")
        self._sequence = 0
        self._fixed: dict[str, Any] = {
            "id": self._id,
            "object": "response",
            "created_at": int(time.time()),
            "model": name,
            "instructions": body.get("instructions"),
            "max_output_tokens": body.get("max_output_tokens"),
            "metadata": body.get("metadata") or {},
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "store": False,
            "temperature": body.get("temperature"),
            "text": body.get("text") or {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": body.get("top_p"),
            "truncation": "disabled",
            "user": body.get("user"),
        }

    def begun(self) -> dict[str, Any]:
        return self._object("in_progress", [])

    def ended(self, finish_reason: FinishReason, usage: Usage | None) -> dict[str, Any]:
        status = "incomplete" if finish_reason == "length" else "completed"
        return self._object(status, [self.message(status)], usage=usage)

    def failed(self, code: str, message: str) -> dict[str, Any]:
        return self._object("failed", [], error={"code": code, "message": message})

    def message(self, status: str) -> dict[str, Any]:
        content = [] if status == "in_progress" else [self.part()]
        return {
            "type": "message",
            "id": self._message_id,
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def part(self) -> dict[str, Any]:
        return {"type": "output_text", "text": self.text, "annotations": [], "logprobs": []}

    def event(self, kind: str, **fields: Any) -> bytes:
        event = {"type": kind, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return data_event(event, kind)

    def message_event(self, kind: str, **fields: Any) -> bytes:
        """An event about the message's one part."""
        return self.event(kind, item_id=self._message_id, output_index=0, content_index=0, **fields)

    def _object(
        self,
        status: str,
        output: list[dict[str, Any]],
        *,
        usage: Usage | None = None,
        error: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        incomplete = {"reason": "max_output_tokens"} if status == "incomplete" else None
        return {
            **self._fixed,
            "status": status,
            "error": error,
            "incomplete_details": incomplete,
            "output": output,
            "usage": _usage(usage) if usage is not None else None,
        }


async def _stream(exchange: Exchange, question: Question, answer: _Answer) -> web.StreamResponse:
    with EventStream(exchange) as events:
        try:
            chunks = await question.stream(exchange, events.saw)
            await events.send(
                answer.event("response.created", response=answer.begun())
                + answer.event("response.in_progress", response=answer.begun())
                + answer.event(
                    "response.output_item.added", output_index=0, item=answer.message("in_progress")
                )
                + answer.message_event("response.content_part.added", part=answer.part())
            )
            pieces: list[str] = []
            finish_reason: FinishReason = "stop"
            usage: Usage | None = None
            async with chunks:
                async for chunk in chunks:
                    exchange.streamed_chunk(chunk)
                    choice = chunk.choices[0]
                    if chunk.replicate is not None:
                        usage = chunk.replicate[0].usage
                    finish_reason = choice.finish_reason or finish_reason
                    if text := choice.delta.content:
                        pieces.append(text)
                        await events.send(
                            answer.message_event("response.output_text.delta", delta=text, logprobs=[])
                        )
            answer.text = "".join(pieces)
            await events.send(_ending(answer, finish_reason, usage))
        except APIError as error:
            if not events.response.prepared:
                raise
            failed = answer.failed("server_error", exchange.failed(error).message)
            await events.send(answer.event("response.failed", response=failed))
    return events.response


def _ending(answer: _Answer, finish_reason: FinishReason, usage: Usage | None) -> bytes:
    whole = answer.ended(finish_reason, usage)
    status: str = whole["status"]
    return (
        answer.message_event("response.output_text.done", text=answer.text, logprobs=[])
        + answer.message_event("response.content_part.done", part=answer.part())
        + answer.event("response.output_item.done", output_index=0, item=answer.message(status))
        + answer.event(f"response.{status}", response=whole)
    )


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.total_tokens,
    }
