"""Converts values of other libraries to built-in types."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

import msgspec

from ..errors import BadRequestError

_BYTES = (bytes, bytearray, memoryview)
_PLAIN = frozenset((str, int, float, bool, type(None), bytes))
_NOT_GIVEN = frozenset(("NotGiven", "Omit"))
"""Types of other clients' values for a parameter that is left out, such as `openai.NOT_GIVEN`."""


def plain(value: Any, name: str = "value") -> Any:
    """The value as one of the built-in types.

    `str` for a numpy string, a `StrEnum`'s member or Markup, `float` for `np.float64` and `Decimal`, lists for arrays,
    tuples and sets, dictionaries for pydantic's objects, None for `openai.NOT_GIVEN`, a PNG's bytes for Pillow's
    images. What has no such form (a function, a file, bytes) stays as it is.

    Raises:
        BadRequestError: it cannot be read; `name` says which argument it is.
    """
    if type(value) in _PLAIN and (type(value) is not str or value.isascii()):
        return value
    try:
        return _plain(value)
    except UnicodeEncodeError as error:  # half of a surrogate pair has no UTF-8 form
        raise BadRequestError(
            f"{name} has text that is not valid Unicode at character {error.start}.", param=name
        ) from None
    except Exception as error:  # whatever a foreign object's methods raise
        raise BadRequestError(
            f"{name} cannot be read: its {type(value).__name__} raised {type(error).__name__}.", param=name
        ) from error


def as_json(value: Any) -> Any:
    """The value in types that JSON can be written from: texts for dates, for keys too.

    Raises:
        ValueError: JSON has no form for it; the message says why.
    """
    try:
        builtins = msgspec.to_builtins(value, builtin_types=_BYTES, str_keys=True)
        json.dumps(builtins, allow_nan=False)  # refuses bytes, which msgspec would write as base64
        return builtins
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from None


def shown(value: Any) -> str:
    """A value for a message: short, and safe even if its `repr` fails."""
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        text = str.__str__(value)  # whatever a subclass makes of its conversion
        if not text.isascii():
            text.encode()
        return text
    if type(value) in _PLAIN or isinstance(value, type):
        return value
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, (Decimal, Fraction)):
        return float(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, Set)):
        return [_plain(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return _plain(msgspec.to_builtins(value))
    if type(value).__name__ in _NOT_GIVEN:
        return None
    # Of pydantic's objects; of numpy's, torch's and pandas' numbers; of what notebooks show as a picture.
    for method in ("model_dump", "tolist", "_repr_png_"):
        if callable(convert := getattr(value, method, None)):
            converted = convert()
            if isinstance(converted, (Mapping, list, str, int, float, bytes)):
                return _plain(converted)
    return value
