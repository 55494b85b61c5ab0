"""JSON Schemas for the OpenAPI document, for what no struct describes."""

from __future__ import annotations

from typing import Any

Shape = dict[str, Any]

TEXT: Shape = {"type": "string"}
FULL_TEXT: Shape = {"type": "string", "minLength": 1}


def mapping(required: str, **fields: Shape) -> Shape:
    """An object with these fields, of which the named ones are required."""
    return {"type": "object", "required": required.split(), "properties": fields}


def items(kind: Shape, **bounds: Any) -> Shape:
    return {"type": "array", "items": kind, **bounds}


def either(*kinds: Shape, **more: Any) -> Shape:
    return {"anyOf": list(kinds), **more}


def one_of(*values: str | None) -> Shape:
    return {"enum": list(values)}


def tool(type: Shape, required: str, left_out: str, **fields: Shape) -> Shape:
    """A tool that the model may call, with its `type`; or one of another type, which is left out."""
    other = {"type": "string", "not": {"enum": [each for each in type["enum"] if each]}}
    return either(
        mapping(required, type=type, name=FULL_TEXT, **fields),
        {**mapping("type", type=other), "description": left_out},
    )
