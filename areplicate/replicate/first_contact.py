"""Connecting to a base that has never answered: for seconds only, as its address is more likely wrong than the network
down."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from .. import logs
from ..clock import now
from ..errors import APIConnectionError, APIError
from .transports.base import CONNECT_TIMEOUT

_WAITS = (1.5, 2.0)
"""Seconds before the second and the third try; the third is the last."""
_UNREACHABLE = 5.0
"""Seconds after which a request is not tried again, and for which others to that base then fail without any retry."""


class FirstContact:
    """Whether a base has ever answered, and which requests are out until it has."""

    def __init__(self, base: str) -> None:
        self._base = base
        self.made = False
        self._out: list[float] = []
        """When each was sent, the oldest first."""
        self._unreachable_until = -math.inf

    @contextmanager
    def trying(self) -> Iterator[None]:
        """A request to it is sent within the block, and answered by its end."""
        sent = now()
        self._out.append(sent)
        try:
            yield
            self.made = True
        finally:
            self._out.remove(sent)

    def wait(self, error: APIError, tries: int, since: float) -> float | None:
        """Seconds before trying again to connect to a base that never answered; None for any other failure.

        A request that is out for longer than connecting may take has reached it: it is held through a boot, say.

        Args:
            since: when the request was first sent.

        Raises:
            APIConnectionError: it was tried often enough.
        """
        time = now()
        reached = self.made or (self._out and time - self._out[0] > CONNECT_TIMEOUT)
        if reached or error.request_sent or not isinstance(error, APIConnectionError):
            return None
        late = time - since >= _UNREACHABLE
        if tries > len(_WAITS) or late or time < self._unreachable_until:
            self._unreachable_until = time + _UNREACHABLE
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
