"""Parting a stream of text into answer, reasoning and tool calls."""

from __future__ import annotations

import msgspec

from .responses import Delta, ToolCallDelta
from .tool_calls import parse_tool_calls

_OPEN, _CLOSE = "<think>", "</think>"
_CALL_MARKS = ("<tool_call>", "<|tool_call|>", "[TOOL_CALLS]", "<|python_tag|>")


class ReplySplitter:
    """Fed a model's text in pieces, gives what each adds to the message.

    However the text is cut, the pieces add up to the same. What may yet turn out to be a tag or a
    tool call is kept back until that is clear.

    Args:
        thinks: a `<think>` block at the beginning is reasoning.
        tools: tool calls are looked for.
    """

    def __init__(self, *, thinks: bool, tools: bool) -> None:
        self._tools = tools
        self._held = ""
        self._reasoned = False
        self._step = ReplySplitter._begin if thinks else ReplySplitter._after_reasoning
        self.verbatim = not thinks and not tools
        """Whether nothing is looked for any more: what comes is content as it is."""

    def feed(self, text: str) -> list[Delta]:
        """What this piece of text makes certain."""
        if self.verbatim and not self._held:
            return _content(text)
        self._held += text
        return self._run(ended=False)

    def end(self) -> list[Delta]:
        """What was kept back, now that no text follows."""
        return self._run(ended=True)

    def _run(self, ended: bool) -> list[Delta]:
        deltas: list[Delta] = []
        while True:
            step = self._step
            deltas += step(self, ended)
            if self._step is step:
                return deltas

    def _begin(self, ended: bool) -> list[Delta]:
        start = self._held.lstrip()
        if start.startswith(_OPEN):
            self._held = start[len(_OPEN) :]
            self._step = ReplySplitter._think
        elif ended or not _OPEN.startswith(start):
            self._step = ReplySplitter._after_reasoning
        return []

    def _think(self, ended: bool) -> list[Delta]:
        """Reasoning, without the white space around it."""
        text, closed, rest = self._held.partition(_CLOSE)
        if not self._reasoned:
            text = text.lstrip()
        if closed:
            self._held, self._step = rest, ReplySplitter._skip_space
            certain = text.rstrip()
        else:
            certain = text if ended else text[: len(text) - _partial(text, (_CLOSE,))]
            certain = certain.rstrip()
            self._held = text[len(certain) :]
            if ended:
                self._held = ""
        self._reasoned = self._reasoned or bool(certain)
        return [Delta(reasoning_content=certain)] if certain else []

    def _skip_space(self, ended: bool) -> list[Delta]:
        self._held = self._held.lstrip()
        if self._held or ended:
            self._step = ReplySplitter._after_reasoning
        return []

    def _after_reasoning(self, ended: bool) -> list[Delta]:
        """The beginning of the answer, where a tool call may stand bare."""
        if not self._tools:
            self._step, self.verbatim = ReplySplitter._answer, True
        elif start := self._held.lstrip():
            self._step = ReplySplitter._call if start[0] in "{[" else ReplySplitter._answer
        elif ended:
            self._step = ReplySplitter._answer
        return []

    def _answer(self, ended: bool) -> list[Delta]:
        text = self._held
        if self._tools:
            found = [at for mark in _CALL_MARKS if (at := text.find(mark)) >= 0]
            if found:
                self._held, self._step = text[min(found) :], ReplySplitter._call
                return _content(text[: min(found)])
            if not ended:
                text = text[: len(text) - _partial(text, _CALL_MARKS)]
        self._held = self._held[len(text) :]
        return _content(text)

    def _call(self, ended: bool) -> list[Delta]:
        if not ended:
            return []
        text, self._held = self._held, ""
        parsed = parse_tool_calls(text)
        if parsed is None:
            return _content(text)
        calls, rest = parsed
        return [
            *_content(rest),
            Delta(
                tool_calls=[
                    msgspec.convert({"index": index, **call}, ToolCallDelta)
                    for index, call in enumerate(calls)
                ]
            ),
        ]


def _content(text: str) -> list[Delta]:
    return [Delta(content=text)] if text else []


def _partial(text: str, marks: tuple[str, ...]) -> int:
    """How many characters at the end may be the beginning of a mark."""
    longest = max(map(len, marks)) - 1
    for count in range(min(longest, len(text)), 0, -1):
        if any(mark.startswith(text[-count:]) for mark in marks):
            return count
    return 0
