"""Checks a model's calls against the tools that it was offered."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ...errors import BadRequestError
from ..responses import FunctionCall
from ..structured.json_reader import AS_JSON, pure, repair, values_in
from ..structured.validation import validator_for, validators_for
from .marks import RawCall
from .notations import meant_tool
from .tools import Tool, ToolUse


class CallChecker:
    """Checks calls against the tools of one question.

    Raises:
        BadRequestError: the parameters of a tool are not a JSON Schema.
    """

    def __init__(self, use: ToolUse) -> None:
        validators = validators_for(tool.parameters for tool in use.tools)
        self._tools = {tool.name: (tool, each) for tool, each in zip(use.tools, validators, strict=True)}

    def checked(self, call: RawCall, *, asked_again: bool = False) -> FunctionCall | str:
        """The call as OpenAI's API has it, or what is wrong with it, in words for the model.

        Args:
            asked_again: the model has been told once what was wrong. A call that still does not fit is then left to
                the caller, whose own check tells the model, as OpenAI's API does for tools that are not strict.
        """
        name = meant_tool(call, self._tools)
        if name is None:
            there = f"There is no tool {call.name!r}; there are: {', '.join(self._tools)}."
            return _as_it_is(call, call.name) if asked_again else there
        tool, validator = self._tools[name]
        left_to_caller = asked_again and not tool.strict
        arguments = _arguments(call, tool)
        if arguments is None:
            no_object = f"The arguments of {tool.name} are not a JSON object."
            return _as_it_is(call, tool.name) if left_to_caller else no_object
        faults = validator.faults(arguments)
        if faults:  # small models quote numbers
            quoted = [
                n for n, v in arguments.items() if isinstance(v, str) and _schema_of(tool.parameters, n)
            ]
            meant = _without_idle(_with_meant_texts(arguments, tool, quoted), tool.parameters)
            arguments, faults = meant, validator.faults(meant)
        if faults and not left_to_caller:
            return f"The arguments of {tool.name} do not fit: {'; '.join(faults)}."
        return FunctionCall(name=tool.name, arguments=msgspec.json.encode(arguments).decode())

    def of_arguments_alone(self, text: str) -> FunctionCall | None:
        """The call that a model means by an answer with nothing but arguments, if there is only one tool."""
        if len(self._tools) != 1:
            return None
        [(tool, validator)] = self._tools.values()
        declared = tool.parameters.get("properties") or {}
        for value in values_in(text, "{"):
            known = isinstance(value, dict) and value and value.keys() <= declared.keys()
            if known and not validator.faults(value):
                return FunctionCall(name=tool.name, arguments=msgspec.json.encode(value).decode())
        return None


def new_call_id() -> str:
    return f"call_{secrets.token_hex(12)}"


def _as_it_is(call: RawCall, name: str) -> FunctionCall:
    """A call as the model wrote it: of an unknown tool, or with arguments other than a JSON object."""
    given = call.arguments
    written = given if isinstance(given, str) else json.dumps(given)
    return FunctionCall(name=_sendable(name), arguments=_sendable(written))


def _sendable(text: str) -> str:
    """A text without halves of characters, which JSON cannot hold."""
    return text.encode(errors="replace").decode()


def _arguments(call: RawCall, tool: Tool) -> dict[str, Any] | None:
    given = call.arguments
    if isinstance(given, str):
        given = _decoded(given) if given.strip() else {}
    if not isinstance(given, Mapping):
        return None
    if call.as_texts:
        given = _with_meant_texts(
            given, tool, [name for name, each in given.items() if isinstance(each, str)]
        )
    try:
        arguments: dict[str, Any] = pure(dict(given))
    except ValueError:
        return None
    return arguments


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return repair(text)


def _schema_of(parameters: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An argument's schema, with the definitions that it may refer to."""
    properties = parameters.get("properties")
    schema = properties.get(name) if isinstance(properties, Mapping) else None
    shared = {key: parameters[key] for key in ("$schema", "$defs", "definitions") if key in parameters}
    return {**shared, **schema} if isinstance(schema, Mapping) else {}


def _without_idle(arguments: dict[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments without those that say nothing to the tool: null for one that may be left out and is never null,
    and those beside all that the tool has. Beside some of them, another may be one of the rest by a wrong name."""
    declared, required = parameters.get("properties"), parameters.get("required")
    if not isinstance(declared, Mapping):
        return arguments
    needed = required if isinstance(required, list) else ()
    idle = {
        name
        for name, value in arguments.items()
        if value is None and name in declared and name not in needed and not _takes_null(parameters, name)
    }
    if parameters.get("additionalProperties") is False and declared.keys() <= arguments.keys():
        idle |= arguments.keys() - declared.keys()
    return {name: value for name, value in arguments.items() if name not in idle}


def _takes_null(parameters: Mapping[str, Any], name: str) -> bool:
    try:
        return not validator_for(_schema_of(parameters, name)).faults(None)
    except BadRequestError:  # it refers to another part of the parameters
        return True


def _with_meant_texts(arguments: Mapping[str, Any], tool: Tool, names: Iterable[str]) -> dict[str, Any]:
    """The arguments, with those of these names, which are written as texts, as what the tool takes."""
    meant = {name: _meant(arguments[name], _schema_of(tool.parameters, name)) for name in names}
    return {**arguments, **meant}


def _meant(text: Any, schema: dict[str, Any]) -> Any:
    """A text as JSON, or the text itself: whichever the tool takes, and the text if it takes both.

    `null` is None wherever the tool takes None. `True` and lists in Python's notation are read, too: the templates of
    some models show them their own calls so.
    """
    written = AS_JSON.get(text.strip(), text)
    is_null = written.strip() == "null"
    try:
        validator = validator_for(schema)
    except BadRequestError:  # it refers to another part of the parameters, which then decide
        validator = None
    constraints = schema.keys() - {"$schema", "$defs", "definitions"}
    if validator is not None and constraints and not is_null and not validator.faults(text):
        return text
    value = _decoded(written)
    if (value is None and not is_null) or (validator is not None and validator.faults(value)):
        return text
    return value
