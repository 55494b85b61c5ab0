"""What clients of OpenAI's Responses API are told: the events, and the response that they build."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
import pytest
from pydantic import TypeAdapter

from areplicate.chat.apis.answer_builder import Event
from areplicate.chat.apis.responses_output import ResponseBuilder
from areplicate.chat.responses import Delta, FinishReason, FunctionCall, PricedUsage
from tests.chat.apis.answers import USAGE, call, whole
from tests.lazily import Lazily

openai_responses: Any = Lazily("openai.types.responses")

COUNTED = {
    "input_tokens": 7,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 3,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 10,
}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}


@lru_cache
def event_type() -> TypeAdapter[Any]:
    return TypeAdapter(openai_responses.ResponseStreamEvent)


def builder(**body: Any) -> ResponseBuilder:
    return ResponseBuilder("resp_1", 5, "a/b", body, stored=True)


def said(*deltas: Delta, reason: FinishReason = "stop", **body: Any) -> tuple[list[Event], dict[str, Any]]:
    """The events, as they are sent one after the other, and the response."""
    made = builder(**body)
    sent = [msgspec.json.encode(event) for event in made.begin()]
    for delta in deltas:
        sent += [msgspec.json.encode(event) for event in made.add(delta)]
    sent += [msgspec.json.encode(event) for event in made.end(reason, USAGE)]
    for event in sent:
        event_type().validate_json(event)
    openai_responses.Response.model_validate(made.answer)
    events = [msgspec.json.decode(event) for event in sent]
    assert [event.pop("sequence_number") for event in events] == list(range(len(events)))
    return events, made.answer


def text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def message(id: str, status: str, *content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "id": id, "status": status, "role": "assistant", "content": list(content)}


def text_events(id: str, index: int, *pieces: str, status: str = "completed") -> list[Event]:
    """Those of a message that is written in these pieces."""
    place = {"item_id": id, "output_index": index, "content_index": 0}
    whole = "".join(pieces)
    return [
        {
            "type": "response.output_item.added",
            "output_index": index,
            "item": message(id, "in_progress"),
        },
        {"type": "response.content_part.added", **place, "part": text("")},
        *(
            {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
            for piece in pieces
        ),
        {"type": "response.output_text.done", **place, "text": whole, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": text(whole)},
        {
            "type": "response.output_item.done",
            "output_index": index,
            "item": message(id, status, text(whole)),
        },
    ]


BEGUN = {
    "id": "resp_1",
    "object": "response",
    "created_at": 5,
    "completed_at": None,
    "status": "in_progress",
    "background": False,
    "error": None,
    "incomplete_details": None,
    "model": "a/b",
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    # These are never null in the Open Responses specification.
    "service_tier": "default",
    "temperature": 1.0,
    "top_p": 1.0,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "top_logprobs": 0,
    "user": None,
    "metadata": {},
    "output": [],
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "store": True,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "truncation": "disabled",
    "usage": None,
}


def test_a_response_begins_empty() -> None:
    assert builder().begin() == [
        {"type": "response.created", "sequence_number": 0, "response": BEGUN},
        {"type": "response.in_progress", "sequence_number": 1, "response": BEGUN},
    ]


def test_what_was_asked_is_in_the_response() -> None:
    asked = {
        "instructions": "Be brief.",
        "max_output_tokens": 9,
        "max_tool_calls": 2,
        "previous_response_id": "resp_0",
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "service_tier": "auto",
        "temperature": 0.5,
        "top_p": 0.25,
        "user": "me",
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low", "summary": None},
        "text": {"format": {"type": "json_object"}},
        "tool_choice": "required",
        "truncation": "auto",
    }
    assert builder(**asked).answer == {**BEGUN, **asked}
    assert not ResponseBuilder("resp_1", 5, "a/b", {}, stored=False).answer["store"]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"text": {"verbosity": "low"}}, {"text": {"format": {"type": "text"}, "verbosity": "low"}}),
        ({"text": {"format": None}}, {"text": {"format": {"type": "text"}}}),
        ({"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "low", "summary": None}}),
        ({"tool_choice": "any"}, {"tool_choice": "required"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"tool_choice": {"type": "function", "name": "f"}},
        ),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}},
        ),
    ],
)
def test_what_was_asked_is_told_in_full_and_in_the_api_s_form(asked: Any, shown: Any) -> None:
    assert builder(**asked).answer == {**BEGUN, **shown}
    openai_responses.Response.model_validate(builder(**asked).answer)


def test_the_tools_that_the_model_is_shown_are_in_the_response() -> None:
    tools = [
        {"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": True},
        {"type": "web_search"},
        {"name": "time", "description": "Tells it."},
    ]
    assert builder(tools=tools).answer["tools"] == [
        {
            "type": "function",
            "name": "weather",
            "description": None,
            "parameters": PARAMETERS,
            "strict": True,
        },
        {
            "type": "function",
            "name": "time",
            "description": "Tells it.",
            "parameters": {"type": "object", "properties": {}},
            "strict": None,
        },
    ]


def test_text_is_one_message() -> None:
    events, response = said(Delta(content="Hel"), Delta(content="lo"))
    [item] = response["output"]
    assert events[2:-1] == text_events(item["id"], 0, "Hel", "lo")
    assert item == message(item["id"], "completed", text("Hello"))
    assert item["id"].startswith("msg_") and len(item["id"]) == len("msg_") + 32
    assert events[-1] == {"type": "response.completed", "response": response}
    assert (response["status"], response["usage"]) == ("completed", COUNTED)
    assert response["incomplete_details"] is None and response["completed_at"] > 1.7e9


def test_calls_are_of_the_tools_that_the_client_knows() -> None:
    """Codex runs the tool of an MCP server only if its namespace stands beside its own name."""
    patch = {"type": "custom", "name": "patch"}
    tools = [
        {"type": "namespace", "name": "n", "description": "", "tools": [{**patch, "type": "function"}]},
        patch,
    ]
    calls = [
        call(function=FunctionCall(name=name, arguments=arguments))
        for name, arguments in (("n__patch", "{}"), ("patch", '{"input":"+ a"}'), ("patch", "+ b"))
    ]
    events, response = said(*calls, reason="tool_calls", tools=tools)
    kinds = [{each: item.get(each) for each in ("type", "name", "namespace")} for item in response["output"]]
    custom = {"type": "custom_tool_call", "name": "patch", "namespace": None}
    assert kinds == [{"type": "function_call", "name": "patch", "namespace": "n"}, custom, custom]
    assert [item.get("input") for item in response["output"]] == [None, "+ a", "+ b"]
    done = [event["input"] for event in events if event["type"] == "response.custom_tool_call_input.done"]
    assert done == ["+ a", "+ b"] and response["tools"] == tools


def test_too_long_an_answer_is_incomplete() -> None:
    events, response = said(Delta(content="Hel"), reason="length")
    [item] = response["output"]
    assert events[2:-1] == text_events(item["id"], 0, "Hel", status="incomplete")
    assert events[-1] == {"type": "response.incomplete", "response": response}
    assert response["status"] == item["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["completed_at"] is None


def test_an_answer_without_a_word_is_an_empty_message() -> None:
    for deltas in ((), (Delta(reasoning_content="Hm."),)):
        events, response = said(*deltas)
        item = response["output"][-1]
        assert events[-6:-1] == text_events(item["id"], len(deltas))
        assert [each["type"] for each in response["output"]] == ["reasoning"] * len(deltas) + ["message"]


def test_thoughts_are_an_item_of_their_own() -> None:
    events, response = said(Delta(reasoning_content="H"), Delta(reasoning_content="m."), Delta(content="Hi"))
    thought, item = response["output"]
    summary = [{"type": "summary_text", "text": "Hm."}]
    place = {"item_id": thought["id"], "output_index": 0, "summary_index": 0}
    done = {"type": "reasoning", "id": thought["id"], "summary": summary, "status": "completed"}
    assert thought == done and thought["id"].startswith("rs_")
    kind = "response.reasoning_summary"
    assert events[2:-1] == [
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**done, "summary": [], "status": "in_progress"},
        },
        {"type": f"{kind}_part.added", **place, "part": {"type": "summary_text", "text": ""}},
        {"type": f"{kind}_text.delta", **place, "delta": "H"},
        {"type": f"{kind}_text.delta", **place, "delta": "m."},
        {"type": f"{kind}_text.done", **place, "text": "Hm."},
        {"type": f"{kind}_part.done", **place, "part": summary[0]},
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        *text_events(item["id"], 1, "Hi"),
    ]


def test_a_tool_s_call_is_an_item_of_its_own() -> None:
    events, response = said(Delta(content="I look."), call(), call("call_2"), reason="tool_calls")
    first, *calls = response["output"]
    expected = text_events(first["id"], 0, "I look.")
    for index, item in enumerate(calls, 1):
        assert item == {
            "type": "function_call",
            "id": item["id"],
            "call_id": f"call_{index}",
            "name": "weather",
            "arguments": '{"city":"Rome"}',
            "status": "completed",
        }
        assert item["id"].startswith("fc_")
        place = {"item_id": item["id"], "output_index": index}
        kind = "response.function_call_arguments"
        expected += [
            {
                "type": "response.output_item.added",
                "output_index": index,
                "item": {**item, "arguments": "", "status": "in_progress"},
            },
            {"type": f"{kind}.delta", **place, "delta": '{"city":"Rome"}'},
            {"type": f"{kind}.done", **place, "name": "weather", "arguments": '{"city":"Rome"}'},
            {"type": "response.output_item.done", "output_index": index, "item": item},
        ]
    assert events[2:-1] == expected
    assert len({item["id"] for item in calls}) == 2
    assert response["status"] == "completed"


@pytest.mark.parametrize("after", [call(), Delta(reasoning_content="Hm.")])
def test_text_after_something_else_is_a_new_message(after: Delta) -> None:
    _, response = said(Delta(content="One"), after, Delta(content="Two"))
    assert [item["content"][0]["text"] for item in response["output"] if item["type"] == "message"] == [
        "One",
        "Two",
    ]


@pytest.mark.parametrize(
    ("status", "ours", "code"),
    [
        (400, None, "invalid_prompt"),
        (422, "answer_misfit", "invalid_prompt"),  # by which Codex knows that it must not ask again
        (400, "context_length_exceeded", "context_length_exceeded"),
        (500, "prediction_failed", "server_error"),
        (429, "rate_limit_exceeded", "rate_limit_exceeded"),
        (429, "insufficient_quota", "insufficient_quota"),
    ],
)
def test_a_failure_is_told_in_both_ways_and_nothing_is_stored(
    status: int, ours: str | None, code: str
) -> None:
    made = builder()
    made.add(Delta(content="Hel"))
    error = {"message": "The model failed.", "type": "server_error", "param": None, "code": ours}
    raised, event = made.failed(status, error)
    event_type().validate_python(raised)
    assert (raised["type"], raised["message"], raised["error"]) == ("error", "The model failed.", error)
    assert (event["type"], event["sequence_number"]) == ("response.failed", raised["sequence_number"] + 1)
    response = event["response"]
    assert (response["status"], response["store"]) == ("failed", False)
    assert response["error"] == {"code": code, "message": "The model failed."}
    assert response["output"][0]["content"][0]["text"] == "Hel"


def test_a_whole_answer_makes_the_response_that_its_events_would_have_built() -> None:
    _, streamed = said(Delta(reasoning_content="Hm."), Delta(content="Hi"), call(), reason="length")
    built = builder().build(whole("length"))
    for ours, theirs in zip(built["output"], streamed["output"], strict=True):
        theirs["id"] = ours["id"]
    assert built == {**streamed, "model": "other/model"}


def test_what_it_cost_is_told_where_it_is_known() -> None:
    made = builder()
    made.end("stop", PricedUsage(prompt_tokens=7, completion_tokens=3, total_tokens=10, cost=0.5))
    assert made.answer["usage"] == {**COUNTED, "cost": 0.5}
    untold = builder()
    untold.end("stop", None)
    assert untold.answer["usage"] is None
