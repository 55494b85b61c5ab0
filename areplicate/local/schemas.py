"""Checks JSON against a schema, in the words of the validator that Replicate uses.

It knows the part of JSON Schema that Cog writes into a model's `Input`, and that the OpenAPI document uses for a
creation's body.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .models import LocalModel
from .refusals import InvalidField, invalid

Schema = dict[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def check_input(model: LocalModel, input: dict[str, Any]) -> None:
    """Raise the 422 that the service would give for `input`; a model without a schema takes anything.

    What the schema does not name is taken and ignored, unless it says `additionalProperties: false`: Replicate
    refuses unknown names beside `input`, not in it (its changelog of 2024-05-01).
    """
    if not model.schema:
        return
    schema = {**model.schema.get("Input", {}), "type": "object"}
    if found := list(find_faults(schema, input, "input", model.schema)):
        raise invalid(found)


def find_faults(schema: Schema, value: Any, field: str, named: dict[str, Schema]) -> Iterator[InvalidField]:
    """What is wrong with `value`, which is found at `field`; `named` are the schemas it may refer to."""
    schema = _resolved(schema, named)
    if value is None and schema.get("nullable"):
        return
    wanted = schema.get("type")
    if wanted is not None and not _is(wanted, value):
        yield InvalidField(
            "invalid_type", field, f"Invalid type. Expected: {wanted}, given: {_type_name(value)}"
        )
        return
    if "enum" in schema and value not in schema["enum"]:
        options = ", ".join(f'"{option}"' for option in schema["enum"])
        yield InvalidField("enum", field, f"{field} must be one of the following: {options}")
    if isinstance(value, dict):
        yield from _faults_in_object(schema, value, field, named)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from find_faults(schema.get("items", {}), item, f"{field}.{index}", named)
    elif isinstance(value, str):
        yield from _faults_in_bounds(schema, "Length", len(value), field, "string", "String length must be")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield InvalidField("pattern", field, f"Does not match pattern '{schema['pattern']}'")
    elif isinstance(value, int | float):
        yield from _faults_in_bounds(schema, "imum", value, field, "number", "Must be")


def _resolved(schema: Schema, named: dict[str, Schema]) -> Schema:
    """Cog names its enums: `{"allOf": [{"$ref": "#/components/schemas/mode"}]}`."""
    for part in (schema, *schema.get("allOf", ())):
        if "$ref" in part:
            schema = {**schema, **named.get(part["$ref"].rpartition("/")[2], {})}
    return schema


def _faults_in_object(
    schema: Schema, value: dict[str, Any], field: str, named: dict[str, Schema]
) -> Iterator[InvalidField]:
    properties: dict[str, Schema] = schema.get("properties", {})
    for name in schema.get("required") or ():
        if name not in value:
            yield InvalidField("required", field, f"{name} is required")
    for name, member in value.items():
        if name in properties:
            yield from find_faults(properties[name], member, f"{field}.{name}" if field else name, named)
        elif schema.get("additionalProperties") is False:
            yield InvalidField(
                "additional_property_not_allowed", field, f"Additional property {name} is not allowed"
            )


def _faults_in_bounds(
    schema: Schema, suffix: str, size: float, field: str, kind: str, words: str
) -> Iterator[InvalidField]:
    least, most = schema.get(f"min{suffix}"), schema.get(f"max{suffix}")
    if least is not None and size < least:
        yield InvalidField(f"{kind}_gte", field, f"{words} greater than or equal to {least}")
    if most is not None and size > most:
        yield InvalidField(f"{kind}_lte", field, f"{words} less than or equal to {most}")


def _is(wanted: str, value: Any) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()  # JSON has but one kind of number
    return isinstance(value, _TYPES.get(wanted, object))


def _type_name(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    return next(name for name, types in _TYPES.items() if isinstance(value, types))
