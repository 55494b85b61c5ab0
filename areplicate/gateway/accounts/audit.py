"""Who did what to which key."""

from __future__ import annotations

from typing import Any

import msgspec


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a key. `at` is in seconds since 1970, by the database's clock.

    Attributes:
        actor: `master key`, or the `key_id` of who asked for it; `address`: where that came from.
        action: the route's name, such as `generate` or `block`.
        changed: the fields that it set, as they are now.
        request_id: of the request that did it, to find it in the log.
    """

    id: str
    at: float
    actor: str
    address: str | None = None
    action: str
    key_id: str
    changed: dict[str, Any] = {}
    request_id: str
