"""Counts the requests to Replicate, and lets no prediction be made that its key's budget has no room for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import msgspec

from ..errors import APIConnectionError, BadRequestError, PredictionCanceledError
from ..replicate.protocol.requests import Request
from ..replicate.transports.base import Answer, Transport, through
from ..replicate.transports.proxies import TLS
from .errors import GatewayError
from .metrics import Metrics


class Asking(msgspec.Struct, eq=False):
    """What one request of a client's asks Replicate.

    Attributes:
        before_creation: awaited before a prediction is asked for; raises `NotAskedAgain`.
        take: called as `HOLD_LARGE` is; raises `NoRoomForAnswer`.
        kinds: the kinds of requests that were sent.
    """

    before_creation: Callable[[], Awaitable[None]] | None
    take: Callable[[str, int, bool], None] | None
    kinds: list[str] = []

    def hold_large(self, source: str, size: int, anew: bool) -> None:
        if self.take is not None:
            self.take(source, size, anew)

    def settled(self) -> None:
        """The request has ended. A connection that was opened for it keeps its context, and with it this."""
        self.before_creation = self.take = None


asking: ContextVar[Asking | None] = ContextVar("asking", default=None)
"""Of the client's request in whose context it is."""


class NotAskedAgain(BadRequestError):
    """What failed or did not fit is not asked for again, nor is a fallback: the key's budget has no room for it."""

    def __init__(self, refusal: GatewayError) -> None:
        message = f"A first try failed, or its answer does not fit, and there is no second. {refusal.message}"
        super().__init__(message, status_code=refusal.status, request_sent=False)
        refusal.message = message
        self.refusal = refusal


class NoRoomForAnswer(PredictionCanceledError):
    """The large answers of requests in flight leave no room for another, which is given up: no other model is asked."""

    def __init__(self, refusal: GatewayError) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class CountedTransport(msgspec.Struct, eq=False):
    """A transport that counts its requests, by kind and by the answer's status."""

    _transport: Transport
    _metrics: Metrics

    async def open(self, request: Request) -> Answer:
        kind = _kind(request)
        if (asks := asking.get()) is not None:
            if kind == "create" and asks.before_creation is not None:
                await asks.before_creation()
            if kind not in asks.kinds:
                asks.kinds.append(kind)
        try:
            answer = await self._transport.open(request)
        except APIConnectionError:
            self._metrics.count(self._metrics.upstream.labels(kind, "broken"))
            raise
        self._metrics.count(self._metrics.upstream.labels(kind, str(answer.status)))
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
