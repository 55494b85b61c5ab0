"""What clients of OpenAI's Responses API send, as a chat completion."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from areplicate.chat.apis.responses_input import input_items, read_request
from areplicate.errors import BadRequestError

HELLO = {"role": "user", "content": "Hello"}
CALL = {"type": "function_call", "call_id": "a", "name": "weather", "arguments": '{"city":"Rome"}'}
CALLED = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}


def read(*items: Any, **body: Any) -> list[Any]:
    return read_request({"model": "m", "input": list(items), **body}).messages


def params(**body: Any) -> dict[str, Any]:
    return read_request({"input": "Hello", **body}).params


class TestItems:
    def test_may_be_a_text(self) -> None:
        said = [{"type": "input_text", "text": "Hello"}]
        assert input_items({"input": "Hello"}) == [{"type": "message", "role": "user", "content": said}]
        assert read_request({"input": "Hello"}).messages == [{"role": "user", "content": said}]

    @pytest.mark.parametrize(
        "item", [HELLO, {**HELLO, "type": "message"}, {**HELLO, "type": None, "id": "x"}]
    )
    def test_are_messages(self, item: Any) -> None:
        assert read(item) == [HELLO]

    def test_come_after_the_instructions_and_what_came_before(self) -> None:
        asked = read_request(
            {"input": [HELLO], "instructions": "Be brief."}, [{"role": "user", "content": "Hi"}]
        )
        assert asked.messages == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            HELLO,
        ]

    @pytest.mark.parametrize("text", ["Wait.", [{"type": "output_text", "text": "Wait."}]])
    def test_of_one_turn_are_one_message_however_text_stands_among_the_calls(self, text: Any) -> None:
        """As streams give it out: templates, and models with tools of their own, want each result behind its calls."""
        said, second = {"role": "assistant", "content": text}, {**CALL, "call_id": "b"}
        results = [{"type": "function_call_output", "call_id": id, "output": "Rain."} for id in "ab"]
        before, *rest = [read(*turn, *results) for turn in ([said, CALL, second], [CALL, said, second])]
        parts = [{"type": "text", "text": text}] if isinstance(text, str) else text
        turn, *told = read(CALL, second, said, *results)
        assert turn == {"role": "assistant", "content": parts, "tool_calls": [CALLED, {**CALLED, "id": "b"}]}
        assert [message["tool_call_id"] for message in told] == ["a", "b"]
        assert rest == [[turn, *told]] and before[0]["tool_calls"] == turn["tool_calls"]

    def test_have_parts_under_other_names(self) -> None:
        parts = [
            {"type": "input_text", "text": "Look"},
            {"type": "input_image", "image_url": "https://a.b/c.png", "detail": "low"},
            {"type": "input_file", "file_data": "data:,x", "filename": "x.txt"},
            {"type": "input_file", "file_url": "https://a.b/c.pdf"},
        ]
        (message,) = read({"role": "user", "content": parts})
        assert message["content"] == [
            {"type": "input_text", "text": "Look"},
            {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}},
            {"type": "file", "file": {"file_data": "data:,x", "filename": "x.txt"}},
            {"type": "file", "file": {"file_url": "https://a.b/c.pdf"}},
        ]

    def test_may_be_a_tool_s_calls_and_what_it_gave(self) -> None:
        other = {**CALL, "call_id": "b"}
        given = {"type": "function_call_output", "call_id": "a", "output": "Sun"}
        parts = [{"type": "input_text", "text": "Rain"}]
        assert read(HELLO, CALL, other, given, {**given, "call_id": "b", "output": parts}) == [
            HELLO,
            {"role": "assistant", "content": None, "tool_calls": [CALLED, {**CALLED, "id": "b"}]},
            {"role": "tool", "tool_call_id": "a", "content": "Sun"},
            {"role": "tool", "tool_call_id": "b", "content": parts},
        ]

    def test_put_a_call_to_what_the_assistant_said(self) -> None:
        said = {"role": "assistant", "content": "I look."}
        assert read(HELLO, said, CALL)[1:] == [{**said, "tool_calls": [CALLED]}]

    @pytest.mark.parametrize(
        ("call", "name", "arguments"),
        [
            ({"type": "function_call", "name": "weather", "arguments": {"city": 1}}, "weather", '{"city":1}'),
            ({"type": "custom_tool_call", "name": "sql", "input": "SELECT"}, "sql", '{"input":"SELECT"}'),
            (
                {"type": "local_shell_call", "action": {"command": ["ls"]}},
                "local_shell",
                '{"command":["ls"]}',
            ),
            ({"type": "apply_patch_call", "operation": {"path": "x"}}, "apply_patch", '{"path":"x"}'),
            ({"type": "code_interpreter_call", "code": "1"}, "code_interpreter", "1"),
            ({"type": "computer_call"}, "computer", "{}"),
        ],
    )
    def test_may_be_calls_of_other_tools(self, call: Any, name: str, arguments: str) -> None:
        _, message = read(HELLO, {**call, "call_id": "a"})
        (called,) = message["tool_calls"]
        assert called == {
            "id": "a",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }

    @pytest.mark.parametrize(
        ("output", "content"), [({"a": 1}, '{"a":1}'), ([1], "[1]"), (None, ""), ("x", "x"), ({}, "")]
    )
    def test_may_be_what_other_tools_gave(self, output: Any, content: str) -> None:
        _, message = read(HELLO, {"type": "local_shell_call_output", "call_id": "a", "output": output})
        assert message == {"role": "tool", "tool_call_id": "a", "content": content}

    def test_that_say_nothing_to_a_model_are_left_out(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING, "areplicate")
        assert read(HELLO, {"type": "reasoning", "summary": []}) == [HELLO]
        assert not caplog.text
        assert read(HELLO, {"type": "web_search_call", "id": "x"}, {"type": "computer_call"}) == [HELLO]
        assert "input[1] is left out: items of the type 'web_search_call' mean nothing" in caplog.text
        assert "input[2] is left out: items of the type 'computer_call' mean nothing" in caplog.text

    def test_give_what_was_thought_before_an_answer_or_a_call(self) -> None:
        thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "I look."}]}
        more = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Again."}]}
        call = {"type": "function_call", "call_id": "a", "name": "weather", "arguments": "{}"}
        said = {"type": "message", "role": "assistant", "content": "Rain."}
        output = {"type": "function_call_output", "call_id": "a", "output": "rain"}
        _, called, _, answered = read(HELLO, thought, call, output, thought, more, said)
        assert (called["reasoning_content"], len(called["tool_calls"])) == ("I look.", 1)
        assert answered == {"role": "assistant", "content": "Rain.", "reasoning_content": "I look.\n\nAgain."}
        _, both = read(HELLO, thought, call, more, {**call, "call_id": "b"})
        assert (both["reasoning_content"], len(both["tool_calls"])) == ("I look.\n\nAgain.", 2)
        assert read(HELLO, thought) == read(HELLO, thought, {"id": "rs_1"}) == [HELLO]
        assert [m["role"] for m in read(HELLO, thought, HELLO)] == ["user", "user"]

    def test_may_refer_to_those_that_are_stored(self) -> None:
        stored = {"msg_1": {"type": "message", **HELLO}, "chain": {"type": "item_reference", "id": "msg_1"}}
        for item in ({"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}):
            assert read_request({"input": [item]}, find=stored.get).messages == [HELLO]
            assert read_request({"input": [HELLO]}, [item], stored.get).messages == [HELLO, HELLO]
        assert read(HELLO, {"id": "rs_1"}) == [HELLO], "reasoning is not given back"
        for unknown in ("msg_2", "chain"):
            with pytest.raises(BadRequestError, match="which is not stored here") as caught:
                read_request({"input": [HELLO, {"id": unknown}]}, find=stored.get)
            assert caught.value.param == "input[1]"
        with pytest.raises(BadRequestError, match=r"input\[1\] refers to 'msg_2', which .*store_responses"):
            read(HELLO, {"id": "msg_2"})

    @pytest.mark.parametrize(
        ("item", "place", "why"),
        [
            (3, "", "must be an object, not int"),
            ({"type": 3}, ".type", "must be a string, not int"),
            ({"type": "item_reference"}, ".id", "must be a string, not NoneType"),
            ({**CALL, "call_id": 3}, ".call_id", "must be a string, not int"),
            (
                {"type": "function_call_output", "call_id": 3},
                ".output",
                "must be a string or a list of content",
            ),
            (
                {"type": "custom_tool_call_output", "call_id": "a", "output": [1]},
                ".output",
                "must be a string or a list of content parts",
            ),
            ({"type": "shell_call_output", "call_id": 3}, ".call_id", "must be a string, not int"),
            ({"type": "function_call", "call_id": "a", "name": "x"}, ".arguments", "is missing"),
            ({"type": "function_call", "call_id": "a", "arguments": "{}"}, ".name", "is missing"),
            ({**CALL, "name": ""}, ".name", "must not be empty"),
            ({**CALL, "name": 3}, ".name", "must be a string, not int"),
            ({"role": "user", "content": [3]}, ".content[0]", "must be an object, not int"),
            ({"role": "user", "content": [{"type": "input_image"}]}, ".content[0]", "has no image_url"),
            (
                {"role": "user", "content": [{"type": "input_file", "file_id": "x"}]},
                ".content[0]",
                "needs file_data or file_url",
            ),
        ],
    )
    def test_that_are_wrong_are_told_by_their_place(self, item: Any, place: str, why: str) -> None:
        with pytest.raises(BadRequestError) as caught:
            read(HELLO, item)
        assert caught.value.param == f"input[1]{place}"
        assert str(caught.value).startswith(f"input[1]{place} {why}")

    def test_of_earlier_responses_that_are_wrong_are_told_by_theirs(self) -> None:
        with pytest.raises(BadRequestError) as caught:
            read_request({"input": [HELLO]}, [HELLO, {"type": 3}])
        assert caught.value.param == "earlier[1].type"

    @pytest.mark.parametrize("given", [None, 3, {}])
    def test_are_needed(self, given: Any) -> None:
        with pytest.raises(BadRequestError, match="^input must be a string or a list of items.$") as caught:
            read_request({"input": given})
        assert caught.value.param == "input"

    @pytest.mark.parametrize("items", [[], [{"role": "system", "content": "x"}], [{"type": "reasoning"}]])
    def test_are_needed_that_can_be_answered(self, items: Any) -> None:
        with pytest.raises(BadRequestError, match="^input has no message that could be answered.$") as caught:
            read_request({"input": items, "instructions": "x"})
        assert caught.value.param == "input"


PATCH: dict[str, Any] = {"type": "custom", "name": "patch", "description": "Changes a file."}
CLOCK = {"type": "function", "name": "now", "parameters": {"type": "object"}, "defer_loading": True}
SERVER = {"type": "namespace", "name": "mcp__clock", "description": "Time.", "tools": [CLOCK, PATCH]}


class TestTools:
    """Codex gives those of MCP servers in namespaces: they were left out."""

    def test_of_namespaces_and_custom_ones_are_functions(self) -> None:
        lark = {"type": "grammar", "syntax": "lark", "definition": "start: x"}
        search = {"type": "web_search"}
        patch, clock, other, left = params(tools=[{**PATCH, "format": lark}, SERVER, search])["tools"]
        assert patch["description"] == "Changes a file.\n\nThe input must fit this lark grammar:\nstart: x"
        assert [tool["type"] for tool in (patch, clock, other)] == ["function"] * 3 and left == search
        names = [tool["name"] for tool in (patch, clock, other)]
        assert names == ["patch", "mcp__clock__now", "mcp__clock__patch"]
        assert clock["parameters"] == CLOCK["parameters"]
        assert patch["parameters"] == other["parameters"] and patch["parameters"]["required"] == ["input"]

    @pytest.mark.parametrize("kind", ["additional_tools", "tool_search_output"])
    def test_may_come_in_items_also_of_earlier_turns(self, kind: str) -> None:
        item = {"type": kind, "role": "developer", "tools": [SERVER]}
        for asked in (
            read_request({"input": [item, HELLO]}),
            read_request({"input": [HELLO]}, earlier=[item]),
        ):
            assert asked.messages == [HELLO]
            names = [tool["name"] for tool in asked.params["tools"]]
            assert names == ["mcp__clock__now", "mcp__clock__patch"]

    def test_are_chosen_by_their_own_names(self) -> None:
        chosen = {"type": "function", "name": "now", "namespace": "mcp__clock"}
        custom = {"type": "custom", "name": "patch"}
        functions = [{"type": "function", "name": name} for name in ("mcp__clock__now", "patch")]
        assert params(tool_choice=chosen)["tool_choice"] == functions[0]
        allowed = {"type": "allowed_tools", "mode": "auto", "tools": [chosen, custom]}
        assert params(tool_choice=allowed)["tool_choice"] == {**allowed, "tools": functions}

    def test_were_called_by_the_names_that_the_model_knows(self) -> None:
        call = {"type": "function_call", "call_id": "a", "name": "now", "namespace": "mcp__clock"}
        (_, message) = read(HELLO, {**call, "arguments": "{}"})
        assert message["tool_calls"][0]["function"]["name"] == "mcp__clock__now"

    @pytest.mark.parametrize(
        ("tools", "place"),
        [
            ([{"type": "namespace", "tools": [CLOCK]}], "tools[0].name"),
            ([{**SERVER, "tools": {}}], "tools[0].tools"),
            ([{**SERVER, "tools": [1]}], "tools[0].tools[0]"),
            ([{**SERVER, "tools": [{"type": "function"}]}], "tools[0].tools[0].name"),
            ([{"type": "custom"}], "tools[0].name"),
        ],
    )
    def test_of_a_wrong_shape_are_told_with_their_place(self, tools: Any, place: str) -> None:
        with pytest.raises(BadRequestError) as caught:
            params(tools=tools)
        assert caught.value.param == place


class TestParameters:
    def test_that_chat_completions_have_too_go_through(self) -> None:
        tools = [{"type": "function", "name": "x"}]
        given = {"temperature": 0.5, "top_p": None, "max_output_tokens": 5, "tools": tools, "user": "me"}
        assert params(**given) == {"temperature": 0.5, "max_tokens": 5, "tools": tools, "user": "me"}

    @pytest.mark.parametrize(
        "name",
        [
            *("model", "stream", "stream_options", "include", "truncation", "max_tool_calls", "store", "n"),
            *("client_metadata", "context_management", "moderation", "previous_response_id"),
        ],
    )
    def test_that_concern_openai_s_servers_change_nothing(self, name: str) -> None:
        assert params(**{name: "x"}) == {}

    @pytest.mark.parametrize("name", ["conversation", "prompt", "background", "top_logprobs"])
    def test_that_no_model_here_has_are_refused_with_why(self, name: str) -> None:
        with pytest.raises(BadRequestError, match=f"^{name} cannot be used: .{{20}}") as caught:
            params(**{name: 1})
        assert caught.value.param == name
        assert params(**{name: None}) == params(**{name: 0}) == {}

    @pytest.mark.parametrize(
        ("given", "read_as"),
        [
            ({"reasoning": {"effort": "low", "summary": "auto"}}, {"reasoning_effort": "low"}),
            ({"reasoning": {"effort": None}}, {}),
            ({"text": {"verbosity": "low"}}, {"verbosity": "low"}),
            ({"text": {"format": {"type": "text"}}}, {"response_format": {"type": "text"}}),
            ({"text": {"format": None, "verbosity": None}}, {}),
            (
                {"text": {"format": {"type": "json_schema", "name": "a", "schema": {}, "strict": True}}},
                {
                    "response_format": {
                        "type": "json_schema",
                        "json_schema": {"name": "a", "schema": {}, "strict": True},
                    }
                },
            ),
        ],
    )
    def test_that_chat_completions_have_elsewhere(self, given: Any, read_as: Any) -> None:
        assert params(**given) == read_as

    @pytest.mark.parametrize(
        ("name", "value", "place"),
        [
            ("instructions", 3, "instructions"),
            ("reasoning", "low", "reasoning"),
            ("text", "json", "text"),
            ("text", {"format": "json"}, "text.format"),
        ],
    )
    def test_that_are_wrong_are_told_by_their_place(self, name: str, value: Any, place: str) -> None:
        with pytest.raises(BadRequestError, match=f"^{place} must be ") as caught:
            params(**{name: value})
        assert caught.value.param == place
