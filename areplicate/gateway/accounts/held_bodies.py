"""The bytes of bodies, or of large answers, that requests in flight hold, and how many there may be.

A body is in memory about three times, in what it was read as and what is sent to Replicate, for as long as its model
takes. Without a bound, few clients with valid keys would take all memory. `most` is of all bodies together, in bytes.
"""

from __future__ import annotations

import math

from ..errors import NO_RETRY, GatewayError

_SHARE = 4
"""A body may have a quarter of what is left: large ones are refused first, and small ones nearly never."""
_RETRY_AFTER = 2.0


class HeldBodies:
    def __init__(self) -> None:
        self._bytes = 0

    def take(self, size: int, most: float = math.inf) -> None:
        """Counts a body, or raises the `GatewayError` 503 if there is no room for it, 413 if there never is."""
        if size * _SHARE > most:
            raise GatewayError(
                413,
                f"This request would take {size / 1e6:.1f} MB beside its body, as each of its predictions has its own "
                f"prompt; {most / _SHARE / 1e6:g} MB are allowed. Ask for fewer at once, or raise "
                "general_settings.max_bodies_mb.",
                code="request_too_large",
            )
        if not self._fits(size, most):
            raise GatewayError(
                503,
                f"The requests in flight leave no room for one of {size / 1e6:.1f} MB: ask again in a moment, or "
                "raise general_settings.max_bodies_mb.",
                code="no_room_for_body",
                retry_after=_RETRY_AFTER,
            )
        self._bytes += size

    def take_answer(self, size: int, most: float) -> None:
        """Counts bytes of an answer, or raises the `GatewayError` 503 if there is no room for them."""
        if not self._fits(size, most):
            raise GatewayError(
                503,
                f"The large answers in flight take {self._bytes / 1e6:.0f} MB of {most / 1e6:g} MB and leave no room "
                "for this one: ask again in a moment, or raise general_settings.max_answers_mb.",
                code="no_room_for_answer",
                headers=NO_RETRY,
            )
        self._bytes += size

    def give_back(self, size: int) -> None:
        self._bytes -= size

    def has_room_beside(self, size: int, most: float) -> bool:
        """Whether a request of a batch has room: those leave half of it to others."""
        return not self._bytes or self._fits(size, most / 2)

    def _fits(self, size: int, most: float) -> bool:
        return size * _SHARE <= most - self._bytes
