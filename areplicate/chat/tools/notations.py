"""The notations in which open models write tool calls, each parsed as data and never run.

A model marks its calls by tokens of its family and writes them between these as JSON, as XML, or as
the call of a function. Which notation stands between which marks differs even between two versions of
one family, so all of them are tried on what is marked, the strictest first.
"""
# ruff: noqa: RUF001 - DeepSeek's tokens are written with a full-width bar

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ..structured.json_reader import repair
from .marks import ACTION, MARKS, RawCall, unfenced, without_marks
from .pythonic import pythonic
from .tags import elements, function_tags, glm, hy

_NOISE = re.compile(
    r"<\|(?:python_start|python_end|eom_id|eot_id|eot|im_end|end_of_text|message_sep|END_OF_TURN_TOKEN)\|>|</s>|<\|END_RESPONSE\|>"
)
_NOISE_AROUND = re.compile(rf"^(?:\s|{_NOISE.pattern})+|(?:\s|{_NOISE.pattern})+$")
_BETWEEN = re.compile(r"[\s;,]*")
_DEEPSEEK = re.compile(
    r"<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>)?\s*([^\s<]+?)\s*(?:<｜tool▁sep｜>)?\s*"
    r"(?:```(?:json)?\s*)?(\{.*?\})\s*(?:```)?\s*(?:<｜tool▁call▁end｜>|$)",
    re.DOTALL,
)
_KIMI = re.compile(
    r"<\|tool_call_begin\|>\s*(?:functions\.)?([^\s:<]+)(?::\d+)?\s*<\|tool_call_argument_begin\|>\s*"
    r"(\{(?:(?!<\|tool_call_begin).)*?\})\s*"
    r"(?:<\|tool_call_end\|>|$)",
    re.DOTALL,
)
_SOLAR = re.compile(
    r"<\|tool_call:begin\|>[^<]*<\|tool_call:name\|>([^<]+)<\|tool_call:args\|>\s*"
    r"(\{(?:(?!<\|tool_call:begin).)*?\})\s*(?:<\|tool_call:end\|>|$)",
    re.DOTALL,
)
_HARMONY = re.compile(
    r"to=functions\.([\w.-]+)(?:(?!to=functions).)*?<\|message\|>\s*(\{(?:(?!<\|message\|>).)*?\})\s*(?:<\|call\|>|$)",
    re.DOTALL,
)
_GEMMA = re.compile(
    r"(?:<\|tool_call>|<start_function_call>)\s*call:([\w.-]+)(\{.*\})\s*(?:<tool_call\|>|<end_function_call>)?",
    re.DOTALL,
)
_GEMMA_QUOTE = re.compile(r"<\|\"\|>|<escape>")
_BARE_KEY = re.compile(r"([{,]\s*)([\w.-]+)(\s*:)")
_NAME_THEN_JSON = re.compile(r"([\w.-]+)\s*(?:\[CALL_ID\]\s*[^\s\[]+\s*)?(?:\[ARGS\])?\s*(?=\{)")
_NAMES = ("name", "tool_name", "function_name", "tool", "function")
_ARGUMENTS = ("arguments", "parameters", "args", "tool_input", "input")
_OF_A_BARE_CALL = frozenset((*_NAMES, "id", "type"))
"""The keys of a call without arguments: an object with others may be something else."""
_decode = json.JSONDecoder().raw_decode


def read_calls(text: str) -> list[RawCall] | None:
    """The calls in a text that a model marked as calls, or wrote instead of an answer; None if it has none.

    The whole text must be calls: one that merely speaks of a call is an answer.
    """
    # First at the ends alone: an argument may have such a token in it, as HTML has `</s>`.
    for cleaned in dict.fromkeys((_NOISE_AROUND.sub("", text), _NOISE.sub("", text).strip())):
        if calls := _calls_in(cleaned):
            return calls
    return None


def _calls_in(text: str) -> list[RawCall] | None:
    for notation in _NOTATIONS:
        if calls := notation(text):
            return calls
    written = without_marks(text)
    # Small models forget the last bracket: what stands within it is whole, if it is closed.
    return _calls_of(repair(written)) or (_json(written + "}") if written.endswith("}") else None)


def read_leading_calls(text: str) -> tuple[list[RawCall], str] | None:
    """The calls that a text begins with as JSON, behind a mark or without any, and the lines after them.

    Behind a mark, another one may follow at once: some models close with the mark that opens.
    """
    calls_and_more = without_marks(text)
    try:
        value, end = _decode(calls_and_more, 0)
    except (ValueError, RecursionError):
        return None
    calls, rest = _calls_of(value), calls_and_more[end:].lstrip(" ")
    follows = ("\n", *MARKS) if calls_and_more != text else "\n"
    broken = rest.lstrip().startswith(("{", "["))  # a call that cannot be read: no text
    return (calls, rest) if calls and rest.startswith(follows) and not broken else None


def meant_tool(call: RawCall, names: Collection[str]) -> str | None:
    """The tool that a call means: some models write more than its name, such as `functions.` or `default_api.`, or
    spell it another way, such as `Get-Weather`, where only one tool can be meant."""
    written = call.name
    meant = (written, written.rpartition(".")[2], written.removesuffix(".call"))
    if exact := next((name for name in meant if name in names), None):
        return exact
    alike = [name for name in names if _letters(name) == _letters(written)]
    return alike[0] if len(alike) == 1 else None


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _json(text: str) -> list[RawCall] | None:
    """One object, several, or a list of them, with or without a fence around."""
    text = unfenced(without_marks(text).removeprefix(ACTION).strip())
    calls: list[RawCall] = []
    at = _BETWEEN.match(text).end()  # type: ignore[union-attr]
    while at < len(text):
        try:
            value, at = _decode(text, at)
        except (ValueError, RecursionError):
            return None
        found = _calls_of(value)
        if not found:
            return None
        calls += found
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
        if not text[at:].strip("]} \n"):  # brackets too many
            break
    return calls or None


def _calls_of(value: Any) -> list[RawCall] | None:
    if isinstance(value, Mapping) and isinstance(value.get("tool_calls"), list):
        value = value["tool_calls"]
    calls = [_call_of(entry) for entry in (value if isinstance(value, list) else [value])]
    return None if None in calls else [call for call in calls if call is not None]


def _call_of(value: Any) -> RawCall | None:
    if not isinstance(value, Mapping):
        return None
    function = value.get("function")
    if not isinstance(function, Mapping):
        function = value
    name = next((function[key] for key in _NAMES if isinstance(function.get(key), str)), None)
    given = next((key for key in _ARGUMENTS if isinstance(function.get(key), (Mapping, str))), None)
    if name and given is not None:
        return RawCall(name, function[given])
    without_arguments = all(function[key] in (None, []) for key in function if key not in _OF_A_BARE_CALL)
    return RawCall(name, {}) if name and without_arguments else None


def _named_json(text: str) -> list[RawCall] | None:
    """Mistral's newer notation: `[TOOL_CALLS]name[ARGS]{...}`, several in a row."""
    calls = []
    rest = text
    while rest := rest.removeprefix("[TOOL_CALLS]").strip():
        head = _NAME_THEN_JSON.match(rest)
        if head is None:
            return None
        try:
            arguments, end = _decode(rest, head.end())
        except (ValueError, RecursionError):
            return None
        calls.append(RawCall(head[1], arguments))
        rest = rest[end:].strip()
    return calls or None


def _tokens(pattern: re.Pattern[str]) -> Callable[[str], list[RawCall] | None]:
    """Calls that stand between tokens of their own: the name, then the arguments as JSON."""

    def read(text: str) -> list[RawCall] | None:
        return [RawCall(name, arguments) for name, arguments in pattern.findall(text)] or None

    return read


def _keyed(text: str) -> list[RawCall] | None:
    """Apertus': a list of objects whose one key is the tool's name."""
    if not text.startswith("<|tools_prefix|>"):
        return None
    try:
        calls = [
            RawCall(name, given) for call in json.loads(without_marks(text)) for name, given in call.items()
        ]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    return calls or None


def _gemma(text: str) -> list[RawCall] | None:
    """Gemma 4's and FunctionGemma's: JSON whose keys are bare, and whose texts stand between marks of their own."""
    found = _GEMMA.fullmatch(text)
    if found is None:
        return None
    parts = _GEMMA_QUOTE.split(found[2])
    written = [
        json.dumps(part) if n % 2 else _BARE_KEY.sub(r'\1"\2"\3', part) for n, part in enumerate(parts)
    ]
    try:
        return [RawCall(found[1], json.loads("".join(written)))]
    except (ValueError, RecursionError):
        return None


_NOTATIONS: tuple[Callable[[str], list[RawCall] | None], ...] = (
    _json,
    _named_json,
    _tokens(_DEEPSEEK),
    _tokens(_KIMI),
    _tokens(_SOLAR),
    _tokens(_HARMONY),
    _gemma,
    glm,
    hy,
    _keyed,
    pythonic,
    elements,
    function_tags,
)
