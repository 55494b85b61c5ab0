"""Ends a text at a stop sequence, whether its model has an input for those or not."""

from __future__ import annotations

from collections.abc import Collection, Sequence


class StopCutter:
    """Takes a text in pieces and gives what comes before the first of some sequences, however the text is cut.

    The first is the one that is complete first, as for a model that stops while it writes; of those that end at the
    same character, it is the longest.

    Args:
        sequences: what ends the text. None of them is given out.

    Attributes:
        found: the one that has ended it.
    """

    def __init__(self, sequences: Sequence[str]) -> None:
        self.found: str | None = None
        self._sequences = [sequence for sequence in sequences if sequence]
        self._held = ""
        """The end of the text so far, if it may be the beginning of a sequence."""

    def feed(self, piece: str) -> str:
        """The text that comes before any sequence for certain, now that this piece is known."""
        if self.found is not None:
            return ""
        text = self._held + piece
        found = [(at + len(each), at, each) for each in self._sequences if (at := text.find(each)) >= 0]
        if found:
            _, at, self.found = min(found)
            self._held = ""
            return text[:at]
        certain = len(text) - begun_at_the_end(text, self._sequences)
        self._held = text[certain:]
        return text[:certain]

    def end(self) -> str:
        """The rest, now that no text follows."""
        rest, self._held = self._held, ""
        return rest


def before_stop(text: str, sequences: Sequence[str]) -> str:
    """What comes before the first of the sequences."""
    cutter = StopCutter(sequences)
    return cutter.feed(text) + cutter.end()


def begun_at_the_end(text: str, sequences: Collection[str]) -> int:
    """How many characters at the end of a text may be the beginning of one of the sequences."""
    return max((_begun(text, sequence) for sequence in sequences), default=0)


def _begun(text: str, sequence: str) -> int:
    """How many characters at the end of a text may be the beginning of this sequence.

    Only from its first character on, more is compared: few texts end with it.
    """
    start = text.find(sequence[:1], max(0, len(text) - len(sequence) + 1))
    while start >= 0:
        if sequence.startswith(text[start:]):
            return len(text) - start
        start = text.find(sequence[:1], start + 1)
    return 0
