"""Reads a model's answer, ends it at a stop sequence, and checks that it fits the tools and the format that were
asked for."""

from __future__ import annotations

import msgspec

from .messages import InputMessage
from .outputs import ReplySplitter
from .responses import Delta, FinishReason, FunctionCall, ToolCallDelta
from .stops import StopCutter
from .structured.json_reader import JsonReader
from .structured.response_format import ResponseFormat
from .tools.checking import CallChecker, new_call_id
from .tools.reader import Block, ToolReader
from .tools.tools import ToolUse


class Contract(msgspec.Struct, frozen=True):
    """The tools and the format that an answer must fit, and the sequences that end its text.

    `emulated` names the parameters that the model has no input for.
    """

    tools: ToolUse | None = None
    format: ResponseFormat | None = None
    stops: tuple[str, ...] = ()
    emulated: tuple[str, ...] = ()

    def reader(self, *, streamed: bool) -> AnswerReader:
        return AnswerReader(self, streamed)


def ask_again(turns: tuple[InputMessage, ...], reader: AnswerReader) -> tuple[InputMessage, ...]:
    """The conversation that asks for a better answer than the one that was read."""
    return (*turns, InputMessage("assistant", reader.text), InputMessage("user", reader.complaint()))


_BARE = ("{", "```json")


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
        """The text without the thoughts, where a tool must be called."""
        self._beside = ""
        """What of that stands beside the calls. It is not given out: OpenAI's API gives no text there either."""
        self._thought = ""
        self._answered = False
        """Whether there is more than a thought."""
        self.faults: list[str] = []
        self._asked_again = before is not None
        self.given_calls: list[FunctionCall] = list(before.given_calls) if before is not None else []
        """Calls that were given out."""
        self._said_before = list(self.given_calls)
        """Calls of an earlier attempt, which the model may repeat beside the corrected ones."""
        self._contract = contract
        self._streamed = streamed
        self._split = ReplySplitter(thinks=True)
        self._stops = StopCutter(contract.stops)
        tools, format = contract.tools, contract.format
        self._must_call = tools is not None and tools.required
        self._tools = ToolReader(tools.names) if tools is not None else None
        self._checker = CallChecker(tools) if tools is not None else None
        self._json: JsonReader | None = None
        if format is not None and not self._must_call:
            given = "" if before is None else before.given_json
            self._json = JsonReader(format, given, streamed=streamed)

    @property
    def given_json(self) -> str:
        """What was given out of the JSON."""
        return self._json.given if self._json is not None else ""

    @property
    def stopped_at(self) -> str | None:
        """The stop sequence that has ended the text. Nothing that follows is read."""
        return self._stops.found

    def finish_reason(self, otherwise: FinishReason) -> FinishReason:
        if self._contract.tools is not None and self.given_calls:
            return "function_call" if self._contract.tools.older else "tool_calls"
        return otherwise if self.stopped_at is None else "stop"

    def again(self) -> AnswerReader:
        """The reader of the next attempt."""
        return AnswerReader(self._contract, self._streamed, self)

    def feed(self, text: str) -> list[Delta]:
        """What this piece of text makes certain."""
        self.text += text
        return self._parted(self._split.feed(text))

    def think(self, text: str) -> None:
        """Takes a piece of the model's thought, where that was split from the text before."""
        self._thought += text

    def end(self, cut_off: bool = False) -> list[Delta]:
        """The rest, now that no text follows. What was `cut_off` by a limit is incomplete, not wrong; so is JSON that
        was ended by a stop sequence."""
        deltas = self._parted(self._split.end())
        for piece in self._tools.end() if self._tools is not None else ():
            deltas += self._piece(piece)
        deltas += self._shown(self._stops.end())
        if not (self._answered or self.given_calls or self.faults or cut_off):
            deltas += self._called_in_thought()
        if self._json is not None and not self.given_calls and not self.faults:
            ended_early = cut_off or self.stopped_at is not None
            if rest := self._json.end(ended_early):
                deltas.append(Delta(content=rest))
            self.faults += [] if ended_early else self._json.faults
        deltas += self._arguments_alone(self._said)
        tools = self._contract.tools
        if tools is not None and self._must_call and not self.given_calls and not self.faults:
            self.faults.append(f"One of the tools must be called: {', '.join(sorted(tools.names))}.")
        if cut_off:
            self.faults = []
            if self._beside and not self.given_calls:
                deltas.append(Delta(content=self._beside))
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
            if self._must_call:
                self._said += delta.content or ""
            if not delta.content:
                self.think(delta.reasoning_content or "")
                parted.append(delta)
                continue
            self._answered = self._answered or not delta.content.isspace()
            if self._tools is None:
                parted += self._content(delta.content)
            else:
                for piece in self._tools.feed(delta.content):
                    parted += self._piece(piece)
        return parted

    def _piece(self, piece: str | Block) -> list[Delta]:
        if self.stopped_at is not None:
            return []
        if isinstance(piece, str):
            bare = self._said.lstrip().startswith(_BARE)  # then it comes in one piece
            return (bare and self._arguments_alone(piece)) or self._content(piece)
        if piece.calls is None:
            self.faults.append("A tool call cannot be read: its JSON is broken.")
            return []
        assert self._checker is not None and self._contract.tools is not None
        deltas: list[Delta] = []
        for call in piece.calls:
            if self.given_calls and not self._contract.tools.parallel:
                break
            checked = self._checker.checked(call, asked_again=self._asked_again)
            if isinstance(checked, str):
                self.faults.append(checked)
            elif checked in self._said_before:
                self._said_before.remove(checked)
            else:
                deltas += self._given(checked)
        return deltas

    def _called_in_thought(self) -> list[Delta]:
        """The calls with which a thought ends, where no answer follows it: some models call without closing it."""
        if self._contract.tools is None:
            return []
        reader = ToolReader(self._contract.tools.names)
        pieces = [*reader.feed(self._thought), *reader.end()]
        said = [at for at, piece in enumerate(pieces, 1) if isinstance(piece, str) and not piece.isspace()]
        calls = [
            piece for piece in pieces[max(said, default=0) :] if isinstance(piece, Block) and piece.calls
        ]
        return [delta for piece in calls for delta in self._piece(piece)]

    def _arguments_alone(self, text: str) -> list[Delta]:
        """The call of the tool that must be called, if the model wrote nothing but its arguments."""
        if self._checker is None or not self._must_call or self.given_calls or self.faults:
            return []
        call = self._checker.of_arguments_alone(text)
        return [] if call is None else self._given(call)

    def _given(self, call: FunctionCall) -> list[Delta]:
        assert self._contract.tools is not None
        if self._contract.tools.older:
            delta = Delta(function_call=call)
        else:
            index = len(self.given_calls)
            delta = Delta(tool_calls=[ToolCallDelta(index=index, id=new_call_id(), function=call)])
        self.given_calls.append(call)
        return [*self._shown(self._stops.end()), delta]

    def _content(self, text: str) -> list[Delta]:
        return self._shown(self._stops.feed(text))

    def _shown(self, text: str) -> list[Delta]:
        if self._must_call:
            self._beside += text
            return []
        if self._json is not None:
            text = self._json.feed(text)
        return [Delta(content=text)] if text else []
