"""OpenAI's chat completion objects.

Each can be read as an object and as a mapping: `r.choices[0].message.content` is
`r["choices"][0]["message"]["content"]`. Source: "The chat completion object" and "The chat
completion chunk object" in OpenAI's API reference.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from copy import copy, deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from ..errors import BadRequestError
from .plain import plain

if TYPE_CHECKING:
    from typing_extensions import Self

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class Shape(msgspec.Struct, kw_only=True):
    """An object of OpenAI's API."""

    extra: ClassVar[tuple[str, ...]] = ()
    """Fields that OpenAI's do not have: where they say nothing, they are not in a dump either."""

    def __getitem__(self, key: str) -> Any:
        if key in self.__struct_fields__:
            return getattr(self, key)
        raise KeyError(key)

    def __setitem__(self, key: str, value: Any) -> None:
        if key not in self.__struct_fields__:
            raise KeyError(key)
        setattr(self, key, value)

    def __contains__(self, key: object) -> bool:
        return key in self.__struct_fields__

    def __iter__(self) -> Iterator[str]:
        return iter(self.__struct_fields__)

    def keys(self) -> tuple[str, ...]:
        return self.__struct_fields__

    def get(self, key: str, default: Any = None) -> Any:
        return getattr(self, key) if key in self.__struct_fields__ else default

    def values(self) -> list[Any]:
        return [getattr(self, name) for name in self.__struct_fields__]

    def items(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self.__struct_fields__]

    def model_dump(
        self,
        *,
        include: Container[str] | None = None,
        exclude: Container[str] | None = None,
        exclude_none: bool = False,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        **_: Any,
    ) -> dict[str, Any]:
        """The object as plain dictionaries and lists, with all fields of OpenAI's.

        Args:
            include, exclude: names of its own fields.
            exclude_none: leaves out what is None, at any depth.
            exclude_unset, exclude_defaults: gives what its JSON has, as `to_dict` does.

        Other options of pydantic's method of that name change nothing here.
        """
        brief = exclude_unset or exclude_defaults
        plain: dict[str, Any] = msgspec.to_builtins(self) if brief else _complete(self)
        if include is not None or exclude is not None:
            left_out = exclude or ()
            wanted = [name for name in plain if (include is None or name in include) and name not in left_out]
            plain = {name: plain[name] for name in wanted}
        return _without_none(plain) if exclude_none else plain

    def model_dump_json(self, *, indent: int | None = None, **options: Any) -> str:
        encoded = msgspec.json.encode(self.model_dump(**options))
        return (msgspec.json.format(encoded, indent=indent) if indent else encoded).decode()

    @classmethod
    def model_validate(cls, value: Any, **_: Any) -> Self:
        """The object in a mapping, such as `model_dump()` gives, or in an object of another client's.

        What is not known here is left out.

        Raises:
            BadRequestError: it does not have this form.
        """
        read: Self = value if isinstance(value, cls) else _converted(plain(value), cls)
        return read

    @classmethod
    def model_validate_json(cls, text: str | bytes, **_: Any) -> Self:
        """Reads JSON as `model_validate` reads a mapping."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise BadRequestError(f"This is not a {cls.__name__}: {error}.") from None

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        copied = deepcopy(self) if deep else copy(self)
        for name, value in (update or {}).items():
            copied[name] = value
        return copied

    def to_dict(self, *, exclude_unset: bool = True, **options: Any) -> dict[str, Any]:
        """OpenAI's name for a dump of what was set."""
        return self.model_dump(exclude_unset=exclude_unset, **options)

    def to_json(self, *, exclude_unset: bool = True, **options: Any) -> str:
        """What `to_dict` gives, as JSON text."""
        return self.model_dump_json(exclude_unset=exclude_unset, **options)

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> Any:
        """What a field of this type is in pydantic's classes, and in what FastAPI's functions give."""
        from pydantic_core import core_schema

        def read(value: Any) -> Shape:
            try:
                return cls.model_validate(value)
            except BadRequestError as error:
                raise ValueError(error.message) from None

        dump = core_schema.plain_serializer_function_ser_schema(cls.model_dump)
        return core_schema.no_info_plain_validator_function(read, serialization=dump)

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: Any) -> dict[str, Any]:
        return {"type": "object", "title": cls.__name__}

    # The names of other clients, LiteLLM's and older pydantic's, for the same:
    json = model_dump
    copy = model_copy
    dict = model_dump


class Holder(Shape, kw_only=True):
    """An object that holds others, which may be given as mappings: `ModelResponse(**r.model_dump())`."""

    holds: ClassVar[tuple[str, ...]]
    """The fields that hold them."""

    def __post_init__(self) -> None:
        for name in self.holds:
            value = getattr(self, name)
            if value is not None and (
                type(value) is dict or (type(value) is list and value and type(value[0]) is dict)
            ):
                kind = next(field.type for field in msgspec.structs.fields(type(self)) if field.name == name)
                setattr(self, name, _converted(value, kind))


def _converted(value: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        name = getattr(kind, "__name__", str(kind))
        raise BadRequestError(f"This is not a {name} as OpenAI's API has it: {error}.") from None


def _complete(value: Any) -> Any:
    if isinstance(value, Shape):
        fields = {name: _complete(each) for name, each in value.items()}
        return {name: each for name, each in fields.items() if each or name not in value.extra}
    return [_complete(item) for item in value] if isinstance(value, list) else deepcopy(value)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


class FunctionCall(Shape, kw_only=True):
    name: str
    arguments: str
    """A JSON object as text; or what the model wrote twice instead of one."""


class ToolCall(Holder, kw_only=True):
    holds = ("function",)

    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class Message(Holder, kw_only=True, omit_defaults=True):
    holds = ("tool_calls", "function_call")
    extra = ("reasoning_content",)

    role: str
    content: str | None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    refusal: str | None = None
    function_call: FunctionCall | None = None
    annotations: list[dict[str, Any]] | None = None
    audio: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.tool_calls is not None or self.function_call is not None:
            Holder.__post_init__(self)


class PromptTokensDetails(Shape, kw_only=True, omit_defaults=True):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    text_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class CompletionTokensDetails(Shape, kw_only=True, omit_defaults=True):
    reasoning_tokens: int | None = None
    text_tokens: int | None = None
    audio_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class Usage(Shape, kw_only=True, omit_defaults=True):
    """Tokens. `estimated` is True if the model did not count them itself."""

    extra = ("estimated",)

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    estimated: bool = False
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None


class PricedUsage(Usage, kw_only=True, omit_defaults=True):
    """With what it cost, in US dollars; null if nobody knows the price."""

    cost: float | None


class Run(Shape, kw_only=True):
    """What the prediction behind an answer did on Replicate. Times are in seconds."""

    prediction_id: str
    version: str | None = None
    attempts: int = 1
    """Predictions that it took: more than one where Replicate's own machines failed before."""
    queued_s: float | None = None
    """Time spent queued or booting, in all attempts."""
    predict_s: float | None = None
    """Time the model ran, in all attempts, which is what Replicate bills."""
    usage: Usage | None = None
    emulated: list[str] | None = None
    """Parameters without an input of the model: `tools` and `response_format` were explained to it in words, and the
    answer was cut at `stop`."""
    stop_sequence: str | None = None
    """The one of `stop` at which the answer was cut; None if the model ended it by itself."""


class Choice(Holder, kw_only=True):
    holds = ("message",)

    index: int
    message: Message
    finish_reason: FinishReason
    logprobs: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        message: Any = self.message
        if type(message) is dict:
            Holder.__post_init__(self)


class _Completion(Holder, kw_only=True):
    """A chat completion, or one chunk of it."""

    holds = ("choices", "usage", "replicate")

    def __post_init__(self) -> None:
        made: Any = self
        # Looked at in the shortest way: there is a chunk for each token.
        if type(made.usage) is dict or (made.choices and type(made.choices[0]) is dict):
            Holder.__post_init__(self)


class ModelResponse(_Completion, kw_only=True):
    """A chat completion. `replicate` lists the predictions behind it: one for each choice, and one more for an
    answer that did not fit and was asked for again."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    """Seconds since 1970."""
    model: str
    choices: list[Choice]
    usage: Usage
    system_fingerprint: str | None = None
    service_tier: str | None = None
    replicate: list[Run] = []


class ToolCallDelta(ToolCall, kw_only=True):
    """A tool call in a chunk; models on Replicate give each whole. `index` is its place."""

    index: int


class Delta(Shape, kw_only=True, omit_defaults=True):
    """What a chunk adds to the message."""

    extra = ("reasoning_content",)

    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCallDelta] | None = None
    function_call: FunctionCall | None = None
    refusal: str | None = None
    audio: dict[str, Any] | None = None


class ChunkChoice(Shape, kw_only=True):
    index: int
    delta: Delta
    finish_reason: FinishReason | None = None
    logprobs: dict[str, Any] | None = None


class ModelResponseChunk(_Completion, kw_only=True, omit_defaults=True):
    """One chunk of a streamed chat completion."""

    extra = ("replicate",)

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    replicate: list[Run] | None = None


Choices = Choice
StreamingChoices = ChunkChoice
ModelResponseStream = ModelResponseChunk
"""LiteLLM's names for them."""
