"""Counts the requests to Replicate."""

from __future__ import annotations

from contextvars import ContextVar

import msgspec

from ..errors import APIConnectionError
from ..replicate.protocol.requests import Request
from ..replicate.transports.base import Answer, Transport, through
from ..replicate.transports.proxies import TLS
from .metrics import Metrics

asked: ContextVar[list[str] | None] = ContextVar("asked", default=None)
"""The kinds of requests that were sent to Replicate in this context."""


class CountedTransport(msgspec.Struct, eq=False):
    """A transport that counts its requests, by kind and by the answer's status."""

    _transport: Transport
    _metrics: Metrics

    async def open(self, request: Request) -> Answer:
        kind = _kind(request)
        if (kinds := asked.get()) is not None and kind not in kinds:
            kinds.append(kind)
        try:
            answer = await self._transport.open(request)
        except APIConnectionError:
            self._metrics.upstream.labels(kind, "broken").inc()
            raise
        self._metrics.upstream.labels(kind, str(answer.status)).inc()
        return answer

    def through(self, *, proxy: str | None, ssl: TLS | None) -> CountedTransport:
        """The same through a proxy, or with other certificates."""
        return CountedTransport(through(self._transport, proxy, ssl), self._metrics)

    async def aclose(self) -> None:
        await self._transport.aclose()


def _kind(request: Request) -> str:
    if request.method == "POST":
        return "cancel" if request.url.endswith("/cancel") else "create"
    return "stream" if "Accept" in request.headers else "get"
