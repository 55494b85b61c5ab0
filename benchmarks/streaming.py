"""What streaming costs beside a bare aiohttp event-stream reader: `python -m benchmarks.streaming`.

Each client in a process of its own, in turn, against the same stand-in. Prints the time to the first piece
(the model gives it at 50 ms), the CPU per piece of 50 streams at once, and the memory of each of 1,000 open
streams, as medians.
"""

from __future__ import annotations

import argparse
import statistics
from functools import partial

from .models import ENDLESS, QUICK_STREAM, STREAMED, all_models
from .stand import ratio, server
from .workers import LOOPS, in_turn, work

FIRST_LIMIT_MS = 5.0
CPU_LIMIT = 2.0
MEMORY_LIMIT_KB = 40.0
AT_ONCE = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--open", type=int, default=1000)
    parser.add_argument("--loop", choices=LOOPS, default="asyncio")
    options = parser.parse_args()

    with server(all_models()) as local:
        worker = partial(work, api_base=local.api_base, loop=options.loop)

        def first_ms(client: str) -> float:
            figures = worker(client, "stream", model=STREAMED.full_name, runs=5)
            return 1e3 * float(statistics.median(figures["first"]))

        def cpu_us(client: str) -> float:
            figures = worker(client, "streams", model=QUICK_STREAM.full_name, count=AT_ONCE)
            return 1e6 * float(figures["cpu_per_piece"])

        def memory_kb(client: str) -> float:
            figures = worker(client, "open_streams", model=ENDLESS.full_name, count=options.open)
            return 1e3 * float(figures["memory_per_stream"])

        first, cpu, memory = (
            in_turn(("aiohttp", "areplicate"), options.rounds, measure)
            for measure in (first_ms, cpu_us, memory_kb)
        )
    later = statistics.median(a - b for a, b in zip(first["areplicate"], first["aiohttp"], strict=True))
    times = ratio(cpu["areplicate"], cpu["aiohttp"])
    held = statistics.median(memory["areplicate"])
    print(f"{options.rounds} rounds on {options.loop}{'':15}{'aiohttp':>10}{'areplicate':>12}")
    _show("first piece, ms", first, f"{later:.1f} ms later, allowed {FIRST_LIMIT_MS:g}")
    _show(f"CPU a piece, us, {AT_ONCE} streams", cpu, f"{times:.2f} times, allowed {CPU_LIMIT:g}")
    _show(f"memory of each of {options.open}, KB", memory, f"{held:.1f} KB, allowed {MEMORY_LIMIT_KB:g}")


def _show(label: str, found: dict[str, list[float]], verdict: str) -> None:
    bare, ours = (statistics.median(found[client]) for client in ("aiohttp", "areplicate"))
    print(f"{label:32}{bare:10.1f}{ours:12.1f}   {verdict}")


if __name__ == "__main__":
    main()
