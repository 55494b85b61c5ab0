"""What an answer must fit: the tools that it may call, and the format that it must have.

A contract is settled before a model is asked: what the model has inputs for goes into them, and the rest
is explained in the conversation (it is emulated). In both cases its reader then checks the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .formats.format import PromptTemplate, written
from .formats.templates import registered_template
from .messages import Message, read_messages
from .params import TOOL_PARAMS
from .plan import Plan, plan_for
from .reply_splitter import ReplySplitter
from .responses import Delta, FunctionCall, ToolCallDelta
from .schemas.schema import ModelSchema
from .structured.json_reader import JsonReader
from .structured.response_format import ResponseFormat, place, read_response_format
from .tools.checking import CallChecker, Misfit, new_call_id
from .tools.reader import Block, ToolReader
from .tools.telling import tell_format, tell_rules, tell_tools
from .tools.tools import ToolUse, native_tools, read_tool_use


class Contract(msgspec.Struct, frozen=True):
    """What an answer must fit. `emulated` names the parameters that were explained to the model in words."""

    tools: ToolUse | None = None
    format: ResponseFormat | None = None
    emulated: tuple[str, ...] = ()

    def reader(self, *, streamed: bool) -> AnswerReader:
        return AnswerReader(self, streamed)


class Settled(msgspec.Struct, frozen=True):
    """A question in the shape that the model takes, and the contract for its answer, if there is one.

    `tools` are those that must be written into the prompt, in the form of the model's family.
    """

    turns: tuple[Message, ...]
    params: dict[str, Any]
    tools: tuple[dict[str, Any], ...] = ()
    contract: Contract | None = None


def settle(
    messages: Any,
    params: Mapping[str, Any],
    *,
    schema: ModelSchema | None,
    model: str | None = None,
    template: PromptTemplate | None = None,
    emulate: bool = True,
) -> Settled:
    """The question with its tools and its format in the shape that the model takes.

    Args:
        messages: OpenAI's messages.
        params: OpenAI's chat parameters and the model's own inputs by name.
        schema: what the model takes; without it, everything is explained in words.
        model: the model string, for its family.
        template: the prompt template of this call.
        emulate: False leaves a parameter as it is if the model has no input for it, to be refused or
            dropped like any other.

    Raises:
        BadRequestError: tools, their choice, or the format are wrong; or the extra `[schema]` is needed.
    """
    turns = read_messages(messages)
    rest = {name: value for name, value in params.items() if value is not None}
    fields = schema.fields if schema is not None else {}
    flat = "input_item_list" in fields
    emulated: list[str] = []
    tools: tuple[dict[str, Any], ...] = ()

    use = read_tool_use(rest)
    if use is None or "tools" in fields or emulate:
        rest = {name: value for name, value in rest.items() if name not in TOOL_PARAMS}
        if use is not None and "tools" in fields:
            rest |= native_tools(
                use,
                flat=flat,
                takes_choice="tool_choice" in fields,
                takes_parallel="parallel_tool_calls" in fields,
            )
        elif use is not None:
            emulated.append("tools")
            template = template or (registered_template(model) if model is not None else None)
            if _prompt_has_tools(plan_for(schema, model), template):
                tools = tuple([tool.nested() for tool in use.tools])
                turns = tell_rules(turns, use)
            else:
                turns = tell_tools(_in_words(turns), use)
    else:
        use = None

    format = read_response_format(rest["response_format"]) if "response_format" in rest else None
    if format is not None:
        placed = place(format, fields, flat=flat)
        if placed.enforced or emulate:
            del rest["response_format"]
            rest = {**placed.params, **rest}
            if not placed.enforced:
                turns = tell_format(turns, format)
                emulated.append("response_format")
        else:
            format = None
    else:
        rest.pop("response_format", None)
    if use is None and format is None:
        return Settled(turns, rest)
    contract = Contract(use, format, tuple(emulated))
    contract.reader(streamed=False)  # raises what is wrong with a schema before anything is sent
    return Settled(turns, rest, tools, contract)


def _prompt_has_tools(plan: Plan, template: PromptTemplate | None) -> bool:
    """Whether rendering the conversation writes the tools into it, so that they need no explaining in words."""
    if plan.messages is not None or plan.history is not None:
        return False
    chat_template = template.chat_template if template is not None else None
    return chat_template is None or "tools" in (chat_template.tool_source or chat_template.source)


def ask_again(turns: tuple[Message, ...], reader: AnswerReader) -> tuple[Message, ...]:
    """The conversation that asks for a better answer than the one that was read."""
    return (*turns, Message("assistant", reader.text), Message("user", reader.complaint()))


class AnswerReader:
    """Fed an answer's text in pieces, gives what each adds to the message, as far as that fits.

    However the text is cut, the pieces add up to the same. After `end`, `faults` says what does not fit;
    `again` then reads the model's next attempt and goes on from what was given out already.

    Args:
        streamed: what it gives is passed on at once and cannot be taken back.
        before: the reader of the attempt before.
    """

    def __init__(self, contract: Contract, streamed: bool, before: AnswerReader | None = None) -> None:
        self.text = ""
        self._said = ""
        """The text without the thoughts."""
        self.faults: list[str] = []
        self.given_calls: list[FunctionCall] = list(before.given_calls) if before is not None else []
        """Calls that were given out."""
        self._said_before = list(self.given_calls)
        """Calls of an earlier attempt, which the model may repeat beside the corrected ones."""
        self._contract = contract
        self._streamed = streamed
        self._split = ReplySplitter(thinks=True)
        tools, format = contract.tools, contract.format
        self._tools = ToolReader(tools.names) if tools is not None else None
        self._checker = CallChecker(tools) if tools is not None else None
        self._json = (
            JsonReader(
                format.opens,
                format.validator(),
                before.given_json if before is not None else "",
                streamed=streamed,
            )
            if format is not None
            else None
        )

    @property
    def given_json(self) -> str:
        """What was given out of the JSON."""
        return self._json.given if self._json is not None else ""

    def again(self) -> AnswerReader:
        """The reader of the next attempt."""
        return AnswerReader(self._contract, self._streamed, self)

    def feed(self, text: str) -> list[Delta]:
        """What this piece of text makes certain."""
        self.text += text
        return self._parted(self._split.feed(text))

    def end(self, cut_off: bool = False) -> list[Delta]:
        """The rest, now that no text follows. What was `cut_off` by a limit is incomplete, not wrong."""
        deltas = self._parted(self._split.end())
        if self._tools is not None:
            deltas += [delta for piece in self._tools.end() for delta in self._piece(piece)]
        if self._json is not None and not self.given_calls and not self.faults:
            if rest := self._json.end(cut_off):
                deltas.append(Delta(content=rest))
            self.faults += self._json.faults
        tools = self._contract.tools
        if tools is not None and tools.required and not self.given_calls and not self.faults:
            assert self._checker is not None
            if meant := self._checker.of_arguments_alone(self._said):
                deltas.append(self._given(meant))
            else:
                self.faults.append(f"One of the tools must be called: {', '.join(sorted(tools.names))}.")
        if cut_off:
            self.faults = []
        return deltas

    def complaint(self) -> str:
        """The message to the model about its answer."""
        faults = "\n".join(f"- {fault}" for fault in self.faults)
        said = f"Your answer cannot be used:\n{faults}\n"
        if self._json is None or self._contract.tools is not None:
            return f"{said}Write the corrected tool call, in the same form, and nothing else."
        if self.given_json:
            said += f"The new answer must begin exactly with {self.given_json}\n"
        return f"{said}Answer again with the corrected JSON and nothing else."

    def _parted(self, deltas: list[Delta]) -> list[Delta]:
        """Reasoning as it is, and the text as far as it fits."""
        parted: list[Delta] = []
        for delta in deltas:
            self._said += delta.content or ""
            if not delta.content:
                parted.append(delta)
            elif self._tools is None:
                parted += self._content(delta.content)
            else:
                for piece in self._tools.feed(delta.content):
                    parted += self._piece(piece)
        return parted

    def _piece(self, piece: str | Block) -> list[Delta]:
        if isinstance(piece, str):
            return self._content(piece)
        if piece.calls is None:
            self.faults.append("A tool call cannot be read: its JSON is broken.")
            return []
        assert self._checker is not None and self._contract.tools is not None
        deltas = []
        for call in piece.calls:
            if self.given_calls and not self._contract.tools.parallel:
                break
            checked = self._checker.checked(call)
            if isinstance(checked, Misfit):
                self.faults.append(checked.why)
                continue
            if checked in self._said_before:
                self._said_before.remove(checked)
                continue
            deltas.append(self._given(checked))
        return deltas

    def _given(self, call: FunctionCall) -> Delta:
        delta = ToolCallDelta(index=len(self.given_calls), id=new_call_id(), function=call)
        self.given_calls.append(call)
        return Delta(tool_calls=[delta])

    def _content(self, text: str) -> list[Delta]:
        if self._json is not None:
            text = self._json.feed(text)
        return [Delta(content=text)] if text else []


def _in_words(turns: tuple[Message, ...]) -> tuple[Message, ...]:
    """Calls and their results as text, for a model whose format has no place for them."""
    return tuple([_in_words_one(turn) for turn in turns])


def _in_words_one(turn: Message) -> Message:
    if turn.role == "tool":
        return Message("user", f"<tool_response>\n{turn.text}\n</tool_response>", turn.media)
    return Message(turn.role, written(turn), turn.media) if turn.tool_calls else turn
