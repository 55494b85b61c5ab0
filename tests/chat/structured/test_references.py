"""Names and references of JSON Schemas that are no URIs, as griptape and generators for TypeScript write them."""

from __future__ import annotations

from typing import Any

import pytest

from areplicate.chat.structured.references import with_uris
from areplicate.chat.structured.validation import Validator

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
NAMES = (
    "Größe",
    "名前",
    "My Type",
    "Partial<Foo>",
    "List[int]",
    "A|B",
    'A"B',
    "A\\B",
    "A^`{}",
    "C#",
    "100% A",
)


@pytest.mark.parametrize("dialect", [{}, {"$schema": DRAFT_7}])
@pytest.mark.parametrize("where", ["$defs", "definitions"])
@pytest.mark.parametrize("name", NAMES)
def test_a_class_may_have_any_name(name: str, where: str, dialect: dict[str, str]) -> None:
    part = {"$ref": f"#/{where}/{name}"}
    schema = {"$id": name, "properties": {"a": part}, where: {name: {"type": "string"}}, **dialect}
    validator = Validator(schema)
    assert validator.faults({"a": "x"}) == [] and validator.faults({"a": 1}) == [
        "['a']: 1 is not of type \"string\""
    ]


def test_a_named_part_is_found_by_its_name() -> None:
    parts = {"x": {"$id": "My Thing", "type": "string"}}
    validator = Validator(
        {"properties": {"a": {"$ref": "My Thing"}, "b": {"$ref": "My Thing#"}}, "$defs": parts}
    )
    assert validator.faults({"a": "x", "b": "y"}) == [] and len(validator.faults({"a": 1, "b": 2})) == 2


@pytest.mark.parametrize("keyword", ["const", "default", "examples", "enum"])
def test_values_are_no_references(keyword: str) -> None:
    value: Any = [{"$ref": "a b"}]
    assert with_uris({keyword: value}) == {keyword: value}
    of_that_name = {"properties": {keyword: {"$ref": "#/$defs/a b"}, "$ref": {"$id": "é"}}}
    assert with_uris(of_that_name) == {
        "properties": {keyword: {"$ref": "#/$defs/a%20b"}, "$ref": {"$id": "%C3%A9"}}
    }


@pytest.mark.parametrize(
    "uri",
    [
        "https://a.example/b?c=d#e",
        "urn:example:a",
        "#/$defs/a%20b",
        "#here",
        "#/properties/a~1b/items/0",
        "a.json#/b",
    ],
)
def test_a_uri_stays_as_it_is(uri: str) -> None:
    assert with_uris([{"items": {"$ref": uri, "$id": uri}}]) == [{"items": {"$ref": uri, "$id": uri}}]
