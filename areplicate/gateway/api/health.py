"""`/health...` and `/metrics`: whether the gateway runs, whether it can serve, and its figures."""

from __future__ import annotations

import msgspec
from aiohttp import web

from ..errors import GatewayError
from ..http.exchange import Exchange
from ..http.route import route
from ..metrics import CONTENT_TYPE


class ProcessStatus(msgspec.Struct, frozen=True):
    status: str


class ModelHealth(msgspec.Struct, frozen=True, omit_defaults=True):
    """A model of the configuration; `error` says why Replicate does not serve it."""

    model_name: str
    model: str
    error: str | None = None


class Health(msgspec.Struct, frozen=True):
    """What Replicate says of each model. The names are LiteLLM's."""

    healthy_endpoints: list[ModelHealth]
    unhealthy_endpoints: list[ModelHealth]
    healthy_count: int
    unhealthy_count: int


async def _alive(exchange: Exchange) -> ProcessStatus:
    """Whether the process answers."""
    return ProcessStatus("alive")


liveliness = route("GET", "/health/liveliness", "anyone", answer=ProcessStatus)(_alive)
liveness = route("GET", "/health/liveness", "anyone", answer=ProcessStatus)(_alive)
"""`/health/liveliness` by Kubernetes' word for it."""


@route("GET", "/health/readiness", "anyone", answer=ProcessStatus)
async def readiness(exchange: Exchange) -> ProcessStatus:
    """Whether new requests are welcome: the database is open, and nobody has asked the gateway to stop."""
    gateway = exchange.gateway
    if gateway.draining:
        raise GatewayError(503, "The gateway is stopping.", code="draining", retry_after=1.0)
    if gateway.accounts.trouble is not None:
        raise GatewayError(
            503, "The database cannot be reached.", code="database_unavailable", retry_after=1.0
        )
    if not gateway.accounts.opened.is_set():
        raise GatewayError(503, "The gateway is starting.", code="starting", retry_after=1.0)
    return ProcessStatus("ready")


@route("GET", "/health", "health", answer=Health)
async def health(exchange: Exchange) -> Health:
    """Ask Replicate for each model's metadata.

    No prediction is made, and nothing is spent. The answer is at most 30 seconds old.
    """
    backend = exchange.backend
    looks = await backend.looks.latest()
    endpoints = [
        ModelHealth(entry.name, entry.model, looks.get(id(entry))) for entry in backend.config.models
    ]
    healthy = [endpoint for endpoint in endpoints if endpoint.error is None]
    unhealthy = [endpoint for endpoint in endpoints if endpoint.error is not None]
    return Health(healthy, unhealthy, len(healthy), len(unhealthy))


@route("GET", "/metrics", "metrics", answer="text/plain")
async def metrics(exchange: Exchange) -> web.StreamResponse:
    """Figures for Prometheus."""
    return exchange.json(exchange.gateway.metrics.text(), content_type=CONTENT_TYPE)
