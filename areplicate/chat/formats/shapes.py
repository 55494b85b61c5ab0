"""The shapes that many families' formats share; `table` makes the formats from them."""
# ruff: noqa: RUF001 - DeepSeek's tokens are written with a full-width bar

from __future__ import annotations

from typing import Any

from . import tool_forms as forms
from .arrangement import SystemText
from .format import Around, PromptTemplate
from .tool_format import BARE, READABLE, ToolFormat

ALL = ("system", "user", "assistant")
EOS = "<｜end▁of▁sentence｜>"
IN_USER = SystemText("next_user")
_MISTRAL = {"calls": ("", "</s>"), "tool": ("", ""), "tools": ("", "")}

PLAIN = PromptTemplate(
    {
        "system": ("", "\n\n"),
        "user": ("User: ", "\n\n"),
        "assistant": ("Assistant: ", "\n\n"),
        "tool": ("Tool: ", "\n\n"),
    },
    final_prompt_value="Assistant:",
    lone_turn_as_is=True,
    tools=BARE,
)


def tagged(
    before: str, after: str, *, final: str | None = None, answered: bool = False, **more: Any
) -> PromptTemplate:
    """A format that sets every message between the same tags, which name its role.

    Args:
        before: the tag that opens a message, with `{}` for the role's name.
        final: what opens the answer, if it is more or less than the assistant's tag.
        answered: every user's message is followed by what opens its answer, answered or not.
        more: `names` of roles, if they differ; `roles` whose tags look otherwise; the format's other
            attributes.
    """
    names = {"system": "system", "user": "user", "assistant": "assistant", **more.pop("names", {})}
    roles = {role: (before.format(name), after) for role, name in names.items()} | more.pop("roles", {})
    system, user, assistant = (roles[role] for role in ALL)
    return labelled(system, user, assistant, final, roles=roles, answered=answered, **more)


def labelled(
    system: Around,
    user: Around,
    assistant: Around,
    final: str | None = None,
    /,
    *,
    answered: bool = False,
    **more: Any,
) -> PromptTemplate:
    """A format whose roles differ in more than a name; the parameters are those of `tagged`."""
    final = assistant[0].rstrip(" ") if final is None else final
    roles = {"system": system, "user": user, "assistant": assistant, **more.pop("roles", {})}
    if answered:
        roles |= {"user": (user[0], user[1] + final), "assistant": ("", assistant[1])}
    tools = more.pop("tools", BARE if "tool" in roles else READABLE)
    return PromptTemplate(roles, final_prompt_value=final, tools=tools, **more)


def turns(
    user: Around, assistant: Around, final: str = "", *, system: SystemText = IN_USER, **more: Any
) -> PromptTemplate:
    """A format of strictly alternating turns: system text opens a user's."""
    roles = {"user": user, "assistant": assistant, **more.pop("roles", {})}
    return PromptTemplate(roles, final_prompt_value=final, system=system, alternating=True, **more)


def chatml(default: str | None = None, *, tools: ToolFormat = forms.QWEN, **more: Any) -> PromptTemplate:
    roles = {"tool": ("<|im_start|>user", "<|im_end|>\n"), **more.pop("roles", {})}
    system = SystemText(default=default, with_tools=more.pop("with_tools", None))
    return tagged("<|im_start|>{}\n", "<|im_end|>\n", roles=roles, system=system, tools=tools, **more)


def thinking_chatml(**more: Any) -> PromptTemplate:
    """ChatML that has the model think first."""
    return chatml(final="<|im_start|>assistant\n<think>\n", **{"forgets": "\n", **more})


def llama_3(**more: Any) -> PromptTemplate:
    tags = ("<|start_header_id|>{}<|end_header_id|>\n\n", "<|eot_id|>")
    return tagged(*tags, names={"tool": "ipython"}, trim=ALL, tools=forms.LLAMA, **more)


def dated_llama_3(day: str) -> PromptTemplate:
    """From 3.1 on the system turn is always there and tells the day, and with tools an environment."""
    head = "<|start_header_id|>system<|end_header_id|>\n\n"
    dates = f"Cutting Knowledge Date: December 2023\nToday Date: {day}\n\n"
    roles = {
        "opening": (head + dates, "<|eot_id|>"),
        "opening_with_tools": (f"{head}Environment: ipython\n{dates}", "<|eot_id|>"),
    }
    return llama_3(roles=roles, system=SystemText(default=""))


def mistral(space: str, tools: ToolFormat, **more: Any) -> PromptTemplate:
    """Version 3 of Mistral's format: system text opens the last question."""
    user, assistant = (f"[INST]{space}", "[/INST]"), (space, "</s>")
    return turns(user, assistant, system=SystemText("last_user"), roles=_MISTRAL, tools=tools, **more)


def mistral_7(space: str, tools: ToolFormat, default: str | None = None) -> PromptTemplate:
    """Version 7 of Mistral's format: system text has a place of its own."""
    system, user = (f"[SYSTEM_PROMPT]{space}", "[/SYSTEM_PROMPT]"), (f"[INST]{space}", "[/INST]")
    text = SystemText(default=default)
    return labelled(system, user, (space, "</s>"), "", roles=_MISTRAL, system=text, tools=tools)


def deepseek(
    opens: str = "<｜Assistant｜>", *, tools: ToolFormat = forms.DEEPSEEK, **more: Any
) -> PromptTemplate:
    """What follows a tool's answer opens no turn; all system text opens the conversation."""
    roles = more.pop("roles", {"after_tool": ("", ""), "tool": ("", "")})
    answer = (opens.removesuffix("<think>\n"), EOS)
    system = SystemText("front")
    return labelled(
        ("", ""),
        ("<｜User｜>", ""),
        answer,
        opens,
        roles=roles,
        system=system,
        tools=tools,
        forgets="",
        **more,
    )


def minimax_m1(system: SystemText) -> PromptTemplate:
    tags = ("<beginning_of_sentence>{}\n", "<end_of_sentence>\n")
    names = {"system": "system ai_setting=assistant", "tools": "system tool_setting=tools"}
    names |= {"user": "user name=user", "assistant": "ai name=assistant", "tool": "tool name=tools"}
    return tagged(*tags, names=names, system=system, tools=forms.MINIMAX_M1, trim=ALL)


def minimax_m2(default: str) -> PromptTemplate:
    return tagged(
        "]~b]{}\n",
        "[e~[\n",
        names={"assistant": "ai"},
        roles={"tool": ("]~b]tool", "[e~[\n")},
        final="]~b]ai\n<think>\n",
        system=SystemText(default=default),
        tools=forms.MINIMAX_M2,
        forgets="\n",
        thought=("<think>\n", "\n</think>\n\n", "\n</think>\n\n"),
    )
