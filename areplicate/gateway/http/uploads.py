"""Uploaded forms with a file, and files as answers, both piece by piece: a large file takes little memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, TypeVar, cast

from aiohttp import BodyPartReader, MultipartReader, StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError

from ..errors import GatewayError, bad_request
from .bodies import BODY_SECONDS, ask_for_body
from .exchange import Exchange

T = TypeVar("T")

_PIECE = 256 * 1024
_LONGEST_FIELD = 4096
"""Bytes of a field that is not a file."""
MAX_FIELDS = 15
"""Fields of a form, its file included."""
_HEAD = 64 * 1024
"""Bytes that a form may have besides its file."""
_SLOWEST = 20_000
"""Bytes a second that a form brings at least, after its first minute: who sends one byte a minute keeps a connection
from others for years."""


async def read_form(request: web.BaseRequest, target: Path, most: int) -> tuple[dict[str, str], str]:
    """A form's fields and its file's name; the file is written to `target`.

    Args:
        most: bytes that the file may have.

    Raises:
        GatewayError: 400 if it is not such a form, 408 if it does not arrive in time, 413, 415.
    """
    if (request.content_length or 0) > most + _HEAD:
        raise _too_large(most)
    if request.content_type != "multipart/form-data":
        raise GatewayError(415, f"The body must be multipart/form-data, not {request.content_type[:100]}.")
    await ask_for_body(request)
    try:
        return await _read(request, target, most)
    except asyncio.TimeoutError:
        raise GatewayError(
            408,
            f"Nothing more of the file has come for {BODY_SECONDS:g} s, or it comes too slowly: "
            f"{_SLOWEST // 1000} KB a second are the least.",
            code="request_timeout",
        ) from None
    except (web.RequestPayloadError, HttpProcessingError, ValueError, AssertionError, RuntimeError, EOFError):
        raise bad_request("The form is damaged, or its boundary is missing.") from None


async def _read(request: web.BaseRequest, target: Path, most: int) -> tuple[dict[str, str], str]:
    fields: dict[str, str] = {}
    filename: str | None = None
    arriving = _Arriving()
    form = MultipartReader(request.headers, cast(StreamReader, _BoundedLines(request.content)))
    for _ in range(MAX_FIELDS + 1):
        part = await arriving.in_time(form.next())
        if part is None:
            break
        if not isinstance(part, BodyPartReader) or not part.name:
            raise bad_request("The form must have plain fields and a file.")
        if part.name == "file":
            if filename is not None:
                raise bad_request("The form has two files: upload one at a time.", param="file")
            filename = part.filename or "file"
            await _save(part, target, most, arriving)
        else:
            fields[part.name] = await _field(part, arriving)
    else:
        raise bad_request(f"The form has more than {MAX_FIELDS} fields.")
    if filename is None:
        raise bad_request("file is missing: send it as the form's field of that name.", param="file")
    return fields, _storable(filename[:255])


def _storable(name: str) -> str:
    """A file's name as every database takes it: bytes that are not UTF-8 would be halves of characters."""
    return name.encode(errors="replace").decode().replace("\x00", "")


class _BoundedLines:
    """A form's content, of which few bytes may be read as lines: that is how aiohttp reads what stands before and
    between the parts, all of it at once. Lines without end, which gzip makes of a small body, would stop the gateway.
    """

    def __init__(self, content: StreamReader) -> None:
        self._content = content
        self._left = _HEAD

    async def readline(self, **options: Any) -> bytes:
        line = await self._content.readline(**options)
        self._left -= len(line)
        if self._left < 0:
            raise ValueError
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)


class _Arriving:
    """How long a form may take to arrive: longer with each byte of it."""

    def __init__(self) -> None:
        self._now = asyncio.get_running_loop().time
        self._until = self._now() + BODY_SECONDS

    async def in_time(self, work: Awaitable[T]) -> T:
        """What `work` gives; raises `asyncio.TimeoutError` if that takes too long."""
        return await asyncio.wait_for(work, min(BODY_SECONDS, self._until - self._now()))

    async def pieces(self, part: BodyPartReader, size: int) -> AsyncIterator[bytes]:
        """What a part of it has, in pieces of that size at most."""
        while piece := await self.in_time(part.read_chunk(size)):
            self._until += len(piece) / _SLOWEST
            yield piece


async def _save(part: BodyPartReader, target: Path, most: int, arriving: _Arriving) -> None:
    length = 0
    async for piece in arriving.pieces(part, _PIECE):
        length += len(piece)
        if length > most:
            raise _too_large(most)
        await asyncio.to_thread(_append, target, piece)


def _append(target: Path, piece: bytes) -> None:
    """The file is open no longer than that: of many slow uploads, each would take an open file from others."""
    with open(os.open(target, os.O_WRONLY | os.O_APPEND), "wb") as file:
        file.write(piece)


async def _field(part: BodyPartReader, arriving: _Arriving) -> str:
    value = b""
    async for piece in arriving.pieces(part, _LONGEST_FIELD):
        value += piece
        if len(value) > _LONGEST_FIELD:
            raise bad_request(f"{str(part.name)[:50]} is too long.", param=part.name)
    return value.decode()


def _too_large(most: int) -> GatewayError:
    return GatewayError(413, f"The file is too large; {most / 1e6:g} MB are allowed.", param="file")


async def send_file(exchange: Exchange, path: Path) -> web.StreamResponse:
    """The content of a file, piece by piece."""
    length = (await asyncio.to_thread(path.stat)).st_size
    response = web.StreamResponse(headers=exchange.head("application/octet-stream"))
    response.content_length = length
    await response.prepare(exchange.request)
    if exchange.request.method != "HEAD":  # whose client would take what follows for its next answer
        for begin in range(0, length, _PIECE):
            await response.write(await asyncio.to_thread(_piece_of, path, begin))
    await response.write_eof()
    return response


def _piece_of(path: Path, begin: int) -> bytes:
    """The file is open no longer than that: of many slow downloads, too, each would take an open file from others."""
    with path.open("rb") as file:
        file.seek(begin)
        return file.read(_PIECE)
