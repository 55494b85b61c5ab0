"""Which usage rows are asked for."""

from __future__ import annotations

import msgspec


class SpendFilter(msgspec.Struct, frozen=True, kw_only=True):
    """None means any. `start` and `end` are in seconds since 1970; `end` itself is not in it."""

    start: float | None = None
    end: float | None = None
    key_id: str | None = None
    model: str | None = None
    status: int | None = None
    request_id: str | None = None
