"""What a router's calls wait for, so that closing the router ends them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from .errors import APIConnectionError, Timeout

T = TypeVar("T")


class InFlight:
    def __init__(self) -> None:
        self._scopes: set[anyio.CancelScope] = set()
        self._empty: anyio.Event | None = None
        self.closed = False

    def begin(self, deadline: float) -> anyio.CancelScope:
        """A scope for what somebody waits for; who begins it ends it, too.

        Raises:
            APIConnectionError: the router is closed.
        """
        if self.closed:
            raise APIConnectionError("The router is closed.", request_sent=False)
        scope = anyio.CancelScope(deadline=deadline)
        self._scopes.add(scope)
        return scope

    def end(self, scope: anyio.CancelScope) -> None:
        self._scopes.discard(scope)
        if self._empty is not None and not self._scopes:
            self._empty.set()

    async def wait_for(self, work: Callable[[], Awaitable[T]], deadline: float, late: str) -> T:
        """What `work` gives; `Timeout`, which says `late`, where the deadline passes before."""
        scope = self.begin(deadline)
        try:
            with scope:
                return await work()
        finally:
            self.end(scope)
        raise self.why_ended(late)

    def why_ended(self, late: str) -> APIConnectionError | Timeout:
        """The error for what a scope has ended."""
        if self.closed:
            return APIConnectionError("The router was closed before the answer came.")
        return Timeout(late)

    async def aclose(self) -> None:
        """Cancels all, and waits until they have cleaned up."""
        self.closed = True
        if self._scopes:
            self._empty = self._empty or anyio.Event()
            for scope in list(self._scopes):
                scope.cancel()
            await self._empty.wait()
