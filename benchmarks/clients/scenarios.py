"""What is asked of every client. Times are in seconds, memory in megabytes.

CPU is the process's own, user and system.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from typing import Any, Protocol

PROMPT = "Hello, how are you?"
WARMING = 3
"""Calls that are made first, so that connections, caches and imports are warm."""


class Client(Protocol):
    """A client as a benchmark sees it."""

    async def complete(self, model: str, prompt: str) -> str:
        """The whole answer."""

    def stream(self, model: str, prompt: str) -> AsyncIterator[str]:
        """The answer's pieces as they come."""

    async def aclose(self) -> None: ...


async def warm(client: Client, model: str, calls: int) -> dict[str, Any]:
    """One call after the other."""
    await _warm_up(client, model)
    latencies = []
    cpu = time.process_time()
    for _ in range(calls):
        begun = time.perf_counter()
        await client.complete(model, PROMPT)
        latencies.append(time.perf_counter() - begun)
    return {"latencies": latencies, "cpu_per_call": (time.process_time() - cpu) / calls}


async def fanout(client: Client, model: str, count: int, text: str, warm_model: str) -> dict[str, Any]:
    """Many calls at once. `text` is the right answer."""
    await _warm_up(client, warm_model)
    gc.collect()
    base = _memory()
    cpu, begun = time.process_time(), time.perf_counter()
    answers = await asyncio.gather(
        *(client.complete(model, PROMPT) for _ in range(count)), return_exceptions=True
    )
    wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return {
        "wall": wall,
        "cpu_per_call": cpu / count,
        "memory_before": base,
        "memory_peak": _memory("VmHWM"),
        **_judged(answers, [text] * count),
    }


async def stream(client: Client, model: str, runs: int) -> dict[str, Any]:
    """One stream after the other: when the first piece came, and the longest wait for a next one."""
    await _drain(client, model)
    first, gaps = [], []
    for _ in range(runs):
        times = await _drain(client, model)
        first.append(times[0])
        gaps.append(max(b - a for a, b in pairwise(times)))
    return {"first": first, "longest_gap": gaps}


async def streams(client: Client, model: str, count: int) -> dict[str, Any]:
    """Many streams at once, for their CPU per piece."""
    await _drain(client, model)
    cpu = time.process_time()
    pieces = sum(len(times) for times in await asyncio.gather(*(_drain(client, model) for _ in range(count))))
    return {"pieces": pieces, "cpu_per_piece": (time.process_time() - cpu) / pieces}


async def open_streams(client: Client, model: str, count: int) -> dict[str, Any]:
    """Many streams held open after their first piece: the memory of each."""
    iterators = [client.stream(model, PROMPT) for _ in range(count + 1)]
    await anext(iterators[0])
    gc.collect()
    base = _memory()
    await asyncio.gather(*(anext(iterator) for iterator in iterators[1:]))
    gc.collect()
    held = _memory()
    for iterator in iterators:
        await iterator.aclose()  # type: ignore[attr-defined]
    return {"memory_before": base, "memory_per_stream": (held - base) / count}


async def one(client: Client, model: str, text: str, streamed: bool) -> dict[str, Any]:
    """One call, through whatever it meets: the answer, and `done`, the time of day when it was whole."""
    begun = time.time()
    try:
        if streamed:
            answer = "".join([piece async for piece in client.stream(model, PROMPT)])
        else:
            answer = await client.complete(model, PROMPT)
    except Exception as error:
        return {"outcome": "error", "error": _named(error), "seconds": time.time() - begun}
    done = time.time()
    outcome = "right" if answer == text else "empty" if not answer else "wrong"
    return {"outcome": outcome, "seconds": done - begun, "done": done}


async def cancel(client: Client, model: str, count: int, after: float) -> dict[str, Any]:
    """Many callers, all cancelled."""
    callers = [asyncio.ensure_future(client.complete(model, PROMPT)) for _ in range(count)]
    await asyncio.sleep(after)
    for caller in callers:
        caller.cancel()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    return {"cancelled": sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)}


async def faults(client: Client, model: str, count: int, concurrency: int) -> dict[str, Any]:
    """Numbered questions while things go wrong, a few at once: the right answers, and the errors."""
    left = iter(range(count))
    answers: list[str | BaseException] = [""] * count

    async def ask() -> None:
        for number in left:
            try:
                answers[number] = await client.complete(model, f"What is question {number}?")
            except Exception as error:
                answers[number] = error

    begun = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(concurrency)))
    wall = time.perf_counter() - begun
    return {"wall": wall, **_judged(answers, [f"Answer {number}." for number in range(count)])}


async def _warm_up(client: Client, model: str) -> None:
    await asyncio.gather(*(client.complete(model, PROMPT) for _ in range(WARMING)))


async def _drain(client: Client, model: str) -> list[float]:
    """Seconds after which each piece of a stream came."""
    begun = time.perf_counter()
    return [time.perf_counter() - begun async for piece in client.stream(model, PROMPT) if piece]


def _judged(answers: Sequence[str | BaseException], expected: Sequence[str]) -> dict[str, Any]:
    errors = Counter(_named(answer) for answer in answers if isinstance(answer, BaseException))
    right = sum(answer == text for answer, text in zip(answers, expected, strict=True))
    return {"right": right, "wrong": len(answers) - right - errors.total(), "errors": dict(errors)}


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:160]}"


def _memory(line: str = "VmRSS") -> float:
    """Resident memory now; with `VmHWM`, the most there has been."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(of.split()[1]) * 1024 / 1e6 for of in status if of.startswith(line))
