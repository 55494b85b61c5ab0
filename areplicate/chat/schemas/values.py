"""Checks whether a value fits a model's input: its type, its bounds and its choices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, NoReturn

import msgspec

from ...errors import BadRequestError, UnsupportedParamsError
from ...logs import logger
from ..plain import as_json, shown
from .schema import Field

_LARGE = 2.0**62
"""Numbers below this are always in range; infinity and NaN are not below it."""


_TYPES: dict[str, tuple[Any, str]] = {
    "string": (str, "a string"),
    "boolean": (bool, "true or false"),
    "array": ((list, tuple), "a list"),
    "object": (Mapping, "an object"),
}
"""What values of JSON's types are, and their names in messages. Numbers are looked at more closely."""


class AskedModel(msgspec.Struct, frozen=True):
    """The model that gets a value, for messages, and whether values that do not fit are dropped."""

    model: str | None
    drop_params: bool

    @property
    def who(self) -> str:
        return self.model or "this model"

    def refusal(self, name: str, message: str) -> BadRequestError:
        """The error for the value of the parameter `name`."""
        return BadRequestError(message, model=self.model, param=name)


def fit(name: str, value: Any, field: Field, asked: AskedModel) -> Any:
    """The value as the input `name` takes it; None if it was dropped.

    Raises:
        BadRequestError: the type is wrong, or the value is outside the bounds or the choices. With
            `drop_params` numbers are moved to the nearest bound and unknown choices left out instead. A
            number from 0 on is moved to the least that the model takes in any case, if it may have fractions.
    """
    kind = field.type
    if kind == "integer" or kind == "number":
        value = _fit_number(name, value, field, asked)
    elif (wanted := _TYPES.get(kind)) is not None:
        types, in_words = wanted
        if not isinstance(value, types):
            wrong_type(name, value, in_words, asked)
        if kind == "array":
            value = list(value)
        elif kind == "string" and (field.max_length is not None or field.min_length is not None):
            _check_length(name, value, field, asked)
    if field.enum is not None and value not in field.enum:
        _drop_unknown_choice(name, value, field.enum, asked)
        return None
    return value


def _fit_number(name: str, value: Any, field: Field, asked: AskedModel) -> Any:
    kind, low, high = field.type, field.minimum, field.maximum
    plain = type(value) is int or (type(value) is float and kind == "number")
    if plain and (-_LARGE if low is None else low) <= value <= (_LARGE if high is None else high):
        return value  # as nearly all are
    if kind == "number" and isinstance(value, int) and 2**63 <= abs(value) < 2**1023:
        value = float(value)  # JSON may write such a number with all its digits
    return _within(name, _number(name, value, kind, asked), field, asked)


def _drop_unknown_choice(name: str, value: Any, enum: Iterable[Any], asked: AskedModel) -> None:
    """Logs that a value was dropped, or raises a `BadRequestError`."""
    choices = ", ".join(map(repr, enum))
    if not asked.drop_params:
        raise asked.refusal(
            name,
            f"{name}={shown(value)} is not a choice of {asked.who}, which are {choices}. "
            "Give one of them, or drop_params=True to leave it out.",
        )
    logger.info("%s: %s=%r is left out; it takes %s", asked.who, name, value, choices)


def sendable(name: str, value: Any, asked: AskedModel) -> Any:
    """The value in types that JSON can be written from: a text for a date, say."""
    if isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, float)):
        return _number(name, value, "number", asked)
    if isinstance(value, bytes):
        wrong_type(name, value, "text (decode it), or for an image or another file its input", asked)
    try:
        return as_json(value)
    except ValueError:
        wrong_type(name, value, "a value that JSON can hold", asked)


def wrong_type(name: str, value: Any, wanted: str, asked: AskedModel) -> NoReturn:
    raise asked.refusal(name, f"{name} must be {wanted}, not {type(value).__name__} {shown(value)}.")


def unsupported(name: str, why: str, asked: AskedModel) -> None:
    """Logs that a parameter was dropped, or raises `UnsupportedParamsError`."""
    if not asked.drop_params:
        raise UnsupportedParamsError(
            f"{name}: {why}. Leave it out, or give drop_params=True to have such parameters left out.",
            model=asked.model,
            param=name,
        )
    logger.info("%s: %s is left out: %s", asked.who, name, why)


def _number(name: str, value: Any, kind: str, asked: AskedModel) -> Any:
    if isinstance(value, float):
        if not isfinite(value):
            raise asked.refusal(name, f"{name}={value!r} is not a number that can be sent.")
        if kind == "integer":
            if not value.is_integer():
                wrong_type(name, value, "an integer", asked)
            return int(value)
    elif isinstance(value, int) and value is not True and value is not False:
        if not -(2**63) <= value < 2**64:
            raise asked.refusal(name, f"{name} has more than 64 bits.")
    else:
        wrong_type(name, value, "an integer" if kind == "integer" else "a number", asked)
    return value


def _within(name: str, value: float, field: Field, asked: AskedModel) -> float:
    low, high = field.minimum, field.maximum
    if (low is None or value >= low) and (high is None or value <= high):
        return value
    nearest = low if low is not None and value < low else high
    assert nearest is not None
    # 0 asks for the least there is: the likeliest text of a temperature, no penalty, and so on.
    is_least = field.type == "number" and value >= 0 and nearest == low
    if asked.drop_params or is_least:
        logger.info("%s: %s=%r became %.15g; it takes %s", asked.who, name, value, nearest, field.bounds)
        return nearest
    raise asked.refusal(
        name,
        f"{name}={value!r} is outside what {asked.who} takes: {field.bounds}. "
        "Give a value within, or drop_params=True to have it moved there.",
    )


def _check_length(name: str, value: str, field: Field, asked: AskedModel) -> None:
    length, low, high = len(value), field.min_length, field.max_length
    if high is not None and length > high:
        raise asked.refusal(name, f"{name} has {length} characters; {asked.who} takes at most {high}.")
    if low is not None and length < low:
        raise asked.refusal(name, f"{name} has {length} characters; {asked.who} needs at least {low}.")
