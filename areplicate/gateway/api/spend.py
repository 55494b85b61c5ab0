"""`/spend/...`: who spent what."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from ..http.errors import bad_request
from ..http.exchange import Exchange
from .keys import whole

if TYPE_CHECKING:
    from ..app import Gateway


async def spend_by_key(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    return await _spend_by(gateway, exchange, "key_id")


async def spend_by_model(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    return await _spend_by(gateway, exchange, "model")


async def spend_logs(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    """The latest usage rows, newest first; `?limit=`, `?key_id=`, and `?before=` a row's `at`."""
    limit = whole(exchange, "limit", 100, 1, 1000)
    key_id = exchange.request.query.get("key_id")
    if key_id is not None and "\0" in key_id:
        raise bad_request("key_id is to be a key's id.", param="key_id")
    before = _time(exchange.request.query.get("before"))
    await gateway.usage.flush()
    rows = await (await gateway.store()).usage_rows(limit, key_id=key_id, before=before)
    return exchange.json(msgspec.json.encode({"data": rows}))


async def _spend_by(gateway: Gateway, exchange: Exchange, column: str) -> web.StreamResponse:
    await gateway.usage.flush()
    rows = await (await gateway.store()).spend_by(column)
    return exchange.json(msgspec.json.encode({"data": rows}))


def _time(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise bad_request("before is to be a time in seconds since 1970.", param="before")
    return value
