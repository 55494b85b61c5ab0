"""What a router keeps for each key and base that it is called with."""

from __future__ import annotations

from collections import defaultdict
from typing import Protocol
from weakref import WeakSet

import anyio

from ..errors import NotFoundError
from .creation import Creator
from .endpoints import Endpoint, ModelEndpoint, VersionEndpoint
from .http import Http
from .limits import Limiter, Slots
from .poller import Poller
from .prediction_list import PredictionList
from .protocol.decoding import decoded
from .protocol.models import decode_model
from .retry import RetryPolicy
from .transports.base import Transport


class OpenStream(Protocol):
    """Something that reads a prediction until it is closed."""

    async def aclose(self) -> None: ...
    async def ended(self) -> None: ...


class Client:
    """One key's limits, predictions, and the community models whose version it has looked up."""

    def __init__(
        self,
        transport: Transport,
        base: str,
        key: str,
        *,
        held: Slots,
        short: anyio.Semaphore,
        creations_per_minute: float,
        others_per_minute: float,
        trusted_hosts: tuple[str, ...],
    ) -> None:
        self.http = Http(
            transport,
            base,
            key,
            creations=Limiter(creations_per_minute),
            others=Limiter(others_per_minute),
            short=short,
            trusted_hosts=trusted_hosts,
        )
        listing = PredictionList(self.http)
        self.creator = Creator(self.http, listing, held)
        self.poller = Poller(self.http, listing)
        self.streams: WeakSet[OpenStream] = WeakSet()
        """Those that are open, as far as anybody still holds them."""
        self._versions: dict[Endpoint, VersionEndpoint] = {}
        self._looking_up: defaultdict[Endpoint, anyio.Lock] = defaultdict(anyio.Lock)

    async def aclose(self) -> None:
        """Closes the streams that are still open, and so cancels their predictions."""
        async with anyio.create_task_group() as group:
            for stream in list(self.streams):
                group.start_soon(stream.aclose)

    async def streams_ended(self) -> None:
        """Waits for the streams that somebody else is closing, for a few seconds at most."""
        async with anyio.create_task_group() as group:
            for stream in list(self.streams):
                group.start_soon(stream.ended)

    def resolved(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint to post to, as far as is known."""
        return self._versions.get(endpoint, endpoint) if self._versions else endpoint

    async def resolve(
        self, endpoint: ModelEndpoint, policy: RetryPolicy, refused: NotFoundError
    ) -> VersionEndpoint:
        """The latest version of a community model, which cannot be called by its name alone.

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
