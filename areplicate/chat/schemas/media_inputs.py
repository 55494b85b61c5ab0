"""Which inputs of a model take images, sounds, films and files."""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

import msgspec

from ..messages import MediaKind
from .schema import Field

_STEMS: dict[MediaKind, str] = {
    "image": r"images?|img|picture|photo",
    "audio": r"audios?|sound|speech",
    "video": r"videos?|film",
    "file": r"files?|documents?|pdf|attachments?",
}
_NAME = r"(input_)?({})(_(input|inputs|urls?|files?|paths?))?\d*"
_GENERIC = r"media|inputs?|(input_)?files?(_urls?)?"


class MediaFields(msgspec.Struct, frozen=True):
    """The inputs for each kind of media, in the order in which they are filled.

    `single` take one URL each, `lists` any number.
    """

    single: dict[str, tuple[str, ...]] = {}
    lists: dict[str, str] = {}

    def has(self, name: str) -> bool:
        """Whether an input of that name takes media."""
        return name in self.lists.values() or name in chain(*self.single.values())

    @property
    def any(self) -> bool:
        return bool(self.single or self.lists)


UNGUIDED = MediaFields({"image": ("image",), "audio": ("audio",), "video": ("video",), "file": ("file",)})
"""For models whose inputs are not known: the names that most models use."""


def media_fields(fields: dict[str, Field]) -> MediaFields:
    """The media inputs among a model's inputs, by type and by name."""
    single: dict[str, tuple[str, ...]] = {}
    lists: dict[str, str] = {}
    named = {
        kind: [n for n, f in fields.items() if re.fullmatch(_NAME.format(stem), n) and _holds_urls(f)]
        for kind, stem in _STEMS.items()
    }
    taken = {name for names in named.values() for name in names}
    others = [n for n, f in fields.items() if f.media and n not in taken]
    for kind, stem in _STEMS.items():
        found = named[kind] or [n for n in others if re.search(stem, n)]
        found = found or [n for n, f in fields.items() if f.media and re.fullmatch(_GENERIC, n)]
        one = [n for n in found if fields[n].type != "array"]
        many = [n for n in found if fields[n].type == "array"]
        if one:
            single[kind] = tuple(n for n in one if _stem(n) == _stem(one[0]))
        if many:
            lists[kind] = many[0]
    return MediaFields(single, lists)


def _holds_urls(field: Field) -> bool:
    if field.enum is not None:
        return False
    return field.type == "string" or (field.type == "array" and field.items in ("string", "any"))


def _stem(name: str) -> str:
    return name.rstrip("0123456789")


def place_media(media: MediaFields, kind: str, count: int) -> list[tuple[str, Any]] | None:
    """Where `count` media of a kind go, as `(input, index in its list or None)`; None if nowhere."""
    one, many = media.single.get(kind, ()), media.lists.get(kind)
    if count <= len(one) and not (many and count > 1):
        return [(name, None) for name in one[:count]]
    if many is not None:
        return [(many, index) for index in range(count)]
    return None
