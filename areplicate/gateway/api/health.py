"""`/health...` and `/metrics`: whether it runs, whether it can serve, and how it fares."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from ...errors import APIError
from ..http.errors import from_upstream
from ..http.exchange import Exchange
from ..metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from ..app import Gateway
    from ..config.config import ModelEntry

_LOOK_SECONDS = 10.0


async def liveliness(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    return exchange.json(b'{"status":"alive"}')


async def readiness(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    """200 where new requests are welcome: the database is open, and nobody has asked us to stop."""
    if gateway.draining:
        return exchange.json(b'{"status":"draining"}', 503)
    if not gateway.ready:
        status = "database_unavailable" if gateway.database_error else "starting"
        return exchange.json(msgspec.json.encode({"status": status}), 503)
    return exchange.json(b'{"status":"ready"}')


async def health(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    """Asks Replicate for the metadata of each model that the caller may use.

    No prediction is made, and nothing is spent.
    """
    entries = [entry for entry in exchange.backend.config.models if exchange.caller.may_use(entry.name)]
    looks = await asyncio.gather(*(_look(exchange, entry) for entry in entries))
    healthy = [look for look in looks if "error" not in look]
    unhealthy = [look for look in looks if "error" in look]
    body = {
        "healthy_endpoints": healthy,
        "unhealthy_endpoints": unhealthy,
        "healthy_count": len(healthy),
        "unhealthy_count": len(unhealthy),
    }
    return exchange.json(msgspec.json.encode(body))


async def metrics(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    return exchange.json(gateway.metrics.text(), content_type=CONTENT_TYPE)


async def _look(exchange: Exchange, entry: ModelEntry) -> dict[str, Any]:
    seen = {"model_name": entry.name, "model": entry.model}
    try:
        await asyncio.wait_for(exchange.backend.look(entry), _LOOK_SECONDS)
    except APIError as error:
        return {**seen, "error": from_upstream(error).message}
    except asyncio.TimeoutError:
        return {**seen, "error": f"Replicate did not answer within {_LOOK_SECONDS:g} s."}
    return seen
