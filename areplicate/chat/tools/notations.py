"""The notations in which open models write tool calls, each parsed as data and never run.

A model marks its calls by tokens of its family and writes them between these as JSON, as XML, or as
the call of a function. Which notation stands between which marks differs even between two versions of
one family, so all of them are tried on what is marked, the strictest first.
"""
# ruff: noqa: RUF001 - DeepSeek's tokens are written with a full-width bar

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from ..formats.definitions import MINIMAX
from ..structured.json_reader import repair


class RawCall(msgspec.Struct, frozen=True):
    """A call as a model wrote it; nothing says yet that the tool takes these `arguments`.

    `as_texts`: each argument is a text, and the tool's schema says whether `7` is a number or a string.
    """

    name: str
    arguments: Any
    as_texts: bool = False


MARKS: dict[str, tuple[str, ...]] = {
    "<tool_call>": ("</tool_call>",),  # Hermes, Qwen, Granite 4, GLM 4.5
    "<tool_calls>": ("</tool_calls>",),  # Jamba
    "<|tool_call|>": ("<|/tool_call|>",),  # Phi 4 Mini; Granite 3, which does not close it
    "<|tool_call>": ("<tool_call|>",),  # Gemma 4
    "<seed:tool_call>": ("</seed:tool_call>",),  # ByteDance Seed
    "<minimax:tool_call>": ("</minimax:tool_call>",),  # MiniMax M2
    "<|tool_call_start|>": ("<|tool_call_end|>",),  # LFM2
    "<TOOLCALL>": ("</TOOLCALL>",),  # Nemotron Nano 2
    "<function_calls>": ("</function_calls>",),  # OLMo 3
    "<function_call>": ("</function_call>",),
    "<|action_start|><|plugin|>": ("<|action_end|>",),  # InternLM 2
    "<|start|>assistant to=": ("<|call|>",),  # gpt-oss
    "<|channel|>commentary to=": ("<|call|>",),
    "to=functions.": ("<|call|>",),
    "[TOOL_CALLS]": (),  # Mistral
    "<|python_tag|>": ("<|eom_id|>", "<|eot_id|>"),  # Llama 3.1 and later
    "<|python_start|>": (),  # Llama 4, which closes it before, after, or not at all
    "<function=": ("</function>",),  # Llama 3.1's own functions
    "<|START_ACTION|>": ("<|END_ACTION|>",),  # Command R7B and Command A
    "<｜tool▁calls▁begin｜>": ("<｜tool▁calls▁end｜>",),  # DeepSeek
    "<｜tool▁call▁begin｜>": ("<｜tool▁call▁end｜>",),
    "<｜DSML｜function_calls>": ("</｜DSML｜function_calls>",),  # DeepSeek V3.2
    "<｜DSML｜tool_calls>": ("</｜DSML｜tool_calls>",),  # DeepSeek V4
    "<|tool_calls_section_begin|>": ("<|tool_calls_section_end|>",),  # Kimi K2
    "<|tool_call_section_begin|>": ("<|tool_call_section_end|>",),
    "<|tool_call_begin|>": ("<|tool_call_end|>",),
    "<｜tool_calls_begin｜>": ("<｜tool_calls_end｜>",),  # Step 3
    "<tool_calls:opensource>": ("</tool_calls:opensource>",),  # Hy3
    "<longcat_tool_call>": ("</longcat_tool_call>",),  # LongCat
    "<|tools_prefix|>": ("<|tools_suffix|>",),  # Apertus
    "<start_function_call>": ("<end_function_call>",),  # FunctionGemma
    "function call<|role_sep|>": (),  # GigaChat 3
    "<|function_call|>": (),  # GigaChat 3.1
    "<|tool_calls|>": ("<|calls|>",),  # Solar Open
    "<|tool_call:begin|>": ("<|tool_call:end|>",),
    f"{MINIMAX}<tool_call>": (f"{MINIMAX}</tool_call>",),  # MiniMax M3
    '<function name="': ("</function>",),  # MiniCPM 5
    "<|im_start|>assistant -> tool/function_call": ("<|stop|>",),  # HyperCLOVA X
    "assistant -> tool/function_call": ("<|stop|>",),
    "-> tool/function_call": ("<|stop|>",),
    "functools[": (),  # Phi 4 Mini
}
"""The marks that open calls, each with those that close them; without one, calls last to the text's end."""

_CLOSINGS = tuple(closing for closings in MARKS.values() for closing in closings)

ACTION = "Action:"
"""What opens Command-R's calls: a word of plain English, so that fenced JSON must follow."""

_NOISE = re.compile(
    r"<\|(?:python_start|python_end|eom_id|eot_id|eot|im_end|end_of_text|message_sep|END_OF_TURN_TOKEN)\|>|</s>|<\|END_RESPONSE\|>"
)
_SPACE = re.compile(r"\s*")
_BETWEEN = re.compile(r"[\s;,]*")
_FENCE = re.compile(r"```(?:json|tool_code|tool_call)?\s*(.*?)\s*(?:```|$)", re.DOTALL)
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
_FUNCTION_TAG = re.compile(
    r'<((?:｜DSML｜|steptml:)?(?:function|invoke))(?:=| name=")([^<>\s"]+)"?>(.*?)(</\1>|$)',
    re.DOTALL,
)
_PARAMETER_OPENS = re.compile(r'<(parameter|param|｜DSML｜parameter|steptml:parameter)(?:=| name=")')
_PARAMETER_TAGS = {
    name: re.compile(
        rf'<{name}(?:=| name=")([^<>\s"]+)[^<>]*>\n?(?:<!\[CDATA\[)?(.*?)(?:\]\]>)?\n?</{name}>', re.DOTALL
    )
    for name in ("parameter", "param", "｜DSML｜parameter", "steptml:parameter")
}
_CLOSES_MORE = re.compile(r"</(?:｜DSML｜|steptml:)?(?:function|invoke|param(?:eter)?)>")
"""What is left if an argument has the tags of a call in it."""
_GLM = re.compile(r"\s*([\w.-]+)\s*(<(?:longcat_)?arg_key>.*)?", re.DOTALL)
_GLM_ARGUMENT = re.compile(
    r"<(?:longcat_)?arg_key(?::opensource)?>([^<]*)</(?:longcat_)?arg_key(?::opensource)?>\s*"
    r"<(?:longcat_)?arg_value(?::opensource)?>(.*?)</(?:longcat_)?arg_value(?::opensource)?>",
    re.DOTALL,
)
_HY = re.compile(
    r"<tool_call:opensource>([\w.-]+)<tool_sep:opensource>((?:(?!<tool_call:).)*?)</tool_call:opensource>",
    re.DOTALL,
)
_INVOKE = r'{}<invoke name="([^"<>]+)">(.*?){}</invoke>'
_TAG = r"{}<(/?)([\w.-]+)>"
_ELEMENTS = {
    token: [re.compile(each.replace("{}", re.escape(token)), re.DOTALL) for each in (_INVOKE, _TAG)]
    for token in (MINIMAX, "")
}
"""Calls and the tags in them, with MiniMax's token before each or, where a server leaves it out, without."""
_SCALAR = re.compile(r"-?\d{1,15}(\.\d{1,15})?|true|false")
_DEEPEST_ELEMENT = 16
_NAMES = ("name", "tool_name", "function_name", "tool", "function")
_ARGUMENTS = ("arguments", "parameters", "args", "tool_input", "input")
_OF_A_BARE_CALL = frozenset((*_NAMES, "id", "type"))
"""The keys of a call without arguments: an object with others may be something else."""
_JSON_NAMES = {"true": True, "false": False, "null": None}
_LONGEST_PYTHONIC = 20_000
_decode = json.JSONDecoder().raw_decode


def read_calls(text: str) -> list[RawCall] | None:
    """The calls in a text that a model marked as calls, or wrote instead of an answer; None if it has none.

    The whole text must be calls: one that merely speaks of a call is an answer.
    """
    text = _NOISE.sub("", text).strip()
    for notation in _NOTATIONS:
        if calls := notation(text):
            return calls
    written = _without_marks(text)
    # Small models forget the last bracket: what stands within it is whole, if it is closed.
    return _calls_of(repair(written)) or (_json(written + "}") if written.endswith("}") else None)


def read_leading_calls(text: str) -> tuple[list[RawCall], str] | None:
    """The calls that a text begins with as JSON, behind a mark or without any, and the lines after them.

    Behind a mark, another one may follow at once: some models close with the mark that opens.
    """
    calls_and_more = _without_marks(text)
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


def _without_marks(text: str) -> str:
    for opening, closings in MARKS.items():
        if text.startswith(opening) and opening != "<function=":
            text = text[len(opening) :]
            for closing in closings:
                text = text.removesuffix(closing)
            return text.strip()
    return text


def _json(text: str) -> list[RawCall] | None:
    """One object, several, or a list of them, with or without a fence around."""
    text = _without_marks(text).removeprefix(ACTION).strip()
    if fenced := _FENCE.fullmatch(text):
        text = fenced[1]
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


def _function_tags(text: str) -> list[RawCall] | None:
    """`<function=name>{...}</function>`, or with a `<parameter=name>` for each argument (Qwen's coders), or both as
    `<invoke name="name">` and `<parameter name="name">` (MiniMax, DeepSeek V3.2)."""
    calls = []
    for _, name, body, closed in _FUNCTION_TAG.findall(text):
        parameters, left = _parameters(body)
        if parameters or not body.strip():
            # What is left is of an argument that was cut off, or that has such a tag in it.
            if left.strip() or not (closed or _is_closed(text)):
                return None
            calls.append(RawCall(name, parameters, as_texts=True))
        else:
            calls.append(RawCall(name, body.strip()))
    return None if _CLOSES_MORE.search(_FUNCTION_TAG.sub("", text)) else calls or None


def _parameters(text: str) -> tuple[dict[str, str], str]:
    """The arguments that stand in tags of their own, all of the first's kind, and what else there is."""
    opening = _PARAMETER_OPENS.search(text)
    if opening is None:
        return {}, text
    tag, whole = _PARAMETER_TAGS[opening[1]], _up_to_last(text, f"</{opening[1]}>")
    return dict(tag.findall(whole)), tag.sub("", whole) + text[len(whole) :]


def _is_closed(text: str) -> bool:
    """Whether a marked text ends with a mark that closes. Without one, tags do not show whether a call was cut off."""
    return text.rstrip().endswith(_CLOSINGS)


def _up_to_last(text: str, *closings: str) -> str:
    """The text without what follows the last closing tag: each tag that opens there would be read to the end in vain."""
    return text[: max([text.rfind(closing) + len(closing) if closing in text else 0 for closing in closings])]


def _glm(text: str) -> list[RawCall] | None:
    """GLM's: the name, then `<arg_key>`s and `<arg_value>`s, if any."""
    head = _GLM.fullmatch(_without_marks(text))
    if head is None or not _is_closed(text):
        return None
    arguments = _glm_arguments(head[2] or "")
    return [RawCall(head[1], arguments, as_texts=True)] if arguments or head[2] is None else None


def _glm_arguments(text: str) -> dict[str, str]:
    closings = ("</arg_value>", "</longcat_arg_value>", "</arg_value:opensource>")
    pairs = _GLM_ARGUMENT.findall(_up_to_last(text, *closings))
    return {key.strip(): value.strip("\n") for key, value in pairs}


def _hy(text: str) -> list[RawCall] | None:
    """Hy3's: the same between marks of its own."""
    return [RawCall(name, _glm_arguments(rest), as_texts=True) for name, rest in _HY.findall(text)] or None


def _keyed(text: str) -> list[RawCall] | None:
    """Apertus': a list of objects whose one key is the tool's name."""
    if not text.startswith("<|tools_prefix|>"):
        return None
    try:
        calls = [
            RawCall(name, given) for call in json.loads(_without_marks(text)) for name, given in call.items()
        ]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    return calls or None


def _elements(text: str) -> list[RawCall] | None:
    """MiniMax M3's: an element for each argument, and within it for each member and item."""
    calls = []
    token = MINIMAX if MINIMAX in text else ""
    invoke, tag = _ELEMENTS[token]
    for name, body in invoke.findall(_up_to_last(text, f"{token}</invoke>")):
        arguments = _element_value(body.strip(), tag) if body.strip() else {}
        if not isinstance(arguments, dict):
            return None
        calls.append(RawCall(name, arguments, as_texts=True))
    return calls or None


def _element_value(text: str, tag: re.Pattern[str], depth: int = 0) -> Any:
    """What elements hold: a member each, or an item; of others the text, or the number that a member is."""
    members = _members(text, tag) if depth < _DEEPEST_ELEMENT else None
    if not members:
        return json.loads(text) if depth > 1 and _SCALAR.fullmatch(text) else text
    values = [(name, _element_value(each, tag, depth + 1)) for name, each in members]
    return [each for _, each in values] if {name for name, _ in values} == {"item"} else dict(values)


def _members(text: str, tag: re.Pattern[str]) -> list[tuple[str, str]] | None:
    """The elements that a text is made of, each with what is in it; None if there is anything else."""
    members: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        opening = tag.match(text, at)
        if opening is None or opening[1]:
            return None
        inside = 1
        for closing in tag.finditer(text, opening.end()):
            if closing[2] == opening[2]:
                inside += -1 if closing[1] else 1
            if not inside:
                break
        else:
            return None
        members.append((opening[2], text[opening.end() : closing.start()]))
        at = _SPACE.match(text, closing.end()).end()  # type: ignore[union-attr]
    return members


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


def _pythonic(text: str) -> list[RawCall] | None:
    """Llama's `[name(key="value")]`; behind a mark or in a fence also `name(key="value")`, one a line: parsed, and
    only literals are taken."""
    marked, text = text, _without_marks(text)
    if fenced := _FENCE.fullmatch(text):
        text = fenced[1]
    is_list = text.startswith("[") and text.endswith(")]")
    if not (is_list or (marked != text and text.endswith(")"))) or len(text) > _LONGEST_PYTHONIC:
        return None
    try:
        lines = [line.value for line in ast.parse(text).body if isinstance(line, ast.Expr)]
        calls = [call for line in lines for call in (line.elts if isinstance(line, ast.List) else [line])]
        return [_pythonic_call(call) for call in calls] or None
    except (SyntaxError, ValueError, AssertionError, RecursionError, MemoryError):
        return None


class _Literals(ast.NodeTransformer):
    """JSON's names for what Python calls otherwise: OLMo 3 and Llama write them in calls, too."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(_JSON_NAMES[node.id]) if node.id in _JSON_NAMES else node


def _pythonic_call(call: ast.expr) -> RawCall:
    assert isinstance(call, ast.Call)
    if ast.unparse(call.func) == "print" and len(call.args) == 1:  # Gemma's
        return _pythonic_call(call.args[0])
    assert not call.args
    arguments = {}
    for keyword in call.keywords:
        assert keyword.arg is not None
        arguments[keyword.arg] = ast.literal_eval(_Literals().visit(keyword.value))
    return RawCall(ast.unparse(call.func), arguments)


_NOTATIONS: tuple[Callable[[str], list[RawCall] | None], ...] = (
    _json,
    _elements,
    _function_tags,
    _named_json,
    _tokens(_DEEPSEEK),
    _tokens(_KIMI),
    _tokens(_SOLAR),
    _tokens(_HARMONY),
    _gemma,
    _glm,
    _hy,
    _keyed,
    _pythonic,
)
