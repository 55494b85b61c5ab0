"""Tool calls that models write as tags: XML, or nearly so."""
# ruff: noqa: RUF001 - DeepSeek's tokens are written with a full-width bar

from __future__ import annotations

import json
import re
from typing import Any

from ..formats.definitions import MINIMAX
from .marks import RawCall, is_closed, without_marks

_SPACE = re.compile(r"\s*")
_FUNCTION_TAG = re.compile(
    r'<((?:｜DSML｜|steptml:)?(?:function|invoke))(?:=| name=")([^<>\s"]+)"?>(.*?)(</\1>|$)',
    re.DOTALL,
)
_PARAMETER_OPENS = re.compile(r'<(parameter|param|｜DSML｜parameter|steptml:parameter)(?:=| name=")')
_PARAMETER_TAGS = {
    name: re.compile(rf'<{name}(?:=| name=")([^<>\s"]+)[^<>]*>(.*?)</{name}>', re.DOTALL)
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


def function_tags(text: str) -> list[RawCall] | None:
    """`<function=name>{...}</function>`, or with a `<parameter=name>` for each argument (Qwen's coders), or both as
    `<invoke name="name">` and `<parameter name="name">` (MiniMax, DeepSeek V3.2)."""
    calls = []
    if _is_of_an_argument(_FUNCTION_TAG.search(text)):
        return None
    for _, name, body, closed in _FUNCTION_TAG.findall(text):
        parameters, left = _parameters(body)
        if parameters or not body.strip():
            # What is left is of an argument that was cut off, or that has such a tag in it.
            if left.strip() or not (closed or is_closed(text)):
                return None
            calls.append(RawCall(name, parameters, as_texts=True))
        else:
            calls.append(RawCall(name, body.strip()))
    return None if _CLOSES_MORE.search(_FUNCTION_TAG.sub("", text)) else calls or None


def _is_of_an_argument(first: re.Match[str] | None) -> bool:
    """Whether the first tag stands in an argument of a call that is written in another notation."""
    return first is not None and not {"{", "("}.isdisjoint(first.string[: first.start()])


def _parameters(text: str) -> tuple[dict[str, str], str]:
    """The arguments that stand in tags of their own, all of the first's kind, and what else there is."""
    opening = _PARAMETER_OPENS.search(text)
    if opening is None:
        return {}, text
    tag, whole = _PARAMETER_TAGS[opening[1]], _up_to_last(text, f"</{opening[1]}>")
    parameters = {name: _value(written) for name, written in tag.findall(whole)}
    return parameters, tag.sub("", whole) + text[len(whole) :]


def _value(written: str) -> str:
    """An argument's text without what is written around it: a line's end on both sides, and CDATA. A line's end behind it
    alone is its own, such as a file's."""
    if written.startswith("\n"):
        written = written[1:].removesuffix("\n")
    marked = written.startswith("<![CDATA[") and written.endswith("]]>")
    return written[9:-3] if marked else written


def _up_to_last(text: str, *closings: str) -> str:
    """The text without what follows the last closing tag: each tag that opens there would be read to the end in vain."""
    return text[: max([text.rfind(closing) + len(closing) if closing in text else 0 for closing in closings])]


def glm(text: str) -> list[RawCall] | None:
    """GLM's: the name, then `<arg_key>`s and `<arg_value>`s, if any."""
    head = _GLM.fullmatch(without_marks(text))
    if head is None or not is_closed(text):
        return None
    arguments = _glm_arguments(head[2] or "")
    return [RawCall(head[1], arguments, as_texts=True)] if arguments or head[2] is None else None


def _glm_arguments(text: str) -> dict[str, str]:
    closings = ("</arg_value>", "</longcat_arg_value>", "</arg_value:opensource>")
    pairs = _GLM_ARGUMENT.findall(_up_to_last(text, *closings))
    return {key.strip(): _value(written) for key, written in pairs}


def hy(text: str) -> list[RawCall] | None:
    """Hy3's: the same between marks of its own."""
    return [RawCall(name, _glm_arguments(rest), as_texts=True) for name, rest in _HY.findall(text)] or None


def elements(text: str) -> list[RawCall] | None:
    """MiniMax M3's: an element for each argument, and within it for each member and item."""
    calls = []
    token = MINIMAX if MINIMAX in text else ""
    invoke, tag = _ELEMENTS[token]
    whole = _up_to_last(text, f"{token}</invoke>")
    if _is_of_an_argument(invoke.search(whole)):
        return None
    for name, body in invoke.findall(whole):
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
