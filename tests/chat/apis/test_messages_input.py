"""What Anthropic's clients send, as a chat completion."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from areplicate.chat.apis.chat_arguments import count_tokens
from areplicate.chat.apis.messages_input import read_request
from areplicate.chat.responses import FunctionCall
from areplicate.chat.tools.checking import CallChecker
from areplicate.chat.tools.marks import RawCall
from areplicate.chat.tools.tools import Tool, ToolUse
from areplicate.errors import BadRequestError

HELLO = {"role": "user", "content": "Hello"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"name": "weather", "description": "Tells it.", "input_schema": SCHEMA, "strict": True}
FUNCTION = {"name": "weather", "description": "Tells it.", "parameters": SCHEMA, "strict": True}


def read(*messages: Any) -> list[Any]:
    return read_request({"model": "m", "max_tokens": 9, "messages": list(messages)}).messages


def params(**body: Any) -> dict[str, Any]:
    return read_request({"messages": [HELLO], **body}).params


class TestMessages:
    @pytest.mark.parametrize(
        ("said", "read_as"),
        [
            (HELLO, HELLO),
            ({"role": "system", "content": "Be brief."}, {"role": "system", "content": "Be brief."}),
            (
                {"role": "user", "content": [{"type": "text", "text": "Hello", "cache_control": {}}]},
                {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
            ),
            ({"role": "assistant", "content": []}, {"role": "assistant", "content": ""}),
        ],
    )
    def test_say_the_same(self, said: Any, read_as: Any) -> None:
        assert read(said) == [read_as]

    @pytest.mark.parametrize(
        ("system", "text"),
        [
            ("Be brief.", "Be brief."),
            ([{"type": "text", "text": "Be"}, {"type": "text", "text": "brief."}], "Be\n\nbrief."),
        ],
    )
    def test_begin_with_the_system_s_text(self, system: Any, text: str) -> None:
        asked = read_request({"messages": [HELLO], "system": system})
        assert asked.messages == [{"role": "system", "content": text}, HELLO]

    @pytest.mark.parametrize("system", [None, "", []])
    def test_begin_with_nothing_else_where_there_is_none(self, system: Any) -> None:
        assert read_request({"messages": [HELLO], "system": system}).messages == [HELLO]

    @pytest.mark.parametrize(
        ("source", "url"),
        [
            ({"type": "base64", "media_type": "image/png", "data": "AAAA"}, "data:image/png;base64,AAAA"),
            ({"type": "base64", "data": "AAAA"}, "data:application/octet-stream;base64,AAAA"),
            ({"type": "url", "url": "https://a.b/c.png"}, "https://a.b/c.png"),
        ],
    )
    def test_may_hold_images_and_files(self, source: Any, url: str) -> None:
        (message,) = read(
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": source},
                    {"type": "document", "source": source},
                    {"type": "document", "source": source, "title": "a.pdf"},
                ],
            }
        )
        assert message["content"] == [
            {"type": "image_url", "image_url": {"url": url}},
            {"type": "file", "file": {"file_data": url, "filename": "document"}},
            {"type": "file", "file": {"file_data": url, "filename": "a.pdf"}},
        ]

    def test_may_hold_what_was_found(self) -> None:
        found = {
            "type": "search_result",
            "title": "Earth",
            "content": [{"text": "Round."}, {"text": "Blue."}],
        }
        (message,) = read({"role": "user", "content": [found, {"type": "search_result"}]})
        assert [part["text"] for part in message["content"]] == ["Earth\nRound.\nBlue.", ""]

    @pytest.mark.parametrize(
        "kind",
        ["thinking", "redacted_thinking", "compaction", "server_tool_use", "web_search_tool_result"],
    )
    def test_lose_thoughts_and_what_anthropic_s_own_tools_did(self, kind: str) -> None:
        (message,) = read({"role": "assistant", "content": [{"type": kind}, {"type": "text", "text": "Hi"}]})
        assert message == {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]}
        assert read(HELLO, {"role": "assistant", "content": [{"type": kind}]}) == [HELLO]

    def test_give_what_was_thought_before_an_answer(self) -> None:
        thought = {"type": "thinking", "thinking": "I look.", "signature": "s"}
        call = {"type": "tool_use", "id": "a", "name": "weather"}
        (message,) = read({"role": "assistant", "content": [thought, call]})
        assert message["reasoning_content"] == "I look." and len(message["tool_calls"]) == 1
        assert read(HELLO, {"role": "assistant", "content": [thought]}) == [HELLO]

    @pytest.mark.parametrize(
        "source",
        [
            {"type": "text", "media_type": "text/plain", "data": "One.\nTwo."},
            {"type": "content", "content": "One.\nTwo."},
            {
                "type": "content",
                "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}],
            },
        ],
    )
    @pytest.mark.parametrize(
        ("title", "opening"), [({"title": "Numbers"}, "<document title='Numbers'>"), ({}, "<document>")]
    )
    def test_keep_a_document_apart_from_the_question(
        self, source: Any, title: dict[str, str], opening: str
    ) -> None:
        document = {"type": "document", "source": source, **title}
        (message,) = read({"role": "user", "content": [document, {"type": "text", "text": "How many?"}]})
        said = "".join(part["text"] for part in message["content"])
        assert said == f"{opening}\nOne.\nTwo.\n</document>\nHow many?"
        assert {part["type"] for part in message["content"]} == {"text"}

    def test_call_tools_and_tell_what_those_gave_before_the_user_s_text(self) -> None:
        asked = read(
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Rome"}},
                    {"type": "tool_use", "id": "b", "name": "time", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "And?"},
                    {"type": "tool_result", "tool_use_id": "a", "content": "Sun"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "b",
                        "content": [{"type": "text", "text": "Noon"}],
                    },
                ],
            },
        )
        assert asked == [
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "I look."}],
                "tool_calls": [
                    {
                        "id": "a",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city":"Rome"}'},
                    },
                    {"id": "b", "type": "function", "function": {"name": "time", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "tool_call_id": "a", "content": "Sun"},
            {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "Noon"}]},
            {"role": "user", "content": [{"type": "text", "text": "And?"}]},
        ]

    def test_may_call_without_a_word(self) -> None:
        call = {"type": "tool_use", "id": "a", "name": "weather"}
        (message,) = read({"role": "assistant", "content": [call]})
        assert message["content"] is None and message["tool_calls"][0]["function"]["arguments"] == "{}"

    @pytest.mark.parametrize(
        ("block", "content"),
        [
            ({}, ""),
            ({"content": []}, ""),
            (
                {"content": [{"type": "thinking"}, {"type": "text", "text": "x"}]},
                [{"type": "text", "text": "x"}],
            ),
            (
                {"content": "lost", "is_error": True},
                [{"type": "text", "text": "Error: "}, {"type": "text", "text": "lost"}],
            ),
            (
                {"content": [{"type": "text", "text": "lost"}], "is_error": True},
                [{"type": "text", "text": "Error: "}, {"type": "text", "text": "lost"}],
            ),
            ({"is_error": True}, [{"type": "text", "text": "Error: "}]),
        ],
    )
    def test_tell_what_a_tool_gave(self, block: Any, content: Any) -> None:
        (message,) = read({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", **block}]})
        assert message == {"role": "tool", "tool_call_id": "a", "content": content}

    @pytest.mark.parametrize(
        ("message", "place", "why"),
        [
            ("Hello", "messages[0]", "must be an object, not str"),
            ({"role": "tool", "content": "x"}, "messages[0].role", "must be user or assistant, not 'tool'"),
            ({"role": "user"}, "messages[0].content", "must be a string or a list of blocks, and not empty"),
            (
                {"role": "user", "content": []},
                "messages[0].content",
                "must be a string or a list of blocks, and not empty",
            ),
        ],
    )
    def test_that_are_wrong_are_told_by_their_place(self, message: Any, place: str, why: str) -> None:
        with pytest.raises(BadRequestError) as caught:
            read(message)
        assert (caught.value.param, str(caught.value)) == (place, f"{place} {why}.")

    @pytest.mark.parametrize(
        ("block", "place", "why"),
        [
            ("Hello", "", "must be an object, not str"),
            ({"type": "text"}, ".text", "must be a string, not NoneType"),
            ({}, ".type", "must be a string, not NoneType"),
            (
                {"type": "audio"},
                ".type",
                "must be text, image, document, tool_use or tool_result, not 'audio'",
            ),
            ({"type": "image"}, ".source", "must be an object, not NoneType"),
            (
                {"type": "image", "source": {"type": "file"}},
                ".source",
                "must be base64 or a url: uploaded files cannot be used here",
            ),
            ({"type": "image", "source": {"type": "url"}}, ".source.url", "must be a string, not NoneType"),
            (
                {"type": "image", "source": {"type": "base64"}},
                ".source.data",
                "must be a string, not NoneType",
            ),
            (
                {"type": "document", "source": {"type": "text"}},
                ".source.data",
                "must be a string, not NoneType",
            ),
            ({"type": "document"}, ".source", "must be an object, not NoneType"),
            ({"type": "tool_use", "name": "x"}, ".id", "must be a string, not NoneType"),
            ({"type": "tool_use", "id": "x"}, ".name", "must be a string, not NoneType"),
            ({"type": "tool_result"}, ".tool_use_id", "must be a string, not NoneType"),
            ({"type": "tool_result", "content": 3}, ".content", "must be a string or a list of blocks"),
            (
                {"type": "tool_result", "content": [{"type": "text"}]},
                ".content[0].text",
                "must be a string, not NoneType",
            ),
        ],
    )
    def test_whose_blocks_are_wrong_are_told_by_their_place(self, block: Any, place: str, why: str) -> None:
        with pytest.raises(BadRequestError) as caught:
            read(HELLO, {"role": "user", "content": [{"type": "text", "text": "x"}, block]})
        at = f"messages[1].content[1]{place}"
        assert (caught.value.param, str(caught.value)) == (at, f"{at} {why}.")


class TestParameters:
    def test_that_chat_completions_have_too_go_through(self) -> None:
        given = {"max_tokens": 5, "temperature": 0.5, "top_k": 3, "stop_sequences": ["END"], "top_p": None}
        assert params(**given) == {"max_tokens": 5, "temperature": 0.5, "top_k": 3, "stop": ["END"]}

    @pytest.mark.parametrize(
        "name",
        [
            *("model", "stream", "cache_control", "container", "context_management", "betas", "mcp_servers"),
            *("service_tier", "inference_geo", "speed", "diagnostics"),
        ],
    )
    def test_that_concern_anthropic_s_servers_change_nothing(self, name: str) -> None:
        assert params(**{name: "x"}) == {}

    @pytest.mark.parametrize(
        ("given", "read_as"),
        [
            ({"metadata": {"user_id": "me"}}, {"user": "me"}),
            ({"metadata": {}}, {}),
            ({"output_config": {"effort": "low"}}, {"reasoning_effort": "low"}),
            ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, {"reasoning_effort": "low"}),
            ({"thinking": {"type": "enabled", "budget_tokens": 2049}}, {"reasoning_effort": "medium"}),
            ({"thinking": {"type": "enabled", "budget_tokens": 8192}}, {"reasoning_effort": "medium"}),
            ({"thinking": {"type": "enabled", "budget_tokens": 8193}}, {"reasoning_effort": "high"}),
            ({"thinking": {"type": "disabled", "budget_tokens": 1024}}, {}),
            ({"thinking": {"type": "enabled"}}, {}),
            (
                {
                    "output_config": {"effort": "low"},
                    "thinking": {"type": "enabled", "budget_tokens": 9999},
                },
                {"reasoning_effort": "low"},
            ),
        ],
    )
    def test_that_chat_completions_name_otherwise(self, given: Any, read_as: Any) -> None:
        assert params(**given) == read_as

    @pytest.mark.parametrize("name", ["output_config", "output_format"])
    def test_of_a_form_for_the_answer(self, name: str) -> None:
        format = {"type": "json_schema", "schema": SCHEMA}
        given = {name: {"format": format} if name == "output_config" else format}
        assert params(**given) == {
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
        }

    @pytest.mark.parametrize(
        ("name", "value", "place"),
        [
            *((name, 3, name) for name in ("metadata", "output_config", "thinking")),
            ("output_config", {"format": 3}, "output_config.format"),
            ("system", 3, "system"),
            ("system", [3], "system[0]"),
            ("system", [{"type": "image"}], "system[0]"),
            ("system", [{"type": "text"}], "system[0].text"),
            ("tools", {}, "tools"),
            ("tools", [3], "tools[0]"),
            ("tools", [{**TOOL, "type": 3}], "tools[0].type"),
            ("tools", [{**TOOL, "name": 3}], "tools[0].name"),
            ("tools", [{**TOOL, "name": ""}], "tools[0].name"),
            ("tools", [{**TOOL, "description": 3}], "tools[0].description"),
            ("tools", [{**TOOL, "input_schema": 3}], "tools[0].input_schema"),
            ("messages", [], "messages"),
            ("messages", None, "messages"),
        ],
    )
    def test_that_are_wrong_are_told_by_their_place(self, name: str, value: Any, place: str) -> None:
        with pytest.raises(BadRequestError, match="must") as caught:
            params(**{name: value})
        assert caught.value.param == place and str(caught.value).startswith(f"{place} must ")


@pytest.mark.parametrize("content", [7, {"type": "text"}, [{"type": "text", "text": ["x"]}], ["x"]])
@pytest.mark.parametrize("kind", ["search_result", "document"])
def test_a_block_whose_own_content_is_wrong_is_told_by_its_place(kind: str, content: Any) -> None:
    source = {"type": "content", "content": content}
    with pytest.raises(BadRequestError, match="must be"):
        read({"role": "user", "content": [{"type": kind, "content": content, "source": source}]})


@pytest.mark.parametrize(("name", "code"), [("thread", "thread_unsupported_request"), ("compaction", None)])
def test_what_would_change_the_next_request_is_refused(name: str, code: str | None) -> None:
    """It was ignored: clients then left out, or replaced by the answer, what they thought was kept."""
    with pytest.raises(BadRequestError, match=f"^{name} cannot be used: .{{20}}") as caught:
        params(**{name: {"type": "create"}})
    assert (caught.value.param, caught.value.code) == (name, code)
    assert name not in params(**{name: None})


class TestTools:
    def test_are_functions(self) -> None:
        bare = {"name": "time", "type": "custom", "input_schema": {}}
        assert params(tools=[TOOL, bare])["tools"] == [
            {"type": "function", "function": FUNCTION},
            {
                "type": "function",
                "function": {"name": "time", "description": "", "parameters": {}, "strict": None},
            },
        ]
        assert "tools" not in params(tools=[])

    def test_need_no_description(self) -> None:
        [tool] = params(tools=[{"name": "time", "description": None, "input_schema": {}}])["tools"]
        assert tool["function"]["description"] == ""

    def test_that_a_search_has_found_are_named_to_the_model(self) -> None:
        found = {"type": "tool_result", "tool_use_id": "t1"} | {
            "content": [{"type": "tool_reference", "tool_name": "weather"}]
        }
        [result] = read({"role": "user", "content": [found]})
        assert result["content"] == [{"type": "text", "text": "weather"}]

    def test_of_anthropic_s_servers_are_left_out_with_a_warning(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING, "areplicate")
        search = {"type": "web_search_20250305", "name": "web_search"}
        assert params(tools=[search, TOOL])["tools"] == [{"type": "function", "function": FUNCTION}]
        assert "'web_search_20250305' is left out: it cannot be offered" in caplog.text

    @pytest.mark.parametrize(
        ("kind", "call"),
        [
            ("bash_20250124", {"command": "ls"}),
            ("bash_20250124", {"restart": True}),
            ("text_editor_20250124", {"command": "insert", "path": "a", "insert_line": 0, "new_str": "x"}),
            (
                "text_editor_20250728",
                {"command": "insert", "path": "a", "insert_line": 0, "insert_text": "x"},
            ),
            ("text_editor_20250728", {"command": "view", "path": "a", "view_range": [1, -1]}),
            ("memory_20250818", {"command": "rename", "old_path": "/memories/a", "new_path": "/memories/b"}),
        ],
    )
    def test_of_anthropic_s_that_clients_run_have_a_schema_here(self, kind: str, call: Any) -> None:
        """They were left out: the memory of Anthropic's SDK and the shells of agents were never used."""
        [tool] = params(tools=[{"type": kind, "name": "its_name"}])["tools"]
        schema = tool["function"]["parameters"]
        assert tool["function"]["name"] == "its_name" and tool["function"]["description"]
        assert call.keys() >= set(schema["required"]) and call.keys() <= schema["properties"].keys()
        validator = CallChecker(ToolUse((Tool("its_name", "", schema),)))
        assert isinstance(validator.checked(RawCall("its_name", call)), FunctionCall)

    @pytest.mark.parametrize(
        ("choice", "read_as"),
        [
            (None, {}),
            ({"type": "auto"}, {"tool_choice": "auto"}),
            ({"type": "none"}, {"tool_choice": "none"}),
            ({"type": "any"}, {"tool_choice": "required"}),
            (
                {"type": "tool", "name": "weather"},
                {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
            ),
            (
                {"type": "auto", "disable_parallel_tool_use": True},
                {"tool_choice": "auto", "parallel_tool_calls": False},
            ),
            ({"type": "auto", "disable_parallel_tool_use": False}, {"tool_choice": "auto"}),
        ],
    )
    def test_may_be_chosen(self, choice: Any, read_as: Any) -> None:
        read_ones = params(tools=[TOOL], tool_choice=choice)
        assert read_ones.pop("tools") and read_ones == read_ones | read_as
        assert read_ones.keys() == read_as.keys()
        assert params(tool_choice=choice) == {}, "without tools there is nothing to choose"

    @pytest.mark.parametrize(
        ("choice", "why"), [("any", "must be an object"), ({"type": "one"}, "has the type 'one'; use auto")]
    )
    def test_chosen_in_a_wrong_way_are_refused(self, choice: Any, why: str) -> None:
        with pytest.raises(BadRequestError, match=f"tool_choice {why}") as caught:
            params(tools=[TOOL], tool_choice=choice)
        assert caught.value.param == "tool_choice"


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({}, 3 + 2),  # "Hello" is two of four characters; a message is three more
        ({"system": "12345678"}, 3 + 3 + (8 + 5 + 3) // 4),
        ({"messages": [HELLO, {"role": "assistant", "content": []}]}, 3 + 3 + 2),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "Hello"},
                            {"type": "image", "source": {"type": "base64", "data": "A" * 9999}},
                            {"type": "image", "source": {"type": "url", "url": "https://a.b/c"}},
                        ],
                    }
                ]
            },
            3 + 2 + 2 * 1600,
        ),
    ],
)
def test_tokens_are_four_characters_and_1600_an_image(body: dict[str, Any], tokens: int) -> None:
    assert count_tokens(read_request({"messages": [HELLO], **body})) == tokens


def test_tools_their_calls_and_files_count_as_their_json() -> None:
    plain = count_tokens(read_request({"messages": [HELLO]}))
    with_tool = count_tokens(read_request({"messages": [HELLO], "tools": [TOOL]}))
    assert with_tool - plain in range(len(str(FUNCTION)) // 4, len(str(FUNCTION)) // 4 + 15)
    call = {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "R" * 400}}
    assert (
        count_tokens(read_request({"messages": [HELLO, {"role": "assistant", "content": [call]}]}))
        > plain + 100
    )
    source = {"type": "base64", "media_type": "application/pdf", "data": "A" * 400}
    document = {"role": "user", "content": [{"type": "document", "source": source}]}
    assert count_tokens(read_request({"messages": [document]})) > 100
