"""A request to any of the APIs as a chat completion's arguments."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NoReturn

import msgspec

from ...errors import BadRequestError
from ..messages import read_messages
from ..tools.tools import read_tool_use
from ..usage import estimate

_TOKENS_OF_AN_IMAGE = 1600
"""The largest image that is not scaled down has so many, by Anthropic's documentation."""


class ChatArguments(msgspec.Struct, frozen=True):
    """The messages and the parameters of a chat completion."""

    messages: list[Any]
    params: dict[str, Any]


def count_tokens(asked: ChatArguments) -> int:
    """About how many tokens a model reads: four characters each, and 1,600 an image.

    Raises:
        BadRequestError: a message or a tool is wrong.
    """
    read_tool_use(asked.params)
    turns = read_messages(asked.messages)
    media = [medium for turn in turns for medium in turn.media]
    images = sum(medium.kind == "image" for medium in media)
    read = [as_text(asked.params[name]) for name in ("tools", "response_format") if name in asked.params]
    read += [turn.text for turn in turns]
    read += [as_text(turn.tool_calls) for turn in turns if turn.tool_calls]
    read += [medium.source for medium in media if medium.kind != "image"]
    return max(1, estimate(sum(map(len, read))) + images * _TOKENS_OF_AN_IMAGE + 3 * len(turns))


def wrong(place: str, why: str) -> NoReturn:
    """Raises the error that says where a request is wrong."""
    raise BadRequestError(f"{place} {why}.", param=place)


def mapping(place: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        wrong(place, f"must be an object, not {type(value).__name__}")
    return value


def text(place: str, value: Any) -> str:
    if not isinstance(value, str):
        wrong(place, f"must be a string, not {type(value).__name__}")
    return value


def as_text(value: Any) -> str:
    """A text as it is, anything else as its JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


_OTHER_ANSWERS = frozenset(("n", "functions", "function_call", "stream_options"))
"""Parameters that ask a chat completion for what the other APIs' answers have no place for."""


def passed_on(
    body: Mapping[str, Any], read_here: Collection[str], renamed: Mapping[str, str]
) -> dict[str, Any]:
    """The fields of a request that are a chat completion's parameters, under their names there."""
    left_out = (*read_here, *_OTHER_ANSWERS)
    given = {name: value for name, value in body.items() if name not in left_out and value is not None}
    return {renamed.get(name, name): value for name, value in given.items()}


def add_call(messages: list[Any], call: dict[str, Any]) -> None:
    """Adds an assistant's call of a tool, to its message if that is the last one."""
    last = messages[-1] if messages else None
    if last is not None and last["role"] == "assistant":
        last.setdefault("tool_calls", []).append(call)
    else:
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})


def call_of(id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
