"""One account on Replicate, as a key sees it: what is created, watched and looked up there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..errors import BadRequestError, NotFoundError
from .bulk_poller import BulkPoller
from .creation import Creator
from .credentials import Credentials
from .endpoints import Endpoint
from .http import Http
from .limits import Limiter, Slots, Turns
from .live import Live, LivePrediction
from .marks import Finder
from .poller import Poller
from .prediction_list import PredictionList
from .progress import Progress
from .protocol.predictions import Prediction
from .retry import RetryPolicy
from .server_clock import ServerClock
from .transports.base import Transport
from .versions import LatestVersions


class Client:
    """One key's limits, predictions, and the community models whose version it has looked up."""

    def __init__(
        self,
        transport: Transport,
        base: str,
        credentials: Credentials,
        *,
        live: Live,
        held: Slots,
        short: Turns,
        creations_per_minute: float,
        others_per_minute: float,
    ) -> None:
        self.http = http = Http(
            transport,
            base,
            credentials,
            creations=Limiter(creations_per_minute),
            others=Limiter(others_per_minute),
            short=short,
        )
        clock = ServerClock()
        predictions = PredictionList(http, clock, live.background)
        self._creator = Creator(http, live, Finder(predictions, clock), clock, held)
        self.poller = Poller(http, BulkPoller(http, predictions, clock, live.background))
        self.versions = LatestVersions(http)

    async def create(
        self,
        endpoint: Endpoint,
        input: dict[str, Any],
        headers: Mapping[str, str],
        *,
        timeout: float,
        hold: float,
        policy: RetryPolicy,
    ) -> LivePrediction:
        """A prediction of `input` that is this caller's alone, until they leave it.

        Args and errors are those of `Creator.create`. A community model, which cannot be called by its name
        alone, is called by its latest version.
        """
        called = self.versions.known(endpoint) or endpoint
        create = partial(self._creator.create, timeout=timeout, hold=hold, policy=policy)
        try:
            return await create(called, input, headers)
        except (NotFoundError, BadRequestError) as refused:
            version = await self.versions.after(refused, endpoint, called, policy)
        return await create(version, input, headers)

    async def wait(self, mine: LivePrediction, progress: Progress, policy: RetryPolicy) -> Prediction:
        """The prediction once it is terminal. There is no limit but the caller's deadline."""
        prediction = mine.prediction
        assert prediction is not None
        if not prediction.terminal:
            return mine.saw(await self.poller.wait(prediction, progress, policy))
        if progress.watched:
            progress.saw(prediction)
        return prediction
