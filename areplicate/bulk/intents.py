"""Which predictions of a row an earlier run has asked for, so that this run takes them over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from itertools import count
from typing import Any, NamedTuple

from .journal_file import MaybeCreated


class _RowIntent(NamedTuple):
    asking: Callable[[int], Any]
    not_made: Callable[[int], Any]
    earlier: tuple[int, float] | None


class RowIntents:
    """The intents of one row's predictions (`replicate.creation.Intents`).

    Each run may ask the models that may answer in another order. So what an earlier run has asked for is taken over by
    the first prediction that is asked of the same model, or of the same entry of a `model_list`.

    Args:
        earlier: an earlier run's predictions, by their part.
        ask: notes that a part is about to be asked for: the part, its mark and its `target`.
        forget: forgets a part's mark, with which nothing was made.
    """

    def __init__(
        self, earlier: Mapping[int, MaybeCreated], ask: Callable[..., Any], forget: Callable[[int, int], Any]
    ) -> None:
        self.entry: str | None = None
        self._earlier = dict(sorted(earlier.items()))
        self._new_parts = count(max(earlier, default=-1) + 1)
        self._ask = ask
        self._forget = forget

    def earlier(self) -> Collection[str]:
        return {made.target for made in self._earlier.values()}

    def __call__(self, target: str, /) -> _RowIntent:
        target = self.entry or target
        for part, made in self._earlier.items():
            if made.target == target:
                del self._earlier[part]
                return self._intent(part, target, (made.mark, made.at))
        return self._intent(next(self._new_parts), target, None)

    def _intent(self, part: int, target: str, earlier: tuple[int, float] | None) -> _RowIntent:
        ask, forget = partial(self._ask, part, target=target), partial(self._forget, part)
        return _RowIntent(ask, forget, earlier)
