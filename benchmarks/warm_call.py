"""What a warm call costs beside a bare aiohttp call in the same run: `python -m benchmarks.warm_call`.

Prints CPU per call (user and system time of this process), as the median of several rounds.
`python scripts/road.py` shows which files it visits.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Awaitable, Callable

import uvloop

from areplicate import AsyncRouter
from areplicate.local import LocalModel

from .clients.aiohttp_client import Client
from .models import CHUNKS
from .stand import KEY, ratio, server
from .workers import in_a_process

Call = Callable[[], Awaitable[object]]
MODEL = "meta/meta-llama-3-8b-instruct"
PROMPT = "Hello, how are you?"
MESSAGES = [{"role": "user", "content": PROMPT}]


async def cpu_per_call(call: Call, calls: int) -> float:
    begun = time.process_time()
    for _ in range(calls):
        await call()
    return (time.process_time() - begun) / calls


async def measure(api_base: str, calls: int, rounds: int) -> tuple[list[float], list[float]]:
    """CPU of our calls and of bare ones, each on connections of their own."""
    client = Client(api_base, KEY)
    ours: list[float] = []
    bare: list[float] = []

    async def our_call() -> object:
        return await router.acompletion(MODEL, MESSAGES, max_tokens=100)

    async def bare_call() -> object:
        return await client.complete(MODEL, PROMPT)

    async with AsyncRouter(api_key=KEY, api_base=api_base, creations_per_minute=1e9) as router:
        await cpu_per_call(our_call, calls // 10 + 1)
        await cpu_per_call(bare_call, calls // 10 + 1)
        for _ in range(rounds):
            ours.append(await cpu_per_call(our_call, calls))
            bare.append(await cpu_per_call(bare_call, calls))
    await client.aclose()
    return ours, bare


def in_this_process(calls: int, rounds: int) -> tuple[list[float], list[float]]:
    """CPU of a warm call and of a bare one, round by round."""
    owner, _, name = MODEL.partition("/")
    with server([LocalModel(owner=owner, name=name, reply=CHUNKS)]) as local:
        return uvloop.run(measure(local.api_base, calls, rounds))


def in_processes(calls: int, rounds: int, processes: int) -> dict[str, list[float]]:
    """CPU of warm calls, `ours`, and of `bare` ones.

    In several processes, one after the other: how a process lies in memory shifts the ratio by some percent.
    """
    found: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(processes):
        ours, bare = in_a_process(in_this_process, calls, rounds)
        found["ours"] += ours
        found["bare"] += bare
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    ours, bare = in_this_process(options.calls, options.rounds)
    print(f"CPU a warm call: {statistics.median(ours) * 1e6:.0f} us")
    print(f"CPU a bare aiohttp call: {statistics.median(bare) * 1e6:.0f} us")
    print(f"ratio: {ratio(ours, bare):.2f}")


if __name__ == "__main__":
    main()
