"""Values of other libraries as the built-in types that JSON has."""

from __future__ import annotations

from collections.abc import Mapping, Set
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

import msgspec

from ..errors import BadRequestError

_PLAIN = frozenset((str, int, float, bool, type(None), bytes))


def plain(value: Any, name: str = "value") -> Any:
    """The value with its subclasses and foreign types taken off: `str` for a numpy string, a `StrEnum`'s
    member or Markup, `float` for `np.float64` and `Decimal`, lists for arrays, tuples and sets, dictionaries
    for pydantic's objects. What has no such form (a function, a file, bytes) stays as it is.

    Raises:
        BadRequestError: it cannot be read; `name` says which argument it is.
    """
    if type(value) in _PLAIN:
        return value
    try:
        return _plain(value)
    except Exception as error:  # whatever a foreign object's methods raise
        raise BadRequestError(
            f"{name} cannot be read: its {type(value).__name__} raised {type(error).__name__}.", param=name
        ) from error


def _plain(value: Any) -> Any:
    if type(value) in _PLAIN or isinstance(value, type):
        return value
    if isinstance(value, Enum):
        return _plain(value.value)
    for kind in (str, int, float):
        if isinstance(value, kind):
            return _base(kind, value)
    if isinstance(value, (Decimal, Fraction)):
        return float(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, Set)):
        return [_plain(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    for method in ("model_dump", "tolist"):  # of pydantic's objects; of numpy's, torch's and pandas' numbers
        if callable(convert := getattr(value, method, None)):
            converted = convert()
            return converted if converted is value else _plain(converted)
    return value


def _base(kind: type, value: Any) -> Any:
    """The value of a subclass, whatever it makes of its conversions."""
    if kind is str:
        return str.__str__(value)
    return int.__int__(value) if kind is int else float.__float__(value)
