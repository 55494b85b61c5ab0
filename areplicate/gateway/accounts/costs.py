"""What requests cost, and what one is expected to."""

from __future__ import annotations

from ..config.entries import ModelEntry
from ..http.errors import CLIENT_GONE
from ..http.exchange import Exchange
from .prices import Price

_FIRST_GUESS_TOKENS = (500, 500)
_FIRST_GUESS_SECONDS = 5.0
_WEIGHT = 0.2
"""Of the latest request in a model's running mean."""


class Costs:
    """Remembers what the models' requests cost lately, in dollars."""

    def __init__(self) -> None:
        self._means: dict[str, float] = {}

    def estimate(self, entry: ModelEntry) -> float:
        """What one answer is expected to cost."""
        mean = self._means.get(entry.name)
        return _first_guess(entry.price) if mean is None else mean

    def of(self, exchange: Exchange) -> float:
        """What a request cost.

        Where a prediction was begun and its end is not known, since the client left, the gateway
        stopped or time ran out, that is what was expected of it: Replicate bills what ran, and leaving
        early is no way around a budget.
        """
        entry = exchange.entry
        if entry is None or not exchange.calling:
            return 0.0
        # A fallback may have answered, or another model of the same name.
        entry = exchange.backend.by_model.get(exchange.upstream_model or "", entry)
        if exchange.runs:
            cost = sum(entry.price.of_run(run) for run in exchange.runs)
            mean = self._means.get(entry.name, cost)
            self._means[entry.name] = mean + _WEIGHT * (cost / len(exchange.runs) - mean)
            return cost
        broken_off = exchange.status == CLIENT_GONE or exchange.backend.closed
        if exchange.prediction_id is None and not broken_off:
            return 0.0  # refused before there was a prediction
        streamed = entry.price.of_tokens(0, exchange.pieces)
        return max(self.estimate(entry), streamed)


def _first_guess(price: Price) -> float:
    return price.of_tokens(*_FIRST_GUESS_TOKENS) + price.second * _FIRST_GUESS_SECONDS
