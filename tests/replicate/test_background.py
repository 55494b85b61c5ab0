"""Tasks of a router: whether one still runs decides whether somebody's work is taken up."""

from __future__ import annotations

import anyio
import pytest

from areplicate.replicate.background import Background

pytestmark = pytest.mark.anyio


async def nothing() -> None:
    pass


async def test_who_hears_of_the_end_finds_that_nothing_runs() -> None:
    """A task wakes its last caller as it ends, who may have more to do at once."""
    background = Background(nothing)
    woken = anyio.Event()

    async def work() -> None:
        woken.set()

    task = background.spawn(work)
    assert background.runs(task)
    await woken.wait()
    assert not background.runs(task)
    await background.aclose()


async def test_whoever_closes_it_at_the_same_time_waits_for_the_same_end() -> None:
    background = Background(nothing)

    async def work() -> None:
        try:
            await anyio.sleep(100)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1)

    background.spawn(work)
    await anyio.sleep(1)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(background.aclose)


async def test_each_of_many_who_come_one_after_the_other_is_served() -> None:
    """Work that is taken up only where no task does it already, as the account's list is read."""
    background = Background(nothing)
    waiting: list[anyio.Event] = []
    task: object = None

    async def serve() -> None:
        while waiting:
            await anyio.sleep(0.1)
            for each in waiting.copy():
                waiting.remove(each)
                each.set()

    async def come_back(times: int) -> None:
        nonlocal task
        for _ in range(times):
            waiting.append(served := anyio.Event())
            if not background.runs(task):
                task = background.spawn(serve)
            await served.wait()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for times in (1, 2, 5, 9):
                group.start_soon(come_back, times)
    await background.aclose()
