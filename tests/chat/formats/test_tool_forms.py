"""Where a format has tools, their calls and their answers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from areplicate.chat.formats.tool_format import ToolFormat
from areplicate.chat.messages import read_messages

PLAIN = ToolFormat(
    "Tools: {tools}.",
    call="{name}({arguments})#{number}@{id}",
    answer="{name}#{number}@{id}={content}",
    between_calls="; ",
)


def form(**more: Any) -> ToolFormat:
    return msgspec.structs.replace(PLAIN, **more)


def call(id: str | None, name: str, arguments: str = "{}") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def calls(*called: dict[str, Any], content: str | None = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(called)}


def answer(id: str | None, content: str, **more: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content, **more}


def user(content: str) -> dict[str, Any]:
    return {"role": "user", "content": content}


SYSTEM = {"role": "system", "content": "s"}


def written(form: ToolFormat, *messages: Any, tools: Any = (), **more: Any) -> list[tuple[str, str]]:
    return [(turn.role, turn.text) for turn in form.write(read_messages(list(messages)), tools, **more)]


def test_calls_are_numbered_through_and_answers_belong_to_theirs_by_their_ids() -> None:
    turns = written(
        PLAIN,
        calls(call("a", "f"), call("b", "g")),
        answer("b", "B"),
        answer("a", "A"),
        calls(call("c", "h")),
        answer("c", "C"),
        answer("a", "D", name="mine"),
        calls(call("d", "i")),
    )
    assert turns == [
        ("calls", "f({})#0@a; g({})#1@b"),
        ("tool", "g#1@b=B"),
        ("tool", "f#0@a=A"),
        ("calls", "h({})#2@c"),
        ("tool", "h#2@c=C"),
        ("tool", "mine#0@a=D"),
        ("calls", "i({})#3@d"),
    ]


def test_what_is_no_field_of_a_text_stays() -> None:
    braced = form(definitions="{name} of {tools} in {braces}")
    assert written(braced, user("u"), tools=[{"name": "f"}])[0] == (
        "system",
        '{name} of {"name": "f"} in {braces}',
    )


def test_a_call_may_have_no_id() -> None:
    assert written(PLAIN, calls(call(None, "f")), answer(None, "A")) == [
        ("calls", "f({})#0@"),
        ("tool", "f#0@=A"),
    ]


def test_ids_may_have_a_longest_length() -> None:
    short = form(longest_id=3)
    assert written(short, calls(call("abcdef", "f")), answer("abcdef", "A")) == [
        ("calls", "f({})#0@def"),
        ("tool", "f#0@def=A"),
    ]
    assert written(short, calls(call("ab", "f")))[0][1].endswith("@ab")


@pytest.mark.parametrize(
    ("after_text", "turns"),
    [
        ("\n", [("calls", "I look.\nf({})#0@a")]),
        ("", [("calls", "I look.f({})#0@a")]),
        (None, [("assistant", "I look."), ("calls", "f({})#0@a")]),
    ],
)
def test_calls_stand_after_the_text_of_their_message(after_text: Any, turns: Any) -> None:
    assert written(form(after_text=after_text), calls(call("a", "f"), content="I look.")) == turns
    assert written(form(after_text=after_text), calls(call("a", "f"))) == [("calls", "f({})#0@a")]


def test_something_may_stand_around_all_calls() -> None:
    assert written(form(calls=("<", ">")), calls(call("a", "f"), call("b", "g"), content="I look.")) == [
        ("calls", "I look.\n<f({})#0@a; g({})#1@b>")
    ]


def test_answers_may_share_a_turn() -> None:
    shared = form(answer="{content}", between_answers="|", answers=("[", "]"))
    said = (calls(call("a", "f")), answer("a", "A"), answer("a", "B"), user("u"), answer("a", "C"))
    assert written(shared, *said)[1:] == [("tool", "[A|B]"), ("user", "u"), ("tool", "[C]")]
    assert written(form(answer="{content}"), *said)[1:] == [
        ("tool", "A"),
        ("tool", "B"),
        ("user", "u"),
        ("tool", "C"),
    ]
    assert written(form(answer='"{json}"'), answer("a", "é\n"))[0][1] == '""é\\n""'


@pytest.mark.parametrize(
    ("more", "arguments", "text"),
    [
        ({}, '{"a": 1, "b": "é"}', '{"a": 1, "b": "é"}'),
        ({}, '{"a": 1', '{"a": 1'),
        ({}, "[" * 100_000, "[" * 100_000),
        ({"arguments": "indented"}, '{"a": 1}', '{\n            "a": 1\n        }'),
        ({"arguments": "marked"}, '{"b": "x", "a": [1, true]}', '{a:[1,true],b:<|"|>x<|"|>}'),
        (
            {"argument": "<{key}={value}>"},
            '{"a": 1, "b": "x", "c": ["{value}"]}',
            '<a=1><b=x><c=["{value}"]>',
        ),
        ({"argument": "<{key}={value}>"}, "broken", "broken"),
    ],
)
def test_arguments_are_written_in_the_family_s_way(more: Any, arguments: str, text: str) -> None:
    [(_, found)] = written(form(call="{arguments}", **more), calls(call("a", "f", arguments)))
    assert found == text


OFFERED = 'Tools: {"name": "f"}\n{"name": "g"}.'
BOTH = [{"name": "f"}, {"name": "g"}]


@pytest.mark.parametrize(
    ("place", "turns"),
    [
        ("system", [("system", f"s\n\n{OFFERED}"), ("user", "u1"), ("assistant", "a1"), ("user", "u2")]),
        ("system_top", [("system", f"{OFFERED}\n\ns"), ("user", "u1"), ("assistant", "a1"), ("user", "u2")]),
        (
            "before",
            [("tools", OFFERED), ("system", "s"), ("user", "u1"), ("assistant", "a1"), ("user", "u2")],
        ),
        ("after", [("system", "s"), ("tools", OFFERED), ("user", "u1"), ("assistant", "a1"), ("user", "u2")]),
        ("first_user", [("system", "s"), ("user", f"{OFFERED}u1"), ("assistant", "a1"), ("user", "u2")]),
        (
            "before_last_user",
            [("system", "s"), ("user", "u1"), ("assistant", "a1"), ("tools", OFFERED), ("user", "u2")],
        ),
    ],
)
def test_definitions_have_their_place(place: str, turns: list[tuple[str, str]]) -> None:
    said = (SYSTEM, user("u1"), {"role": "assistant", "content": "a1"}, user("u2"))
    assert written(form(place=place), *said, tools=BOTH) == turns
    assert [text for _, text in written(form(place=place), *said)] == ["s", "u1", "a1", "u2"]


@pytest.mark.parametrize(
    ("place", "turns"),
    [
        ("system", [("system", OFFERED), ("user", "u")]),
        ("system_top", [("system", OFFERED), ("user", "u")]),
        ("before", [("tools", OFFERED), ("user", "u")]),
        ("after", [("tools", OFFERED), ("user", "u")]),
        ("first_user", [("user", f"{OFFERED}u")]),
        ("before_last_user", [("tools", OFFERED), ("user", "u")]),
    ],
)
def test_definitions_have_their_place_without_system_text(place: str, turns: list[tuple[str, str]]) -> None:
    assert written(form(place=place), user("u"), tools=BOTH) == turns
    assert written(form(place=place), SYSTEM, user("u"), tools=BOTH, opens=False) == [
        ("system", "s"),
        ("user", f"{OFFERED}u"),
    ], "a server that opens the conversation has its own system text"


@pytest.mark.parametrize("place", ["first_user", "before_last_user"])
def test_definitions_have_their_place_where_no_user_speaks(place: str) -> None:
    role = "user" if place == "first_user" else "tools"
    assert written(form(place=place), SYSTEM, tools=BOTH) == [("system", "s"), (role, OFFERED)]


def test_a_reminder_comes_last_unless_an_answer_was_begun() -> None:
    reminded = form(reminder="Mind the tools.")
    assert written(reminded, user("u"), tools=BOTH)[-1] == ("system", "Mind the tools.")
    begun = {"role": "assistant", "content": "Hel"}
    assert written(reminded, user("u"), begun, tools=BOTH)[-1] == ("assistant", "Hel")
    assert written(reminded, user("u"))[-1] == ("user", "u")
