"""Reading and uploading the media of a conversation."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from .chat.inputs import ModelInput
from .chat.media import INLINE_LIMIT, MediaSlot, decode_data_uri
from .errors import BadRequestError

Upload = Callable[[bytes, str, str], Awaitable[str]]
"""Uploads content under a file name with a media type, and gives the URL for an input."""

LARGEST_FILE = 100 * 1024 * 1024
"""Bytes: what `POST /files` takes at most."""


async def attach(model_input: ModelInput, upload: Upload) -> dict[str, Any]:
    """The input with its files read: as data URIs up to 256 KB, above that uploaded.

    Raises:
        BadRequestError: a file cannot be read.
    """
    fields = dict(model_input.fields)
    for slot in model_input.media:
        url = await _url(slot, upload)
        if slot.index is None:
            fields[slot.field] = url
        else:
            entries = fields[slot.field] = list(fields[slot.field])
            entries[slot.index] = url
    return fields


async def _url(slot: MediaSlot, upload: Upload) -> str:
    if slot.data_uri is not None:
        content, mime = decode_data_uri(slot.data_uri)
    else:
        content, mime = await _read(slot.path or "")
    if len(content) <= INLINE_LIMIT:
        return f"data:{mime};base64,{base64.b64encode(content).decode()}"
    filename = slot.filename or f"input{mimetypes.guess_extension(mime) or ''}"
    return await upload(content, filename, mime)


async def _read(path: str) -> tuple[bytes, str]:
    mime = mimetypes.guess_type(path)[0] or "application/octet-stream"
    file = anyio.Path(path)
    try:
        if not await file.is_file():
            raise BadRequestError(f"{path[:200]!r} is no file: give a URL, a data URI or a file's path.")
        if (size := (await file.stat()).st_size) > LARGEST_FILE:
            raise BadRequestError(f"{path[:200]!r} has {size:,} bytes; Replicate takes {LARGEST_FILE:,}.")
        return await file.read_bytes(), mime
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadRequestError(f"{path[:200]!r} cannot be read: {reason}.") from error
