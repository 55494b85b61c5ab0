"""Each family's own form of tools, there and back: what its format writes into a prompt, its models answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from areplicate.chat.formats.families import FAMILIES
from areplicate.chat.messages import read_messages
from tests.chat.tools.test_reader import ALARM, CLOCK, HI, Read, contract

CALLS: Any = [
    {
        "id": "functions.clock:0",
        "type": "function",
        "function": {"name": "clock", "arguments": '{"zone": "UTC"}'},
    },
    {"id": "functions.alarm:1", "type": "function", "function": {"name": "alarm", "arguments": '{"at": 7}'}},
    {"id": "functions.clock:2", "type": "function", "function": {"name": "clock", "arguments": "{}"}},
]
SAIL: Any = {
    "type": "function",
    "function": {
        "name": "sail",
        "parameters": {"type": "object", "properties": {"to": {"type": "string"}, "via": {"type": "array"}}},
    },
}
SAILS: Any = {"to": "Ithaca", "via": ["Ogygia", {"days": 7, "islands": ["Scheria"]}]}


@pytest.mark.parametrize("family", FAMILIES)
def test_calls_in_a_familys_form_are_read_back(family: str) -> None:
    form = FAMILIES[family].template.tools
    [called] = read_messages([{"role": "assistant", "content": None, "tool_calls": CALLS}])
    [turn] = form.write([called])
    called_back: Any = [("clock", {"zone": "UTC"}), ("alarm", {"at": 7}), ("clock", {})]
    assert Read([turn.text]).result() == ("", called_back, [])


def sails(family: str) -> str:
    function = {"name": "sail", "arguments": json.dumps(SAILS)}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "sail", "type": "function", "function": function}],
    }
    [turn] = FAMILIES[family].template.tools.write(read_messages([message]))
    return turn.text


FORMS = {sails(family): family for family in FAMILIES}
"""The call as families write it: most forms are several families'."""


@pytest.mark.parametrize("text", FORMS, ids=FORMS.get)
def test_a_call_in_a_familys_form_that_is_cut_off_is_not_given_out(text: str) -> None:
    """Nor where nothing says that it was: a model's own limit of tokens may have ended it."""
    asked = contract(tools=[SAIL])
    assert Read([text], asked).calls == [("sail", SAILS)]
    for at in range(len(text)):
        for cut_off in (False, True):
            calls = Read([text[:at]], asked, cut_off=cut_off).calls
            assert calls in ([], [("sail", SAILS)])


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
