"""The front door: every request comes in here, is told who it is, and gets an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple

from aiohttp import web

from ...errors import APIError
from ..app import Gateway
from ..logs import logger
from .errors import CLIENT_GONE, GatewayError, unexpected
from .exchange import Exchange

Handler = Callable[[Gateway, Exchange], Awaitable[web.StreamResponse]]
Access = Literal["anyone", "anyone, with a key", "key", "master"]


class Route(NamedTuple):
    """A route: `path` is what its figures are counted under."""

    method: str
    path: str
    access: Access
    handler: Handler


class Dispatcher:
    """Takes requests to their routes.

    A path is looked up whole. A route whose path ends in `{id}` takes all that begin like it.
    """

    def __init__(self, gateway: Gateway, routes: tuple[Route, ...]) -> None:
        self._gateway = gateway
        self._whole: dict[str, dict[str, Route]] = {}
        self._begun: dict[str, dict[str, Route]] = {}
        self.tasks: set[asyncio.Task[None] | None] = set()
        """What is being answered, for the end of the process."""
        for route in routes:
            table = self._begun if route.path.endswith("{id}") else self._whole
            table.setdefault(route.path.removesuffix("{id}"), {})[route.method] = route

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        gateway = self._gateway
        backend = gateway.backend
        exchange = Exchange(request, backend)
        backend.in_flight += 1
        gateway.metrics.in_flight.inc()
        task = asyncio.current_task()
        self.tasks.add(task)
        try:
            async with gateway.account(exchange) as exchange.account:
                return await self._answer(exchange)
        finally:
            self.tasks.discard(task)
            gateway.metrics.in_flight.dec()
            await backend.leave()

    async def _answer(self, exchange: Exchange) -> web.StreamResponse:
        """The route's answer, or the error that a client is told."""
        try:
            handler = await self._admitted(exchange)
            return await handler(self._gateway, exchange)
        except GatewayError as error:
            return _refused(exchange, error)
        except APIError as error:
            return _refused(exchange, exchange.failed(error))
        except asyncio.CancelledError:
            exchange.status = CLIENT_GONE
            raise
        except ConnectionError:
            return exchange.json(b"", CLIENT_GONE)  # nobody is there to get it
        except Exception:
            logger.exception("%s failed", exchange.endpoint, extra={"request_id": exchange.request_id})
            return _refused(exchange, unexpected())

    async def _admitted(self, exchange: Exchange) -> Handler:
        """What answers the request, once its key may ask for that."""
        request = exchange.request
        route = self._route(exchange, request.method, request.path)
        exchange.endpoint = route.path
        token = _token(request)
        if route.access in ("key", "master") or (token and route.access == "anyone, with a key"):
            exchange.caller = await self._gateway.keyring.caller(token)
            if route.access == "master" and not exchange.caller.is_master:
                raise _not_master(self._gateway.keyring.open)
        return route.handler

    def _route(self, exchange: Exchange, method: str, path: str) -> Route:
        methods = self._whole.get(path) or next(
            (routes for start, routes in self._begun.items() if path.startswith(start) and path != start),
            None,
        )
        if methods is None:
            raise GatewayError(404, f"There is no {method} {path[:200]} here; /openapi.json lists what is.")
        route = methods.get(method) or (methods.get("GET") if method == "HEAD" else None)
        if route is None:
            allowed = ", ".join(sorted(methods))
            raise GatewayError(405, f"{path[:200]} takes {allowed}.", headers={"Allow": allowed})
        return route


def _token(request: web.BaseRequest) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _not_master(open: bool) -> GatewayError:
    if open:
        return GatewayError(
            403,
            "There is no master key: set general_settings.master_key in the configuration to manage keys.",
            code="no_master_key",
        )
    return GatewayError(403, "This needs the master key.", code="master_key_needed")


def _refused(exchange: Exchange, error: GatewayError) -> web.Response:
    exchange.error_code = error.code
    response = exchange.json(error.envelope(), error.status)
    response.headers.update(error.headers)
    return response
