"""Validates values against JSON Schemas, with the validator of the extra `[schema]`."""

from __future__ import annotations

import datetime
import math
import uuid
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from itertools import islice
from threading import RLock
from typing import Any

import msgspec

from ...errors import BadRequestError
from .references import with_uris
from .validation_work import MOST, MOST_EXPLAINED, ValidationWork

MOST_FAULTS = 8
"""Faults that are reported at once: a model corrects similar ones together."""
_MOST_BYTES = 32_000_000
"""Bytes of memory for the schemas of a call."""
_MOST_KEPT = 64_000_000
"""Bytes of memory for those that are kept for the next call."""
_READ, _READ_OBJECT = 25, 1500
"""Bytes that a byte of a schema, and an object in it, take once they are read."""
_COMPILED = (16_000, 256_000, 2_000_000)
"""Bytes that each pattern may take once it is compiled: few characters may become megabytes, but nearly all fit into
the first."""
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
    """A JSON Schema that values are held to. Nothing is fetched for it, and neither it nor a pattern runs away.

    Attributes:
        size: bytes of memory that it takes at most, about.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        jsonschema_rs = of_the_extra("jsonschema_rs")
        try:
            self._work = ValidationWork(schema)
            written = msgspec.json.encode(schema)
            self.size = _READ * len(written) + _READ_OBJECT * written.count(b"{")
            if self.size > _MOST_BYTES:
                raise ValueError(f"it is too large, with {len(written):,} bytes")
            patterns = len(self._work.patterns)
            self._validator, compiled = _compiled(jsonschema_rs, schema, patterns, _MOST_BYTES - self.size)
            self.size += patterns * compiled
        except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
            why = str(error).partition("\n")[0].rstrip(".")
            raise BadRequestError(f"The JSON Schema cannot be used: {why}.") from None

    def faults(self, value: Any) -> list[str]:
        """What does not fit, in words for the model; nothing if all fits.

        Raises:
            BadRequestError: it would take too long to find out.
        """
        work = self._work.of(value)
        if work > MOST:
            raise BadRequestError(
                "The JSON Schema takes too long to check with what the model wrote: its alternatives lie too deep "
                "within one another."
            )
        if self._validator.is_valid(value):
            return []
        if work > MOST_EXPLAINED:
            return ["It does not fit the JSON Schema"]
        found = []
        for error in islice(self._validator.iter_errors(value), MOST_FAULTS):
            place = "".join(f"[{key!r}]" for key in error.instance_path)
            found.append(f"{place}: {error.message}" if place else error.message)
        return found

    def may_yet_fit(self, value: Any) -> bool:
        """Whether what is written so far of a value can become one that fits, as far as that is soon found out."""
        return self._work.of(value) <= MOST_EXPLAINED and all(
            error.kind.name in _UNFINISHED for error in self._validator.iter_errors(value)
        )


def _compiled(jsonschema_rs: Any, schema: dict[str, Any], patterns: int, room: int) -> tuple[Any, int]:
    """The validator, and how many bytes each pattern may take; all of them fit into `room`.

    Patterns take linear time, or, if they cannot, are given up after so many steps.
    """
    compile = partial(
        jsonschema_rs.validator_for, with_uris(schema), offline=True, validate_formats=True, formats=_FORMATS
    )
    if not patterns:
        return compile(), 0
    # As zod's pattern of an e-mail address does.
    looking_ahead = partial(jsonschema_rs.FancyRegexOptions, backtrack_limit=_MOST_STEPS)
    wrong: ValueError = ValueError("its patterns are too large")
    for engine in (jsonschema_rs.RegexOptions, looking_ahead):
        for size in [size for size in _COMPILED if size * patterns <= room]:
            try:
                return compile(pattern_options=engine(size_limit=size)), size
            except ValueError as error:
                wrong = error
    raise wrong


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


def validators_for(schemas: Iterable[dict[str, Any]]) -> list[Validator]:
    """The validators of several schemas of one call, as `validator_for` has them; all together have the memory of one."""
    found, size = [], 0
    for schema in schemas:
        found.append(validator_for(schema))
        size += found[-1].size
        if size > _MOST_BYTES:
            raise BadRequestError("The JSON Schemas of the tools are too large together: offer fewer tools.")
    return found


def validator_for(schema: dict[str, Any]) -> Validator:
    """The schema's validator, kept for the next call with the same schema.

    Raises:
        BadRequestError: it is not a JSON Schema, it refers to another document, it is too large, or the extra
            `[schema]` is not installed.
    """
    try:
        return KEPT.validator(msgspec.json.encode(schema))
    except RecursionError:
        raise BadRequestError("The JSON Schema is nested too deep.") from None


class _Kept:
    """The validators that were used last, as many as there is memory for.

    Attributes:
        most_in_use: bytes of memory for all validators that calls under way have. Who serves many clients bounds it.
    """

    def __init__(self) -> None:
        self.most_in_use = math.inf
        self._validators: OrderedDict[bytes, Validator] = OrderedDict()
        self._size = 0
        self._in_use = 0
        self._lock = RLock()  # what is thrown out here may end here, too

    def validator(self, schema: bytes) -> Validator:
        with self._lock:
            if (known := self._validators.get(schema)) is not None:
                self._validators.move_to_end(schema)
                return known
            made = self._validators[schema] = Validator(msgspec.json.decode(schema))
            weakref.finalize(made, self._ended, made.size).atexit = False
            self._size += made.size
            self._in_use += made.size
            while self._validators and (self._size > _MOST_KEPT or self._in_use > self.most_in_use):
                self._size -= self._validators.popitem(last=False)[1].size
            if self._in_use > self.most_in_use:
                raise BadRequestError(
                    "The JSON Schemas of the requests under way leave no room for those of this one: ask again in a "
                    "moment.",
                    status_code=429,
                )
            return made

    def _ended(self, size: int) -> None:
        with self._lock:
            self._in_use -= size


KEPT = _Kept()
