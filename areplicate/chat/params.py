"""OpenAI's parameters: what each must be, and under which names models take it.

Source: "Create chat completion" in OpenAI's API reference. The names on the models' side are those
of Replicate's public language models, the least ambiguous first: where a model has both
`max_new_tokens` and `max_tokens`, the second can count the prompt too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from ..errors import BadRequestError
from .schema import Field
from .values import Asked, finite, unsupported, wrong_type

Converter = Callable[[str, Any, Field, Asked], Any]

TOKEN_LIMIT = (
    "max_new_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "max_gen_len",
    "max_output_len",
    "new_tokens",
    "max_length",
    "num_predict",
    "n_predict",
)


def _number(name: str, value: Any, field: Field, asked: Asked) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        wrong_type(name, value, "a number", asked)
    return finite(name, value, asked)


def _integer(name: str, value: Any, field: Field, asked: Asked) -> Any:
    value = _number(name, value, field, asked)
    if isinstance(value, float):
        if not value.is_integer():
            wrong_type(name, value, "an integer", asked)
        return int(value)
    return value


def _limit(name: str, value: Any, field: Field, asked: Asked) -> Any:
    value = _integer(name, value, field, asked)
    if value < 1:
        raise BadRequestError(
            f"{name}={value} leaves no room for an answer: give 1 or more.", model=asked.model
        )
    return value


def _string(name: str, value: Any, field: Field, asked: Asked) -> Any:
    if not isinstance(value, str):
        wrong_type(name, value, "a string", asked)
    return value


def _flag(name: str, value: Any, field: Field, asked: Asked) -> Any:
    if not isinstance(value, bool):
        wrong_type(name, value, "true or false", asked)
    return value


def _stop(name: str, value: Any, field: Field, asked: Asked) -> Any:
    """One sequence or several, as a list or as the comma-separated text that most models take."""
    sequences = [value] if isinstance(value, str) else value
    if not isinstance(sequences, (list, tuple)) or not all(isinstance(s, str) for s in sequences):
        wrong_type(name, value, "a string or a list of strings", asked)
    sequences = [s for s in sequences if s]
    if not sequences:
        return None
    if field.type == "array":
        return sequences
    for sequence in [s for s in sequences if "," in s]:
        unsupported(f"{name}={sequence!r}", f"{asked.who} separates stop sequences by commas", asked)
        sequences.remove(sequence)
    return ",".join(sequences) or None


def _objects(name: str, value: Any, field: Field, asked: Asked) -> Any:
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, Mapping) for v in value):
        wrong_type(name, value, "a list of objects", asked)
    return as_text_where_text(list(value), field) if value else None


def _object(name: str, value: Any, field: Field, asked: Asked) -> Any:
    if not isinstance(value, Mapping):
        wrong_type(name, value, "an object", asked)
    return as_text_where_text(value, field)


def _choice(name: str, value: Any, field: Field, asked: Asked) -> Any:
    if not isinstance(value, (str, Mapping)):
        wrong_type(name, value, "a string or an object", asked)
    return as_text_where_text(value, field)


def as_text_where_text(value: Any, field: Field) -> Any:
    """JSON text where a model takes structured values as text, whole or entry by entry."""
    if field.type == "string" and not isinstance(value, str):
        return msgspec.json.encode(value).decode()
    if field.type == "array" and field.items == "string":
        return [msgspec.json.encode(entry).decode() for entry in value]
    return value


def _is(*values: Any) -> Callable[[Any], bool]:
    return lambda value: any(value is v or (value == v and type(value) is type(v)) for v in values)


def _never(value: Any) -> bool:
    return False


class Param(NamedTuple):
    """One parameter of OpenAI's.

    Attributes:
        names: the names under which models take it.
        convert: checks a value and gives it the field's form.
        changes_nothing: whether a value asks for what happens without the parameter anyway.
        unguided: the names it is sent under where a model's schema is not known.
    """

    names: tuple[str, ...]
    convert: Converter
    changes_nothing: Callable[[Any], bool] = _never
    unguided: tuple[str, ...] = ()


_LIMIT = Param(TOKEN_LIMIT, _limit, unguided=("max_tokens", "max_new_tokens"))

PARAMS: dict[str, Param] = {
    "max_tokens": _LIMIT,
    "max_completion_tokens": _LIMIT,
    "temperature": Param(("temperature", "temp"), _number, unguided=("temperature",)),
    "top_p": Param(("top_p",), _number, unguided=("top_p",)),
    "stop": Param(
        ("stop_sequences", "stop", "stop_words", "stop_sequence"),
        _stop,
        _is([], (), ""),
        unguided=("stop_sequences",),
    ),
    "presence_penalty": Param(("presence_penalty",), _number, _is(0, 0.0), ("presence_penalty",)),
    "frequency_penalty": Param(("frequency_penalty",), _number, _is(0, 0.0), ("frequency_penalty",)),
    "reasoning_effort": Param(("reasoning_effort",), _string),
    "verbosity": Param(("verbosity",), _string),
    "response_format": Param(("response_format",), _object, _is({"type": "text"})),
    "tools": Param(("tools",), _objects, _is([], ())),
    "tool_choice": Param(("tool_choice",), _choice, _is("auto", "none")),
    "parallel_tool_calls": Param(("parallel_tool_calls",), _flag, _is(True)),
    "functions": Param((), _objects, _is([], ())),
    "function_call": Param((), _choice, _is("auto", "none")),
    "logit_bias": Param(("logit_bias",), _object, _is({})),
    "logprobs": Param(("logprobs",), _flag, _is(False)),
    "top_logprobs": Param(("top_logprobs",), _integer, _is(0)),
    "n": Param((), _integer, _is(1)),
    "modalities": Param((), _string, _is(["text"], ("text",))),
    "prediction": Param((), _object),
    "web_search_options": Param((), _object),
}

INFORMATIONAL = frozenset(
    (
        "user",
        "metadata",
        "store",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
    )
)
"""Parameters that tell OpenAI something and change no answer: left out."""

ALIASES: dict[str, tuple[str, ...]] = {
    "repetition_penalty": ("repeat_penalty",),
    "repeat_penalty": ("repetition_penalty",),
    "min_tokens": ("min_new_tokens",),
    "min_new_tokens": ("min_tokens",),
}
"""Models' own parameters that other models call by another name."""
