"""One account on Replicate, as a key sees it: what is created, watched and looked up there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import anyio

from ..errors import NotFoundError
from .bulk_poller import BulkPoller
from .creation import Creator
from .endpoints import Endpoint, ModelEndpoint, VersionEndpoint
from .http import Http
from .limits import Limiter, Slots, Turns
from .live import Live, LivePrediction
from .marks import Finder
from .poller import Poller
from .prediction_list import PredictionList
from .progress import Progress
from .protocol.decoding import decoded
from .protocol.models import decode_model
from .protocol.predictions import Prediction
from .retry import RetryPolicy
from .server_clock import ServerClock
from .transports.base import Transport


class Client:
    """One key's limits, predictions, and the community models whose version it has looked up."""

    def __init__(
        self,
        transport: Transport,
        base: str,
        key: str,
        *,
        live: Live,
        held: Slots,
        short: Turns,
        creations_per_minute: float,
        others_per_minute: float,
        trusted_hosts: tuple[str, ...],
    ) -> None:
        self.http = http = Http(
            transport,
            base,
            key,
            creations=Limiter(creations_per_minute),
            others=Limiter(others_per_minute),
            short=short,
            trusted_hosts=trusted_hosts,
        )
        clock = ServerClock()
        predictions = PredictionList(http, clock, live.background)
        self._creator = Creator(http, live, Finder(predictions, clock), clock, held)
        self.poller = Poller(http, BulkPoller(http, predictions, clock, live.background))
        self._versions: dict[Endpoint, VersionEndpoint] = {}
        self._looking_up: defaultdict[Endpoint, anyio.Lock] = defaultdict(anyio.Lock)

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
        create = self._creator.create
        endpoint = self._versions.get(endpoint, endpoint) if self._versions else endpoint
        try:
            return await create(endpoint, input, headers, timeout=timeout, hold=hold, policy=policy)
        except NotFoundError as refused:
            if not isinstance(endpoint, ModelEndpoint):
                raise
            version = await self._resolve(endpoint, policy, refused)
        return await create(version, input, headers, timeout=timeout, hold=hold, policy=policy)

    async def wait(self, mine: LivePrediction, progress: Progress, policy: RetryPolicy) -> Prediction:
        """The prediction once it is terminal. There is no limit but the caller's deadline."""
        prediction = mine.prediction
        assert prediction is not None
        if not prediction.terminal:
            return mine.saw(await self.poller.wait(prediction, progress, policy))
        if progress.watched:
            progress.saw(prediction)
        return prediction

    async def _resolve(
        self, endpoint: ModelEndpoint, policy: RetryPolicy, refused: NotFoundError
    ) -> VersionEndpoint:
        """The latest version of a community model.

        Looked up once, also by many callers at once. `refused` is what the models endpoint answered,
        and is raised where the model has no version.
        """
        async with self._looking_up[endpoint]:
            if endpoint not in self._versions:
                body = await self.http.get(endpoint.schema_path, policy)
                try:
                    model = decoded(decode_model, body)
                except ValueError:
                    raise refused from None
                if model.latest_version is None:
                    raise refused
                self._versions[endpoint] = VersionEndpoint(model.latest_version.id, endpoint.model)
            return self._versions[endpoint]
