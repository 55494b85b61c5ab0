"""Chat formats: how a conversation becomes the one text that a model reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from ..messages import InputMessage, read_messages
from .arrangement import (
    SystemText,
    Thought,
    dated,
    fold_leading_system,
    is_continued,
    lone_turn,
    merged,
    remembered,
    trimmed,
    without_silence,
)
from .jinja import ChatTemplate
from .tool_format import READABLE, ToolFormat, Turn

Around = tuple[str, str]
"""What stands before and after a message."""

_NOTHING = ("", "")
_EMPTY_THOUGHT = re.compile(r"(?:<think>\s*)?</(?:mm:)?think>\s*\Z")
"""What some formats put before an answer without a thought of its own."""
_STANDS_FOR = {"calls": "assistant", "tool": "user", "opening_with_tools": "opening", "tools": "system"}
"""The role that stands in for one that a format does not have."""


class PromptTemplate(msgspec.Struct, frozen=True):
    """A chat format.

    The prompt is `bos_token + initial_prompt_value`, then each message between its role's
    `pre_message` and `post_message`, then `final_prompt_value`. `eos_token` follows each assistant
    message; `bos_token` comes before a system or user message that opens a turn after one. These are
    LiteLLM's rules for `register_prompt_template`; the fields below `eos_token` are for formats that
    they cannot express. A conversation that ends with the assistant stays open, to be continued.

    Attributes:
        roles: `(pre_message, post_message)` of `system`, `user`, `assistant` and `tool`. These stand
            in for one of them if they are given: `opening` (and `opening_with_tools`) for system
            text that opens the conversation, `default` (and `default_with_tools`) for the text of one
            that brings none, `calls` for an assistant's message with tool calls, `continued` for one
            that the model continues. `after_tool` has what opens an assistant's message after a tool's
            answer: one of the conversation, and the one that is asked for. `tools` is for definitions
            of tools in a turn of their own.
        initial_with_tools: the `initial_prompt_value` of a conversation with tools, if it differs.
        system: where system text goes.
        alternating: two messages of one role in a row become one, for formats that know only turns.
        lone_turn_as_is: a conversation of one user message, with or without system text, is sent
            without labels.
        trim: the roles whose text loses white space at both ends; "turn" trims a user message with
            the system text that opens it.
        forgets: the thoughts of answers before the last question are left out; these characters are stripped from
            what follows a thought. None: they stay.
        thought: what stands around the thought of an answer since the last question, if the model is shown it
            (of any answer, if none is forgotten).
        thinks_always: such an answer has an empty thought if it brings none.
        first_round: the number of the first turn, for formats that count them: `{round}` in a role.
        tools: how tools, calls and answers are written.
        chat_template: a Jinja template as tokenizers publish them, instead of all the above.
    """

    roles: dict[str, Around] = {}
    initial_prompt_value: str = ""
    final_prompt_value: str = ""
    bos_token: str = ""
    eos_token: str = ""
    initial_with_tools: str | None = None
    system: SystemText = SystemText()
    alternating: bool = False
    lone_turn_as_is: bool = False
    trim: tuple[str, ...] = ()
    forgets: str | None = None
    thought: Thought | None = None
    thinks_always: bool = False
    first_round: int | None = None
    tools: ToolFormat = READABLE
    chat_template: ChatTemplate | None = None

    @property
    def is_tokens_alone(self) -> bool:
        """Whether this only says which tokens open and close a text, and not how turns look."""
        shows_turns = self.roles or self.initial_prompt_value or self.final_prompt_value or self.chat_template
        return bool(self.bos_token or self.eos_token) and not shows_turns

    def render(self, messages: Any, tools: Sequence[Any] = ()) -> str:
        """The whole conversation in this format, ready for the model to answer."""
        return self.render_turns(read_messages(messages), tools)

    def render_turns(
        self, messages: tuple[InputMessage, ...], tools: Sequence[Any] = (), **values: Any
    ) -> str:
        """`render` for messages that were read already.

        Args:
            messages: calls and answers of tools among them are written as the family's models were
                trained to read them, or as readable text if the family has no form of its own.
            tools: OpenAI's tools, for a model that has no input for them: their definitions are
                written into the prompt, where and how the family's models expect them.
            values: what a Jinja template is given besides, such as `documents` and `enable_thinking`.
        """
        if self.chat_template is not None:
            return self.chat_template.render(messages, tools, values)
        if self.lone_turn_as_is and not tools and (lone := lone_turn(messages)) is not None:
            return lone
        continued = is_continued(messages)
        opening = self.initial_prompt_value
        if tools and self.initial_with_tools is not None:
            opening = self.initial_with_tools
        return self._joined(self._turns(messages, tools, opens=True), continued, opening)

    def render_within(self, messages: tuple[InputMessage, ...], tools: Sequence[Any] = ()) -> str:
        """The prompt that a server turns into the whole conversation.

        Such a server puts the system text, if it has one, and what opens and closes a user message
        around the prompt. So what it will add is left out at both ends: the result, once wrapped,
        equals `render`. Only an answer that the model continues cannot be left open so.
        """
        messages = fold_leading_system(messages)
        if len(messages) == 1 and messages[0].role == "user" and not tools:
            return messages[0].text
        if self.lone_turn_as_is:
            return self.render_turns(messages, tools)
        if messages[0].role != "user":
            messages = (InputMessage("user"), *messages)
        turns = self._turns(messages, tools, opens=False)
        text = self._joined(turns, is_continued(messages), self.initial_prompt_value)
        before, after = self.roles.get("user", _NOTHING)
        head = self.bos_token + dated(self.initial_prompt_value) + self._numbered(before, 0)
        return text.removeprefix(head).removesuffix(self.opened(after))

    def opened(self, after: str) -> str:
        """What closes a turn and opens the answer; some formats do both in one."""
        return after if after.endswith(self.final_prompt_value) else after + self.final_prompt_value

    def _turns(self, messages: tuple[InputMessage, ...], tools: Sequence[Any], opens: bool) -> list[Turn]:
        """The conversation as this format holds it; `opens`: with the beginning that it has, if any."""
        given = messages = self._tidied(messages, tools, opens)
        if opens and (self.system.default is not None or tools):
            messages = self.system.with_default(given, bool(tools))
        if tools or any([message.tool_calls or message.role == "tool" for message in messages]):  # noqa: C419 - faster
            turns = self.tools.write(messages, tools, opens=opens)
        else:
            turns = [Turn(message.role, message.text) for message in messages]
        if self.system.place != "role":
            turns = self.system.placed(turns)
        if self.alternating:
            turns = merged(turns, tool_is_user="tool" not in self.roles)
        if "turn" in self.trim:
            turns = [Turn(turn.role, turn.text.strip()) if turn.role == "user" else turn for turn in turns]
        if opens:
            turns[0] = self._opening(turns[0], bool(tools), is_default=messages is not given)
        return turns

    def _tidied(
        self, messages: tuple[InputMessage, ...], tools: Sequence[Any], opens: bool
    ) -> tuple[InputMessage, ...]:
        """The messages with the thoughts that the model is shown, without empty system text and without white space
        at the ends of what is trimmed."""
        if self.forgets is not None or self.thought is not None:
            messages = remembered(messages, self.forgets, self.thought, self.thinks_always)
        ragged = silent = False
        for message in messages:
            stripped = message.text.strip()
            ragged = ragged or stripped != message.text
            silent = silent or (not stripped and message.role == "system")
        if silent:
            has_default = opens and bool(self.system.default_for(bool(tools)))
            messages = without_silence(messages, stands_for_none=has_default)
        if ragged and self.trim:
            messages = tuple([trimmed(message, self.trim) for message in messages])
        return messages

    def _opening(self, turn: Turn, tools: bool, is_default: bool) -> Turn:
        """The first turn, in the role that the format has for what opens a conversation."""
        brought_none = "default_with_tools" if tools else "default"
        if is_default and brought_none in self.roles:
            return Turn(brought_none, turn.text)
        if turn.role == "system" and "opening" in self.roles:
            return Turn("opening_with_tools" if tools else "opening", turn.text)
        return turn

    def _joined(self, turns: list[Turn], continued: bool, opening: str) -> str:
        roles, bos, eos = self.roles, self.bos_token, self.eos_token
        pieces = [bos, dated(opening) if opening else ""]
        rounds, previous, after, thought = 0, "", "", False
        for turn in turns:
            role = turn.role
            if previous == "assistant" and (role == "user" or role == "system"):
                pieces.append(bos)
            before, after = self._around(role, previous)
            if "{" in before:
                before = self._numbered(dated(before), rounds)
            answers = role == "assistant" or role == "calls"
            thought = answers and turn.text.startswith(("<think>", "<mm:think>"))
            if thought:
                before = _EMPTY_THOUGHT.sub("", before)
            pieces += (before, turn.text, after, eos if answers else "")
            rounds += role == "user"
            previous = "assistant" if answers else role
        if continued:
            if "continued" in roles and not thought:
                pieces[-4] = roles["continued"][0]
            return "".join(pieces[:-2])
        if previous == "tool" and "after_tool" in roles:
            pieces.append(roles["after_tool"][1])
        else:
            pieces.append(self.opened(after)[len(after) :])
        return "".join(pieces)

    def _around(self, role: str, previous: str) -> Around:
        roles = self.roles
        found = roles.get(role)
        if found is None and role in _STANDS_FOR:
            found = roles.get(_STANDS_FOR[role])
        if found and role in ("assistant", "calls") and previous == "tool" and "after_tool" in roles:
            return roles["after_tool"][0], found[1]
        return found or _NOTHING

    def _numbered(self, text: str, rounds: int) -> str:
        if self.first_round is None:
            return text
        return text.replace("{round}", str(self.first_round + rounds))


def written(message: InputMessage) -> str:
    """A message as readable text: what it says, then its tool calls."""
    return READABLE.write([message])[0].text
