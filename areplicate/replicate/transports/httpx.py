"""A transport on httpx, which also runs on trio. Needs `pip install areplicate[httpx]`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import cast

import httpx

from ...errors import APIConnectionError
from ..protocol.requests import Request
from .base import CONNECT_TIMEOUT

_FAILURES = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


class HttpxTransport:
    """One connection pool, on asyncio or trio, whichever runs.

    Args:
        pool_size: connections that may be open at once.
    """

    def __init__(self, pool_size: int = 100) -> None:
        self.pool_size = pool_size
        self._client: httpx.AsyncClient | None = None

    async def open(self, request: Request, *, silence: float) -> _Answer:
        client = self._client or self._start()
        method, url, headers, body = request
        timeout = httpx.Timeout(silence, connect=CONNECT_TIMEOUT, pool=None)
        try:
            prepared = client.build_request(method, url, headers=headers, content=body, timeout=timeout)
            return _Answer(await client.send(prepared, stream=True), request)
        except _FAILURES as error:
            failure = _connection_error(error, request)
        raise failure  # without its cause, which holds the headers, the key among them

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _start(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=self.pool_size, max_keepalive_connections=self.pool_size)
        self._client = httpx.AsyncClient(limits=limits, follow_redirects=False)
        return self._client


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
            failure = _connection_error(error, self._request)
        else:
            self.ended = True
            return b""
        raise failure

    async def aclose(self) -> None:
        with contextlib.suppress(RuntimeError):  # another task is reading: what it waits for ends below
            await self._chunks.aclose()
        await self._response.aclose()


def _connection_error(error: Exception, request: Request) -> APIConnectionError:
    never_sent = isinstance(error, _NEVER_SENT)
    return APIConnectionError(
        f"{'No connection' if never_sent else 'The connection broke'}: {error or type(error).__name__}.",
        method=request.method,
        url=request.url,
        request_sent=not never_sent,
    )
