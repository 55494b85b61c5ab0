"""Splits an answer, as it comes, into text and the tool calls that the model wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from ..stops import begun_at_the_end
from .marks import ACTION, MARKS, RawCall
from .notations import meant_tool, read_calls, read_leading_calls


class Block(msgspec.Struct, frozen=True):
    """What a model marked as calls: `calls` is None if no call could be read."""

    text: str
    calls: tuple[RawCall, ...] | None


Piece = str | Block

_BARE = ("{", "[", "```")
"""How an answer with calls but without any mark may begin."""
_MAY_BE_CALLS = re.compile(
    r"(?:```(?:[a-z_]{0,9}\Z|(?:json|tool_code|tool_call)?\s*))?(?:\Z|\{|\[\s*(?:\Z|\{|[^\W\d][\w.]*\s*(?:\Z|\())|```tool_code\s+[^\W\d])"
)
"""How calls without any mark begin: with an object, a list of objects, or a list of calls in Python's notation."""
_ACTION = re.compile(rf"{ACTION}\s*```")
_SPOKEN_OF = re.compile(
    r"""`{1,2}[^`]|["',.;:)*!?]|[ \t]+[\w-]+(?:[ \t]+\w|[,.;:!?]\s)""",
)
"""What follows a mark that opens no call: the text speaks of it, as those about agents do."""
_MOST_ENDS = 64
"""Closing marks that are tried before the first ends the block: each is read with all that stands before it."""
_MARKS = (*MARKS, ACTION)
_BEGUN = frozenset(start[:length] for start in (*_BARE, *MARKS) for length in range(len(start) + 1))
"""All that may yet become such a beginning, or a mark."""


class ToolReader:
    """Takes an answer's text in pieces, and gives text as soon as it is certain to be text, and each block of
    calls once it is complete.

    However the text is cut, the pieces add up to the same.

    Args:
        names: the tools. JSON without any mark is a call only if it names one of them.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._held = ""
        self._begun = False
        self._mark: str | None = None
        """What opened the block that is being held; empty for one without a mark."""
        self._tried = 0
        """How many of the closing marks that are held end no call: they stand in a text of its arguments."""
        self._called = False
        self._after_call = False
        """Whether nothing but white space has come since the last call."""

    def feed(self, text: str) -> list[Piece]:
        """What this piece of text makes certain."""
        self._held += text
        return list(self._read(ended=False))

    def end(self) -> list[Piece]:
        """What was kept back, now that no text follows."""
        return list(self._read(ended=True))

    def _read(self, ended: bool) -> Iterator[Piece]:
        while self._held:
            before = self._held, self._mark
            if self._mark is None:
                yield from self._text(ended)
            else:
                yield from self._block(ended)
            if (self._held, self._mark) == before:
                return

    def _text(self, ended: bool) -> Iterator[Piece]:
        """Text, up to the next mark."""
        opens = not self._begun
        if opens:
            start = self._held.lstrip()
            if not ended and start not in ("{", "```") and start in _BEGUN:
                return  # white space, or the half of what may begin a call
            self._begun = True
            if start.startswith(_BARE) and not start.startswith(tuple(MARKS)):
                self._mark = ""
                return
        at, mark = self._next_mark()
        if mark is not None:
            text, self._held, self._mark = self._held[:at], self._held[at:], mark
        else:
            kept = 0 if ended else _partial(self._held)
            text = self._held[: len(self._held) - kept]
            self._held = self._held[len(text) :]
        if text.isspace() and (opens or self._after_call):
            if mark is None and not ended:  # it belongs to the text that may follow
                self._begun, self._held = not opens, text + self._held
                return
            if mark is not None or self._after_call:
                return  # white space before calls, between them and after them
        if text:
            self._after_call = False
            yield text

    def _next_mark(self) -> tuple[int, str | None]:
        found = [(at, mark) for mark in MARKS if (at := self._held.find(mark)) >= 0]
        if action := _ACTION.search(self._held):
            found.append((action.start(), ACTION))
        return min(found, default=(0, None))

    def _end(self, ended: bool) -> int:
        """Where the block that is held ends, as far as that is known before the text ends; else 0."""
        closings = MARKS.get(self._mark or "", ())
        ends = sorted(
            [found.end() for closing in closings for found in re.finditer(re.escape(closing), self._held)]
        )[:_MOST_ENDS]
        for end in ends[self._tried :]:
            if read_calls(self._held[:end]):
                return end
        self._tried = len(ends)
        if not ended and len(ends) < _MOST_ENDS:
            return 0
        return ends[0] if ends else len(self._held)

    def _block(self, ended: bool) -> Iterator[Piece]:
        if self._mark == "" and not _MAY_BE_CALLS.match(self._held.lstrip()):
            self._mark = None  # code in a fence, or a remark in brackets: text
            return
        if self._mark and _SPOKEN_OF.match(self._held, len(self._mark)):
            yield self._mark
            self._held, self._mark = self._held[len(self._mark) :], None
            return
        end = self._end(ended)
        if not end:
            return
        mark, self._mark, self._tried = self._mark or "", None, 0
        text, self._held = self._held[:end], self._held[end:]
        calls, rest = self._calls(text, mark)
        if not calls and self._called and text.strip() in MARKS:
            return  # the model closes its last call with the mark that opens
        if not calls and not mark:
            yield text
            return
        self._held = rest + self._held
        self._called = self._called or bool(calls)
        self._after_call = bool(calls)
        yield Block(text, tuple(calls) or None)

    def _calls(self, text: str, mark: str) -> tuple[list[RawCall], str]:
        """The calls in a block, and the text after them."""
        calls = read_calls(text) or []
        if calls and (mark or self._are_ours(calls)):
            return calls, ""
        leading = None if text.endswith(MARKS.get(mark, ())) else read_leading_calls(text.strip())
        if leading is not None and (mark or self._are_ours(leading[0])):
            return leading
        return [], ""

    def _are_ours(self, calls: Sequence[RawCall]) -> bool:
        """Whether all of them call tools that there are."""
        return all(meant_tool(call, self._names) for call in calls)


def _partial(text: str) -> int:
    """How many characters at the end may yet become a mark."""
    action = text.rfind(ACTION)
    if action >= 0 and "```".startswith(text[action + len(ACTION) :].strip()):
        return len(text) - action
    return begun_at_the_end(text, _MARKS)
