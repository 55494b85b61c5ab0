"""Finds the JSON in an answer as it comes, within fences and other text, and repairs it if only one value can
be meant.

What is given out early can never be taken back. So the text so far is read by a parser for JSON that is
cut off. Of the value's JSON, everything but the brackets and quotes at its end is certain, as long as the
value can still come to fit the schema. What is not certain waits for the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from math import inf
from typing import Any

import msgspec

from .response_format import ResponseFormat
from .validation import of_the_extra, validator_for

_FENCE = re.compile(r"```(?:json)?\s*\n")
_FENCE_END = re.compile(r"\n[^\S\n]*```")
_BRACKETS = re.compile(r'"(?:\\.|[^"\\\n])*"|[{}\[\]]')
"""Brackets, and the strings in which they mean nothing."""
_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4})+|\\.", re.DOTALL)
_BETWEEN = re.compile(r"[\s,:]*")
_COLON = re.compile(r"\s*:")
_LITERAL = re.compile(r"[^\s,:{}\[\]\"']+")
_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d"}
_MAY_END = {quote: re.compile(rf"{quote}\s*[,:\]}}]") for quote in _QUOTES.values()}
_ESCAPED_QUOTE = "\ue000"
"""Stands for one while a text is compared: such a quote ends no text."""
AS_JSON = {"None": "null", "True": "true", "False": "false"}
"""Python's names, as JSON has them."""
_GROWING = "0123456789+-.eE"
"""What a number may go on with: one at the end of the text is not complete yet."""
_MAY_BE_INFINITE = re.compile(r"[eE]\+?\d{3}|\d{300}")
"""Part of a number that may be too large for JSON's readers. It waits for the end."""
_CLOSERS = '"]}\\'
_LOOKAHEAD = 12
"""Characters at the end in which an escape may be cut off."""
_SHORT = 1000
"""Characters of a text that is read anew at each piece."""
_PARTS = 32
"""A longer one is read anew whenever it has grown by such a part: at each piece, a long answer would take minutes."""
_MOST_STARTS = 50
"""Brackets at which an answer is looked into before it counts as talk."""


class JsonReader:
    """Takes an answer's text in pieces, and gives the pieces of one JSON value that fits.

    What it gives adds up to compact JSON, whatever white space the model wrote.

    Args:
        format: what the value must fit.
        given: what an earlier answer has given out already: this one goes on from there.
        streamed: whether anything is given before the end, when it cannot be taken back.
    """

    def __init__(self, format: ResponseFormat, given: str, *, streamed: bool) -> None:
        self._format = format
        self._opens = format.opens
        self._validator = validator_for(format.schema)
        self._text = ""
        self._streamed = streamed
        self._read_at = 0.0
        """How long the text is when it is read next: never before its end, once what is meant needs a repair."""
        self._from = 0
        self._parse = of_the_extra("jiter").from_json
        self.given = given
        self.faults: list[str] = []

    def feed(self, text: str) -> str:
        """The JSON that this piece of text makes certain."""
        self._text += text
        length = len(self._text)
        if not self._streamed or length < self._read_at:
            return ""
        self._read_at = length + max(0, length - _SHORT) // _PARTS
        return self._as_far_as_certain()

    def _as_far_as_certain(self) -> str:
        while (start := _next_start(self._text, self._from, self._opens)) >= 0:
            written = self._text[start:].rstrip(_GROWING)
            if (certain := self._certain(written)) is not None:
                return self._give(certain)
            if self._certain(written[:-_LOOKAHEAD]) is not None or len(written) <= _LOOKAHEAD:
                return ""
            # This bracket opens no JSON: what follows after its end may be, unless this can be repaired.
            self._from = start
            if not (end := _end_of_brackets(self._text, start)):
                return ""
            if self._fits_once_repaired(self._text[start:end]):
                self._read_at = inf
                return ""
            self._from = end
        return ""

    def end(self, cut_off: bool = False) -> str:
        """The rest, now that no text follows, or is `cut_off`; `faults` says why there is no whole value."""
        value = self._value()
        if self.faults:
            return self._as_far_as_certain() if cut_off else ""
        whole = msgspec.json.encode(value).decode()
        if not whole.startswith(self.given):
            self.faults = [f"It must begin with exactly {self.given}"]
            return ""
        return self._give(whole)

    def _give(self, certain: str) -> str:
        if len(certain) <= len(self.given) or not certain.startswith(self.given):
            return ""
        piece, self.given = certain[len(self.given) :], certain
        return piece

    def _certain(self, written: str) -> str | None:
        """The JSON of what is written so far, without its end; None if it is not JSON."""
        if _MAY_BE_INFINITE.search(written):
            return ""
        for mode in ("trailing-strings", "on"):
            try:
                value = self._parse(written.encode(), partial_mode=mode, allow_inf_nan=False)
            except ValueError:
                return None
            if self._validator.may_yet_fit(value):
                return msgspec.json.encode(value).decode().rstrip(_CLOSERS)
        return ""

    def _fits_once_repaired(self, written: str) -> bool:
        value = repair(written)
        return value is not None and not self._format.faults(value)

    def _value(self) -> Any:
        """The value in the answer that fits; else `faults` says what is wrong with the likeliest."""
        faults: list[str] = []
        for value in values_in(self._text, self._opens):
            found = self._format.faults(value)
            if not found:
                return value
            faults = faults or found
        self.faults = faults or ["It is not valid JSON."]
        return None


def values_in(text: str, opens: str) -> Iterator[Any]:
    """The JSON values in an answer: the whole of it, those in fences, those between brackets.

    Brackets that are not JSON, or that never close, belong to something else, with all that stands in them.
    """
    for candidate in (text.strip(), *_fenced(text)):
        try:
            yield msgspec.json.decode(candidate.encode())
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            continue
    decode = json.JSONDecoder().raw_decode
    at = 0
    for _ in range(_MOST_STARTS):
        start = _next_start(text, at, opens)
        if start < 0:
            return
        try:
            value, end = decode(text, start)
            yield pure(value)
            at = end
        except (ValueError, RecursionError):
            at = _end_of_brackets(text, start)
            if not at:
                return
            if (repaired := repair(text[start:at])) is not None:
                yield repaired


def _fenced(text: str) -> Iterator[str]:
    """What stands in fences. One that never closes ends the search: answers may have thousands of them."""
    at = 0
    while (fence := _FENCE.search(text, at)) and (end := _FENCE_END.search(text, fence.end() - 1)):
        yield text[fence.end() : end.start()]
        at = end.end()


def _next_start(text: str, at: int, opens: str) -> int:
    return min([found for bracket in opens if (found := text.find(bracket, at)) >= 0], default=-1)


def _end_of_brackets(text: str, start: int) -> int:
    """Where the bracket at `start` is closed; 0 if it is not."""
    depth = 0
    for token in _BRACKETS.finditer(text, start):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        if depth == 0 and token[0] in "}]":
            return token.end()
    return 0


def pure(value: Any) -> Any:
    """The value, if JSON can hold it: no infinite number, no half of a surrogate pair.

    Raises:
        ValueError: JSON cannot hold it.
    """
    try:
        return msgspec.json.decode(json.dumps(value, allow_nan=False))
    except (TypeError, msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def repair(text: str) -> Any:
    """Broken JSON as the only value that it can mean; None if that is not certain.

    A repair is certain if it changes punctuation alone: every text, number and bracket of the value stands in what
    the model wrote, in the same order, and nothing else does.
    """
    if not text.startswith(("{", "[")):
        return None
    try:
        # Without `stream_stable` it takes white space from the ends of texts.
        value = pure(of_the_extra("json_repair").loads(text, skip_json_loads=True, stream_stable=True))
        return value if value and _is_written(value, text) else None
    except (ValueError, RecursionError):
        return None


def _is_written(value: Any, text: str) -> bool:
    """Whether a text is the value's JSON, but for its punctuation."""
    text = _ESCAPES.sub(_meant_by_escape, text)
    at = 0
    for token, kind in _tokens(value):
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
        match kind:
            case "bracket":
                end = at + 1 if text.startswith(token, at) else 0
            case "literal":
                end = _end_of_literal(token, text, at)
            case _:
                end = _end_of_text(token, text, at) or (kind == "key" and _end_of_bare_key(token, text, at))
        if not end:
            return False
        at = end
    return not text[at:].strip()


def _tokens(value: Any) -> Iterator[tuple[Any, str]]:
    """What a value's JSON is made of, each with its kind: bracket, key, text or literal."""
    if isinstance(value, dict):
        yield "{", "bracket"
        for key, member in value.items():
            yield key, "key"
            yield from _tokens(member)
        yield "}", "bracket"
    elif isinstance(value, list):
        yield "[", "bracket"
        for item in value:
            yield from _tokens(item)
        yield "]", "bracket"
    else:
        yield value, "text" if isinstance(value, str) else "literal"


def _end_of_text(token: str, text: str, at: int) -> int:
    """Where the token ends if it stands there in quotes; else 0, as where one of its own quotes may end it."""
    closing = _QUOTES.get(text[at : at + 1])
    end = at + 1 + len(token)
    written = text[at + 1 : end]
    if closing is None or text[end : end + 1] != closing or written.replace(_ESCAPED_QUOTE, '"') != token:
        return 0
    return 0 if _MAY_END[closing].search(written) else end + 1


def _end_of_bare_key(token: str, text: str, at: int) -> int:
    end = at + len(token)
    return end if token and text.startswith(token, at) and _COLON.match(text, end) else 0


def _end_of_literal(token: Any, text: str, at: int) -> int:
    written = _LITERAL.match(text, at)
    if written is None:
        return 0
    try:
        same = json.dumps(json.loads(AS_JSON.get(written[0], written[0]))) == json.dumps(token)
    except ValueError:
        return 0
    return written.end() if same else 0


def _meant_by_escape(escape: re.Match[str]) -> str:
    """A backslash before anything that JSON does not escape is one: `\\d`, `C:\\Users`."""
    written = escape[0]
    if written == "\\'":
        return "'"
    if written == '\\"':
        return _ESCAPED_QUOTE
    try:
        return str(json.loads(f'"{written}"'))
    except ValueError:
        return written
