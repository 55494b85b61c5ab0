"""The event loop's clock, by which every wait and deadline is measured, and blocks that end at a deadline.

`anyio.CancelScope` is such a block for every loop. Entered on every call, it would be a tenth of the cost of a warm
one, half of that for its timer. On asyncio a `TaskScope` does the same for little: all scopes of a router share one
timer, which is set for the earliest deadline. It cancels its task once, so nothing inside may keep a cancellation for
itself. It needs Python 3.11, which counts how often a task is cancelled: a caller who cancels at the same moment must
not be overheard.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import _get_running_loop
from collections.abc import Callable, Collection
from math import inf
from types import TracebackType
from typing import Any, Protocol

import anyio
import msgspec


def now() -> float:
    """`anyio.current_time()`, at a tenth of its cost where asyncio runs; it is read several times a call."""
    loop = _get_running_loop()
    if loop is None or ("trio" in sys.modules and _on_trio()):
        return anyio.current_time()
    return loop.time()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """asyncio's loop; None on trio, also where trio runs within asyncio's loop, as in a notebook."""
    loop = _get_running_loop()
    return None if loop is None or ("trio" in sys.modules and _on_trio()) else loop


def _on_trio() -> bool:
    import sniffio  # trio needs it, too

    return sniffio.thread_local.name == "trio"


class Scope(Protocol):
    """What is used of `anyio.CancelScope`."""

    deadline: float

    @property
    def cancelled_caught(self) -> bool: ...
    def cancel(self) -> None: ...
    def __enter__(self) -> Scope: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> bool | None: ...


class TimeLimits:
    """Makes blocks with deadlines, all on the loop on which it is first used.

    Attributes:
        entered: those in use.
        on_left: is called whenever one has been left.
    """

    def __init__(self) -> None:
        self.entered: set[Any] = set()
        self.on_left: Callable[[], object] | None = None
        self._timer = SharedTimer(self.entered, between=0.02)
        self._loop: asyncio.AbstractEventLoop | None = None

    def scope(self, deadline: float) -> Scope:
        """One block, which is entered at once."""
        if self._loop is None:
            if sys.version_info >= (3, 11):
                self._loop = running_loop()
            if self._loop is None:
                return _AnyioScope(self, deadline)
        if deadline < self._timer.next:
            self._timer.look_at(deadline)
        return TaskScope(deadline, self, self._loop)

    def close(self) -> None:
        self._timer.close()


class _AnyioScope:
    """Has a timer of its own."""

    def __init__(self, limits: TimeLimits, deadline: float) -> None:
        self._limits = limits
        self._scope = anyio.CancelScope(deadline=deadline)
        self.cancel = self._scope.cancel

    @property
    def deadline(self) -> float:
        return self._scope.deadline

    @deadline.setter
    def deadline(self, time: float) -> None:
        self._scope.deadline = time

    @property
    def cancelled_caught(self) -> bool:
        return self._scope.cancelled_caught

    def __enter__(self) -> Scope:
        self._limits.entered.add(self)
        self._scope.__enter__()
        return self

    def __exit__(self, *error: Any) -> bool:
        self._limits.entered.discard(self)
        if self._limits.on_left is not None:
            self._limits.on_left()
        return self._scope.__exit__(*error)


class Sleeper(Protocol):
    """What is woken at a time of its own, `due`, which `wake` sets anew."""

    @property
    def due(self) -> float: ...
    def wake(self) -> None: ...


class SharedTimer:
    """One timer of asyncio's for all of `sleepers`: each of its own would take 800 bytes of memory.

    Args:
        between: seconds, at least, between two looks at all of them: there may be thousands.
    """

    def __init__(self, sleepers: Collection[Sleeper], between: float) -> None:
        self._sleepers = sleepers
        self._between = between
        self._timer: asyncio.TimerHandle | None = None
        self.next = inf
        """When it looks."""

    def look_at(self, time: float) -> None:
        """One of them is due then, which is before `next`."""
        self.close()
        self.next = time
        self._timer = asyncio.get_running_loop().call_at(time, self._look)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        time, self.next = now(), inf
        for sleeper in [each for each in self._sleepers if each.due <= time]:
            sleeper.wake()
        following = min((sleeper.due for sleeper in self._sleepers), default=inf)
        if following < inf:
            self.look_at(max(following, time + self._between))


class TaskScope(msgspec.Struct, eq=False):
    """A block of an asyncio task, which can be cancelled, as with `anyio.CancelScope`."""

    deadline: float
    _limits: TimeLimits
    _loop: Any
    """An `asyncio.AbstractEventLoop`: Python 3.11 asks the system for it each time."""
    cancel_called: bool = False
    cancelled_caught: bool = False
    _task: Any = None
    """An `asyncio.Task` of Python 3.11; None outside of the block, when `cancel` does nothing."""
    _earlier: int = 0
    """How often it had been cancelled before."""

    def cancel(self) -> None:
        if self._task is not None and not self.cancel_called:
            self.cancel_called = True
            self._task.cancel()

    @property
    def due(self) -> float:
        return self.deadline

    def wake(self) -> None:
        self.deadline = inf
        self.cancel()

    def __enter__(self) -> TaskScope:
        self._task = asyncio.current_task(self._loop)
        self._earlier = self._task.cancelling()
        self._limits.entered.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        limits = self._limits
        limits.entered.discard(self)
        if limits.on_left is not None:
            limits.on_left()
        task, self._task = self._task, None  # whose error may keep this block's frame
        if self.cancel_called and task.uncancel() <= self._earlier:
            self.cancelled_caught = kind is not None and issubclass(kind, asyncio.CancelledError)
        return self.cancelled_caught
