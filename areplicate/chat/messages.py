"""OpenAI's chat messages, checked and read into values."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from itertools import count
from mimetypes import guess_type
from os import PathLike, fsdecode
from os.path import basename
from typing import Any, Literal, NoReturn

import msgspec

from ..errors import BadRequestError
from .plain import as_json, plain, shown

Role = Literal["system", "user", "assistant", "tool"]
MediaKind = Literal["image", "audio", "video", "file"]

_ROLES: dict[Any, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}

_ADDRESSES = ("data:", "http:", "https:")
_UNKNOWN = "application/octet-stream"
_MEDIA: dict[str, tuple[MediaKind, str]] = {
    "image_url": ("image", "image/png"),
    "audio_url": ("audio", "audio/wav"),
    "input_audio": ("audio", "audio/wav"),
    "video_url": ("video", "video/mp4"),
    "input_video": ("video", "video/mp4"),
    "file": ("file", _UNKNOWN),
}
"""The types of parts that hold a medium: its kind, and what its base64 is unless it says so itself."""
_BEGINNINGS = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
    b"%PDF": "application/pdf",
    b"ID3": "audio/mpeg",
    b"\xff\xfb": "audio/mpeg",
    b"OggS": "audio/ogg",
    b"fLaC": "audio/flac",
    b"\x1aE\xdf\xa3": "video/webm",
}
"""How the files that models take begin. Formats with their mark further in are in `mime_of`."""
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"mif1"), "image/heic"),
    b"avif": "image/avif",
    b"M4A ": "audio/mp4",
    b"qt  ": "video/quicktime",
}
"""What is in a container that films have, too."""


class Media(msgspec.Struct, frozen=True):
    """An image, a sound, a film or a file: a URL, a data URI or a path on this machine, or an open file."""

    kind: MediaKind
    source: str
    filename: str | None = None
    file: Any = None


class InputMessage(msgspec.Struct, frozen=True):
    """One message as a call gives it. `developer` is read as `system`, the older `function` as `tool`; `thought` is
    what an assistant thought before it answered."""

    role: Role
    text: str = ""
    media: tuple[Media, ...] = ()
    tool_calls: tuple[dict[str, Any], ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    thought: str = ""

    def as_openai(self) -> dict[str, Any]:
        """The message in OpenAI's form, with its text alone for content."""
        message: dict[str, Any] = {"role": self.role, "content": self.text}
        if self.tool_calls:
            message["tool_calls"] = list(self.tool_calls)
        if self.tool_call_id is not None:
            message["tool_call_id"] = self.tool_call_id
        if self.name is not None:
            message["name"] = self.name
        return message


def read_messages(messages: Any) -> tuple[InputMessage, ...]:
    """The messages of a call as values.

    Args:
        messages: a list of mappings, or of objects with `model_dump()`, in the shape of OpenAI's
            `chat.completions.create(messages=...)`; messages that were read already pass as they are.

    Raises:
        BadRequestError: it names the message that is wrong and says what to write instead.
    """
    if not isinstance(messages, (list, tuple)):
        messages = plain(messages, "messages")
        if not isinstance(messages, (list, tuple)):
            raise BadRequestError(
                f'messages must be a list such as [{{"role": "user", "content": "Hello"}}], '
                f"not {type(messages).__name__}.",
                param="messages",
            )
    if not messages:
        raise BadRequestError("messages is empty: give at least one message.", param="messages")
    return tuple(map(_read_message, count(), messages))


def _mapping(index: int, value: Any, what: str) -> Mapping[str, Any]:
    """A message or a piece of one as a mapping, whichever client library made it."""
    read = plain(value, f"messages[{index}]")
    if isinstance(read, dict):
        return read
    _refuse(index, f"{what}, not {type(value).__name__}")


def _read_message(index: int, message: Any) -> InputMessage:
    if type(message) is dict and len(message) == 2:  # nearly all messages are this simple
        role, content = message.get("role"), message.get("content")
        if type(role) is str and type(content) is str and role in _ROLES and content.isascii():
            return InputMessage(_ROLES[role], content)
    if type(message) is InputMessage:
        return message
    message = _mapping(index, message, "must be a mapping with role and content")
    role, content = message.get("role"), message.get("content")
    known = _ROLES.get(role) if isinstance(role, str) else None
    if known is None:
        _refuse(index, f"has the role {shown(role)}; use one of {', '.join(_ROLES)}")
    text, media = _content(index, known, content, message)
    return InputMessage(
        known,
        text,
        media,
        _tool_calls(index, message) if known == "assistant" else (),
        _string_or_none(index, message, "tool_call_id"),
        _string_or_none(index, message, "name"),
        _thought(message) if known == "assistant" else "",
    )


def _thought(message: Mapping[str, Any]) -> str:
    """What other clients give back of an answer's reasoning; that of no known form is left out."""
    given = message.get("reasoning_content") or message.get("reasoning")
    return given if isinstance(given, str) else ""


def _content(
    index: int, role: Role, content: Any, message: Mapping[str, Any]
) -> tuple[str, tuple[Media, ...]]:
    if isinstance(content, str):
        return content, ()
    if content is None and role in ("assistant", "tool"):
        # It called tools, refused, or was cut off before its first word; a tool had nothing to tell.
        refusal = message.get("refusal")
        return (refusal if isinstance(refusal, str) else ""), ()
    if content is None:
        _refuse(index, "has no content: give a string or a list of content parts")
    if isinstance(content, (list, tuple)):
        read = [_part(index, part) for part in content]
        text = "".join([part for part in read if isinstance(part, str)])
        return text, tuple([part for part in read if isinstance(part, Media)])
    _refuse(index, f"has content of type {type(content).__name__}: give a string or a list of content parts")


def _part(index: int, part: Any) -> str | Media:
    """One content part; OpenAI's `text`, `refusal`, `image_url`, `input_audio`, `file`, and video."""
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        _refuse(index, f"has a content part that must be a mapping with a type, not {type(part).__name__}")
    kind = part.get("type")
    if not isinstance(kind, str):
        _refuse(index, f"has a content part whose type must be a string such as text, not {shown(kind)}")
    if key := _TEXT_PARTS.get(kind):
        text = part.get(key)
        if not isinstance(text, str):
            _refuse(index, f'has a part of type "{kind}" whose {key} is not a string')
        return text
    if kind in _MEDIA:
        return _medium(index, part, kind)
    _refuse(
        index,
        f"has a content part of type {shown(kind)}; known are text, image_url, audio_url, input_audio, "
        "video_url, input_video and file",
    )


def _medium(index: int, part: Mapping[str, Any], key: str) -> Media:
    """The medium under `key`: a URL, a path, bytes or an open file; or a mapping that has one of these, or base64."""
    kind, mime = _MEDIA[key]
    given, filename = part.get(key), None
    if isinstance(given, Mapping):
        filename = _string_or_none(index, given, "filename")
        data = given.get("data") or given.get("file_data")
        if isinstance(data, str):
            if given.get("format") and kind != "file":
                mime = f"{kind}/{given['format']}"
            return Media(kind, _as_url(data, mime), filename)
        given = data or given.get("file_url") or given.get("url") or _address(given.get("file_id"))
    if (isinstance(given, str) and given) or isinstance(given, PathLike) or is_content(given):
        medium = medium_of(kind, given)
        return medium if filename is None else msgspec.structs.replace(medium, filename=filename)
    if kind == "file":
        _refuse(
            index,
            'has a file part without file_data: give {"file": {"file_data": "data:application/pdf;base64,...", '
            '"filename": "a.pdf"}}; ids of files that were uploaded elsewhere mean nothing to Replicate',
        )
    _refuse(index, f'has a part of type "{key}" without a URL: write {{"{key}": {{"url": "https://..."}}}}')


def _address(file_id: Any) -> Any:
    """LiteLLM's users give a file's URL as its id."""
    return file_id if isinstance(file_id, str) and file_id.startswith(_ADDRESSES) else None


def is_content(value: Any) -> bool:
    """Whether it is a file's content: bytes, or an object with a `read` method."""
    return isinstance(value, bytes) or callable(getattr(value, "read", None))


def medium_of(kind: MediaKind, value: Any) -> Media:
    """A medium that is given as a URL, a path, bytes or an open file."""
    if isinstance(value, bytes):
        return Media(kind, _as_url(base64.b64encode(value).decode(), mime_of(value)))
    if isinstance(value, (str, PathLike)):
        return Media(kind, fsdecode(value))
    name = getattr(value, "name", None)
    return Media(kind, "", basename(name) if isinstance(name, str) else None, value)


def mime_of(content: bytes, name: str = "") -> str:
    """The media type of a file, by its name and else by how it begins.

    By its name alone, it would depend on the machine: many a one knows no `.webp`, which is standard in Python 3.13 only.
    """
    if (named := guess_type(name, strict=False)[0]) is not None:
        return named
    if content[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(content[8:12], _UNKNOWN)
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12], "video/mp4")
    return next((mime for start, mime in _BEGINNINGS.items() if content.startswith(start)), _UNKNOWN)


def _as_url(data: str, mime: str) -> str:
    """Base64 as a data URI; a URL as it is."""
    return data if data.startswith(_ADDRESSES) else f"data:{mime};base64,{data}"


def _tool_calls(index: int, message: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    calls = _json(index, "tool_calls", message) or ()
    if not calls and isinstance(call := _json(index, "function_call", message), Mapping):
        calls = [{"function": call}]
    if not isinstance(calls, (list, tuple)):
        _refuse(index, "has tool_calls that are not a list")
    read = []
    for call in calls:
        call = _mapping(index, call, "has a tool call that must be a mapping")
        function = _mapping(index, call.get("function"), "has a tool call whose function must be a mapping")
        if not isinstance(function.get("name"), str):
            _refuse(index, 'has a tool call without {"function": {"name": ..., "arguments": ...}}')
        id = _string_or_none(index, call, "id")
        read.append({"id": id, "type": "function", "function": _called(function)})
    return tuple(read)


def _called(function: Mapping[str, Any]) -> dict[str, Any]:
    """The function and its arguments, which are `{}` if the client gave none."""
    arguments = function.get("arguments")
    blank = arguments is None or (isinstance(arguments, str) and not arguments.strip())
    return {**function, "arguments": "{}"} if blank else dict(function)


def _json(index: int, key: str, message: Mapping[str, Any]) -> Any:
    try:
        return as_json(message.get(key))
    except ValueError as error:
        _refuse(index, f"has {key} that JSON cannot hold: {error}")


def _string_or_none(index: int, message: Mapping[str, Any], key: str) -> str | None:
    value = message.get(key)
    if value is not None and not isinstance(value, str):
        _refuse(index, f"has {key} of type {type(value).__name__}: give a string")
    return value


def _refuse(index: int, why: str) -> NoReturn:
    raise BadRequestError(f"messages[{index}] {why}.", param="messages")
