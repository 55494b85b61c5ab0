"""Ends a text at a stop sequence, for models that have no input for those."""

from __future__ import annotations

from collections.abc import Collection, Sequence


class StopCutter:
    """Takes a text in pieces and gives what comes before the first of some sequences, however the text is cut.

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
        at, self.found = min(
            ((text.find(sequence), sequence) for sequence in self._sequences if sequence in text),
            default=(len(text), None),
        )
        held = 0 if self.found is not None else begun_at_the_end(text, self._sequences)
        self._held = text[len(text) - held :]
        return text[: min(at, len(text) - held)]

    def end(self) -> str:
        """The rest, now that no text follows."""
        rest, self._held = self._held, ""
        return rest


def begun_at_the_end(text: str, sequences: Collection[str]) -> int:
    """How many characters at the end of a text may be the beginning of one of the sequences."""
    longest = max(map(len, sequences), default=0)
    for count in range(min(longest - 1, len(text)), 0, -1):
        if any(sequence.startswith(text[-count:]) for sequence in sequences):
            return count
    return 0
