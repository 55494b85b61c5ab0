"""OpenAI's chat completion objects.

Each can be read as an object and as a mapping: `r.choices[0].message.content` is
`r["choices"][0]["message"]["content"]`. Source: "The chat completion object" and "The chat
completion chunk object" in OpenAI's API reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

FinishReason = Literal["stop", "length", "tool_calls"]


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """An object of OpenAI's API."""

    def __getitem__(self, key: str) -> Any:
        if key in self.__struct_fields__:
            return getattr(self, key)
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return key in self.__struct_fields__

    def __iter__(self) -> Iterator[str]:
        return iter(self.__struct_fields__)

    def keys(self) -> tuple[str, ...]:
        return self.__struct_fields__

    def get(self, key: str, default: Any = None) -> Any:
        return getattr(self, key) if key in self.__struct_fields__ else default

    def items(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self.__struct_fields__]

    def model_dump(self, *, exclude_none: bool = False, **_: Any) -> dict[str, Any]:
        """The object as plain dictionaries and lists, as its JSON has them.

        Other options of pydantic's method of that name change nothing here.
        """
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return _without_none(plain) if exclude_none else plain

    def model_dump_json(self, *, indent: int = 0, exclude_none: bool = False, **_: Any) -> str:
        encoded = msgspec.json.encode(self.model_dump(exclude_none=exclude_none))
        return (msgspec.json.format(encoded, indent=indent) if indent else encoded).decode()

    def to_dict(self, **options: Any) -> dict[str, Any]:
        return self.model_dump(**options)

    def json(self, **options: Any) -> str:
        return self.model_dump_json(**options)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


class FunctionCall(Shape, frozen=True, kw_only=True):
    name: str
    arguments: str
    """A JSON object, as text."""


class ToolCall(Shape, frozen=True, kw_only=True):
    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class Message(Shape, frozen=True, kw_only=True, omit_defaults=True):
    role: str
    content: str | None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    refusal: None = None
    function_call: None = None


class Usage(Shape, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens. `estimated` is True where the model did not count them itself."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    estimated: bool = False
    prompt_tokens_details: None = None
    completion_tokens_details: None = None


class Run(Shape, frozen=True, kw_only=True):
    """What the prediction behind an answer did on Replicate. Times are in seconds."""

    prediction_id: str
    version: str | None = None
    queued_s: float | None = None
    """Time spent queued or booting."""
    predict_s: float | None = None
    """Time the model ran, which is what Replicate bills."""
    usage: Usage | None = None
    emulated: list[str] | None = None
    """The parameters that the model has no input for and was told in words: `tools`, `response_format`."""


class Choice(Shape, frozen=True, kw_only=True):
    index: int
    message: Message
    finish_reason: FinishReason
    logprobs: None = None


class ModelResponse(Shape, frozen=True, kw_only=True):
    """A chat completion. `replicate` tells of the predictions behind it: one a choice, and one more where
    an answer did not fit and was asked for again."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    """Seconds since 1970."""
    model: str
    choices: list[Choice]
    usage: Usage
    system_fingerprint: str | None = None
    replicate: list[Run] = []


class ToolCallDelta(ToolCall, frozen=True, kw_only=True):
    """A tool call in a chunk; models on Replicate give each whole. `index` is its place."""

    index: int


class Delta(Shape, frozen=True, kw_only=True, omit_defaults=True):
    """What a chunk adds to the message."""

    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCallDelta] | None = None


class ChunkChoice(Shape, frozen=True, kw_only=True):
    index: int
    delta: Delta
    finish_reason: FinishReason | None = None
    logprobs: None = None


class ModelResponseChunk(Shape, frozen=True, kw_only=True, omit_defaults=True):
    """One chunk of a streamed chat completion."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None
    replicate: list[Run] | None = None
