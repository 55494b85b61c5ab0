"""A transport on httpx, which also runs on trio. Needs `pip install areplicate[httpx]`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.util import find_spec
from typing import cast

import httpx

from ...errors import APIError, BadRequestError
from ..protocol.requests import Request
from .base import CONNECT_TIMEOUT, connection_error
from .proxies import TLS, ProxiedTransport, shown, socks_missing

_FAILURES = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


class HttpxTransport(ProxiedTransport):
    """One connection pool, on asyncio or trio, whichever runs.

    Args:
        pool_size: connections that may be open at once.
        proxy: as `Proxies` takes it. One that speaks SOCKS5 needs `pip install 'areplicate[socks]'`.
        ssl: how certificates are checked, as `TLS` says.

    Raises:
        BadRequestError: `proxy` or `ssl` is wrong, or needs what is not installed.
    """

    def __init__(self, pool_size: int = 100, *, proxy: str | None = None, ssl: TLS | None = None) -> None:
        super().__init__(pool_size, proxy, ssl)
        if self._ssl is True:
            self._ssl = httpx.create_ssl_context()
        self._clients: dict[str | None, httpx.AsyncClient] = {}
        """By the proxy that all their connections go through, if they do."""
        if proxy:
            self._route("https://any")

    async def open(self, request: Request) -> _Answer:
        proxy = self._route(request.url) if self._proxies.any else None
        client = self._clients.get(proxy) or self._start(proxy)
        try:
            encoded = {name.encode(): value.encode() for name, value in request.headers.items()}
            prepared = client.build_request(
                request.method, request.url, headers=encoded, content=request.body
            )
            return _Answer(await client.send(prepared, stream=True), request)
        except _FAILURES as error:
            failure: APIError = _failure(error, request, proxy)
        raise failure  # without its cause, which holds the headers, the key among them

    async def aclose(self) -> None:
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()

    def _start(self, proxy: str | None) -> httpx.AsyncClient:
        client = self._clients[proxy] = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=self.pool_size, max_keepalive_connections=self.pool_size),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            proxy=proxy,
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT),
            trust_env=False,
            verify=self._ssl,
        )
        return client

    def _route(self, url: str) -> str | None:
        """The proxy of a URL; `BadRequestError` if it cannot be used here. Nothing is sent then."""
        proxy = self._proxies.proxy_for(url)
        if proxy is not None and proxy.startswith("socks"):
            if not proxy.startswith("socks5:"):
                raise BadRequestError(
                    f"The proxy {shown(proxy)} speaks SOCKS4, which httpx does not: use AiohttpTransport.",
                    param="proxy",
                    request_sent=False,
                )
            if find_spec("socksio") is None:
                raise socks_missing()
        return proxy


class _Answer:
    def __init__(self, response: httpx.Response, request: Request) -> None:
        self._response = response
        self._request = request
        self._chunks = cast("AsyncGenerator[bytes, None]", response.aiter_bytes())
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.ended = False

    async def receive(self) -> bytes:
        try:
            async for chunk in self._chunks:
                if chunk:
                    return chunk
        except _FAILURES as error:
            failure = _failure(error, self._request, None)
        else:
            self.ended = True
            return b""
        raise failure

    async def aclose(self) -> None:
        with contextlib.suppress(RuntimeError):  # another task is reading: what it waits for ends below
            await self._chunks.aclose()
        await self._response.aclose()


def _failure(error: Exception, request: Request, proxy: str | None) -> APIError:
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol)):
        return BadRequestError(f"The request cannot be sent: {type(error).__name__}.", url=request.url)
    silent = isinstance(error, httpx.TimeoutException)
    return connection_error(
        error,
        request.method,
        request.url,
        sent=not isinstance(error, _NEVER_SENT),
        silent=silent,
        proxy=proxy and shown(proxy),
    )
