"""Tool calls in the forms in which open models write them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any

_HERMES = re.compile(r"<tool_call>(.*?)(?:</tool_call>|$)", re.DOTALL)
_MARK = re.compile(r"\s*(?:<\|tool_call\|>|\[TOOL_CALLS\]|<\|python_tag\|>)")
_BETWEEN = re.compile(r"[\s;,]*")
_decode = json.JSONDecoder().raw_decode


def parse_tool_calls(text: str) -> tuple[list[dict[str, Any]], str] | None:
    """The tool calls in `text`, in OpenAI's form, and the text that is none of them.

    Known are OpenAI's own (`{"tool_calls": [...]}`), Hermes' (`<tool_call>{...}</tool_call>`),
    Mistral's (`[TOOL_CALLS] [...]`), Granite's (`<|tool_call|>[...]`) and Llama's (`{"name": ...,
    "parameters": {...}}`). None where the text is not wholly one of them: then it is an answer.
    """
    if "<tool_call>" in text:
        bodies = [_calls_in(body) for body in _HERMES.findall(text)]
        if not all(bodies):
            return None
        return [call for calls in bodies for call in calls or ()], _HERMES.sub("", text).strip()
    found = _calls_in(_MARK.sub("", text, count=1))
    return (found, "") if found else None


def _calls_in(text: str) -> list[dict[str, Any]] | None:
    """The calls in a text that is JSON and nothing else: one object, several, or a list."""
    calls: list[dict[str, Any]] = []
    at = _BETWEEN.match(text).end()  # type: ignore[union-attr]
    while at < len(text):
        try:
            value, at = _decode(text, at)
        except (ValueError, RecursionError):
            return None
        found = _calls_of(value)
        if not found:
            return None
        calls += found
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
    return calls or None


def _calls_of(value: Any) -> list[dict[str, Any]] | None:
    if isinstance(value, Mapping) and isinstance(value.get("tool_calls"), list):
        value = value["tool_calls"]
    values = value if isinstance(value, list) else [value]
    calls = [_call_of(entry) for entry in values]
    return None if None in calls else [call for call in calls if call]


def _call_of(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, Mapping):
        return None
    identity, function = value.get("id"), value.get("function")
    if not isinstance(function, Mapping):
        function = value
    name = function.get("name")
    arguments = function.get("arguments", function.get("parameters"))
    if not isinstance(name, str) or not name or not isinstance(arguments, (Mapping, str)):
        return None
    return {
        "id": identity if isinstance(identity, str) and identity else f"call_{os.urandom(12).hex()}",
        "type": "function",
        "function": {
            "name": name,
            "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments),
        },
    }
