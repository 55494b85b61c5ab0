"""The times and counts that docstrings promise, as somebody would measure them who calls."""

from __future__ import annotations

from itertools import islice

import anyio
import pytest

import areplicate
from areplicate import AsyncRouter
from areplicate.local import Faults, LocalReplicate
from areplicate.logs import as_curl
from areplicate.replicate.protocol.requests import Request
from areplicate.replicate.retry import RetryBudget, waits
from tests.hostile import HostileReplicate, away_for
from tests.stage import HELLO, KEY, LLAMA, Clock, llama, router_of, stage

pytestmark = pytest.mark.anyio


async def test_waits_between_retries_grow_up_to_half_a_minute() -> None:
    drawn = [list(islice(waits(), 30)) for _ in range(50)]
    assert max(map(max, drawn)) <= 30
    assert max(seconds[0] for seconds in drawn) <= 0.5
    assert max(seconds[-1] for seconds in drawn) > 15, "at last each is up to half a minute"


async def test_an_outage_is_answered_by_a_hundred_retries_and_then_by_two_a_second() -> None:
    budget = RetryBudget()
    assert [budget.spend() for _ in range(100)] == [0.0] * 100
    assert [budget.spend() for _ in range(4)] == pytest.approx([0.5, 1.0, 1.5, 2.0])


async def test_a_request_is_tried_again_eight_times() -> None:
    async with stage(llama(run_seconds=100_000), faults=Faults(get_error=1.0)) as (local, router):
        with pytest.raises(areplicate.InternalServerError):
            await router.acompletion(LLAMA, HELLO, timeout=50_000)
        assert local.counts["get"] == 1 + 8


async def test_closing_waits_ten_seconds_for_what_cannot_be_cancelled() -> None:
    async with LocalReplicate([llama(run_seconds=1000)], faults=Faults(cancel_error=1.0)) as local:
        router = AsyncRouter(api_key=KEY, api_base=local.api_base)
        async with anyio.create_task_group() as group:
            group.start_soon(left_running, router)
            await anyio.sleep(5)
            clock = Clock()
            await router.aclose()
            assert 9.9 < clock() < 11
        assert len(local.running()) == 1


async def left_running(router: AsyncRouter) -> None:
    with pytest.raises(areplicate.APIConnectionError, match="closed"):
        await router.acompletion(LLAMA, HELLO)


async def test_a_models_latest_version_is_looked_up_once_an_hour() -> None:
    async with stage(llama(official=False)) as (local, router):

        async def looked_up() -> int:
            await router.acompletion(LLAMA, HELLO)
            return sum(seen.path.endswith(LLAMA) for seen in local.requests if seen.method == "GET")

        assert await looked_up() == 1
        await anyio.sleep(3500)
        assert await looked_up() == 1
        await anyio.sleep(200)
        assert await looked_up() == 2


def test_a_request_is_shown_with_ten_thousand_characters_of_its_body() -> None:
    shown = as_curl(Request("POST", "https://api.replicate.com/v1/predictions", {}, b"x" * 10_001))
    assert "x" * 10_000 + "... (10001 characters)" in shown and "x" * 10_001 not in shown


async def test_a_server_that_never_answers_is_given_up_after_half_a_minute() -> None:
    async with stage(faults=Faults(latency=10_000.0), router={"max_retries": 0}) as (_, router):
        clock = Clock()
        with pytest.raises(areplicate.APIConnectionError):
            await router.search_models("llama")
        assert clock() == pytest.approx(30, abs=1)


async def test_a_server_that_says_when_to_come_again_is_not_asked_before() -> None:
    async with HostileReplicate([llama()]) as hostile, router_of(hostile) as router:
        hostile.on("search", away_for(20), times=2)
        clock = Clock()
        await router.search_models("llama")
        assert 40 <= clock() < 42 and len(hostile.asked) == 3


async def test_after_an_outage_five_successes_earn_a_retry_that_need_not_wait_for_its_turn() -> None:
    async with HostileReplicate([llama()]) as hostile, router_of(hostile) as router:

        async def seconds_with_a_failure() -> float:
            hostile.on("search", away_for(20), times=1)
            clock = Clock()
            await router.search_models("llama")
            return clock()

        hostile.on("search", away_for(20), times=13 * 9)
        for _ in range(13):
            with pytest.raises(areplicate.ServiceUnavailableError):
                await router.search_models("llama")
        assert await seconds_with_a_failure() > 20.4
        for _ in range(5):
            await router.search_models("llama")
        assert await seconds_with_a_failure() < 20.1
