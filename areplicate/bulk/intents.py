"""Which predictions of a row an earlier run has asked for, so that this run takes them over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from itertools import count
from typing import Any, NamedTuple

from .journal_file import MaybeCreated, Part


class _RowIntent(NamedTuple):
    asking: Callable[[int], Any]
    not_made: Callable[[int], Any]
    earlier: MaybeCreated | None


class RowIntents:
    """The intents of one row's predictions (`replicate.creation.Intents`).

    Each run may ask the models that may answer in another order. What is asked of one of them, or of one entry of a
    `model_list`, comes in the same order in each run: so the first of this run takes over the first of the last.

    Args:
        earlier: what an earlier run asked for.
        ask: notes that a part is about to be asked for, with its mark.
        forget: forgets a part's mark, with which nothing was made.
    """

    def __init__(
        self,
        earlier: Mapping[Part, MaybeCreated],
        ask: Callable[[Part, int], Any],
        forget: Callable[[Part, int], Any],
    ) -> None:
        self.entry: str | None = None
        self._earlier = dict(earlier)
        self._places: defaultdict[str, Iterator[int]] = defaultdict(count)
        self._ask = ask
        self._forget = forget

    def earlier(self) -> Collection[str]:
        return {part.target for part in self._earlier}

    def __call__(self, target: str, /) -> _RowIntent:
        target = self.entry or target
        part = Part(target, next(self._places[target]))
        return _RowIntent(
            partial(self._ask, part), partial(self._forget, part), self._earlier.pop(part, None)
        )
