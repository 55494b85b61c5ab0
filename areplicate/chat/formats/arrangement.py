"""Arranges the turns of a conversation as a format can hold them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import takewhile
from typing import Literal

import msgspec

from ..messages import InputMessage
from .tool_format import Turn

Thought = tuple[str, str, str]
"""What stands before a thought, after it, and after it where the answer says nothing else but calls."""

_TURNS = ["user", "assistant"] * 50
"""The roles of a conversation that alternates as it is."""
_ENDS_A_THOUGHT = "</think>"
_TODAY = re.compile(r"\{today:([^}]*)\}")


def today() -> datetime:
    return datetime.now()


def dated(text: str) -> str:
    """The text, with today's date in the place of `{today:%d %b %Y}`."""
    return _TODAY.sub(lambda found: today().strftime(found[1]), text) if "{today:" in text else text


class SystemText(msgspec.Struct, frozen=True):
    """Where a format has system text, and what it says without any.

    Attributes:
        place: "role": a turn like the others. "next_user", "last_user": the head of a user's turn;
            "last_user" holds for the text that opens the conversation, any other goes to the next.
            "first_user": a text that opens the conversation heads its first user's turn, any other is a
            turn like the others.
            "front": all of it opens the conversation.
        around: the text before and after it in a user's turn.
        default: the text of a conversation that does not begin with any. `{today:%d %b %Y}` in it is
            the day.
        with_tools: the default of a conversation with tools, if it differs.
        unless_anywhere: system text in the middle of the conversation replaces the default, too.
    """

    place: Literal["role", "next_user", "last_user", "first_user", "front"] = "role"
    around: tuple[str, str] = ("", "\n\n")
    default: str | None = None
    with_tools: str | None = None
    unless_anywhere: bool = False

    def default_for(self, tools: bool) -> str | None:
        """The text of a conversation that does not begin with any."""
        return self.with_tools if tools and self.with_tools is not None else self.default

    def with_default(self, messages: tuple[InputMessage, ...], tools: bool) -> tuple[InputMessage, ...]:
        """The conversation, opened by the default if it brings no system text of its own."""
        default = self.default_for(tools)
        if default is None or messages[0].role == "system":
            return messages
        if self.unless_anywhere and any(message.role == "system" for message in messages):
            return messages
        return (InputMessage("system", dated(default)), *messages)

    def placed(self, turns: list[Turn]) -> list[Turn]:
        """The turns, with system text if the format has it."""
        if self.place == "role" or not any(turn.role == "system" for turn in turns):
            return turns
        if self.place == "front":
            said = [turn.text for turn in turns if turn.role == "system"]
            rest = [turn for turn in turns if turn.role != "system"]
            return [Turn("system", "\n\n".join(said)), *rest]
        users = [index for index, turn in enumerate(turns) if turn.role == "user"]
        if self.place == "last_user" and turns[0].role == "system" and users:
            opening = [turn.text for turn in turns[: leading(turns)]]
            last = Turn("user", self._head(opening) + turns[users[-1]].text)
            turns = [*turns[leading(turns) : users[-1]], last, *turns[users[-1] + 1 :]]
        if self.place == "first_user":
            first = leading(turns) + 1
            return [*self._into_next_user(turns[:first]), *turns[first:]]
        return list(self._into_next_user(turns))

    def _into_next_user(self, turns: Iterable[Turn]) -> Iterator[Turn]:
        waiting: list[str] = []
        for turn in turns:
            if turn.role == "system":
                waiting.append(turn.text)
                continue
            if waiting:
                head, waiting = self._head(waiting), []
                if turn.role == "user":
                    turn = Turn("user", head + turn.text)
                else:
                    yield Turn("user", head)
            yield turn
        if waiting:
            yield Turn("user", self._head(waiting))

    def _head(self, texts: list[str]) -> str:
        before, after = self.around
        return before + "\n\n".join(texts) + after


def leading(turns: Iterable[InputMessage | Turn]) -> int:
    """How many turns of system text open a conversation."""
    return len(list(takewhile(lambda turn: turn.role == "system", turns)))


def leading_system(messages: tuple[InputMessage, ...]) -> tuple[str, tuple[InputMessage, ...]]:
    """The system text that opens a conversation, and the rest."""
    count = leading(messages)
    return "\n\n".join([message.text for message in messages[:count]]), messages[count:]


def fold_leading_system(messages: tuple[InputMessage, ...]) -> tuple[InputMessage, ...]:
    """System text that opens a conversation becomes the head of the first user message."""
    if messages[0].role != "system":
        return messages
    system, rest = leading_system(messages)
    if rest and not system.strip():
        return rest
    if rest and rest[0].role == "user":
        return (InputMessage("user", f"{system}\n\n{rest[0].text}"), *rest[1:])
    return (InputMessage("user", system), *rest)


def without_silence(messages: tuple[InputMessage, ...], stands_for_none: bool) -> tuple[InputMessage, ...]:
    """The messages without system text that is empty. `stands_for_none`: at the beginning it stays, in the place of
    the format's default."""
    first = int(stands_for_none)
    rest = [message for message in messages[first:] if message.role != "system" or message.text.strip()]
    return (*messages[:first], *rest) or messages


def lone_turn(messages: tuple[InputMessage, ...]) -> str | None:
    """The text of a conversation that is one user message after any system text."""
    if messages[-1].role == "user" and all(m.role == "system" for m in messages[:-1]):
        return "\n\n".join([m.text for m in messages if m.text.strip()])
    return None


def is_continued(messages: tuple[InputMessage, ...]) -> bool:
    """Whether the last answer is begun only, for the model to go on. Empty system text after it says nothing."""
    for message in reversed(messages):
        if message.role != "system" or message.text.strip():
            return message.role == "assistant" and not message.tool_calls
    return False


def trimmed(message: InputMessage, roles: tuple[str, ...]) -> InputMessage:
    """The message without white space at its ends, if its role is trimmed."""
    if message.role not in roles or message.text == message.text.strip():
        return message
    return msgspec.structs.replace(message, text=message.text.strip())


def remembered(
    messages: tuple[InputMessage, ...], stripped: str | None, around: Thought | None, always: bool
) -> tuple[InputMessage, ...]:
    """The messages without the thoughts of answers before the last question, and with those since, if a model is
    shown them; with all of them if `stripped` is None. `always`: an answer without any has an empty one."""
    if not any([message.role == "assistant" for message in messages]):  # noqa: C419 - a list is faster for a few
        return messages
    last = 0
    earlier: list[InputMessage] = []
    if stripped is not None:
        last = max((at for at, message in enumerate(messages) if message.role == "user"), default=0)
        earlier = [_without_thought(message, stripped) for message in messages[:last]]
    since = messages[last:]
    if around is not None:
        since = tuple([_with_thought(message, around, always) for message in since])
    return (*earlier, *since)


def _without_thought(message: InputMessage, stripped: str) -> InputMessage:
    if message.role != "assistant" or _ENDS_A_THOUGHT not in message.text:
        return message
    said = message.text.rpartition(_ENDS_A_THOUGHT)[2].lstrip(stripped)
    return msgspec.structs.replace(message, text=said)


def _with_thought(message: InputMessage, around: Thought, always: bool) -> InputMessage:
    own = message.text.startswith("<think>") or _ENDS_A_THOUGHT in message.text
    if message.role != "assistant" or own or not (message.thought or always):
        return message
    before, after, alone = around
    said = message.text.lstrip("\n")
    thought = before + message.thought.strip("\n") + (after if said else alone)
    return msgspec.structs.replace(message, text=thought + said)


def merged(turns: list[Turn], tool_is_user: bool) -> list[Turn]:
    """The turns, with those of one role in a row joined, for formats that know only question and answer."""
    if [turn.role for turn in turns] == _TURNS[: len(turns)]:
        return turns
    joined: list[Turn] = []
    for turn in turns:
        role = "user" if turn.role == "tool" and tool_is_user else turn.role
        if joined and joined[-1].role == role and role in ("user", "assistant"):
            joined[-1] = Turn(role, f"{joined[-1].text}\n\n{turn.text}")
        else:
            joined.append(Turn(role, turn.text))
    return joined
