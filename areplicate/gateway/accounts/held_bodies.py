"""The bytes of bodies that requests in flight hold, and how many there may be.

A body is in memory about three times, in what it was read as and what is sent to Replicate, for as long as its model
takes. Without a bound, few clients with valid keys would take all memory. `most` is of all bodies together, in bytes.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from ..errors import server_error

_SHARE = 4
"""A body may have a quarter of what is left: large ones are refused first, and small ones nearly never."""
_RETRY_AFTER = 2.0
_LOOK = 0.2
"""Seconds between two looks for room."""


class HeldBodies:
    def __init__(self) -> None:
        self._bytes = 0

    def take(self, size: int, most: float = math.inf) -> None:
        """Counts a body, or raises the `GatewayError` 503 if there is no room for it."""
        if not self._fits(size, most):
            raise server_error(
                503,
                f"The requests in flight leave no room for one of {size / 1e6:.1f} MB: ask again in a moment, or "
                "raise general_settings.max_bodies_mb.",
                "no_room_for_body",
                retry_after=_RETRY_AFTER,
            )
        self._bytes += size

    def give_back(self, size: int) -> None:
        self._bytes -= size

    @contextmanager
    def held(self, body: dict[str, Any]) -> Iterator[None]:
        """Within it the body of a batch's request counts."""
        size = _size_of(body)
        self.take(size)
        try:
            yield
        finally:
            self.give_back(size)

    async def room_for(self, body: dict[str, Any], most: float) -> None:
        """Waits until the body of a batch's request fits; those leave half of the room to others."""
        size = _size_of(body)
        while self._bytes and not self._fits(size, most / 2):
            await asyncio.sleep(_LOOK)

    def _fits(self, size: int, most: float) -> bool:
        return size * _SHARE <= most - self._bytes


def _size_of(body: dict[str, Any]) -> int:
    return len(msgspec.json.encode(body))
