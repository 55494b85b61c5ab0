"""Each family's own form of tools, there and back: what its format writes into a prompt, its models answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from areplicate.chat.formats.families import FAMILIES
from areplicate.chat.messages import read_messages
from tests.chat.tools.test_reader import ALARM, CLOCK, HI, Read

CALLS: Any = [
    {
        "id": "functions.clock:0",
        "type": "function",
        "function": {"name": "clock", "arguments": '{"zone": "UTC"}'},
    },
    {"id": "functions.alarm:1", "type": "function", "function": {"name": "alarm", "arguments": '{"at": 7}'}},
]


@pytest.mark.parametrize("family", FAMILIES)
def test_calls_in_a_familys_form_are_read_back(family: str) -> None:
    form = FAMILIES[family].template.tools
    [called] = read_messages([{"role": "assistant", "content": None, "tool_calls": CALLS}])
    [turn] = form.write([called])
    assert Read([turn.text]).told() == ("", [("clock", {"zone": "UTC"}), ("alarm", {"at": 7})], [])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_told_of_each_tool_and_each_result(family: str) -> None:
    turns: Any = [
        *HI,
        {"role": "assistant", "content": None, "tool_calls": CALLS[:1]},
        {"role": "tool", "tool_call_id": "functions.clock:0", "content": "noon"},
    ]
    prompt = FAMILIES[family].template.render(turns, [CLOCK, ALARM])
    assert "clock" in prompt and "alarm" in prompt and "noon" in prompt
    assert "UTC" in prompt and json.loads(CALLS[0]["function"]["arguments"])["zone"] == "UTC"


@pytest.mark.parametrize("family", FAMILIES)
def test_of_a_tool_without_a_description_none_is_told(family: str) -> None:
    bare = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
    prompt = FAMILIES[family].template.render(HI, [bare])
    assert "clock" in prompt and "None" not in prompt
