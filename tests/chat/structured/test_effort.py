"""A small JSON Schema may be the work of hours: it is refused, or its check goes without an explanation."""

from __future__ import annotations

from typing import Any
from weakref import ref

import pytest

from areplicate import BadRequestError
from areplicate.chat.structured import validation
from areplicate.chat.structured.validation import Validator, _Kept, validator_for, validators_for


def chain(keyword: str, length: int, last: dict[str, Any], copies: int = 2) -> dict[str, Any]:
    """Definitions each of which holds the one before it several times."""
    definitions: dict[str, Any] = {"d0": last}
    for i in range(1, length):
        definitions[f"d{i}"] = {keyword: [{"$ref": f"#/$defs/d{i - 1}"}] * copies}
    return {
        "type": "object",
        "properties": {"a": {"$ref": f"#/$defs/d{length - 1}"}},
        "$defs": definitions,
    }


def expression(operators: int) -> dict[str, Any]:
    """Expressions of two operands, as the schema of a small language has them."""
    operand = {"$ref": "#/$defs/expression"}
    kinds = [
        {
            "type": "object",
            "properties": {"op": {"const": f"op{i}"}, "left": operand, "right": operand},
            "required": ["op", "left", "right"],
        }
        for i in range(operators)
    ]
    return {"$defs": {"expression": {"anyOf": [*kinds, {"type": "number"}]}}, **operand}


def tree(depth: int, leaf: Any, op: str = "op1") -> Any:
    if not depth:
        return leaf
    return {"op": op, "left": tree(depth - 1, leaf, op), "right": tree(depth - 1, leaf, op)}


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
@pytest.mark.parametrize(("length", "copies"), [(60, 2), (12, 30)])
def test_definitions_that_multiply(keyword: str, length: int, copies: int) -> None:
    validator = Validator(chain(keyword, length, {"type": "string"}, copies))
    for value in ("text", 1):
        with pytest.raises(BadRequestError, match="takes too long to check"):
            validator.faults({"a": value})
        assert not validator.may_yet_fit({"a": value})
    assert validator.faults({}) == [] and validator.faults([]) != [], "what is far from them is checked"


def test_a_reference_may_lead_into_a_list_and_a_document_within() -> None:
    definitions = chain("anyOf", 60, {"type": "string"})["$defs"]
    for reference in ("#/anyOf/1", "inner#/items"):
        schema = {
            "$defs": {**definitions, "inner": {"$id": "inner", "items": {"$ref": "#/$defs/d59"}}},
            "anyOf": [{"type": "object"}, {"not": {"$ref": "#/$defs/d59"}}],
            "properties": {"a": {"$ref": reference}},
        }
        with pytest.raises(BadRequestError, match="cannot be used|takes too long to check"):
            Validator(schema).faults({"a": "text"})


@pytest.mark.parametrize("keyword", ["unevaluatedProperties", "unevaluatedItems"])
def test_what_is_left_unevaluated_is_looked_at_twice(keyword: str) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(30):
        schema = {"allOf": [schema], keyword: False}
    with pytest.raises(BadRequestError, match="cannot be used|takes too long to check"):
        Validator(schema).faults("text")


@pytest.mark.parametrize(
    "multiplies",
    [
        {"$ref": "#/$defs/a"},
        {"allOf": [{"$ref": "#/$defs/a"}]},
        {"allOf": [{"$ref": "#/$defs/b"}]},
        {"anyOf": [{"$ref": "#here"}, {"$ref": "#here"}], "$anchor": "here"},
        {"not": {"$ref": "https://a.example/b#"}, "$id": "https://a.example/b"},
        {"if": {"$dynamicRef": "#here"}, "$dynamicAnchor": "here"},
        chain("anyOf", 60, {})["$defs"]["d59"] | {"$defs": chain("anyOf", 60, {})["$defs"]},
    ],
)
def test_what_is_too_much_for_any_value_is_refused_before_anything_is_asked(
    multiplies: dict[str, Any],
) -> None:
    definitions = {"a": multiplies, "b": {"$ref": "#/$defs/a"}, **multiplies.get("$defs", {})}
    with pytest.raises(BadRequestError, match="cannot be used: its definitions name one another too often"):
        Validator({"$ref": "#/$defs/a", "$defs": definitions})


def test_so_are_thousands_of_references() -> None:
    definitions = {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(30_000)} | {"d30000": {}}
    with pytest.raises(BadRequestError, match="more than 2,000 references"):
        validator_for({"$defs": definitions, "properties": {"a": {"$ref": "#/$defs/d0"}}})


@pytest.mark.parametrize(("operators", "depth", "too_deep"), [(2, 7, 13), (10, 4, 6)])
def test_a_language_of_expressions_is_checked_as_deep_as_models_write_it(
    operators: int, depth: int, too_deep: int
) -> None:
    validator = Validator(expression(operators))
    assert validator.faults(tree(depth, 1)) == []
    assert validator.faults(tree(depth, "x")) == ["It does not fit the JSON Schema"], "which is said in time"
    assert validator.faults(tree(1, "x"))[0].endswith(
        "is not valid under any of the schemas listed in the 'anyOf' keyword"
    )
    with pytest.raises(BadRequestError, match="takes too long"):
        validator.faults(tree(too_deep, 1))


@pytest.mark.parametrize("keyword", ["patternProperties", "additionalProperties", "unevaluatedProperties"])
def test_members_multiply_too(keyword: str) -> None:
    again = {"$ref": "#/$defs/node"}
    node = {"properties": {"a": again}, "allOf": [{keyword: {"a": again} if keyword[0] == "p" else again}]}
    value: dict[str, Any] = {}
    for _ in range(40):
        value = {"a": value}
    with pytest.raises(BadRequestError, match="takes too long"):
        Validator({"$defs": {"node": node}, **again}).faults(value)


def test_recursion_as_such_is_no_work() -> None:
    node = {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}}
    validator = Validator({**node, "required": ["children"]})
    value: dict[str, Any] = {"children": []}
    for _ in range(30):
        value = {"children": [value, {"children": []}]}
    assert validator.faults(value) == [] and validator.may_yet_fit(value)
    value["children"][0]["children"][1] = {}
    assert validator.faults(value) == ["['children'][0]['children'][1]: \"children\" is a required property"]
    assert validator.may_yet_fit(value)


def test_counting_has_bounds_of_its_own() -> None:
    """Parts by parts, however often the same ones meet."""
    branches = {"anyOf": [{"const": n} for n in range(5_000)]}
    many = Validator({"type": "array", "items": branches})
    with pytest.raises(BadRequestError, match="takes too long"):
        many.faults([str(n) for n in range(200)])
    assert many.faults([1, 2, 3]) == []


@pytest.mark.parametrize("name", [{"$id": "https://a.example/{}"}, {"$anchor": "here"}])
def test_so_has_looking_for_what_is_referred_to(name: dict[str, str]) -> None:
    named = [{key: text.format(n) for key, text in name.items()} for n in range(2_000)]
    definitions: dict[str, Any] = {f"n{n}": each for n, each in enumerate(named)}
    definitions |= {f"r{n}": {"$ref": "#here" if "$anchor" in name else "#/$defs/n0"} for n in range(1_000)}
    with pytest.raises(BadRequestError, match="too many documents and anchors"):
        Validator({"$defs": definitions})


def test_a_model_is_told_of_eight_faults_at_most() -> None:
    validator = Validator({"type": "array", "items": {"type": "integer"}})
    faults = validator.faults(["x"] * 20)
    assert len(faults) == 8 and faults[7].startswith("[7]: ")


@pytest.mark.parametrize(
    "patterns",
    [["a" * 100_001], ["a" * 1000] * 101, [r"[\p{L}\p{N}]{60}" + str(n) for n in range(200)]],
)
def test_patterns_take_little_memory_whether_long_or_many(patterns: list[str]) -> None:
    named = {
        "type": "object",
        "patternProperties": {f"{pattern}{n}": {} for n, pattern in enumerate(patterns)},
    }
    members = {f"m{n}": {"type": "string", "pattern": pattern} for n, pattern in enumerate(patterns)}
    for schema in (named, {"type": "object", "properties": members}):
        with pytest.raises(BadRequestError, match="pattern|regex"):
            Validator(schema)


@pytest.mark.parametrize(
    "large",
    [
        {"enum": [f"{n:09}" for n in range(110_000)]},
        {"properties": {f"p{n}": {"type": "string"} for n in range(20_000)}},
        {"anyOf": [{"const": n} for n in range(22_000)]},
    ],
    ids=["enum", "properties", "anyOf"],
)
def test_a_schema_has_a_size(large: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError, match="is too large"):
        Validator(large)


def test_the_schemas_of_all_tools_together_have_the_size_of_one() -> None:
    patterns = {"type": "string", "pattern": r"[\p{L}\p{N}]{20}"}
    for parameters in ({"enum": ["x" * 100_000]}, {"properties": dict.fromkeys("abcdefgh", patterns)}):
        with pytest.raises(BadRequestError, match="tools are too large together"):
            validators_for({**parameters, "title": str(n)} for n in range(20))
    assert len(
        validators_for({"properties": {"a": {"type": "integer"}}, "title": str(n)} for n in range(300))
    )


def test_large_schemas_are_not_kept_by_the_hundreds() -> None:
    kept = [ref(validator_for({"enum": [f"{n} {m}" for m in range(80_000)]})) for n in range(6)]
    assert sum(each() is not None for each in kept) < 4
    last = validator_for({"enum": [f"5 {m}" for m in range(80_000)]})
    assert last is kept[-1]()


def test_schemas_in_use_are_bounded_together_where_many_clients_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    def schema(number: int) -> dict[str, Any]:
        return {"properties": {f"{number}-{each}": {"type": "string"} for each in range(1_000)}}

    size = Validator(schema(0)).size
    kept = _Kept()
    kept.most_in_use = 3.5 * size
    monkeypatch.setattr(validation, "KEPT", kept)
    used = [validator_for(schema(number)) for number in range(3)]
    assert validator_for(schema(2)) is used[2], "what several calls have counts once"
    with pytest.raises(BadRequestError, match="leave no room") as refused:
        validator_for(schema(3))
    assert refused.value.status_code == 429
    del refused  # an error keeps what it came through
    used.pop()
    assert validator_for(schema(3)).faults({"3-1": 1}), "what no call has any longer makes room"
