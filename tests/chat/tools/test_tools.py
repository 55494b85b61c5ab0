"""The tools that a call offers, and how models are told of them."""

from __future__ import annotations

import json
import logging
from typing import Any

import pydantic
import pytest

from areplicate.chat.formats.tool_format import arguments_of
from areplicate.chat.messages import InputMessage
from areplicate.chat.tools.telling import tell_rules, tell_tools
from areplicate.chat.tools.tools import Tool, ToolUse, native_tools, read_tool_use
from areplicate.errors import BadRequestError

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
NOTHING: dict[str, Any] = {"type": "object", "properties": {}}


def function(name: str = "weather", **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


BOTH = [function("weather", parameters=PARAMETERS), function("time")]


def test_tools_are_told_apart_by_one_look_at_each() -> None:
    """A small request with thousands of tools must not hold all others up."""

    class Name(str):
        compared = 0

        def __eq__(self, other: object) -> bool:
            Name.compared += 1
            return super().__eq__(other)

        __hash__ = str.__hash__

    tools = [function(Name(f"f{number}")) for number in range(300)]
    choice = {"type": "allowed_tools", "mode": "auto", "tools": tools}
    use = read_tool_use({"tools": tools, "tool_choice": choice})
    assert use is not None and len(use.tools) == 300
    assert Name.compared < 3_000


@pytest.mark.parametrize("arguments", ["{", "[" * 100_000 + "]" * 100_000, '"\\ud800"'])
def test_arguments_that_cannot_be_read_stay_the_text_that_they_are(arguments: str) -> None:
    assert arguments_of({"arguments": arguments}) == arguments


class TestTools:
    @pytest.mark.parametrize(
        ("given", "read"),
        [
            (function(), Tool("weather")),
            (
                function(description="Tells it.", parameters=PARAMETERS, strict=True),
                Tool("weather", "Tells it.", PARAMETERS, True),
            ),
            (function(description=None, parameters=None, strict=None), Tool("weather")),
            (function(strict="yes"), Tool("weather")),
            (
                {"type": "function", "name": "weather", "parameters": PARAMETERS},
                Tool("weather", "", PARAMETERS),
            ),
            ({"name": "weather", "strict": False}, Tool("weather", strict=False)),
        ],
    )
    def test_are_functions(self, given: Any, read: Tool) -> None:
        for params in ({"tools": [given]}, {"tools": (given,)}):
            assert read_tool_use(params) == ToolUse((read,))

    def test_may_be_objects_of_other_clients(self) -> None:
        class Given(pydantic.BaseModel):
            name: str

        assert read_tool_use({"tools": [Given(name="weather")]}) == ToolUse((Tool("weather"),))

    def test_have_an_older_name(self) -> None:
        functions = [{"name": "weather"}, {"name": "time"}]
        both = ToolUse((Tool("weather"), Tool("time")), parallel=False, older=True)
        assert read_tool_use({"functions": functions}) == both
        asked = read_tool_use({"functions": functions, "function_call": {"name": "time"}})
        assert asked == ToolUse((Tool("time"),), required=True, parallel=False, older=True)
        assert read_tool_use({"functions": functions, "function_call": "none"}) is None
        newer = read_tool_use({"functions": functions, "function_call": "none", "tool_choice": "auto"})
        assert newer == both

    @pytest.mark.parametrize("params", [{}, {"tools": []}, {"tools": None}, {"functions": []}])
    def test_may_be_none(self, params: Any) -> None:
        assert read_tool_use(params) is None

    def test_of_openai_s_servers_are_left_out_with_a_warning(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING, "areplicate")
        search = {"type": "web_search", "name": "weather"}
        assert read_tool_use({"tools": [search, function()]}) == ToolUse((Tool("weather"),))
        assert "A tool of the type 'web_search' is left out: only functions can be offered" in caplog.text
        assert read_tool_use({"tools": [search]}) is None

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"tools": "x"}, "tools must be a list of objects, not str."),
            ({"tools": {"a": 1}}, "tools must be a list of objects, not dict."),
            ({"functions": "x"}, "functions must be a list of objects, not str."),
            ({"tools": [function("a"), 3]}, r"tools\[1\] must be an object, not int."),
            ({"tools": [{"type": 3}]}, r"tools\[0\].type must be a string."),
            ({"tools": [function("a"), {}]}, r"tools\[1\] has no name: write \{\"type\": \"function\""),
            ({"tools": [function("")]}, r"tools\[0\] has no name"),
            ({"tools": [{"type": "function", "function": 3}]}, r"tools\[0\] has no name"),
            ({"tools": [{"name": 3}]}, r"tools\[0\] has no name"),
            ({"tools": [function(description=3)]}, r"tools\[0\].function.description must be a string."),
            ({"tools": [function(parameters=3)]}, r"tools\[0\].function.parameters must be a JSON Schema"),
            ({"tools": [function("a"), function("b"), function("b")]}, "Two tools are called 'b'"),
        ],
    )
    def test_that_are_wrong_are_refused_by_their_place(self, params: Any, message: str) -> None:
        with pytest.raises(BadRequestError, match=f"^{message}"):
            read_tool_use(params)


class TestAChoice:
    @pytest.mark.parametrize(
        ("choice", "names", "required"),
        [
            (None, {"weather", "time"}, False),
            ("auto", {"weather", "time"}, False),
            ("required", {"weather", "time"}, True),
            ("any", {"weather", "time"}, True),
            (function("time"), {"time"}, True),
            ({"type": "function", "name": "time"}, {"time"}, True),
            ({"name": "time"}, {"time"}, True),
            ({"type": "allowed_tools", "mode": "auto", "tools": [function("time")]}, {"time"}, False),
            ({"type": "allowed_tools", "mode": "required", "tools": [{"name": "time"}]}, {"time"}, True),
            (
                {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": BOTH}},
                {"weather", "time"},
                True,
            ),
        ],
    )
    def test_leaves_some_of_the_tools(self, choice: Any, names: set[str], required: bool) -> None:
        use = read_tool_use({"tools": BOTH, "tool_choice": choice})
        assert use is not None and use.names == names and use.required is required

    @pytest.mark.parametrize("choice", ["none", {"type": "allowed_tools", "tools": []}])
    def test_may_leave_none(self, choice: Any) -> None:
        assert read_tool_use({"tools": BOTH, "tool_choice": choice}) is None

    @pytest.mark.parametrize(("parallel", "read"), [(None, True), (True, True), (False, False)])
    def test_may_ask_for_one_call_at_a_time(self, parallel: Any, read: bool) -> None:
        use = read_tool_use({"tools": BOTH, "parallel_tool_calls": parallel})
        assert use is not None and use.parallel is read

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"tool_choice": "required"}, "tool_choice is 'required', which needs tools: give at least one."),
            ({"tool_choice": "any"}, "tool_choice is 'any', which needs tools"),
            ({"tools": BOTH, "tool_choice": "some"}, "tool_choice must be auto, none, required or an object"),
            ({"tools": BOTH, "tool_choice": 3}, "tool_choice must be .*, not 3."),
            (
                {"tools": BOTH, "tool_choice": function("x")},
                "tool_choice names 'x', which is not among the tools: weather, time.",
            ),
            ({"tool_choice": function("x")}, "tool_choice names 'x', which is not among the tools: none."),
            (
                {"tools": [function(f"t{n}") for n in range(60)], "tool_choice": function("x")},
                "tool_choice names 'x', which is not among the tools: t0, .*, t49\\.$",
            ),
            ({"tools": BOTH, "tool_choice": {"type": "function"}}, "tool_choice names None, which"),
            ({"tools": BOTH, "tool_choice": {"type": "function", "function": 3}}, "tool_choice names None"),
            ({"tools": BOTH, "tool_choice": {"type": "web_search"}}, "tool_choice asks for .* 'web_search'"),
            (
                {"tools": BOTH, "tool_choice": {"type": "allowed_tools", "tools": ["weather"]}},
                "tool_choice names None",
            ),
            (
                {"tools": BOTH, "tool_choice": {"type": "allowed_tools", "tools": 3}},
                "allowed_tools must be a list of objects, not int",
            ),
        ],
    )
    def test_of_what_there_is_not_is_refused(self, params: Any, message: str) -> None:
        with pytest.raises(BadRequestError, match=f"^{message}"):
            read_tool_use(params)


class TestAModelWithAnInputForTools:
    @pytest.mark.parametrize(
        ("flat", "shown"),
        [
            (
                False,
                [
                    function(description="Tells it.", parameters=PARAMETERS),
                    function("time", parameters=NOTHING),
                ],
            ),
            (
                True,
                [
                    {
                        "type": "function",
                        "name": "weather",
                        "description": "Tells it.",
                        "parameters": PARAMETERS,
                        "strict": True,
                    },
                    {"type": "function", "name": "time", "parameters": NOTHING, "strict": None},
                ],
            ),
        ],
    )
    def test_is_given_them_in_its_shape(self, flat: bool, shown: Any) -> None:
        use = ToolUse((Tool("weather", "Tells it.", PARAMETERS, True), Tool("time")))
        assert native_tools(use, ("tools", "input_item_list") if flat else ("tools",)) == {"tools": shown}

    @pytest.mark.parametrize(("required", "choice"), [(False, "auto"), (True, "required")])
    @pytest.mark.parametrize("parallel", [False, True])
    def test_is_told_the_rules_where_it_takes_them(self, required: bool, choice: str, parallel: bool) -> None:
        use = ToolUse((Tool("a"),), required, parallel)
        given = native_tools(use, ("tools", "tool_choice", "parallel_tool_calls"))
        assert (given["tool_choice"], given["parallel_tool_calls"]) == (choice, parallel)


ASKED = InputMessage("user", "Will it rain?")


class TestAnyOtherModel:
    def test_is_told_of_each_tool_in_json(self) -> None:
        system, asked = tell_tools((ASKED,), ToolUse((Tool("weather", "", PARAMETERS), Tool("time"))))
        assert (system.role, asked) == ("system", ASKED)
        listed = system.text.partition("<tools>\n")[2].partition("\n</tools>")[0]
        assert [json.loads(line) for line in listed.splitlines()] == [
            function(parameters=PARAMETERS),
            function("time", parameters=NOTHING),
        ]
        assert '<tool_call>\n{"name": "NAME", "arguments": {...}}\n</tool_call>' in system.text

    @pytest.mark.parametrize(
        ("use", "rules"),
        [
            (
                ToolUse((Tool("a"), Tool("b"))),
                "Where no tool is needed, answer without one. Several calls are several such blocks.",
            ),
            (ToolUse((Tool("a"), Tool("b")), required=True), "Call one of them now. Several calls are"),
            (ToolUse((Tool("a"),), required=True), "Call a now. Several calls are"),
            (
                ToolUse((Tool("a"),), parallel=False),
                "Where no tool is needed, answer without one. Call one tool at a time, not several.",
            ),
        ],
    )
    def test_is_told_the_rules(self, use: ToolUse, rules: str) -> None:
        (system, _) = tell_tools((ASKED,), use)
        assert rules in system.text
        turns = tell_rules((ASKED,), use)
        if use.required or not use.parallel:
            assert turns[0].role == "system" and turns[0].text.startswith(rules) and turns[1:] == (ASKED,)
        else:
            assert turns == (ASKED,), "the family's own form says as much"

    def test_is_told_after_the_system_text_that_there_is(self) -> None:
        first = InputMessage("system", "Be brief.", name="me")
        for turns in (
            tell_rules((first, ASKED), ToolUse((Tool("a"),), required=True)),
            tell_tools((first, ASKED), ToolUse((Tool("a"),), required=True)),
        ):
            assert turns[0].text.startswith("Be brief.\n\n") and "Call a now." in turns[0].text
            assert (turns[0].role, turns[0].name, turns[1:]) == ("system", "me", (ASKED,))
