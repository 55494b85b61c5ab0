"""Prices from elsewhere, as `areplicate prices update` takes them: LiteLLM's list, or one of our own."""

from __future__ import annotations

import datetime
from contextlib import suppress
from typing import Any

import msgspec

from ..gateway.config.prices import MILLION, PriceList, TokenPrice, built_in, decoded

_NAMES = {
    "meta/llama-3-70b": "meta/meta-llama-3-70b",
    "meta/llama-3-70b-instruct": "meta/meta-llama-3-70b-instruct",
    "meta/llama-3-8b": "meta/meta-llama-3-8b",
    "meta/llama-3-8b-instruct": "meta/meta-llama-3-8b-instruct",
}
"""LiteLLM's names for models that have other ones at Replicate."""


def read_price_list(body: bytes, source: str, today: datetime.date) -> PriceList:
    """A list as `areplicate prices update` takes it: LiteLLM's, or one of our own.

    Raises:
        ValueError: it is neither, or has no model of Replicate's in it.
    """
    try:
        given = decoded(body)
    except ValueError as error:
        raise ValueError(f"{source} is not JSON: {error}.") from None
    with suppress(msgspec.ValidationError):
        return msgspec.convert(given, PriceList)
    entries = given.items() if isinstance(given, dict) else ()
    models = {
        _name(key): price
        for key, entry in entries
        if key.startswith("replicate/") and (price := _of_litellm(entry)) is not None
    }
    if not models:
        raise ValueError(f"{source} has no price for the tokens of any of Replicate's models.")
    return PriceList(today.isoformat(), {"models": source}, dict(sorted(models.items())), built_in().hardware)


def _name(key: str) -> str:
    """A model's name at Replicate, by LiteLLM's for it."""
    name = key.removeprefix("replicate/").lower()
    return _NAMES.get(name, name)


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
    return float(f"{price * MILLION:.6g}")
