"""Many requests at once whose first tries are of no use stay within their key's budget, and one alone is asked again.

On SQLite, where one process counts in memory and workers in the database, and on PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from areplicate.gateway.accounts.account import Account
from areplicate.local import LocalModel, LocalReplicate
from areplicate.replicate.transports.base import never_sent
from tests.gateway.process import Gateway, gateway, priced
from tests.gateway.test_key_limits import hold, key
from tests.waiting import eventually

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
FOUR = ["I ", "would ", "rather ", "talk."]


def model(name: str, **how: Any) -> LocalModel:
    """One whose predictions cost four dollars each, and that run at the same time if they are asked at once."""
    options: dict[str, Any] = {"reply": FOUR, "run_seconds": 0.5} | how
    return LocalModel(owner="acme", name=name, **options)


def corrects_itself(input: dict[str, Any]) -> list[str]:
    return ['{"name"', ': "', "Ad", 'a"}'] if "cannot be used" in input["prompt"] else FOUR


MODELS = (
    model("talks"),
    model("breaks", failure="CUDA out of memory", failure_after=4),
    model("interrupted", failure="Director (code: E8765)", failure_after=4),
    model("corrects-itself", reply=corrects_itself, run_seconds=0),
)
HELD_TO_A_FORMAT = ("talks", "corrects-itself")
BUDGET = 16


@pytest.fixture(scope="module", params=["alone", "workers", "postgresql"])
def running(
    request: pytest.FixtureRequest, local: LocalReplicate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    general: dict[str, Any] = {}
    if request.param == "postgresql":
        general = {"database_url": request.getfixturevalue("database").url}
    config = priced(local, MODELS, **general) | {"litellm_settings": {"fallbacks": [{"breaks": ["talks"]}]}}
    workers = ["--workers", "2"] if request.param == "workers" else []
    with gateway(config, tmp_path_factory.mktemp("again"), *workers) as running:
        yield running


def asked(running: Gateway, key: str, name: str, stream: bool = False) -> httpx.Response:
    held_to: dict[str, Any] = {"response_format": FORMAT} if name in HELD_TO_A_FORMAT else {}
    return running.ask(key, name, max_tokens=5, stream=stream, **held_to)


def spent(running: Gateway, key: str) -> float:
    dollars: float = running.get(f"/key/info?key={key}")["spend"]
    return dollars


@pytest.mark.parametrize(
    ("name", "stream"), [("talks", False), ("talks", True), ("breaks", False), ("interrupted", False)]
)
def test_what_is_asked_again_at_once_stays_within_the_budget(
    running: Gateway, name: str, stream: bool
) -> None:
    """Each of four that are let in would cost twice or three times what it is let in for."""
    key = running.new_key(max_budget=BUDGET)
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: asked(running, key, name, stream), range(10)))
    assert sum("there is no second" in each.text for each in answers) == 4, [each.text for each in answers]
    assert stream or all(each.status_code == 429 for each in answers)
    assert all("insufficient_quota" in each.text or "budget" in each.text for each in answers)
    eventually(lambda: spent(running, key) >= BUDGET)
    assert spent(running, key) == BUDGET


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_one_request_alone_is_asked_again_while_anything_is_left(running: Gateway, stream: bool) -> None:
    key = running.new_key(max_budget=9)
    corrected = asked(running, key, "corrects-itself", stream)
    assert "there is no second" not in corrected.text and '\\"}' in corrected.text, corrected.text
    eventually(lambda: spent(running, key) == 8)
    last = asked(running, key, "talks", stream)
    assert "there is no second" in last.text, "a dollar was left for one"
    eventually(lambda: spent(running, key) == 12)
    with running.http() as http:
        limited = [line for line in http.get("/metrics").text.splitlines() if "rate_limited_total{" in line]
    assert limited and all('by="key"' in line for line in limited), "Replicate has refused nothing"


async def _left(waiting: Any) -> BaseException:
    task = asyncio.ensure_future(waiting)
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError as left:
        return left
    raise AssertionError("it was not waiting")


@pytest.mark.anyio
async def test_who_leaves_while_the_budget_is_asked_has_asked_for_nothing() -> None:
    """So nothing is looked for, and nothing is paid."""
    limited = key(max_budget=1.0)
    accounts = SimpleNamespace(extend=lambda *_: asyncio.sleep(60))
    bill = SimpleNamespace(made=lambda: [1, 2], again=lambda: None)
    account = object.__new__(Account)
    vars(account).update(
        caller=SimpleNamespace(key=limited),
        _hold=hold(dollars=1.0),
        _counted=1,
        _bill=bill,
        _accounts=accounts,
    )
    assert never_sent(await _left(account._count_again()))
