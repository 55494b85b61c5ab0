"""Thousands of completions in flight for minutes: does anything pile up?

`python -m benchmarks.soak [--minutes 10] [--in-flight 2000]`. In real time against a server in another
process: a third of the completions is streamed, some callers leave early. Prints memory as it goes, and
afterwards the tasks, sockets and timers that are left.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import resource
import sys
import time
from collections import Counter

import anyio

from areplicate import APIError, AsyncRouter
from areplicate.local import LocalModel

from .stand import KEY, Server, server

MODEL = "meta/meta-llama-3-8b-instruct"
MESSAGES = [{"role": "user", "content": "Hello, how are you?"}]
STREAMED, LEAVING = 0.33, 0.05
EVERY = 15.0
"""Seconds between two lines of the log."""


def memory_mb() -> float:
    """Resident memory of this process."""
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def sockets() -> int:
    """Sockets that this process has open."""
    kinds = [os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if os.path.islink(entry.path)]
    return sum(kind.startswith("socket:") for kind in kinds)


async def one(router: AsyncRouter, done: Counter[str]) -> None:
    streamed = random.random() < STREAMED
    leave_after = random.uniform(0.5, 10) if random.random() < LEAVING else None
    try:
        with anyio.fail_after(leave_after):
            if streamed:
                async with await router.acompletion(MODEL, MESSAGES, stream=True) as chunks:
                    async for _ in chunks:
                        pass
            else:
                await router.acompletion(MODEL, MESSAGES)
        done["completed"] += 1
    except TimeoutError:
        done["left early"] += 1
    except APIError as error:
        done[type(error).__name__] += 1


async def keep_busy(router: AsyncRouter, until: float, done: Counter[str]) -> None:
    while time.monotonic() < until:
        await one(router, done)


async def soak(local: Server, minutes: float, in_flight: int) -> None:
    loop = asyncio.get_running_loop()
    sockets_before = sockets()
    done: Counter[str] = Counter()
    until = time.monotonic() + minutes * 60
    marks: list[float] = []
    async with AsyncRouter(
        api_key=KEY, api_base=local.api_base, creations_per_minute=1e9, others_per_minute=1e9
    ) as router:
        busy = [asyncio.create_task(keep_busy(router, until, done)) for _ in range(in_flight)]
        while time.monotonic() < until:
            await asyncio.sleep(min(EVERY, max(0.1, until - time.monotonic())))
            marks.append(memory_mb())
            print(
                f"{minutes * 60 - (until - time.monotonic()):5.0f} s  {marks[-1]:6.1f} MB  {dict(done)}",
                flush=True,
            )
        await asyncio.gather(*busy)
        del busy
    await asyncio.sleep(0.5)
    gc.collect()
    timers = [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
    steady = marks[len(marks) // 3 :]
    print(f"memory over the last two thirds: {min(steady):.1f} to {max(steady):.1f} MB")
    print(f"tasks left: {len(asyncio.all_tasks()) - 1}")
    print(f"sockets left: {sockets() - sockets_before}")
    print(f"timers left: {len(timers)}")
    print(f"predictions left running: {local.counts()['running']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--in-flight", type=int, default=2000)
    options = parser.parse_args()
    model = LocalModel(
        owner="meta",
        name="meta-llama-3-8b-instruct",
        boot_seconds=20,
        run_seconds=15,
        reply=[f" word{i}" for i in range(30)],
    )
    with server([model]) as local:
        asyncio.run(soak(local, options.minutes, options.in_flight))


if __name__ == "__main__":
    main()
