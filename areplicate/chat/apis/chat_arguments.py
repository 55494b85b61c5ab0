"""A request to any of the APIs as a chat completion's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec

from ...errors import BadRequestError

Event = dict[str, Any]
"""One server-sent event of an API, by its `type`."""


class ChatArguments(msgspec.Struct, frozen=True):
    """The messages and the parameters of a chat completion."""

    messages: list[Any]
    params: dict[str, Any]


def wrong(place: str, why: str) -> NoReturn:
    """Raises the error that says where a request is wrong."""
    raise BadRequestError(f"{place} {why}.", param=place)


def mapping(place: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        wrong(place, f"must be an object, not {type(value).__name__}")
    return value


def text(place: str, value: Any) -> str:
    if not isinstance(value, str):
        wrong(place, f"must be a text, not {type(value).__name__}")
    return value


def as_text(value: Any) -> str:
    """A text as it is, anything else as its JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def add_call(messages: list[Any], call: dict[str, Any]) -> None:
    """Adds an assistant's call of a tool, to its message if that is the last one."""
    last = messages[-1] if messages else None
    if last is not None and last["role"] == "assistant":
        last.setdefault("tool_calls", []).append(call)
    else:
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})


def call_of(id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
