"""A chat completion's answer as OpenAI's Responses API gives it, whole or in events.

Source: "The response object" and "Streaming events" in OpenAI's API reference.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ..responses import FinishReason, PricedUsage, ToolCallDelta, Usage
from ..tools.tools import read_tool_use
from ..usage import reasoning_tokens
from .answer_builder import AnswerBuilder, Event
from .responses_tools import renamed_tools, text_of_custom_call

_ECHOED = (
    *("instructions", "max_output_tokens", "max_tool_calls", "previous_response_id", "prompt_cache_key"),
    *("safety_identifier", "user"),
)
"""Fields of the request that its response repeats."""
_OFTEN_LEFT_OUT = {
    **{"temperature": 1.0, "top_p": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0},
    **{"top_logprobs": 0, "service_tier": "default"},
}
"""Further ones, which are never null in the Open Responses specification, and what OpenAI says where the request has
none: a model on Replicate then has defaults of its own."""
_ACTED_ON = ("context_length_exceeded", "insufficient_quota")
"""Codes of errors by which agents shorten their conversation, or do not ask again."""


class ResponseBuilder(AnswerBuilder):
    """Builds a response.

    Args:
        id: the response's, `resp_...`.
        created_at: seconds since 1970.
        model: the name that the client knows the model by.
        body: the request.
        stored: whether it will be found by its id.
    """

    def __init__(
        self, id: str, created_at: int, model: str, body: Mapping[str, Any], *, stored: bool
    ) -> None:
        self._sequence = 0
        self._renamed = renamed_tools(body)
        self._output: list[dict[str, Any]] = []
        self._open: dict[str, Any] | None = None
        """The message or the reasoning that is being written: the last item of the output."""
        self.answer = {
            "id": id,
            "object": "response",
            "created_at": created_at,
            "completed_at": None,
            "status": "in_progress",
            "background": False,
            "error": None,
            "incomplete_details": None,
            "model": model,
            **{name: body.get(name) for name in _ECHOED},
            **_OFTEN_LEFT_OUT,
            **{name: body[name] for name in _OFTEN_LEFT_OUT if body.get(name) is not None},
            "metadata": body.get("metadata") or {},
            "output": self._output,
            "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
            "reasoning": {"effort": None, "summary": None, **_given(body.get("reasoning"))},
            "store": stored,
            "text": {"format": {"type": "text"}, **_given(body.get("text"))},
            "tool_choice": _tool_choice(body.get("tool_choice")),
            "tools": list(map(_tool, filter(_is_offered, body.get("tools") or ()))),
            "truncation": body.get("truncation") or "disabled",
            "usage": None,
        }

    def begin(self) -> list[Event]:
        return [self._whole("response.created"), self._whole("response.in_progress")]

    def end(self, finish_reason: FinishReason, usage: Usage | None) -> list[Event]:
        status = "incomplete" if finish_reason == "length" else "completed"
        events: list[Event] = []
        if not any(item["type"] != "reasoning" for item in self._output):
            events += self._begin_text()
        events += self._close(status)
        self.answer["status"] = status
        if status == "incomplete":
            self.answer["incomplete_details"] = {"reason": "max_output_tokens"}
        else:
            self.answer["completed_at"] = int(time.time())
        self.answer["usage"] = None if usage is None else _usage(usage)
        # The response itself and no copy: `store` may still change before this event is sent.
        return [*events, self._event(f"response.{status}", response=self.answer)]

    def failed(self, status: int, error: Mapping[str, Any]) -> list[Event]:
        """The events for an error after the answer has begun.

        OpenAI sends both. Its SDKs raise the first as an exception, by its `error`; its reference has the same fields
        beside the event's `type`. Clients that know only one of the two do not take the beginning for the answer.

        Args:
            status: the HTTP status that it would have had.
            error: OpenAI's error object, with `message`, `type`, `param` and `code`.
        """
        code = {400: "invalid_prompt", 422: "invalid_prompt", 429: "rate_limit_exceeded"}.get(
            status, "server_error"
        )
        if error["code"] in _ACTED_ON:
            code = error["code"]
        self.answer |= {
            "status": "failed",
            "store": False,
            "error": {"code": code, "message": error["message"]},
        }
        fields = {name: error[name] for name in ("code", "message", "param")}
        return [self._event("error", **fields, error=error), self._whole("response.failed")]

    def _reasoning(self, text: str) -> Iterator[Event]:
        if self._open is None or self._open["type"] != "reasoning":
            yield from self._close()
            self._open = {"type": "reasoning", "id": new_id("rs"), "summary": [], "status": "in_progress"}
            yield from self._added(self._open)
            yield self._part_event("response.reasoning_summary_part.added", part=_no_summary())
            self._open["summary"] = [_no_summary()]
        self._open["summary"][0]["text"] += text
        yield self._part_event("response.reasoning_summary_text.delta", delta=text)

    def _text(self, text: str) -> Iterator[Event]:
        yield from self._begin_text()
        assert self._open is not None
        self._open["content"][0]["text"] += text
        yield self._part_event("response.output_text.delta", delta=text, logprobs=[])

    def _begin_text(self) -> Iterator[Event]:
        if self._open is not None and self._open["type"] == "message":
            return
        yield from self._close()
        self._open = {
            "type": "message",
            "id": new_id("msg"),
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        yield from self._added(self._open)
        yield self._part_event("response.content_part.added", part=_no_text())
        self._open["content"] = [_no_text()]

    def _call(self, call: ToolCallDelta) -> Iterator[Event]:
        yield from self._close()
        name, arguments = call.function.name, call.function.arguments
        tool = self._renamed.get(name)
        kind = {"type": "function_call", "name": name} if tool is None else tool.call
        if kind["type"] == "custom_tool_call":
            item = {"id": new_id("ctc"), "call_id": call.id, **kind}
            yield from self._called(item, "input", text_of_custom_call(arguments), "custom_tool_call_input")
        else:
            item = {"id": new_id("fc"), "call_id": call.id, **kind}
            yield from self._called(
                item, "arguments", arguments, "function_call_arguments", name=item["name"]
            )

    def _called(
        self, item: dict[str, Any], field: str, given: str, event: str, **done: Any
    ) -> Iterator[Event]:
        """A call, whose `field` is what the tool is given. `done`: further fields of the event at its end."""
        item |= {field: "", "status": "in_progress"}
        yield from self._added(item)
        place = {"item_id": item["id"], "output_index": len(self._output) - 1}
        yield self._event(f"response.{event}.delta", **place, delta=given)
        yield self._event(f"response.{event}.done", **place, **done, **{field: given})
        item |= {field: given, "status": "completed"}
        yield self._item_event("response.output_item.done", item)

    def _added(self, item: dict[str, Any]) -> Iterator[Event]:
        self._output.append(item)
        yield self._item_event("response.output_item.added", item)

    def _close(self, status: str = "completed") -> Iterator[Event]:
        """Ends the item that is being written, if there is one."""
        item = self._open
        if item is None:
            return
        if item["type"] == "reasoning":
            part = item["summary"][0]
            yield self._part_event("response.reasoning_summary_text.done", text=part["text"])
            yield self._part_event("response.reasoning_summary_part.done", part=part)
        else:
            part = item["content"][0]
            yield self._part_event("response.output_text.done", text=part["text"], logprobs=[])
            yield self._part_event("response.content_part.done", part=part)
        item["status"] = status
        self._open = None
        yield self._item_event("response.output_item.done", item)

    def _part_event(self, kind: str, **fields: Any) -> Event:
        """An event about the one part of the item that is being written."""
        assert self._open is not None
        index = "summary_index" if self._open["type"] == "reasoning" else "content_index"
        place = {"item_id": self._open["id"], "output_index": len(self._output) - 1, index: 0}
        return self._event(kind, **place, **fields)

    def _item_event(self, kind: str, item: dict[str, Any]) -> Event:
        return self._event(kind, output_index=len(self._output) - 1, item=dict(item))

    def _whole(self, kind: str) -> Event:
        return self._event(kind, response={**self.answer, "output": list(self._output)})

    def _event(self, kind: str, **fields: Any) -> Event:
        event = {"type": kind, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return event


def new_id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(16)}"


def _is_offered(tool: Mapping[str, Any]) -> bool:
    """Whether the model was offered it: other tools belong to OpenAI's own servers."""
    return tool.get("type", "function") in ("function", "custom", "namespace")


def _tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """A tool in the API's form."""
    use = read_tool_use({"tools": [tool]}) if tool.get("type", "function") == "function" else None
    return tool if use is None else {"description": None, **use.tools[0].flat()}


def _given(fields: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (fields or {}).items() if value is not None}


def _tool_choice(choice: Any) -> Any:
    """What the request chose, in the API's form: chat completions' forms are read, too."""
    match choice:
        case None | "auto":
            return "auto"
        case "any":
            return "required"
        case {"function": {"name": name}}:
            return {"type": "function", "name": name}
        case {"allowed_tools": {**allowed}}:
            return {"type": "allowed_tools", **allowed}
    return choice


def _no_text() -> dict[str, Any]:
    return {"type": "output_text", "text": "", "annotations": [], "logprobs": []}


def _no_summary() -> dict[str, Any]:
    return {"type": "summary_text", "text": ""}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": reasoning_tokens(usage)},
        "total_tokens": usage.total_tokens,
        **({"cost": usage.cost} if isinstance(usage, PricedUsage) else {}),
    }
