"""OpenAI's chat messages, checked and read into values."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from typing import Any, Literal, NoReturn, cast

import msgspec

from ..errors import BadRequestError

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


class Media(msgspec.Struct, frozen=True):
    """An image, a sound, a film or a file: a URL, a data URI or a path on this machine."""

    kind: MediaKind
    source: str
    filename: str | None = None


class Message(msgspec.Struct, frozen=True):
    """One message. `developer` is read as `system`, the older `function` as `tool`."""

    role: Role
    text: str = ""
    media: tuple[Media, ...] = ()
    tool_calls: tuple[dict[str, Any], ...] = ()
    tool_call_id: str | None = None
    name: str | None = None


def read_messages(messages: Any) -> tuple[Message, ...]:
    """The messages of a call as values.

    Args:
        messages: a list of mappings, or of objects with `model_dump()`, in the shape of OpenAI's
            `chat.completions.create(messages=...)`; messages that were read already pass as they are.

    Raises:
        BadRequestError: it names the message that is wrong and says what to write instead.
    """
    if not isinstance(messages, (list, tuple)):
        raise BadRequestError(
            f'messages must be a list such as [{{"role": "user", "content": "Hello"}}], '
            f"not {type(messages).__name__}."
        )
    if not messages:
        raise BadRequestError("messages is empty: give at least one message.")
    return tuple([_read_message(i, message) for i, message in enumerate(messages)])


def _mapping(index: int, value: Any, what: str) -> Mapping[str, Any]:
    """A message or a piece of one as a mapping, whichever client library made it."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, msgspec.Struct):
        return cast("Mapping[str, Any]", msgspec.to_builtins(value))
    if callable(dump := getattr(value, "model_dump", None)) and isinstance(dumped := dump(), Mapping):
        return dumped
    _refuse(index, f"{what}, not {type(value).__name__}")


def _read_message(index: int, message: Any) -> Message:
    if type(message) is not dict:
        if type(message) is Message:
            return message
        message = _mapping(index, message, "must be a mapping with role and content")
    role = message.get("role")
    known = _ROLES.get(role) if type(role) is str else None
    content = message.get("content")
    if len(message) == 2 and type(content) is str and known is not None and content.isascii():
        return Message(known, content)  # nearly all messages are this simple
    if known is None:
        _refuse(index, f"has the role {role!r}; use one of {', '.join(_ROLES)}")
    text, media = _content(index, known, content, message)
    return Message(
        known,
        text,
        media,
        _tool_calls(index, message) if known == "assistant" else (),
        _string_or_none(index, message, "tool_call_id"),
        _string_or_none(index, message, "name"),
    )


def _content(
    index: int, role: Role, content: Any, message: Mapping[str, Any]
) -> tuple[str, tuple[Media, ...]]:
    if isinstance(content, str):
        return _text(index, content), ()
    if content is None:
        if role == "assistant" and (message.get("tool_calls") or message.get("function_call")):
            return "", ()
        if role == "assistant" and isinstance(refusal := message.get("refusal"), str):
            return _text(index, refusal), ()
        _refuse(index, "has no content: give a string or a list of content parts")
    if isinstance(content, (list, tuple)):
        texts, media = [], []
        for part in content:
            read = _part(index, part)
            if isinstance(read, Media):
                media.append(read)
            else:
                texts.append(_text(index, read))
        return "".join(texts), tuple(media)
    _refuse(index, f"has content of type {type(content).__name__}: give a string or a list of content parts")


def _part(index: int, part: Any) -> str | Media:
    """One content part; OpenAI's `text`, `refusal`, `image_url`, `input_audio`, `file`, and video."""
    if isinstance(part, str):
        return part
    part = _mapping(index, part, "has a content part that must be a mapping with a type")
    kind = part.get("type")
    if (key := _TEXT_PARTS.get(kind)) if isinstance(kind, str) else None:
        text = part.get(key)
        if not isinstance(text, str):
            _refuse(index, f'has a part of type "{kind}" whose {key} is no string')
        return text
    match kind:
        case "image_url":
            return Media("image", _url(index, part, "image_url"))
        case "video_url":
            return Media("video", _url(index, part, "video_url"))
        case "audio_url":
            return Media("audio", _url(index, part, "audio_url"))
        case "input_audio":
            return Media("audio", _data_or_url(index, part, "input_audio", "audio", "wav"))
        case "input_video":
            return Media("video", _data_or_url(index, part, "input_video", "video", "mp4"))
        case "file":
            return _file(index, part)
    _refuse(
        index,
        f"has a content part of type {kind!r}; known are text, image_url, input_audio, video_url, "
        "input_video and file",
    )


def _url(index: int, part: Mapping[str, Any], key: str) -> str:
    value = part.get(key)
    if isinstance(value, Mapping):
        value = value.get("url")
    if isinstance(value, PathLike):
        value = fspath(value)
    if not isinstance(value, str) or not value:
        _refuse(
            index, f'has a part of type "{key}" without a URL: write {{"{key}": {{"url": "https://..."}}}}'
        )
    return _text(index, value)


def _data_or_url(index: int, part: Mapping[str, Any], key: str, kind: str, default_format: str) -> str:
    value = part.get(key)
    if isinstance(value, Mapping) and isinstance(data := value.get("data"), str) and data:
        if data.startswith(("data:", "http:", "https:")):
            return data
        return f"data:{kind}/{value.get('format') or default_format};base64,{data}"
    return _url(index, part, key)


def _file(index: int, part: Mapping[str, Any]) -> Media:
    file = part.get("file")
    if isinstance(file, Mapping):
        filename = _string_or_none(index, file, "filename")
        if isinstance(data := file.get("file_data"), str) and data:
            bare = not data.startswith(("data:", "http:", "https:"))
            return Media("file", f"data:application/octet-stream;base64,{data}" if bare else data, filename)
        if "file_url" in file or "url" in file:
            return Media(
                "file", _url(index, {"file_url": file.get("file_url") or file}, "file_url"), filename
            )
    _refuse(
        index,
        'has a file part without file_data: give {"file": {"file_data": "data:application/pdf;base64,...", '
        '"filename": "a.pdf"}}; ids of files that were uploaded elsewhere mean nothing to Replicate',
    )


def _tool_calls(index: int, message: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    calls = message.get("tool_calls") or ()
    if not calls and isinstance(call := message.get("function_call"), Mapping):
        calls = [{"type": "function", "function": call}]
    if not isinstance(calls, (list, tuple)):
        _refuse(index, "has tool_calls that are no list")
    read = []
    for call in calls:
        call = _mapping(index, call, "has a tool call that must be a mapping")
        function = _mapping(index, call.get("function"), "has a tool call whose function must be a mapping")
        if not isinstance(function.get("name"), str):
            _refuse(index, 'has a tool call without {"function": {"name": ..., "arguments": ...}}')
        read.append({"id": call.get("id"), "type": "function", "function": dict(function)})
    return tuple(read)


def _string_or_none(index: int, message: Mapping[str, Any], key: str) -> str | None:
    value = message.get(key)
    if value is not None and not isinstance(value, str):
        _refuse(index, f"has a {key} of type {type(value).__name__}: give a string")
    return value


def _text(index: int, text: str) -> str:
    """The text itself, where it can be sent: half of a surrogate pair has no UTF-8 form."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            _refuse(index, f"has text that is not valid Unicode at character {error.start}")
    return text


def _refuse(index: int, why: str) -> NoReturn:
    raise BadRequestError(f"messages[{index}] {why}.")
