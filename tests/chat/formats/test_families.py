"""Every family's format, byte for byte, against what real chat templates make of conversations."""
# ruff: noqa: RUF001 - DeepSeek's tokens are written with a full-width bar

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from typing import Any

import pytest

from areplicate.chat.formats import arrangement
from areplicate.chat.formats.families import FAMILIES
from areplicate.chat.formats.shapes import PLAIN
from areplicate.chat.messages import InputMessage
from tests.recorded import DATA

CONVERSATIONS: dict[str, Any] = json.loads((DATA / "conversations.json").read_text(encoding="utf-8"))
TEXTS = [json.loads(line) for line in (DATA / "formats.jsonl").read_text(encoding="utf-8").splitlines()]

NO_TEMPLATE = {
    *("orca-mini", "stable-beluga", "phind", "synthia", "starchat", "phi-2", "chatglm-lines"),
    *("minimax", "minimax-m2.1", "qwen-2.5-math", "seed-coder", "ling", "ring-2"),
    *("longcat", "longcat-thinking", "mimo-v2", "mimo-v2.5", "iquest-coder", "dots-1"),
    *("functiongemma", "hyperclova", "idefics"),
    *("nemotron-h", "ernie-4.5-thinking", "openbuddy", "openbuddy-2", "glm-z1", "deepseek-v2-0628"),
}
"""Families whose format is described on a model's page or seen in its example; no template is public."""


PUT_OTHERWISE = {
    "You should use the `directly-answer` tool if calling the other tools is unnecessary.": (
        "If calling the tools is unnecessary, answer directly, without a list of actions."
    )
}
"""What is not as the template has it: no caller of Command-R offers the tool that its template speaks of."""


def expected(entry: dict[str, Any]) -> str:
    text = str(entry["text"])
    for theirs, ours in PUT_OTHERWISE.items():
        text = text.replace(theirs, ours)
    return text


@pytest.fixture(autouse=True)
def the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some formats tell the day; the texts were made on this one."""
    monkeypatch.setattr(arrangement, "today", lambda: datetime.datetime(2024, 7, 26))


def is_exact(entry: dict[str, Any]) -> bool:
    conversation = CONVERSATIONS[entry["conversation"]]
    template = FAMILIES[entry["family"]].template
    return template.render(conversation["messages"], conversation.get("tools") or ()) == expected(entry)


def by_family() -> dict[str, list[dict[str, Any]]]:
    families: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in TEXTS:
        if "text" in entry:
            families[entry["family"]].append(entry)
    return families


@pytest.mark.parametrize("family", sorted(by_family()))
def test_a_family_writes_what_its_templates_write(family: str) -> None:
    for entry in by_family()[family]:
        conversation = CONVERSATIONS[entry["conversation"]]
        written = FAMILIES[family].template.render(conversation["messages"], conversation.get("tools") or ())
        assert written == expected(entry), entry["source"]


def test_what_was_thought_since_the_last_question_stays() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    asked = [
        {"role": "user", "content": "Is it late?"},
        {"role": "assistant", "content": "<think>\nI look.\n</think>\n\n", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "noon"},
    ]
    for family in ("qwen-3", "deepseek-r1", "glm-4.5"):
        written = FAMILIES[family].template.render(asked)
        assert "I look." in written
        begun = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "<think>No.</think>It"}]
        assert FAMILIES[family].template.render(begun).endswith("<think>No.</think>It")
        later = [*asked, {"role": "assistant", "content": "No."}, {"role": "user", "content": "Sure?"}]
        assert "I look." not in FAMILIES[family].template.render(later)


@pytest.mark.parametrize(
    "family", ["qwen-3", "qwen-3-thinking", "qwen-3.5", "glm-4.5", "glm-5", "nemotron-3"]
)
@pytest.mark.parametrize("said", ["<think>\nLet me", "<think>\nNo.\n</think>\n\nIt is"])
def test_an_answer_that_begins_with_its_thought_has_no_empty_one_before(family: str, said: str) -> None:
    asked = {"role": "user", "content": "Is it late?"}
    written = FAMILIES[family].template.render([asked, {"role": "assistant", "content": said}])
    assert written.endswith(said)
    assert "think" not in written.removesuffix(said).partition("late?")[2]


def test_every_family_has_expected_texts() -> None:
    without = {name for name, family in FAMILIES.items() if family.template is not PLAIN} - set(by_family())
    assert without == NO_TEMPLATE


def test_how_many_families_are_exact(capsys: pytest.CaptureFixture[str]) -> None:
    families = by_family()
    exact = [name for name, entries in families.items() if all(map(is_exact, entries))]
    texts = [entry for entries in families.values() for entry in entries]
    with capsys.disabled():
        print(f"\nfamilies exact on all conversations: {len(exact)} of {len(families)}")
        print(f"texts of real templates that are exact: {sum(map(is_exact, texts))} of {len(texts)}")
    assert len(exact) == len(families)


AS_DESCRIBED = {
    # NVIDIA's page of Nemotron-H-47B-Reasoning-128K
    "nemotron-h": (
        "<SPECIAL_10>System\nBe brief.\n<SPECIAL_11>User\nWho?\n<SPECIAL_11>Assistant\nAeneas."
        "\n<SPECIAL_11>User\nWhy?\n<SPECIAL_11>Assistant\n"
    ),
    # deepseek-v2-chat-0628 in xinference/model/llm/llm_family.json in xorbitsai/inference
    "deepseek-v2-0628": "Be brief.\n\n<｜User｜>Who?<｜Assistant｜>Aeneas.<｜end▁of▁sentence｜><｜User｜>Why?<｜Assistant｜>",
    # The page of GLM-Z1: "Add <think>\\n to the first line"; otherwise as GLM-4-0414
    "glm-z1": (
        "<|system|>\nBe brief.<|user|>\nWho?<|assistant|>\nAeneas.<|user|>\nWhy?<|assistant|>\n<think>\n"
    ),
    # swift/template/templates/baidu.py and openbuddy.py in modelscope/ms-swift
    "ernie-4.5-thinking": (
        "<|im_start|>system\n<system_setting>\nBe brief.\n</system_setting>\n\n"
        "<global_setting>\nthink_mode=True\n</global_setting><|im_end|>\n\n"
        "<|im_start|>user\nWho?<|im_end|>\n\n"
        "<|im_start|>assistant\n<response>\nAeneas.\n</response>\n<|im_end|>\n\n"
        "<|im_start|>user\nWhy?<|im_end|>\n\n<|im_start|>assistant\n<think>\n"
    ),
    "openbuddy": "Be brief.\n\nUser: Who?\nAssistant: Aeneas.\nUser: Why?\nAssistant:",
    "openbuddy-2": (
        "<|role|>system<|says|>Be brief.<|end|>\n<|role|>user<|says|>Who?<|end|>\n"
        "<|role|>assistant<|says|>Aeneas.<|end|>\n<|role|>user<|says|>Why?<|end|>\n<|role|>assistant<|says|>"
    ),
}
"""Two questions in formats that are described, though no template is public."""


@pytest.mark.parametrize("family", AS_DESCRIBED)
def test_a_family_writes_what_is_described(family: str) -> None:
    said = [("system", "Be brief."), ("user", "Who?"), ("assistant", "Aeneas."), ("user", "Why?")]
    messages = [{"role": role, "content": text} for role, text in said]
    assert FAMILIES[family].template.render(messages) == AS_DESCRIBED[family]


CALLED = {
    "role": "assistant",
    "content": "I look.",
    "tool_calls": [
        {"id": f"call0000{n}", "type": "function", "function": {"name": name, "arguments": f'{{"at": {n}}}'}}
        for n, name in enumerate(("get_tide", "get_wind"))
    ],
}
ASKED_TWICE = [
    {"role": "user", "content": "May we sail?"},
    CALLED,
    {"role": "tool", "content": "flood", "tool_call_id": "call00000"},
    {"role": "tool", "content": "west", "tool_call_id": "call00001"},
]
TOOL = {"type": "function", "function": {"name": "get_tide", "description": "How high the sea is."}}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_two_calls_with_text_and_their_answers_stand_in_the_prompt_in_order(family: str) -> None:
    text = FAMILIES[family].template.render(ASKED_TWICE, [TOOL])
    definition = text.index("How high the sea is.")
    assert definition < text.index("I look.") < text.rindex("get_wind")
    assert text.index("I look.") < text.index("flood") < text.index("west")


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_what_a_server_gets_to_wrap_is_part_of_the_whole(family: str) -> None:
    template = FAMILIES[family].template
    said = (InputMessage("user", "U1"), InputMessage("assistant", "A1"), InputMessage("user", "U2"))
    within = template.render_within(said)
    assert within in template.render(said)
    if not template.lone_turn_as_is:
        assert within.startswith("U1") and within.endswith("U2")
    assert "How high the sea is." in template.render_within(said[:1], [TOOL])


def test_a_server_that_opens_the_conversation_gets_the_tools_in_the_first_question() -> None:
    within = FAMILIES["qwen-3"].template.render_within((InputMessage("user", "U1"),), [TOOL])
    assert within.endswith("U1") and "<|im_start|>" not in within


DEFINITION = '{"name": "get_tide", "description": "How high the sea is."}'
WRITTEN = {
    "olmo-3": (
        f'plug into functions.<functions>[{{"type": "function", "function": {DEFINITION}}}]</functions><|im_end|>\n',
        "<|im_start|>assistant\nI look.<function_calls>get_tide(at=0)\nget_wind(at=1)</function_calls><|im_end|>\n"
        "<|im_start|>environment\nflood<|im_end|>\n<|im_start|>environment\nwest<|im_end|>\n",
    ),
    "olmo-3-think": (
        f'AI assistant. <functions>[{{"type": "function", "function": {DEFINITION}}}]</functions><|im_end|>\n',
        "get_wind(at=1)</function_calls><|im_end|>\n<|im_start|>environment\nflood<|im_end|>\n",
    ),
    "phi-4-mini": (
        f"<|system|>You are a helpful assistant with some tools.<|tool|>[{DEFINITION}]<|/tool|><|end|>",
        '<|assistant|>I look.<|tool_call|>[{"name": "get_tide", "arguments": {"at": 0}}, '
        '{"name": "get_wind", "arguments": {"at": 1}}]<|/tool_call|><|end|>'
        "<|tool_response|>flood<|end|><|tool_response|>west<|end|><|assistant|>",
    ),
    "functiongemma": (
        "<start_of_turn>developer\nYou are a model that can do function calling with the following functions"
        "<start_function_declaration>declaration:get_tide{description:<escape>How high the sea is.<escape>}"
        "<end_function_declaration><end_of_turn>\n",
        "<start_function_call>call:get_tide{at:0}<end_function_call>"
        "<start_function_call>call:get_wind{at:1}<end_function_call>"
        "<start_function_response>response:get_tide{value:<escape>flood<escape>}<end_function_response>"
        "<start_function_response>response:get_wind{value:<escape>west<escape>}<end_function_response>",
    ),
    "smollm-3": (
        "### Tools\n\nYou may call one or more functions to assist with the user query.\nYou are provided with "
        "function signatures within <tools></tools> XML tags:\n\n<tools>\n"
        "{'type': 'function', 'function': {'name': 'get_tide', 'description': 'How high the sea is.'}}\n</tools>\n",
        "</tool_call><|im_end|>\n<|im_start|>user\nflood<|im_end|>\n<|im_start|>user\nwest<|im_end|>\n"
        "<|im_start|>assistant\n",
    ),
}
"""What is told of tools in families whose public templates take none, or lose calls: as their pages have it."""


@pytest.mark.parametrize("family", WRITTEN)
def test_tools_are_told_as_a_model_s_page_has_it(family: str) -> None:
    prompt = FAMILIES[family].template.render(ASKED_TWICE, [TOOL])
    for text in WRITTEN[family]:
        assert text in prompt


def test_an_answer_of_a_tool_is_marked_as_one_although_its_call_is_missing() -> None:
    said = [{"role": "user", "content": "May we sail?"}, {"role": "tool", "content": "flood"}]
    assert "<tool_response>\nflood\n</tool_response>" in FAMILIES["qwen-3"].template.render(said)
