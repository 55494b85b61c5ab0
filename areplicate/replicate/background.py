"""Tasks that belong to an event loop, not to one of its callers.

Work that serves many callers (reading the account's list), or outlives its caller (cancelling what nobody
wants), runs in such a task, which `aclose` ends. If nobody calls that, the end of the loop does (`endings`), or the
interpreter's exit for a loop that nobody closes, or that still runs in a daemon's thread.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import time
from asyncio import _get_running_loop
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Any

import anyio
import msgspec
from anyio.lowlevel import current_token

from ..clock import running_loop
from .endings import (
    Work,
    at_exit_of_a_child,
    before_close,
    logged,
    run_on,
    uninterrupted,
    until_the_end,
)

_AT_EXIT = 12.0
"""Seconds, at most, that the interpreter's exit waits for another thread's loop: a little more than closing takes."""

_begun: set[Background] = set()
"""Backgrounds with something to do at the end of their loop: kept until then, even if all others drop them."""


class Background(msgspec.Struct, eq=False):
    """The tasks of one router."""

    _at_end: Work
    """What happens before the loop ends, if `aclose` was not called until then."""
    _loop: asyncio.AbstractEventLoop | None = None
    _trio: Any = None
    """The token of trio's loop, if that is what runs."""
    _hook: AsyncGenerator[None, None] | None = None
    begun: bool = False
    _process: int = 0
    """The process in which it has begun: what runs is not a forked child's to end."""
    _running: dict[object, Callable[[], object]] = {}
    """The tasks, and what cancels each."""
    _idle: anyio.Event | None = None

    def begin(self) -> None:
        """From now on this belongs to the running loop; to be called again does no harm."""
        if self._hook is None:
            self._loop = running_loop()
            self.begun = True
            self._process = os.getpid()
            _begun.add(self)
            at_exit_of_a_child(end_all)
            self._hook = until_the_end(self._ended)
            with suppress(StopIteration):  # it begins without waiting for anything
                self._hook.__anext__().send(None)
            if self._loop is not None:
                before_close(self._loop).add(self._ended)
            else:
                self._trio = current_token().native_token

    def spawn(self, work: Work) -> object:
        """Begins a task, which `aclose` cancels; gives what `runs` takes. On trio it may be too late for a task."""
        loop = running_loop()
        if loop is None:
            import trio

            scope = anyio.CancelScope()
            with suppress(RuntimeError):  # if its main task has ended
                trio.lowlevel.spawn_system_task(self._on_trio, work, scope)
                self._running[scope] = scope.cancel
            return scope
        # Not the loop's own way to make one: an eager task would be at its end before anybody could note that it runs.
        task = Context().run(partial(asyncio.Task, logged(work), loop=loop))
        self._running[task] = task.cancel
        task.add_done_callback(self._has_ended)
        return task

    def runs(self, task: object) -> bool:
        """Whether a task has not ended yet."""
        # asyncio marks a task as done before it calls the callbacks.
        return task in self._running and not (isinstance(task, asyncio.Task) and task.done())

    def call_soon(self, do: Callable[[], object]) -> None:
        """Calls `do` in the loop's thread: at once if that is this one; never if the loop has ended."""
        if self._loop is not None and running_loop() is self._loop:
            do()
            return
        with suppress(Exception):  # the loop has ended
            if self._loop is not None:
                self._loop.call_soon_threadsafe(do)
            elif self._trio is not None:
                self._trio.run_sync_soon(do)

    async def aclose(self) -> None:
        """Cancels the tasks, and waits until they have ended."""
        _begun.discard(self)
        hook, self._hook = self._hook, None
        self.begun = False
        if self._loop is not None:
            before_close(self._loop).discard(self._ended)
            self._loop = None
        for cancel in list(self._running.values()):
            cancel()
        if self._running:
            if self._idle is None or self._idle.is_set():
                self._idle = anyio.Event()
            await self._idle.wait()
        if hook is not None:
            with suppress(RuntimeError):  # it is running: its end is what closes this
                await hook.aclose()

    @property
    def inherited(self) -> bool:
        """Whether this is a forked child, and what runs is its parent's."""
        return self.begun and self._process != os.getpid()

    @property
    def elsewhere(self) -> bool:
        """Whether another loop runs here than the one to which this belongs, as in another thread or process."""
        return self._loop is not None and self._loop is not _get_running_loop()

    async def _ended(self) -> None:
        """The loop ends. Where that is interrupted, what ends the loop next goes on with it."""
        if self.begun and not self.inherited:
            await self._at_end()

    def end(self) -> None:
        """Ends what belongs to an asyncio loop that nobody has closed."""
        loop = self._loop
        if loop is None or loop.is_closed() or self.inherited:
            return
        if not loop.is_running():
            run_on(loop, self._ended)
        elif self.elsewhere:  # in a thread that does not keep the interpreter from ending
            asyncio.run_coroutine_threadsafe(logged(self._ended), loop)
            until = time.monotonic() + _AT_EXIT
            while self.begun and time.monotonic() < until:  # its calls fail, which may end the loop meanwhile
                time.sleep(0.01)

    async def _on_trio(self, work: Work, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                await logged(work)
        finally:
            self._has_ended(scope)

    def _has_ended(self, task: object) -> None:
        del self._running[task]
        if self._idle is not None and not self._running:
            self._idle.set()


@atexit.register
def end_all() -> None:
    """The interpreter ends."""
    with uninterrupted():
        for background in list(_begun):
            background.end()
