"""The event loop in the background on which code that is not async runs its calls."""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401  once the main thread has ended, that cannot be imported
import os
import sys
import threading
from asyncio import CancelledError as CancelledOnTheLoop
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, suppress
from importlib.util import find_spec
from typing import Generic, NamedTuple, TypeVar, cast

import anyio
import anyio.from_thread
from anyio.from_thread import BlockingPortal

from .errors import APIConnectionError
from .forks import no_fork
from .replicate.endings import at_exit_of_a_child, uninterrupted

T = TypeVar("T")

_PROGRAM_ENDS = "The program ends, which ends its calls."


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Runs an async function on the background loop, and waits for it."""
    return _portal.call(work)


def loop_options() -> dict[str, bool]:
    """Whether the event loop is uvloop's: where it is installed, and can run.

    Beside gevent, the loop's "thread" is a greenlet: uvloop would wait in C and let no other run. Where a standard
    stream is closed (`<&-`), a socket gets its number, and uvloop ends the process when it closes that.
    """
    uvloop = find_spec("uvloop") is not None and "gevent.monkey" not in sys.modules
    return {"use_uvloop": uvloop and all(map(_is_open, range(3)))}


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def is_running() -> bool:
    """Whether the loop has begun, in this process, and has not ended."""
    return _portal.running


class _Raised(NamedTuple):
    error: BaseException


class _Call(Generic[T]):
    """Work on the loop, which can be left from the moment on at which this is made: a signal's handler may raise in
    the caller's thread before that has got hold of what it waits for."""

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._scope: anyio.CancelScope | None = None
        self._left = False

    async def run(self) -> T | _Raised | None:
        """What the work gives, or what it raises if that would end the loop, and with it the calls of all others: an
        `on_status` may call `sys.exit()`. None if it is left."""
        try:
            with anyio.CancelScope() as self._scope:
                return None if self._left else await self._work()
        except (Exception, CancelledOnTheLoop):
            raise
        except BaseException as error:
            return _Raised(error)
        return None

    async def leave(self) -> None:
        self._left = True
        if self._scope is not None:
            self._scope.cancel()


class _Portal:
    """A background event loop: it begins with the first call and ends with the interpreter."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: AbstractContextManager[BlockingPortal] | None = None
        self._portal: BlockingPortal | None = None
        self._inherited: list[object] = []
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    @property
    def running(self) -> bool:
        return self._portal is not None

    def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """Runs an async function there and waits for it; an interrupted wait cancels it."""
        portal, call = self._begun(), _Call(function)
        try:
            result = portal.start_task_soon(call.run).result()
        except CancelledError:
            raise APIConnectionError(_PROGRAM_ENDS) from None
        except BaseException:
            # The prediction is cancelled in the background; `close` waits for that at the latest.
            with suppress(RuntimeError):  # it has ended, and the call with it
                portal.start_task_soon(call.leave)
            raise
        if isinstance(result, _Raised):
            raise result.error
        return cast(T, result)  # None is for who has left

    def _begun(self) -> BlockingPortal:
        """The loop, which a thread of its own begins if it has not: Ctrl-C interrupts the main thread, and a loop that
        is half begun would keep the interpreter from ending."""
        if self._portal is not None:
            return self._portal
        if sys.is_finalizing():  # as in `__del__`, at the very end; a thread that is begun now may never run
            raise APIConnectionError(_PROGRAM_ENDS, request_sent=False)
        begun: Future[BlockingPortal] = Future()

        def begin() -> None:
            try:
                with self._lock, no_fork:
                    begun.set_result(self._portal or self._start())
            except BaseException as error:
                begun.set_exception(error)

        threading.Thread(target=begin, daemon=True).start()
        return begun.result()

    def _start(self) -> BlockingPortal:
        from .replicate.transports import aiohttp  # noqa: F401  what its first call would import

        self._open = anyio.from_thread.start_blocking_portal("asyncio", loop_options())
        self._portal = self._open.__enter__()
        at_exit_of_a_child(self.close)
        return self._portal

    def close(self) -> None:
        """Cancels what is still running, since nobody can be waiting for it, and ends the loop."""
        with self._lock:
            portal, self._portal = self._portal, None
            opened, self._open = self._open, None
        if portal is not None and opened is not None:
            with uninterrupted():
                portal.call(portal.stop, True)
                opened.__exit__(None, None, None)

    def _forget(self) -> None:
        # A forked child has the portal but not the thread behind it: it is left as it is, for dropping
        # it would wait for that thread, and another is begun with the next call.
        self._inherited.append(self._open)
        self._lock = threading.Lock()
        self._open = self._portal = None


_portal = _Portal()
