"""Where each piece of a prediction's text belongs, whichever way it comes.

A text comes in pieces: from the event stream, over as many connections as it takes, and from looks at the
prediction, whose output so far is the whole text up to then. Connections are cut anywhere, even within an
event. The next one may go on after the last event, repeat that event, or begin again from the start. So each
piece gets a position in the whole text, and what has been given out already is left away.

The position of a connection's first event follows from its id. It is the start of the text if the id is
that of the very first event, and if no id was ever seen, since then the server was not told where to go
on. It is known if the id repeats or follows the last one: Replicate's ids end in a number that counts
(`1690212292:7`). Any other id is compared by text. What differs from the beginning of the text goes on where
the last connection ended. What repeats it could be a server that begins again, or a model that repeats
itself: then the event stream is `lost`, and only looks at the prediction can tell.

Replicate's event stream turns every line break into a newline, and if a break lies between two events
makes two of it. So a text is compared with the output white space aside if the two are not equal.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from .protocol.events import Event

_LINE_BREAK = re.compile("\r\n?")
_COUNT = re.compile(r"(?<![0-9])[0-9]{1,18}$")
_TAILS = (40, 20, 10)
"""Characters that a text hardly contains twice by chance, the less the more they are."""
_LOOSE = 4
"""Pieces of a short text, of which each takes ten times the bytes of its characters, that are kept before they are
joined. A long text has more: joining copies all of it."""


class TextAssembly(msgspec.Struct):
    """The text of one prediction as it grows. It does no I/O."""

    last_id: str = ""
    """Where the event stream goes on, as `Last-Event-ID`; empty if it starts."""
    done: bool = False
    """The event stream has said that it is at its end."""
    whole: bool = False
    """It has said that the model succeeded, and all of its text has been placed."""
    lost: bool = False
    """The event stream cannot be placed; the text must come from looks."""
    length: int = 0
    """Characters that have been given out so far."""
    _pieces: list[str] = []
    _first_id: str = ""
    _last_start: int = 0
    _end: int = 0
    _connected: bool = False
    _position: int | None = None
    _unplaced: str = ""

    @property
    def text(self) -> str:
        """What has been given out so far."""
        if len(self._pieces) > 1:
            self._join()
        return self._pieces[0] if self._pieces else ""

    def reconnected(self) -> None:
        """The events to come are those of another connection."""
        self._connected = False

    def add(self, event: Event) -> str:
        """What an event adds to the text given out."""
        if self.lost or self.done:
            return ""
        if not self._connected:
            self._connected = True
            self._unplaced = ""
            self._position = self._start_of(event.id)
        if event.type == "output":
            return self._add_text(event)
        if event.type in ("done", "error"):
            self.done = True
            self.whole = event.type == "done" and "reason" not in event.data and self._position is not None
        elif self._position is not None:
            self._note(event.id, self._position, self._position)
        return ""

    def catch_up(self, output: str) -> str:
        """What a running prediction's output is ahead by; nothing as long as the two differ."""
        return self._give(output[self.length :]) if output.startswith(self.text) else ""

    def finish(self, output: str) -> tuple[str, bool]:
        """What the complete output is ahead by, and whether it agrees with the text, white space aside.

        Where it does not, what is given goes on after the last words that the two have in common.
        """
        rest, agrees = remainder(self.text, output)
        return self._give(rest), agrees

    def _add_text(self, event: Event) -> str:
        text = event.data
        if self._position is None:
            text = self._place(text)
        start = self._position
        if start is None or (event.id == self.last_id and self._is_repeated(event, start)):
            return ""
        self._position = end = start + len(text)
        self._note(event.id, start, end)
        known = self.length - start
        if known <= 0:
            return self._give(text)
        if not self.text.startswith(text[:known], start):
            self.lost = True
            return ""
        return self._give(text[known:])

    def _is_repeated(self, event: Event, start: int) -> bool:
        """Whether a connection brings the last event once more. Where all have one id, it does not tell."""
        if event.id == self._first_id or start != self._end:
            return False
        return event.data == self.text[self._last_start : self._end]

    def _start_of(self, first_id: str) -> int | None:
        """Where a connection begins, as far as its first event's id tells."""
        if not self.last_id or not self._end:
            return 0
        if first_id == self.last_id:
            return self._last_start
        if first_id == self._first_id:
            return 0
        return self._end if _follows(self.last_id, first_id) else None

    def _place(self, text: str) -> str:
        """Places a connection by its text, which is held back for as long as it repeats the beginning."""
        self._unplaced += text
        known = self.text[: self._end]
        if self._unplaced.startswith(known):
            self.lost = True
        elif not known.startswith(self._unplaced):
            self._position = self._end
        return self._unplaced

    def _note(self, id: str, start: int, end: int) -> None:
        if id and end >= self._end:  # a replay names only what was named before
            self._first_id = self._first_id or id
            self.last_id, self._last_start = id, start
        self._end = max(self._end, end)

    def _join(self) -> None:
        self._pieces = ["".join(self._pieces)]

    def _give(self, piece: str) -> str:
        if piece:
            self._pieces.append(piece)
            self.length += len(piece)
            if len(self._pieces) > _LOOSE + self.length // 1024:
                self._join()
        return piece


def remainder(text: str, output: str) -> tuple[str, bool]:
    """What a complete output has beyond a text, and whether the two agree, white space aside.

    >>> remainder("one\\n\\ntw", "one\\r\\ntwo")
    ('o', True)
    """
    if output.startswith(text):
        return output[len(text) :], True
    solid = "".join(text.split())
    places = [place for place, character in enumerate(output) if not character.isspace()]
    if "".join([output[place] for place in places[: len(solid)]]) == solid:
        rest = output[places[len(solid) - 1] + 1 :] if solid else output
        ahead = len(text) - len(text.rstrip())
        return rest[min(ahead, len(rest) - len(rest.lstrip())) :], True
    if len(places) <= len(solid):
        return "", False
    for tail in (text[-length:] for length in _TAILS):
        if (found := output.find(tail, len(text) - len(tail))) >= 0:
            return output[found + len(tail) :], False
    return output[len(text) :], False


def as_streamed(output: Any) -> Any:
    """An output with the line breaks that the event stream would give it."""
    if isinstance(output, str):
        return _LINE_BREAK.sub("\n", output)
    if isinstance(output, list):
        return [as_streamed(piece) for piece in output]
    return output


def grows(output: Any) -> bool:
    """Whether an output is text, whose beginning stays as it is while the rest is written."""
    return isinstance(output, str) or (
        isinstance(output, list) and all(isinstance(piece, str) for piece in output)
    )


def _follows(last_id: str, id: str) -> bool:
    """Whether an id counts one further than another."""
    last, count = _COUNT.search(last_id), _COUNT.search(id)
    return last is not None and count is not None and int(count[0]) == int(last[0]) + 1
