"""What a model takes and gives: its input and output schema, as far as areplicate uses it."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import msgspec

from ..formats.families import Shown, shown_format

_TYPES = frozenset(("string", "integer", "number", "boolean", "array", "object"))
_LONGEST_DEFAULT = 60
_MOST_INPUTS = 500
"""No real model has as many: what a model publishes is a stranger's."""
_MOST_PARTS = 100_000
"""Keys that all references together may put into schemas: a few hundred bytes that name one another would take hours."""


class Field(msgspec.Struct, frozen=True, omit_defaults=True):
    """One input of a model.

    Attributes:
        type: JSON's `string`, `integer`, `number`, `boolean`, `array`, `object`, or `any`.
        items: the type of an array's entries.
        media: it takes a URL or a data URI (`format: uri`).
        default: what the model takes if nothing is sent; long texts are left out.
    """

    type: str = "any"
    items: str | None = None
    media: bool = False
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    enum: tuple[Any, ...] | None = None
    default: Any = None

    @property
    def bounds(self) -> str:
        """The bounds in words, such as `0 to 5` or `at least 1`; empty if there are none."""
        bounds = " to ".join(f"{bound:.15g}" for bound in (self.minimum, self.maximum) if bound is not None)
        if not bounds or None not in (self.minimum, self.maximum):
            return bounds
        return f"at {'least' if self.maximum is None else 'most'} {bounds}"


def is_flat(fields: Container[str]) -> bool:
    """Whether a model takes the shapes of OpenAI's Responses API."""
    return "input_item_list" in fields


class ModelSchema(msgspec.Struct, frozen=True, omit_defaults=True, eq=False):
    """A model's inputs and the kind of its output.

    Compared by identity, so that what is worked out from a schema once can be kept with it.

    Attributes:
        model: `owner/name`.
        version: the version that has this schema.
        output: `stream` (pieces of text), `text`, `list`, `object`, `number`, `media` or `any`.
        format: what the schema and the example show of the chat format.
        prompt_is_messages: the prompt is a JSON array of OpenAI's messages.
    """

    fields: dict[str, Field] = {}
    required: tuple[str, ...] = ()
    model: str | None = None
    version: str | None = None
    output: str = "stream"
    format: Shown = Shown()
    prompt_is_messages: bool = False


def from_openapi(
    schemas: Mapping[str, Any],
    *,
    model: str | None = None,
    version: str | None = None,
    example: object = None,
) -> ModelSchema:
    """The schema in a version's `openapi_schema.components.schemas`.

    Args:
        schemas: the named schemas: `Input`, `Output`, and those that they refer to.
        example: the `input` of the model's default example, which often shows its chat format.

    Raises:
        ValueError: there is too much in them.
    """
    resolve = _Resolver(schemas).resolve
    entry = resolve(schemas.get("Input"))
    given = _by_order(entry.get("properties"))
    if len(given) > _MOST_INPUTS:
        raise ValueError(f"the model has {len(given)} inputs; {_MOST_INPUTS} are read")
    properties = {name: resolve(prop) for name, prop in given}
    required = [name for name in _list(entry.get("required")) if isinstance(name, str) and name in properties]
    output = resolve(schemas.get("Output"))
    described = str(properties.get("prompt", {}).get("description") or "").lower()
    return ModelSchema(
        fields={name: _field(prop, resolve(prop.get("items"))) for name, prop in properties.items()},
        required=tuple(required),
        model=model,
        version=version,
        output=_output_kind(output, resolve(output.get("items"))),
        format=shown_format(properties, example if isinstance(example, Mapping) else {}, model),
        prompt_is_messages=_in_this_order(described, "json", "messages", "role"),
    )


def _in_this_order(text: str, *words: str) -> bool:
    """Whether the words stand in the text, one behind the other; a regular expression would look for hours."""
    at = 0
    for word in words:
        at = text.find(word, at) + len(word)
        if at < len(word):
            return False
    return True


def _by_order(properties: Any) -> list[tuple[str, Any]]:
    def order(item: tuple[str, Any]) -> float:
        order = item[1].get("x-order") if isinstance(item[1], Mapping) else None
        return order if isinstance(order, (int, float)) else float("inf")

    return sorted(properties.items(), key=order) if isinstance(properties, Mapping) else []


class _Resolver:
    """Takes references, and the `null` that a schema may also be, out of it."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas
        self._left = _MOST_PARTS

    def resolve(self, node: Any, depth: int = 0) -> dict[str, Any]:
        """Raises a `ValueError` if all of them together have too much in them."""
        if not isinstance(node, Mapping) or depth > 8:
            return {}
        resolved: dict[str, Any] = {}
        either = _list(node.get("anyOf")) or _list(node.get("oneOf"))
        branches = [*_list(node.get("allOf")), *(b for b in either if not _is_null(b))]
        if isinstance(ref := node.get("$ref"), str):
            branches.append(self._schemas.get(ref.rpartition("/")[2]))
        for branch in branches:
            found = self.resolve(branch, depth + 1)
            self._left -= 1 + len(found)
            if self._left < 0:
                raise ValueError("the model's schemas name one another too often")
            if "type" in resolved and found.get("type") not in (None, resolved["type"]):
                resolved["type"] = "any"
            else:
                resolved.update(found)
        resolved.update(node)
        if isinstance(kinds := node.get("type"), list):
            kinds = [kind for kind in kinds if kind != "null"]
            resolved["type"] = kinds[0] if len(kinds) == 1 else "any"
        return resolved


def _is_null(branch: Any) -> bool:
    return isinstance(branch, Mapping) and branch.get("type") == "null"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any, kinds: tuple[type, ...] = (int, float)) -> Any:
    return value if isinstance(value, kinds) and not isinstance(value, bool) else None


def _field(prop: Mapping[str, Any], items: Mapping[str, Any]) -> Field:
    kind = prop.get("type")
    kind = kind if isinstance(kind, str) and kind in _TYPES else "any"
    entries = items.get("type")
    default = prop.get("default")
    return Field(
        type=kind,
        items=(entries if isinstance(entries, str) else "any") if kind == "array" else None,
        media="uri" in (prop.get("format"), items.get("format")),
        minimum=_number(prop.get("minimum")),
        maximum=_number(prop.get("maximum")),
        min_length=_number(prop.get("minLength"), (int,)),
        max_length=_number(prop.get("maxLength"), (int,)),
        enum=tuple(_list(prop.get("enum"))) or None,
        default=None if len(str(default)) > _LONGEST_DEFAULT else default,
    )


def _output_kind(output: Mapping[str, Any], items: Mapping[str, Any]) -> str:
    match output.get("type"):
        case "array":
            if items.get("format") == "uri":
                return "media"
            if items.get("type") != "string":
                return "list"
            return "stream" if output.get("x-cog-array-type") == "iterator" else "list"
        case "string":
            return "media" if output.get("format") == "uri" else "text"
        case "integer" | "number":
            return "number"
        case "object":
            return "object"
    return "any"
