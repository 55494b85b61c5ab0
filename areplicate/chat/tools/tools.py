"""The tools that a call offers, read from OpenAI's parameters, and given to models that take tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from typing import Any

import msgspec

from ...errors import BadRequestError
from ...logs import logger
from ..plain import shown
from ..schemas.schema import is_flat

_MOST_NAMED = 50
"""Tools that an error names: a request may have thousands."""


class Tool(msgspec.Struct, frozen=True):
    """One function that a model may ask for. `parameters` is the JSON Schema of its arguments."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool | None = None

    def nested(self) -> dict[str, Any]:
        """The tool as OpenAI's chat API has it."""
        return {"type": "function", "function": self._function()}

    def flat(self) -> dict[str, Any]:
        """The tool as OpenAI's Responses API has it."""
        return {"type": "function", **self._function(), "strict": self.strict}

    def _function(self) -> dict[str, Any]:
        function: dict[str, Any] = {"name": self.name}
        if self.description:
            function["description"] = self.description
        function["parameters"] = self.parameters or {"type": "object", "properties": {}}
        return function


class ToolUse(msgspec.Struct, frozen=True):
    """Which tools a model may call.

    Attributes:
        tools: those that it is shown: one alone where `tool_choice` names it.
        required: it must call one.
        parallel: it may call several at once; else only its first call is given out.
        older: they came as `functions`, whose clients read one `function_call` and no `tool_calls`.
    """

    tools: tuple[Tool, ...]
    required: bool = False
    parallel: bool = True
    older: bool = False

    @property
    def names(self) -> frozenset[str]:
        return frozenset(tool.name for tool in self.tools)


def read_tool_use(params: Mapping[str, Any]) -> ToolUse | None:
    """What `tools`, `tool_choice` and `parallel_tool_calls` ask for; None if no tool may be called.

    `functions` and `function_call`, their older names, are read too. Tools that are not functions
    (web search, a shell) belong to OpenAI's own servers: they are left out with a warning.

    Raises:
        BadRequestError: a tool is not in OpenAI's shape, or `tool_choice` is not one of them.
    """
    tools = _tools(params)
    choice = params.get("tool_choice")
    if choice is None and (older := params.get("function_call")) is not None:
        choice = older if isinstance(older, str) else {"function": older}
    wanted, required = _chosen(choice, tools)
    if not wanted or choice == "none":
        return None
    older = params.get("tools") is None
    parallel = params.get("parallel_tool_calls") is not False and not older
    return ToolUse(wanted, required, parallel, older)


def native_tools(use: ToolUse, fields: Container[str]) -> dict[str, Any]:
    """The parameters for a model that has an input for tools, in the shape in which it takes them."""
    flat = is_flat(fields)
    params: dict[str, Any] = {"tools": [tool.flat() if flat else tool.nested() for tool in use.tools]}
    if "tool_choice" in fields:
        params["tool_choice"] = "required" if use.required else "auto"
    if "parallel_tool_calls" in fields:
        params["parallel_tool_calls"] = use.parallel
    return params


def _tools(params: Mapping[str, Any]) -> tuple[Tool, ...]:
    given = params.get("tools")
    if given is None:
        functions = params.get("functions")
        given = functions and [{"function": f} for f in _list("functions", functions)]
    tools = [_tool(index, tool) for index, tool in enumerate(_list("tools", given or []))]
    found = tuple([tool for tool in tools if tool is not None])
    names = Counter([tool.name for tool in found])
    if repeated := next((name for name, times in names.items() if times > 1), None):
        raise BadRequestError(f"Two tools are called {repeated!r}: give each a name of its own.")
    return found


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise BadRequestError(f"{name} must be a list of objects, not {type(value).__name__}.")
    return list(value)


def _tool(index: int, given: Any) -> Tool | None:
    if not isinstance(given, Mapping) and callable(dump := getattr(given, "model_dump", None)):
        given = dump()
    if not isinstance(given, Mapping):
        raise BadRequestError(f"tools[{index}] must be an object, not {type(given).__name__}.")
    kind = given.get("type", "function")
    if not isinstance(kind, str):
        raise BadRequestError(f"tools[{index}].type must be a string.")
    if kind != "function":
        logger.warning("A tool of the type %.50r is left out: only functions can be offered to models", kind)
        return None
    function = given.get("function", given)
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str) or not function["name"]:
        raise BadRequestError(
            f'tools[{index}] has no name: write {{"type": "function", "function": {{"name": ..., '
            '"parameters": {...}}}.'
        )
    parameters, description = function.get("parameters"), function.get("description")
    if not isinstance(description, (str, type(None))):
        raise BadRequestError(f"tools[{index}].function.description must be a string.")
    if not isinstance(parameters, (Mapping, type(None))):
        raise BadRequestError(f"tools[{index}].function.parameters must be a JSON Schema object.")
    return Tool(
        function["name"],
        description or "",
        dict(parameters or {}),
        function.get("strict") if isinstance(function.get("strict"), bool) else None,
    )


def _chosen(choice: Any, tools: tuple[Tool, ...]) -> tuple[tuple[Tool, ...], bool]:
    """The tools that `tool_choice` leaves, and whether one of them must be called."""
    if choice is None or choice in ("auto", "none"):
        return tools, False
    if choice in ("required", "any"):
        if not tools:
            raise BadRequestError(f"tool_choice is {choice!r}, which needs tools: give at least one.")
        return tools, True
    if not isinstance(choice, Mapping):
        raise BadRequestError(
            f"tool_choice must be auto, none, required or an object that names a tool, not {shown(choice)}."
        )
    by_name = {tool.name: tool for tool in tools}
    if choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools", choice)
        entries = _list("allowed_tools", allowed.get("tools") or [])
        names = [_named(entry) for entry in entries if _is_function(entry)]
        return tuple([_find(name, by_name) for name in names]), allowed.get("mode") == "required"
    if not _is_function(choice):
        raise BadRequestError(
            f"tool_choice asks for a tool of the type {choice['type']!r:.60}: only functions can be offered to "
            "models. Leave it out, or choose a function."
        )
    return (_find(_named(choice), by_name),), True


def _is_function(choice: Any) -> bool:
    return not isinstance(choice, Mapping) or choice.get("type", "function") == "function"


def _named(choice: Any) -> Any:
    """The name in `{"type": "function", "function": {"name": ...}}`, or in the flat form of it."""
    function = choice.get("function", choice) if isinstance(choice, Mapping) else None
    return function.get("name") if isinstance(function, Mapping) else None


def _find(name: Any, tools: Mapping[str, Tool]) -> Tool:
    found = tools.get(name) if isinstance(name, str) else None
    if found is None:
        there = ", ".join([*tools][:_MOST_NAMED]) or "none"
        raise BadRequestError(f"tool_choice names {name!r:.60}, which is not among the tools: {there}.")
    return found
