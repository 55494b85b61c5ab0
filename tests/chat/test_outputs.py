"""What is read from a model's output: text, reasoning, tool calls."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from areplicate.chat.outputs import output_text, read_reply, reasons, reply_splitter
from areplicate.chat.schemas.schema import ModelSchema, from_openapi

TOOLS = from_openapi(
    {"Input": {"properties": {"tools": {"type": "array", "items": {"type": "object"}}}}}, model="x/tools"
)
REASONER = ModelSchema(model="deepseek-ai/deepseek-r1")
OTHER = ModelSchema(model="meta/meta-llama-3-8b-instruct")


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (["Hel", "lo", "", "!"], "Hello!"),
        ("Hello!", "Hello!"),
        (None, ""),
        ([], ""),
        (42, "42"),
        (0.5, "0.5"),
        (True, "true"),
        ({"answer": "é"}, '{"answer":"é"}'),
        ({"role": "assistant", "content": "Hello!"}, "Hello!"),
        ([{"label": "safe", "score": 1}], '[{"label":"safe","score":1}]'),
        (["text", None], '["text",null]'),
        ("https://replicate.delivery/a.png", "https://replicate.delivery/a.png"),
        (["https://replicate.delivery/a.png"], "https://replicate.delivery/a.png"),
        (
            ["https://r.delivery/a.png", "https://r.delivery/b.png"],
            "https://r.delivery/a.png\nhttps://r.delivery/b.png",
        ),
    ],
)
def test_every_kind_of_output_has_a_text(output: Any, text: str) -> None:
    assert output_text(output) == text


def test_the_recorded_outputs_are_their_chunks_joined(shared_data: Path) -> None:
    for line in (shared_data / "models.jsonl").read_text().splitlines():
        output = (json.loads(line)["example"] or {}).get("output")
        text = output_text(output)
        if isinstance(output, dict):  # one model gives a message of OpenAI's
            output = output["content"]
        assert text == ("".join(output) if isinstance(output, list) else output or "")


def test_reasoning_is_kept_apart_for_models_that_are_known_to_reason() -> None:
    reply = read_reply("<think>\nHm.\n</think>\n\nYes.", REASONER, tools_given=False)
    assert (reply.content, reply.reasoning_content, reply.tool_calls) == ("Yes.", "Hm.", None)
    reply = read_reply("<think>Hm.</think>Yes.", TOOLS, tools_given=False)
    assert (reply.content, reply.reasoning_content) == ("Yes.", "Hm.")
    reply = read_reply("<think>Hm.</think>Yes.", None, tools_given=False, model="qwen/qwq-32b")
    assert (reply.content, reply.reasoning_content) == ("Yes.", "Hm.")


@pytest.mark.parametrize("schema", [OTHER, None])
def test_nothing_is_guessed_for_other_models(schema: ModelSchema | None) -> None:
    for text in ("<think>Hm.</think>Yes.", '<tool_call>{"name": "f", "arguments": {}}</tool_call>', " \n"):
        reply = read_reply(text, schema, tools_given=True)
        assert (reply.content, reply.reasoning_content, reply.tool_calls) == (text, None, None)


def test_reasoning_that_was_cut_off_is_still_reasoning() -> None:
    reply = read_reply("<think>Let me see", REASONER, tools_given=False)
    assert (reply.content, reply.reasoning_content) == ("", "Let me see")


@pytest.mark.parametrize("text", ["I <think> so", " <thin", "</think>", "<thinking>x</thinking>", "", "  "])
def test_text_that_only_speaks_of_thinking_is_text(text: str) -> None:
    reply = read_reply(text, REASONER, tools_given=False)
    assert (reply.content, reply.reasoning_content) == (text, None)


def test_the_names_of_reasoning_models() -> None:
    for name in (
        "deepseek-ai/deepseek-r1",
        "x/deepseek-r1-distill-llama-8b",
        "lucataco/ollama-qwq",
        "qwen/qwen3-32b",
    ):
        assert reasons(name)
    for name in ("meta/meta-llama-3-8b-instruct", "x/er1c", "x/r10", "lucataco/qwen1.5-72b"):
        assert not reasons(name)


CALL = {"name": "clock", "arguments": {"zone": "UTC"}}
ONE, TWO = json.dumps(CALL), json.dumps({"name": "alarm", "arguments": {"at": 7}})


@pytest.mark.parametrize(
    ("text", "names", "content"),
    [
        (f"<tool_call>\n{ONE}\n</tool_call>", ["clock"], None),
        (f"<tool_call>{ONE}</tool_call>\n<tool_call>{TWO}</tool_call>", ["clock", "alarm"], None),
        (f"Let me look.\n<tool_call>{ONE}</tool_call>", ["clock"], "Let me look.\n"),
        (f"<tool_call>{ONE}", ["clock"], None),
        (f"[TOOL_CALLS] [{ONE}, {TWO}]", ["clock", "alarm"], None),
        (f"[TOOL_CALLS][{ONE}]", ["clock"], None),
        (f"<|tool_call|>[{ONE}]", ["clock"], None),
        (f"<tool_call>[{ONE}, {TWO}]</tool_call>", ["clock", "alarm"], None),
        ('{"name": "clock", "parameters": {"zone": "UTC"}}', ["clock"], None),
        (f'<|python_tag|>{{"name": "clock", "parameters": {{}}}}; {TWO}', ["clock", "alarm"], None),
        (f"[{ONE}]", ["clock"], None),
        (
            '{"tool_calls": [{"id": "c9", "type": "function", '
            '"function": {"name": "clock", "arguments": "{\\"zone\\": \\"UTC\\"}"}}]}',
            ["clock"],
            None,
        ),
        (f"<think>I need the time.</think>\n<tool_call>{ONE}</tool_call>", ["clock"], None),
    ],
)
def test_tool_calls_in_each_known_form(text: str, names: list[str], content: str | None) -> None:
    reply = read_reply(text, TOOLS, tools_given=True)
    assert reply.tool_calls is not None
    assert [call.function.name for call in reply.tool_calls] == names
    assert reply.content == content
    assert all(isinstance(json.loads(call.function.arguments), dict) for call in reply.tool_calls)
    assert len({call.id for call in reply.tool_calls}) == len(names)
    if "zone" in text:
        assert json.loads(reply.tool_calls[0].function.arguments) == {"zone": "UTC"}


@pytest.mark.parametrize(
    "text",
    [
        '{"answer": 42}',
        '{"name": "Ada"}',
        "[1, 2]",
        "[see below]",
        "{not json",
        f"{ONE} is how to call it",
        "<tool_call>nonsense</tool_call>",
        "<tool_call></tool_call>",
        "[TOOL_CALLS] none",
        "Hello",
        "",
        "[" * 100_000,
    ],
)
def test_what_is_no_tool_call_is_the_answer(text: str) -> None:
    reply = read_reply(text, TOOLS, tools_given=True)
    assert (reply.content, reply.tool_calls) == (text, None)


def test_tool_calls_are_only_looked_for_where_tools_were_given() -> None:
    text = f"<tool_call>{ONE}</tool_call>"
    assert read_reply(text, TOOLS, tools_given=False).content == text


pieces = st.lists(
    st.sampled_from(
        [
            "<think>",
            "</think>",
            "<tool_call>",
            "</tool_call>",
            "[TOOL_CALLS]",
            ONE,
            TWO,
            "{",
            "[",
            "<",
            " ",
            "\n",
            "text",
        ]
    )
    | st.text(max_size=4),
    max_size=8,
)


@given(
    pieces,
    st.lists(st.integers(0, 60), max_size=12),
    st.sampled_from([TOOLS, REASONER, OTHER, None]),
    st.booleans(),
)
@example(["<think>", "a \n", " </th", "ink> b"], [9, 10, 11, 12, 13, 14], REASONER, False)
@example(["text", "<tool_call>", ONE, "</tool_call>"], [2, 9, 20], TOOLS, True)
def test_a_stream_adds_up_to_the_whole_however_it_is_cut(
    parts: list[str], cuts: list[int], schema: ModelSchema | None, tools_given: bool
) -> None:
    text = "".join(parts)
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    splitter = reply_splitter(schema, tools_given)
    deltas = [delta for a, b in pairwise(bounds) for delta in splitter.feed(text[a:b])]
    deltas += splitter.end()
    reply = read_reply(text, schema, tools_given)

    assert "".join(d.content or "" for d in deltas) == (reply.content or "")
    assert "".join(d.reasoning_content or "" for d in deltas) == (reply.reasoning_content or "")
    calls = [call for d in deltas for call in d.tool_calls or ()]
    assert [call["function"] for call in calls] == [call.function for call in reply.tool_calls or ()]
    assert [c["index"] for c in calls] == list(range(len(calls)))


def test_text_streams_on_while_tools_are_offered() -> None:
    splitter = reply_splitter(TOOLS, tools_given=True)
    assert [d.content for d in splitter.feed("The time ")] == ["The time "]
    assert [d.content for d in splitter.feed("is <tool")] == ["is "]
    assert [d.content for d in splitter.feed("box> noon")] == ["<toolbox> noon"]


def test_reasoning_streams_on() -> None:
    splitter = reply_splitter(REASONER, tools_given=False)
    assert splitter.feed("<thi") == []
    assert [d.reasoning_content for d in splitter.feed("nk>Let me")] == ["Let me"]
    assert [d.reasoning_content for d in splitter.feed(" see")] == [" see"]
    assert [d.content for d in splitter.feed("</think>\n\nYes")] == ["Yes"]
    assert [d.content for d in splitter.feed("!")] == ["!"]
