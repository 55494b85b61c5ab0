"""Watching many belongs to the account; what a 429 says is kept to; accounts take turns."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

import areplicate
from areplicate.replicate.limits import Limiter, Turns
from tests.hostile import (
    Asked,
    HostileReplicate,
    Mishap,
    changes,
    edge_page,
    hangs,
    low_credit,
    problem,
    trickles,
)
from tests.stage import HELLO, LLAMA, Clock, llama, nothing_runs, router_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "mishap", [hangs(), trickles(), problem(500), problem(429)], ids=["hangs", "trickles", "500", "429"]
)
async def test_many_are_answered_in_time_where_the_list_is_of_no_use(mishap: Mishap) -> None:
    async with HostileReplicate([llama(boot_seconds=20, run_seconds=2)]) as hostile:
        hostile.on("list", mishap)
        async with router_of(hostile, held_creations=1) as router:
            ends: list[float] = []

            async def one(number: int) -> None:
                messages = [{"role": "user", "content": f"question {number}"}]
                response = await router.acompletion(LLAMA, messages, num_retries=0 if number % 3 else 8)
                ends.append(anyio.current_time() - hostile.predictions[response.id].ends)

            async with anyio.create_task_group() as group:
                for number in range(45):
                    group.start_soon(one, number)
        assert len(ends) == 45 and max(ends) < 10


async def test_where_the_list_comes_back_it_is_used_again() -> None:
    async with HostileReplicate([llama(boot_seconds=70)]) as hostile:
        hostile.on("list", problem(500), times=5)
        async with router_of(hostile, held_creations=1) as router, anyio.create_task_group() as group:
            for number in range(50):
                messages = [{"role": "user", "content": f"question {number}"}]
                group.start_soon(router.acompletion, LLAMA, messages)
            await anyio.sleep(35)
            looks = len(hostile.asked_for("get"))
            await anyio.sleep(25)
            assert len(hostile.asked_for("get")) - looks < 32 * 6, "a few are looked at singly, as ever"


async def test_what_nobody_wants_does_not_wait_behind_hundreds_of_looks() -> None:
    """The list was of no use once, and so each is looked at, two a second."""
    async with (
        HostileReplicate([llama(boot_seconds=60)], other_per_minute=120, other_burst=120) as hostile,
        router_of(hostile, held_creations=0, others_per_minute=120) as router,
        anyio.create_task_group() as group,
    ):
        hostile.on("list", problem(500), times=1)
        for _ in range(250):
            group.start_soon(router.acompletion, LLAMA, HELLO)
        await anyio.sleep(5)
        with anyio.move_on_after(5):
            await router.acompletion(LLAMA, HELLO)
        await anyio.sleep(2)
        assert hostile.statuses["canceled"] == 1
        group.cancel_scope.cancel()


async def test_a_burst_of_one_is_kept_to() -> None:
    async with HostileReplicate([llama()]) as hostile, router_of(hostile) as router:
        hostile.on("create", low_credit())
        clock = Clock()
        async with anyio.create_task_group() as group:
            for number in range(8):
                messages = [{"role": "user", "content": f"question {number}"}]
                group.start_soon(router.acompletion, LLAMA, messages)
        assert len(hostile.predictions) == 8
        assert 70 <= clock() < 110
        refused = len(hostile.asked_for("create")) - 8
        assert refused <= 8, "those that were on their way before the first refusal, and no more"


async def test_a_reduced_account_is_left_again_when_it_has_credit() -> None:
    limiter = Limiter(600)
    limiter.throttled(5, 6, 1)
    assert limiter.per_minute == 6
    limiter.observe(anyio.current_time(), 599, 1)
    assert limiter.per_minute == 600


async def test_accounts_take_turns() -> None:
    turns = Turns(1)
    order: list[str] = []

    async def one(account: str) -> None:
        await turns.acquire(account)
        order.append(account)
        await anyio.sleep(1)
        turns.release()

    async with anyio.create_task_group() as group:
        for account in ["big"] * 50 + ["small"] * 2:
            group.start_soon(one, account)
            await anyio.lowlevel.checkpoint()
    assert order.index("small") <= 2 and len(order) == 52


async def test_who_leaves_the_queue_takes_no_turn() -> None:
    turns = Turns(1)
    await turns.acquire("first")
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(turns.acquire, "leaving")
        await anyio.sleep(1)
        group.cancel_scope.cancel()
    turns.release()
    with anyio.fail_after(1):
        await turns.acquire("next")


async def test_a_turn_that_was_given_to_somebody_who_leaves_goes_on() -> None:
    turns = Turns(1)
    await turns.acquire("first")

    async def leave() -> None:
        await turns.acquire("leaving")
        try:
            await anyio.sleep(100)
        finally:
            turns.release()

    async with anyio.create_task_group() as group:
        group.start_soon(leave)
        await anyio.sleep(1)
        turns.release()
        group.cancel_scope.cancel()
    with anyio.fail_after(1):
        await turns.acquire("next")


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 408, 425, 502])
@pytest.mark.parametrize("options", [{"stream": True}, {"on_status": lambda _: None}])
async def test_a_look_that_is_refused_at_first_is_repeated(status: int, options: dict[str, Any]) -> None:
    """What was created exists, although some machine does not know it yet, or a proxy says something else."""
    model = llama(reply="fine", boot_seconds=20, streams=False)
    async with HostileReplicate([model]) as hostile, router_of(hostile) as router:
        hostile.on("get", edge_page(status, created=False), times=3)
        answer: Any = await router.acompletion(LLAMA, HELLO, **options)
        if "stream" in options:
            answer = await areplicate.stream_to_completion(answer)
        assert answer.choices[0].message.content == "fine"
        assert hostile.statuses == {"succeeded": 1}


async def test_a_look_that_stays_refused_is_an_error_within_seconds() -> None:
    async with HostileReplicate([llama(boot_seconds=900)]) as hostile, router_of(hostile) as router:
        hostile.on("get", problem(404, "Prediction not found"))
        clock = Clock()
        with pytest.raises(areplicate.NotFoundError):
            await router.acompletion(LLAMA, HELLO, on_status=lambda _: None)
        assert clock() < 15
        assert await nothing_runs(hostile)


def with_row(**fields: Any) -> Mishap:
    """The list's rows say something else."""

    def change(asked: Asked, page: Any) -> None:
        for row in page["results"]:
            row.update(fields)

    return changes(change)


@pytest.mark.parametrize(
    "fields",
    [{"output": None}, {"output": None, "data_removed": True}, {"status": "starting", "output": None}],
    ids=["no output", "removed", "from a cache"],
)
async def test_what_the_list_does_not_tell_a_look_does(fields: dict[str, Any]) -> None:
    """Its rows may be summaries, or what something between has kept of them."""
    async with HostileReplicate([llama(reply="fine", boot_seconds=15)]) as hostile:
        hostile.on("list", with_row(**fields))
        async with router_of(hostile, held_creations=1) as router:
            texts: list[str | None] = []

            async def one(number: int) -> None:
                answer = await router.acompletion(LLAMA, [{"role": "user", "content": str(number)}])
                texts.append(answer.choices[0].message.content)

            clock = Clock()
            async with anyio.create_task_group() as group:
                for number in range(40):
                    group.start_soon(one, number)
            assert texts == ["fine"] * 40 and clock() < 105


@pytest.mark.parametrize("options", [{}, {"stream": True}])
async def test_what_is_found_in_a_list_without_outputs_has_its_text(options: dict[str, Any]) -> None:
    async with HostileReplicate([llama(reply="fine")]) as hostile, router_of(hostile) as router:
        hostile.on("list", with_row(output=None))
        hostile.on("create", edge_page(502), times=1)
        answer: Any = await router.acompletion(LLAMA, HELLO, **options)
        if "stream" in options:
            answer = await areplicate.stream_to_completion(answer)
        assert answer.choices[0].message.content == "fine"
        assert len(hostile.predictions) == 1
