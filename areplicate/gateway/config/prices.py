"""What Replicate's models cost, in US dollars.

The figures are in `prices.json`, with the day on which they were read and where. Official language models
are paid by the token, all others by the second of the hardware that they run on, which Replicate's API
does not show. What is not known has no price here, and is never guessed.
"""

from __future__ import annotations

import codecs
import datetime
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from ...chat.responses import Run
from ...replicate.endpoints import strip_prefix
from .settings import NotNegative

_MILLION = 1_000_000
_LONG_PROMPT = 200_000
"""Tokens of a prompt beyond which some models cost more."""
_BUILT_IN = Path(__file__).with_name("prices.json")
FILE = "areplicate-prices.json"
"""A newer list, beside the configuration."""

_NAMES = {
    "meta/llama-3-70b": "meta/meta-llama-3-70b",
    "meta/llama-3-70b-instruct": "meta/meta-llama-3-70b-instruct",
    "meta/llama-3-8b": "meta/meta-llama-3-8b",
    "meta/llama-3-8b-instruct": "meta/meta-llama-3-8b-instruct",
}
"""LiteLLM's names for models that have other ones at Replicate."""


class TokenPrice(msgspec.Struct, frozen=True, omit_defaults=True):
    """Dollars a million tokens of the prompt, and of the answer."""

    input: NotNegative
    output: NotNegative
    above_200k: TokenPrice | None = None
    """For a prompt of more than 200,000 tokens."""


class PriceList(msgspec.Struct, frozen=True):
    """What was read on a day: by model, and for hardware in dollars a second, by Replicate's names."""

    read: str
    sources: dict[str, str]
    models: dict[str, TokenPrice]
    hardware: dict[str, NotNegative]


class Price(msgspec.Struct, frozen=True):
    """Dollars a token of the prompt, a token of the answer, and a second of running."""

    input_token: float = 0.0
    output_token: float = 0.0
    second: float = 0.0
    long: Price | None = None
    """Of a prediction with a long prompt."""

    def of_run(self, run: Run) -> float:
        """What one prediction cost."""
        cost = (run.predict_s or 0.0) * self.second
        if run.usage is not None:
            cost += self.of_tokens(run.usage.prompt_tokens, run.usage.completion_tokens)
        return cost

    def of_tokens(self, prompt: int, completion: int) -> float:
        if self.long is not None and prompt > _LONG_PROMPT:
            return self.long.of_tokens(prompt, completion)
        return prompt * self.input_token + completion * self.output_token


@lru_cache
def built_in() -> PriceList:
    return msgspec.json.decode(_BUILT_IN.read_bytes(), type=PriceList)


def price_list(folder: Path) -> PriceList:
    """The list in that folder, if there is one; else the one that this version brings.

    Raises:
        ValueError: the file is not a price list, or cannot be read.
    """
    file = folder / FILE
    if not file.exists():
        return built_in()
    try:
        return msgspec.convert(_decoded(file.read_bytes()), PriceList)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{file} is not a price list ({error}): write it anew with areplicate prices update."
        ) from None


def published_price(model: str, prices: PriceList) -> Price | None:
    """The published price of a model string, by the token; versions cost what their model does."""
    found = prices.models.get(strip_prefix(model).partition(":")[0].lower())
    return None if found is None else _price(found)


def _price(found: TokenPrice) -> Price:
    long = _price(found.above_200k) if found.above_200k is not None else None
    return Price(found.input / _MILLION, found.output / _MILLION, long=long)


def read_price_list(body: bytes, source: str, today: datetime.date) -> PriceList:
    """A list as `areplicate prices update` takes it: LiteLLM's, or one of our own.

    Raises:
        ValueError: it is neither, or has no model of Replicate's in it.
    """
    try:
        given = _decoded(body)
    except ValueError as error:
        raise ValueError(f"{source} is not JSON: {error}.") from None
    with suppress(msgspec.ValidationError):
        return msgspec.convert(given, PriceList)
    entries = given.items() if isinstance(given, dict) else ()
    models = {
        _NAMES.get(name, name): price
        for key, entry in entries
        if key.startswith("replicate/") and (price := _of_litellm(entry)) is not None
        for name in (key.removeprefix("replicate/").lower(),)
    }
    if not models:
        raise ValueError(f"{source} has no price for the tokens of any of Replicate's models.")
    return PriceList(today.isoformat(), {"models": source}, dict(sorted(models.items())), built_in().hardware)


def _decoded(body: bytes) -> Any:
    """JSON, whichever editor has saved it; raises a `ValueError` if it is none."""
    try:
        return msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8))
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _of_litellm(entry: Any, suffix: str = "") -> TokenPrice | None:
    if not isinstance(entry, dict):
        return None
    input, output = (entry.get(f"{kind}_cost_per_token{suffix}") for kind in ("input", "output"))
    if not _is_price(input) or not _is_price(output):
        return None
    long = None if suffix else _of_litellm(entry, "_above_200k_tokens")
    return TokenPrice(_per_million(input), _per_million(output), long)


def _is_price(value: Any) -> bool:
    return isinstance(value, (int, float)) and value >= 0


def _per_million(price: Any) -> float:
    return float(f"{price * _MILLION:.6g}")
