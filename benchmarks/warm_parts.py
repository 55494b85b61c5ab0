"""Where the CPU of a warm call goes: `python -m benchmarks.warm_parts [--loop uvloop]`.

One call at a time, so whatever the thread does between two points of a call is that call's. Each part is
shown without the parts inside it, and as a share of what a bare, hand-written aiohttp call costs in the same
run; together they are the whole call. The medians over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any
from unittest.mock import patch

from areplicate import AsyncRouter, call, router
from areplicate.replicate import creation, http
from areplicate.replicate.limits import Limiter

from . import warm_call
from .clients.worker import runner
from .stand import server
from .warm_call import local_model
from .workers import LOOPS

PARTS: dict[str, list[tuple[Any, str]]] = {
    "HTTP: aiohttp, its sockets, the event loop": [(http, "exchange")],
    "the input, from messages and parameters": [(router, "build_input")],
    "the model, its schema, the account, the call's arguments": [(AsyncRouter, "_call")],
    "the account's limits": [(Limiter, "acquire"), (Limiter, "observe"), (http, "ratelimit")],
    "exactly once: the body, claims, retries": [(creation.Creator, "create"), (http.Http, "send")],
    "reading the prediction": [(creation, "decoded")],
    "the deadline, phases": [(call, "predict")],
    "the response": [(call, "model_response")],
    "the rest of acompletion()": [(AsyncRouter, "acompletion")],
}
BARE = "a bare aiohttp call"


class Stopwatch:
    """CPU by part; a part that begins inside another stops that one's time meanwhile."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._begun: Counter[str] = Counter()
        self._inside: Counter[str] = Counter()
        """How many parts were begun inside each."""
        self._open = [""]
        self._since = time.thread_time()

    def begin(self, part: str) -> None:
        self._turn()
        self._begun[part] += 1
        self._inside[self._open[-1]] += 1
        self._open.append(part)

    def end(self) -> None:
        self._turn()
        self._open.pop()

    def _turn(self) -> None:
        """What has passed is that of the innermost part."""
        time_now = time.thread_time()
        self._seconds[self._open[-1]] += time_now - self._since
        self._since = time_now

    def seconds(self, parts: Iterable[str], samples: int = 2000) -> dict[str, float]:
        """CPU of each part, without what the stopwatch itself takes within it and around those inside."""
        nothing = self.timing("nothing", lambda: None)

        def many() -> None:
            for _ in range(samples):
                nothing()

        self.timing("many", many)()
        within, around = self._seconds["nothing"] / samples, self._seconds["many"] / samples
        return {
            part: self._seconds[part] - within * self._begun[part] - around * self._inside[part]
            for part in parts
        }

    def timing(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed as that part."""

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self.begin(part)
            try:
                return function(*args, **kwargs)
            finally:
                self.end()

        @wraps(function)
        async def timed_async(*args: Any, **kwargs: Any) -> Any:
            self.begin(part)
            try:
                return await function(*args, **kwargs)
            finally:
                self.end()

        return timed_async if iscoroutinefunction(function) else timed


async def measure(api_base: str, calls: int, rounds: int) -> list[dict[str, float]]:
    """Seconds of CPU by part and for the bare calls, round by round."""
    found = []
    async with warm_call.callers(api_base) as (ours, bare):
        for _ in range(1 + rounds):
            stopwatch = Stopwatch()
            with ExitStack() as patches:
                for part, functions in PARTS.items():
                    for owner, name in functions:
                        timed = stopwatch.timing(part, getattr(owner, name))
                        patches.enter_context(patch.object(owner, name, timed))
                await _repeat(ours, calls)
            await _repeat(stopwatch.timing(BARE, bare), calls)
            found.append(stopwatch.seconds((*PARTS, BARE)))
    return found[1:]  # the first warms up


def shares(found: list[dict[str, float]], calls: int) -> Iterator[tuple[str, float, float]]:
    """Each part with its seconds of CPU a call and its share of the bare call: medians over the rounds."""
    for name, parts in [*((part, [part]) for part in PARTS), ("together", list(PARTS)), (BARE, [BARE])]:
        of_rounds = [(sum(seconds[part] for part in parts), seconds[BARE]) for seconds in found]
        cpu = statistics.median(ours for ours, _ in of_rounds)
        yield name, cpu / calls, statistics.median(ours / bare for ours, bare in of_rounds)


def warm_path(calls: int, rounds: int, loop: str) -> tuple[list[float], list[float], list[dict[str, float]]]:
    """Round by round: CPU of a warm call, of a bare one, and of the warm call's parts."""
    with server([local_model()]) as local:
        ours, bare = runner(loop)(warm_call.measure(local.api_base, calls, rounds))
        return ours, bare, runner(loop)(measure(local.api_base, calls, rounds))


async def _repeat(make_call: warm_call.Call, calls: int) -> None:
    for _ in range(calls):
        await make_call()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--loop", choices=LOOPS, default="uvloop")
    options = parser.parse_args()
    with server([local_model()]) as local:
        found = runner(options.loop)(measure(local.api_base, options.calls, options.rounds))
    print(f"CPU of a warm acompletion() on {options.loop}, {options.rounds} rounds of {options.calls} calls")
    print(f"{'':58}{'us':>6}{'of the bare call':>18}")
    for name, cpu, share in shares(found, options.calls):
        print(f"{name:58}{cpu * 1e6:6.0f}{share:18.1%}")


if __name__ == "__main__":
    main()
