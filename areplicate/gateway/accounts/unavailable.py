"""The error for a database that does not answer."""

from __future__ import annotations

from ..http.errors import GatewayError


class DatabaseUnavailable(GatewayError):
    """The database did not do its work, for reasons of its own: gone, hung, locked, full, read-only.

    Clients get a 503; the `reason` is for the log.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            503,
            "The gateway's database does not answer.",
            type="server_error",
            code="database_unavailable",
            headers={"Retry-After": "5"},
        )
        self.reason = reason

    def __str__(self) -> str:
        return self.reason
