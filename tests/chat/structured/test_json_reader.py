"""JSON taken out of answers: out of fences and talk, repaired where that is certain, held to its schema."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from areplicate.chat.adapting import adapt
from areplicate.chat.contract import AnswerReader
from areplicate.chat.structured.json_reader import repair
from areplicate.chat.structured.validation import of_the_extra
from areplicate.errors import BadRequestError
from tests.quickly import quickly

HI: Any = [{"role": "user", "content": "Hi"}]
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
    },
    "required": ["name", "age"],
}
ADA = {"name": "Ada", "age": 36}


def reader(schema: Any = PERSON, *, streamed: bool = True) -> AnswerReader:
    format = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    contract = adapt(HI, {"response_format": format}, schema=None).contract
    assert contract is not None
    return contract.reader(streamed=streamed)


def read(pieces: list[str], schema: Any = PERSON) -> tuple[str, list[str]]:
    reading = reader(schema)
    deltas = [delta for piece in pieces for delta in reading.feed(piece)] + reading.end()
    return "".join(delta.content or "" for delta in deltas), reading.faults


def test_fences_that_never_close_are_read_quickly() -> None:
    with quickly():
        assert read(["```json\n" * 20_000])[1]


@pytest.mark.parametrize(
    ("answer", "given"),
    [("{" * 20_000, ""), ('{"name": "Ada' + "a" * 40_000, '{"name":"Ada' + "a" * 40_000)],
    ids=["brackets", "a text"],
)
def test_a_long_answer_is_streamed_quickly(answer: str, given: str) -> None:
    """Each piece once read all that came before it anew, which took minutes."""
    reading = reader()
    with quickly():
        deltas = [delta for at in range(0, len(answer), 4) for delta in reading.feed(answer[at:][:4])]
        deltas += reading.end(cut_off=True)
    assert "".join(delta.content or "" for delta in deltas) == given


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Ada", "age": 36}',
        '  {"name": "Ada",\n "age": 36}\n',
        'Sure! Here {it} is:\n```json\n{"name": "Ada", "age": 36}\n```\nHope it helps.',
        '```\n{"name": "Ada", "age": 36}\n```',
        'The person [1] is {"name": "Ada", "age": 36}.',
        'Neither {this} nor {that}, but {"name": "Ada", "age": 36}.',
        "{'name': 'Ada', 'age': 36,}",
        '{"name": "Ada" "age": 36}',
        "{name: 'Ada', age: 36} is what you want",
        '{"name": "Ada", "age": "old"} or rather {"name": "Ada", "age": 36}',
        '```json\n```\nIs empty; ```json\n{"name": "Ada",\n"age": 36}\n  ``` is not.',
    ],
)
@pytest.mark.parametrize("step", [1, 4, 1000])
def test_the_object_is_found(text: str, step: int) -> None:
    content, faults = read([text[i : i + step] for i in range(0, len(text), step)])
    assert (json.loads(content), faults) == (ADA, [])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("I cannot say.", "It is not valid JSON."),
        ('{"name": "Ada", "age": 3', "It is not valid JSON."),
        ('{"name": "Ada", "tags": {"a": 1}', "It is not valid JSON."),
        ('{"name": "Ada", "age": "old"}', '[\'age\']: "old" is not of type "integer"'),
        ('{"name": "Ada"}', '"age" is a required property'),
        ('{"name": "Ada", "age": 1, "tags": ["a", "z"]}', "['tags'][1]: "),
        ('{"name": "Ada", "age": NaN}', "It is not valid JSON."),
        ('["Ada", 36]', '["Ada",36] is not of type "object"'),
    ],
)
def test_what_does_not_fit_is_told(text: str, fault: str) -> None:
    _, faults = read([text])
    assert faults[0].startswith(fault)


def test_members_stream_as_they_come() -> None:
    reading = reader()
    given = [
        "".join(d.content or "" for d in reading.feed(piece))
        for piece in ('{"na', 'me": "Ad', 'a", "age": 3')
    ]
    assert given == ["{", '"name":"Ad', "a"]
    assert [d.content for d in reading.feed("6}")] == ['","age":36']
    assert [d.content for d in reading.end()] == ["}"]


@pytest.mark.parametrize("before", ["", "Neither {this} nor {that}, but "])
def test_members_stream_as_they_come_after_brackets_that_are_not_json(before: str) -> None:
    reading = reader()
    given = [delta.content or "" for char in f'{before}{{"name": "Ada L' for delta in reading.feed(char)]
    assert "".join(given).startswith('{"name":"Ad')


@pytest.mark.parametrize(("streamed", "given"), [(False, '{"name":"Ada'), (True, "")])
def test_what_a_limit_cut_off_is_given_as_far_as_it_goes(streamed: bool, given: str) -> None:
    reading = reader(streamed=streamed)
    early = "".join(delta.content or "" for delta in reading.feed('{"name": "Ada", "a'))
    assert early == ("" if given else '{"name":"Ada')
    assert "".join(delta.content or "" for delta in reading.end(cut_off=True)) == given
    assert not reading.faults


def test_a_value_without_brackets_is_found_in_its_fence() -> None:
    assert read(["Sure:\n```json\n", "3\n", "```\n"], {"type": "integer"}) == ("3", [])


def test_nothing_is_streamed_that_cannot_come_to_fit() -> None:
    reading = reader()
    assert [d.content for d in reading.feed('{"name": "Ada"')] == ['{"name":"Ada']
    assert reading.feed(', "age": "very old", "tags": ["a"]') == []
    assert reading.feed("}") == [] and reading.end() == [] and reading.faults


def test_the_next_attempt_goes_on_from_what_was_given_out() -> None:
    first = reader()
    deltas = first.feed('{"name": "Ada"') + first.feed(', "age": "old"}') + first.end()
    given = "".join(d.content or "" for d in deltas)
    assert given == '{"name":"Ada'
    assert given in first.complaint()
    second = first.again()
    deltas = second.feed('{"age": 36, "name": "Ada"}') + second.end()
    assert not deltas and second.faults, "what was given out cannot be taken back"
    second = first.again()
    deltas = second.feed('{"name": "Ada", "age": 36, "tags": ["a"')
    assert "".join(d.content or "" for d in deltas) == '","age":36,"tags":["a', "it streams as well"
    second = first.again()
    deltas = second.feed('{"name": "Ada", "age": 36}') + second.end()
    assert json.loads(given + "".join(d.content or "" for d in deltas)) == ADA


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1',  # cut off: nobody knows what comes
        '{"a": [1, 2}',
        '{"a": 1, b}',
        '{"a": }',
        "nothing here",
        "{}{}",
        '{"a": yes}',
        '{"a": NaN}',
        '{"a": "x, "b": 1}',
        '{"a": ["" "{"]}',  # json_repair forgets the empty text
        '{"a": "" /* none */}',
        '{"a": "[--." "b": "`],"}',  # json_repair takes it for one text
        '{"a": "she said "hi", then"}',
    ],
)
def test_what_may_mean_several_things_is_not_mended(text: str) -> None:
    assert repair(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': 1}", {"a": 1}),
        ("{'a': [1, 2,],}", {"a": [1, 2]}),
        ('{"a": True, "b": None, "c": False}', {"a": True, "b": None, "c": False}),
        ("{a: {b: [1, {c: 2}]}}", {"a": {"b": [1, {"c": 2}]}}),
        ("['x', 'y']", ["x", "y"]),
        ('{"a": "[{", \'b\': "}"}', {"a": "[{", "b": "}"}),
        ("{'a': 'é'}", {"a": "é"}),
        ('{"a": "\\ttwo\\n",}', {"a": "\ttwo\n"}),
        ('{"a": "\ttwo\n"}', {"a": "\ttwo\n"}),
        (
            r'{"a": "C:\Users\x", "b": "\d+\.\w", "c": "it\'s"}',
            {"a": r"C:\Users\x", "b": r"\d+\.\w", "c": "it's"},
        ),
        (r'{"a": "\ud83d\ude00",}', {"a": "😀"}),
        ('{"a": "say "hi" now"}', {"a": 'say "hi" now'}),
        (r'{"a": "{\"b\": \"c\", \"d\": 1}",}', {"a": '{"b": "c", "d": 1}'}),
    ],
)
def test_punctuation_is_mended(text: str, value: Any) -> None:
    assert repair(text) == value


@pytest.mark.parametrize("step", [1, 1000])
def test_brackets_that_are_not_json_hide_all_that_stands_in_them(step: int) -> None:
    text = f'[as [1] {{"name": "Bob", "age": 1}} and [2] say] {json.dumps(ADA)}'
    content, faults = read([text[i : i + step] for i in range(0, len(text), step)], {"anyOf": [PERSON]})
    assert (json.loads(content), faults) == (ADA, [])


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize("broken", ['{"name": "Ada", "age": 36,}', "{'name': 'Ada', 'age': 36}"])
def test_json_that_is_meant_and_broken_is_given_and_not_the_next(step: int, broken: str) -> None:
    text = f'{broken} {{"name": "Bob", "age": 1}}'
    content, faults = read([text[i : i + step] for i in range(0, len(text), step)])
    assert (json.loads(content), faults) == (ADA, [])


values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), values, max_size=4), st.lists(st.integers(0, 80), max_size=10))
def test_a_stream_of_any_object_is_a_prefix_of_it_all_along(value: Any, cuts: list[int]) -> None:
    text = f"Here:\n```json\n{json.dumps(value, indent=1)}\n```"
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    reading = reader({"type": "object"})
    given, whole = "", json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for a, b in pairwise(bounds):
        given += "".join(delta.content or "" for delta in reading.feed(text[a:b]))
        assert json.loads(whole) == value and _starts(given, value)
    given += "".join(delta.content or "" for delta in reading.end())
    assert json.loads(given) == value


def _starts(given: str, value: Any) -> bool:
    import msgspec

    return msgspec.json.encode(value).decode().startswith(given)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    "text", [r'{"name": "\ud83d"}', '{"name": 1e999}', '{"name": [1, -1e400]}', r"{'name': '\ud83d'}"]
)
def test_a_value_that_json_cannot_hold_is_not_given_out(text: str, streamed: bool) -> None:
    reading = reader({"type": "object"}, streamed=streamed)
    given = "".join(delta.content or "" for delta in [*reading.feed(text), *reading.end()])
    assert text.replace(" ", "").startswith(given) and reading.faults == ["It is not valid JSON."]


def test_an_answer_that_is_not_streamed_may_begin_with_other_json() -> None:
    reading = reader(streamed=False)
    deltas = reading.feed(f'The schema is {{"type": "object"}}; so: {json.dumps(ADA)}') + reading.end()
    assert [json.loads(delta.content or "") for delta in deltas] == [ADA]


def test_thoughts_before_the_json_are_reasoning() -> None:
    reading = reader()
    deltas = reading.feed(f'<think>{{"name": "Bob", "age": 1}}?</think>{json.dumps(ADA)}') + reading.end()
    assert "".join(delta.reasoning_content or "" for delta in deltas) == '{"name": "Bob", "age": 1}?'
    assert json.loads("".join(delta.content or "" for delta in deltas)) == ADA


EMAIL = r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        (EMAIL, "ada@example.com", ".ada@example.com"),  # zod's
        ("^(?=a)(a+)+$", "aaa", "a" * 60 + "!"),  # would take as long as the universe lasts
    ],
)
def test_a_pattern_may_look_ahead_and_does_not_run_away(pattern: str, fits: str, does_not: str) -> None:
    schema = {"type": "object", "properties": {"text": {"type": "string", "pattern": pattern}}}
    assert read([json.dumps({"text": fits})], schema)[1] == []
    assert "does not match" in read([json.dumps({"text": does_not})], schema)[1][0]


def test_the_extra_is_named_where_it_is_not_installed() -> None:
    with pytest.raises(
        BadRequestError, match=r"need the package no_such_one: pip install 'areplicate\[schema\]'\.$"
    ):
        of_the_extra("no_such_one")


@pytest.mark.parametrize("draft", [{}, {"$schema": "http://json-schema.org/draft-07/schema#"}])
@pytest.mark.parametrize(
    ("format", "text", "fits"),
    [
        ("date", "2026-11-25", True),
        ("date", "tomorrow", False),
        ("date-time", "2026-11-25T10:00:00", True),
        ("date-time", "2026-11-25T10:00:00+01:00", True),
        ("date-time", "noon", False),
        ("time", "10:00:00", True),
        ("uuid", "x", False),
        ("email", "ada", False),
        ("ipv4", "1.2.3", False),
        ("uri", "example.com", True),
        ("regex", "(", True),
        ("password", "x", True),
    ],
)
def test_formats_are_held_to_as_openai_does_in_every_draft(
    format: str, text: str, fits: bool, draft: dict[str, Any]
) -> None:
    schema = {**draft, "type": "object", "properties": {"it": {"type": "string", "format": format}}}
    faults = read([json.dumps({"it": text})], schema)[1]
    assert (not faults) is fits, faults


def test_a_format_is_not_given_out_before_its_text_is_whole() -> None:
    reading = reader({"type": "object", "properties": {"on": {"type": "string", "format": "date"}}})
    assert [d.content for d in reading.feed('{"on": "2026-11')] in ([], ["{"])
    assert reading.feed("-25") == []
    deltas = reading.feed('"}') + reading.end()
    assert "".join(d.content or "" for d in deltas).endswith('"on":"2026-11-25"}') and not reading.faults
