"""Tool calls in each notation that models write, whole and streamed, held to the tools there are."""
# ruff: noqa: RUF001 - DeepSeek's tokens are written with a full-width bar

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from areplicate import BadRequestError
from areplicate.chat.adapting import adapt
from areplicate.chat.contract import Contract
from areplicate.chat.tools.notations import read_calls
from tests.quickly import quickly
from tests.scripted import NOTATIONS

HI: Any = [{"role": "user", "content": "Hi"}]
CLOCK = {
    "type": "function",
    "function": {
        "name": "clock",
        "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}},
    },
}
ALARM = {
    "type": "function",
    "function": {
        "name": "alarm",
        "parameters": {"type": "object", "properties": {"at": {"type": "integer"}}, "required": ["at"]},
    },
}
CALL = {"name": "clock", "arguments": {"zone": "UTC"}}
ONE, TWO = json.dumps(CALL), json.dumps({"name": "alarm", "arguments": {"at": 7}})


def contract(**params: Any) -> Contract:
    adapted = adapt(HI, {"tools": [CLOCK, ALARM], **params}, schema=None).contract
    assert adapted is not None
    return adapted


TOOLS = contract()


class Read:
    """What a reader makes of a text that comes in these pieces."""

    def __init__(self, pieces: list[str], contract: Contract = TOOLS, cut_off: bool = False) -> None:
        reader = contract.reader(streamed=True)
        deltas = [delta for piece in pieces for delta in reader.feed(piece)]
        deltas += reader.end(cut_off)
        calls = [call for delta in deltas for call in delta.tool_calls or ()]
        self.content = "".join(delta.content or "" for delta in deltas)
        self.calls = [(call.function.name, json.loads(call.function.arguments)) for call in calls]
        self.ids = [call.id for call in calls]
        self.indexes = [call.index for call in calls]
        self.faults = reader.faults

    def result(self) -> Any:
        return self.content, self.calls, self.faults


FORECAST: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "unit": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("given", "called"),
    [
        ({"city": "Ithaca", "days": None}, {"city": "Ithaca"}),
        ({"city": "Ithaca", "days": None, "unit": None}, {"city": "Ithaca", "unit": None}),
        (
            {"city": "Ithaca", "days": "2", "unit": "C", "language": "el"},
            {"city": "Ithaca", "days": 2, "unit": "C"},
        ),
        ({"city": "Ithaca", "language": "el"}, None),  # it may stand for days or unit
        ({"city": None}, None),
        ({"city": "Ithaca", "days": "soon"}, None),
    ],
)
def test_arguments_that_say_nothing_to_the_tool_are_left_out(given: Any, called: Any) -> None:
    tool = {"type": "function", "function": {"name": "forecast", "parameters": FORECAST}}
    text = json.dumps({"name": "forecast", "arguments": given})
    read = Read([f"<tool_call>{text}</tool_call>"], contract(tools=[tool]))
    assert read.calls == ([] if called is None else [("forecast", called)])
    assert bool(read.faults) is (called is None)


@pytest.mark.parametrize("step", [1, 2, 1000])
def test_white_space_before_the_first_call_is_no_text(step: int) -> None:
    call = '\n\n<tool_call>\n{"name": "clock", "arguments": {"zone": "UTC"}}\n</tool_call>\n'
    read = Read([call[i : i + step] for i in range(0, len(call), step)])
    assert read.result() == ("", [("clock", {"zone": "UTC"})], [])
    said = "\n\nI look." + call
    read = Read([said[i : i + step] for i in range(0, len(said), step)])
    assert read.result() == ("\n\nI look.\n\n", [("clock", {"zone": "UTC"})], [])


@pytest.mark.parametrize("step", [1, 2, 1000])
@pytest.mark.parametrize("after", ["\n\nI wait.\n\n  Then I go on. ", "\nAction: wait"])
def test_the_text_after_a_call_keeps_its_white_space(step: int, after: str) -> None:
    said = f"<tool_call>{ONE}</tool_call>{after}"
    read = Read([said[i : i + step] for i in range(0, len(said), step)])
    assert read.result() == (after, [("clock", {"zone": "UTC"})], [])


@pytest.mark.parametrize("step", [1, 1000])
def test_white_space_before_an_action_is_no_text(step: int) -> None:
    said = f"\nAction:\n```json\n[{ONE}]\n```"
    read = Read([said[i : i + step] for i in range(0, len(said), step)])
    assert read.result() == ("", [("clock", {"zone": "UTC"})], [])


@pytest.mark.parametrize("family", NOTATIONS)
@pytest.mark.parametrize("step", [1, 3, 1000])
def test_each_familys_notation(family: str, step: int) -> None:
    text = NOTATIONS[family]([("clock", {"zone": "UTC"}), ("alarm", {"at": 7})])
    read = Read([text[i : i + step] for i in range(0, len(text), step)])
    assert read.result() == ("", [("clock", {"zone": "UTC"}), ("alarm", {"at": 7})], [])
    assert read.indexes == [0, 1]
    assert len(set(read.ids)) == 2


@pytest.mark.parametrize(
    ("text", "names", "content"),
    [
        (f"Let me look.\n<tool_call>{ONE}</tool_call>", ["clock"], "Let me look.\n"),
        (f"<tool_call>{ONE}", ["clock"], ""),
        (f"[TOOL_CALLS][{ONE}]", ["clock"], ""),
        ('[TOOL_CALLS]clock[ARGS]{"zone": "UTC"}[TOOL_CALLS]alarm{"at": 7}', ["clock", "alarm"], ""),
        (f"<tool_call>[{ONE}, {TWO}]</tool_call>", ["clock", "alarm"], ""),
        ('{"name": "clock", "parameters": {"zone": "UTC"}}', ["clock"], ""),
        (f'<|python_tag|>{{"name": "clock", "parameters": {{}}}}; {TWO}<|eom_id|>', ["clock", "alarm"], ""),
        ('<function=clock>{"zone": "UTC"}</function>', ["clock"], ""),
        ('[clock(zone="UTC"), alarm(at=7)]', ["clock", "alarm"], ""),
        (f"[{ONE}]", ["clock"], ""),
        (f"```json\n{ONE}\n```", ["clock"], ""),
        (
            '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "clock", "parameters": {"zone": "UTC"}}]'
            "<|END_ACTION|>",
            ["clock"],
            "",
        ),
        (
            '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>clock<｜tool▁sep｜>{"zone": "UTC"}<｜tool▁call▁end｜>'
            "<｜tool▁calls▁end｜>",
            ["clock"],
            "",
        ),
        (
            "<tool_call>\n<function=alarm>\n<parameter=at>\n7\n</parameter>\n</function>\n</tool_call>",
            ["alarm"],
            "",
        ),
        (
            "<tool_call>clock\n<arg_key>zone</arg_key>\n<arg_value>UTC</arg_value>\n</tool_call>",
            ["clock"],
            "",
        ),
        (
            "<|tool_calls_section_begin|><|tool_call_begin|>functions.clock:0<|tool_call_argument_begin|>"
            '{"zone": "UTC"}<|tool_call_end|><|tool_calls_section_end|>',
            ["clock"],
            "",
        ),
        (
            '<|channel|>commentary to=functions.clock <|constrain|>json<|message|>{"zone": "UTC"}<|call|>',
            ["clock"],
            "",
        ),
        ('<|tool_call>call:clock{zone:<|"|>UTC<|"|>}<tool_call|>', ["clock"], ""),
        (
            "<seed:tool_call>\n<function=alarm>\n<parameter=at>7</parameter>\n</function>\n</seed:tool_call>",
            ["alarm"],
            "",
        ),
        ("<tool_call>{'name': 'clock', 'arguments': {'zone': 'UTC',}}</tool_call>", ["clock"], ""),
        ('{"name": "clock", "arguments": "{\\"zone\\": \\"UTC\\"}"}', ["clock"], ""),
        (f"<|tool_call|>[{ONE}]<|/tool_call|>", ["clock"], ""),
        (f"<TOOLCALL>[{ONE}, {TWO}]</TOOLCALL>", ["clock", "alarm"], ""),
        (f"Well.<function_call>{ONE}</function_call>", ["clock"], "Well."),
        (f"<|action_start|><|plugin|>\n{ONE}<|action_end|>", ["clock"], ""),
        ('<|tool_call_start|>[clock(zone="UTC"), alarm(at=7)]<|tool_call_end|>', ["clock", "alarm"], ""),
        ('<function_calls>\nclock(zone="UTC")\nalarm(at=7)\n</function_calls>', ["clock", "alarm"], ""),
        (
            '<minimax:tool_call>\n<invoke name="clock">\n<parameter name="zone">UTC</parameter>\n</invoke>\n'
            '<invoke name="alarm">\n<parameter name="at">7</parameter>\n</invoke>\n</minimax:tool_call>',
            ["clock", "alarm"],
            "",
        ),
        (
            '<｜DSML｜function_calls>\n<｜DSML｜invoke name="alarm">\n<｜DSML｜parameter name="at" string="false">7'
            "</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
            ["alarm"],
            "",
        ),
        (f"```tool_call\n{ONE}\n```", ["clock"], ""),
        ('```tool_code\nprint(default_api.clock(zone="UTC"))\n```', ["clock"], ""),
        (f"<tool_call>{ONE}}}</tool_call>", ["clock"], ""),
        (f"<tool_call>{ONE[:-1]}</tool_call>", ["clock"], ""),
        ('<tool_call>{"name": "alarm", "arguments": {"at": "7"}}</tool_call>', ["alarm"], ""),
        ('<tool_call>{"name": "A-Larm", "arguments": {"at": 7}}</tool_call>', ["alarm"], ""),
    ],
)
def test_other_ways_of_writing_calls(text: str, names: list[str], content: str) -> None:
    read = Read([text])
    assert ([name for name, _ in read.calls], read.content, read.faults) == (names, content, [])
    if "UTC" in text:
        assert read.calls[0] == ("clock", {"zone": "UTC"})


@pytest.mark.parametrize(
    "text",
    [
        '{"answer": 42}',
        '{"name": "Ada"}',
        '{"name": "ada", "arguments": {}}',
        "[1, 2]",
        "[see below]",
        "{not json",
        f"{ONE} is how to call it",
        f"{ONE}<tool_call>",
        f'[{ONE}, {{"city": "Troy"}}]',
        "Action: go home.",
        "```python\nclock()\n``` shows the time",
        "a < b and [b] > c",
        "Hello",
        "",
        "[" * 100_000,
        "[__import__('os').system('true')]",
        "[x, clock()]",
        '[clock("UTC")]',
        "[clock(**x)]",
        "```tool_code\nprint(1)\n```",
        "clock()",
    ],
)
def test_what_is_no_call_of_a_tool_is_the_answer(text: str) -> None:
    assert Read([text]).result() == (text, [], [])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<tool_call>some nonsense</tool_call>", "cannot be read"),
        ("<tool_call>nonsense</tool_call>", "no tool 'nonsense'; there are: clock, alarm"),
        ("<tool_call></tool_call>", "cannot be read"),
        ("[TOOL_CALLS] none", "cannot be read"),
        (
            '<tool_call>{"name": "bell", "arguments": {}}</tool_call>',
            "no tool 'bell'; there are: clock, alarm",
        ),
        (
            '<tool_call>{"name": "alarm", "arguments": {"at": "noon"}}</tool_call>',
            'The arguments of alarm do not fit: [\'at\']: "noon" is not of type "integer"',
        ),
        ('<tool_call>{"name": "alarm", "arguments": {}}</tool_call>', '"at" is a required property'),
        ('<tool_call>{"name": "alarm", "arguments": "seven"}</tool_call>', "not a JSON object"),
    ],
)
def test_a_call_that_does_not_fit_is_not_given_out(text: str, fault: str) -> None:
    read = Read([text])
    assert (read.content, read.calls) == ("", [])
    assert len(read.faults) == 1 and fault in read.faults[0]


def test_one_call_alone_where_several_are_not_allowed() -> None:
    text = f"<tool_call>{ONE}</tool_call><tool_call>{TWO}</tool_call>"
    assert Read([text], contract(parallel_tool_calls=False)).calls == [("clock", {"zone": "UTC"})]


def test_a_tool_that_must_be_called() -> None:
    named = contract(tool_choice={"type": "function", "function": {"name": "alarm"}})
    assert Read(["It is noon."], named).faults == ["One of the tools must be called: alarm."]
    assert Read([f"<tool_call>{TWO}</tool_call>"], named).result() == ("", [("alarm", {"at": 7})], [])
    assert Read([f"<tool_call>{ONE}</tool_call>"], named).faults == [
        "There is no tool 'clock'; there are: alarm."
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"at": 7}',
        '```json\n{"at": 7}\n```',
        '<think>{"at": 1}</think>{"at": 7}',
        'Sure:\n```json\n{"at": 7}\n```\nDone.',
        'Sure: {"at": 7}',
        f"Let me see. <tool_call>{TWO}</tool_call>",
    ],
)
def test_the_one_tool_that_must_be_called_is_called_without_words_beside_it(text: str) -> None:
    """As OpenAI's and Anthropic's models do: some clients take the words for the answer."""
    named = contract(tool_choice={"type": "function", "function": {"name": "alarm"}})
    for pieces in ([text], list(text)):
        assert Read(pieces, named).result() == ("", [("alarm", {"at": 7})], [])


def test_what_a_limit_cuts_off_before_the_call_is_the_answer() -> None:
    named = contract(tool_choice={"type": "function", "function": {"name": "alarm"}})
    for pieces in (["Let me see. "], list("Let me see. ")):
        assert Read(pieces, named, cut_off=True).result() == ("Let me see. ", [], [])


@pytest.mark.parametrize(
    "text", ['{"at": 7, "why": "late"}', '{"at": "seven"}', "{}", "```json\n7", "```json\n[7]\n```"]
)
def test_what_does_not_fit_the_one_tool_is_no_call(text: str) -> None:
    named = contract(tool_choice={"type": "function", "function": {"name": "alarm"}})
    assert Read([text], named).faults == ["One of the tools must be called: alarm."]
    assert (
        Read(['{"at": 7}'], contract()).calls
        == Read(['{"at": 7}'], contract(tool_choice="required")).calls
        == []
    )


def test_an_answer_that_a_limit_cut_off_is_incomplete_and_not_wrong() -> None:
    assert Read(['Yes. <tool_call>{"name": "al'], cut_off=True).result() == ("Yes. ", [], [])


def test_text_streams_on_while_tools_are_offered() -> None:
    reader = TOOLS.reader(streamed=True)
    assert [d.content for d in reader.feed("The time ")] == ["The time "]
    assert [d.content for d in reader.feed("is <tool")] == ["is "]
    assert [d.content for d in reader.feed("box> noon")] == ["<toolbox> noon"]
    [first] = reader.feed(f"<tool_call>{ONE}</tool_call><tool_c")
    assert first.tool_calls is not None and first.tool_calls[0].function.name == "clock"


pieces = st.lists(
    st.sampled_from(
        [
            *(
                "<tool_call>",
                "</tool_call>",
                "[TOOL_CALLS]",
                "<|python_tag|>",
                "<function=clock>",
                "</function>",
            ),
            *(
                "Action:",
                "```json\n",
                "```",
                ONE,
                TWO,
                "{",
                "[",
                "<",
                " ",
                "\n",
                "text",
                "<｜tool▁calls▁begin｜>",
            ),
        ]
    )
    | st.text(max_size=4),
    max_size=8,
)


@given(pieces, st.lists(st.integers(0, 60), max_size=12))
@example(["text", "<tool_call>", ONE, "</tool_call>"], [2, 9, 20])
@example(["Action:", " ", "```json\n", ONE, "```"], [3, 7, 8, 9, 10, 11])
def test_a_stream_adds_up_to_the_whole_however_it_is_cut(parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    assert Read([text[a:b] for a, b in pairwise(bounds)]).result() == Read([text]).result()


@pytest.mark.parametrize(
    "call",
    ['{"name": "clock"}', '{"name": "clock", "arguments": null}', '{"name": "clock", "parameters": []}'],
)
@pytest.mark.parametrize("around", ["{}", "<tool_call>{}</tool_call>"])
def test_a_call_needs_no_arguments_where_its_tool_needs_none(call: str, around: str) -> None:
    assert Read([around.replace("{}", call)]).result() == ("", [("clock", {})], [])


@pytest.mark.parametrize(
    "text", ['{"name": "clock", "age": 3}', '{"name": "Ada"}', '{"name": "clock", "input": 3}']
)
def test_an_object_that_only_has_a_name_is_the_answer(text: str) -> None:
    assert Read([text]).result() == (text, [], [])


@pytest.mark.parametrize(
    ("type", "written", "meant"),
    [
        ({"type": "boolean"}, "True", True),
        ({"type": ["string", "null"]}, "None", None),
        ({"type": "string"}, "None", "None"),
        ({"type": "array", "items": {"type": "string"}}, "['a', 'b']", ["a", "b"]),
        ({"type": "object"}, "{'a': [True, None]}", {"a": [True, None]}),
        ({"type": "string"}, "['a']", "['a']"),
        ({"type": "integer"}, "seven", "seven"),
    ],
)
def test_arguments_in_tags_may_be_python_s(type: Any, written: str, meant: Any) -> None:
    """Qwen Coder's template shows the model its own calls so."""
    parameters = {"type": "object", "properties": {"x": type}}
    call = f"<tool_call>\n<function=f>\n<parameter=x>\n{written}\n</parameter>\n</function>\n</tool_call>"
    [tool] = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    read = Read([call], contract(tools=[tool]))
    assert read.calls == [("f", {"x": meant})] if written != "seven" else read.faults


@pytest.mark.parametrize("family", NOTATIONS)
@pytest.mark.parametrize(
    "zone",
    ["<s>UTC</s>", "<|im_end|>", "<function=alarm>", "<function=x></tool_call>", "<invoke name='x'>", " a\n"],
)
def test_what_an_argument_says_of_calls_is_the_argument_s(family: str, zone: str) -> None:
    """A file about chat templates, or in HTML."""
    text = NOTATIONS[family]([("clock", {"zone": zone})])
    for pieces in ([text], list(text)):
        assert Read(pieces).result() == ("", [("clock", {"zone": zone})], [])


@pytest.mark.parametrize(
    ("call", "zone"),
    [
        ("<tool_call>clock<arg_key>zone</arg_key><arg_value>a\n</arg_value></tool_call>", "a\n"),
        ("<tool_call>clock<arg_key>zone</arg_key><arg_value>\na\n</arg_value></tool_call>", "a"),
        ("<tool_call><function=clock><parameter=zone>a\n</parameter></function></tool_call>", "a\n"),
        ("<tool_call><function=clock><parameter=zone>\na\n\n</parameter></function></tool_call>", "a\n"),
        (
            "<tool_call><function=clock><parameter=zone><![CDATA[a</parameter></function></tool_call>",
            "<![CDATA[a",
        ),
        ("<tool_call><function=clock><parameter=zone><![CDATA[a]]></parameter></function></tool_call>", "a"),
    ],
)
def test_an_argument_in_tags_keeps_its_last_line_s_end(call: str, zone: str) -> None:
    assert Read([call]).result() == ("", [("clock", {"zone": zone})], [])


@pytest.mark.parametrize("step", [1, 1000])
def test_lines_may_follow_a_call_without_marks(step: int) -> None:
    text = f"{ONE}\n\nI will wait."
    read = Read([text[i : i + step] for i in range(0, len(text), step)])
    assert read.result() == ("\n\nI will wait.", [("clock", {"zone": "UTC"})], [])


@pytest.mark.parametrize(
    "text",
    [
        "To call one, write `<tool_call>` and JSON.",
        "The <tool_call> tag opens it {so}.",
        'if "<tool_call>" in text:\n    read({"name": 1})',
        "It begins with [TOOL_CALLS], and then {comes} it.",
        "<tool_call>: what is that?",
    ],
)
def test_a_mark_that_a_text_speaks_of_opens_no_call(text: str) -> None:
    for said in (text, f"{text} <tool_call>{ONE}</tool_call>"):
        for pieces in ([said], list(said)):
            read = Read(pieces)
            assert read.content.strip() == text and not read.faults
            assert len(read.calls) == said.count(ONE)


def test_a_call_may_name_the_namespace_of_its_training() -> None:
    assert Read([ONE.replace("clock", "functions.clock")]).calls == [("clock", {"zone": "UTC"})]


@pytest.mark.parametrize("notation", ["<tool_call>{}</tool_call>", "{}", "[TOOL_CALLS][{}]"])
@pytest.mark.parametrize("value", [r'"\ud83d"', "1e999", "-1e999", r'{"a": ["\udc00"]}'])
def test_arguments_that_json_cannot_hold_are_refused(notation: str, value: str) -> None:
    call = f'{{"name": "clock", "arguments": {{"zone": {value}}}}}'
    read = Read([notation.replace("{}", call)])
    assert read.calls == [] and read.faults == ["The arguments of clock are not a JSON object."]


def test_jsons_names_stand_for_pythons_in_a_call_in_python() -> None:
    calls = read_calls("<function_calls>\nset(on=true, off=[false, None], at={'x': null})\n</function_calls>")
    assert calls is not None
    assert calls[0].arguments == {"on": True, "off": [False, None], "at": {"x": None}}


@pytest.mark.parametrize("value", ["{1, 2}", "b'a'", "1j", "1e999", r"'\ud83d'"])
def test_python_that_is_not_json_is_refused(value: str) -> None:
    read = Read([f"<|python_tag|>[clock(zone={value})]"])
    assert read.calls == [] and len(read.faults) == 1


def test_a_model_that_thinks_first_has_called_nothing_in_its_thoughts() -> None:
    read = Read([f"<think>Maybe <tool_call>{TWO}</tool_call>?</think>\n\n{ONE}"])
    assert read.result() == ("", [("clock", {"zone": "UTC"})], [])


@pytest.mark.parametrize("closes", ["", "</think>", "</think>\n\n"])
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_the_calls_with_which_a_thought_ends_are_calls_where_no_answer_follows(
    closes: str, step: int
) -> None:
    text = f"<think>Not <tool_call>{TWO}</tool_call> first.\n<tool_call>\n{ONE}\n</tool_call>\n{closes}"
    pieces = [text[at : at + step] for at in range(0, len(text), step)]
    assert Read(pieces).result() == ("", [("clock", {"zone": "UTC"})], [])
    assert Read([*pieces, "" if closes else "</think>", "No."]).result() == ("No.", [], [])
    assert Read(pieces, cut_off=True).calls == []


def test_a_thought_that_only_speaks_of_a_call_has_called_nothing() -> None:
    for thought in (
        f"<tool_call>{ONE}</tool_call>, or not",
        f"{ONE} is what I might say",
        "<tool_call>{broken",
    ):
        assert Read([f"<think>{thought}"]).result() == ("", [], [])


def test_a_call_that_is_repeated_beside_the_corrected_one_is_given_out_once() -> None:
    first = TOOLS.reader(streamed=True)
    given = (
        first.feed(f'<tool_call>{ONE}</tool_call><tool_call>{{"name": "alarm"}}</tool_call>') + first.end()
    )
    second = first.again()
    again = second.feed(f"<tool_call>{ONE}</tool_call><tool_call>{TWO}</tool_call>") + second.end()
    calls = [call for delta in [*given, *again] for call in delta.tool_calls or ()]
    assert [(call.index, call.function.name) for call in calls] == [(0, "clock"), (1, "alarm")]
    assert first.faults and not second.faults


@pytest.mark.parametrize("step", [1, 5, 1000])
def test_a_closing_mark_in_an_argument_closes_nothing(step: int) -> None:
    zone = "a }</tool_call> b <tool_call>"
    call = json.dumps({"name": "clock", "arguments": {"zone": zone}})
    text = f"Look.<tool_call>{call}</tool_call><tool_call>{TWO}</tool_call>"
    read = Read([text[i : i + step] for i in range(0, len(text), step)])
    assert read.result() == ("Look.", [("clock", {"zone": zone}), ("alarm", {"at": 7})], [])


def test_a_call_after_one_that_cannot_be_read_is_read() -> None:
    read = Read([f"<tool_call>{{broken</tool_call><tool_call>{TWO}</tool_call>"])
    assert read.calls == [("alarm", {"at": 7})] and len(read.faults) == 1


FORM: Any = {
    "type": "function",
    "function": {
        "name": "form",
        "parameters": {
            "type": "object",
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$defs": {"Text": {"type": "string"}, "Map": {"type": "object"}},
            "definitions": {},
            "properties": {
                "anything": {},
                "text": {"$ref": "#/$defs/Text"},
                "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "map": {"$ref": "#/$defs/Map"},
                "count": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                "same": {"$ref": "#/properties/count"},
            },
        },
    },
}


@pytest.mark.parametrize(
    ("name", "written", "meant"),
    [
        ("text", "7", "7"),
        ("text", '{"a": 1}', '{"a": 1}'),
        ("text", "null", "null"),
        ("anything", "7", 7),
        ("maybe", "7", "7"),
        ("maybe", "null", None),
        ("map", '{"a": 1}', {"a": 1}),
        ("count", "7", 7),
        ("same", "7", 7),
        ("other", "7", 7),
        ("other", "seven", "seven"),
    ],
)
def test_an_argument_that_is_written_as_text_is_what_its_schema_says(
    name: str, written: str, meant: Any
) -> None:
    text = f"<tool_call><function=form><parameter={name}>{written}</parameter></function></tool_call>"
    assert Read([text], contract(tools=[FORM])).result() == ("", [("form", {name: meant})], [])


@pytest.mark.parametrize("token", ["]<]minimax[>[", ""])
def test_elements_within_elements_are_what_they_hold(token: str) -> None:
    places = "<places><item><name>Troy</name><size>7</size><open>true</open></item><item><name>1 <2</name></item></places>"
    text = f'<tool_call>\n<invoke name="sail">{places}<to>Ithaca</to><days>[2]</days></invoke>\n</tool_call>'
    sail: Any = {"type": "function", "function": {"name": "sail", "parameters": {"type": "object"}}}
    read = Read([text.replace("<", f"{token}<").replace(f"1 {token}<2", "1 <2")], contract(tools=[sail]))
    places_read = [{"name": "Troy", "size": 7, "open": True}, {"name": "1 <2"}]
    assert read.result() == ("", [("sail", {"places": places_read, "to": "Ithaca", "days": [2]})], [])


@pytest.mark.parametrize(
    "argument",
    [
        "<parameter=at>7</parameter> is seven</parameter>",
        "<parameter=at>7</parameter>\n<parameter=zone>UT",
        "7",
        "<parameter=at>7</parameter>, well",
        "<parameter=at>7</parameter></function>, well</parameter>",
    ],
)
def test_what_is_left_of_an_argument_is_not_passed_over(argument: str) -> None:
    read = Read([f"<tool_call>\n<function=alarm>\n{argument}\n</function>\n</tool_call>"])
    assert read.calls == [] and len(read.faults) == 1


@pytest.mark.parametrize(("opened", "closed"), [(10_000, 10_000), (10_000, 0), (0, 10_000)])
def test_elements_without_end_are_read_quickly(opened: int, closed: int) -> None:
    text = f'<tool_call><invoke name="alarm">{"<a>" * opened}{"</a>" * closed}</invoke></tool_call>'
    with quickly():
        assert Read([text]).calls == []


def test_allowed_tools_that_are_not_functions_are_left_out_as_they_are_among_the_tools() -> None:
    allowed = [{"type": "web_search"}, {"type": "function", "name": "clock"}]
    use = contract(tool_choice={"type": "allowed_tools", "mode": "auto", "tools": allowed}).tools
    assert use is not None and use.names == {"clock"}
    with pytest.raises(BadRequestError, match="asks for a tool of the type 'web_search': only functions"):
        contract(tool_choice={"type": "web_search"})


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (f"[TOOL_CALLS] [{ONE}]\n\nI wait.", "\n\nI wait."),
        (f"<tool_call>[{ONE}]\nI wait.", "\nI wait."),
        (f"<tool_call>{ONE}<tool_call>", ""),
        (f"<tool_call>{ONE} \nI wait.", "\nI wait."),
        ('<|python_tag|>clock.call(zone="UTC")', ""),
        ('<|python_tag|>clock(zone="UTC")<|eom_id|>', ""),
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_a_marked_call_that_is_closed_otherwise(text: str, content: str, step: int) -> None:
    read = Read([text[i : i + step] for i in range(0, len(text), step)])
    assert read.result() == (content, [("clock", {"zone": "UTC"})], [])


@pytest.mark.parametrize("text", [f"[TOOL_CALLS]{ONE}\n{{broken", f"<tool_call>{ONE}\nbroken</tool_call>"])
def test_what_is_broken_behind_a_mark_is_asked_for_again(text: str) -> None:
    read = Read([text])
    assert read.result() == ("", [], ["A tool call cannot be read: its JSON is broken."])


@pytest.mark.parametrize(
    "text",
    ["```python\nprint(1)", "[1] As Ada says", "[Note] It rains", "```\nls -l", "[ ] to do", '["a", "b"'],
)
def test_what_cannot_become_a_call_is_streamed_at_once(text: str) -> None:
    reading = TOOLS.reader(streamed=True)
    given = "".join(delta.content or "" for piece in text for delta in reading.feed(piece))
    assert given == text and not reading.end()


@pytest.mark.parametrize(
    "begun",
    [
        *("<function=a><parameter=b>", "<function=", "a<arg_key>", "a<arg_key>b</arg_key><arg_value>"),
        *("to=functions.a", "to=functions.a<|message|>{"),
        "<|tool_call_begin|>a<|tool_call_argument_begin|>{",
        *("<param=a>", '<invoke name="a">', ']<]minimax[>[<invoke name="a">'),
        "<|tool_call:begin|>a<|tool_call:name|>a<|tool_call:args|>{",
        "<tool_call:opensource>a<tool_sep:opensource>",
    ],
)
def test_an_answer_of_calls_that_never_end_is_read_quickly(begun: str) -> None:
    """Each tag once read on to the answer's end, which took minutes."""
    with quickly():
        read_calls(begun * 10_000)
        read_calls(f"<tool_call><function=a>{begun * 10_000}</parameter></function></tool_call>")


def test_a_call_with_many_closing_marks_is_read_quickly() -> None:
    """Each was once tried with all that stands before it, which took minutes."""
    with quickly():
        assert Read(['<tool_call>{"name": "clock", "arguments": {"zone": "' + "</tool_call>" * 4_000]).faults


@pytest.mark.parametrize("arguments", ["null", "[]", '""', '" "', "{}"])
def test_arguments_may_be_left_empty(arguments: str) -> None:
    read = Read([f'<tool_call>{{"name": "clock", "arguments": {arguments}}}</tool_call>'])
    assert read.result() == ("", [("clock", {})], [])


NUMBER, TEXT = {"type": "integer"}, {"type": "string"}


@pytest.mark.parametrize(
    ("at", "written", "meant"),
    [
        (NUMBER, "7", 7),
        (TEXT, "7", "7"),
        ({"$ref": "#/$defs/text"}, "7", "7"),
        ({"$ref": "#/definitions/text"}, "7", "7"),
        ({"$ref": "#/$defs/number"}, "7", 7),
        ({"type": ["string", "integer"]}, "7", "7"),
        ({"type": ["string", "null"]}, "null", None),
        ({}, "7", 7),
    ],
)
def test_what_is_written_as_text_is_what_its_tool_takes(at: Any, written: str, meant: Any) -> None:
    parameters = {
        "type": "object",
        "properties": {"at": at},
        "$defs": {"text": TEXT, "number": NUMBER},
        "definitions": {"text": TEXT},
    }
    tool = {"type": "function", "function": {"name": "alarm", "parameters": parameters}}
    text = (
        f"<tool_call>\n<function=alarm>\n<parameter=at>\n{written}\n</parameter>\n</function>\n</tool_call>"
    )
    assert Read([text], contract(tools=[tool])).result() == ("", [("alarm", {"at": meant})], [])


def test_an_id_is_as_long_as_openais_and_all_faults_of_a_call_are_told() -> None:
    [id] = Read([f"<tool_call>{ONE}</tool_call>"]).ids
    assert re.fullmatch(r"call_[0-9a-f]{24}", id or "")
    pair = {"type": "object", "properties": {"a": NUMBER, "b": NUMBER}}
    tool = {"type": "function", "function": {"name": "add", "parameters": pair}}
    text = '<tool_call>{"name": "add", "arguments": {"a": "x", "b": "y"}}</tool_call>'
    [fault] = Read([text], contract(tools=[tool])).faults
    assert fault == (
        'The arguments of add do not fit: [\'a\']: "x" is not of type "integer"; '
        '[\'b\']: "y" is not of type "integer".'
    )
