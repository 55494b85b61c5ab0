"""Decodes JSON from a server, however broken it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeVar, get_args

import msgspec

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The errors of decoding a broken body."""

_HIGH, _LOW = rb"u[dD][89abAB][0-9a-fA-F]{2}", rb"u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(
    rb"\\(?:" + _HIGH + rb"\\" + _LOW + rb"|(?P<half>" + _HIGH + rb"|" + _LOW + rb")|.)", re.DOTALL
)
"""An escape in a JSON text; `half`, if it is one half of a surrogate pair without the other."""

_PARTS = re.compile(rb'"[^"]*"?,?|,')
"""Texts, each with the comma behind it, and other commas."""
_NO_PARTS = bytes(set(range(256)).difference(b'",'))
MOST_PARTS = 2_000_000
"""Texts, numbers and others that an answer may be made of. A part takes sixty bytes of memory, and two in the answer:
what a stranger's model gives would take a gigabyte."""


def has_too_many_parts(body: bytes) -> bool:
    """Whether JSON has more than `MOST_PARTS`; commas within a text do not count."""
    if body.count(b",") < MOST_PARTS:
        return False
    bare = body.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _NO_PARTS)
    return next(islice(_PARTS.finditer(bare), MOST_PARTS, None), None) is not None


def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """The body as a value; ValueError, with the reason in words, for a broken one.

    Characters of which a model has written one half only, or some bytes, become U+FFFD: the rest is an answer. A byte
    order mark, which some proxies add, is left away.
    """
    try:
        return decode(body)
    except BROKEN as error:
        repaired = _ESCAPE.sub(_whole, body.decode("utf-8-sig", "replace").encode())
        if repaired != body:
            return decoded(decode, repaired)
        raise ValueError(str(error) or type(error).__name__) from None


def _whole(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape["half"] else escape[0]


def lenient(kind: type[S]) -> Callable[[bytes | msgspec.Raw], S]:
    """A decoder of structs that leaves out a field of the wrong type if its struct has a default for it."""
    strict, fields = msgspec.json.Decoder(kind).decode, msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

    def decode(body: bytes | msgspec.Raw) -> S:
        try:
            return strict(body)
        except msgspec.ValidationError as error:
            return kind(**dict(_readable(kind, fields(body), error)))

    return decode


def _readable(
    kind: type[msgspec.Struct], fields: dict[str, msgspec.Raw], error: msgspec.ValidationError
) -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(kind):
        try:
            value = _field(fields[field.encode_name], field.type)
        except (KeyError, msgspec.ValidationError):
            if field.required:
                raise error from None
        else:
            yield field.name, value


def _field(value: msgspec.Raw, kind: Any) -> Any:
    try:
        return msgspec.json.decode(value, type=kind)
    except msgspec.ValidationError:
        for each in get_args(kind):  # such as of `URLs | None`
            if isinstance(each, type) and issubclass(each, msgspec.Struct):
                return lenient(each)(value)
        raise
