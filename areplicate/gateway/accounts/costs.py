"""What requests are expected to take, and what they took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ...chat.responses import Run
from ...chat.usage import estimate

if TYPE_CHECKING:
    from ..config.entries import ModelEntry
    from .prices import Price

_FIRST_GUESS_TOKENS = 500
_FIRST_GUESS_SECONDS = 5.0
_WEIGHT = 0.2
"""Of the latest prediction in a model's running mean."""
_MAX_TOKENS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens")


class Demand(msgspec.Struct, frozen=True):
    """What a request asks for.

    Attributes:
        predictions: of the model `entry`, as many as there are answers.
        copies: how many of them have the same prompt.
        body: the request's, which has all its prompts in it.
    """

    entry: ModelEntry
    predictions: int = 1
    copies: int = 1
    body: dict[str, Any] = {}


class _Usual(msgspec.Struct):
    """What a prediction of a model takes: running means, and the most of late."""

    tokens: float
    seconds: float
    most_tokens: float
    most_seconds: float

    def saw(self, tokens: float, seconds: float) -> None:
        self.tokens += _WEIGHT * (tokens - self.tokens)
        self.seconds += _WEIGHT * (seconds - self.seconds)
        self.most_tokens = max(tokens, self.most_tokens + _WEIGHT * (tokens - self.most_tokens))
        self.most_seconds = max(seconds, self.most_seconds + _WEIGHT * (seconds - self.most_seconds))


class Costs:
    """Remembers what the models' predictions took lately."""

    def __init__(self) -> None:
        self._usual: dict[str, _Usual] = {}

    def expected(self, demand: Demand, price: Price | None) -> tuple[int, float]:
        """Tokens and dollars that a request is expected to take; without a price, no dollars.

        One prediction takes what is usual. Several at once could pass a budget together, however small
        it is: each is taken to write as much as it may.
        """
        prompt = estimate(characters(demand.body)) * demand.copies
        written, seconds = self._answer(demand)
        tokens = prompt + round(written * demand.predictions)
        if price is None:
            return tokens, 0.0
        dollars = price.of_tokens(prompt, 0) + demand.predictions * (
            price.of_tokens(0, round(written)) + price.second * seconds
        )
        return tokens, dollars

    def _answer(self, demand: Demand) -> tuple[float, float]:
        """Tokens and seconds of one answer."""
        usual = self._usual.get(demand.entry.name)
        allowed = next((n for name in _MAX_TOKENS if isinstance(n := demand.body.get(name), int)), None)
        if demand.predictions > 1:
            most_tokens = usual.most_tokens if usual else 0.0
            most_seconds = usual.most_seconds if usual else 0.0
            tokens = allowed or max(_FIRST_GUESS_TOKENS, most_tokens)
            return tokens, max(_FIRST_GUESS_SECONDS, most_seconds)
        tokens = usual.tokens if usual else _FIRST_GUESS_TOKENS
        return min(tokens, allowed or tokens), usual.seconds if usual else _FIRST_GUESS_SECONDS

    def learn(self, entry: ModelEntry, run: Run) -> None:
        """A prediction of the entry's has ended."""
        tokens = run.usage.completion_tokens if run.usage is not None else 0
        seconds = run.predict_s or 0.0
        if (usual := self._usual.get(entry.name)) is None:
            self._usual[entry.name] = _Usual(tokens, seconds, tokens, seconds)
        else:
            usual.saw(tokens, seconds)


def characters(value: Any) -> int:
    """Characters of text in a body, wherever they stand; images are none."""
    if isinstance(value, str):
        return 0 if value.startswith("data:") else len(value)
    if isinstance(value, dict):
        return sum(map(characters, value.values()))
    return sum(map(characters, value)) if isinstance(value, list) else 0
