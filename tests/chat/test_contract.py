"""How a model is told of tools and formats: in its own inputs where it has them, else in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from areplicate.chat.adapting import adapt
from areplicate.chat.contract import ask_again
from areplicate.chat.conversation import Prompting
from areplicate.chat.formats.format import PromptTemplate
from areplicate.chat.formats.jinja import ChatTemplate
from areplicate.chat.inputs import build_input
from areplicate.chat.messages import InputMessage
from areplicate.chat.schemas import catalogue
from areplicate.chat.schemas.schema import ModelSchema, from_openapi
from areplicate.errors import BadRequestError
from areplicate.local import LocalReplicate

HI: Any = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
TEXT = {"type": "string"}
PICTURE = {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}


def tool(name: str) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {}}},
    }


TOOLS = [tool("get_weather"), tool("get_time")]
TIME = {"type": "function", "function": {"name": "get_time"}}
ANY_OBJECT = {"type": "json_object"}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
PERSON = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}


def schema(**properties: Any) -> ModelSchema:
    return from_openapi({"Input": {"properties": {"prompt": TEXT, **properties}}}, model="acme/model")


TAKES_TOOLS = schema(tools={"type": "array", "items": {"type": "object"}})
TAKES_CHOICE = schema(
    tools={"type": "array", "items": {"type": "object"}},
    tool_choice=TEXT,
    parallel_tool_calls={"type": "boolean"},
)


def sent(params: dict[str, Any], known: ModelSchema, **options: Any) -> dict[str, Any]:
    """The input that is sent, without the prompt."""
    adapted = adapt(HI, params, schema=known, **options)
    fields = build_input(
        adapted.turns,
        adapted.params,
        model=known.model,
        schema=known,
        prompting=Prompting(tools=adapted.tools),
    ).fields
    return {name: value for name, value in fields.items() if name != "prompt"}


class TestTools:
    def test_a_named_choice_sends_that_tool_alone(self) -> None:
        assert sent({"tools": TOOLS, "tool_choice": TIME}, TAKES_TOOLS) == {"tools": [tool("get_time")]}
        assert sent({"tools": TOOLS, "tool_choice": TIME}, TAKES_CHOICE) == {
            "tools": [tool("get_time")],
            "tool_choice": "required",
            "parallel_tool_calls": True,
        }

    def test_flat_names_and_allowed_tools_choose_as_well(self) -> None:
        flat = {"type": "function", "name": "get_time"}
        allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TIME]}}
        for choice in (flat, allowed):
            assert sent({"tools": TOOLS, "tool_choice": choice}, TAKES_CHOICE)["tools"] == [tool("get_time")]

    @pytest.mark.parametrize("known", [TAKES_TOOLS, TAKES_CHOICE, schema()])
    def test_none_sends_none(self, known: ModelSchema) -> None:
        adapted = adapt(HI, {"tools": TOOLS, "tool_choice": "none"}, schema=known)
        assert adapted.contract is None and adapted.params == {}
        assert "get_time" not in adapted.turns[0].text

    @pytest.mark.parametrize("parallel", [True, False])
    @pytest.mark.parametrize("known", [TAKES_TOOLS, TAKES_CHOICE, schema()])
    def test_parallel_tool_calls_refuses_no_call(self, known: ModelSchema, parallel: bool) -> None:
        adapted = adapt(HI, {"tools": TOOLS, "parallel_tool_calls": parallel}, schema=known)
        assert adapted.contract is not None and adapted.contract.tools is not None
        assert adapted.contract.tools.parallel is parallel
        build_input(adapted.turns, adapted.params, model=known.model, schema=known)

    def test_the_shape_that_the_model_takes(self) -> None:
        text = schema(tools={"type": "array", "items": TEXT})
        assert sent({"tools": TOOLS[:1]}, text)["tools"] == [json.dumps(TOOLS[0], separators=(",", ":"))]
        flat = schema(tools={"type": "array", "items": {"type": "object"}}, input_item_list={"type": "array"})
        assert sent({"tools": TOOLS[:1]}, flat)["tools"] == [
            {
                "type": "function",
                "name": "get_weather",
                "parameters": {"type": "object", "properties": {}},
                "strict": None,
            }
        ]

    def test_the_older_functions(self) -> None:
        params = {"functions": [each["function"] for each in TOOLS], "function_call": {"name": "get_time"}}
        assert sent(params, TAKES_TOOLS) == {"tools": [tool("get_time")]}

    def test_tools_that_are_no_functions_are_left_out(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level("WARNING", "areplicate"):
            assert sent({"tools": [{"type": "web_search"}, TOOLS[0]]}, TAKES_TOOLS) == {"tools": TOOLS[:1]}
        assert "web_search" in caplog.text
        assert adapt(HI, {"tools": [{"type": "web_search"}]}, schema=None).contract is None

    def test_a_model_without_an_input_is_told_in_its_prompt(self) -> None:
        adapted = adapt(HI, {"tools": TOOLS, "tool_choice": TIME}, schema=schema())
        assert adapted.contract is not None and adapted.contract.emulated == ("tools",)
        assert adapted.params == {} and adapted.tools == (tool("get_time"),)
        assert adapted.turns[0].text.startswith("Be kind.\n\nCall get_time now.")
        known = schema()
        server_writes = "meta/llama-2-70b-chat"
        for model, its in (
            (None, known),
            ("qwen/qwen2.5-7b-instruct", None),
            (server_writes, catalogue.find(server_writes)),
        ):
            built = build_input(
                adapted.turns, {}, model=model, schema=its, prompting=Prompting(tools=adapted.tools)
            )
            assert '"parameters"' in built.fields["prompt"] and "get_weather" not in built.fields["prompt"]

    @pytest.mark.parametrize(("writes", "in_words"), [("", True), ("{{ tools }}", False)])
    def test_a_template_of_ones_own_that_has_no_tools_gets_them_in_words(
        self, writes: str, in_words: bool
    ) -> None:
        source = f"{writes}{{% for m in messages %}}{{{{ m.content }}}}{{% endfor %}}"
        template = PromptTemplate(chat_template=ChatTemplate(source))
        adapted = adapt(HI, {"tools": TOOLS}, schema=schema(), template=template)
        assert (adapted.tools == ()) is in_words is ("get_weather" in adapted.turns[0].text)
        assert adapted.contract is not None and adapted.contract.emulated == ("tools",)

    def test_results_come_back_in_words_too(self) -> None:
        call = {
            "id": "c1",
            "type": "function",
            "function": {"name": "get_time", "arguments": '{"zone":"UTC"}'},
        }
        turns = [
            *HI,
            {"role": "assistant", "content": [PICTURE], "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "noon"}, PICTURE]},
        ]
        objects = {"type": "array", "items": {"type": "object"}}
        images = {"type": "array", "items": {"type": "string", "format": "uri"}}
        known = from_openapi({"Input": {"properties": {"messages": objects, "images": images}}})
        adapted = adapt(turns, {"tools": TOOLS}, schema=known)
        wire = build_input(adapted.turns, adapted.params, model=None, schema=known).fields["messages"]
        assert [message["role"] for message in wire] == ["system", "user", "assistant", "user"]
        assert "get_time" in wire[2]["content"] and "noon" in wire[3]["content"]
        assert [len(turn.media) for turn in adapted.turns] == [0, 0, 1, 1]

    def test_without_emulation_it_is_refused_as_any_other_parameter(self) -> None:
        adapted = adapt(HI, {"tools": TOOLS}, schema=schema(), emulate=False)
        assert adapted.contract is None and adapted.params == {"tools": TOOLS}
        adapted = adapt(HI, {"tools": TOOLS}, schema=TAKES_TOOLS, emulate=False)
        assert adapted.contract is not None and adapted.contract.emulated == ()

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"tools": "clock"}, "tools must be a list of objects, not str"),
            ({"tools": ["clock"]}, r"tools\[0\] must be an object"),
            ({"tools": [{"type": "function"}]}, r"tools\[0\] has no name"),
            ({"tools": [tool("a"), tool("a")]}, "Two tools are called 'a'"),
            (
                {"tools": TOOLS, "tool_choice": {"name": "nothing"}},
                "not among the tools: get_weather, get_time",
            ),
            ({"tools": TOOLS, "tool_choice": "always"}, "tool_choice must be"),
            ({"tool_choice": "required"}, "which needs tools: give at least one"),
        ],
    )
    def test_what_is_wrong_is_said(self, params: dict[str, Any], message: str) -> None:
        with pytest.raises(BadRequestError, match=message):
            adapt(HI, params, schema=TAKES_TOOLS)


class TestFormats:
    @pytest.mark.parametrize(
        ("properties", "expected"),
        [
            ({"response_format": {"type": "object"}}, {"response_format": PERSON}),
            ({"json_schema": {"type": "object"}}, {"json_schema": SCHEMA}),
            ({"json_schema": TEXT}, {"json_schema": json.dumps(SCHEMA, separators=(",", ":"))}),
            (
                {"jsonschema": TEXT, "grammar": TEXT},
                {"jsonschema": json.dumps(SCHEMA, separators=(",", ":"))},
            ),
            (
                {"json_schema": {"type": "object"}, "input_item_list": {"type": "array"}},
                {"json_schema": {"format": {"type": "json_schema", "name": "person", "schema": SCHEMA}}},
            ),
        ],
    )
    def test_the_schema_goes_where_the_model_has_a_place_for_it(self, properties: Any, expected: Any) -> None:
        known = schema(**properties)
        adapted = adapt(HI, {"response_format": PERSON}, schema=known)
        assert adapted.contract is not None and adapted.contract.emulated == ()
        assert "JSON" not in adapted.turns[0].text
        assert sent({"response_format": PERSON}, known) == expected

    @pytest.mark.parametrize(
        ("properties", "expected"),
        [
            ({"json_mode": {"type": "boolean"}}, {"json_mode": True}),
            ({"output_format": {"type": "string", "enum": ["text", "json"]}}, {"output_format": "json"}),
            (
                {"response_format": {"type": "string", "enum": ["text", "json_object"]}},
                {"response_format": "json_object"},
            ),
        ],
    )
    def test_a_switch_holds_to_json_and_words_to_the_schema(self, properties: Any, expected: Any) -> None:
        known = schema(**properties)
        assert sent({"response_format": PERSON}, known) == expected
        adapted = adapt(HI, {"response_format": PERSON}, schema=known)
        assert adapted.contract is not None and adapted.contract.emulated == ("response_format",)
        assert json.dumps(SCHEMA, separators=(",", ":")) in adapted.turns[0].text
        whole = adapt(HI, {"response_format": ANY_OBJECT}, schema=known)
        assert whole.contract is not None and whole.contract.emulated == ()

    def test_else_it_is_asked_for_in_words(self) -> None:
        adapted = adapt(HI, {"response_format": ANY_OBJECT}, schema=schema())
        assert adapted.contract is not None and adapted.contract.emulated == ("response_format",)
        assert adapted.turns[0].text.startswith("Be kind.\n\nAnswer with one JSON object")

    def test_a_pydantic_class_is_its_schema(self) -> None:
        class Person:
            @staticmethod
            def model_json_schema() -> dict[str, Any]:
                return SCHEMA

        adapted = adapt(HI, {"response_format": Person}, schema=None)
        assert adapted.contract is not None and adapted.contract.format is not None
        assert (adapted.contract.format.name, adapted.contract.format.schema) == ("Person", SCHEMA)

    def test_plain_text_is_no_contract(self) -> None:
        adapted = adapt(HI, {"response_format": {"type": "text"}}, schema=schema())
        assert (adapted.contract, adapted.params) == (None, {})

    @pytest.mark.parametrize(
        ("format", "message"),
        [
            ("json", "response_format must be an object"),
            ({"type": "xml"}, "has the type 'xml'"),
            ({"type": "json_schema"}, "needs a schema"),
        ],
    )
    def test_what_is_wrong_is_said(self, format: Any, message: str) -> None:
        with pytest.raises(BadRequestError, match=message):
            adapt(HI, {"response_format": format}, schema=None)

    @pytest.mark.parametrize(
        "wrong", [{"type": "strange"}, {"$ref": "http://127.0.0.1:1/schema.json"}, {"pattern": "("}]
    )
    def test_a_schema_that_is_none_or_that_lies_elsewhere_is_refused(self, wrong: dict[str, Any]) -> None:
        format = {"type": "json_schema", "json_schema": {"name": "x", "schema": wrong}}
        with pytest.raises(BadRequestError, match=r"^The JSON Schema cannot be used: [^\n]*[^.\n]\.$"):
            adapt(HI, {"response_format": format}, schema=None)


class TestAskingAgain:
    def asked(self, answer: str, **params: Any) -> tuple[tuple[InputMessage, ...], str]:
        """The conversation that asks again, and the part of it that is new."""
        adapted = adapt(HI, params, schema=None)
        assert adapted.contract is not None
        reader = adapted.contract.reader(streamed=True)
        for character in answer:
            reader.feed(character)
        reader.end()
        assert reader.faults
        turns = ask_again(adapted.turns, reader)
        assert turns[:-2] == adapted.turns and turns[-2] == InputMessage("assistant", answer)
        assert turns[-1].role == "user"
        return turns, turns[-1].text

    def test_for_a_call_tells_each_fault(self) -> None:
        call = '<tool_call>{"name": "%s", "arguments": {}}</tool_call>'
        _, complaint = self.asked(call % "a" + call % "b", tools=TOOLS)
        assert complaint == (
            "Your answer cannot be used:\n"
            "- There is no tool 'a'; there are: get_weather, get_time.\n"
            "- There is no tool 'b'; there are: get_weather, get_time.\n"
            "Write the corrected tool call, in the same form, and nothing else."
        )

    def test_for_several_calls_at_once_tells_each_fault(self) -> None:
        _, complaint = self.asked(
            '<tool_call>[{"name": "a", "arguments": {}}, {"name": "b", "arguments": {}}]</tool_call>',
            tools=TOOLS,
        )
        assert "no tool 'a'" in complaint and "no tool 'b'" in complaint

    def test_for_a_call_that_cannot_be_read_says_so(self) -> None:
        _, complaint = self.asked('<tool_call>{"name": </tool_call>', tools=TOOLS)
        assert "- A tool call cannot be read: its JSON is broken.\nWrite the corrected tool call" in complaint

    def test_for_a_call_that_is_missing_names_the_tools(self) -> None:
        _, complaint = self.asked("Sunny.", tools=TOOLS, tool_choice="required")
        assert "- One of the tools must be called: get_time, get_weather.\n" in complaint

    def test_a_call_that_the_next_answer_repeats_hides_none_beside_it(self) -> None:
        contract = adapt(HI, {"tools": TOOLS}, schema=None).contract
        assert contract is not None
        time, weather = ('{"name": "get_time", "arguments": {}}', '{"name": "get_weather", "arguments": {}}')
        first = contract.reader(streamed=True)
        deltas = first.feed(f"<tool_call>{time}</tool_call><tool_call>{{</tool_call>") + first.end()
        second = first.again()
        deltas += second.feed(f"<tool_call>[{time}, {weather}]</tool_call>") + second.end()
        assert first.faults and not second.faults
        calls = [call.function.name for delta in deltas for call in delta.tool_calls or ()]
        assert calls == ["get_time", "get_weather"]

    def test_for_json_begins_with_what_was_given_out(self) -> None:
        _, complaint = self.asked("Sunny.", response_format=PERSON)
        assert complaint.startswith("Your answer cannot be used:\n- ") and "begin exactly" not in complaint
        assert complaint.endswith("\nAnswer again with the corrected JSON and nothing else.")
        numbers = {"type": "object", "properties": {"a": {"type": "integer"}, "n": {"type": "integer"}}}
        format = {
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": {**numbers, "required": ["n"]}},
        }
        _, complaint = self.asked('{"a": 1, "n": "x"}', response_format=format)
        assert '\nThe new answer must begin exactly with {"a":1' in complaint

    def test_for_json_beside_tools_asks_for_the_call(self) -> None:
        _, complaint = self.asked("Sunny.", response_format=PERSON, tools=TOOLS)
        assert complaint.endswith("Write the corrected tool call, in the same form, and nothing else.")


def test_nothing_is_fetched_for_a_schema() -> None:
    with LocalReplicate() as local:
        lies_elsewhere = {"type": "object", "properties": {"n": {"$ref": f"{local.api_base}/schema.json"}}}
        format = {"type": "json_schema", "json_schema": {"name": "x", "schema": lies_elsewhere}}
        with pytest.raises(BadRequestError, match="JSON Schema cannot be used"):
            adapt(HI, {"response_format": format}, schema=None)
        assert not local.requests
