"""Explains to a model in words which tools it may call and which format its answer must have."""

from __future__ import annotations

import msgspec

from ..messages import InputMessage
from ..structured.response_format import ResponseFormat
from .tools import ToolUse

_HOW = """\
You may call tools. Each line between <tools> and </tools> is one of them, with the JSON Schema of its arguments:
<tools>
{tools}
</tools>
To call a tool, write its name and its arguments as JSON, in this form and with nothing after it:
<tool_call>
{{"name": "NAME", "arguments": {{...}}}}
</tool_call>
{rule} The next message brings the results, between <tool_response> and </tool_response>."""

_JSON = "Answer with one JSON {kind} and nothing else: no explanation, no code fence."


def tell_tools(turns: tuple[InputMessage, ...], use: ToolUse) -> tuple[InputMessage, ...]:
    """The conversation with the tools in its system text."""
    tools = "\n".join(msgspec.json.encode(tool.nested()).decode() for tool in use.tools)
    return _with_system(turns, _HOW.format(tools=tools, rule=" ".join(_rules(use))))


def tell_rules(turns: tuple[InputMessage, ...], use: ToolUse) -> tuple[InputMessage, ...]:
    """The conversation with the rules for calling its tools, if there are more than the family's form states."""
    rules = _rules(use) if use.required or not use.parallel else []
    return _with_system(turns, " ".join(rules)) if rules else turns


def tell_format(turns: tuple[InputMessage, ...], format: ResponseFormat) -> tuple[InputMessage, ...]:
    """The conversation with the format of its answer in its system text."""
    asked = _JSON.format(kind="object" if format.opens == "{" else "value")
    if not format.any_object:
        if format.description:
            asked += f" It is {format.name}: {format.description}."
        asked += f" It must fit this JSON Schema:\n{msgspec.json.encode(format.schema).decode()}"
    return _with_system(turns, asked)


def _rules(use: ToolUse) -> list[str]:
    if use.required and len(use.tools) == 1:
        rules = [f"Call {use.tools[0].name} now."]
    elif use.required:
        rules = ["Call one of them now."]
    else:
        rules = ["Where no tool is needed, answer without one."]
    rules.append(
        "Several calls are several such blocks." if use.parallel else "Call one tool at a time, not several."
    )
    return rules


def _with_system(turns: tuple[InputMessage, ...], text: str) -> tuple[InputMessage, ...]:
    """The text at the end of the system text that the conversation opens with."""
    if turns and turns[0].role == "system":
        first = turns[0]
        return (InputMessage("system", f"{first.text}\n\n{text}", first.media, name=first.name), *turns[1:])
    return (InputMessage("system", text), *turns)
