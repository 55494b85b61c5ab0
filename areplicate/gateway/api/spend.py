"""`/spend/...`: who spent what."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from ..accounts.usage import UsageRow
from ..http.errors import bad_request
from ..http.exchange import Exchange
from ..http.route import route

if TYPE_CHECKING:
    from ..app import Gateway


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over requests; `cost` is in dollars."""

    requests: int
    prompt_tokens: int
    completion_tokens: int
    run_s: float
    cost: float


class KeySpend(Spend, frozen=True, kw_only=True):
    key_id: str | None


class ModelSpend(Spend, frozen=True, kw_only=True):
    model: str | None


class SpendByKey(msgspec.Struct, frozen=True):
    data: list[KeySpend]


class SpendByModel(msgspec.Struct, frozen=True):
    data: list[ModelSpend]


class LogQuery(msgspec.Struct):
    """Which requests: at most `limit`, of one key, before a time in seconds since 1970."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    key_id: Annotated[str, msgspec.Meta(pattern="^[^\u0000]*$")] | None = None
    before: float | None = None


class SpendLogs(msgspec.Struct, frozen=True):
    data: list[UsageRow]


@route("GET", "/spend/keys", "master", answer=SpendByKey)
async def spend_by_key(gateway: Gateway, exchange: Exchange) -> SpendByKey:
    """Spend by key."""
    return SpendByKey([KeySpend(**row) for row in await _spend_by(gateway, "key_id")])


@route("GET", "/spend/models", "master", answer=SpendByModel)
async def spend_by_model(gateway: Gateway, exchange: Exchange) -> SpendByModel:
    """Spend by model."""
    return SpendByModel([ModelSpend(**row) for row in await _spend_by(gateway, "model")])


@route("GET", "/spend/logs", "master", takes=LogQuery, answer=SpendLogs)
async def spend_logs(gateway: Gateway, exchange: Exchange, asked: LogQuery) -> SpendLogs:
    """The latest requests, newest first."""
    if asked.before is not None and not math.isfinite(asked.before):
        raise bad_request("before must be a time in seconds since 1970.", param="before")
    await gateway.usage.flush()
    rows = await (await gateway.store()).usage_rows(asked.limit, key_id=asked.key_id, before=asked.before)
    return SpendLogs([UsageRow(**row) for row in rows])


async def _spend_by(gateway: Gateway, column: str) -> list[dict[str, Any]]:
    await gateway.usage.flush()
    return await (await gateway.store()).spend_by(column)
