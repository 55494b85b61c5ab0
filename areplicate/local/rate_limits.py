"""Rate limits, one pair of buckets for each account."""

from __future__ import annotations

import math

import msgspec

from .refusals import Refusal


class Bucket:
    """A token bucket: `per_minute` requests a minute, `burst` of them at once.

    With `per_minute` None nothing is refused, and the headers say what a fresh account would read.
    """

    def __init__(self, per_minute: int | None, burst: int | None, usual: int) -> None:
        self._rate = (per_minute or 0) / 60
        self._size = self._left = float(burst or per_minute or 0)
        self._unlimited = str(usual - 1) if per_minute is None else None
        self._filled: float | None = None

    def take(self, now: float) -> tuple[bool, dict[str, str]]:
        """Whether one more request may pass, and the headers that say what is left."""
        if self._unlimited is not None:
            return True, {"ratelimit-remaining": self._unlimited, "ratelimit-reset": "1"}
        if self._filled is not None:
            self._left = min(self._size, self._left + (now - self._filled) * self._rate)
        self._filled = now
        passes = self._left >= 1 - 1e-6
        if passes:
            self._left = max(0.0, self._left - 1)
        wait = max(0.0, 1 - self._left) / self._rate if self._rate else 60.0
        return passes, {
            "ratelimit-remaining": str(int(self._left + 1e-6)),
            "ratelimit-reset": str(max(1, math.ceil(wait - 1e-6))),
        }


def throttled(headers: dict[str, str], *, retry_after: bool) -> Refusal:
    """429, with or without a `Retry-After`, and with the headers that every answer has."""
    reset = headers["ratelimit-reset"]
    headers = {**headers, "Retry-After": reset} if retry_after else headers
    refusal = Refusal(429, f"Request was throttled. Your rate limit resets in ~{reset}s.", headers=headers)
    refusal.body = msgspec.json.encode({"detail": str(refusal)})  # it has neither title nor status
    return refusal
