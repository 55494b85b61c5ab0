"""What a warm call costs beside a bare aiohttp call in the same run: `python -m benchmarks.warm_call`.

`python scripts/road.py` shows which files it visits.

Prints CPU per call (user and system time of this process), requests a call, and the CPU of
`import areplicate`, each as the median of several rounds.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp

from areplicate import AsyncRouter
from areplicate.local import LocalModel

from .clients.worker import runner
from .models import CHUNKS
from .stand import KEY, bare_call, ratio, server
from .workers import LOOPS

Call = Callable[[], Awaitable[object]]
MODEL = "meta/meta-llama-3-8b-instruct"
PROMPT = "Hello, how are you?"
MESSAGES = [{"role": "user", "content": PROMPT}]


def local_model() -> LocalModel:
    """A model that answers at once."""
    owner, _, name = MODEL.partition("/")
    return LocalModel(owner=owner, name=name, reply=CHUNKS)


async def cpu_per_call(call: Call, calls: int) -> float:
    begun = time.process_time()
    for _ in range(calls):
        await call()
    return (time.process_time() - begun) / calls


@asynccontextmanager
async def callers(api_base: str) -> AsyncIterator[tuple[Call, Call]]:
    """What makes one of our calls, and what makes a bare one, each on connections of its own."""
    async with (
        AsyncRouter(api_key=KEY, api_base=api_base, creations_per_minute=1e9) as router,
        aiohttp.ClientSession() as session,
    ):

        async def our_call() -> object:
            return await router.acompletion(MODEL, MESSAGES, max_tokens=100)

        async def its_call() -> object:
            return await bare_call(session, api_base, MODEL, PROMPT)

        yield our_call, its_call


async def measure(api_base: str, calls: int, rounds: int) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    bare: list[float] = []
    async with callers(api_base) as (our_call, its_call):
        await cpu_per_call(our_call, calls // 10 + 1)
        await cpu_per_call(its_call, calls // 10 + 1)
        for _ in range(rounds):
            ours.append(await cpu_per_call(our_call, calls))
            bare.append(await cpu_per_call(its_call, calls))
    return ours, bare


def in_a_process(calls: int, rounds: int, loop: str) -> tuple[list[float], list[float]]:
    """CPU of a warm call and of a bare one, round by round."""
    with server([local_model()]) as local:
        ours, bare = runner(loop)(measure(local.api_base, calls, rounds))
        return ours, bare


def import_cpu(module: str) -> float:
    """CPU seconds of importing a module in a fresh interpreter, beyond starting that."""

    def cpu(code: str) -> float:
        probe = f"import time\n{code}\nprint(time.process_time())"
        return float(subprocess.check_output([sys.executable, "-c", probe]))

    return statistics.median(cpu(f"import {module}") - cpu("") for _ in range(7))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--loop", choices=LOOPS, default="uvloop")
    options = parser.parse_args()
    with server([local_model()]) as local:
        before = local.counts().get("create", 0)
        ours, bare = runner(options.loop)(measure(local.api_base, options.calls, options.rounds))
        counts = local.counts()
        made = counts["create"] - before
        extra = sum(counts.values()) - counts["running"] - made
    print(f"CPU a warm call: {statistics.median(ours) * 1e6:.0f} us")
    print(f"CPU a bare aiohttp call: {statistics.median(bare) * 1e6:.0f} us")
    print(f"ratio: {ratio(ours, bare):.2f}")
    print(f"HTTP requests a warm call: {1 + extra / made:.2f}")
    print(f"CPU of import areplicate: {import_cpu('areplicate') * 1e3:.1f} ms")
    router_cpu = import_cpu("areplicate.completion, areplicate.replicate.transports.aiohttp")
    print(f"CPU of importing all that a call needs: {router_cpu * 1e3:.0f} ms")
    print(f"CPU of import aiohttp: {import_cpu('aiohttp') * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
