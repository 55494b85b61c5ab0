"""Validates values against JSON Schemas, with the validator of the extra `[schema]`."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from functools import lru_cache, partial
from importlib import import_module
from itertools import islice
from typing import Any

import msgspec

from ...errors import BadRequestError
from .effort import MOST, MOST_EXPLAINED, Effort

MOST_FAULTS = 8
"""Faults that are reported at once: a model corrects similar ones together."""
_MOST_COMPILED = 64_000_000
"""Bytes of all patterns of a schema together, once they are compiled: short ones may become megabytes."""
_FEW = 8
"""Patterns that share all of it at least."""
_MOST_STEPS = 10_000
"""Of a pattern that no engine reads in linear time."""
_UNFINISHED = frozenset(
    ("required", "minItems", "minProperties", "minLength", "contains", "minContains", "dependentRequired")
)
"""Faults that a value may still lose while it is being written."""


def of_the_extra(name: str) -> Any:
    """A module of the extra `[schema]`."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise BadRequestError(
            f"Tools and structured output need the package {name}: pip install 'areplicate[schema]'."
        ) from None


class Validator:
    """A JSON Schema that values are held to. Nothing is fetched for it, and neither it nor a pattern runs away."""

    def __init__(self, schema: dict[str, Any]) -> None:
        jsonschema_rs = of_the_extra("jsonschema_rs")
        try:
            self._effort = Effort(schema)
            self._validator = _compiled(jsonschema_rs, schema, len(self._effort.patterns))
        except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
            why = str(error).partition("\n")[0].rstrip(".")
            raise BadRequestError(f"The JSON Schema cannot be used: {why}.") from None

    def faults(self, value: Any) -> list[str]:
        """What does not fit, in words for the model; nothing if all fits.

        Raises:
            BadRequestError: it would take too long to find out.
        """
        effort = self._effort.of(value)
        if effort > MOST:
            raise BadRequestError(
                "The JSON Schema takes too long to check with what the model wrote: its alternatives lie too deep "
                "within one another."
            )
        if self._validator.is_valid(value):
            return []
        if effort > MOST_EXPLAINED:
            return ["It does not fit the JSON Schema"]
        found = []
        for error in islice(self._validator.iter_errors(value), MOST_FAULTS):
            place = "".join(f"[{key!r}]" for key in error.instance_path)
            found.append(f"{place}: {error.message}" if place else error.message)
        return found

    def may_yet_fit(self, value: Any) -> bool:
        """Whether what is written so far of a value can become one that fits, as far as that is soon found out."""
        return self._effort.of(value) <= MOST_EXPLAINED and all(
            error.kind.name in _UNFINISHED for error in self._validator.iter_errors(value)
        )


def _compiled(jsonschema_rs: Any, schema: dict[str, Any], patterns: int) -> Any:
    """Patterns take linear time, or, if they cannot, are given up after so many steps; all share so much memory."""
    size = _MOST_COMPILED // max(_FEW, patterns)
    compile = partial(
        jsonschema_rs.validator_for, schema, offline=True, validate_formats=True, formats=_FORMATS
    )
    try:
        return compile(pattern_options=jsonschema_rs.RegexOptions(size_limit=size))
    except ValueError:  # a pattern that looks ahead, perhaps, as zod's of an e-mail address does
        options = jsonschema_rs.FancyRegexOptions(backtrack_limit=_MOST_STEPS, size_limit=size)
        return compile(pattern_options=options)


def _reads_as(kind: type, text: str) -> bool:
    try:
        msgspec.convert(text, kind)
    except msgspec.ValidationError:
        return False
    return True


_FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": partial(_reads_as, datetime.datetime),  # also without a time zone, as pydantic takes it
    "date": partial(_reads_as, datetime.date),
    "time": partial(_reads_as, datetime.time),
    "uuid": partial(_reads_as, uuid.UUID),
    **dict.fromkeys(
        (
            *("uri", "uri-reference", "uri-template", "iri", "iri-reference", "idn-email", "idn-hostname"),
            *("regex", "json-pointer", "relative-json-pointer"),
        ),
        lambda text: True,
    ),
}
"""The formats that a text is held to are OpenAI's, in every draft of JSON Schema: these, and those of e-mail
addresses, hosts, IP addresses and durations, which the validator knows."""


def validator_for(schema: dict[str, Any]) -> Validator:
    """The schema's validator, kept for the next call with the same schema.

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
