"""A chat completion's answer as Anthropic's Messages API gives it, whole or in events.

Source: "Messages" and "Streaming messages" in Anthropic's API reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ..responses import FinishReason, PricedUsage, ToolCallDelta, Usage
from .answer_builder import AnswerBuilder, Event

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_SIGNATURE = "cmVhc29uaW5n"
"""Thinking must have a signature. Thinking that a client sends back is not read, so any will do."""
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


class MessageBuilder(AnswerBuilder):
    """Builds a message.

    Args:
        id: the message's, `msg_...`.
        model: the name that the client knows the model by.
        body: the request. Without `thinking` in it, none is shown.
        read: about how many tokens the model reads, for a stream's beginning, where Anthropic counts them. Many
            clients look nowhere else, though the end has the model's own count.
    """

    def __init__(self, id: str, model: str, body: Mapping[str, Any], read: int = 0) -> None:
        thinking = body.get("thinking")
        self._thinks = isinstance(thinking, Mapping) and thinking.get("type") != "disabled"
        self._content: list[dict[str, Any]] = []
        self._read = read
        self._open: str | None = None
        """The kind of block that is being written: the last one."""
        self.answer = {
            "id": id,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": self._content,
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _usage(None),
        }

    def begin(self) -> list[Event]:
        usage = {**_usage(None), "input_tokens": self._read}
        return [{"type": "message_start", "message": {**self.answer, "content": [], "usage": usage}}]

    def end(self, finish_reason: FinishReason, usage: Usage | None) -> list[Event]:
        events = list(self._close())
        stopped = finish_reason == "stop" and self.stop_sequence is not None
        reason = "stop_sequence" if stopped else _STOP_REASONS[finish_reason]
        ending = {"stop_reason": reason, "stop_sequence": self.stop_sequence if stopped else None}
        self.answer |= {**ending, "usage": _usage(usage)}
        return [
            *events,
            {"type": "message_delta", "delta": ending, "usage": _usage(usage)},
            {"type": "message_stop"},
        ]

    def _reasoning(self, text: str) -> Iterable[Event]:
        return self._written("thinking", text) if self._thinks else ()

    def _text(self, text: str) -> Iterable[Event]:
        return self._written("text", text)

    def _written(self, kind: str, text: str) -> Iterator[Event]:
        if self._open != kind:
            yield from self._close()
            block = {"type": kind, kind: ""}
            yield from self._started({**block, "signature": ""} if kind == "thinking" else block)
            self._open = kind
        self._content[-1][kind] += text
        yield self._delta({"type": f"{kind}_delta", kind: text})

    def _call(self, call: ToolCallDelta) -> Iterator[Event]:
        yield from self._close()
        block = {"type": "tool_use", "id": call.id, "name": call.function.name, "input": {}}
        yield from self._started(block)
        arguments, block["input"] = _input(call.function.arguments)
        yield self._delta({"type": "input_json_delta", "partial_json": arguments})
        yield self._stopped()

    def _close(self) -> Iterator[Event]:
        """Ends the block that is being written, if there is one."""
        if self._open is None:
            return
        if self._open == "thinking":
            self._content[-1]["signature"] = _SIGNATURE
            yield self._delta({"type": "signature_delta", "signature": _SIGNATURE})
        self._open = None
        yield self._stopped()

    def _started(self, block: dict[str, Any]) -> Iterator[Event]:
        self._content.append(block)
        yield {"type": "content_block_start", "index": len(self._content) - 1, "content_block": dict(block)}

    def _delta(self, delta: dict[str, Any]) -> Event:
        return {"type": "content_block_delta", "index": len(self._content) - 1, "delta": delta}

    def _stopped(self) -> Event:
        return {"type": "content_block_stop", "index": len(self._content) - 1}


def _input(arguments: str) -> tuple[str, dict[str, Any]]:
    """A call's arguments as JSON and as the object that Anthropic's API has for them, whatever the model wrote."""
    try:
        return arguments, _decode_object(arguments)
    except msgspec.DecodeError:
        given = {"input": arguments}
        return msgspec.json.encode(given).decode(), given


def _usage(usage: Usage | None) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens if usage is not None else 0,
        "output_tokens": usage.completion_tokens if usage is not None else 0,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        **({"cost": usage.cost} if isinstance(usage, PricedUsage) else {}),
    }
