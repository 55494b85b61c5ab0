"""What requests are expected to cost, what they cost, and where the prices come from."""

from __future__ import annotations

import asyncio
import codecs
import datetime
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from areplicate.chat.responses import Run, Usage
from areplicate.gateway.accounts.bill import Bill
from areplicate.gateway.accounts.costs import Costs, Demand, characters
from areplicate.gateway.accounts.record import Record
from areplicate.gateway.config.entries import ModelEntry
from areplicate.gateway.config.prices import (
    FILE,
    Price,
    PriceList,
    TokenPrice,
    built_in,
    price_list,
    published_price,
)
from areplicate.replicate.endpoints import DeploymentEndpoint, ModelEndpoint, VersionEndpoint
from areplicate.replicate.protocol.predictions import Prediction, PredictionMetrics

TODAY = datetime.date(2026, 11, 25)
LONG = Price(input_token=10.0, output_token=20.0)
PRICE = Price(input_token=2.0, output_token=3.0, second=100.0, long=LONG)
ENTRY = ModelEntry("chat", {"model": "replicate/acme/chat"}, PRICE)
OTHER = ModelEntry("other", {"model": "acme/other:" + "0" * 64}, None)


def run(seconds: float | None, prompt: int = 0, completion: int = 0) -> Run:
    usage = Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)
    return Run(prediction_id="p", predict_s=seconds, usage=usage)


def expected(costs: Costs, *entries: ModelEntry, **demand: Any) -> tuple[int, float]:
    return costs.expected(Demand(entries or [ENTRY], **demand), lambda entry: entry.price)


@pytest.mark.parametrize(
    ("of", "cost"),
    [
        (run(1.5, 10, 100), 150 + 20 + 300),
        (run(None, 10, 100), 20 + 300),
        (run(0.5), 50),
        (Run(prediction_id="p", predict_s=2.0), 200),
        (run(0, 200_000, 1), 400_003),
        (run(0, 200_001, 1), 2_000_010 + 20),
        (run(1, 200_001, 1), 100 + 2_000_010 + 20),
    ],
)
def test_a_run_costs_its_seconds_and_its_tokens_by_the_length_of_its_prompt(of: Run, cost: float) -> None:
    assert PRICE.of_run(of) == cost


def test_what_has_no_price_by_the_token_costs_its_seconds_alone() -> None:
    assert Price(second=2.0).of_run(run(3.0, 10, 10)) == 6.0
    assert Price().of_run(run(3.0, 10, 10)) == 0.0


@pytest.mark.parametrize(
    ("demand", "tokens", "dollars"),
    [
        # At first 500 tokens and 5 seconds are taken to be usual; four characters are a token.
        ({}, 500, 500 * 3 + 500),
        ({"body": {"prompt": "a" * 400}}, 600, 200 + 1500 + 500),
        ({"body": {"prompt": "a" * 300}, "around": 100}, 600, 200 + 1500 + 500),
        ({"body": {"max_tokens": 100}}, 100, 300 + 500),
        ({"body": {"max_tokens": 1}}, 1, 3 + 500),
        ({"body": {"max_tokens": 9000}}, 500, 1500 + 500),
        ({"predictions": 3}, 1500, 3 * (1500 + 500)),
        ({"predictions": 3, "body": {"max_tokens": 9000}}, 27_000, 3 * (27_000 + 500)),
        ({"predictions": 3, "copies": 3, "body": {"prompt": "a" * 400}}, 1800, 600 + 3 * (1500 + 500)),
        ({"tries": 2}, 500, 500 * 3 + 500),
        ({"predictions": 3, "tries": 2}, 1500, 2 * 3 * (1500 + 500)),
        ({"writes": False, "body": {"input": "a" * 400}}, 100, 200 + 500),
        ({"writes": False, "predictions": 2}, 0, 1000),
    ],
)
def test_what_a_request_is_expected_to_take(demand: dict[str, Any], tokens: int, dollars: float) -> None:
    assert expected(Costs(), **demand) == (tokens, dollars)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "max_new_tokens", "max_length"])
def test_a_request_is_expected_to_write_what_it_allows(name: str) -> None:
    def tokens(**body: Any) -> int:
        return expected(Costs(), predictions=2, copies=2, body=body)[0]

    assert tokens(**{name: 900}) == tokens(**{name: 900.0}) == 1800
    assert tokens(**{name: 900, "max_gen_len": 1}) == 1800, "the model may heed either"
    without: tuple[Any, ...] = (-1, -(10**9), 0, True, [])
    for no_limit in without:
        assert tokens(**{name: no_limit}) == tokens(), "others' reservations stay what they are"
    assert tokens(**{name: 10**400}) < 2**62


def test_what_has_no_price_is_expected_to_take_tokens_and_no_dollars() -> None:
    assert expected(Costs(), OTHER) == (500, 0.0)


def test_the_dearest_of_those_that_may_answer_is_expected() -> None:
    costs = Costs()
    costs.learn(OTHER, run(0, 0, 2000))
    assert expected(costs, ENTRY, OTHER) == (2000, 2000.0)
    assert expected(costs, OTHER, ENTRY) == (2000, 2000.0)


def test_a_models_usual_answer_is_learnt() -> None:
    costs = Costs()
    costs.learn(ENTRY, run(1.0, 50, 100))
    assert expected(costs) == (100, 300 + 100)
    costs.learn(ENTRY, run(11.0, 50, 1100))  # a fifth of the way
    assert expected(costs) == (300, 900 + 300)
    costs.learn(ENTRY, Run(prediction_id="p"))
    assert expected(costs) == (240, 720 + 240)
    assert expected(costs, OTHER) == (500, 0.0), "each model has its own"


def test_what_was_cut_makes_no_answer_look_cheap() -> None:
    costs = Costs()
    first_guess = expected(costs)
    costs.learn(ENTRY, run(0.1, 50, 1), whole=False)
    assert expected(costs) == first_guess
    costs.learn(ENTRY, run(5.0, 50, 1500), whole=False)
    assert expected(costs) > first_guess


def test_of_several_at_once_each_is_expected_to_write_the_most_of_late() -> None:
    costs = Costs()
    costs.learn(ENTRY, run(1.0, 0, 100))
    assert expected(costs, predictions=2) == (1000, 2 * (1500 + 500)), "a first guess at least"
    costs.learn(ENTRY, run(101.0, 0, 10_100))
    assert expected(costs, predictions=2) == (20_200, 2 * (30_300 + 10_100))
    costs.learn(ENTRY, run(1.0, 0, 100))  # which is forgotten a fifth at a time
    assert expected(costs, predictions=2) == (16_200, 2 * (24_300 + 8_100))


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("text", 4),
        ("\u4f60\u597d", 6),  # about a token and a half, not half of one
        (None, 0),
        (12345, 0),
        (["a", "bc", ["def"]], 6),
        ({"role": "user", "content": [{"type": "text", "text": "abc"}]}, 4 + 4 + 3),
        ({"image": "data:image/png;base64,AAAA"}, 0),
        ({"images": ["data:image/png;base64,AAAA", "http://a.b/c.png"]}, 16),
        ({"image_url": {"url": "data:image/png;base64,AAAA"}}, 0),
        ({"text": "data:image/png;base64,AAAA"}, 26),
        ("data:image/png;base64,AAAA", 26),
        ({"image": {"text": "data:x"}}, 6),
    ],
)
def test_characters_of_a_body(body: Any, count: int) -> None:
    assert characters(body) == count


@pytest.mark.parametrize(
    ("endpoint", "names"),
    [
        (ModelEndpoint("acme", "chat"), ["chat"]),
        (VersionEndpoint("1" * 64, "acme/chat"), ["chat"]),  # a community model's latest
        (VersionEndpoint("0" * 64, "acme/other"), ["other"]),
        (VersionEndpoint("1" * 64, "acme/other"), ["chat", "other"]),
        (DeploymentEndpoint("acme", "chat"), ["chat", "other"]),
    ],
)
def test_who_may_have_made_a_prediction(endpoint: Any, names: list[str]) -> None:
    assert [entry.name for entry in Demand([ENTRY, OTHER]).made(endpoint)] == names


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("ends_after", "cost"),
    [(3, 100 * 40.0), (60, 100 * 40.0), (1000, 100 * 5.0)],
    ids=["in seconds", "later", "nobody knows when"],
)
async def test_what_cannot_be_cancelled_is_paid(ends_after: float, cost: float) -> None:
    """It is looked at until its end, for two minutes; else what is expected of it counts."""
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async def prediction(entry: ModelEntry, id: str) -> Prediction:
        if loop.time() < begun + ends_after:
            return Prediction(id=id, status="processing")
        return Prediction(id=id, status="canceled", metrics=PredictionMetrics(predict_time=40.0))

    left: Any = SimpleNamespace(
        prediction=Prediction(id="p", status="processing"),
        may_exist=True,
        endpoint=ModelEndpoint("acme", "chat"),
        input={},
    )
    a_second = Price(second=100.0)
    backend: Any = SimpleNamespace(prediction=prediction, price_of=lambda entry: a_second)
    bill = Bill(backend, Costs(), Record(calling=True), Demand([ENTRY]), [left])
    await bill.look_later([left])
    assert bill.cost_with([left]) == cost
    assert loop.time() - begun < 130


LISTED = PriceList(
    "2026-01-01",
    {"models": "somewhere"},
    {"acme/chat": TokenPrice(1.0, 2.0), "acme/long": TokenPrice(1.0, 2.0, TokenPrice(3.0, 4.0))},
    {"gpu-t4": 0.000225},
)


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("acme/chat", Price(1e-6, 2e-6)),
        ("replicate/acme/chat", Price(1e-6, 2e-6)),
        ("Acme/Chat", Price(1e-6, 2e-6)),
        ("acme/chat:" + "0" * 64, Price(1e-6, 2e-6)),
        ("acme/long", Price(1e-6, 2e-6, long=Price(3e-6, 4e-6))),
        ("acme/unknown", None),
    ],
)
def test_published_prices_are_by_the_million_tokens(model: str, price: Price | None) -> None:
    assert published_price(model, LISTED) == price


def test_a_list_beside_the_configuration_counts_more_than_the_built_in_one(tmp_path: Path) -> None:
    assert price_list(tmp_path) is built_in()
    file = tmp_path / FILE
    file.write_text(json.dumps({"read": "2026-01-01", "sources": {}, "models": {}, "hardware": {}}))
    assert price_list(tmp_path) == PriceList("2026-01-01", {}, {}, {})
    file.write_bytes(codecs.BOM_UTF8 + file.read_bytes())  # as Windows's editors save it
    assert price_list(tmp_path) == PriceList("2026-01-01", {}, {}, {})


LESS_THAN_NOTHING = (
    b'{"read": "2026-01-01", "sources": {}, "models": {"a/b": {"input": -1, "output": 2}}, "hardware": {}}'
)
DEEP = b'{"a":' * 100_000


@pytest.mark.parametrize("body", [b'{"read": 3}', b"", b"\xff\xfe{\x00}\x00", LESS_THAN_NOTHING, DEEP, None])
def test_a_damaged_list_beside_the_configuration_is_told(tmp_path: Path, body: bytes | None) -> None:
    if body is None:
        (tmp_path / FILE).mkdir()
    else:
        (tmp_path / FILE).write_bytes(body)
    with pytest.raises(
        ValueError, match=rf"{FILE} is not a price list \(.+\): write it anew with areplicate prices update\."
    ):
        price_list(tmp_path)
