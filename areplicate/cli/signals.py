"""What Ctrl-C, SIGTERM and SIGHUP (the terminal has gone) do to a command that works in an event loop.

They raise nothing there. An exception from a handler may come between any two steps of the loop's own work; the task
that was to be woken by the next step would then be waited for without end.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")

_ENDS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Windows has no SIGHUP."""


def run(work: Callable[[], Awaitable[T]], stop: Callable[[], object] | None = None) -> T:
    """`anyio.run` for a command: SIGTERM and SIGHUP cancel the work, as Ctrl-C does. The next one does what it did before.

    Args:
        stop: what the first Ctrl-C does instead, called by the loop; the second one cancels.

    Raises:
        SystemExit, KeyboardInterrupt: what has cancelled it.
    """
    ending: int | None = None

    async def cancellable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        ends = [number for number in _ENDS if signal.getsignal(number) is not signal.SIG_IGN]
        numbers = ends if stop is None else [*ends, signal.SIGINT]
        before = {number: signal.getsignal(number) for number in numbers}

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        def cancel(number: int, _: object) -> None:
            nonlocal ending
            ending = number
            restore()
            loop.call_soon_threadsafe(task.cancel)

        def first_interrupt(*_: object) -> None:
            assert stop is not None
            signal.signal(signal.SIGINT, cancel)
            loop.call_soon_threadsafe(stop)

        for number in ends:
            signal.signal(number, cancel)
        if stop is not None:
            signal.signal(signal.SIGINT, first_interrupt)
        try:
            return await work()
        finally:
            restore()

    try:
        return anyio.run(cancellable)
    except asyncio.CancelledError:
        if ending is None:
            raise
        if ending == signal.SIGINT:
            raise KeyboardInterrupt from None
        sys.exit(128 + ending)
