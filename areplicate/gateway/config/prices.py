"""What Replicate's models cost, in US dollars.

The figures are in `prices.json`, with the day on which they were read and where. Official language models
are paid by the token, all others by the second of the hardware that they run on, which Replicate's API
does not show. What is not known has no price here, and is never guessed.
"""

from __future__ import annotations

import codecs
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from ...chat.responses import Run
from ...replicate.endpoints import strip_prefix
from .settings import NotNegative

MILLION = 1_000_000
_LONG_PROMPT = 200_000
"""Tokens of a prompt beyond which some models cost more."""
_BUILT_IN = Path(__file__).with_name("prices.json")
FILE = "areplicate-prices.json"
"""A newer list, beside the configuration."""


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
        return msgspec.convert(decoded(file.read_bytes()), PriceList)
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
    return Price(found.input / MILLION, found.output / MILLION, long=long)


def decoded(body: bytes) -> Any:
    """JSON, whichever editor has saved it; raises a `ValueError` if it is none."""
    try:
        return msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
