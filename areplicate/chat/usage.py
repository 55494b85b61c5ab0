"""Token counts: the model's own where it gives them, else counted or estimated without the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..replicate.protocol.predictions import Prediction
from .responses import Usage

CHARACTERS_PER_TOKEN = 4
"""What English text comes to with the tokenizers of most models."""


def usage_of(prediction: Prediction, prompt_characters: Callable[[], int], text: str) -> Usage:
    """The usage of a prediction that wrote `text`.

    Language models on Replicate report `input_token_count` and `output_token_count`. Where one is
    missing, a list of output chunks is about a token each, and text is about four characters a
    token; such a usage is marked `estimated`. `prompt_characters` counts those of the input.
    """
    metrics = prediction.metrics or {}
    prompt_tokens = _count(metrics, "input_token_count")
    completion_tokens = _count(metrics, "output_token_count")
    estimated = prompt_tokens is None or completion_tokens is None
    if prompt_tokens is None:
        prompt_tokens = estimate(prompt_characters())
    if completion_tokens is None:
        completion_tokens = count_chunks(prediction.output) or estimate(len(text))
    return Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
        estimated=estimated,
    )


def add(usages: list[Usage]) -> Usage:
    """The usage of several predictions that answered one prompt: OpenAI counts the prompt once."""
    if len(usages) == 1:
        return usages[0]
    prompt_tokens = usages[0].prompt_tokens
    completion_tokens = sum(usage.completion_tokens for usage in usages)
    return Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
        estimated=any(usage.estimated for usage in usages),
    )


def add_attempt(usage: Usage, again: Usage) -> Usage:
    """The usage of a completion with that of one more attempt at it, which has a prompt of its own."""
    return Usage(
        prompt_tokens=usage.prompt_tokens + again.prompt_tokens,
        completion_tokens=usage.completion_tokens + again.completion_tokens,
        total_tokens=usage.total_tokens + again.total_tokens,
        estimated=usage.estimated or again.estimated,
    )


def estimate(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)


def count_chunks(output: Any) -> int:
    return len(list(filter(None, output))) if isinstance(output, list) else 0


def _count(metrics: dict[str, Any], name: str) -> int | None:
    value = metrics.get(name)
    return int(value) if isinstance(value, (int, float)) and value >= 0 else None


def characters(value: Any) -> int:
    """Characters of text in an input, wherever it stands."""
    if isinstance(value, str):
        return 0 if value.startswith("data:") else len(value)
    if isinstance(value, dict):
        return sum(map(characters, value.values()))
    if isinstance(value, list):
        return sum(map(characters, value))
    return 0
