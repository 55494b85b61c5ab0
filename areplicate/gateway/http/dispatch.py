"""The front door: authenticates every request, takes it to its route, and answers it."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from ..accounts.account import Account
from ..app import Gateway
from ..errors import CLIENT_GONE, GatewayError, stopping
from ..logs import bound_lines
from .anthropic import envelope, is_anthropics
from .beats import Beats
from .exchange import Exchange
from .origins import check_browser, check_content_type, cors_headers, preflight
from .route import Route

_SLASHES = re.compile("//+")
_PREFIXES = re.compile(r"(?:/(?:openai|anthropic))?(?:/v1)*(?=/)")
"""What other servers have in front of a path, and a `/v1` that a client adds itself."""
_DEPLOYMENT = re.compile(
    r"/(?:deployments|engines)/(?P<model>.+?)(?P<path>/(?:chat/completions|completions|embeddings))"
)
"""As Azure's clients name a model, and OpenAI's once did."""


class Dispatcher:
    """Takes requests to their routes.

    Paths without an `{id}` are looked up whole; one with an `{id}` fits every path that begins and ends alike.
    """

    def __init__(self, gateway: Gateway, routes: Sequence[Route]) -> None:
        self._gateway = gateway
        self._beats = Beats()
        self._whole: dict[str, dict[str, Route]] = {}
        self._around: dict[tuple[str, str], dict[str, Route]] = {}
        """By what stands before and after the id, the longest end first."""
        self.tasks: set[asyncio.Task[None] | None] = set()
        """The requests that are being answered; the end of the process waits for them."""
        for route in routes:
            before, has_id, after = route.path.partition("{id}")
            table: dict[Any, dict[str, Route]] = self._around if has_id else self._whole
            for spelling in {before, before.removeprefix("/v1")}:
                table.setdefault((spelling, after) if has_id else spelling, {})[route.method] = route
        self._around = dict(sorted(self._around.items(), key=lambda item: -len(item[0][1])))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        gateway = self._gateway
        backend = gateway.backend
        account = Account(gateway.accounts, gateway.metrics, backend)
        lines = bound_lines(account.record.request_id)
        backend.requests_in_flight += 1
        gateway.metrics.count(gateway.metrics.in_flight)
        task = asyncio.current_task()
        self.tasks.add(task)
        try:
            async with account:
                response = await self._answer(Exchange(gateway, request, account, self._beats))
        finally:
            account.log(request.method, request.remote)
            self.tasks.discard(task)
            gateway.metrics.count(gateway.metrics.in_flight, -1.0)
            lines.left = math.inf
            backend.leave()
        # Nobody sends the next request where the process ends, or where a body was not read to its end.
        if not response.prepared and (gateway.draining or not request.content.is_eof()):
            response.force_close()
        return response

    async def _answer(self, exchange: Exchange) -> web.StreamResponse:
        """The route's answer, or an error as its client reads it."""
        try:
            if exchange.request.method == "OPTIONS" and (allowed := preflight(exchange)) is not None:
                return allowed
            route = await self._admitted(exchange)
            answering = route.handler(exchange, *await route.read(exchange))
            answer = await (self._gateway.whole(answering) if route.changes else answering)
        except asyncio.CancelledError:
            exchange.account.record.status = CLIENT_GONE if exchange.client_has_left() else 503
            raise
        except Exception as error:
            if isinstance(error, ConnectionError) and exchange.client_has_left():
                return exchange.json(b"", CLIENT_GONE)  # nobody is there to get it
            refused = _refused(exchange, exchange.account.failed(error))
            if exchange.request.writer.output_size:  # only a connection that is cut tells so by now
                raise ConnectionError("The answer has begun already.") from None
            return refused
        if isinstance(answer, web.StreamResponse):
            return answer
        response = exchange.json(msgspec.json.encode(answer))
        response.headers.update(exchange.account.headers())
        return response

    async def _admitted(self, exchange: Exchange) -> Route:
        """The route that answers the request; raises the `GatewayError` if the caller may not use it."""
        gateway, request, account = self._gateway, exchange.request, exchange.account
        auth, origins = gateway.accounts.auth, account.backend.config.general.cors_origins
        check_browser(request, origins, open=auth.open)
        exchange.cors = cors_headers(request, origins)
        route = self._route(exchange, request.method, request.path)
        account.record.endpoint = route.path
        check_content_type(request, open=auth.open, form=route.form)
        if route.access != "anyone":
            account.caller = await auth.caller(_token(request))
            auth.check(account.caller, route.access)
        if gateway.draining and route.streams:
            raise stopping()
        return route

    def _methods(self, exchange: Exchange, path: str) -> dict[str, Route] | None:
        """The routes of a path, by their methods."""
        if (methods := self._whole.get(path)) is not None:
            return methods
        for (before, after), methods in self._around.items():
            rest = path[len(before) : len(path) - len(after)]
            if path.startswith(before) and path.endswith(after) and rest and rest.isprintable():
                exchange.rest = rest
                return methods
        return None

    def _route(self, exchange: Exchange, method: str, path: str) -> Route:
        path = (_SLASHES.sub("/", path) if "//" in path else path).rstrip("/")
        methods = self._methods(exchange, path) or self._methods(exchange, _plain(exchange, path))
        if methods is None or _is_disguised(methods, exchange.request):
            raise _no_route(method, path)
        route = methods.get(method) or (methods.get("GET") if method == "HEAD" else None)
        if route is None:
            if "/" in exchange.rest:  # below an id lies another path, such as /v1/responses/{id}/cancel
                raise _no_route(method, path)
            allowed = ", ".join(sorted(methods))
            raise GatewayError(405, f"{path[:200]} takes {allowed}.", headers={"Allow": allowed})
        return route


def _no_route(method: str, path: str) -> GatewayError:
    return GatewayError(404, f"{method} {path[:200] or '/'} does not exist: /openapi.json lists every route.")


def _is_disguised(methods: dict[str, Route], request: web.BaseRequest) -> bool:
    """Whether it is a path of the admin's that is written in another way than it is read: a proxy may keep such
    paths from the public by the way they are written."""
    written = request.rel_url.raw_path
    in_another_way = "%" in written or "//" in written or "#" in request.raw_path
    return in_another_way and any(route.access == "master" for route in methods.values())


def _plain(exchange: Exchange, path: str) -> str:
    """A path of OpenAI's or Anthropic's API without what other servers have in front of it; the model that it names
    is the body's. The admin's routes have one spelling, which a proxy may keep from the public."""
    path = _PREFIXES.sub("", path, count=1)
    if (found := _DEPLOYMENT.fullmatch(path)) is not None:
        exchange.fields = {"model": found["model"]}
        path = found["path"]
    return f"/v1{path}"


def _token(request: web.BaseRequest) -> str | None:
    """The key: where OpenAI's clients put it, Anthropic's, Azure's, or LiteLLM's."""
    headers = request.headers
    for name in ("Authorization", "x-litellm-api-key"):
        scheme, _, token = headers.get(name, "").partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
    return headers.get("x-api-key") or headers.get("api-key") or headers.get("x-litellm-api-key")


def _refused(exchange: Exchange, error: GatewayError) -> web.Response:
    request_id = exchange.account.record.request_id
    body = envelope(error, request_id) if is_anthropics(exchange.request) else error.envelope()
    response = exchange.json(body, error.status)
    response.headers.update(error.headers)
    response.headers.update(exchange.account.headers())
    return response
