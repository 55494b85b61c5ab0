"""The default transport, on aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from ...errors import APIConnectionError, APIError, BadRequestError
from ..protocol.requests import Request
from .base import CONNECT_TIMEOUT

_FAILURES = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)

_LARGE = 1 << 20
"""Bytes from which aiohttp sends a body in pieces only where it comes as a file."""

_timeout = lru_cache(maxsize=256)(
    lambda silence: aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=silence)
)


class AiohttpTransport:
    """One connection pool in the event loop that first uses it.

    Args:
        pool_size: connections that may be open at once.
    """

    def __init__(self, pool_size: int) -> None:
        self.pool_size = pool_size
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._proxies = getproxies()

    async def open(self, request: Request, *, silence: float) -> _Answer:
        session = self._session
        if session is None or self._loop is not asyncio.get_running_loop():
            session = self._start()
        method, url, headers, body = request
        try:
            response = await session.request(
                method,
                URL(url, encoded=True),
                data=body if body is None or len(body) < _LARGE else BytesIO(body),
                headers=headers,
                allow_redirects=False,
                timeout=_timeout(silence),
                proxy=self._proxy_for(url) if self._proxies else None,
            )
        except ValueError as error:
            failure: APIError = BadRequestError(
                f"The request cannot be sent: {type(error).__name__}.", url=url
            )
        except _FAILURES as error:
            failure = _connection_error(error, request)
        else:
            return _Answer(response, request)
        raise failure  # without its cause, whose repr shows the headers, the key among them

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _start(self) -> aiohttp.ClientSession:
        if self._session is not None:
            raise BadRequestError(
                "This router is in use on another event loop: make one for each loop, or call acompletion()."
            )
        self._loop = asyncio.get_running_loop()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.pool_size, ttl_dns_cache=300, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self._session

    def _proxy_for(self, url: str) -> str | None:
        parts = URL(url)
        return None if proxy_bypass(parts.host or "") else self._proxies.get(parts.scheme)


class _Answer:
    __slots__ = ("_request", "_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse, request: Request) -> None:
        self._response = response
        self._request = request
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    @property
    def ended(self) -> bool:
        return self._response.content.at_eof()

    async def receive(self) -> bytes:
        try:
            return await self._response.content.readany()
        except (*_FAILURES, ValueError) as error:
            failure = _connection_error(error, self._request)
        raise failure

    async def aclose(self) -> None:
        # One that has come to its end has given its connection back by itself.
        if not self._response.closed:
            self._response.close()
            # Closing alone would leave a task that is reading asleep for good.
            self._response.content.set_exception(aiohttp.ClientConnectionError("closed"))


def _connection_error(error: Exception, request: Request) -> APIConnectionError:
    silent = isinstance(error, asyncio.TimeoutError)
    never_sent = isinstance(error, _NEVER_SENT)
    reason: Any = (
        "the server is silent" if silent and not never_sent else (str(error) or type(error).__name__)
    )
    return APIConnectionError(
        f"{'No connection' if never_sent else 'The connection broke'}: {reason}.",
        method=request.method,
        url=request.url,
        request_sent=not never_sent,
    )
