"""Thousands of calls at once through a cold boot, within the account's limits.

`python -m benchmarks.cold_fanout [--calls 5000] [--boot 180]`. It runs over real HTTP on a loop that skips
waiting, against a server that enforces Replicate's published limits.
"""

from __future__ import annotations

import argparse
from bisect import bisect
from collections import Counter

import anyio

from areplicate import AsyncRouter
from areplicate.local import LocalModel, LocalReplicate
from tests.fast_forward import FastForwardLoop

MODEL = "meta/meta-llama-3-8b-instruct"


async def fan_out(calls: int, boot: float) -> None:
    model = LocalModel(owner="meta", name="meta-llama-3-8b-instruct", boot_seconds=boot, run_seconds=3)
    late: list[float] = []
    async with (
        LocalReplicate([model], create_per_minute=600, other_per_minute=3000) as local,
        AsyncRouter(api_key="r8_benchmark", api_base=local.api_base) as router,
    ):

        async def one(number: int) -> None:
            response = await router.acompletion(MODEL, [{"role": "user", "content": f"question {number}"}])
            late.append(anyio.current_time() - local.predictions[response.id].ends)

        async with anyio.create_task_group() as group:
            for number in range(calls):
                group.start_soon(one, number)
        kinds = Counter(seen.kind for seen in local.requests)
        others = sorted(seen.time for seen in local.requests if seen.kind != "create")
        most = max((bisect(others, time + 60) - i for i, time in enumerate(others)), default=0)
        late.sort()
        print(f"{calls} calls through a boot of {boot:g} s: {dict(kinds)}")
        print(f"throttled: {kinds['create'] - calls}")
        print(f"most requests but creations in any minute: {most} (3000 are allowed)")
        print(
            f"late: median {late[len(late) // 2]:.2f} s, 99% {late[len(late) * 99 // 100]:.2f} s, most {late[-1]:.2f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--boot", type=float, default=180)
    options = parser.parse_args()
    anyio.run(fan_out, options.calls, options.boot, backend_options={"loop_factory": FastForwardLoop})


if __name__ == "__main__":
    main()
