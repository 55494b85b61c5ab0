"""Reading and uploading the media of a conversation."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ..chat.inputs import ModelInput
from ..chat.media import INLINE_LIMIT, MediaSlot, decode_data_uri
from ..chat.messages import mime_of
from ..errors import BadRequestError
from ..threads import in_thread

Upload = Callable[[bytes, str, str], Awaitable[str]]
"""Uploads content under a file name with a media type, and gives the URL for an input."""

LARGEST_FILE = 100 * 1024 * 1024
"""Bytes that `POST /files` takes at most."""


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
    elif slot.file is not None:
        content, mime = await _read_open(slot)
    else:
        content, mime = await in_thread(_read, slot.path or "")
    if len(content) <= INLINE_LIMIT:
        return f"data:{mime};base64,{base64.b64encode(content).decode()}"
    filename = slot.filename or f"input{mimetypes.guess_extension(mime, strict=False) or ''}"
    return await upload(content, filename, mime)


async def _read_open(slot: MediaSlot) -> tuple[bytes, str]:
    def read() -> Any:
        if slot.file.seekable():  # it may have been read before
            slot.file.seek(0)
        return slot.file.read(LARGEST_FILE + 1)

    try:
        content = await in_thread(read)
    except Exception as error:  # whatever a file-like object raises
        raise BadRequestError(
            f"The file for {slot.field} cannot be read: {error}.", param=slot.field
        ) from error
    if not isinstance(content, bytes):
        raise BadRequestError(
            f'The file for {slot.field} gives text: open it in binary mode, as open(path, "rb").',
            param=slot.field,
        )
    if len(content) > LARGEST_FILE:
        raise BadRequestError(
            f"The file for {slot.field} has more than {LARGEST_FILE:,} bytes, the most that Replicate takes.",
            param=slot.field,
        )
    return content, mime_of(content, slot.filename or "")


def _read(path: str) -> tuple[bytes, str]:
    file = Path(path)
    try:
        if not file.is_file():
            raise BadRequestError(
                f"The file {path[:200]!r} does not exist: give a URL, a data URI or the path of a file."
            )
        if (size := file.stat().st_size) > LARGEST_FILE:
            raise BadRequestError(f"{path[:200]!r} has {size:,} bytes; Replicate takes {LARGEST_FILE:,}.")
        content = file.read_bytes()
        return content, mime_of(content, path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadRequestError(f"{path[:200]!r} cannot be read: {reason}.") from error
