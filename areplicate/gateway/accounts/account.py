"""Admission and account, one pair: what lets a request in, and what writes down what it cost.

The front door opens an account for each request. Whoever has read what is wanted asks it to `admit`
that, once; the end of the `async with` settles what was admitted by what really ran, however the request
ended, and writes its usage row, its figures and its line in the log.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

import msgspec

from ..http.errors import CLIENT_GONE, GatewayError
from ..logs import access_logger, logger
from .auth import database_gone

if TYPE_CHECKING:
    from ..app import Gateway
    from ..config.entries import ModelEntry
    from ..http.exchange import Exchange
    from .limits import Admission


class Demand(msgspec.Struct, frozen=True):
    """What a request asks for: so many predictions of one model, and about so many tokens for each."""

    entry: ModelEntry
    predictions: int = 1
    prompt_tokens: int = 0
    max_tokens: int | None = None


class Account:
    """One request's account."""

    __slots__ = ("_admission", "_exchange", "_gateway")

    def __init__(self, gateway: Gateway, exchange: Exchange) -> None:
        self._gateway = gateway
        self._exchange = exchange
        self._admission: Admission | None = None

    async def __aenter__(self) -> Account:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is awaited here: a client that leaves cannot interrupt it."""
        self._settle()

    async def admit(self, demand: Demand) -> None:
        """Lets the request in, or raises the `GatewayError` that refuses it."""
        gateway, exchange = self._gateway, self._exchange
        exchange.entry = demand.entry
        key = exchange.caller.key
        if key is None or not key.limited:
            return
        await gateway.store()
        assert gateway.limits is not None, "it comes with the store"
        hold = gateway.costs.estimate(demand.entry) * demand.predictions
        try:
            self._admission = await gateway.limits.admit(key, hold)
        except GatewayError:
            raise
        except KeyError:
            gateway.keyring.forget(key.hash)
            raise GatewayError(401, "This API key is not known here.", code="invalid_api_key") from None
        except Exception as error:
            logger.error("limits cannot be checked: %s", error)
            raise database_gone() from error

    def _settle(self) -> None:
        gateway, exchange = self._gateway, self._exchange
        cost = gateway.costs.of(exchange)
        if self._admission is not None and gateway.limits is not None:
            gateway.limits.finished(self._admission, cost)
        row = self._admission.row if self._admission is not None else None
        if exchange.model is not None:
            gateway.usage.add(exchange.usage_row(cost, row))
        _count(gateway, exchange, cost)
        _log(exchange)


def _count(gateway: Gateway, exchange: Exchange, cost: float) -> None:
    metrics, model = gateway.metrics, exchange.model or ""
    metrics.requests.labels(exchange.endpoint, model, str(exchange.status)).inc()
    if exchange.status == 429:
        metrics.limited.labels("key" if not exchange.calling else "replicate").inc()
    if exchange.model is None:
        return
    metrics.latency.labels(exchange.endpoint, model).observe(exchange.seconds())
    if exchange.first_text is not None:
        metrics.first_token.labels(model).observe(exchange.first_text - exchange.began)
    if exchange.runs:
        metrics.boot.labels(model).observe(exchange.waited()[1])
    prompt, completion = exchange.tokens()
    metrics.tokens.labels(model, "prompt").inc(prompt)
    metrics.tokens.labels(model, "completion").inc(completion)
    metrics.spend.labels(model).inc(cost)


def _log(exchange: Exchange) -> None:
    if not exchange.endpoint:
        return
    access_logger.info(
        "%s %s %d",
        exchange.request.method,
        exchange.endpoint,
        exchange.status,
        extra={
            "request_id": exchange.request_id,
            "model": exchange.model,
            "key_id": exchange.caller.key_id,
            "client": exchange.request.remote,
            "prediction_id": exchange.prediction_id,
            "seconds": round(exchange.seconds(), 3),
            "code": "client_gone" if exchange.status == CLIENT_GONE else exchange.error_code,
        },
    )
