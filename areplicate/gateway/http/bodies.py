"""Reading requests' bodies: bounded in size, time and depth, with errors that show where."""

from __future__ import annotations

import asyncio
import re
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from .errors import GatewayError, bad_request

MAX_BODY = 10 * 1024 * 1024
"""Bytes of a body."""
MAX_DEPTH = 64
"""Lists and objects inside one another."""
BODY_SECONDS = 60.0
"""Seconds that a body may take to arrive."""

T = TypeVar("T")
_PLACE = re.compile(r" \(byte (\d+)\)$")


async def read_object(request: web.BaseRequest) -> dict[str, Any]:
    """The body's JSON object.

    Raises:
        GatewayError: 400 with line and column where it is no JSON, 408, or 413.
    """
    body = await read_body(request)
    value = decode(body)
    if not isinstance(value, dict):
        raise bad_request("The body is to be a JSON object.")
    return value


async def read_struct(request: web.BaseRequest, kind: type[T]) -> T:
    """The body as a `msgspec.Struct`; an empty body counts as `{}`."""
    value = decode(await read_body(request) or b"{}")
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise bad_request(f"{error}.") from None


async def read_body(request: web.BaseRequest) -> bytes:
    length = request.content_length
    if length is not None and length > MAX_BODY:
        raise _too_large()
    if request.headers.get("Expect", "").lower() == "100-continue":
        # curl asks before it sends a large body, and waits for a second where nobody answers.
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    try:
        if request.content.is_eof():
            return await _collect(request)
        return await asyncio.wait_for(_collect(request), BODY_SECONDS)
    except asyncio.TimeoutError:
        raise GatewayError(
            408, f"The body did not arrive within {BODY_SECONDS:g} s.", code="request_timeout"
        ) from None
    except web.RequestPayloadError:
        raise bad_request("The body is damaged: its encoding does not fit its headers.") from None


async def _collect(request: web.BaseRequest) -> bytes:
    """The body. aiohttp's own `read()` would keep it for as long as the request is answered."""
    pieces = []
    length = 0
    async for piece in request.content.iter_any():
        pieces.append(piece)
        length += len(piece)
        if length > MAX_BODY:
            raise _too_large()
    return b"".join(pieces)


def decode(body: bytes) -> Any:
    """JSON from outside; `GatewayError` 400 where it is none, or nested too deep."""
    if not body:
        raise bad_request("The body is empty: send a JSON object.")
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise bad_request(_explain(body, str(error)), code="invalid_json") from None
    except UnicodeDecodeError as error:
        raise bad_request(f"The body is not UTF-8: {error.reason}.", code="invalid_json") from None
    except RecursionError:
        raise _too_deep() from None
    # Nothing can be deeper than there are brackets; few requests have that many.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and not _shallow(value, MAX_DEPTH):
        raise _too_deep()
    return value


def _shallow(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return True
    return False


def _explain(body: bytes, error: str) -> str:
    """msgspec's message, with line and column (in characters, from 1) in place of the byte."""
    place = _PLACE.search(error)
    before = body[: int(place[1])] if place else body
    line = before.count(b"\n") + 1
    column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
    what = error[: place.start() if place else None].removeprefix("JSON is malformed: ")
    return f"The body is not valid JSON: {what} at line {line}, column {column}."


def _too_large() -> GatewayError:
    return GatewayError(413, f"The body is larger than {MAX_BODY >> 20} MB.", code="request_too_large")


def _too_deep() -> GatewayError:
    return bad_request(f"The body nests lists and objects more than {MAX_DEPTH} deep.", code="invalid_json")
