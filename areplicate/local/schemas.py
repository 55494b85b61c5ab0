"""Checks a model's input against the schema that its version publishes, in Replicate's words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .models import LocalModel
from .refusals import invalid

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def check_input(model: LocalModel, input: dict[str, Any]) -> None:
    """Raise the 422 that the service would give for `input`; a model without a schema takes anything."""
    if model.schema is None:
        return
    faults = list(_faults_in_input(model.schema, input, closed=model.official))
    if faults:
        raise invalid(faults)


def _faults_in_input(
    schemas: dict[str, Any], input: dict[str, Any], *, closed: bool
) -> Iterator[tuple[str, str, str]]:
    schema = schemas.get("Input") or {}
    properties: dict[str, Any] = schema.get("properties") or {}
    for name in schema.get("required") or ():
        if name not in input:
            yield "required", "input", f"{name} is required"
    for name, value in input.items():
        if name in properties:
            yield from _faults(_resolved(properties[name], schemas), value, f"input.{name}", schemas)
        elif closed:  # community models ignore what they do not know
            yield "additional_property_not_allowed", "input", f"Additional property {name} is not allowed"


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Cog names its enums: `{"allOf": [{"$ref": "#/components/schemas/mode"}]}`."""
    parts = [*schema.get("allOf", ()), *([schema] if "$ref" in schema else ())]
    for part in parts:
        reference = part.get("$ref", "")
        schema = {**schema, **schemas.get(reference.rpartition("/")[2], part)}
    return schema


def _faults(
    schema: dict[str, Any], value: Any, field: str, schemas: dict[str, Any]
) -> Iterator[tuple[str, str, str]]:
    if value is None and schema.get("nullable"):
        return
    wanted = schema.get("type")
    if wanted is not None and not _is(wanted, value):
        yield "invalid_type", field, f"Invalid type. Expected: {wanted}, given: {_type_of(value)}"
        return
    allowed = schema.get("enum")
    if allowed is not None and value not in allowed:
        options = ", ".join(f'"{option}"' if isinstance(option, str) else str(option) for option in allowed)
        yield "enum", field, f"{field} must be one of the following: {options}"
    if isinstance(value, str):
        yield from _faults_in_bounds(schema, len(value), field, "Length", "String length must be")
    elif isinstance(value, int | float):
        yield from _faults_in_bounds(schema, value, field, "imum", "Must be")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _faults(
                _resolved(schema.get("items") or {}, schemas), item, f"{field}.{index}", schemas
            )


def _faults_in_bounds(
    schema: dict[str, Any], value: float, field: str, suffix: str, words: str
) -> Iterator[tuple[str, str, str]]:
    kind = "string" if suffix == "Length" else "number"
    least, most = schema.get(f"min{suffix}"), schema.get(f"max{suffix}")
    if least is not None and value < least:
        yield f"{kind}_gte", field, f"{words} greater than or equal to {least}"
    if most is not None and value > most:
        yield f"{kind}_lte", field, f"{words} less than or equal to {most}"


def _is(wanted: str, value: Any) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()  # JSON has but one kind of number
    return isinstance(value, _TYPES.get(wanted, object))


def _type_of(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    return next(name for name, types in _TYPES.items() if isinstance(value, types))
