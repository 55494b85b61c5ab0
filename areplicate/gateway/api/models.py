"""`/v1/models`: the names of the configuration, as OpenAI lists models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from ..http.exchange import Exchange
from .question import no_model

if TYPE_CHECKING:
    from ..app import Gateway


async def list_models(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    models = [_model(exchange, name) for name in exchange.backend.names if exchange.caller.may_use(name)]
    return exchange.json(msgspec.json.encode({"object": "list", "data": models}))


async def get_model(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    name = exchange.request.path.split("/models/", 1)[1]
    if name not in exchange.backend.names or not exchange.caller.may_use(name):
        raise no_model(name)
    return exchange.json(msgspec.json.encode(_model(exchange, name)))


def _model(exchange: Exchange, name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": exchange.backend.created, "owned_by": "replicate"}
