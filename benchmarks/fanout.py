"""What a fan-out costs beside a bare `asyncio.gather` of aiohttp calls: `python -m benchmarks.fanout`.

Each client in a process of its own, in turn, against the same stand-in. All calls are in flight together: the
model takes ten seconds. areplicate runs once as it is, where most calls are watched through the list of
predictions, and once with a pool that holds a connection for each, as the bare client does.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

from .models import SLOW, TEXT, WARM, all_models
from .stand import ratio, server
from .workers import LOOPS, in_turn, work

CPU_LIMIT = 1.7
MEMORY_LIMIT_KB = 12.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loop", choices=LOOPS, default="asyncio")
    options = parser.parse_args()
    settings: dict[str, dict[str, Any]] = {
        "aiohttp": {},
        "areplicate": {},
        "areplicate, all held": {"pool_size": options.count * 10 // 9 + 10},
    }

    with server(all_models()) as local:

        def fan_out(label: str) -> dict[str, Any]:
            figures = work(
                label.partition(",")[0],
                "fanout",
                api_base=local.api_base,
                loop=options.loop,
                settings=settings[label],
                model=SLOW.full_name,
                warm_model=WARM.full_name,
                count=options.count,
                text=TEXT,
            )
            if figures.get("right") != options.count:
                raise SystemExit(f"{label}: not every answer was right: {figures}")
            return figures

        found = in_turn(settings, options.rounds, fan_out)
    print(f"{options.count} in flight, {options.rounds} rounds on {options.loop}, medians")
    bare = [figures["cpu_per_call"] for figures in found["aiohttp"]]
    bare_memory = [_memory_kb(figures, options.count) for figures in found["aiohttp"]]
    for label, rounds in found.items():
        cpu = [figures["cpu_per_call"] for figures in rounds]
        memory = [_memory_kb(figures, options.count) for figures in rounds]
        above = statistics.median(a - b for a, b in zip(memory, bare_memory, strict=True))
        wall = statistics.median(figures["wall"] for figures in rounds)
        print(
            f"{label:22}{wall:7.1f} s{1e6 * statistics.median(cpu):8.0f} us of CPU a completion"
            f" ({ratio(cpu, bare):.2f} times, allowed {CPU_LIMIT:g})"
            f"{statistics.median(memory):8.1f} KB each in flight ({above:+.1f}, allowed {MEMORY_LIMIT_KB:+g})"
        )


def _memory_kb(figures: dict[str, Any], count: int) -> float:
    return 1e3 * float(figures["memory_peak"] - figures["memory_before"]) / count


if __name__ == "__main__":
    main()
