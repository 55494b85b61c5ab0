"""Images and other media of a conversation, on their way to a model's inputs. No I/O."""

from __future__ import annotations

import base64
import binascii
import re
from mimetypes import guess_type
from os import PathLike
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import msgspec

from ..errors import BadRequestError
from ..logs import logger
from .messages import InputMessage, Media, MediaKind, is_content, medium_of
from .plan import Plan
from .schemas.media_inputs import media_fields, place_media
from .schemas.schema import Field
from .schemas.values import AskedModel, wrong_type

INLINE_LIMIT = 256 * 1024
"""Bytes up to which Replicate takes a file inside the input, as a data URI."""

_LONGEST_PATH = 4096
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_PLURAL: dict[MediaKind, str] = {"image": "images", "audio": "audio", "video": "video", "file": "files"}


class MediaSlot(msgspec.Struct, frozen=True):
    """A medium that must be read or uploaded before the input can be sent.

    Attributes:
        field: the input that takes it.
        index: its place if that input is a list.
        path: the file to read.
        data_uri: what holds the bytes already.
        file: what gives the bytes when it is read.
    """

    field: str
    index: int | None = None
    path: str | None = None
    data_uri: str | None = None
    filename: str | None = None
    file: Any = None


def media_inputs(
    turns: tuple[InputMessage, ...], plan: Plan, asked: AskedModel, *, allow_files: bool
) -> tuple[dict[str, Any], tuple[MediaSlot, ...]]:
    """The inputs that carry a conversation's media, and the files that must still be read for them.

    Where misfits are dropped, media of earlier messages are left out if the model does not take as many.

    Raises:
        BadRequestError: the model takes no media of a kind, or fewer than the conversation has; a
            source is not a URL or a data URI, or with `allow_files` a path.
    """
    fields: dict[str, Any] = {}
    slots: tuple[MediaSlot, ...] = ()
    for kind in _PLURAL:
        media = _newest(turns, plan, kind, asked)
        if not media:
            continue
        for medium, (name, index) in zip(media, _places(plan, kind, len(media), asked.model), strict=True):
            value, unread = _placed(medium, name, index, allow_files=allow_files, model=asked.model)
            slots += unread
            if index is None:
                fields[name] = value
            else:
                fields.setdefault(name, []).append(value)
    return fields, slots


def _newest(turns: tuple[InputMessage, ...], plan: Plan, kind: MediaKind, asked: AskedModel) -> list[Media]:
    """The media of a kind: all, or those of the last messages as far as the model takes them."""
    by_message = [[m for m in turn.media if m.kind == kind] for turn in turns if turn.media]
    by_message = [media for media in by_message if media]
    first, count = 0, sum(map(len, by_message))
    if asked.drop_params and kind in plan.media.single:
        while first < len(by_message) - 1 and place_media(plan.media, kind, count) is None:
            count -= len(by_message[first])
            first += 1
    if first:
        left_out = sum(map(len, by_message[:first]))
        logger.warning(
            "%s takes %d of the messages' %s; the first %d are left out.",
            *(asked.who, count, _PLURAL[kind], left_out),
        )
    return [medium for media in by_message[first:] for medium in media]


def named_media(
    name: str, value: Any, plan: Plan, asked: AskedModel, allow_files: bool
) -> tuple[object, tuple[MediaSlot, ...]] | None:
    """The value of an input that was given by its name, if it is a file: a path, bytes or an open file.

    Raises:
        BadRequestError: it is a file, and the input is not one for files.
    """
    entries = value if isinstance(value, list) else [value]
    if not any(_is_file(name, entry, plan, allow_files) for entry in entries):
        return None
    if not _takes_files(name, plan) and not any(isinstance(entry, PathLike) for entry in entries):
        wrong_type(name, value, "text or a number: this input takes no files", asked)
    placed: list[object] = []
    slots: tuple[MediaSlot, ...] = ()
    for index, entry in enumerate(entries):
        if _is_file(name, entry, plan, allow_files):
            place = index if isinstance(value, list) else None
            medium = medium_of("file", entry)
            entry, unread = _placed(medium, name, place, allow_files=allow_files, model=asked.model)
            slots += unread
        placed.append(entry)
    return placed if isinstance(value, list) else placed[0], slots


def _is_file(name: str, value: Any, plan: Plan, allow_files: bool) -> bool:
    if isinstance(value, str):
        return allow_files and _takes_files(name, plan) and _is_path(value)
    return (isinstance(value, PathLike) and allow_files) or is_content(value)


def _is_path(text: str) -> bool:
    """Whether a text is the path of a file: no URL, and with a file's ending."""
    known = _SCHEME.match(text) is None and guess_type(text, strict=False)[0] is not None
    return (known and len(text) < _LONGEST_PATH) or text.startswith("file:")


def _takes_files(name: str, plan: Plan) -> bool:
    if plan.schema is None:
        return media_fields({name: Field("string")}).any
    field = plan.fields.get(name)
    return plan.media.has(name) or (field is not None and field.media)


def decode_data_uri(uri: str) -> tuple[bytes, str]:
    """The bytes and the media type in a data URI (RFC 2397)."""
    head, _, data = uri.partition(",")
    mime, _, options = head.removeprefix("data:").partition(";")
    if not options.endswith("base64"):
        return unquote_to_bytes(data), mime or "text/plain"
    try:
        return base64.b64decode(data, validate=True), mime or "application/octet-stream"
    except binascii.Error as error:
        raise BadRequestError(f"The data URI {uri[:40]}... is not valid base64: {error}.") from None


def _places(plan: Plan, kind: MediaKind, count: int, model: str | None) -> list[tuple[str, int | None]]:
    places = place_media(plan.media, kind, count)
    if places is not None:
        return places
    who = model or "this model"
    if plan.schema is None:
        why = f"The inputs of {who} are not known, so only one {kind} can be sent"
    elif inputs := plan.media.single.get(kind):
        why = (
            f"The messages have {count} {_PLURAL[kind]}, and {who} takes {len(inputs)} ({', '.join(inputs)})"
        )
    else:
        why = f"{who} has no input for {_PLURAL[kind]}: leave them out, or choose a model that has one"
    raise BadRequestError(f"{why}.", model=model)


def _placed(
    medium: Media, name: str, index: int | None, *, allow_files: bool, model: str | None
) -> tuple[str, tuple[MediaSlot, ...]]:
    """An input's value, and the slot of a medium that must be read or uploaded first."""
    if medium.file is not None:
        return "", (MediaSlot(name, index, file=medium.file, filename=medium.filename),)
    source = medium.source
    if source.startswith("data:"):
        if "," not in source[:300]:
            raise BadRequestError(f"The data URI {source[:40]}... has no comma before its data.", model=model)
        if len(source) <= INLINE_LIMIT * 4 // 3 + 64:
            return source, ()
        return "", (MediaSlot(name, index, data_uri=source, filename=medium.filename),)
    scheme = match[1].lower() if (match := _SCHEME.match(source)) else ""
    if scheme in ("http", "https"):
        return source, ()
    if scheme not in ("", "file"):
        raise BadRequestError(
            f"{source[:60]!r} cannot be read: give an http(s) URL, a data URI or a path.", model=model
        )
    if not allow_files:
        raise BadRequestError(
            f"{source[:60]!r} is not a URL: give an http(s) URL or a data URI; files are not read here.",
            model=model,
        )
    path = unquote(urlsplit(source).path) if scheme else source
    filename = medium.filename or re.split(r"[/\\]", path)[-1]
    return "", (MediaSlot(name, index, path=path, filename=filename),)
