"""Decodes JSON from a server, however broken it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

T = TypeVar("T")

BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The errors of decoding a broken body."""


def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """The body as a value; ValueError, with the reason in words, for a broken one."""
    try:
        return decode(body)
    except BROKEN as error:
        raise ValueError(str(error) or type(error).__name__) from None
