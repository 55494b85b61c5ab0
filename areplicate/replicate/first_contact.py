"""Connecting to a base that has never answered: for seconds only, as its address is more likely wrong than the network
down."""

from __future__ import annotations

import math

from .. import logs
from ..clock import now
from ..errors import APIConnectionError, APIError

_WAITS = (1.5, 2.0)
"""Seconds before the second and the third try; the third is the last."""
_UNREACHABLE = 5.0
"""Seconds after which no further try begins, and for which requests to that base then fail without any."""


class FirstContact:
    """Whether a base has ever answered, and since when it is tried."""

    def __init__(self, base: str) -> None:
        self._base = base
        self.made = False
        self._first_tried = math.inf
        self._unreachable_until = -math.inf

    def trying(self) -> None:
        """A request to it is about to be sent."""
        self._first_tried = min(self._first_tried, now())

    def wait(self, error: APIError, tries: int) -> float | None:
        """Seconds before trying again to connect to a base that never answered; None for any other failure.

        Raises:
            APIConnectionError: it was tried often enough.
        """
        if self.made or error.request_sent or not isinstance(error, APIConnectionError):
            return None
        time = now()
        late = time - self._first_tried >= _UNREACHABLE
        if tries > len(_WAITS) or late or time < self._unreachable_until:
            self._first_tried, self._unreachable_until = math.inf, time + _UNREACHABLE
            advice = "Check api_base or REPLICATE_API_BASE, and that a server listens there"
            raise self._cannot_connect(error, advice)
        if tries == 1:
            logs.logger.warning("%s", self._cannot_connect(error, "Trying again").message)
        return _WAITS[tries - 1]

    def _cannot_connect(self, error: APIError, advice: str) -> APIConnectionError:
        return APIConnectionError(
            f"Cannot connect to {self._base}. {advice}. ({error.message.removeprefix('No connection: ').rstrip('.')})",
            method=error.method,
            url=error.url,
            request_sent=False,
        )
