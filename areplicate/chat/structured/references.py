"""The names and references of a JSON Schema as URIs.

A schema's `$id` and its references must be URIs, which have neither spaces nor brackets, nor any letter that is not
ASCII: `#/$defs/Größe` is `#/$defs/Gr%C3%B6%C3%9Fe`. Many who write schemas do not know that, and generators write the
names of types as they are: `#/definitions/Partial<User>`.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

_REFERENCES = frozenset(("$id", "id", "$ref", "$dynamicRef", "$recursiveRef"))
_BY_NAME = frozenset(
    ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies")
)
"""Keywords that hold schemas by name; such a name may be that of a keyword."""
_VALUES = frozenset(("const", "enum", "default", "examples"))
"""Keywords that hold values, and no schemas."""
_NOT_OF_A_URI = re.compile(r"[^A-Za-z0-9\-._~:/?@!$&'()*+,;=%]|%(?![0-9A-Fa-f]{2})")


def with_uris(schema: Any) -> Any:
    """The schema with the same names and references, quoted where URIs are."""
    if isinstance(schema, list):
        return list(map(with_uris, schema))
    if not isinstance(schema, dict):
        return schema
    made = {}
    for name, value in schema.items():
        if name in _REFERENCES and isinstance(value, str):
            value = _uri(value)
        elif name in _BY_NAME and isinstance(value, dict):
            value = dict(zip(value, map(with_uris, value.values()), strict=True))
        elif name not in _VALUES:
            value = with_uris(value)
        made[name] = value
    return made


def _uri(reference: str) -> str:
    document, hash, fragment = reference.partition("#")
    return _quoted(document) + hash + _quoted(fragment)


def _quoted(text: str) -> str:
    return _NOT_OF_A_URI.sub(lambda found: quote(found[0], safe=""), text)
