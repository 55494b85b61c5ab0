"""Estimates the tokens and dollars that a request will take, from what each model's predictions took lately."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ...chat.params import TOKEN_LIMIT
from ...chat.responses import Run
from ...chat.usage import estimate
from ...options.values import is_number
from ...replicate.endpoints import Endpoint, ModelEndpoint
from ...schema_lookup.endpoint import endpoint_of
from ..config.entries import ModelEntry
from ..config.prices import Price

_WEIGHT = 0.2
"""The weight of the latest prediction in a model's running mean."""
_MOST_TOKENS = 10_000_000
"""The most tokens that an answer is expected to have, whatever its request allows."""
_MEDIA = frozenset(("url", "image_url", "file_data", "data", "image", "images", "image_input"))
"""Names under which a `data:` URI is an image or a file. Elsewhere it is a text like any other."""


class Demand(msgspec.Struct, frozen=True):
    """What a request asks for.

    Attributes:
        entries: one or more that may answer, under the same name or as fallbacks; the first is asked for.
        predictions: as many as there are answers.
        copies: how many of them have the same prompt.
        tries: how often each may be asked for, as an answer that does not fit is asked for once more.
        body: the request's, which has all its prompts in it.
        around: characters that its own prompt template adds to them.
        writes: whether the answers are texts; vectors have no tokens.
    """

    entries: Sequence[ModelEntry]
    predictions: int = 1
    copies: int = 1
    tries: int = 1
    body: dict[str, Any] = {}
    around: int = 0
    writes: bool = True

    def made(self, endpoint: Endpoint) -> Sequence[ModelEntry]:
        """The entries that may have made a prediction there; all of them if none is known to."""
        return [entry for entry in self.entries if _makes(entry, endpoint)] or self.entries


class _Usual(msgspec.Struct):
    """What a prediction of a model takes: running means, and the most that was seen lately."""

    tokens: float
    seconds: float
    most_tokens: float
    most_seconds: float

    def saw(self, tokens: float, seconds: float) -> None:
        self.tokens += _WEIGHT * (tokens - self.tokens)
        self.seconds += _WEIGHT * (seconds - self.seconds)
        self.most_tokens = max(tokens, self.most_tokens + _WEIGHT * (tokens - self.most_tokens))
        self.most_seconds = max(seconds, self.most_seconds + _WEIGHT * (seconds - self.most_seconds))


_FIRST_GUESS = _Usual(tokens=500, seconds=5.0, most_tokens=500, most_seconds=5.0)


class Costs:
    def __init__(self) -> None:
        self._usual: dict[str, _Usual] = {}

    def expected(self, demand: Demand, price_of: Callable[[ModelEntry], Price | None]) -> tuple[int, float]:
        """Tokens and dollars that a request is expected to take, whichever model answers: 0 dollars without a price.

        A single prediction is expected to take what is usual. Several at once could exceed any budget together, so
        each of them is expected to write as much as it may, as often as it may be asked for.
        """
        prompt = estimate(characters(demand.body) + demand.around) * demand.copies
        of_each = [self._expected_of(entry, demand, prompt, price_of(entry)) for entry in demand.entries]
        return max(tokens for tokens, _ in of_each), max(dollars for _, dollars in of_each)

    def _expected_of(
        self, entry: ModelEntry, demand: Demand, prompt: int, price: Price | None
    ) -> tuple[int, float]:
        written, seconds = self._answer(entry, demand)
        tokens = prompt + round(written * demand.predictions)
        if price is None:
            return tokens, 0.0
        dollars = price.of_tokens(prompt, 0) + demand.predictions * (
            price.of_tokens(0, round(written)) + price.second * seconds
        )
        return tokens, dollars * (demand.tries if demand.predictions > 1 else 1)

    def _answer(self, entry: ModelEntry, demand: Demand) -> tuple[float, float]:
        """Tokens and seconds of one answer."""
        usual, several = self._usual.get(entry.name, _FIRST_GUESS), demand.predictions > 1
        tokens = max(_FIRST_GUESS.tokens, usual.most_tokens) if several else usual.tokens
        seconds = max(_FIRST_GUESS.seconds, usual.most_seconds) if several else usual.seconds
        if not demand.writes:
            return 0, seconds
        allowed = allowed_tokens(demand.body)
        if allowed is None:
            return tokens, seconds
        return allowed if several else min(tokens, allowed), seconds

    def learn(self, entry: ModelEntry, run: Run, *, whole: bool = True) -> None:
        """A prediction of the entry's has ended.

        Args:
            whole: whether it has answered. One that was cut or has failed shows only that a prediction may take so
                much: who leaves early must not make those that do not look cheap.
        """
        tokens: float = run.usage.completion_tokens if run.usage is not None else 0
        seconds = run.predict_s or 0.0
        usual = self._usual.get(entry.name)
        if not whole:
            least = usual or _FIRST_GUESS
            tokens, seconds = max(tokens, least.tokens), max(seconds, least.seconds)
        if usual is None:
            self._usual[entry.name] = _Usual(tokens, seconds, tokens, seconds)
        else:
            usual.saw(tokens, seconds)


def _makes(entry: ModelEntry, endpoint: Endpoint) -> bool:
    """Whether the entry's predictions are made there: a model's also as those of its latest version."""
    own = endpoint_of(entry.model)
    return own == endpoint or (isinstance(own, ModelEndpoint) and own.model == endpoint.model)


def allowed_tokens(body: dict[str, Any]) -> int | None:
    """The most tokens that a request allows an answer, by whichever name; None if it sets no limit.

    A model may read any of several names. A number below 1 sets no limit: it is not sent to models.
    """
    named: list[Any] = [body.get(name) for name in TOKEN_LIMIT]
    given = [number for number in named if is_number(number) and number >= 1]
    return int(min(max(given), _MOST_TOKENS)) if given else None


def characters(value: Any, name: str = "") -> int:
    """Characters of text in a body, wherever they stand, without images: as many as English of so many tokens has.

    A token is about four bytes of UTF-8 in any script; a Chinese character has three.

    Args:
        name: under which the value stands.
    """
    if isinstance(value, str):
        if name in _MEDIA and value.startswith("data:"):
            return 0
        return len(value) if value.isascii() else len(value.encode())
    if isinstance(value, dict):
        return sum(characters(item, name) for name, item in value.items())
    return sum(characters(item, name) for item in value) if isinstance(value, list) else 0
