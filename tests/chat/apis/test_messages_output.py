"""What Anthropic's clients are told: the events, and the message that they build."""

from __future__ import annotations

import json
from typing import Any

import pytest

from areplicate.chat.apis.answer_builder import Event
from areplicate.chat.apis.messages_output import MessageBuilder
from areplicate.chat.responses import Delta, FinishReason, FunctionCall, PricedUsage, Run
from tests.chat.apis.answers import USAGE, call, whole
from tests.lazily import Lazily

anthropic_types: Any = Lazily("anthropic.types")

COUNTED = {
    "input_tokens": 7,
    "output_tokens": 3,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
}
NOTHING = {**COUNTED, "input_tokens": 0, "output_tokens": 0}
THINKS: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
SIGNATURE = "cmVhc29uaW5n"


def builder(**body: Any) -> MessageBuilder:
    return MessageBuilder("msg_1", "a/b", body)


def said(*deltas: Delta, reason: FinishReason = "stop", **body: Any) -> tuple[list[Event], dict[str, Any]]:
    """The events but the first, and the message."""
    made = builder(**body)
    made.begin()
    events = [event for delta in deltas for event in made.add(delta)]
    events += made.end(reason, USAGE)
    anthropic_types.Message.model_validate(made.answer)
    return events, made.answer


def start(index: int, **block: Any) -> Event:
    return {"type": "content_block_start", "index": index, "content_block": block}


def more(index: int, **delta: Any) -> Event:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def stop(index: int) -> Event:
    return {"type": "content_block_stop", "index": index}


def end(reason: str, sequence: str | None = None) -> list[Event]:
    ending = {"stop_reason": reason, "stop_sequence": sequence}
    return [{"type": "message_delta", "delta": ending, "usage": COUNTED}, {"type": "message_stop"}]


def test_a_message_begins_empty() -> None:
    made = builder()
    assert made.begin() == [
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "a/b",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": NOTHING,
            },
        }
    ]


def test_a_stream_s_beginning_counts_what_is_read_and_its_end_all() -> None:
    made = MessageBuilder("msg_1", "a/b", {}, read=12)
    assert made.begin()[0]["message"]["usage"] == {**NOTHING, "input_tokens": 12}
    assert made.end("stop", None)[0]["usage"] == NOTHING


def test_text_is_one_block() -> None:
    events, message = said(Delta(content="Hel"), Delta(content="lo"))
    assert events == [
        start(0, type="text", text=""),
        more(0, type="text_delta", text="Hel"),
        more(0, type="text_delta", text="lo"),
        stop(0),
        *end("end_turn"),
    ]
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    assert (message["stop_reason"], message["stop_sequence"], message["usage"]) == ("end_turn", None, COUNTED)


def test_thoughts_are_a_block_of_their_own_that_is_signed() -> None:
    events, message = said(Delta(reasoning_content="Hm."), Delta(content="Hi"), **THINKS)
    assert events == [
        start(0, type="thinking", thinking="", signature=""),
        more(0, type="thinking_delta", thinking="Hm."),
        more(0, type="signature_delta", signature=SIGNATURE),
        stop(0),
        start(1, type="text", text=""),
        more(1, type="text_delta", text="Hi"),
        stop(1),
        *end("end_turn"),
    ]
    assert message["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": SIGNATURE},
        {"type": "text", "text": "Hi"},
    ]


@pytest.mark.parametrize("body", [{}, {"thinking": {"type": "disabled"}}, {"thinking": None}])
def test_thoughts_that_were_not_asked_for_are_not_shown(body: dict[str, Any]) -> None:
    _, message = said(Delta(reasoning_content="Hm."), Delta(content="Hi"), **body)
    assert message["content"] == [{"type": "text", "text": "Hi"}]


def test_a_tool_s_call_is_a_block_of_its_own() -> None:
    events, message = said(Delta(content="I look."), call(), call("call_2"), reason="tool_calls")
    assert events[:3] == [
        start(0, type="text", text=""),
        more(0, type="text_delta", text="I look."),
        stop(0),
    ]
    for index, id in ((1, "call_1"), (2, "call_2")):
        assert events[3 * index : 3 * index + 3] == [
            start(index, type="tool_use", id=id, name="weather", input={}),
            more(index, type="input_json_delta", partial_json='{"city":"Rome"}'),
            stop(index),
        ]
    assert events[9:] == end("tool_use")
    assert message["content"][1] == {
        "type": "tool_use",
        "id": "call_1",
        "name": "weather",
        "input": {"city": "Rome"},
    }


@pytest.mark.parametrize("arguments", ["of Paris", '"Paris"', "[1]"])
def test_arguments_that_are_no_object_are_put_into_one(arguments: str) -> None:
    """Anthropic's clients read nothing else; the client tells the model that its tool takes no such thing."""
    written = call(function=FunctionCall(name="weather", arguments=arguments))
    events, message = said(written, reason="tool_calls")
    [block] = message["content"]
    assert block["input"] == {"input": arguments} == json.loads(events[1]["delta"]["partial_json"])


def test_text_after_a_call_is_a_new_block() -> None:
    _, message = said(Delta(content="I look."), call(), Delta(content="Then"))
    assert [block["type"] for block in message["content"]] == ["text", "tool_use", "text"]


def test_too_long_an_answer_says_so() -> None:
    events, message = said(Delta(content="Hi"), reason="length")
    assert events[-2:] == end("max_tokens") and message["stop_reason"] == "max_tokens"


@pytest.mark.parametrize(
    ("reason", "ended"), [("stop", ("stop_sequence", "END")), ("tool_calls", ("tool_use", None))]
)
def test_the_stop_sequence_that_ended_the_answer_is_told(
    reason: FinishReason, ended: tuple[str, ...]
) -> None:
    made = builder()
    made.ran([Run(prediction_id="a"), Run(prediction_id="b", stop_sequence="END")])
    assert made.end(reason, USAGE) == end(*ended)
    assert (made.answer["stop_reason"], made.answer["stop_sequence"]) == ended


def test_a_whole_answer_makes_the_message_that_its_events_would_have_built() -> None:
    _, message = said(
        Delta(reasoning_content="Hm."), Delta(content="Hi"), call(), reason="tool_calls", **THINKS
    )
    assert builder(**THINKS).build(whole("tool_calls")) == {**message, "model": "other/model"}


def test_what_it_cost_is_told_where_it_is_known() -> None:
    made = builder()
    priced = PricedUsage(prompt_tokens=7, completion_tokens=3, total_tokens=10, cost=0.5)
    assert made.end("stop", priced)[-2]["usage"] == {**COUNTED, "cost": 0.5}
    assert builder().end("stop", None)[-2]["usage"] == NOTHING
