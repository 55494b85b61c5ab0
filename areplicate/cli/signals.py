"""What Ctrl-C and SIGTERM do to a command that works in an event loop.

They raise nothing there. An exception from a handler may come between any two steps of the loop's own work; the task
that was to be woken by the next step would then be waited for without end.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

import anyio

T = TypeVar("T")


def run(work: Callable[[], Awaitable[T]]) -> T:
    """`anyio.run` for a command that SIGTERM ends: it cancels the work, as asyncio's own handler of Ctrl-C does."""
    ended = False

    async def cancellable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def end(*_: object) -> None:
            nonlocal ended
            ended = True
            signal.signal(signal.SIGTERM, before)
            loop.call_soon_threadsafe(task.cancel)

        before = signal.signal(signal.SIGTERM, end)
        try:
            return await work()
        finally:
            signal.signal(signal.SIGTERM, before)

    try:
        return anyio.run(cancellable)
    except asyncio.CancelledError:
        if ended:
            sys.exit(143)
        raise


class Signals:
    """The first Ctrl-C asks the work to stop; a second one, and SIGTERM, cancel it. The next does what it did before.

    Args:
        on_stopping: called at the first Ctrl-C, by the loop.

    Attributes:
        stopping: Ctrl-C was pressed.
        ending: why the work was cancelled, and the exit status of a process that ends so.
    """

    def __init__(self, on_stopping: Callable[[], object]) -> None:
        self.stopping = False
        self.ending = ("stopped", 130)
        self._on_stopping = on_stopping

    @contextmanager
    def cancelling_this_task(self) -> Iterator[None]:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        def cancel(number: int, _: FrameType | None) -> None:
            if number == signal.SIGTERM:
                self.ending = ("stopped by SIGTERM", 143)
            restore()
            loop.call_soon_threadsafe(task.cancel)

        def stop(*_: object) -> None:
            self.stopping = True
            signal.signal(signal.SIGINT, cancel)
            loop.call_soon_threadsafe(self._on_stopping)

        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, cancel)
        try:
            yield
        finally:
            restore()
