"""The tools of a request to OpenAI's Responses API as functions, which are all that models here can be offered.

The tools of a namespace, such as those of an MCP server that Codex uses, have its name before their own. A custom tool,
which takes a text instead of arguments, is a function with that text as its one argument.

Source: "Function calling" in OpenAI's documentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from .chat_arguments import mapping, text, wrong

TOOL_ITEMS = ("additional_tools", "tool_search_output")
"""Items of the input that bring further tools."""
_ONE_TEXT = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}


class RenamedTool(msgspec.Struct, frozen=True):
    """A tool that the model knows as a function of another name or kind.

    Attributes:
        call: the fields of an item that calls it, by which the client knows it.
        function: what the model is offered.
    """

    call: dict[str, Any]
    function: dict[str, Any]


def renamed_tools(body: Mapping[str, Any]) -> dict[str, RenamedTool]:
    """Custom tools and those of namespaces, by the names of their functions.

    Raises:
        BadRequestError: a tool, or an item that brings some, is not in OpenAI's shape.
    """
    tools = [tool for tool in _tools(body) if isinstance(tool, RenamedTool)]
    return {tool.function["name"]: tool for tool in tools}


def offered_tools(body: Mapping[str, Any]) -> list[Any]:
    """All tools of a request, as functions where they can be."""
    return [tool.function if isinstance(tool, RenamedTool) else tool for tool in _tools(body)]


def offered_name(place: str, named: Mapping[str, Any]) -> str:
    """The name of the function that a tool's name, and its namespace if it has one, stand for."""
    name, namespace = text(f"{place}.name", named.get("name")), named.get("namespace")
    return name if not namespace else f"{text(f'{place}.namespace', namespace)}__{name}"


def offered_choice(choice: Any) -> Any:
    """A `tool_choice` that names the functions of the tools."""
    match choice:
        case {"type": "custom" | "function", "name": _}:
            return {"type": "function", "name": offered_name("tool_choice", choice)}
        case {"type": "allowed_tools", "tools": [*entries]}:
            return {**choice, "tools": list(map(offered_choice, entries))}
    return choice


def text_of_custom_call(arguments: str) -> str:
    """The text that a custom tool is called with; if it is not where it belongs, all that the model wrote."""
    try:
        return _decode(arguments).input
    except msgspec.DecodeError:
        return arguments


class _OneText(msgspec.Struct):
    input: str


_decode = msgspec.json.Decoder(_OneText).decode


def _tools(body: Mapping[str, Any]) -> Iterator[Any]:
    yield from _listed("tools", body.get("tools"), None)
    items = body.get("input")
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, Mapping) and item.get("type") in TOOL_ITEMS:
            yield from _listed(f"input[{index}].tools", item.get("tools"), None)


def _listed(place: str, tools: Any, namespace: str | None) -> Iterator[Any]:
    if not isinstance(tools, (list, tuple, type(None))):
        wrong(place, "must be a list of tools")
    for index, given in enumerate(tools or ()):
        at = f"{place}[{index}]"
        tool = mapping(at, given)
        kind = tool.get("type")
        if kind == "namespace" and namespace is None:
            yield from _listed(f"{at}.tools", tool.get("tools"), text(f"{at}.name", tool.get("name")))
        elif kind == "custom" or (kind == "function" and namespace is not None):
            yield _renamed(at, tool, namespace)
        else:
            yield tool


def _renamed(place: str, tool: Mapping[str, Any], namespace: str | None) -> RenamedTool:
    within = {} if namespace is None else {"namespace": namespace}
    kind = "custom_tool_call" if tool["type"] == "custom" else "function_call"
    function = {**tool, "type": "function", "name": offered_name(place, {**tool, **within})}
    if tool["type"] == "custom":
        said = (tool.get("description"), _grammar(tool.get("format")))
        function |= {"description": "\n\n".join(filter(None, said)), "parameters": _ONE_TEXT}
    return RenamedTool({"type": kind, "name": tool["name"], **within}, function)


def _grammar(format: Any) -> str:
    """What a custom tool's text must be, in words."""
    match format:
        case {"type": "grammar", "syntax": str() as syntax, "definition": str() as definition}:
            return f"The input must fit this {syntax} grammar:\n{definition}"
    return ""
