"""Reads bodies and queries of requests: bounded in size, time, depth and number, with errors that say where."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import anyio
import msgspec
from aiohttp import HttpVersion11, StreamReader, web

from ..errors import GatewayError, bad_request
from ..mismatch import mismatch
from .exchange import Exchange

MAX_BODY = 10 * 1024 * 1024
"""Bytes of a body."""
MAX_DEPTH = 64
"""Lists and objects inside one another."""
MAX_ITEMS = 100_000
"""Keys and list elements of a body altogether, so that what is built from it stays in proportion to its bytes."""
_MOST_TEXTS = 2 * MAX_ITEMS + 2
"""JSON strings: more than all keys of a body and their values can be. To leave out millions would take a second."""
_PART = 80
"""Bytes for which each of those counts where bodies are held: a body takes about three times what it counts for."""
MAX_FIELDS = 500
"""Keys of a body's outermost object: no model has as many inputs."""
BODY_SECONDS = 60.0
"""Seconds that a body may take to arrive."""
_MOST_ARRIVING = 256 * 1024 * 1024
"""Bytes of all bodies that are arriving: a key may open many connections before its limits count."""
LINGER_SECONDS = 10.0
"""For how long what is left of a refused body is read."""

_ENCODINGS = ("", "identity", "gzip", "deflate", "br", "zstd")
_PLACE = re.compile(r" \(byte (\d+)\)$")
_TEXTS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
"""A JSON string, or one that the body's end cuts off. Without the latter the search would begin anew at each quote
of a body with such an end, which takes hours."""
_BRACKETS = re.compile(rb"[\[\]{}]")
_BOM = b"\xef\xbb\xbf"

_arriving: dict[anyio.CancelScope, int] = {}
"""The bytes of each body that is arriving, the oldest first."""


async def read_body(exchange: Exchange, kind: type) -> Any:
    """The body as the struct `kind`; if that allows unknown fields, the checked object without nulls.

    The fields that the path gives count more than the body's own.

    Raises:
        GatewayError: 400 with the place where it is wrong, 408, 413, or 503 if there is no room for it.
    """
    closed = kind.__struct_config__.forbid_unknown_fields  # type: ignore[attr-defined]
    body = await _received(exchange.request)
    exchange.account.hold_body(held_size(body))
    value = decode(body or (b"{}" if closed else b""))
    del body
    if not isinstance(value, dict):
        raise bad_request("The body must be a JSON object.")
    if len(value) > MAX_FIELDS:
        raise bad_request(f"The body has {len(value)} fields; {MAX_FIELDS} are allowed.")
    value.update(exchange.fields)
    return _converted(_whole(value), kind) if closed else _checked(value, kind)


async def read_query(request: web.BaseRequest, kind: type) -> Any:
    """The query as the struct `kind`, or the `GatewayError` 400."""
    # Unknown parameters are allowed: links carry what their senders want back.
    query = dict(request.query)
    for name, text in query.items():
        if text.lower() == "null":  # the conversion would take it for None
            raise bad_request(f"{name} must not be null: leave it out.", param=name)
    return _converted(query, kind, strict=False)


def _checked(value: dict[str, Any], kind: type) -> Any:
    given = {name: item for name, item in value.items() if item is not None}
    try:
        msgspec.convert(given, kind)
    except msgspec.ValidationError:
        given = _whole(given)
        _converted(given, kind)
    return given


def _converted(value: Any, kind: type, *, strict: bool = True) -> Any:
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        place, why = mismatch(error, kind)
        raise bad_request(f"{place or 'The request'} {why}.", param=place or None) from None


def _whole(value: dict[str, Any]) -> dict[str, Any]:
    """With whole numbers where JSON has 2.0, which is the same number."""
    return {
        name: int(item) if isinstance(item, float) and item.is_integer() else item
        for name, item in value.items()
    }


async def _received(request: web.BaseRequest) -> bytes:
    length = request.content_length
    if length is not None and length > MAX_BODY:
        raise _too_large()
    _check_encoding(request)
    await ask_for_body(request)
    try:
        if not request.content.is_eof():
            return await _collect(request)
        body = request.content.read_nowait()  # it came with the head, as nearly all bodies do
    except web.RequestPayloadError:
        raise bad_request("The body is damaged: its encoding does not fit its headers.") from None
    if len(body) > MAX_BODY:
        raise _too_large()
    return body


def _check_encoding(request: web.BaseRequest) -> None:
    """Refuses a body in an encoding that aiohttp does not decode."""
    encoding = request.headers.get("Content-Encoding", "")
    if encoding.strip().lower() not in _ENCODINGS:
        raise GatewayError(
            415, f"The body's Content-Encoding must be gzip, deflate, br or zstd, not {encoding[:50]!r}."
        )


async def ask_for_body(request: web.BaseRequest) -> None:
    """Answers `Expect: 100-continue`: curl waits a second for that before it sends a large body.

    A client of HTTP/1.0 does not know such an answer, and takes it for the one to its request (RFC 9110, 10.1.1).
    """
    expects = request.headers.get("Expect", "").lower() == "100-continue"
    if expects and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


async def _collect(request: web.BaseRequest) -> bytes:
    """The body. aiohttp's own `read()` would keep it for as long as the request is answered.

    Where too much is arriving, the oldest body makes room: those that are sent slowly are the oldest.
    """
    pieces = []
    with anyio.move_on_after(BODY_SECONDS) as scope:
        try:
            async for piece in request.content.iter_any():
                pieces.append(piece)
                _arriving[scope] = _arriving.get(scope, 0) + len(piece)
                if _arriving[scope] > MAX_BODY:
                    raise _too_large()
                if sum(_arriving.values()) > _MOST_ARRIVING:
                    next(iter(_arriving)).cancel()
            return b"".join(pieces)
        finally:
            _arriving.pop(scope, None)
    raise GatewayError(
        408,
        f"The body did not arrive within {BODY_SECONDS:g} s, or too slowly while others sent theirs.",
        code="request_timeout",
    )


async def pass_over(content: StreamReader) -> None:
    """Reads what is left of a body that was refused, so that its sender gets the answer.

    Of a compressed body it reads what an allowed one may have: little may unfold to hours of work.
    """
    left = MAX_BODY
    with suppress(Exception), anyio.move_on_after(LINGER_SECONDS):
        while left > 0 and not content.is_eof():
            left -= len(await content.readany())


def decode(body: bytes) -> Any:
    """JSON from outside, within `check_bounds`; `GatewayError` 400 if it is none."""
    body = body.removeprefix(_BOM)
    if not body.strip():
        raise bad_request("The body is empty: send a JSON object.")
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise bad_request(_explain(body, str(error)), code="invalid_json") from None
    except UnicodeDecodeError as error:
        raise bad_request(f"The body is not UTF-8: {error.reason}.", code="invalid_json") from None


def held_size(body: bytes) -> int:
    """The bytes that JSON counts for among those that are held: many small parts take more than their own."""
    return len(body) + _PART * check_bounds(body)


def check_bounds(body: bytes) -> int:
    """Refuses a body that nests too deep or has too many parts, before anything is built from it; gives how many
    parts it has at most.

    Nothing can be deeper than there are opening brackets, or have more parts than commas and brackets
    together. Few bodies come near the bounds by that; for those the texts are left out, and the rest is looked
    at closely.
    """
    opened = body.count(b"[") + body.count(b"{")
    parts = opened + body.count(b",")
    if opened <= MAX_DEPTH and parts <= MAX_ITEMS:
        return parts
    bare, texts = _TEXTS.subn(b"", body, _MOST_TEXTS)
    parts = bare.count(b"[") + bare.count(b"{") + bare.count(b",")
    if parts > MAX_ITEMS or texts == _MOST_TEXTS:
        raise bad_request(
            f"The body has more than {MAX_ITEMS:,} keys and list elements.", code="request_too_large"
        )
    depth = 0
    for bracket in _BRACKETS.findall(bare):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise bad_request(
                f"The body nests lists and objects more than {MAX_DEPTH} deep.", code="invalid_json"
            )
    return parts


def _explain(body: bytes, error: str) -> str:
    """msgspec's message, with line and column (in characters, from 1) in place of the byte."""
    place = _PLACE.search(error)
    before = body[: int(place[1])] if place else body
    line = before.count(b"\n") + 1
    column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
    what = error[: place.start() if place else None].removeprefix("JSON is malformed: ")
    what, out_of_range, _ = what.partition(" - at `")
    if out_of_range:  # of such a number msgspec tells neither the name nor the byte
        return f"The body is not valid JSON: {what}."
    return f"The body is not valid JSON: {what} at line {line}, column {column}."


def _too_large() -> GatewayError:
    return GatewayError(413, f"The body is larger than {MAX_BODY >> 20} MB.", code="request_too_large")
