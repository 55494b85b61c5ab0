"""Price lists as `areplicate prices update` takes them."""

from __future__ import annotations

import codecs
import datetime
import json
from typing import Any

import pytest

from areplicate.cli.price_sources import read_price_list
from areplicate.gateway.config.prices import PriceList, TokenPrice, built_in
from tests.gateway.test_costs import DEEP, LESS_THAN_NOTHING

TODAY = datetime.date(2026, 11, 25)


def litellm(**entries: Any) -> bytes:
    return json.dumps({name.replace("__", "/"): entry for name, entry in entries.items()}).encode()


PER_TOKEN = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2.5e-6}


@pytest.mark.parametrize(
    ("entry", "price"),
    [
        (PER_TOKEN, TokenPrice(1.0, 2.5)),
        ({"input_cost_per_token": 0, "output_cost_per_token": 0}, TokenPrice(0.0, 0.0)),
        (
            {
                **PER_TOKEN,
                "input_cost_per_token_above_200k_tokens": 3e-6,
                "output_cost_per_token_above_200k_tokens": 4e-6,
            },
            TokenPrice(1.0, 2.5, TokenPrice(3.0, 4.0)),
        ),
        ({**PER_TOKEN, "input_cost_per_token_above_200k_tokens": 3e-6}, TokenPrice(1.0, 2.5)),
        ({"input_cost_per_token": 1.23456789e-7, "output_cost_per_token": 1e-6}, TokenPrice(0.123457, 1.0)),
        ({"input_cost_per_token": 1e-6}, None),
        ({"output_cost_per_token": 1e-6}, None),
        ({"input_cost_per_token": -1, "output_cost_per_token": 1e-6}, None),
        ({"input_cost_per_token": "free", "output_cost_per_token": 1e-6}, None),
        ({"input_cost_per_second": 1e-6}, None),
        ("text", None),
    ],
)
def test_prices_are_taken_from_litellms_list(entry: Any, price: TokenPrice | None) -> None:
    body = litellm(replicate__acme__Chat=entry, replicate__acme__b=PER_TOKEN, openai__gpt=PER_TOKEN)
    read = read_price_list(body, "there", TODAY)
    assert read.models.get("acme/chat") == price
    assert list(read.models) == (["acme/b", "acme/chat"] if price else ["acme/b"])
    assert (read.read, read.sources, read.hardware) == (
        "2026-11-25",
        {"models": "there"},
        built_in().hardware,
    )


def test_models_that_litellm_calls_otherwise_get_replicates_names() -> None:
    body = json.dumps({"replicate/meta/llama-3-8b-instruct": PER_TOKEN}).encode()
    assert list(read_price_list(body, "there", TODAY).models) == ["meta/meta-llama-3-8b-instruct"]


def test_a_list_of_our_own_is_taken_as_it_is() -> None:
    body = (
        b'{"read": "2026-01-01", "sources": {}, "models": {"a/b": {"input": 1, "output": 2}}, "hardware": {}}'
    )
    expected = PriceList("2026-01-01", {}, {"a/b": TokenPrice(1, 2)}, {})
    assert read_price_list(body, "there", TODAY) == expected
    assert read_price_list(codecs.BOM_UTF8 + body, "there", TODAY) == expected


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>", r"^there is not JSON: .+\.$"),
        (b"[]", "^there has no price for the tokens of any of Replicate's models.$"),
        (b"{}", "^there has no price for"),
        (litellm(openai__gpt=PER_TOKEN), "^there has no price for"),
        (LESS_THAN_NOTHING, "^there has no price for"),
        (DEEP, "^there is not JSON: it is nested too deep.$"),
    ],
)
def test_what_is_no_price_list_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_price_list(body, "there", TODAY)
