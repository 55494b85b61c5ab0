"""`response_format` as OpenAI takes it, and the input of the model that it goes into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from ...errors import BadRequestError
from ..plain import shown
from ..schemas.schema import Field, is_flat
from .validation import MOST_FAULTS, validator_for

OBJECT: dict[str, Any] = {"type": "object"}


class ResponseFormat(msgspec.Struct, frozen=True):
    """What an answer's JSON must fit; `json_object` fits any object."""

    schema: dict[str, Any]
    name: str = "answer"
    description: str = ""
    strict: bool | None = None
    faults_of: Callable[[str], list[str]] | None = None
    """What a class that the JSON is for finds wrong with it, beyond its schema."""

    def faults(self, value: Any) -> list[str]:
        """What does not fit, in words for the model: its schema's, else its class's."""
        found = validator_for(self.schema).faults(value)
        if not found and self.faults_of is not None:
            found = self.faults_of(msgspec.json.encode(value).decode())[:MOST_FAULTS]
        return found

    @property
    def any_object(self) -> bool:
        return self.schema is OBJECT

    @property
    def opens(self) -> str:
        """The brackets that the JSON may begin with."""
        return "{" if self.schema.get("type") == "object" or "properties" in self.schema else "{["


def read_response_format(value: Any) -> ResponseFormat | None:
    """`response_format`; None if it asks for plain text.

    A pydantic class is read as its schema.

    Raises:
        BadRequestError: it is not in OpenAI's shape.
    """
    if isinstance(value, type) and callable(schema_of := getattr(value, "model_json_schema", None)):
        schema, faults_of = _schema_of(value, schema_of), partial(_faults, value)
        return ResponseFormat(schema, value.__name__, strict=True, faults_of=faults_of)
    if not isinstance(value, Mapping):
        raise _wrong(f'must be an object such as {{"type": "json_object"}}, not {shown(value)}')
    match value.get("type"):
        case "text":
            return None
        case "json_object":
            schema = value.get("schema", value.get("response_schema"))  # LiteLLM's
            return ResponseFormat(dict(schema) if isinstance(schema, Mapping) else OBJECT)
        case "json_schema":
            return _with_schema(value.get("json_schema"))
    raise _wrong(f"has the type {value.get('type')!r:.60}; use text, json_object or json_schema")


def _wrong(why: str) -> BadRequestError:
    return BadRequestError(f"response_format {why}.", param="response_format")


def _schema_of(model: type, schema_of: Callable[[], Any]) -> dict[str, Any]:
    try:
        return dict(schema_of())
    except Exception as error:  # pydantic's, of a field that has no schema
        raise BadRequestError(
            f"response_format: {model.__name__} has no JSON schema: {error}", param="response_format"
        ) from error


def _faults(model: type, text: str) -> list[str]:
    validate: Any = getattr(model, "model_validate_json", None)
    try:
        validate(text)
    except ValueError as error:
        errors = getattr(error, "errors", None)
        if not callable(errors):
            return [str(error)]
        return ["".join(f"[{key!r}]" for key in each["loc"]) + f": {each['msg']}" for each in errors()]
    return []


def _with_schema(given: Any) -> ResponseFormat:
    schema = given.get("schema") if isinstance(given, Mapping) else None
    if not isinstance(schema, Mapping):
        raise _wrong(
            'needs a schema: write {"type": "json_schema", "json_schema": {"name": ..., "schema": {...}}}'
        )
    strict = given.get("strict")
    return ResponseFormat(
        dict(schema),
        str(given.get("name") or "answer"),
        str(given.get("description") or ""),
        strict if isinstance(strict, bool) else None,
    )


class Placed(msgspec.Struct, frozen=True):
    """Where a format goes: the model's inputs, and whether they hold the answer to the schema."""

    params: dict[str, Any] = {}
    enforced: bool = False


def place(format: ResponseFormat, fields: Mapping[str, Field]) -> Placed:
    """The inputs that ask for the format, those that hold the answer to the whole schema first."""
    if (field := fields.get("response_format")) is not None and field.enum is None:
        return Placed({"response_format": _as_openai(format)}, enforced=True)
    if (field := fields.get("json_schema")) is not None:
        wanted = {"format": _as_openai(format, flat=True)} if is_flat(fields) else format.schema
        return Placed({"json_schema": _sent(wanted, field)}, enforced=True)
    if (field := fields.get("jsonschema")) is not None:
        return Placed({"jsonschema": _sent(format.schema, field)}, enforced=True)
    if "json_mode" in fields:
        return Placed({"json_mode": True}, enforced=format.any_object)
    for name in ("response_format", "output_format"):
        choices = (fields[name].enum or ()) if name in fields else ()
        if choice := next((each for each in ("json_object", "json", "JSON") if each in choices), None):
            return Placed({name: choice}, enforced=format.any_object)
    return Placed()


def _as_openai(format: ResponseFormat, *, flat: bool = False) -> dict[str, Any]:
    if format.any_object:
        return {"type": "json_object"}
    described: dict[str, Any] = {"name": format.name, "schema": format.schema}
    if format.description:
        described["description"] = format.description
    if format.strict is not None:
        described["strict"] = format.strict
    return {"type": "json_schema", **(described if flat else {"json_schema": described})}


def _sent(value: Any, field: Field) -> Any:
    """JSON text if the model takes the schema as text."""
    return msgspec.json.encode(value).decode() if field.type == "string" else value
