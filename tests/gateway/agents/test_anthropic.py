"""The anthropic package: messages, streams, tools, thinking, token counts, models and errors."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import httpx
import pydantic
import pytest

from tests.gateway.agents.conftest import ADA, DONE, OSLO, PARIS, READ, WRITE
from tests.gateway.process import MASTER, Gateway
from tests.lazily import Lazily

if TYPE_CHECKING:
    import anthropic
else:
    anthropic = Lazily("anthropic")

pytestmark = pytest.mark.filterwarnings("ignore")
WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
BASH: Any = {
    "name": "Bash",
    "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}},
}
ASK: Any = [{"role": "user", "content": "How is the weather in Paris?"}]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


@pytest.fixture(scope="module")
def client(running: Gateway) -> Iterator[anthropic.Anthropic]:
    """It sends its key as `x-api-key`."""
    with anthropic.Anthropic(base_url=running.url, api_key=MASTER, max_retries=0) as client:
        yield client


def post(running: Gateway, body: dict[str, Any], path: str = "/v1/messages") -> httpx.Response:
    """What the gateway answers on the wire."""
    with running.http(None) as http:
        headers = {"x-api-key": MASTER, "anthropic-version": "2023-06-01"}
        return http.post(path, json=body, headers=headers)


@pytest.mark.parametrize("prefix", ["", "/v1", "/anthropic"])
@pytest.mark.parametrize("path", ["/messages", "/messages/count_tokens"])
@pytest.mark.parametrize("key", [MASTER, "sk-wrong"])
def test_an_error_has_anthropic_s_form_wherever_its_api_is_reached(
    running: Gateway, prefix: str, path: str, key: str
) -> None:
    """Without the version, which curl does not send."""
    with running.http(None) as http:
        answer = http.post(prefix + path, json={}, headers={"x-api-key": key})
    assert answer.status_code == (400 if key == MASTER else 401)
    body = answer.json()
    assert body["type"] == "error" and body["error"].keys() == {"type", "message"}
    assert body["request_id"] == answer.headers["request-id"]


QUESTIONS: list[dict[str, Any]] = [
    {"model": "chat", "system": "Be kind.", "metadata": {"user_id": "u1"}, "temperature": 1},
    {"model": "chat", "max_tokens": 2, "stop_sequences": ["END"]},
    {"model": "chat", "stop_sequences": ["dear w"]},
    {"model": "weather", "stop_sequences": ["look"], "tools": [WEATHER]},
    {
        "model": "weather",
        "tools": [WEATHER],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    },
    {"model": "claude-sonnet-4-5", "tools": [BASH, {"type": "web_search_20250305", "name": "web_search"}]},
    {"model": "two-cities", "tools": [WEATHER], "tool_choice": {"type": "any"}},
    {"model": "deepseek-r1", "thinking": {"type": "enabled", "budget_tokens": 1024}},
    {"model": "deepseek-r1"},
    {"model": "ada", "output_config": {"format": {"type": "json_schema", "schema": PERSON}}},
]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["model"])
def test_every_message_and_event_is_of_the_published_types(
    running: Gateway, question: dict[str, Any]
) -> None:
    body = {"max_tokens": 100, "messages": ASK, **question}
    whole, streamed = post(running, body), post(running, {**body, "stream": True})
    assert whole.status_code == streamed.status_code == 200, whole.text + streamed.text
    assert whole.headers["request-id"].startswith("req_")
    anthropic.types.Message.model_validate(whole.json(), strict=True)
    events = []
    for block in streamed.text.strip().split("\n\n"):
        name, data = block.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
        event_type().validate_python(events[-1], strict=True)
    assert [events[0]["type"], events[-1]["type"]] == ["message_start", "message_stop"]
    # LangChain.js and Cline, for two, count what was read from here alone.
    read = post(running, body, "/v1/messages/count_tokens").json()["input_tokens"]
    assert events[0]["message"]["usage"]["input_tokens"] == read > 0
    assert _built(events) == _without_ids(whole.json()), "a stream builds what is given whole"


@lru_cache
def event_type() -> Any:
    return pydantic.TypeAdapter(anthropic.types.RawMessageStreamEvent)


def _built(events: list[Any]) -> Any:
    blocks: list[Any] = []
    for event in events:
        if event["type"] == "content_block_start":
            blocks.append({**event["content_block"], "partial": ""})
        elif event["type"] == "content_block_delta":
            delta = dict(event["delta"])
            kind = delta.pop("type")
            if kind == "input_json_delta":
                blocks[-1]["partial"] += delta["partial_json"]
            else:
                [(name, text)] = delta.items()
                blocks[-1][name] += text
        elif event["type"] == "message_delta":
            end = event
    for block in blocks:
        if partial := block.pop("partial"):
            block["input"] = json.loads(partial)
    return _without_ids({"content": blocks, **end["delta"], "usage": end["usage"]})


def _without_ids(message: Any) -> Any:
    content = [{k: v for k, v in block.items() if k != "id"} for block in message["content"]]
    return content, message["stop_reason"], message["usage"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_sequence_ends_the_answer_of_a_model_that_knows_none(
    client: anthropic.Anthropic, stream: bool
) -> None:
    asked: Any = {"model": "chat", "max_tokens": 100, "messages": ASK, "stop_sequences": ["x", "dear w"]}
    if stream:
        with client.messages.stream(**asked) as events:
            message = events.get_final_message()
    else:
        message = client.messages.create(**asked)
    assert [block.text for block in message.content if block.type == "text"] == ["Hello, "]
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "dear w")


def test_a_conversation_with_tools(client: anthropic.Anthropic) -> None:
    first = client.messages.create(model="two-cities", max_tokens=100, messages=ASK, tools=[WEATHER])
    calls = [block for block in first.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in calls] == [PARIS, OSLO]
    assert first.stop_reason == "tool_use"
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    results: Any = [
        {"type": "tool_result", "tool_use_id": calls[0].id, "content": "sunny"},
        {
            "type": "tool_result",
            "tool_use_id": calls[1].id,
            "content": [{"type": "text", "text": "sunny", "cache_control": {"type": "ephemeral"}}],
            "is_error": True,
        },
        {"type": "text", "text": "Well?"},
    ]
    turns: Any = [*ASK, {"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    second = client.messages.create(model="two-cities", max_tokens=100, messages=turns, tools=[WEATHER])
    [said] = second.content
    assert said.type == "text" and said.text == "It is sunny in both." and second.stop_reason == "end_turn"
    results[1]["content"].append(image)
    with pytest.raises(anthropic.BadRequestError, match="image"):
        client.messages.create(model="two-cities", max_tokens=100, messages=turns, tools=[WEATHER])


def test_a_runner_of_tools_sends_the_whole_conversation(client: anthropic.Anthropic) -> None:
    """It asks the server first to keep the conversation: then its next request had neither history nor tools."""

    ran = []

    def run(command: str) -> str:
        """Runs a command."""
        ran.append(command)
        return "one"

    runner: Any = client.beta.messages.tool_runner(
        model="claude", max_tokens=100, messages=ASK, tools=[anthropic.beta_tool(run, name="Bash")]
    )
    assert runner.until_done().content[0].text == DONE and ran == [WRITE, READ]


def test_a_named_tool(client: anthropic.Anthropic) -> None:
    other: Any = {**WEATHER, "name": "get_time"}
    choice: Any = {"type": "tool", "name": "get_weather"}
    answer = client.messages.create(
        model="weather", max_tokens=100, messages=ASK, tools=[other, WEATHER], tool_choice=choice
    )
    assert [block.type for block in answer.content] == ["tool_use"], (
        "as Anthropic's own models, without words"
    )


def test_streams_of_the_package(client: anthropic.Anthropic) -> None:
    with client.messages.stream(model="weather", max_tokens=100, messages=ASK, tools=[WEATHER]) as stream:
        assert "".join(stream.text_stream) == "Let me look. "
        final = stream.get_final_message()
    assert [block.input for block in final.content if block.type == "tool_use"] == [PARIS[1]]
    assert final.usage.output_tokens > 0


def test_thinking(client: anthropic.Anthropic) -> None:
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    answer = client.messages.create(model="deepseek-r1", max_tokens=2000, messages=ASK, thinking=thinking)
    first, second = answer.content
    assert first.type == "thinking" and first.thinking == "The sky."
    assert second.type == "text" and second.text == "It is blue."
    turns: Any = [*ASK, {"role": "assistant", "content": answer.content}, *ASK]
    assert client.messages.create(
        model="deepseek-r1", max_tokens=2000, messages=turns, thinking=thinking
    ).content


def test_pings_through_a_boot(running: Gateway) -> None:
    begun = time.monotonic()
    text = post(running, {"model": "boots", "max_tokens": 100, "messages": ASK, "stream": True}).text
    assert time.monotonic() - begun > 9
    assert 'event: ping\ndata: {"type":"ping"}\n\n' in text and "event: message_stop" in text
    assert not any(line.startswith(":") for line in text.splitlines())


def test_count_tokens(client: anthropic.Anthropic) -> None:
    short = client.messages.count_tokens(model="chat", messages=ASK)
    longer = client.messages.count_tokens(
        model="chat", messages=ASK, system="Be kind. " * 100, tools=[WEATHER]
    )
    assert 5 <= short.input_tokens <= 20 and 200 <= longer.input_tokens - short.input_tokens <= 400


def test_models(client: anthropic.Anthropic) -> None:
    names = [model.id for model in client.models.list()]
    assert "weather" in names and "claude-sonnet-4-5" in names
    assert client.models.retrieve("weather").type == "model"


@pytest.mark.parametrize(
    ("request_", "error", "type"),
    [
        ({"model": "nothing"}, "NotFoundError", "not_found_error"),
        ({"model": "chat", "messages": []}, "BadRequestError", "invalid_request_error"),
        (
            {"model": "chat", "messages": [{"role": "robot", "content": "x"}]},
            "BadRequestError",
            "invalid_request_error",
        ),
        ({"model": "chat", "tools": [{"name": "x"}]}, "BadRequestError", "invalid_request_error"),
        ({"model": "fails"}, "InternalServerError", "api_error"),
    ],
)
def test_errors(client: anthropic.Anthropic, request_: Any, error: str, type: str) -> None:
    with pytest.raises(getattr(anthropic, error)) as caught:
        client.messages.create(**{"max_tokens": 10, "messages": ASK, **request_})
    body: Any = caught.value.body
    assert body["type"] == "error" and body["error"]["type"] == type and body["request_id"].startswith("req_")


def test_a_wrong_key(running: Gateway) -> None:
    with anthropic.Anthropic(base_url=running.url, api_key="sk-wrong", max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError):
            client.messages.create(model="chat", max_tokens=10, messages=ASK)


def test_a_stream_that_fails(running: Gateway) -> None:
    body = {"model": "fails", "max_tokens": 100, "messages": ASK, "stream": True}
    last = post(running, body).text.strip().split("\n\n")[-1]
    name, data = last.split("\n")
    assert name == "event: error" and json.loads(data.removeprefix("data: "))["error"]["type"] == "api_error"


def test_structured_output(client: anthropic.Anthropic) -> None:
    config: Any = {"format": {"type": "json_schema", "schema": PERSON}}
    answer = client.messages.create(model="ada", max_tokens=100, messages=ASK, output_config=config)
    [said] = answer.content
    assert said.type == "text" and json.loads(said.text) == ADA
