"""Two processes with two routers each ask one account the same few prompts, on a bad day; and the ledger afterwards.

Callers leave at random moments, an edge answers 5xx before and after the creation, connections break, and the list
is a second late. Time is real, so that the processes share it. Every creation tells the server whose it is.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
from collections import Counter
from contextvars import ContextVar
from typing import Any

import anyio
import msgspec
from aiohttp import web

from areplicate import APIError, AsyncRouter
from areplicate.local.faults import edge_error, reset
from tests.hostile import Asked, GoOn, HostileReplicate, gives_up_after, rows_late
from tests.stage import KEY, LLAMA, llama

PROMPTS = 20
PROCESSES = ROUTERS = 2
CONCURRENT = 40
"""Calls of one router at a time."""
LEAVE = 0.2
UNLUCKY = 0.02
"""Of the creations, how many meet each fault."""
REPLY = ["the", " answer"]

asking: ContextVar[str] = ContextVar("asking")


class Ledger(msgspec.Struct, kw_only=True):
    asked: int
    answered: int = 0
    left: int = 0
    """Calls whose callers left before there was an answer."""
    failed: Counter[str] = msgspec.field(default_factory=Counter)
    created: int = 0
    created_for: int = 0
    """Calls for which something was created."""
    asked_again: int = 0
    """Creations beside these, each after one that was not answered and did not show."""
    unlucky: Counter[str] = msgspec.field(default_factory=Counter)
    """Creations that met each fault."""
    cancelled: int = 0
    cancelled_for_another: int = 0
    left_running: int = 0

    @property
    def clean(self) -> bool:
        return (
            self.answered + self.left + self.failed.total() == self.asked
            and set(self.failed) <= {"InternalServerError", "ServiceUnavailableError", "APIConnectionError"}
            and self.created == self.created_for + self.asked_again
            and self.created <= self.asked + self.asked_again
            and not self.cancelled_for_another
            and not self.left_running
        )

    def __str__(self) -> str:
        rows = msgspec.structs.asdict(self).items()
        return "\n".join(
            f"{name:>22}: {dict(value) if isinstance(value, Counter) else value}" for name, value in rows
        )


class Outcomes(msgspec.Struct):
    """What one process tells of its calls."""

    answered: set[str] = msgspec.field(default_factory=set)
    left: set[str] = msgspec.field(default_factory=set)
    failed: Counter[str] = msgspec.field(default_factory=Counter)


def twins(asked: int, seed: int) -> Ledger:
    owners: dict[str, str] = {}
    ledger = Ledger(asked=asked)
    draw = random.Random(seed)

    async def bad_day(request: Asked, go_on: GoOn) -> web.StreamResponse:
        asking.set(request.request.headers["X-Ask"])
        luck = int(draw.random() / UNLUCKY)
        if luck == 0:
            ledger.unlucky["503, nothing created"] += 1
            return edge_error(503)
        if luck == 1:
            ledger.unlucky["504 after 0.1 s, created"] += 1
            return await gives_up_after(0.1)(request, go_on)
        if luck == 2:
            ledger.unlucky["connection reset, created"] += 1
            asyncio.ensure_future(go_on()).add_done_callback(
                lambda task: task.cancelled() or task.exception()
            )
            await asyncio.sleep(0.02)
            return await reset(request.request)
        return await go_on()

    with HostileReplicate([llama(reply=REPLY, run_seconds=1.5)], log_requests=False) as hostile:
        create = hostile._service.create

        def recorded(*args: Any, **options: Any) -> Any:
            prediction = create(*args, **options)
            owners[prediction.id] = asking.get()
            return prediction

        hostile._service.create = recorded  # type: ignore[method-assign]
        hostile.on("create", bad_day)
        hostile.on("list", rows_late(1.0))
        outcomes = _ask_in_processes(hostile.api_base, asked, seed)
        ledger.left_running = len(hostile.running())
        statuses = {prediction.id: prediction.status for prediction in hostile.predictions.values()}
    ledger.answered, ledger.left, ledger.failed = len(outcomes.answered), len(outcomes.left), outcomes.failed
    ledger.created, ledger.created_for = len(owners), len(set(owners.values()))
    ledger.asked_again = sum(count - 1 for count in Counter(owners.values()).values())
    cancelled = [owners[id] for id, status in statuses.items() if status in ("canceled", "aborted")]
    ledger.cancelled = len(cancelled)
    several = {ask for ask, count in Counter(owners.values()).items() if count > 1}
    ledger.cancelled_for_another = sum(ask in outcomes.answered and ask not in several for ask in cancelled)
    return ledger


def _ask_in_processes(base: str, asked: int, seed: int) -> Outcomes:
    context = multiprocessing.get_context("spawn")
    outcomes = Outcomes()
    with context.Pool(PROCESSES) as pool:
        jobs = [(base, asked // PROCESSES, f"{seed}-{number}") for number in range(PROCESSES)]
        for each in pool.starmap(_process, jobs):
            outcomes.answered |= each.answered
            outcomes.left |= each.left
            outcomes.failed += each.failed
    return outcomes


def _process(base: str, asked: int, name: str) -> Outcomes:
    outcomes = Outcomes()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(ROUTERS):
                group.start_soon(_router, base, asked // ROUTERS, f"{name}-{number}", outcomes)

    asyncio.run(main())
    return outcomes


async def _router(base: str, asked: int, name: str, outcomes: Outcomes) -> None:
    draw = random.Random(name)
    numbers = iter(range(asked))
    limits = {"creations_per_minute": 1e6, "others_per_minute": 1e6}
    async with AsyncRouter(api_key=KEY, api_base=base, **limits) as router:  # type: ignore[arg-type]

        async def caller() -> None:
            for number in numbers:
                await _call(router, f"{name}-{number}", draw, outcomes)

        async with anyio.create_task_group() as group:
            for _ in range(CONCURRENT):
                group.start_soon(caller)


async def _call(router: AsyncRouter, ask: str, draw: random.Random, outcomes: Outcomes) -> None:
    messages = [{"role": "user", "content": f"question {draw.randrange(PROMPTS)}"}]
    options: dict[str, Any] = draw.choice([{}, {}, {"stream": True}, {"on_status": lambda status: None}])
    seconds = draw.uniform(0, 2.0) if draw.random() < LEAVE else None
    with anyio.move_on_after(seconds) as scope:
        try:
            answer: Any = await router.acompletion(LLAMA, messages, extra_headers={"X-Ask": ask}, **options)
            if "stream" in options:
                text = "".join([chunk.choices[0].delta.content or "" async for chunk in answer])
            else:
                text = answer.choices[0].message.content
        except APIError as error:
            outcomes.failed[type(error).__name__] += 1
        else:
            assert text == "".join(REPLY)
            outcomes.answered.add(ask)
    if scope.cancelled_caught:
        outcomes.left.add(ask)


if __name__ == "__main__":
    import sys

    print(twins(int(sys.argv[1]), int(sys.argv[2])))
