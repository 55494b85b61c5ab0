"""Chat formats: how a conversation becomes the one text that a model reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from ..messages import Message, read_messages

_NOTHING = ("", "")
_TURNS = ["user", "assistant"] * 50
"""The roles of a conversation that alternates as it is."""


class PromptTemplate(msgspec.Struct, frozen=True):
    """A chat format.

    The prompt is `bos_token + initial_prompt_value`, then each message between its role's
    `pre_message` and `post_message`, then `final_prompt_value`. `eos_token` follows each assistant
    message; `bos_token` comes before a system or user message that opens a turn after one. These are
    LiteLLM's rules for `register_prompt_template`; the fields below `eos_token` are for formats that
    they cannot express.

    Attributes:
        roles: `(pre_message, post_message)` of `system`, `user`, `assistant` and `tool`. A tool's
            message is put as the user's where it has no role of its own.
        system_in_user: what goes before and after system text that is written into the next user
            message, for formats that have no system role.
        alternating: two messages of one role in a row become one, for formats that know only turns.
        lone_turn_as_is: a conversation of one user message, with or without system text, is sent
            without labels.
        chat_template: a Jinja template as tokenizers publish them, instead of all the above.
    """

    roles: dict[str, tuple[str, str]] = {}
    initial_prompt_value: str = ""
    final_prompt_value: str = ""
    bos_token: str = ""
    eos_token: str = ""
    system_in_user: tuple[str, str] | None = None
    alternating: bool = False
    lone_turn_as_is: bool = False
    chat_template: str | None = None

    def render(self, messages: Any) -> str:
        """The whole conversation in this format, ready for the model to answer."""
        return self.render_turns(read_messages(messages))

    def render_turns(self, turns: tuple[Message, ...]) -> str:
        """`render` for messages that were read already."""
        if self.chat_template is not None:
            from .jinja import render_chat  # Jinja is imported by those who use it

            return render_chat(self.chat_template, turns, self.bos_token, self.eos_token)
        if self.lone_turn_as_is and (lone := _lone_turn(turns)) is not None:
            return lone
        return self._join(self._arrange(turns))

    def render_within(self, turns: tuple[Message, ...]) -> str:
        """The prompt that a server turns into the whole conversation.

        Such a server puts the system text, if it has one, and what opens and closes a user message
        around the prompt. So what it will add is left out at both ends: the result, once wrapped,
        equals `render`.
        """
        if turns[0].role == "system":
            turns = _fold_leading_system(turns)
        if len(turns) == 1 and turns[0].role == "user":
            return written(turns[0])
        if self.lone_turn_as_is:
            return self.render_turns(turns)
        if turns[0].role != "user":
            turns = (Message("user"), *turns)
        before, after = self.roles.get("user", _NOTHING)
        after += self.final_prompt_value
        text = self._join(self._arrange(turns))
        if not text.endswith(after):
            text = self._join(self._arrange((*turns, Message("user"))))
        return text[len(before) : len(text) - len(after)]

    def _arrange(self, messages: tuple[Message, ...]) -> Iterable[Message]:
        """The messages as this format can hold them: roles it lacks are put as the user's."""
        arranged: Iterable[Message] = messages
        roles = [message.role for message in messages]
        if self.system_in_user is not None and "system" in roles:
            arranged = _system_into_user(arranged, *self.system_in_user)
        if self.alternating and roles != _TURNS[: len(roles)]:
            arranged = _merge_neighbours(arranged, tool_is_user="tool" not in self.roles)
        return arranged

    def _join(self, messages: Iterable[Message]) -> str:
        roles, bos, eos = self.roles, self.bos_token, self.eos_token
        pieces = [bos, self.initial_prompt_value]
        after_assistant = False
        for message in messages:
            role = message.role
            if after_assistant and (role == "user" or role == "system"):
                pieces.append(bos)
                after_assistant = False
            before, after = roles.get(role) or (roles.get("user", _NOTHING) if role == "tool" else _NOTHING)
            pieces += (before, written(message), after)
            if role == "assistant":
                pieces.append(eos)
                after_assistant = True
        pieces.append(self.final_prompt_value)
        return "".join(pieces)


def written(message: Message) -> str:
    """What stands in a prompt for a message: its text, then its tool calls in Hermes' form."""
    if not message.tool_calls:
        return message.text
    calls = [
        f"<tool_call>\n{msgspec.json.encode(_plain_call(call['function'])).decode()}\n</tool_call>"
        for call in message.tool_calls
    ]
    return "\n".join([message.text, *calls] if message.text else calls)


def _plain_call(function: Mapping[str, Any]) -> dict[str, Any]:
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        with suppress(msgspec.DecodeError):  # a model's broken arguments are shown as it wrote them
            arguments = msgspec.json.decode(arguments)
    return {"name": function["name"], "arguments": arguments}


def _lone_turn(messages: tuple[Message, ...]) -> str | None:
    """The text of a conversation that is one user message after any system text."""
    if messages[-1].role == "user" and all(m.role == "system" for m in messages[:-1]):
        return "\n\n".join([m.text for m in messages if m.text])
    return None


def leading_system(turns: tuple[Message, ...]) -> tuple[str, tuple[Message, ...]]:
    """The system text that opens a conversation, and the rest."""
    count = 0
    for turn in turns:
        if turn.role != "system":
            break
        count += 1
    return "\n\n".join([turn.text for turn in turns[:count]]), turns[count:]


def _fold_leading_system(turns: tuple[Message, ...]) -> tuple[Message, ...]:
    """System text at the beginning becomes the head of the first user message."""
    system, rest = leading_system(turns)
    if rest and rest[0].role == "user":
        return (Message("user", f"{system}\n\n{rest[0].text}"), *rest[1:])
    return (Message("user", system), *rest)


def _system_into_user(messages: Iterable[Message], before: str, after: str) -> Iterable[Message]:
    system: list[str] = []
    for message in messages:
        if message.role == "system":
            system.append(message.text)
            continue
        if system:
            head = before + "\n\n".join(system) + after
            system = []
            if message.role == "user":
                message = Message("user", head + message.text)
            else:
                yield Message("user", head)
        yield message
    if system:
        yield Message("user", before + "\n\n".join(system) + after)


def _merge_neighbours(messages: Iterable[Message], tool_is_user: bool) -> Iterable[Message]:
    last: Message | None = None
    for message in messages:
        if message.role == "tool" and tool_is_user:
            message = Message("user", message.text)
        if last is not None and last.role == message.role:
            message = Message(message.role, f"{written(last)}\n\n{written(message)}")
        elif last is not None:
            yield last
        last = message
    if last is not None:
        yield last
