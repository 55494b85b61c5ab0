"""The default transport, on aiohttp."""

from __future__ import annotations

import asyncio
import select
import sys
from collections.abc import Mapping
from functools import cache, lru_cache, partial
from importlib import import_module
from io import BytesIO
from typing import Any

import aiohttp
from yarl import URL

from ...clock import running_loop
from ...errors import APIError, BadRequestError
from ..protocol.requests import Request
from .base import CONNECT_TIMEOUT, connection_error, never_sent
from .proxies import TLS, ProxiedTransport, shown, socks_missing

_FAILURES = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
_LARGE = 1 << 20
"""Bytes from which aiohttp sends a body in pieces only if it comes as a file."""
_LONGEST_HEADER = 1 << 16
"""Bytes of one line of an answer's head: what stands between adds to it, and 8 KB are soon full."""

_url = lru_cache(maxsize=256)(partial(URL, encoded=True))


class AiohttpTransport(ProxiedTransport):
    """One connection pool in the event loop that first uses it.

    Args:
        pool_size: connections that may be open at once.
        proxy: as `Proxies` takes it. One that speaks SOCKS needs `pip install 'areplicate[socks]'`.
        ssl: how certificates are checked, as `TLS` says.

    Raises:
        BadRequestError: `proxy` or `ssl` is wrong, or needs what is not installed.
    """

    def __init__(self, pool_size: int, *, proxy: str | None = None, ssl: TLS | None = None) -> None:
        super().__init__(pool_size, proxy, ssl)
        self._sessions: dict[str | None, aiohttp.ClientSession] = {}
        """By the SOCKS proxy that all its connections go through, if they do."""
        self._loop: asyncio.AbstractEventLoop | None = None
        if proxy and proxy.startswith("socks"):
            _socks()

    async def open(self, request: Request) -> _Answer:
        url, body = request.url, request.body
        socks, proxy = self._route(url) if self._proxies.any else (None, None)
        session = self._sessions.get(socks)
        if session is None or self._loop is not asyncio.get_running_loop():
            session = self._start(socks)
        try:
            response = await session.request(
                request.method,
                _url(url),
                data=body if body is None or len(body) < _LARGE else BytesIO(body),
                headers=request.headers,
                allow_redirects=False,
                proxy=proxy,
            )
        except _FAILURES as error:
            failure = _failure(error, request, socks or proxy)
        except ValueError as error:
            failure = _unsendable(error, url)
        except Exception as error:
            if socks is None or not isinstance(error, (_socks().ProxyError, EOFError)):
                raise
            failure = _failure(error, request, socks)
        else:
            return _Answer(response, url)
        raise failure  # without its cause, whose repr shows the headers, the key among them

    async def aclose(self) -> None:
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    def _start(self, socks: str | None) -> aiohttp.ClientSession:
        loop = running_loop()
        if loop is None:
            raise BadRequestError(
                "This router sends through aiohttp, which runs on asyncio alone. On trio: "
                "AsyncRouter(transport=HttpxTransport()), from areplicate.replicate.transports.httpx."
            )
        if self._sessions and self._loop is not loop:
            raise BadRequestError(
                "This router is in use on another event loop: make one for each loop, or call acompletion()."
            )
        self._loop = loop
        options: dict[str, Any] = {"limit": self.pool_size, "keepalive_timeout": 30, "ssl": self._ssl}
        session = self._sessions[socks] = aiohttp.ClientSession(
            connector=_Connector(ttl_dns_cache=300, **options)
            if socks is None
            else _socks_connector().from_url(socks, **options),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT),
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
        )
        return session

    def _route(self, url: str) -> tuple[str | None, str | None]:
        """The SOCKS proxy of a URL, which its session speaks to, or the HTTP proxy, which its request names.

        Raises:
            BadRequestError: that proxy cannot be used here. Nothing is sent.
        """
        proxy = self._proxies.proxy_for(url)
        if proxy is None or proxy.startswith("http:"):
            return None, proxy
        if proxy.startswith("socks"):
            _socks()
            return proxy, None
        tls_in_tls = sys.version_info >= (3, 11) or "uvloop" in type(asyncio.get_running_loop()).__module__
        if url.startswith("https:") and not tls_in_tls:
            raise BadRequestError(
                f"The proxy {shown(proxy)} is reached over TLS, which needs Python 3.11 or uvloop: "
                "write http:// if it speaks that, too, or use HttpxTransport.",
                request_sent=False,
            )
        return None, proxy


class _Unspoken(aiohttp.BaseConnector):
    """Keeps no connection on which a server has spoken unasked, as some do before they close an idle one: that would
    pass for the answer to the next request. Nor one that a server has closed, of which nobody would know what became
    of the next request."""

    async def _get(self, key: Any, traces: Any) -> Any:
        kept = await super()._get(key, traces)
        while kept is not None and kept.protocol is not None and _has_spoken(kept.protocol):
            kept.close()
            kept = await super()._get(key, traces)
        return kept


def _has_spoken(protocol: Any) -> bool:
    """Whether the server has sent something, or its end; a loop that was held up since has not read it yet."""
    return protocol.should_close or _readable(protocol.transport.get_extra_info("socket").fileno())


def _readable(descriptor: int) -> bool:
    if sys.platform == "win32":
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()  # select() takes no descriptor above 1023
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


class _Connector(_Unspoken, aiohttp.TCPConnector):
    """The connections of a session without SOCKS."""


class _Answer:
    """Of its request it keeps no more than errors tell: a stream lasts long."""

    __slots__ = ("_response", "_url", "status")

    def __init__(self, response: aiohttp.ClientResponse, url: str) -> None:
        self._response = response
        self._url = url
        self.status = response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    @property
    def ended(self) -> bool:
        return self._response.content.at_eof()

    async def receive(self) -> bytes:
        try:
            return await self._response.content.readany()
        except (*_FAILURES, ValueError) as error:
            failure = connection_error(
                _broken(error), self._response.method, self._url, sent=True, silent=_silent(error)
            )
        raise failure

    async def aclose(self) -> None:
        # One that has come to its end has given its connection back by itself.
        if not self._response.closed:
            self._response.close()
            # Closing alone would leave a task that is reading asleep for good.
            self._response.content.set_exception(aiohttp.ClientConnectionError("closed"))


def _broken(error: Exception) -> Exception:
    """The error without what the server sent, which aiohttp quotes: a server may repeat the key in it."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return ConnectionError("Server disconnected")
    if isinstance(error, aiohttp.ClientPayloadError):
        return ConnectionError("The answer is cut off or garbled")
    if isinstance(error, aiohttp.ClientResponseError) and not isinstance(error, aiohttp.ClientHttpProxyError):
        return ConnectionError("The answer is not HTTP")
    return error


def _failure(error: Exception, request: Request, proxy: str | None) -> APIError:
    if isinstance(error, aiohttp.InvalidURL):
        return _unsendable(error, request.url)
    sent = not (never_sent(error) or isinstance(error, aiohttp.ConnectionTimeoutError))
    return connection_error(
        _broken(error),
        request.method,
        request.url,
        sent=sent,
        silent=_silent(error),
        proxy=proxy and shown(proxy),
    )


def _silent(error: Exception) -> bool:
    return isinstance(error, asyncio.TimeoutError)


def _unsendable(error: Exception, url: str) -> BadRequestError:
    return BadRequestError(f"The request cannot be sent: {type(error).__name__}.", url=url)


@cache
def _socks_connector() -> Any:
    return type("_SocksConnector", (_Unspoken, _socks().ProxyConnector), {})


def _socks() -> Any:
    """aiohttp-socks, which is not installed with areplicate alone."""
    try:
        return import_module("aiohttp_socks")
    except ImportError:
        raise socks_missing() from None
