"""The openai package: the Responses API and chat, tools, structured output and streams, all strictly typed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from typing import Any

import pydantic
import pytest

from tests.gateway.agents.conftest import ADA, OSLO, PARIS, SUNNY
from tests.gateway.process import MASTER, Gateway
from tests.lazily import openai

pytestmark = pytest.mark.filterwarnings("ignore")
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FLAT: Any = {"type": "function", "name": "get_weather", "parameters": CITY, "strict": True}
NESTED: Any = {"type": "function", "function": {"name": "get_weather", "parameters": CITY}}
ASK: Any = [{"role": "user", "content": "How is the weather in Paris?"}]


class Person(pydantic.BaseModel):
    name: str
    age: int


@pytest.fixture(scope="module")
def client(running: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key=MASTER, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def raw(running: Gateway) -> Any:
    """What the gateway answers on the wire: the response, or the events of its stream."""

    def ask(**body: Any) -> Any:
        with running.http() as http:
            answer = http.post("/v1/responses", json=body)
        assert answer.status_code == 200, answer.text
        if not body.get("stream"):
            return answer.json()
        assert "[DONE]" not in answer.text
        blocks = [block for block in answer.text.split("\n\n") if block and not block.startswith(":")]
        events = []
        for block in blocks:
            name, data = block.split("\n")
            events.append(json.loads(data.removeprefix("data: ")))
            assert name == f"event: {events[-1]['type']}"
        return events

    return ask


QUESTIONS: list[dict[str, Any]] = [
    {"model": "chat", "input": "Hi", "instructions": "Be kind.", "metadata": {"a": "b"}, "store": False},
    {"model": "chat", "input": "Hi", "max_output_tokens": 2, "truncation": "auto"},
    {"model": "weather", "input": ASK, "tools": [FLAT], "parallel_tool_calls": False},
    {
        "model": "weather-native",
        "input": ASK,
        "tools": [FLAT],
        "tool_choice": {"type": "function", "name": "get_weather"},
    },
    {"model": "two-cities", "input": ASK, "tools": [FLAT, {"type": "web_search"}, {"type": "local_shell"}]},
    {"model": "deepseek-r1", "input": "Why?", "reasoning": {"effort": "low", "summary": "auto"}},
    {"model": "ada", "input": "Who?", "text": {"format": {"type": "json_object"}, "verbosity": "low"}},
    {
        "model": "ada-at-second",
        "input": "Who?",
        "include": ["reasoning.encrypted_content"],
        "text": {
            "format": {
                "type": "json_schema",
                "name": "person",
                "schema": Person.model_json_schema(),
                "strict": True,
            }
        },
    },
]


@lru_cache
def event_type() -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(openai.types.responses.ResponseStreamEvent)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["model"])
def test_every_response_and_event_is_of_the_published_types(raw: Any, question: dict[str, Any]) -> None:
    whole = raw(**question)
    openai.types.responses.Response.model_validate(whole, strict=True)
    events = raw(**question, stream=True)
    for event in events:
        event_type().validate_python(event, strict=True)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    last = events[-1]
    assert last["type"] == f"response.{last['response']['status']}"
    details = whole["usage"]["output_tokens_details"]
    assert (details["reasoning_tokens"] > 0) == (question["model"] == "deepseek-r1")
    assert _without_ids(last["response"]) == _without_ids(whole), "a stream builds what is given whole"


def _without_ids(response: Any) -> Any:
    """What two answers to one question have in common."""
    output = [{k: v for k, v in item.items() if k not in ("id", "call_id")} for item in response["output"]]
    common = ("status", "model", "tools", "tool_choice", "text", "incomplete_details", "metadata")
    return output, {name: response[name] for name in common}


@pytest.mark.parametrize(
    ("item", "place"),
    [
        ({"type": ["message"], "role": "user", "content": "Hi"}, "type"),
        ({"type": 5, "call_id": "c1"}, "type"),
        ({"type": "item_reference"}, "id"),
        ({"type": "item_reference", "id": {}}, "id"),
        ({"type": "message", "role": "user", "content": "Hi", "id": ["msg_1"]}, "id"),
    ],
)
def test_an_item_that_is_wrong_is_told_by_its_place(client: openai.OpenAI, item: Any, place: str) -> None:
    with pytest.raises(openai.BadRequestError, match=rf"input\[1\]\.{place} must be a string"):
        client.responses.create(model="chat", input=[*ASK, item])


def test_items_stream_in_their_order(raw: Any) -> None:
    events = raw(model="weather", input=ASK, tools=[FLAT], stream=True)
    kinds = [event["type"].removeprefix("response.") for event in events[2:]]
    assert [kind for kind, _ in groupby(kinds)] == [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]


def test_a_conversation_with_tools(client: openai.OpenAI) -> None:
    first = client.responses.create(model="two-cities", input=ASK, tools=[FLAT])
    calls = [item for item in first.output if item.type == "function_call"]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [PARIS, OSLO]
    results: Any = [
        {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"} for call in calls
    ]
    sent_back: Any = first.output
    second = client.responses.create(model="two-cities", input=[*ASK, *sent_back, *results], tools=[FLAT])
    assert second.output_text == "It is sunny in both."


def test_every_kind_of_item_is_taken(client: openai.OpenAI) -> None:
    items: Any = [
        {"role": "developer", "content": [{"type": "input_text", "text": "Be kind."}]},
        *ASK,
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {
            "type": "web_search_call",
            "id": "ws_1",
            "status": "completed",
            "action": {"type": "search", "query": "x"},
        },
        {
            "type": "local_shell_call",
            "id": "l",
            "call_id": "c0",
            "status": "completed",
            "action": {"type": "exec"},
        },
        {"type": "local_shell_call_output", "id": "l", "call_id": "c0", "output": "done"},
        {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"},
        {"type": "function_call", "call_id": "c2", "name": "get_weather", "arguments": "{}"},
        {
            "type": "function_call_output",
            "call_id": "c2",
            "output": [{"type": "input_text", "text": "sunny"}],
        },
        {"type": "item_reference", "id": "rs_2"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Yes."}]},
        {"role": "user", "content": [{"type": "input_text", "text": "And?"}]},
    ]
    assert client.responses.create(model="chat", input=items).output_text == "Hello, dear world!"


def test_a_reference_to_what_is_not_stored_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="store_responses"):
        client.responses.create(model="chat", input=[*ASK, {"type": "item_reference", "id": "msg_1"}])
    with pytest.raises(openai.BadRequestError, match="store_responses"):
        client.responses.create(model="chat", input="Hi", previous_response_id="resp_1")


@pytest.mark.parametrize("model", ["ada", "ada-native", "ada-at-second"])
def test_parse(client: openai.OpenAI, model: str) -> None:
    parsed = client.responses.parse(model=model, input="Who?", text_format=Person)
    assert parsed.output_parsed == Person(**ADA)  # type: ignore[arg-type]
    chat = client.chat.completions.parse(model=model, messages=ASK, response_format=Person)
    assert chat.choices[0].message.parsed == Person(**ADA)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["Output Format", "Partial<Größe>"])
def test_names_in_a_schema_need_not_be_uris(client: openai.OpenAI, name: str) -> None:
    """griptape gives each schema the first as its `$id`; generators write the names of types as they are."""
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": name,
        "allOf": [{"$ref": f"#/definitions/{name}"}],
        "definitions": {name: Person.model_json_schema()},
    }
    said = client.chat.completions.create(
        model="ada",
        messages=ASK,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    )
    assert json.loads(said.choices[0].message.content or "") == ADA
    tool: Any = {"type": "function", "function": {"name": "get_weather", "parameters": {"$id": name, **CITY}}}
    called = client.chat.completions.create(model="weather", messages=ASK, tools=[tool])
    assert called.choices[0].finish_reason == "tool_calls"


def test_an_answer_that_never_fits_is_an_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="does not fit") as caught:
        client.responses.parse(model="never-json", input="Who?", text_format=Person)
    body: Any = caught.value.body
    assert body["failed_generation"] == "I would rather talk."
    with pytest.raises(openai.UnprocessableEntityError, match="does not fit"):
        with client.responses.stream(model="never-json", input="Who?", text_format=Person):
            pytest.fail("it has begun")


def test_tokens_are_counted_before_anything_is_asked(client: openai.OpenAI) -> None:
    short = client.responses.input_tokens.count(model="chat", input="How is it?")
    longer = client.responses.input_tokens.count(
        model="chat", instructions="Be kind. " * 100, input=ASK, tools=[FLAT]
    )
    assert short.object == "response.input_tokens" and short.input_tokens <= 10
    assert 200 <= longer.input_tokens - short.input_tokens <= 400
    nameless = {"tools": [{"type": "function"}]}
    for wrong in ({"model": "nothing"}, {"input": [{"role": "user", "content": 1}]}, nameless):
        with pytest.raises(openai.APIStatusError):
            client.responses.input_tokens.count(**{"model": "chat", "input": "Hi", **wrong})


def test_streams_of_the_package(client: openai.OpenAI) -> None:
    with client.responses.stream(model="ada", input="Who?", text_format=Person) as stream:
        list(stream)
        assert stream.get_final_response().output_parsed == Person(**ADA)  # type: ignore[arg-type]
    with client.responses.stream(model="weather", input=ASK, tools=[FLAT]) as stream:
        deltas = [event.delta for event in stream if event.type == "response.function_call_arguments.delta"]
        assert json.loads("".join(deltas)) == PARIS[1]
    with client.chat.completions.stream(model="weather", messages=ASK, tools=[NESTED]) as chat:
        done = [event for event in chat if event.type == "tool_calls.function.arguments.done"]
        assert json.loads(done[0].arguments) == PARIS[1]
        assert chat.get_final_completion().choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("model", ["weather", "weather-native"])
def test_chat_with_tools(client: openai.OpenAI, model: str) -> None:
    choice: Any = {"type": "function", "function": {"name": "get_weather"}}
    other: Any = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}}
    first = client.chat.completions.create(
        model=model, messages=ASK, tools=[other, NESTED], tool_choice=choice
    )
    [call] = first.choices[0].message.tool_calls or []
    assert call.type == "function" and (call.function.name, json.loads(call.function.arguments)) == PARIS
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    turns: Any = [*ASK, first.choices[0].message, result]
    second = client.chat.completions.create(model=model, messages=turns, tools=[NESTED])
    assert second.choices[0].message.content == SUNNY
    runs: Any = first.model_extra and first.model_extra["replicate"]
    assert runs[0]["emulated"] == (["tools"] if model == "weather" else None)
