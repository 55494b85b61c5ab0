"""One reading of the configuration, and the router that serves it."""

from __future__ import annotations

import time
from typing import Any

from ...options import chosen_base, chosen_key
from ...replicate.protocol.problems import error_from_response
from ...replicate.protocol.requests import Request
from ...replicate.transports.aiohttp import AiohttpTransport
from ...replicate.transports.base import exchange
from ...router import AsyncRouter
from ...schema_lookup import endpoint_of
from ..metrics import Metrics
from ..upstream import CountedTransport
from .config import Config, ModelEntry
from .looks import Looks

_LOOK_SILENCE = 10.0
"""Seconds within which Replicate answers a question about a model."""


class Backend:
    """What a reload replaces: requests in flight end with the one that they began with."""

    def __init__(self, config: Config, metrics: Metrics) -> None:
        self.config = config
        self.names: dict[str, list[ModelEntry]] = config.names
        self.by_model: dict[str, ModelEntry] = {entry.model: entry for entry in config.models}
        self.created = int(time.time())
        self.transport = CountedTransport(AiohttpTransport(config.pool_size), metrics)
        self.router = _router(config, self.transport)
        self.defaults: dict[str, Any] = {"drop_params": True} if config.drop_params else {}
        self.in_flight = 0
        self.closed = False
        self.looks = Looks(config.models, self.look)
        self._retired = False

    async def look(self, entry: ModelEntry) -> None:
        """Asks for a model's metadata; raises an `APIError` where it cannot be had."""
        key = chosen_key(entry.params.get("api_key"))
        base = chosen_base(entry.params.get("api_base"))
        path = endpoint_of(entry.model).schema_path or "/account"
        request = Request("GET", base.rstrip("/") + path, {"Authorization": f"Bearer {key}"})
        response = await exchange(self.transport, request, silence=_LOOK_SILENCE)
        if response.status >= 300:
            raise error_from_response(response)

    async def leave(self) -> None:
        """One of the requests that `in_flight` counts has ended."""
        self.in_flight -= 1
        if self._retired and not self.in_flight:
            await self.router.aclose()

    async def close(self) -> None:
        """Ends the requests in flight: their clients get an error, their predictions are cancelled."""
        self.closed = True
        await self.router.aclose()

    async def retire(self) -> None:
        """No more requests come; the connections close when the last one has ended."""
        self._retired = True
        if not self.in_flight:
            await self.router.aclose()


def _router(config: Config, transport: CountedTransport) -> AsyncRouter:
    return AsyncRouter(
        transport=transport,
        timeout=config.request_timeout,
        max_retries=config.num_retries,
        pool_size=config.pool_size,
        held_creations=config.held_creations,
        creations_per_minute=config.creations_per_minute,
        others_per_minute=config.others_per_minute,
        model_list=config.router_list(),
        fallbacks=config.fallbacks,
        allowed_fails=config.allowed_fails,
        cooldown_time=config.cooldown_time,
        allow_files=False,  # the paths in a request are not its sender's to read
    )
