"""Whatever ends a caller, at whatever point and however often: nothing is left running, and nobody waits for it."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import anyio
import pytest
import trio

import areplicate
from areplicate import AsyncRouter, CompletionStream, ModelResponse
from areplicate.completion import _routers
from areplicate.local import LocalModel, LocalReplicate
from areplicate.replicate.background import end_all
from areplicate.replicate.live import LivePrediction
from tests.hostile import (
    HostileReplicate,
    Mishap,
    away_for,
    changes,
    edge_page,
    hangs,
    problem,
    resets_after,
    without_date,
)
from tests.stage import (
    HELLO,
    KEY,
    LLAMA,
    Clock,
    in_the_environment,
    llama,
    nothing_runs,
    router_of,
    stage,
    wait_until_nothing_runs,
)

fast = pytest.mark.anyio
SLOW = LocalModel(owner="meta", name="slow", reply=["a"] * 20, boot_seconds=40, run_seconds=1000)


@types.coroutine
def counted(work: Coroutine[Any, Any, Any], suspended: Callable[[int], object]) -> Generator[Any, Any, Any]:
    """Runs a coroutine, and calls `suspended` with the number of each suspension."""
    number, value, error = 0, None, None
    try:
        while True:
            future = work.send(value) if error is None else work.throw(error)
            number, value, error = number + 1, None, None
            suspended(number)
            try:
                value = yield future
            except BaseException as thrown:
                error = thrown
    except StopIteration as end:
        return end.value


async def ask(router: AsyncRouter, **options: Any) -> None:
    answer: ModelResponse | CompletionStream = await router.acompletion("meta/slow", HELLO, **options)
    if isinstance(answer, CompletionStream):
        async for _ in answer:
            pass


async def cancelled_at(point: int, times: int, router: AsyncRouter, options: dict[str, Any]) -> bool:
    """Asks, and is cancelled at that suspension, so many times in a row; False where there are not so many."""
    reached = False

    def suspended(number: int) -> None:
        nonlocal reached
        if number == point:
            reached = True
            for turn in range(times):
                soon(turn)

    def soon(turns: int) -> None:
        """Cancels after so many turns of the loop."""
        loop = asyncio.get_running_loop()
        loop.call_soon(task.cancel if turns == 0 else lambda: soon(turns - 1))

    async def run() -> None:
        await counted(ask(router, **options), suspended)

    task = asyncio.ensure_future(run())
    await asyncio.wait([task], timeout=200)
    if not task.done():  # it waits for its model: that is the last of its suspensions
        task.cancel()
        await asyncio.wait([task])
    return reached


WAYS: dict[str, dict[str, Any]] = {
    "held": {},
    "watched": {"on_status": lambda status: None},
    "lost": {},
    "streamed": {"stream": True},
    "three at once": {"n": 3},
}


@fast
@pytest.mark.parametrize(
    ("times", "step"),
    [(1, 1), (2, 3), (3, 5), *(pytest.param(times, 1, marks=pytest.mark.slow) for times in (2, 3))],
)
@pytest.mark.parametrize("way", WAYS)
async def test_leaving_at_every_suspension_leaves_nothing_running(way: str, times: int, step: int) -> None:
    """Twice and three times in a row only at some of them, but for `make test-slow`."""
    async with HostileReplicate([SLOW]) as hostile:
        if way == "lost":
            hostile.on("create", resets_after(0.2))
        async with AsyncRouter(api_key=KEY, api_base=hostile.api_base) as router:
            point = 1
            while point < 60 and await cancelled_at(point, times, router, WAYS[way]):
                assert await nothing_runs(hostile), f"left at suspension {point}"
                point += step
        assert point > (5 if way != "three at once" else 1)
        assert not hostile.running()
        assert hostile.counts["create"] > point / step / 2


@fast
@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_takes_no_time_where_the_account_is_throttled(stream: bool) -> None:
    async with HostileReplicate([SLOW]) as hostile:
        async with AsyncRouter(api_key=KEY, api_base=hostile.api_base) as router:
            hostile.on(
                "cancel", problem(429, "Request was throttled. Your rate limit resets in ~5s."), times=1
            )
            clock = Clock()
            with anyio.move_on_after(10):
                await ask(router, stream=stream)
            assert clock() < 10.1
            assert await nothing_runs(hostile, within=12)


@fast
@pytest.mark.parametrize("kind", ["list", "cancel", "get"])
@pytest.mark.parametrize("options", [{}, {"stream": True}, {"on_status": lambda _: None}, {"n": 2}])
async def test_the_timeout_holds_where_cleaning_up_takes_long(kind: str, options: dict[str, Any]) -> None:
    async with HostileReplicate([SLOW]) as hostile:
        hostile.on(kind, hangs(), times=1)
        async with AsyncRouter(api_key=KEY, api_base=hostile.api_base) as router:
            clock = Clock()
            with pytest.raises(areplicate.Timeout):
                await ask(router, timeout=20, **options)
            assert 20 <= clock() < 21
            assert await nothing_runs(hostile, within=60)


@fast
async def test_closing_waits_ten_seconds_at_the_most() -> None:
    async with HostileReplicate([SLOW]) as hostile:
        router = AsyncRouter(api_key=KEY, api_base=hostile.api_base)
        async with anyio.create_task_group() as group:
            group.start_soon(ended_by_closing, router)
            await anyio.sleep(5)
            hostile.on("*", hangs())
            clock = Clock()
            await router.aclose()
            assert clock() < 11


async def ended_by_closing(router: AsyncRouter) -> None:
    with pytest.raises(areplicate.APIConnectionError, match="closed"):
        await ask(router)


@fast
async def test_waiting_for_a_turn_and_leaving_costs_nobody_a_turn() -> None:
    async with stage(create_per_minute=60, create_burst=1, router={"creations_per_minute": 60}) as (
        _,
        router,
    ):
        with anyio.move_on_after(0.5):
            async with anyio.create_task_group() as group:
                for _ in range(1800):
                    group.start_soon(router.acompletion, LLAMA, HELLO)
        await anyio.sleep(60)
        clock = Clock()
        await router.acompletion(LLAMA, HELLO)
        assert clock() < 3


@fast
async def test_what_waits_for_turns_gets_them_in_its_order() -> None:
    async with stage(router={"creations_per_minute": 60}) as (local, router):
        order: list[int] = []

        async def one(number: int) -> None:
            await router.acompletion(LLAMA, [{"role": "user", "content": f"{number}"}])
            order.append(number)

        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(one, number)
                await anyio.lowlevel.checkpoint()
        assert order[60:] == sorted(order[60:])
        assert len(local.predictions) == 100


@pytest.mark.parametrize("count", [1, 5, 20])
def test_streams_that_are_open_as_main_returns_are_cancelled(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalReplicate([llama(reply=["a"] * 50, run_seconds=500)]) as local:
        in_the_environment(local, monkeypatch)

        async def main() -> None:
            streams = [await areplicate.acompletion(LLAMA, HELLO, stream=True) for _ in range(count)]
            await asyncio.gather(*(stream.__anext__() for stream in streams))
            kept.extend(streams)

        kept: list[CompletionStream] = []
        asyncio.run(main())
        assert len(local.predictions) == count and not local.running()


async def ask_without_an_end(local: LocalReplicate) -> None:
    """Leaves a call in flight, on a router that nobody closes."""
    router = AsyncRouter(api_key=KEY, api_base=local.api_base)
    asyncio.ensure_future(router.acompletion(LLAMA, HELLO))  # noqa: RUF006
    while not local.predictions:
        await asyncio.sleep(0.01)


def test_a_router_that_nobody_closes_is_closed_by_the_end_of_its_loop() -> None:
    with LocalReplicate([llama(boot_seconds=500)]) as local:
        asyncio.run(ask_without_an_end(local))
        assert local.predictions and not local.running()


def test_loops_of_ones_own_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with a call, and closed without more ado."""
    with LocalReplicate([llama(reply="fine")]) as local:
        in_the_environment(local, monkeypatch)
        before = 0
        for _ in range(60):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(areplicate.acompletion(LLAMA, HELLO))
            loop.close()
            before = before or len(os.listdir("/proc/self/fd"))
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) <= before
        assert not [loop for loop in _routers._routers if loop.is_closed()]


def test_a_loop_that_is_merely_closed_leaves_nothing_running() -> None:
    with LocalReplicate([llama(boot_seconds=500)]) as local:
        loop = asyncio.new_event_loop()

        async def main() -> None:
            router = AsyncRouter(api_key=KEY, api_base=local.api_base)
            with pytest.raises(areplicate.Timeout):
                await router.acompletion(LLAMA, HELLO, timeout=0.5)

        loop.run_until_complete(main())
        loop.close()
        assert local.predictions
        wait_until_nothing_runs(local)


def test_held_calls_that_leave_as_trio_ends_are_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be given a task of its own by then."""
    with LocalReplicate([llama(boot_seconds=500)]) as local:
        in_the_environment(local, monkeypatch)

        async def main() -> None:
            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(areplicate.acompletion, LLAMA, HELLO)
                while len(local.predictions) < 5:
                    await anyio.sleep(0.01)
                group.cancel_scope.cancel()

        anyio.run(main, backend="trio")
        assert len(local.predictions) == 5 and not local.running()


def test_trio_within_asyncio_as_in_a_cell_of_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalReplicate([llama(reply=["Hi"], boot_seconds=0)]) as local:
        in_the_environment(local, monkeypatch)

        async def ask() -> str | None:
            with anyio.fail_after(10):
                return (await areplicate.acompletion(LLAMA, HELLO)).choices[0].message.content

        async def cell() -> str | None:
            return trio.run(ask)

        assert asyncio.run(cell()) == "Hi"


def test_a_closed_router_leaves_no_timer_in_its_loop() -> None:
    async def main() -> list[asyncio.TimerHandle]:
        async with AsyncRouter(api_key=KEY, api_base=local.api_base) as router:
            await router.acompletion(LLAMA, HELLO)
        loop: Any = asyncio.get_running_loop()
        return [timer for timer in loop._scheduled if not timer.cancelled()]

    with LocalReplicate([llama()]) as local:
        assert asyncio.run(main()) == []


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # the stand-in has a thread
def test_a_loop_that_nobody_closes_leaves_nothing_running_as_the_interpreter_ends() -> None:
    with LocalReplicate([llama(reply=["a"] * 50, run_seconds=500)]) as local:
        loop = asyncio.new_event_loop()
        router = AsyncRouter(api_key=KEY, api_base=local.api_base)
        stream = loop.run_until_complete(router.acompletion(LLAMA, HELLO, stream=True))
        assert local.running()
        child = os.fork()
        if child == 0:
            end_all()
            os._exit(0)
        os.waitpid(child, 0)
        assert local.running(), "what runs is not a forked child's to end"
        end_all()
        assert not local.running() and router.closed
        loop.close()
        del stream


LEFT = """
import asyncio, uvloop
from areplicate import acompletion

async def begin():
    begun = asyncio.Event()
    messages = [{"role": "user", "content": "Hello"}]
    call = acompletion("acme/unlisted", messages, stream=True, on_status=lambda told: told.prediction_id and begun.set())
    task = asyncio.get_running_loop().create_task(call)
    await begun.wait()
    return task

left = []
for loop in asyncio.new_event_loop(), uvloop.new_event_loop():
    left.append(loop.run_until_complete(begin()))
    loop.stop()
print("left")
"""


def test_a_program_that_leaves_its_loop_in_the_midst_ends_and_leaves_nothing_running() -> None:
    """As after Ctrl-C. What an unlisted model takes is looked up with the help of a thread."""
    with LocalReplicate([LocalModel(owner="acme", name="unlisted", boot_seconds=500)]) as local:
        environment = {**os.environ, "REPLICATE_API_KEY": KEY, "REPLICATE_API_BASE": local.api_base}
        command = [sys.executable, "-c", LEFT]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=30, check=True)
        assert done.stdout == b"left\n"
        assert len(local.predictions) == 2 and not local.running()


def test_an_interrupted_end_is_gone_on_with() -> None:
    """As where somebody types Ctrl-C twice."""
    with LocalReplicate([llama(boot_seconds=500)]) as local:
        loop = asyncio.new_event_loop()

        def interrupt() -> None:
            raise KeyboardInterrupt

        loop.run_until_complete(ask_without_an_end(local))
        loop.call_later(0.05, interrupt)
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(loop.shutdown_asyncgens())
        assert local.running()
        loop.close()
        assert not local.running()


@fast
@pytest.mark.parametrize("model", ["meta/slow", "by-name"])
async def test_a_stream_that_is_dropped_is_cancelled_at_once(model: str) -> None:
    named = {"model_list": [{"model_name": "by-name", "litellm_params": {"model": "meta/slow"}}]}
    async with stage(SLOW, router=named) as (local, router):
        stream = await router.acompletion(model, HELLO, stream=True)
        assert local.running()
        gc.disable()  # it goes with the last that refers to it, and waits for no collection
        try:
            del stream
            assert await nothing_runs(local, within=1)
        finally:
            gc.enable()


@fast
async def test_a_loop_whose_tasks_begin_at_once_keeps_nothing_of_what_was_left() -> None:
    """As from Python 3.12 on: what is left here has ended already, and so has the task that would cancel it."""
    asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory", None))
    async with HostileReplicate([llama()]) as hostile, router_of(hostile) as router:
        hostile.on("create", changes(lambda asked, made: made.update(status="succeeded", output="fine")))
        for _ in range(3):
            stream: CompletionStream = await router.acompletion(LLAMA, HELLO, stream=True)
            stream.leave()
            await anyio.sleep(1)
        del stream
        gc.collect()
        kept = [each for each in gc.get_objects() if type(each) is LivePrediction]
        assert not [each for each in kept if each.owner.base == hostile.api_base]


@fast
async def test_hundreds_of_held_calls_that_leave_are_cancelled_without_a_date() -> None:
    async with HostileReplicate([SLOW]) as hostile:
        hostile.on("*", without_date())
        async with AsyncRouter(api_key=KEY, api_base=hostile.api_base) as router:
            with anyio.move_on_after(3):
                async with anyio.create_task_group() as group:
                    for _ in range(150):
                        group.start_soon(ask, router)
            assert await nothing_runs(hostile, within=30)
            assert len(hostile.predictions) == 150


@fast
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 408, 409, 422])
async def test_a_cancel_that_is_refused_is_tried_again(status: int) -> None:
    """A proxy's page, or a machine that does not know the new prediction yet, proves nothing."""
    async with HostileReplicate([SLOW]) as hostile:
        hostile.on("cancel", edge_page(status, created=False), times=2)
        async with AsyncRouter(api_key=KEY, api_base=hostile.api_base) as router:
            with anyio.move_on_after(10):
                await ask(router, stream=True)
            assert await nothing_runs(hostile, within=4)


@fast
async def test_a_cancel_that_is_refused_because_it_has_ended_is_no_reason_to_warn(
    recwarn: pytest.WarningsRecorder,
) -> None:
    async with HostileReplicate([SLOW]) as hostile:
        hostile.on("cancel", edge_page(409))
        async with AsyncRouter(api_key=KEY, api_base=hostile.api_base) as router:
            with anyio.move_on_after(10):
                await ask(router, stream=True)
        assert hostile.statuses == {"canceled": 1} and len(hostile.asked_for("cancel")) == 1
        assert not recwarn.list


@fast
@pytest.mark.parametrize("mishap", [hangs(), away_for(600)], ids=["hangs", "away"])
async def test_closing_leaves_time_for_a_second_cancel(mishap: Mishap) -> None:
    async with HostileReplicate([SLOW]) as hostile:
        hostile.on("cancel", mishap, times=1)
        async with AsyncRouter(api_key=KEY, api_base=hostile.api_base) as router:
            with anyio.move_on_after(10):
                await ask(router)
        assert hostile.statuses == {"canceled": 1}


@fast
async def test_closing_waits_for_a_cancel_that_is_always_refused_and_says_so() -> None:
    async with HostileReplicate([SLOW]) as hostile:
        hostile.on("cancel", edge_page(403, created=False))
        with pytest.warns(areplicate.AreplicateWarning, match="may still be running"):
            async with AsyncRouter(api_key=KEY, api_base=hostile.api_base) as router:
                with anyio.move_on_after(10):
                    await ask(router, stream=True)
                clock = Clock()
        assert clock() < 11 and len(hostile.asked_for("cancel")) == 5
