"""OpenAI's older Completions API, `/v1/completions`: a prompt is one message of a user.

Source: "Completions" in OpenAI's API reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from ..responses import FinishReason, ModelResponse, Usage
from .chat_arguments import ChatArguments, wrong

_NOT_PARAMS = ("model", "prompt", "stream", "echo", "suffix", "best_of", "logprobs")
_UNAVAILABLE = "is not available from Replicate's models"


class CompletionChoice(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    text: str
    logprobs: None = None
    finish_reason: FinishReason | None


class Completion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answers to prompts, or, in a stream, pieces of them."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage | None = None


def read_completions(body: Mapping[str, Any]) -> list[ChatArguments]:
    """What a request asks: as many questions as it has prompts.

    Raises:
        BadRequestError: something in the body is wrong; `param` names it.
    """
    for name in ("suffix", "logprobs", "echo"):
        if body.get(name):
            wrong(name, _UNAVAILABLE)
    if body.get("best_of") not in (None, 1):
        wrong("best_of", _UNAVAILABLE)
    prompt = body.get("prompt")
    prompts = prompt if isinstance(prompt, list) else [prompt]
    if not prompts or not all(isinstance(each, str) for each in prompts):
        wrong("prompt", "must be a string or a list of strings")
    params = {name: value for name, value in body.items() if name not in _NOT_PARAMS}
    return [ChatArguments([{"role": "user", "content": each}], params) for each in prompts]


def completion(responses: Sequence[ModelResponse], usage: Usage | None) -> Completion:
    """The answer to prompts, made of the answer to each."""
    first = responses[0]
    per_prompt = len(first.choices)
    choices = [
        CompletionChoice(
            index=i * per_prompt + choice.index,
            text=choice.message.content or "",
            finish_reason=choice.finish_reason,
        )
        for i, response in enumerate(responses)
        for choice in response.choices
    ]
    return Completion(
        id=f"cmpl-{first.id}",
        object="text_completion",
        created=first.created,
        model=first.model,
        choices=choices,
        usage=usage,
    )
