"""Hundreds of completions in flight for a minute of real time: nothing may pile up."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import anyio
import pytest

from areplicate import APIError, AsyncRouter
from areplicate.local import LocalReplicate
from tests.stage import HELLO, KEY, LLAMA, llama

pytestmark = pytest.mark.slow

SECONDS, IN_FLIGHT = 60.0, 500
STREAMED, LEAVING = 0.33, 0.05
"""Parts of the callers: those who stream, and those who leave early."""
MAY_GROW_MB = 8.0


def serve(pipe: Connection) -> None:
    """A stand-in in a process of its own, whose memory is not the client's. Tells how many run at the end."""

    async def run() -> None:
        model = llama(boot_seconds=5, run_seconds=4, reply=[f" word{number}" for number in range(30)])
        async with LocalReplicate([model], log_requests=False) as local:
            pipe.send(local.api_base)
            while not pipe.poll():
                await asyncio.sleep(0.1)
            pipe.send(len(local.running()))

    asyncio.run(run())


@contextmanager
def server() -> Iterator[tuple[str, Connection]]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    process.start()
    try:
        yield here.recv(), here
    finally:
        process.kill()
        process.join()


def memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def sockets() -> int:
    kinds = [os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if os.path.islink(entry.path)]
    return sum(kind.startswith("socket:") for kind in kinds)


async def keep_busy(router: AsyncRouter, until: float, done: Counter[str]) -> None:
    while time.monotonic() < until:
        try:
            with anyio.fail_after(random.uniform(0.5, 5) if random.random() < LEAVING else None):
                if random.random() < STREAMED:
                    async with await router.acompletion(LLAMA, HELLO, stream=True) as chunks:
                        async for _ in chunks:
                            pass
                else:
                    await router.acompletion(LLAMA, HELLO)
            done["completed"] += 1
        except TimeoutError:
            done["left early"] += 1
        except APIError as error:
            done[repr(error)] += 1


async def soak(api_base: str) -> tuple[Counter[str], list[float]]:
    """What became of the completions, and the memory second by second once all was warm."""
    done: Counter[str] = Counter()
    marks: list[float] = []
    until = time.monotonic() + SECONDS
    async with AsyncRouter(
        api_key=KEY, api_base=api_base, creations_per_minute=1e9, others_per_minute=1e9
    ) as router:
        busy = [asyncio.create_task(keep_busy(router, until, done)) for _ in range(IN_FLIGHT)]
        await asyncio.sleep(SECONDS / 3)
        while time.monotonic() < until:
            marks.append(memory_mb())
            await asyncio.sleep(1)
        await asyncio.gather(*busy)
    return done, marks


async def main(api_base: str) -> None:
    loop, before = asyncio.get_running_loop(), sockets()
    done, marks = await soak(api_base)
    await asyncio.sleep(0.5)
    gc.collect()
    timers = [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
    assert done.keys() <= {"completed", "left early"} and done["completed"] > IN_FLIGHT, done
    third = len(marks) // 3
    assert max(marks[-third:]) - max(marks[:third]) < MAY_GROW_MB, marks
    assert len(asyncio.all_tasks()) == 1
    assert sockets() == before
    assert not timers


def test_nothing_piles_up() -> None:
    with server() as (api_base, pipe):
        asyncio.run(main(api_base))
        pipe.send("stop")
        assert pipe.recv() == 0, "predictions were left running"
