"""Rewords msgspec's errors for the person who wrote the value."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

_MESSAGE = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?", re.DOTALL)
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}

PATTERNS: dict[str, str] = {}
"""What patterns mean, by how msgspec shows them."""


def pattern(regex: str, meaning: str, description: str | None = None) -> msgspec.Meta:
    """The pattern of a struct's text, with what it means in an error: such as "a string that is not empty".

    A `$` at its end is the end of the text. Python would take the place before a last line break for it, too.
    """
    if regex.endswith("$"):
        regex = regex[:-1] + r"(?!\n)$"
    PATTERNS[repr(regex)] = meaning
    return msgspec.Meta(pattern=regex, description=description)


class Mismatch(NamedTuple):
    """Where a value is wrong, such as `models[0]` (empty for the whole), and why, as a predicate."""

    place: str
    why: str

    @property
    def steps(self) -> list[str | int]:
        """The place as keys and indexes, as far as they are known: msgspec leaves out a dictionary's keys."""
        return [name or int(index) for name, index in _STEP.findall(self.place.split("[...]")[0])]


def mismatch(error: msgspec.ValidationError, kind: type) -> Mismatch:
    """What is wrong with a value that was to become the struct `kind`."""
    found = _MESSAGE.fullmatch(str(error))
    assert found is not None, "it matches any text"
    what, place = found[1], found[2] or ""
    if match := re.fullmatch(r"Object (missing required|contains unknown) field `(.+)`", what):
        place = f"{place}.{match[2]}" if place else match[2]
        return Mismatch(place, "is missing" if match[1] == "missing required" else "is not known here")
    if match := re.fullmatch(r"Invalid enum value (.+)", what, re.DOTALL):
        choices = " or ".join(map(repr, _choices(kind).get(place, ())))
        return Mismatch(place, f"must {f'be {choices}, not' if choices else 'not be'} {match[1][:80]}")
    return Mismatch(place, _plain(what))


@cache
def _choices(kind: type) -> dict[str, list[str]]:
    """The texts that each field of a struct may be, if it may be few."""
    return {name: _literals(hint) for name, hint in get_type_hints(kind).items()}


def _literals(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [text for part in get_args(hint) for text in _literals(part)]


def _plain(what: str) -> str:
    """Such as "must be a whole number or null, not a string" for "Expected `int | null`, got `str`"."""
    if match := re.fullmatch(r"Expected `([^`]+)`(?: of length)? (>=|<=|>|<) (\S+)", what):
        return _bound(match[1], match[2], match[3], "length" in what)
    if match := re.fullmatch(r"Expected `([^`]+)`, got `([^`]+)`", what):
        return f"must be {_kinds(match[1])}, not {_kinds(match[2])}"
    if match := re.fullmatch(r"Expected `str` matching regex (.+)", what):
        return f"must be {PATTERNS.get(match[1], f'a string that matches {match[1]}')}"
    return f"is wrong: {what[:200]}"


def _bound(kind: str, sign: str, bound: str, length: bool) -> str:
    most = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}[sign]
    if not length:
        return f"must be {most} {bound}"
    return f"must have {most} {bound} {'character' if kind == 'str' else 'item'}{'' if bound == '1' else 's'}"


def _kinds(names: str) -> str:
    return " or ".join(_WORDS.get(name.strip(), name.strip()) for name in names.split("|"))
