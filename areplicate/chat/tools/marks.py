"""A tool call as a model wrote it, and the marks that open models write around calls."""
# ruff: noqa: RUF001 - DeepSeek's tokens are written with a full-width bar

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..formats.definitions import MINIMAX


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

ACTION = "Action:"
"""What opens Command-R's calls: a word of plain English, so that fenced JSON must follow."""

_FENCE = re.compile(r"```(?:json|tool_code|tool_call)?\s*(.*?)\s*(?:```|$)", re.DOTALL)
_OPENING = re.compile("|".join(re.escape(mark) for mark in MARKS if mark != "<function="))
_CLOSINGS = tuple(closing for closings in MARKS.values() for closing in closings)


def without_marks(text: str) -> str:
    opening = _OPENING.match(text)
    if opening is None:
        return text
    text = text[opening.end() :]
    for closing in MARKS[opening[0]]:
        text = text.removesuffix(closing)
    return text.strip()


def unfenced(text: str) -> str:
    """A text without the Markdown fence around it, if it has one."""
    fenced = _FENCE.fullmatch(text)
    return fenced[1] if fenced else text


def is_closed(text: str) -> bool:
    """Whether a marked text ends with a mark that closes. Without one, tags do not show whether a call was cut off."""
    return text.rstrip().endswith(_CLOSINGS)
