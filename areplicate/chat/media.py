"""Images and other media of a conversation, on their way to a model's inputs. No I/O."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import msgspec

from ..errors import BadRequestError
from .messages import Media, MediaKind, Message
from .plan import Plan
from .schemas.media_inputs import place_media

INLINE_LIMIT = 256 * 1024
"""Bytes up to which Replicate takes a file inside the input, as a data URI."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_KINDS: tuple[MediaKind, ...] = ("image", "audio", "video", "file")
_PLURAL = {"image": "images", "audio": "audio", "video": "video", "file": "files"}


class MediaSlot(msgspec.Struct, frozen=True):
    """A medium that must be read or uploaded before the input can be sent.

    Attributes:
        field: the input that takes it.
        index: its place where that input is a list.
        path: the file to read; None where `data_uri` holds the bytes.
    """

    field: str
    index: int | None = None
    path: str | None = None
    data_uri: str | None = None
    filename: str | None = None


def media_inputs(
    turns: tuple[Message, ...], plan: Plan, *, model: str | None, allow_files: bool
) -> tuple[dict[str, object], tuple[MediaSlot, ...]]:
    """The inputs that carry a conversation's media, and what is still to be read for them.

    Raises:
        BadRequestError: the model takes no media of a kind, or fewer than the conversation has; a
            source is neither a URL, a data URI nor, where `allow_files`, a path.
    """
    fields: dict[str, object] = {}
    slots: list[MediaSlot] = []
    for kind in _KINDS:
        media = [m for turn in turns for m in turn.media if m.kind == kind]
        if not media:
            continue
        for medium, (name, index) in zip(media, _places(plan, kind, len(media), model), strict=True):
            ready = _ready(medium, name, index, allow_files=allow_files, model=model)
            if isinstance(ready, MediaSlot):
                slots.append(ready)
            value = "" if isinstance(ready, MediaSlot) else ready
            if index is None:
                fields[name] = value
            else:
                entries = fields.setdefault(name, [])
                assert isinstance(entries, list)
                entries.append(value)
    return fields, tuple(slots)


def slot_for(name: str, source: str) -> MediaSlot:
    """The slot for a file that the user gave for an input by name."""
    return MediaSlot(name, path=source, filename=_basename(source))


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
    who = model or "This model"
    if plan.schema is None:
        why = f"what {who} takes is not known, so only one {kind} can be sent"
    elif inputs := plan.media.single.get(kind):
        why = (
            f"{who} takes {len(inputs)} {_PLURAL[kind]} ({', '.join(inputs)}), and the messages have {count}"
        )
    else:
        why = f"{who} has no input for {_PLURAL[kind]}; leave them out or choose a model that has one"
    raise BadRequestError(why[0].upper() + why[1:] + ".", model=model)


def _ready(
    medium: Media, name: str, index: int | None, *, allow_files: bool, model: str | None
) -> str | MediaSlot:
    source = medium.source
    if source.startswith("data:"):
        if "," not in source[:300]:
            raise BadRequestError(f"The data URI {source[:40]}... has no comma before its data.", model=model)
        if len(source) <= INLINE_LIMIT * 4 // 3 + 64:
            return source
        return MediaSlot(name, index, data_uri=source, filename=medium.filename)
    scheme = match[1].lower() if (match := _SCHEME.match(source)) else ""
    if scheme in ("http", "https"):
        return source
    if scheme not in ("", "file"):
        raise BadRequestError(
            f"{source[:60]!r} cannot be read: give an http(s) URL, a data URI or a path.", model=model
        )
    if not allow_files:
        raise BadRequestError(
            f"{source[:60]!r} is no URL: give an http(s) URL or a data URI; files are not read here.",
            model=model,
        )
    path = unquote(urlsplit(source).path) if scheme else source
    return MediaSlot(name, index, path=path, filename=medium.filename or _basename(path))


def _basename(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]
