"""Whether a value fits a JSON Schema, by the validator of the extra `[schema]`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any

import msgspec

from ...errors import BadRequestError

MOST_FAULTS = 8
"""Faults that are told at once: a model mends them one like another."""
_MOST_STEPS = 10_000
"""Of a pattern that no engine reads in linear time."""
_UNFINISHED = frozenset(
    ("required", "minItems", "minProperties", "minLength", "contains", "minContains", "dependentRequired")
)
"""What a value that is still being written may lack."""


def of_the_extra(name: str) -> Any:
    """A module of the extra `[schema]`."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise BadRequestError(
            f"Tools and structured output need the package {name}: pip install 'areplicate[schema]'."
        ) from None


class Validator:
    """A JSON Schema that values are held to. Nothing is fetched for it, and no pattern runs away."""

    def __init__(self, schema: dict[str, Any]) -> None:
        jsonschema_rs = of_the_extra("jsonschema_rs")
        try:
            self._validator = _compiled(jsonschema_rs, schema)
        except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
            raise BadRequestError(f"The JSON Schema cannot be used: {_first_line(error)}.") from None

    def faults(self, value: Any) -> list[str]:
        """What does not fit, in words for the model; nothing where all fits."""
        found = []
        for error in self._errors(value):
            place = "".join(f"[{key!r}]" for key in error.instance_path)
            found.append(f"{place}: {error.message}" if place else error.message)
            if len(found) == MOST_FAULTS:
                break
        return found

    def may_yet_fit(self, value: Any) -> bool:
        """Whether what is written so far of a value can become one that fits."""
        return all(error.kind.name in _UNFINISHED for error in self._errors(value))

    def _errors(self, value: Any) -> Iterator[Any]:
        return iter(self._validator.iter_errors(value))


def _compiled(jsonschema_rs: Any, schema: dict[str, Any]) -> Any:
    """The schema's validator. Its patterns take linear time, or are given up after a number of steps."""
    try:
        return jsonschema_rs.validator_for(schema, offline=True, pattern_options=jsonschema_rs.RegexOptions())
    except ValueError:  # a pattern that looks ahead, perhaps, as zod's of an e-mail address does
        steps = jsonschema_rs.FancyRegexOptions(backtrack_limit=_MOST_STEPS)
        return jsonschema_rs.validator_for(schema, offline=True, pattern_options=steps)


def validator_for(schema: dict[str, Any]) -> Validator:
    """The schema's validator, kept for the next call that has the same.

    Raises:
        BadRequestError: it is not a JSON Schema, it refers to another document, or the extra `[schema]`
            is not installed.
    """
    try:
        return _kept(msgspec.json.encode(schema))
    except RecursionError:
        raise BadRequestError("The JSON Schema is nested too deep.") from None


@lru_cache(maxsize=256)
def _kept(schema: bytes) -> Validator:
    return Validator(msgspec.json.decode(schema))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
