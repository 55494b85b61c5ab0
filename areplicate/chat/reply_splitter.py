"""Splits a stream of text into answer and reasoning."""

from __future__ import annotations

from .responses import Delta
from .stops import begun_at_the_end

THOUGHTS = {
    "<think>": "</think>",
    "<thought>": "</thought>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
}
"""What opens a thought in the models' formats, and what closes it: Seed-OSS, EXAONE Deep, Magistral and Kimi-VL have
their own marks."""


class ReplySplitter:
    """Takes a model's text in pieces and gives what each adds to the message.

    However the text is cut, the pieces add up to the same. What may be the beginning of a tag is kept back
    until that is clear.

    Args:
        thinks: a `<think>` block at the beginning is reasoning.
        begun: the mark with which the prompt has opened the block, so that the text begins within it.
    """

    def __init__(self, *, thinks: bool, begun: str = "") -> None:
        self._held = ""
        self._close = THOUGHTS.get(begun, "")
        self._reasoned = False
        self._step = ReplySplitter._begin
        self.verbatim = not (thinks or begun)
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
        for mark, close in THOUGHTS.items():
            if start.startswith(mark):
                self._held, self._close = start[len(mark) :], close
                self._step = ReplySplitter._think
                return []
        if ended or not any(mark.startswith(start) for mark in THOUGHTS):
            self._step = ReplySplitter._think if self._close else ReplySplitter._answer
        return []

    def _think(self, ended: bool) -> list[Delta]:
        """Reasoning, without the white space around it."""
        text, closed, rest = self._held.partition(self._close)
        if not self._reasoned:
            text = text.lstrip()
        if closed:
            self._held, self._step = rest, ReplySplitter._skip_space
            certain = text.rstrip()
        else:
            certain = text if ended else text[: len(text) - begun_at_the_end(text, (self._close,))]
            certain = certain.rstrip()
            self._held = text[len(certain) :]
        self._reasoned = self._reasoned or bool(certain)
        return [Delta(reasoning_content=certain)] if certain else []

    def _skip_space(self, ended: bool) -> list[Delta]:
        self._held = self._held.lstrip()
        if self._held or ended:
            self._step = ReplySplitter._answer
        return []

    def _answer(self, ended: bool) -> list[Delta]:
        self.verbatim = True
        text, self._held = self._held, ""
        return _content(text)


def _content(text: str) -> list[Delta]:
    return [Delta(content=text)] if text else []
