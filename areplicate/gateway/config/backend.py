"""The router that serves one reading of the configuration, and which models clients' names mean in it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from ...chat.schemas.schema import ModelSchema
from ...errors import APIError
from ...options.declared import CONNECTION
from ...replicate.credentials import Credentials
from ...replicate.endpoints import ModelEndpoint
from ...replicate.http import exchange
from ...replicate.protocol.decoding import BROKEN, decoded
from ...replicate.protocol.models import FoundModel
from ...replicate.protocol.predictions import Prediction
from ...replicate.protocol.problems import error_from_response
from ...replicate.protocol.requests import Request, Response
from ...replicate.transports.aiohttp import AiohttpTransport
from ...replicate.transports.base import Transport, through
from ...router import AsyncRouter
from ...schema_lookup.endpoint import endpoint_of
from ..descriptors import default_pool_size
from ..logs import logger
from ..metrics import Metrics
from ..upstream import CountedTransport
from .config import Config
from .entries import ModelEntry
from .looks import LOOK_SECONDS, Looks
from .prices import Price
from .pricing import doubt

_decode = msgspec.json.Decoder(Prediction).decode


class Target(msgspec.Struct, frozen=True):
    """The entries that a client's name for a model stands for.

    Attributes:
        name: as the configuration has it: what keys are limited to, and figures are counted under.
        entries: those that may answer.
        model: what the router is asked for.
    """

    name: str
    entries: list[ModelEntry]
    model: str


class Backend:
    """The router and the models of one reading of the configuration.

    A reload makes a new one; a request in flight keeps the one with which it began.
    """

    def __init__(self, config: Config, metrics: Metrics) -> None:
        self.config = config
        self.names = [
            *config.names.own,
            *(name for name, alias in config.aliases.items() if not alias.hidden),
        ]
        """The models' names that clients see."""
        self.created = int(time.time())
        self.pool_size = config.general.pool_size or default_pool_size()
        self.transport = CountedTransport(AiohttpTransport(self.pool_size), metrics)
        self.router = AsyncRouter(
            transport=self.transport,
            pool_size=self.pool_size,
            held_creations=config.general.held_creations,
            creations_per_minute=config.general.creations_per_minute,
            others_per_minute=config.general.others_per_minute,
            model_list=[{"model_name": each.name, "litellm_params": each.params} for each in config.models],
            allow_files=False,  # the paths in a request are not its sender's to read
            **config.router,
        )
        self.defaults: dict[str, Any] = {"drop_params": True} if config.drop_params else {}
        self.looks = Looks([entry for entry in config.models if "*" not in entry.model], self.look)
        self.official: dict[str, bool] = {}
        """Whether each model is official, as far as Replicate has said so."""
        self.requests_in_flight = 0
        self.closed = False
        self._retired = False
        self._closing: asyncio.Task[None] | None = None

    def target(self, name: str) -> Target | None:
        """What a client's name for a model stands for; None if there is no such model."""
        alias = self.config.aliases.get(name)
        model = name if alias is None else alias.model
        found = self.config.names.find(model)
        if found is None:
            return None
        own, entries = found
        if "*" in own:
            entries = [entry.naming(model, self.config.prices) for entry in entries]
        return Target(own if alias is None else name, entries, model)

    def has_name(self, name: str) -> bool:
        """Whether keys may be limited to it: a client's name for a model, or that of a wildcard's entry."""
        return self.target(name) is not None or name in self.config.names.wildcards

    def entries_of(self, target: Target, fallbacks: Sequence[str] | None) -> list[ModelEntry]:
        """What may answer, in the order in which it is asked."""
        if not fallbacks:
            return target.entries
        others = map(self.target, fallbacks)
        return [entry for each in (target, *others) if each is not None for entry in each.entries]

    async def schema_of(self, entry: ModelEntry) -> ModelSchema | None:
        """What the entry's model takes; None if that is not known."""
        return await self.router.schema_of(entry.model, **_connection(entry))

    async def inputs_of(self, target: Target) -> frozenset[str] | None:
        """The names of the models' own inputs; None if they are not known."""
        names: set[str] = set()
        for entry in target.entries:
            schema = await self.schema_of(entry)
            if schema is None:
                return None
            names.update(schema.fields)
        return frozenset(names)

    async def look(self, entry: ModelEntry) -> None:
        """Asks Replicate for a model's metadata; raises an `APIError` if it does not answer with it."""
        endpoint = endpoint_of(entry.model)
        response = await self._get(entry, endpoint.schema_path or "/account")
        if isinstance(endpoint, ModelEndpoint):
            with contextlib.suppress(*BROKEN):
                found = msgspec.json.decode(response.body, type=FoundModel)
                if found.is_official is not None:
                    self.official[entry.model] = found.is_official

    async def check_prices(self) -> None:
        """Asks whether the models are official, which decides between tokens and seconds, and warns of doubts."""
        await self.looks.latest()
        for entry in self.config.models:
            if (official := self.official.get(entry.model)) is not None and (
                why := doubt(entry.model, entry.price, entry.is_listed, official)
            ):
                logger.warning("%s", why)

    def price_of(self, entry: ModelEntry) -> Price | None:
        """What the entry's predictions cost; None if that is not known."""
        return None if entry.is_listed and self.official.get(entry.model) is False else entry.price

    async def prediction(self, entry: ModelEntry, prediction_id: str) -> Prediction:
        """A prediction by its id, even after `close`; raises an `APIError` if it cannot be read."""
        try:
            response = await self._get(entry, f"/predictions/{prediction_id}")
            return decoded(_decode, response.body)
        except ValueError as error:
            raise APIError(f"The answer is not a prediction: {error}.") from None

    async def _get(self, entry: ModelEntry, path: str) -> Response:
        connection = _connection(entry)
        base = connection["api_base"]
        credentials = Credentials(base, connection["api_key"], connection.get("default_headers"))
        transport: Transport = AiohttpTransport(1) if self.closed else self.transport
        if "proxy" in connection or "ssl" in connection:
            transport = through(transport, connection.get("proxy"), connection.get("ssl"))
        request = Request("GET", base.rstrip("/") + path, credentials.headers)
        try:
            response = await exchange(transport, request, silence=LOOK_SECONDS)
        finally:
            if transport is not self.transport:
                await transport.aclose()
        if response.status >= 300:
            raise error_from_response(response)
        return response

    def leave(self) -> None:
        """One of the requests that `requests_in_flight` counts has ended. Its answer does not wait for what this
        closes: predictions that others have left may be hard to cancel."""
        self.requests_in_flight -= 1
        self._close_if_unused()

    async def close(self) -> None:
        """Ends the requests in flight: their clients get an error, their predictions are cancelled."""
        self.closed = True
        await self.router.aclose()

    def retire(self) -> None:
        """No more requests come to this one; its connections close when the last request has ended."""
        self._retired = True
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._retired and not self.requests_in_flight:
            self._closing = asyncio.get_running_loop().create_task(self.close())


def _connection(entry: ModelEntry) -> dict[str, Any]:
    """The options of an entry that say how its requests reach Replicate."""
    return {name: entry.params[name] for name in CONNECTION if name in entry.params}
