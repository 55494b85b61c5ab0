"""Token counts: added up, and estimated without the network if a model gives none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .responses import CompletionTokensDetails, Usage

CHARACTERS_PER_TOKEN = 4
"""Of English text, with the tokenizers of most models."""


def counted(prompt_tokens: int, completion_tokens: int, estimated: bool = False, thought: int = 0) -> Usage:
    """`thought`: the tokens among those of the completion that are the model's reasoning."""
    return Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
        estimated=estimated,
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=thought) if thought else None,
    )


def reasoning_tokens(usage: Usage) -> int:
    details = usage.completion_tokens_details
    return (details.reasoning_tokens or 0) if details else 0


def add(usages: Sequence[Usage]) -> Usage:
    """The usage of several predictions that answered one prompt: OpenAI counts the prompt once."""
    if len(usages) == 1:
        return usages[0]
    return _summed(usages[0].prompt_tokens, usages)


def add_attempt(usage: Usage, again: Usage) -> Usage:
    """The usage of a completion with that of one more attempt at it, which has a prompt of its own."""
    return _summed(usage.prompt_tokens + again.prompt_tokens, (usage, again))


def _summed(prompt_tokens: int, usages: Sequence[Usage]) -> Usage:
    completion_tokens = sum(usage.completion_tokens for usage in usages)
    estimated, thought = any(usage.estimated for usage in usages), sum(map(reasoning_tokens, usages))
    return counted(prompt_tokens, completion_tokens, estimated, thought)


def estimate(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)


def characters(value: Any) -> int:
    """Characters of text in an input, wherever it stands."""
    if isinstance(value, str):
        return 0 if value.startswith("data:") else len(value)
    if isinstance(value, dict):
        return sum(map(characters, value.values()))
    if isinstance(value, list):
        return sum(map(characters, value))
    return 0
