"""How a family's models read tools in their prompt: definitions, calls and answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple

import msgspec

from ..messages import InputMessage
from .definitions import WRITERS, as_json, escaped, marked, nested, plain

_FIELD = re.compile(r"\{(tools|name|arguments|id|number|content|json|key|value|is_text)\}")


class Turn(msgspec.Struct, frozen=True):
    """A message as a format writes it: `role` is a message's, or `opening`, `calls`, `tools`."""

    role: str
    text: str


class _Called(NamedTuple):
    """What an answer's text needs of its call: the function's name, and which of the calls it was."""

    name: str
    number: str


_UNKNOWN = _Called("tool", "0")


class ToolFormat(msgspec.Struct, frozen=True):
    """The text of tools. `{name}` and the like are filled in, once; other braces stay.

    Attributes:
        definitions: the text around the definitions of the tools, `{tools}`.
        place: where it goes. "system": after system text, which it opens if there is none.
            "system_top": the same, with the system text below it. "before", "after": a turn of its own
            before or after the opening system text. "first_user": before that message's text.
            "before_last_user": a turn of its own there.
        tool: how one definition is written: one of `WRITERS`.
        between_tools: what parts two definitions.
        between_system: what parts system text and definitions that share its turn.
        reminder: system text that closes a conversation with tools.
        call: one call with `{name}`, `{arguments}`, `{id}` and `{number}` (of the conversation's
            calls, from 0).
        arguments: how a call's arguments are written: as "json", "indented" below the name of their
            field, "marked" or "escaped" as Google's, "nested" as MiniMax's, or as keyword arguments whose
            values are of "python" or JSON ("keywords").
        argument: one argument with `{key}` and `{value}`, for formats that write them one by one; `{is_text}`
            is "true" for a string and "false" for all else, which is JSON.
        calls: what stands around all calls of a message.
        between_calls: what parts two calls.
        after_text: what parts a message's text from its calls; None if the text has a turn of its own.
        answer: one answer with `{content}`, `{json}` (the same as a JSON string), and its call's
            `{name}`, `{id}` and `{number}`.
        between_answers: what parts answers that share a turn; None if each has its own.
        answers: what stands around all answers of a turn.
        longest_id: the most characters of an id, counted from its end, if the family has a limit.
    """

    definitions: str
    place: Literal["system", "system_top", "before", "after", "first_user", "before_last_user"] = "system"
    tool: str = "json"
    between_tools: str = "\n"
    between_system: str = "\n\n"
    call: str = '{"name": "{name}", "arguments": {arguments}}'
    arguments: Literal["json", "indented", "marked", "escaped", "nested", "python", "keywords"] = "json"
    argument: str = ""
    calls: tuple[str, str] = ("", "")
    between_calls: str = "\n"
    after_text: str | None = "\n"
    answer: str = "{content}"
    between_answers: str | None = None
    answers: tuple[str, str] = ("", "")
    longest_id: int = 0
    reminder: str = ""

    def defined(self, tools: Sequence[Any]) -> str:
        """The text that tells the model of its tools."""
        write = WRITERS[self.tool]
        return _filled(self.definitions, tools=self.between_tools.join([write(tool) for tool in tools]))

    def write(
        self, messages: Iterable[InputMessage], tools: Sequence[Any] = (), *, opens: bool = True
    ) -> list[Turn]:
        """The messages with their calls and answers as text, and the definitions where they belong.

        `opens` is False if a server writes the opening of the conversation: then the definitions
        stand before the first user message.
        """
        turns: list[Turn] = []
        calls: dict[str | None, _Called] = {}
        count = 0
        for message in messages:
            if message.tool_calls:
                for number, call in enumerate(message.tool_calls, count):
                    calls[call["id"]] = _Called(call["function"]["name"], str(number))
                if self.after_text is None and message.text:
                    turns.append(Turn(message.role, message.text))
                turns.append(Turn("calls", self._called(message, count)))
                count += len(message.tool_calls)
            elif message.role == "tool":
                self._add_answer(turns, message, calls.get(message.tool_call_id, _UNKNOWN))
            else:
                turns.append(Turn(message.role, message.text))
        if self.between_answers is not None:
            before, after = self.answers
            turns = [Turn("tool", before + t.text + after) if t.role == "tool" else t for t in turns]
        if not tools:
            return turns
        turns = self._with_definitions(turns, self.defined(tools), opens)
        reminded = self.reminder and turns[-1].role != "assistant"
        return [*turns, Turn("system", self.reminder)] if reminded else turns

    def _called(self, message: InputMessage, first: int) -> str:
        before, after = self.calls
        numbered = enumerate(message.tool_calls, first)
        calls = self.between_calls.join([self._call(call, str(number)) for number, call in numbered])
        said = message.text + self.after_text if message.text and self.after_text is not None else ""
        return said + before + calls + after

    def _call(self, call: Mapping[str, Any], number: str) -> str:
        function = call["function"]
        arguments = arguments_of(function)
        if self.argument and isinstance(arguments, Mapping):
            written = "".join([self._argument(key, value) for key, value in arguments.items()])
        else:
            written = arguments if isinstance(arguments, str) else _ARGUMENTS[self.arguments](arguments)
        name, identity = function["name"], self._id(call["id"])
        return _filled(self.call, name=name, arguments=written, id=identity, number=number)

    def _argument(self, key: str, value: Any) -> str:
        is_text = as_json(isinstance(value, str))
        return _filled(self.argument, key=key, value=plain(value), is_text=is_text)

    def _id(self, given: str | None) -> str:
        return (given or "")[-self.longest_id :]

    def _add_answer(self, turns: list[Turn], message: InputMessage, call: _Called) -> None:
        answer = _filled(
            self.answer,
            content=message.text,
            json=as_json(message.text),
            name=message.name or call.name,
            id=self._id(message.tool_call_id),
            number=call.number,
        )
        if self.between_answers is not None and turns and turns[-1].role == "tool":
            turns[-1] = Turn("tool", turns[-1].text + self.between_answers + answer)
        else:
            turns.append(Turn("tool", answer))

    def _with_definitions(self, turns: list[Turn], text: str, opens: bool) -> list[Turn]:
        opening = 1 if turns and turns[0].role == "system" else 0
        users = [index for index, turn in enumerate(turns) if turn.role == "user"]
        if not opens or self.place == "first_user":
            at = users[0] if users else len(turns)
            said = turns[at].text if users else ""
            return [*turns[:at], Turn("user", text + said), *turns[at + 1 :]]
        if self.place in ("system", "system_top"):
            said = turns[0].text if opening else ""
            parts = (said, text) if self.place == "system" else (text, said)
            return [Turn("system", self.between_system.join(filter(None, parts))), *turns[opening:]]
        at = {"before": 0, "after": opening}.get(self.place, users[-1] if users else len(turns))
        return [*turns[:at], Turn("tools", text), *turns[at:]]


def _keywords(arguments: Any, write: Callable[[Any], str]) -> str:
    """Arguments as those of a call in Python."""
    if not isinstance(arguments, Mapping):
        return as_json(arguments)
    return ", ".join([f"{name}={write(value)}" for name, value in arguments.items()])


def _literal(value: Any) -> str:
    """A value as Liquid AI's models write it."""
    return f"'{value}'" if isinstance(value, str) else str(value)


_ARGUMENTS: dict[str, Callable[[Any], str]] = {
    "json": as_json,
    "indented": lambda arguments: as_json(arguments, indent=4).replace("\n", "\n" + " " * 8),
    "marked": marked,
    "escaped": lambda arguments: escaped(marked(arguments)),
    "nested": nested,
    "python": lambda arguments: _keywords(arguments, _literal),
    "keywords": lambda arguments: _keywords(arguments, as_json),
}

READABLE = ToolFormat(
    "You may call functions. To call one, answer with nothing but a JSON object in tool_call tags:\n"
    '<tool_call>\n{"name": "the function\'s name", "arguments": {}}\n</tool_call>\n'
    "The functions, with the JSON schemas of their arguments:\n{tools}\n\n",
    call='<tool_call>\n{"name": "{name}", "arguments": {arguments}}\n</tool_call>',
    answer="<tool_response>\n{content}\n</tool_response>",
    tool="function",
)
"""For families that have no form of their own: any model can read it, and its calls can be read back."""

BARE = msgspec.structs.replace(READABLE, answer="{content}")
"""`READABLE` for formats with a role for tools, in which an answer needs no marks."""


def arguments_of(function: Mapping[str, Any]) -> Any:
    """A call's arguments as an object; JSON that is broken, or nested too deep to be read, stays the text that it is."""
    arguments = function["arguments"]
    if isinstance(arguments, str):
        with suppress(msgspec.DecodeError, UnicodeError, RecursionError):
            return msgspec.json.decode(arguments)
    return arguments


def _filled(text: str, **values: str) -> str:
    """The text with the fields that have a value, in one pass: what is filled in is not looked at again."""
    return _FIELD.sub(lambda found: values.get(found[1], found[0]), text)
