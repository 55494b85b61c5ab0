"""`response_format` as it is given, and as models are asked for it."""

from __future__ import annotations

import json
from typing import Any

import pydantic
import pytest

from areplicate.chat.messages import InputMessage
from areplicate.chat.schemas.schema import Field
from areplicate.chat.structured.response_format import Placed, ResponseFormat, place, read_response_format
from areplicate.chat.tools.telling import tell_format
from areplicate.errors import BadRequestError

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def json_schema(**more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "count", "schema": SCHEMA, **more}}


def read(value: Any) -> ResponseFormat:
    format = read_response_format(value)
    assert format is not None
    return format


FLAT = {"input_item_list": Field("array")}
"""The input of models that take the Responses API's shapes."""
ANY_OBJECT = read({"type": "json_object"})
DESCRIBED = read(json_schema(description="How many", strict=True))
FULL = {"name": "count", "schema": SCHEMA, "description": "How many", "strict": True}


@pytest.mark.parametrize(
    ("given", "format"),
    [
        (json_schema(), ResponseFormat(SCHEMA, "count")),
        (
            json_schema(description="How many", strict=False),
            ResponseFormat(SCHEMA, "count", "How many", False),
        ),
        (json_schema(name=None, description=None, strict="yes"), ResponseFormat(SCHEMA, "answer")),
        ({"type": "json_object", "schema": SCHEMA}, ResponseFormat(SCHEMA)),
        ({"type": "json_object", "response_schema": SCHEMA}, ResponseFormat(SCHEMA)),
    ],
)
def test_a_schema_is_read(given: Any, format: ResponseFormat) -> None:
    assert read(given) == format and not format.any_object


@pytest.mark.parametrize("more", [{}, {"schema": None}, {"schema": 3}])
def test_any_object_may_be_asked_for(more: Any) -> None:
    format = read({"type": "json_object", **more})
    assert format.any_object and not format.faults({"a": 1}) and format.faults([])


def test_text_is_no_format() -> None:
    assert read_response_format({"type": "text"}) is None


class Count(pydantic.BaseModel):
    n: int

    @pydantic.field_validator("n")
    @classmethod
    def positive(cls, n: int) -> int:
        if n < 1:
            raise ValueError("too few")
        return n


def test_a_class_is_read_with_its_own_checks() -> None:
    format = read(Count)
    assert (format.name, format.strict, format.schema) == ("Count", True, Count.model_json_schema())
    faults = format.faults
    assert faults({"n": 1}) == []
    assert faults({"n": 0}) == ["['n']: Value error, too few"]
    assert "integer" in faults({"n": "x"})[0], "its schema comes first"
    assert not read(json_schema()).faults({"n": 0}), "the checks are the class's alone"


def test_a_class_whose_checks_fail_in_another_way_is_told() -> None:
    class Odd:
        @staticmethod
        def model_json_schema() -> dict[str, Any]:
            return {}

        @staticmethod
        def model_validate_json(text: str) -> None:
            raise ValueError(f"not {text}")

    assert read(Odd).faults(3) == ["not 3"]


def test_a_class_without_a_schema_is_refused() -> None:
    class Opaque(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        thing: object

        @classmethod
        def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
            raise TypeError("no schema for thing")

    with pytest.raises(BadRequestError, match="Opaque has no JSON schema: no schema for thing") as caught:
        read_response_format(Opaque)
    assert caught.value.param == "response_format"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("json", r"response_format must be an object such as .*, not 'json'."),
        (dict, "response_format must be an object"),
        ({}, "response_format has the type None; use text, json_object or json_schema."),
        ({"type": "xml"}, "response_format has the type 'xml'; use text"),
        (
            {"type": "json_schema"},
            r'response_format needs a schema: write {"type": "json_schema", "json_schema": {"name": ..., "schema": '
            r"{\.\.\.}}}\.$",
        ),
        ({"type": "json_schema", "json_schema": {"schema": 3}}, "response_format needs a schema"),
    ],
)
def test_anything_else_is_refused(value: Any, message: str) -> None:
    with pytest.raises(BadRequestError, match=f"^{message}") as caught:
        read_response_format(value)
    assert caught.value.param == "response_format"


@pytest.mark.parametrize(
    ("schema", "opens"),
    [
        (SCHEMA, "{"),
        ({"properties": {}}, "{"),
        ({"type": "array"}, "{["),
        ({"anyOf": [{"type": "object"}]}, "{["),
    ],
)
def test_the_brackets_that_the_json_may_begin_with(schema: Any, opens: str) -> None:
    assert ResponseFormat(schema).opens == opens


TEXT, ANY = Field("string"), Field()


@pytest.mark.parametrize(
    ("fields", "flat", "params", "enforced"),
    [
        (
            {"response_format": ANY},
            False,
            {"response_format": {"type": "json_schema", "json_schema": FULL}},
            True,
        ),
        ({"json_schema": ANY}, False, {"json_schema": SCHEMA}, True),
        ({"json_schema": TEXT}, False, {"json_schema": SCHEMA}, True),
        ({"json_schema": ANY}, True, {"json_schema": {"format": {"type": "json_schema", **FULL}}}, True),
        ({"jsonschema": TEXT}, False, {"jsonschema": SCHEMA}, True),
        ({"jsonschema": ANY, "json_mode": ANY}, False, {"jsonschema": SCHEMA}, True),
        ({"json_mode": ANY, "output_format": TEXT}, False, {"json_mode": True}, False),
        (
            {"response_format": Field("string", enum=("text", "json_object"))},
            False,
            {"response_format": "json_object"},
            False,
        ),
        ({"output_format": Field("string", enum=("text", "JSON"))}, False, {"output_format": "JSON"}, False),
        ({"output_format": Field("string", enum=("json", "JSON"))}, False, {"output_format": "json"}, False),
        (
            {
                "response_format": Field("string", enum=("text",)),
                "output_format": Field("string", enum=("json",)),
            },
            False,
            {"output_format": "json"},
            False,
        ),
        ({"response_format": Field("string", enum=("text",))}, False, {}, False),
        ({"output_format": TEXT}, False, {}, False),
        ({}, False, {}, False),
    ],
)
def test_a_schema_goes_into_the_input_that_holds_the_answer_to_it_best(
    fields: dict[str, Field], flat: bool, params: dict[str, Any], enforced: bool
) -> None:
    placed = place(DESCRIBED, fields | FLAT if flat else fields)
    read_back = {
        name: json.loads(value) if fields[name] == TEXT and name.startswith("json") else value
        for name, value in placed.params.items()
    }
    assert (read_back, placed.enforced) == (params, enforced)


@pytest.mark.parametrize(
    ("fields", "flat", "params"),
    [
        ({"response_format": ANY}, False, {"response_format": {"type": "json_object"}}),
        ({"json_schema": ANY}, True, {"json_schema": {"format": {"type": "json_object"}}}),
        ({"json_schema": ANY}, False, {"json_schema": {"type": "object"}}),
        ({"json_mode": ANY}, False, {"json_mode": True}),
        ({"output_format": Field("string", enum=("json",))}, False, {"output_format": "json"}),
    ],
)
def test_any_object_is_held_to_by_each_of_them(
    fields: dict[str, Field], flat: bool, params: dict[str, Any]
) -> None:
    assert place(ANY_OBJECT, fields | FLAT if flat else fields) == Placed(params, enforced=True)


def test_what_was_not_said_of_a_schema_is_not_sent() -> None:
    sent = place(read(json_schema()), {"response_format": ANY}).params["response_format"]
    assert sent == json_schema()


ASKED = InputMessage("user", "How many?")


def test_a_model_without_such_an_input_is_told() -> None:
    (system, asked) = tell_format((ASKED,), DESCRIBED)
    assert (system.role, asked) == ("system", ASKED)
    instructions, _, schema = system.text.partition("\n")
    assert instructions == (
        "Answer with one JSON object and nothing else: no explanation, no code fence. It is count: How many. It "
        "must fit this JSON Schema:"
    )
    assert json.loads(schema) == SCHEMA
    (system, _) = tell_format((ASKED,), read(json_schema()))
    assert "It is" not in system.text and "It must fit this JSON Schema" in system.text
    (system, _) = tell_format((ASKED,), ANY_OBJECT)
    assert system.text == instructions.partition(" It is")[0]
    (system, _) = tell_format((ASKED,), ResponseFormat({"type": "array"}))
    assert system.text.startswith("Answer with one JSON value and nothing else")
