"""How many tokens a model reads at once, if its inputs or its name say so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..usage import CHARACTERS_PER_TOKEN
from .schema import Field

_INPUTS = (
    "n_ctx",
    "num_ctx",
    "ctx_size",
    "context_length",
    "context_size",
    "context_window",
    "max_context_length",
    "max_model_len",
    "max_seq_len",
    "max_sequence_length",
)
_IN_NAME = re.compile(r"(?<![\d.])(\d{1,4})k(?=$|[^a-z\d]|seqlen|context)", re.IGNORECASE)


def context_tokens(fields: Mapping[str, Field], names: tuple[str, ...]) -> int | None:
    """The model's context in tokens; None if neither its inputs nor its names tell.

    >>> context_tokens({}, ("microsoft/phi-3-mini-4k-instruct",))
    4096
    """
    for name in _INPUTS:
        if name in fields and (told := _count(fields[name].default) or _count(fields[name].maximum)):
            return told
    for name in names:
        if found := _IN_NAME.search(name.partition(":")[0]):
            return int(found[1]) * 1024
    return None


def over_context(texts: list[Any], context: int) -> int | None:
    """About how many tokens the texts have, if that is more than the context."""
    characters = sum([len(text) for text in texts if isinstance(text, str) and not text.startswith("data:")])
    # Other languages than English, and code, have fewer characters a token: a warning is never too early.
    tokens = characters // CHARACTERS_PER_TOKEN
    return tokens if tokens > context else None


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and value > 1 else None
