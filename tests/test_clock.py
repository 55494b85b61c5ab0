"""Blocks that end at a deadline: many share one timer, and whoever cancels for another reason is heard."""

from __future__ import annotations

import asyncio
import sys

import anyio
import pytest

from areplicate.clock import TimeLimits, now

pytestmark = pytest.mark.anyio


class Blocks:
    """Blocks in which tasks sleep; each tells when it was ended."""

    def __init__(self) -> None:
        self._limits = TimeLimits()

    async def wait(self, seconds: float, sleeps: float = 1000.0) -> float | None:
        with self._limits.scope(now() + seconds) as scope:
            await anyio.sleep(sleeps)
        return now() if scope.cancelled_caught else None


async def test_each_of_many_blocks_ends_at_its_own_deadline() -> None:
    blocks, begun = Blocks(), now()
    deadlines = [500.0, *(3.0 - number / 100 for number in range(200)), 0.001, 0.0]
    ended = await asyncio.gather(*(blocks.wait(seconds) for seconds in deadlines))
    for seconds, end in zip(deadlines, ended, strict=True):
        assert end is not None and 0 <= end - begun - seconds < 0.05


async def test_a_block_that_is_left_in_time_ends_nothing_later() -> None:
    blocks = Blocks()
    assert await blocks.wait(1.0, sleeps=0.5) is None
    assert await blocks.wait(1000.0, sleeps=5.0) is None
    if sys.version_info >= (3, 11):
        assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 does not count cancellations")
async def test_a_caller_who_cancels_at_the_deadline_is_heard() -> None:
    blocks = Blocks()
    task = asyncio.ensure_future(blocks.wait(1.0))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_at(now() + 1.0, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_blocks_lie_within_others() -> None:
    blocks = Blocks()

    async def outer() -> tuple[float | None, bool]:
        with anyio.move_on_after(2.0) as around:
            inner = await blocks.wait(1.0)
            await blocks.wait(5.0)
        return inner, around.cancelled_caught

    begun = now()
    inner, around = await outer()
    assert inner is not None and inner - begun < 1.05
    assert around and now() - begun < 2.05
