"""Which texts a schema's grammar lets a model write; read here by the `regex` package, whose patterns recurse."""

from __future__ import annotations

import json
from typing import Any

import pytest
import regex

from areplicate.chat.structured.gbnf import grammar_of

_TOKEN = regex.compile(
    r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|[a-z][a-z0-9-]*|[()|?*+]|\{\d+(?:,\d+)?\}|\s+'
)


def pattern_of(grammar: str) -> Any:
    """A grammar in GBNF as a pattern that matches the same texts."""
    rules = dict(line.split(" ::= ") for line in grammar.splitlines())
    defined = "".join(f"(?P<{_name(name)}>{_translated(body)})" for name, body in rules.items())
    return regex.compile(f"(?(DEFINE){defined})(?&root)")


def _translated(body: str) -> str:
    tokens = _TOKEN.findall(body)
    assert "".join(tokens) == body, "the grammar has a token that GBNF has not"
    return "".join([_translated_token(token) for token in tokens if not token.isspace()])


def _translated_token(token: str) -> str:
    if token[0] == '"':
        return str(regex.escape(json.loads(token)))
    if token[0].isalpha():
        return f"(?&{_name(token)})"
    return {"(": "(?:"}.get(token, token)


def _name(rule: str) -> str:
    return rule.replace("-", "_")


def allows(schema: Any, text: str) -> bool:
    return pattern_of(grammar_of(schema)).fullmatch(text) is not None


def check(schema: Any, allowed: list[str], refused: list[str]) -> None:
    for text in allowed:
        assert allows(schema, text), text
    for text in refused:
        assert not allows(schema, text), text


STRING, INTEGER = {"type": "string"}, {"type": "integer"}


@pytest.mark.parametrize(
    ("schema", "allowed", "refused"),
    [
        (
            STRING,
            ['"a"', '""', r'"\"\\\/\b\f\n\r\t\u00e9"', '"ä"'],
            ["a", '"a', '"\n"', r'"\x"', "1", "null"],
        ),
        (INTEGER, ["0", "-1", "120"], ["01", "1.5", "1e3", "+1", "", '"1"', "-"]),
        ({"type": "number"}, ["0", "-1.50", "1e9", "2.5E-10", "1E+5"], ["01", ".5", "1.", "e9", "NaN"]),
        ({"type": "boolean"}, ["true", "false"], ["True", "1", "null"]),
        ({"type": "null"}, ["null"], ["None", "true", ""]),
        (
            {"type": "object"},
            ["{}", '{"a": [1, {}], "b" : null }'],
            ["{", "[]", '{"a"}', "{a: 1}", '{"a":1,}'],
        ),
        ({"type": "array"}, ["[]", '[1, "a", [ ]]'], ["[", "[1,]", "{}", "1", "[,]"]),
        ({}, ["1", '"a"', "[]", "{}", "null", "true"], ["", "a", "[1"]),
        ({"type": "text"}, ["1", '"a"'], ["", "a"]),
        ({"type": "ws"}, ["1"], [" "]),
        ({"type": ["string", "null"]}, ['"a"', "null"], ["1", "", '"a"null']),
        ({"const": 'a"\\'}, [r'"a\"\\"'], ['"a"', '"b"']),
        ({"const": None}, ["null"], ["1"]),
        ({"enum": ["a", 1, None]}, ['"a"', "1", "null"], ['"b"', "2", '"a"1']),
        ({"enum": []}, ["1"], [""]),
        ({"anyOf": [], "type": "integer"}, ["1"], ["", '"a"']),
        ({"anyOf": "x", "type": "integer"}, ["1"], ["", '"a"']),
        ({"anyOf": [STRING, INTEGER]}, ['"a"', "1"], ["1.5", "null"]),
        ({"oneOf": [STRING, INTEGER]}, ['"a"', "1"], ["1.5", "null"]),
        ({"allOf": [INTEGER]}, ["1"], ['"a"', "1.5"]),
        ({"allOf": [INTEGER, {"minimum": 3}]}, ["1", '"a"'], [""]),
        ({"type": "array", "items": INTEGER}, ["[]", "[1]", "[ 1 , 2,3 ]"], ["[1,]", '["a"]', "1", "[1 2]"]),
        ({"type": "array", "items": INTEGER, "minItems": 1}, ["[1]", "[1, 2]"], ["[]", "[1,]"]),
        (
            {"type": "array", "items": {"type": "array", "items": INTEGER}},
            ["[]", "[[]]", "[[1], [2, 3]]"],
            ["[1]", "[[[]]]"],
        ),
        ({"type": "array", "items": True}, ['[1, "a"]'], ["[1,]"]),
    ],
)
def test_a_model_can_write_what_fits_and_nothing_else(
    schema: Any, allowed: list[str], refused: list[str]
) -> None:
    check(schema, allowed, refused)


PERSON = {
    "type": "object",
    "properties": {"name": STRING, "age": INTEGER, "tags": {"type": "array", "items": STRING}},
    "required": ["name", "tags"],
}
OPTIONAL = {"properties": {"a": INTEGER, "b": INTEGER, "c": INTEGER}}


@pytest.mark.parametrize(
    ("schema", "allowed", "refused"),
    [
        (
            PERSON,
            [
                '{"name":"A","tags":[]}',
                '{ "name" : "A",\n\t"tags": ["x", "y"], "age": 3 }\n',
            ],
            [
                '{"name":"A"}',
                "{}",
                '{"tags":[],"name":"A"}',
                '{"name":1,"tags":[]}',
                '{"name":"A","tags":[],}',
            ],
        ),
        (
            {**OPTIONAL, "required": ["a"]},
            ['{"a":1}', '{"a":1,"c":1}', '{"a":1,"b":1, "c":1}'],
            ['{"b":1}', '{"a":1,"c":1,"b":1}', '{"a":1 "b":1}'],
        ),
        (
            OPTIONAL,
            ["{}", '{"a":1}', '{"b":1}', '{"c":1}', '{"a":1,"c":1}', '{"b":1, "c":1}', '{"a":1,"b":1,"c":1}'],
            ['{"d":1}', '{,"a":1}', '{"c":1,"a":1}', '{"a":1"b":1}', '{"a":"x"}'],
        ),
        (
            {
                "type": "object",
                "properties": {"in": PERSON, "IN!": {"enum": ["x"]}},
                "required": ["in", "IN!"],
            },
            ['{"in":{"name":"A","tags":[]},"IN!":"x"}'],
            ['{"in":{},"IN!":"x"}', '{"in":"x","IN!":"x"}'],
        ),
        (
            {
                "type": "object",
                "properties": {'"': INTEGER, "é": {"type": "boolean"}},
                "required": ['"', "é"],
            },
            ['{"\\"":1,"é":true}'],
            ['{""":1,"é":true}', '{"\\"":1,"é":1}'],
        ),
        ({"type": "object", "properties": {}}, ["{}", '{"a":1}'], ["[]"]),
    ],
)
def test_an_object_s_members_come_in_the_order_of_the_schema_first_those_that_it_must_have(
    schema: Any, allowed: list[str], refused: list[str]
) -> None:
    check(schema, allowed, refused)


def test_of_many_members_that_may_be_left_out_eight_have_places_of_their_own() -> None:
    schema = {"type": "object", "properties": {f"m{n}": INTEGER for n in range(10)}}
    assert allows(schema, '{"m0":1,"m3":1,"m7":1}')
    assert not allows(schema, '{"m8":1}')


def test_definitions_are_followed_also_round_in_circles() -> None:
    node = {
        "type": "object",
        "properties": {"value": {"$ref": "#/$defs/a~1b~0"}, "next": {"$ref": "#/$defs/node"}},
        "required": ["value"],
    }
    schema = {"$ref": "#/$defs/node", "$defs": {"node": node, "a/b~": INTEGER}}
    assert allows(schema, '{"value":1}')
    assert allows(schema, '{"value":1,"next":{"value":2,"next":{"value":3}}}')
    assert not allows(schema, '{"value":1,"next":{}}')
    assert not allows(schema, '{"value":"a"}')
    nested = {"anyOf": [INTEGER, {"type": "array", "items": {"$ref": "#/anyOf/0"}}]}
    assert allows(nested, "[1]") and not allows(nested, "[[1]]")
    tree = {"type": "array", "items": {"$ref": "#"}}
    assert allows(tree, "[[],[[]]]") and not allows(tree, "[1]")


@pytest.mark.parametrize("ref", ["#/$defs/gone", "#/type/x", "other.json"])
def test_what_is_not_found_may_be_any_json(ref: str) -> None:
    schema = {"type": "array", "items": {"$ref": ref}}
    assert allows(schema, '[1, "a", {}]') and not allows(schema, "[a]")


def test_a_schema_without_an_end_becomes_any_json() -> None:
    deep: Any = INTEGER
    for _ in range(40):
        deep = {"type": "array", "items": deep}
    assert allows(deep, "[" * 40 + "1" + "]" * 40)
    assert allows(deep, "[" * 36 + '"a"' + "]" * 36), "beyond 32 levels"
    assert not allows(deep, "[" * 20 + '"a"' + "]" * 20)
