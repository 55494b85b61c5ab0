"""Replies that follow a script: models that call tools, or that get JSON wrong before they get it right.

Each gives what `LocalModel(reply=...)` takes: a function of a prediction's input.
"""
# ruff: noqa: RUF001 - DeepSeek's tokens are written with a full-width bar

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

Script = Callable[[dict[str, Any]], str]
CallOfTool = tuple[str, dict[str, Any]]
"""A tool's name and its arguments."""

_RESULTS = re.compile(
    r"<tool_response>\s*\n|<\|start_header_id\|>(?:ipython|tool)<|<\|header_start\|>(?:ipython|tool)<"
    r"|\[TOOL_RESULTS\]|<\|start_of_role\|>tool_response<|<results>|<\|START_TOOL_RESULT\|>"
    r"|<｜tool▁output▁begin｜>|<\|im_start\|>tool\b|^Tool: ",
    re.MULTILINE,
)
"""What stands before each result of a tool in a prompt, in the families' formats."""
_COMPLAINT = "cannot be used"


def _object(
    name: str, arguments: dict[str, Any], key: str = "arguments", called: str = "name"
) -> dict[str, Any]:
    return {called: name, key: arguments}


def _list(calls: Sequence[CallOfTool], **keys: Any) -> str:
    return json.dumps([_object(*call, **keys) for call in calls])


def _hermes(calls: Sequence[CallOfTool]) -> str:
    return "\n".join(f"<tool_call>\n{json.dumps(_object(*call))}\n</tool_call>" for call in calls)


def _llama(calls: Sequence[CallOfTool]) -> str:
    return "; ".join(json.dumps(_object(*call, "parameters")) for call in calls)


def _deepseek(calls: Sequence[CallOfTool]) -> str:
    blocks = [
        f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n{json.dumps(arguments)}\n```<｜tool▁call▁end｜>"
        for name, arguments in calls
    ]
    return "<｜tool▁calls▁begin｜>" + "\n".join(blocks) + "<｜tool▁calls▁end｜>"


NOTATIONS: dict[str, Callable[[Sequence[CallOfTool]], str]] = {
    "general": _hermes,
    "hermes": _hermes,
    "qwen": _hermes,
    "llama-3": _llama,
    "mistral": lambda calls: f"[TOOL_CALLS] {_list(calls)}",
    "granite": lambda calls: f"<|tool_call|>{_list(calls)}",
    "command-r": lambda calls: f"Action: ```json\n{_list(calls, key='parameters', called='tool_name')}\n```",
    "deepseek": _deepseek,
    "openai": lambda calls: json.dumps(
        {"tool_calls": [{"type": "function", "function": _object(*call)} for call in calls]}
    ),
}
"""How the families write calls of tools."""


def calls_tools(
    *steps: CallOfTool | Sequence[CallOfTool], then: str, notation: str = "general", before: str = ""
) -> Script:
    """A model that calls tools step by step, and answers once it has all results.

    Args:
        steps: a call, or several at once; the next comes when the results of the ones before are there.
        then: the answer after the last result.
        notation: the family whose notation the calls are written in, one of `NOTATIONS`.
        before: a text before each call.
    """
    listed: list[Sequence[CallOfTool]] = [[step] if isinstance(step[0], str) else step for step in steps]  # type: ignore[misc,list-item]

    def reply(input: dict[str, Any]) -> str:
        results = _results(input)
        for step in listed:
            if results <= 0:
                return before + NOTATIONS[notation](step)
            results -= len(step)
        return then

    return reply


def wrong_then_right(wrong: str, right: str) -> Script:
    """A model that answers `wrong` until a message says that its answer cannot be used."""
    return lambda input: right if _COMPLAINT in _conversation(input) else wrong


def _results(input: dict[str, Any]) -> int:
    messages = input.get("messages") or ()
    results = sum(isinstance(each, dict) and each.get("role") == "tool" for each in messages)
    return results or len(_RESULTS.findall(_conversation(input)))


def _conversation(input: dict[str, Any]) -> str:
    """All text of the conversation."""
    texts = [input.get("system_prompt"), input.get("prompt")]
    for message in input.get("messages") or ():
        texts.append(message if isinstance(message, str) else message.get("content"))
    return "\n".join(str(text) for text in texts if text)
