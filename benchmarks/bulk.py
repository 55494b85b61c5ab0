"""What a job costs beside the fan-out that it is: `python -m benchmarks.bulk`.

`map(journal=...)` beside a bare `asyncio.gather` of `acompletion`, over HTTP, each in a process of its own; and
a long job in simulated time, at Replicate's 600 creations a minute, with answers that are made up in the
process: what is left is the job's own work.
"""

from __future__ import annotations

import asyncio
import resource
import selectors
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from areplicate import AsyncRouter
from areplicate.bulk.map import JournalSettings, map_calls
from areplicate.chat.responses import ModelResponse
from areplicate.replicate.creation import INTENTS
from areplicate.replicate.limits import CREATIONS_PER_MINUTE, Limiter

from . import models
from .stand import KEY, server
from .workers import in_a_process, in_turn

ROWS = 10_000
LONG_ROWS = 100_000
RUN_SECONDS = 5.0  # of the made-up predictions

Figures = dict[str, Any]


def requests(count: int, model: str) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {"model": model, "messages": [{"role": "user", "content": f"What is question {number}?"}]}


async def gather(router: AsyncRouter, count: int, journal: Path) -> None:
    """What a careful developer writes: all at once, so many of them at a time as `map` has."""
    room = asyncio.Semaphore(1000)

    async def one(request: dict[str, Any]) -> ModelResponse:
        async with room:
            response: ModelResponse = await router.acompletion(**request)
            return response

    await asyncio.gather(*(one(request) for request in requests(count, models.WARM.full_name)))


async def job(router: AsyncRouter, count: int, journal: Path) -> None:
    async for result in router.map(requests(count, models.WARM.full_name), journal=journal):
        if result.error is not None:
            raise result.error


WAYS: dict[str, Callable[[AsyncRouter, int, Path], Awaitable[None]]] = {"gather": gather, "job": job}


def over_http(way: str, count: int, api_base: str, journal: Path) -> Figures:
    return asyncio.run(_over_http(way, count, api_base, journal))


async def _over_http(way: str, count: int, api_base: str, journal: Path) -> Figures:
    async with AsyncRouter(
        api_key=KEY, api_base=api_base, creations_per_minute=1e9, others_per_minute=1e9
    ) as router:
        warm_up = next(requests(1, models.WARM.full_name))
        await router.acompletion(**warm_up)
        before, begun = memory_mb(), time.process_time()
        await WAYS[way](router, count, journal)
        return {"cpu_per_row": (time.process_time() - begun) / count, "memory": memory_mb() - before}


class Skipping(selectors.DefaultSelector):
    """Instead of sleeping until the next timer, moves the loop's clock to it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if not (events := super().select(0.0002)):  # a thread that writes may speak up
            self.now += timeout
        return events


class MadeUp:
    """Answers after some seconds, at no more than the usual rate."""

    def __init__(self) -> None:
        self._limiter = Limiter(CREATIONS_PER_MINUTE)
        self.asked = 0
        text = models.TEXT
        self._answer = {
            **{"id": "x" * 26, "created": 1, "model": models.WARM.full_name, "object": "chat.completion"},
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            ],
            "usage": {"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 40},
        }

    async def ask(self, **request: Any) -> ModelResponse:
        self.asked += 1
        await self._limiter.acquire()
        intents = INTENTS.get()
        assert intents is not None, "a job remembers what it asks"
        await intents(models.WARM.full_name).asking(1800 + self.asked % 60)
        await asyncio.sleep(RUN_SECONDS)
        return msgspec.convert(self._answer, ModelResponse)


def long_job(count: int, journal: Path) -> Figures:
    """A run of a job in simulated time."""
    loop = asyncio.SelectorEventLoop(skipping := Skipping())
    setattr(loop, "time", lambda: skipping.now)  # noqa: B010
    return {**loop.run_until_complete(_long_job(count, journal)), "journal": journal_mb(journal)}


async def _long_job(count: int, journal: Path) -> Figures:
    made_up = MadeUp()
    begun, cpu, wall = asyncio.get_running_loop().time(), time.process_time(), time.monotonic()
    async for result in map_calls(
        made_up.ask, requests(count, models.WARM.full_name), journal=JournalSettings(journal)
    ):
        if result.error is not None:
            raise result.error
    return {
        "asked": made_up.asked,
        "simulated": asyncio.get_running_loop().time() - begun,
        "wall": time.monotonic() - wall,
        "cpu_per_row": (time.process_time() - cpu) / count,
        "peak": memory_mb(),
    }


def journal_mb(journal: Path) -> float:
    """Its size once it is closed, which takes real time, not simulated."""
    while journal.with_name(f"{journal.name}-wal").exists():
        time.sleep(0.01)
    return journal.stat().st_size / 1e6


def memory_mb() -> float:
    """The most that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def measure(rows: int, long_rows: int, rounds: int) -> Figures:
    """Every figure, round by round; the long job is run, and then resumed with nothing left to ask."""
    with tempfile.TemporaryDirectory() as folder, server(models.all_models(1.0)) as local:

        def one(way: str) -> Figures:
            journal = Path(tempfile.mkdtemp(dir=folder)) / "journal"
            return in_a_process(over_http, way, rows, local.api_base, journal)

        found: Figures = {"rows": rows, "long_rows": long_rows, **in_turn(WAYS, rounds, one)}
        for run in ("long", "resumed"):
            found[run] = in_a_process(long_job, long_rows, Path(folder) / "journal of the long job")
    return found


def section(found: Figures) -> Iterator[str]:
    """Lines of Markdown."""
    cpu = {way: 1e3 * statistics.median(of["cpu_per_row"] for of in found[way]) for way in WAYS}
    memory = {way: statistics.median(of["memory"] for of in found[way]) for way in WAYS}
    long, resumed = found["long"], found["resumed"]
    yield from ("## A job beside a fan-out", "")
    yield (
        f"{found['rows']:,} rows over HTTP, 1,000 at a time: `map(journal=...)` takes {cpu['job']:.2f} ms of CPU a "
        f"row and {memory['job']:.0f} MB, a bare `asyncio.gather` of `acompletion` {cpu['gather']:.2f} ms and "
        f"{memory['gather']:.0f} MB: {cpu['job'] - cpu['gather']:.2f} ms more a row (`python -m benchmarks.bulk`)."
    )
    yield ""
    yield (
        f"{found['long_rows']:,} rows at {CREATIONS_PER_MINUTE:g} creations a minute, {long['simulated'] / 3600:.1f} "
        f"hours of simulated time with made-up answers: {1e3 * long['cpu_per_row']:.2f} ms of CPU a row, "
        f"{long['peak']:.0f} MB at the most, a journal of {long['journal']:.0f} MB. The same job again, with "
        f"nothing left to ask: {resumed['wall']:.1f} s, {resumed['peak']:.0f} MB, {resumed['asked']} asked."
    )


if __name__ == "__main__":
    print("\n".join(section(measure(ROWS, LONG_ROWS, rounds=2))))
