"""What is read from a model's output: text and reasoning."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from areplicate.chat.chunks import message_of
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
        ({"text": "Hello!", "json_output": None, "response_id": "r1"}, "Hello!"),
        ({"text": "", "json_output": {"a": 1}, "response_id": "r1"}, '{"a":1}'),
        ({"choices": [{"message": {"role": "assistant", "content": "Hello!"}}], "usage": {}}, "Hello!"),
        *(
            ({name: "Hello!", "id": 1, "model": "x", "finish_reason": "stop"}, "Hello!")
            for name in ("text", "content", "output_text", "generated_text", "response")
        ),
        ({"text": "Hello!", "stop_reason": None, "usage": 1, "metrics": 2}, "Hello!"),
        ({"text": "Hello!", "json_output": {"a": 1}}, "Hello!"),
        ({"json_output": [1]}, "[1]"),
        ({"json_output": 1}, '{"json_output":1}'),
        ({"text": ["Hello!"]}, '{"text":["Hello!"]}'),
        ({"answer": "Hello!", "id": 1}, '{"answer":"Hello!","id":1}'),
        ({"choices": []}, '{"choices":[]}'),
        ({"choices": [{"message": "Hello!"}]}, '{"choices":[{"message":"Hello!"}]}'),
        ({"choices": ["Hello!"]}, '{"choices":["Hello!"]}'),
        (["data:,a", "data:,b"], "data:,a\ndata:,b"),
        (["http://a.b", "http://c.d", "x"], "http://a.b\nhttp://c.dx"),
        (["http://a.b c", "http://c.d"], "http://a.b chttp://c.d"),
        ({"text": "Hello!", "language": "en"}, '{"text":"Hello!","language":"en"}'),
        ([{"label": "safe", "score": 1}], '[{"label":"safe","score":1}]'),
        (["text", None], '["text",null]'),
        ("https://replicate.delivery/a.png", "https://replicate.delivery/a.png"),
        (["https://replicate.delivery/a.png"], "https://replicate.delivery/a.png"),
        (
            ["https://r.delivery/a.png", "https://r.delivery/b.png"],
            "https://r.delivery/a.png\nhttps://r.delivery/b.png",
        ),
        (
            ["See ", "https://a.b/c", " and ", "https://d.e/f", "https://g.h"],
            "See https://a.b/c and https://d.e/f\nhttps://g.h",
        ),
    ],
)
def test_every_kind_of_output_has_a_text(output: Any, text: str) -> None:
    assert output_text(output) == text


def test_reasoning_is_kept_apart_for_models_that_are_known_to_reason() -> None:
    reply = read_reply("<think>\nHm.\n</think>\n\nYes.", REASONER)
    assert (reply.content, reply.reasoning_content) == ("Yes.", "Hm.")
    reply = read_reply("<think>Hm.</think>Yes.", TOOLS)
    assert (reply.content, reply.reasoning_content) == ("Yes.", "Hm.")
    reply = read_reply("<think>Hm.</think>Yes.", None, model="qwen/qwq-32b")
    assert (reply.content, reply.reasoning_content) == ("Yes.", "Hm.")


@pytest.mark.parametrize(
    ("open", "close"),
    [
        ("<thought>", "</thought>"),
        ("<seed:think>", "</seed:think>"),
        ("[THINK]", "[/THINK]"),
        ("◁think▷", "◁/think▷"),
        ("<longcat_think>", "</longcat_think>"),
        ("<mm:think>", "</mm:think>"),
        ("<think:opensource>", "</think:opensource>"),
        ("<|inner_prefix|>", "<|inner_suffix|>"),
        ("<|channel>thought", "<channel|>"),
        ("<|START_THINKING|>", "<|END_THINKING|>"),
        ("<|think|>", "<|end|>"),
        ("<|open|>think<|sep|>", "<|close|>think<|sep|>"),
    ],
)
def test_other_families_have_other_marks_for_a_thought(open: str, close: str) -> None:
    text = f"{open}Is it </think> or [/INST]?{close}\n\nYes."
    for cut in range(len(text)):
        splitter = reply_splitter(REASONER)
        deltas = [*splitter.feed(text[:cut]), *splitter.feed(text[cut:]), *splitter.end()]
        thought = "".join(delta.reasoning_content or "" for delta in deltas)
        assert ("".join(delta.content or "" for delta in deltas), thought) == (
            "Yes.",
            "Is it </think> or [/INST]?",
        )


@pytest.mark.parametrize(
    ("model", "open", "close"),
    [
        ("ServiceNow-AI/Apriel-1.5-15b-Thinker", "Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"),
        ("ibm-granite/granite-3.3-8b-instruct", "Here is my thought process:", "Here is my response:"),
        ("naver-hyperclovax/hyperclovax-seed-think-14b", "/think\n", "\nassistant\n"),
    ],
)
def test_words_open_a_thought_of_those_models_alone_that_write_them(
    model: str, open: str, close: str
) -> None:
    text = f"{open} Hm.\n{close}\nYes."
    reply = read_reply(text, None, model)
    assert (reply.content, reply.reasoning_content) == ("Yes.", "Hm.")
    for other in (read_reply(text, TOOLS), read_reply(text, REASONER)):
        assert (other.content, other.reasoning_content) == (text, None)


@pytest.mark.parametrize(
    ("model", "open", "close"),
    [
        ("tencent/hunyuan-a13b-instruct", "<answer>", "</answer>"),
        ("zai-org/GLM-4.1V-9B-Thinking", "<answer>", "</answer>"),
        ("baidu/ernie-4.5-21b-a3b-thinking", "<response>", "</response>"),
        ("cohere/command-a-reasoning", "<|START_RESPONSE|>", "<|END_RESPONSE|>"),
        ("upstage/solar-open-100b", "<|begin|>assistant<|content|>", "<|end|>"),
        ("someone/kimi-k3", "<|open|>response<|sep|>", "<|close|>response<|sep|>"),
    ],
)
def test_the_marks_around_an_answer_after_a_thought_are_no_part_of_it(
    model: str, open: str, close: str
) -> None:
    text = f"<think>Hm.</think>\n{open}\n I say {close[:4]} yes. \n{close}\n"
    for cut in range(len(text)):
        splitter = reply_splitter(None, model)
        deltas = [*splitter.feed(text[:cut]), *splitter.feed(text[cut:]), *splitter.end()]
        assert "".join(delta.reasoning_content or "" for delta in deltas) == "Hm."
        assert "".join(delta.content or "" for delta in deltas).rstrip() == f"I say {close[:4]} yes."
    asked_for = read_reply(f"<think>Hm.</think>{open}Yes.{close}", None, "deepseek-ai/deepseek-r1")
    assert asked_for.content == f"{open}Yes.{close}"


def test_white_space_before_a_thought_belongs_to_nothing() -> None:
    reply = read_reply(" \n<think> Hm. </think> Yes. ", REASONER)
    assert (reply.content, reply.reasoning_content) == ("Yes. ", "Hm.")


@pytest.mark.parametrize("schema", [OTHER, None])
def test_nothing_is_guessed_for_other_models(schema: ModelSchema | None) -> None:
    for text in ("<think>Hm.</think>Yes.", '<tool_call>{"name": "f", "arguments": {}}</tool_call>', " \n"):
        reply = read_reply(text, schema)
        assert (reply.content, reply.reasoning_content) == (text, None)
        splitter = reply_splitter(schema)
        deltas = [*splitter.feed(text), *splitter.end()]
        assert [(delta.content, delta.reasoning_content) for delta in deltas] == [(text, None)]


@pytest.mark.parametrize("thought", ["Let me see", "Let me see </thi"])
def test_reasoning_that_was_cut_off_is_still_reasoning(thought: str) -> None:
    reply = read_reply(f"<think>{thought}", REASONER)
    assert (reply.content, reply.reasoning_content) == ("", thought)


@pytest.mark.parametrize("text", ["I <think> so", " <thin", "</think>", "<thinking>x</thinking>", "", "  "])
def test_text_that_only_speaks_of_thinking_is_text(text: str) -> None:
    reply = read_reply(text, REASONER)
    assert (reply.content, reply.reasoning_content) == (text, None)


def test_the_names_of_reasoning_models() -> None:
    for name in (
        "deepseek-ai/deepseek-r1",
        "x/deepseek-r1-distill-llama-8b",
        "lucataco/ollama-qwq",
        "qwen/qwen3-32b",
        "someone/jan-v1-4b",  # by its family alone
        "someone/zr1-1.5b",
        *(
            "LLM360/K2-Think",
            "trillionlabs/Tri-21B-Think",
            "zai-org/GLM-Z1-Rumination-32B-0414",
            "facebook/cwm",
        ),
        *(
            "openbmb/MiniCPM4.1-8B",
            "internlm/Intern-S1",
            "upstage/solar-pro2",
            "LGAI-EXAONE/K-EXAONE-236B-A23B",
        ),
        *(
            "tiiuae/Falcon-H1R-7B",
            "PrimeIntellect/INTELLECT-3",
            "sarvamai/sarvam-m",
            "mistralai/Mistral-Small-4-119B",
        ),
    ):
        assert reasons(name), name
    for name in (
        "meta/meta-llama-3-8b-instruct",
        "x/er1c",
        "x/r10",
        "lucataco/qwen1.5-72b",
        "x/mistral-small-24b",
    ):
        assert not reasons(name)


pieces = st.lists(
    st.sampled_from(
        [
            "<think>",
            "</think>",
            "<thought>",
            "</thought>",
            "[THINK]",
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
    st.sampled_from(["", "<think>", "[THINK]"]),
)
@example(["<think>", "a \n", " </th", "ink> b"], [9, 10, 11, 12, 13, 14], REASONER, "")
@example(["a \n", " </th", "ink> b"], [1, 2, 5, 8], None, "<think>")
def test_a_stream_adds_up_to_the_whole_however_it_is_cut(
    parts: list[str], cuts: list[int], schema: ModelSchema | None, begun: str
) -> None:
    text = "".join(parts)
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    splitter = reply_splitter(schema, begun=begun)
    deltas = [delta for a, b in pairwise(bounds) for delta in splitter.feed(text[a:b])]
    deltas += splitter.end()
    reply = read_reply(text, schema, begun=begun)

    assert "".join(d.content or "" for d in deltas) == reply.content
    assert "".join(d.reasoning_content or "" for d in deltas) == (reply.reasoning_content or "")


CALL = '<|start|>assistant to=functions.clock<|channel|>commentary<|message|>{"zone": "UTC"}<|call|>'
CHANNELS = [
    (
        "<|channel|>analysis<|message|>Is <b>?<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>",
        "Is <b>?",
        "Yes.",
    ),
    ("<|start|>assistant<|channel|>final<|message|>Yes.", None, "Yes."),
    ("analysisIs it?assistantfinalYes, assistant said.", "Is it?", "Yes, assistant said."),
    ("finalYes.", None, "Yes."),
    (
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.clock "
        '<|constrain|>json<|message|>{"zone": "UTC"}<|call|>',
        "Hm.",
        CALL,
    ),
    (
        "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant to=functions.clock<|channel|>commentary json"
        '<|message|>{"zone": "UTC"}<|call|>',
        None,
        f"I look.{CALL}",
    ),
    ('analysisHm.assistantcommentary to=functions.clock json{"zone": "UTC"}', "Hm.", CALL),
    ("analysisLet me see", "Let me see", ""),
    ("finally, an analysis of it", None, "finally, an analysis of it"),
    ("analysis of it", None, "analysis of it"),
    ("Yes. <|end|>", None, "Yes. <|end|>"),
    ("<|channel|>final Yes, it is", None, "final Yes, it is"),
]


@pytest.mark.parametrize(("text", "thought", "said"), CHANNELS)
@pytest.mark.parametrize("step", [1, 2, 5, 1000])
def test_the_channels_of_gpt_oss_are_told_apart(text: str, thought: str | None, said: str, step: int) -> None:
    reply = read_reply(text, None, "x/gpt-oss-20b")
    assert (reply.reasoning_content, reply.content) == (thought, said)
    splitter = reply_splitter(None, "x/gpt-oss-20b")
    deltas = [d for i in range(0, len(text), step) for d in splitter.feed(text[i : i + step])]
    streamed = message_of([*deltas, *splitter.end()])
    assert (streamed.reasoning_content, streamed.content) == (thought, said)


def test_reasoning_streams_on() -> None:
    splitter = reply_splitter(REASONER)
    assert splitter.feed("<thi") == []
    assert [d.reasoning_content for d in splitter.feed("nk>Let me")] == ["Let me"]
    assert [d.reasoning_content for d in splitter.feed(" see")] == [" see"]
    assert [d.content for d in splitter.feed("</think>\n\nYes")] == ["Yes"]
    assert [d.content for d in splitter.feed("!")] == ["!"]
