"""What runs when an event loop or the process ends.

`asyncio.run` and trio shut down the async generators that have begun: `until_the_end` is such a generator, and the one
hook that every loop offers. A loop that is closed without that runs first what `before_close` has. Children of
`multiprocessing` run what `at_exit_of_a_child` was given.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .. import logs
from ..clock import running_loop

Work = Callable[[], Awaitable[None]]

_at_exit: dict[Callable[[], object], Any] = {}


def at_exit_of_a_child(do: Callable[[], object]) -> None:
    """Calls `do` when this process ends, if it is a child of `multiprocessing`: most of them end without `atexit`."""
    process, util = (sys.modules.get(f"multiprocessing.{name}") for name in ("process", "util"))
    if process is None or util is None or process.parent_process() is None:
        return
    if do not in _at_exit or not _at_exit[do].still_active():
        _at_exit[do] = util.Finalize(None, do, exitpriority=0)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C is only answered in words meanwhile: pressed twice, it must not keep predictions from being cancelled."""
    try:
        before = signal.signal(signal.SIGINT, _tell_that_it_cancels)
    except ValueError:  # only the main thread is interrupted
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


def _tell_that_it_cancels(*_: object) -> None:
    logs.logger.warning("What still runs on Replicate is being cancelled, which takes some seconds at most.")


async def until_the_end(ended: Work) -> AsyncGenerator[None, None]:
    """Once it has begun, does `ended` when it is closed, which the end of the loop does at the latest."""
    try:
        yield
    finally:
        await ended()


class _Close:
    """A loop's `close`, and what runs before it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.todo: set[Work] = set()
        self._loop = loop
        self._close = loop.close
        loop.close = self  # type: ignore[method-assign]

    def __call__(self) -> None:
        try:
            if self.todo and not self._loop.is_closed() and running_loop() is None:
                with uninterrupted():
                    for work in list(self.todo):
                        run_on(self._loop, work)
        finally:
            self.todo.clear()
            vars(self._loop).pop("close", None)
            self._close()


def before_close(loop: asyncio.AbstractEventLoop) -> set[Work]:
    """What a loop runs when it is closed, to be added to and taken from."""
    close = loop.close
    return (close if isinstance(close, _Close) else _Close(loop)).todo


def run_on(loop: asyncio.AbstractEventLoop, work: Work) -> None:
    """Runs it on a loop that does not run."""
    task = loop.create_task(logged(work))
    try:
        loop.run_until_complete(task)
    except RuntimeError:  # somebody has asked the loop to stop while it did not run, which ends its next run
        loop.run_until_complete(task)


async def logged(work: Work) -> None:
    """Does the work; if it fails, the log says so, since nobody waits for it."""
    try:
        await work()
    except Exception:
        logs.logger.exception("A background task of areplicate failed")
