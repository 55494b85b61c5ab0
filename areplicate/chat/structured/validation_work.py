"""Estimates how much work it is to validate a value against a JSON Schema.

Alternatives within alternatives, and definitions that name one another, multiply: a schema of a few hundred bytes can
keep a validator busy for hours, and to say why a value fits none of them takes longer than to see it. So the work is
counted beforehand, each part of the schema with each part of the value once.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple
from urllib.parse import unquote

MOST = 100_000_000
"""Steps that a check may take: a fraction of a second."""
MOST_EXPLAINED = 2_000
"""Steps of a check whose failure is explained in as little time."""
MOST_REFERENCES = 2_000
"""References of a schema that is read in as little time."""
MOST_OF_PATTERNS = 100_000
"""Characters of all patterns together: a regular expression takes hundreds of times its length while it is read."""
_MOST_LOOKS = 300_000
"""Steps that the counting itself may take."""
_MOST_TARGETS = 200_000
"""The number of references, times the number of places that each may refer to."""

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_OF_THE_SAME = (
    *("allOf", "anyOf", "oneOf", "not", "if", "then", "else"),
    *("dependentSchemas", "dependencies"),
)
_OF_MEMBERS = ("additionalProperties", "unevaluatedProperties", "propertyNames", "patternProperties")
_OF_ITEMS = ("items", "prefixItems", "additionalItems", "unevaluatedItems", "contains")
_BY_NAME = ("dependentSchemas", "dependencies", "patternProperties")
"""Keywords that hold schemas by name; all others hold one schema, or a list of them."""
_ANYTHING = object()
"""Stands for a value that has a member and an item for each part of the schema."""


class _TooManyLooks(Exception):
    pass


class _Parts(NamedTuple):
    """The schemas in a schema: for the same value, its members by name, all its members, and its items."""

    of_the_same: list[Any]
    properties: dict[str, Any]
    of_members: list[Any]
    of_items: list[Any]


class ValidationWork:
    """Counts the steps of checking values against a schema.

    Raises:
        ValueError: the schema is too much work, whatever the value.
    """

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._documents: list[Any] = [schema]
        self._anchors: dict[str, list[Any]] = {}
        self._parts: dict[int, _Parts] = {}
        self._references = 0
        self.patterns: list[str] = []
        """The regular expressions in it."""
        self._note_names(schema)
        if sum(map(len, self.patterns)) > MOST_OF_PATTERNS:
            raise ValueError(f"its patterns have more than {MOST_OF_PATTERNS:,} characters")
        targets = len(self._documents) + sum(map(len, self._anchors.values()))
        if self._references * targets > _MOST_TARGETS:
            raise ValueError("it has too many documents and anchors for its references")
        if self._references > MOST_REFERENCES:
            raise ValueError(f"it has more than {MOST_REFERENCES:,} references")
        if self._count(None) > MOST:
            raise ValueError("its definitions name one another too often")
        self._is_little = self._count(_ANYTHING) <= MOST_EXPLAINED

    def of(self, value: Any) -> float:
        """Steps at most; 0 if no value makes many."""
        return 0 if self._is_little else self._count(value)

    def _count(self, value: Any) -> float:
        self._looks = 0
        try:
            return self._steps(self._schema, value, {})
        except (RecursionError, _TooManyLooks):
            return inf

    def _steps(self, schema: Any, value: Any, seen: dict[tuple[int, int], float]) -> float:
        self._looks += 1
        if self._looks > _MOST_LOOKS:
            raise _TooManyLooks
        if not isinstance(schema, dict):
            return 1
        place = id(schema), id(value)
        if (known := seen.get(place)) is not None:
            return known
        seen[place] = inf  # reached again on the way, it would never end
        steps = 1.0
        parts = self._parts.get(place[0]) or self._parts_of(schema)
        for part in parts.of_the_same:
            steps += self._steps(part, value, seen)
        if value is _ANYTHING:
            for part in (*parts.properties.values(), *parts.of_members, *parts.of_items):
                steps += self._steps(part, value, seen)
        elif isinstance(value, dict):
            for name, part in parts.properties.items():
                if name in value:
                    steps += self._steps(part, value[name], seen)
            for part in parts.of_members:
                steps += sum([self._steps(part, each, seen) for each in value.values()])
        elif isinstance(value, list):
            for part in parts.of_items:
                steps += sum([self._steps(part, each, seen) for each in value])
        seen[place] = steps
        return steps

    def _parts_of(self, schema: dict[str, Any]) -> _Parts:
        """A schema's parts, by what of a value is checked against them; kept for the next time."""
        same = [part for name in _OF_THE_SAME for part in _schemas(schema, name)]
        if "unevaluatedProperties" in schema or "unevaluatedItems" in schema:
            same *= 2  # once more, to see what they leave
        parts = self._parts[id(schema)] = _Parts(
            [*same, *(part for name in _REFERENCES for part in self._targets(schema.get(name)))],
            _mapping(schema.get("properties")),
            [part for name in _OF_MEMBERS for part in _schemas(schema, name)],
            [part for name in _OF_ITEMS for part in _schemas(schema, name)],
        )
        return parts

    def _targets(self, reference: Any) -> list[Any]:
        """All that a reference may mean."""
        if not isinstance(reference, str):
            return []
        fragment = unquote(reference.partition("#")[2])
        if fragment and not fragment.startswith("/"):
            return self._anchors.get(fragment, [])
        found = [_at_pointer(document, fragment) for document in self._documents]
        return [part for part in found if part is not None]

    def _note_names(self, part: Any) -> None:
        if isinstance(part, dict):
            if part is not self._schema and isinstance(part.get("$id", part.get("id")), str):
                self._documents.append(part)
            self._references += any(name in part for name in _REFERENCES)
            for name in ("$anchor", "$dynamicAnchor"):
                if isinstance(anchor := part.get(name), str):
                    self._anchors.setdefault(anchor, []).append(part)
            self.patterns += [each for each in (part.get("pattern"),) if isinstance(each, str)]
            self.patterns += _mapping(part.get("patternProperties"))
        for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            if isinstance(each, (dict, list)):
                self._note_names(each)


def _schemas(schema: dict[str, Any], name: str) -> list[Any]:
    """The schemas under a keyword."""
    found = schema.get(name)
    if isinstance(found, dict) and name in _BY_NAME:
        return list(found.values())
    if isinstance(found, list):
        return found
    return [] if found is None else [found]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _at_pointer(document: Any, pointer: str) -> Any:
    """What a JSON pointer shows; None if there is nothing."""
    part = document
    for key in pointer.split("/")[1:]:
        key = key.replace("~1", "/").replace("~0", "~")
        if isinstance(part, list) and key.isdigit() and int(key) < len(part):
            part = part[int(key)]
        else:
            part = _mapping(part).get(key)
    return part
