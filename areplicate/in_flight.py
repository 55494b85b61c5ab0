"""What an account's calls wait for, so that closing the router ends them."""

from __future__ import annotations

import anyio


class InFlight:
    def __init__(self) -> None:
        self._scopes: set[anyio.CancelScope] = set()
        self._empty: anyio.Event | None = None

    def begin(self, deadline: float) -> anyio.CancelScope:
        """A scope for what somebody waits for; who begins it ends it, too."""
        scope = anyio.CancelScope(deadline=deadline)
        self._scopes.add(scope)
        return scope

    def end(self, scope: anyio.CancelScope) -> None:
        self._scopes.discard(scope)
        if self._empty is not None and not self._scopes:
            self._empty.set()

    async def aclose(self) -> None:
        """Cancels all, and waits until they have cleaned up."""
        if self._scopes:
            self._empty = self._empty or anyio.Event()
            for scope in list(self._scopes):
                scope.cancel()
            await self._empty.wait()
