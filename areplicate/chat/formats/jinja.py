"""Hugging Face's chat templates: Jinja, rendered in a sandbox."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from ...errors import BadRequestError
from ..messages import Message
from .budget import BudgetExceeded, budgeted

if TYPE_CHECKING:
    from jinja2 import Template

LONGEST_TEMPLATE = 200_000
"""Characters of a template's source; those that tokenizers publish have up to some twenty thousand."""


def check_template(source: str) -> None:
    """Raises `BadRequestError` where this is no template, or where Jinja is not installed."""
    _compiled(source)


def render_chat(source: str, messages: tuple[Message, ...], bos_token: str, eos_token: str) -> str:
    """The prompt that a chat template makes of a conversation.

    The template is given what `tokenizer.apply_chat_template(messages, add_generation_prompt=True)`
    gives it. Source: "Chat templates" in the documentation of Transformers.

    Raises:
        BadRequestError: the template fails, refuses the conversation, reaches for what it may not, or
            does more than its budget allows.
    """
    template = _compiled(source)
    values = {
        "messages": [_wire(message) for message in messages],
        "add_generation_prompt": True,
        "bos_token": bos_token,
        "eos_token": eos_token,
        "tools": None,
        "documents": None,
    }
    try:
        with budgeted():
            return template.render(values)
    except BudgetExceeded as error:
        raise BadRequestError(f"The chat template was stopped: {error}.") from None
    except Exception as error:
        raise BadRequestError(f"The chat template failed: {_why(error)}.") from error


@lru_cache(maxsize=64)
def _compiled(source: str) -> Template:
    try:
        sandbox = _sandbox()
    except ImportError:
        raise BadRequestError(
            "A chat_template needs Jinja: pip install 'areplicate[templates]', or give roles instead."
        ) from None
    if len(source) > LONGEST_TEMPLATE:
        raise BadRequestError(f"The chat template has more than {LONGEST_TEMPLATE:,} characters.")
    try:
        with budgeted():
            template: Template = sandbox.from_string(source)
    except Exception as error:
        raise BadRequestError(f"The chat template cannot be read: {_why(error)}.") from error
    return template


@lru_cache(maxsize=1)
def _sandbox() -> Any:
    from .sandbox import Sandbox

    return Sandbox()


def _wire(message: Message) -> dict[str, Any]:
    """A message as templates expect it: a tool call's arguments are an object, not its text."""
    wire: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.tool_calls:
        wire["tool_calls"] = [
            {**call, "function": {**call["function"], "arguments": _arguments(call["function"])}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        wire["name"] = message.name
    return wire


def _arguments(function: dict[str, Any]) -> Any:
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            return msgspec.json.decode(arguments)
        except msgspec.DecodeError:
            return arguments
    return arguments


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    text = str(error).strip().rstrip(".") or type(error).__name__
    line = getattr(error, "lineno", None)
    return f"{text[:300]} (line {line})" if line else text[:300]
