"""Makes the output that a model writes for an input, and its chunks."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from .models import LocalModel

_TOKEN = re.compile(r"\s*\S+|\s+")
_TOLD_BACK = 200


class Written(NamedTuple):
    """A prediction's complete output, and the pieces in which it appears."""

    pieces: tuple[str, ...]
    output: Any
    tokens: int
    failure: str | None


def write(model: LocalModel, input: dict[str, Any]) -> Written:
    """Everything that `model` writes for `input`, worked out at once; only the times are still to come.

    An exception from the model's own reply function fails the prediction, as one in a model's code does.
    """
    try:
        value = model.reply(input) if callable(model.reply) else model.reply
    except Exception as error:
        return Written((), None, 0, str(error) or type(error).__name__)
    if value is None:
        value = _greeting(input)
    pieces, output = _shape(model.output_kind, value)
    if model.failure is not None:
        pieces = pieces[: model.failure_after] if model.output_kind == "list" else ()
        return Written(pieces, None, len(pieces), model.failure)
    tokens = len(pieces) if model.output_kind == "list" else sum(map(count_tokens, pieces))
    return Written(pieces, output, tokens, None)


def _greeting(input: dict[str, Any]) -> str:
    """The default reply: friendly, and with the end of the prompt in it."""
    prompt = prompt_text(input).strip()
    if not prompt:
        return "Hello! I am a local stand-in for a language model."
    told_back = prompt if len(prompt) <= _TOLD_BACK else "..." + prompt[-_TOLD_BACK:]
    return f"Hello! I am a local stand-in for a language model. You said: {told_back}"


def prompt_text(input: dict[str, Any]) -> str:
    """The prompt, whether it came as `prompt` or as `messages`."""
    if isinstance(prompt := input.get("prompt"), str) and prompt:
        return prompt
    messages = input.get("messages")
    if isinstance(messages, list) and messages:
        messages = messages[-1]
    if isinstance(messages, dict):
        messages = messages.get("content")
    return messages if isinstance(messages, str) else ""


def count_tokens(text: str) -> int:
    """A rough count: words with the space before them, and space at the end, which is how replies are cut too."""
    return len(text.split()) + text[-1:].isspace()


def _shape(kind: str, value: Any) -> tuple[tuple[str, ...], Any]:
    if kind in ("list", "string"):
        pieces = tuple(value) if isinstance(value, list | tuple) else tuple(_TOKEN.findall(str(value)))
        return (pieces, list(pieces)) if kind == "list" else (("".join(pieces),), "".join(pieces))
    if kind == "null":
        return (), None
    if kind == "number" and not isinstance(value, int | float):
        value = float(count_tokens(str(value)))
    elif kind == "object" and not isinstance(value, dict):
        value = {"text": value}
    return (msgspec.json.encode(value).decode(),), value
