"""Reads gpt-oss's channels: what it thinks, says and calls are messages of their own.

Source: "OpenAI harmony response format" in OpenAI's cookbook. Servers that leave special tokens out of an output keep
the channels' names as words: `analysisIs it?assistantfinalIt is.`
"""

from __future__ import annotations

import re

from .responses import Delta
from .stops import begun_at_the_end

OPENS = "<|start|>assistant"
"""What opens an answer: a prompt in gpt-oss's format ends with it."""

_TOKENS = ("<|start|>", "<|channel|>", "<|end|>", "<|return|>", "<|call|>")
_TOKEN = re.compile("|".join(map(re.escape, _TOKENS)))
_MARKED = re.compile(
    r"(?:<\|(?:end|return|call)\|>)?(?:<\|start\|>assistant)?(?: to=[\w.-]+)?"
    r"<\|channel\|>(?P<channel>\w+)[^<]*(?:<\|constrain\|>\w*)?<\|message\|>"
)
_UNMARKED = re.compile(
    r"assistant(?:(?P<channel>analysis|commentary|final)(?! to=)|(?:analysis|commentary) to=[\w.-]+[^{]*(?=\{))"
)
_UNMARKED_BEGUN = re.compile(r"assistant(?:analysis|commentary)(?: (?:t(?:o(?:=[^{]*)?)?)?)?\Z")
_WORDS = ("assistantanalysis", "assistantcommentary", "assistantfinal")
_FIRST_WORD = re.compile(r"(?:analysis|final)[^\W_a-z]|analysis[a-z\"'*#`]|(?:analysis|commentary) to=")
_FIRST = ("<|start|>", "<|channel|>", "analysis to=", "commentary to=", "final")
_CALLED = re.compile(r" to=([\w.-]+)")


class ChannelSplitter:
    """Takes a model's text in pieces and gives what each adds to the message, as `ReplySplitter` does.

    A call is given with its marks around it once it is complete, as text that `chat/tools` reads. Text without any
    channel is the answer.
    """

    def __init__(self) -> None:
        self.verbatim = False
        self._held = ""
        self._heads: re.Pattern[str] | None = None
        """What opens a channel: with tokens or without; None before the text has shown it."""
        self._thinks = False
        self._call = ""
        """The call that is being read, from its mark on."""

    def feed(self, text: str) -> list[Delta]:
        """What this piece of text makes certain."""
        self._held += text
        return self._read(ended=False)

    def end(self) -> list[Delta]:
        """What was kept back, now that no text follows."""
        return self._read(ended=True)

    def _read(self, ended: bool) -> list[Delta]:
        if self._heads is None and not self.verbatim and not self._begin(ended):
            return []
        if self._heads is None:
            text, self._held = self._held, ""
            return [Delta(content=text)] if text else []
        deltas: list[Delta] = []
        while (head := self._heads.search(self._held, 0, self._certain(ended))) is not None:
            deltas += self._said(self._held[: head.start()])
            deltas += self._closed()
            self._held = self._held[head.end() :]
            called = _CALLED.search(head[0])
            self._call = f"{OPENS} to={called[1]}<|channel|>commentary<|message|>" if called else ""
            self._thinks = head["channel"] == "analysis"
        text = self._held[: self._kept(ended)]
        self._held = self._held[len(text) :]
        deltas += self._said(text)
        return [*deltas, *self._closed(), *self._left()] if ended else deltas

    def _begin(self, ended: bool) -> bool:
        """Whether it is clear how the text is written; `_heads` then says how."""
        start = self._held.lstrip()
        if start.startswith(_TOKENS):
            self._heads, self._held = _MARKED, start
        elif _FIRST_WORD.match(start):
            self._heads, self._held = _UNMARKED, f"assistant{start}"
        elif ended or not any(mark.startswith(start) for mark in _FIRST):
            self.verbatim = True
        return self._heads is not None or self.verbatim

    def _certain(self, ended: bool) -> int:
        """How much of what is held may be searched for what opens a channel: a word may yet become a call."""
        begun = None if ended or self._heads is _MARKED else _UNMARKED_BEGUN.search(self._held)
        return len(self._held) if begun is None else begun.start()

    def _kept(self, ended: bool) -> int:
        """Where what is held may be something else than text of the present channel."""
        if self._heads is _UNMARKED:
            certain = self._certain(ended)
            return certain if ended else certain - begun_at_the_end(self._held[:certain], _WORDS)
        if (token := _TOKEN.search(self._held)) is not None:
            return token.start()
        return len(self._held) - (0 if ended else begun_at_the_end(self._held, _TOKENS))

    def _said(self, text: str) -> list[Delta]:
        if self._call:
            self._call += text
            return []
        if not text:
            return []
        return [Delta(reasoning_content=text) if self._thinks else Delta(content=text)]

    def _left(self) -> list[Delta]:
        """What was kept back for good: the answer's last token, or text behind a mark that opens nothing."""
        left = _TOKEN.sub("", self._held).removeprefix("assistant")
        self._held = ""
        return [Delta(content=left)] if " " in left.strip() else []

    def _closed(self) -> list[Delta]:
        """The call that was being read, complete."""
        call, self._call = self._call, ""
        return [Delta(content=f"{call}<|call|>")] if call else []
