"""OpenAI's parameters: the type of each, and the inputs under which models take it.

Source: "Create chat completion" in OpenAI's API reference. The names on the models' side are those
of Replicate's public language models, the least ambiguous first: if a model has both
`max_new_tokens` and `max_tokens`, the second can count the prompt too.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any, NamedTuple

import msgspec

from ..logs import logger
from .schemas.schema import Field
from .schemas.values import AskedModel, unsupported, wrong_type

Converter = Callable[[str, Any, Field, AskedModel], Any]

TOKEN_LIMIT = (
    *("max_new_tokens", "max_completion_tokens", "max_output_tokens", "max_tokens", "max_gen_len"),
    *("max_output_len", "new_tokens", "max_length", "num_predict", "n_predict"),
)

STOP = ("stop_sequences", "stop", "stop_words", "stop_sequence")
MOST_STOPS = 128
LONGEST_STOP = 1000
"""Editors send dozens of sequences, of some words at most. In every piece of a stream all of them are looked for, and
what they may begin with, which takes the square of their length."""


def _limit(name: str, value: Any, field: Field, asked: AskedModel) -> Any:
    if not isinstance(value, (int, float)) or value >= 1 or value != value:
        return value
    if asked.drop_params:  # some clients say -1 or 0 for "no limit"
        logger.info("%s: %s=%r is left out", asked.who, name, value)
        return None
    raise asked.refusal(
        name, f"{name}={value} leaves no room for an answer: give 1 or more, or leave it out for no limit."
    )


def stop_sequences(name: str, value: Any, asked: AskedModel) -> list[str]:
    """One sequence or several; an empty one stops nothing."""
    sequences = [value] if isinstance(value, str) else value
    if not isinstance(sequences, (list, tuple)) or not all(isinstance(s, str) for s in sequences):
        wrong_type(name, value, "a string or a list of strings", asked)
    if len(sequences) > MOST_STOPS:
        raise asked.refusal(name, f"{name} takes up to {MOST_STOPS} sequences, not {len(sequences)}.")
    if (longest := max(map(len, sequences), default=0)) > LONGEST_STOP:
        raise asked.refusal(
            name, f"A sequence of {name} may have {LONGEST_STOP:,} characters, not {longest:,}."
        )
    return [s for s in sequences if s]


def _stop(name: str, value: Any, field: Field, asked: AskedModel) -> Any:
    """One sequence or several, as a list or as the comma-separated text that most models take."""
    sequences = stop_sequences(name, value, asked)
    if field.type == "array":
        return sequences or None
    for sequence in [s for s in sequences if "," in s]:
        unsupported(f"{name}={sequence!r}", f"{asked.who} separates stop sequences by commas", asked)
        sequences.remove(sequence)
    return ",".join(sequences) or None


def _object(name: str, value: Any, field: Field, asked: AskedModel) -> Any:
    if field.enum is not None and isinstance(value, str):
        return value  # a choice by its name, as `response_format` is with some models
    if not isinstance(value, Mapping):
        wrong_type(name, value, "an object", asked)
    return _structured(name, value, field, asked)


def _structured(name: str, value: Any, field: Field, asked: AskedModel) -> Any:
    """JSON text if a model takes structured values as text, whole or entry by entry; what is empty is left out."""
    if field.type == "string" and not isinstance(value, str):
        return msgspec.json.encode(value).decode() if value else None
    if field.type == "array" and field.items == "string":
        return [msgspec.json.encode(entry).decode() for entry in value] or None
    return value or None


_THOUGHT_TOKENS = {
    **{"none": 0, "minimal": 1024, "low": 1024, "medium": 2048},
    **dict.fromkeys(("high", "xhigh", "max"), 4096),
}
"""Tokens of thought for each `reasoning_effort`, as LiteLLM has them: Claude takes 1,024 or more, and must have some of
its limit left to answer."""
_EFFORTS = list(_THOUGHT_TOKENS)
"""The words in the order of how long they let a model think."""


def _effort(name: str, value: Any, field: Field, asked: AskedModel) -> Any:
    """A word; for an input that is a switch or a number of tokens, what the word stands for."""
    if field.enum is not None and isinstance(value, str):
        choices = {str(choice).lower(): choice for choice in field.enum}
        nearest = _nearest_effort(value, choices) if asked.drop_params and value not in choices else value
        if nearest != value:
            logger.info("%s: %s=%r became %r", asked.who, name, value, nearest)
        return choices.get(nearest, value)
    if field.type in ("string", "any") or not isinstance(value, str):
        return value
    tokens = _THOUGHT_TOKENS.get(value)
    if tokens is None:
        raise asked.refusal(name, f"{name} takes {', '.join(_THOUGHT_TOKENS)}, not {value!r}.")
    if field.type == "boolean":
        return tokens > 0
    return tokens if tokens or not field.minimum else None


def _nearest_effort(value: str, choices: Container[str]) -> str:
    """The word among a model's that lets it think for about as long; the shorter of two that are as near."""
    if value not in _EFFORTS:
        return value
    place = _EFFORTS.index(value)
    known = [word for word in _EFFORTS if word in choices]
    return min(known, key=lambda word: abs(_EFFORTS.index(word) - place), default=value)


class Param(NamedTuple):
    """One parameter of OpenAI's.

    Attributes:
        takes: the type that it has in OpenAI's API.
        names: the names under which models take it, if they are not just its own; names that belong together are
            a tuple.
        convert: gives a value the form that a model's input has, if that may differ.
        neutral: values that ask for what happens anyway without the parameter.
        unguided: the names under which it is sent if the model's schema is not known.
    """

    takes: Field
    names: tuple[str | tuple[str, ...], ...] = ()
    convert: Converter | None = None
    neutral: tuple[Any, ...] = ()
    unguided: tuple[str, ...] = ()


def inputs_for(name: str, param: Param, fields: Container[str]) -> tuple[str, ...]:
    """The inputs among a model's that take the parameter."""
    for known in param.names or (name,):
        together = (known,) if isinstance(known, str) else known
        if together[0] in fields:
            return tuple([each for each in together if each in fields])
    return ()


def changes_nothing(param: Param, value: Any) -> bool:
    """Whether the model may have no input for the parameter, as the value asks for what happens anyway."""
    return any(type(value) is type(each) and value == each for each in param.neutral)


_ANY, _TEXT, _FLAG = Field(), Field("string"), Field("boolean")
_NUMBER, _INTEGER = Field("number"), Field("integer")
_LIMIT = Param(_INTEGER, TOKEN_LIMIT, convert=_limit, unguided=("max_tokens", "max_new_tokens"))
_EFFORT = (
    *("reasoning_effort", "thinking_level", "thinking_budget", "enable_thinking", "thinking"),
    ("extended_thinking", "thinking_budget_tokens"),
)

PARAMS: dict[str, Param] = {
    "max_tokens": _LIMIT,
    "max_completion_tokens": _LIMIT,
    "temperature": Param(_NUMBER, ("temperature", "temp"), unguided=("temperature",)),
    "top_p": Param(_NUMBER, neutral=(1, 1.0), unguided=("top_p",)),
    "stop": Param(_ANY, STOP, convert=_stop, neutral=([], (), ""), unguided=("stop_sequences",)),
    "presence_penalty": Param(_NUMBER, neutral=(0, 0.0), unguided=("presence_penalty",)),
    "frequency_penalty": Param(_NUMBER, neutral=(0, 0.0), unguided=("frequency_penalty",)),
    "reasoning_effort": Param(_TEXT, _EFFORT, convert=_effort),
    "verbosity": Param(_TEXT),
    "response_format": Param(_ANY, convert=_object, neutral=({"type": "text"},)),
    "tools": Param(_ANY, convert=_structured, neutral=([], ())),
    "tool_choice": Param(_ANY, convert=_structured, neutral=("auto", "none")),
    "parallel_tool_calls": Param(_FLAG, neutral=(True,)),
    "functions": Param(_ANY, convert=_structured, neutral=([], ())),
    "function_call": Param(_ANY, convert=_structured, neutral=("auto", "none")),
    "logit_bias": Param(_ANY, convert=_object, neutral=({},)),
    "logprobs": Param(_FLAG, neutral=(False,)),
    "top_logprobs": Param(_INTEGER, neutral=(0,)),
    "n": Param(_INTEGER, neutral=(1,)),
    "audio": Param(_ANY, convert=_object),
    "moderation": Param(_ANY, convert=_object),
    "modalities": Param(Field("array"), neutral=(["text"], ("text",))),
    "prediction": Param(_ANY, convert=_object),
    "web_search_options": Param(_ANY, convert=_object),
}

TOOL_PARAMS = ("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call")
CONTRACT_PARAMS = frozenset((*TOOL_PARAMS, "response_format", *STOP))
"""The parameters that an answer is held to afterwards: they make a contract."""

INFORMATIONAL = frozenset(
    (
        *("user", "metadata", "store", "service_tier", "safety_identifier"),
        *("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"),
    )
)
"""Parameters that inform OpenAI and change no answer: they are left out."""

OWN = {"seed": _INTEGER}
"""OpenAI's parameters that are sent to any model as they are: models without a seed ignore it."""

SYNONYMS: dict[str, str] = {
    **dict.fromkeys(TOKEN_LIMIT, "max_tokens"),
    **dict.fromkeys(STOP, "stop"),
    "temp": "temperature",
}
"""Names under which models take one of OpenAI's parameters, so that each is understood for any model."""

ALIASES: dict[str, tuple[str, ...]] = {
    "seed": ("random_seed", "manual_seed", "rng_seed"),
    "repetition_penalty": ("repeat_penalty",),
    "repeat_penalty": ("repetition_penalty",),
    "min_tokens": ("min_new_tokens",),
    "min_new_tokens": ("min_tokens",),
}
"""Parameters that other models call by another name."""
