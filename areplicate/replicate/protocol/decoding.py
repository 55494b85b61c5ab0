"""Reading JSON that a server sent, whatever it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

T = TypeVar("T")

BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for a body that is broken, in whichever way."""


def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """The body as a value; ValueError, in words, for one that is broken in whichever way."""
    try:
        return decode(body)
    except BROKEN as error:
        raise ValueError(str(error) or type(error).__name__) from None
