"""`/spend/...`: what keys and models have cost, and the requests one by one."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

import msgspec

from ..accounts.store import Store
from ..accounts.tables import UsageRow
from ..http.exchange import Exchange
from ..http.route import route
from .fields import Text, time_of
from .keys import key_id_of

Day = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date"})]


class Spend(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Sums over the requests of a key or of a model; `cost` is in dollars.

    Attributes:
        day: in UTC, if the sums are by day.
        without_price: requests whose cost is not known.
    """

    key_id: str | msgspec.UnsetType | None = msgspec.UNSET
    model: str | msgspec.UnsetType | None = msgspec.UNSET
    day: str | None = None
    requests: int
    predictions: int
    prompt_tokens: int
    completion_tokens: int
    run_s: float
    cost: float
    without_price: int = 0


class SpendList(msgspec.Struct, frozen=True):
    data: list[Spend]


class Period(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """From the beginning of `start_date` to the end of `end_date`, which are days or times, in UTC."""

    start_date: Day | None = None
    end_date: Day | None = None


class SpendQuery(Period, kw_only=True, forbid_unknown_fields=True):
    """Which requests; `by=day` gives a sum for each day."""

    key_id: Text | None = None
    model: Text | None = None
    by: Literal["day"] | None = None


class LogQuery(Period, kw_only=True, forbid_unknown_fields=True):
    """Selects requests that fit all of these, newest first, `limit` a page.

    Attributes:
        api_key: a key, by its token or its `key_id`; `key_id` says the same.
    """

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    page: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    key_id: Text | None = None
    api_key: Text | None = None
    model: Text | None = None
    status: Annotated[int, msgspec.Meta(ge=100, le=599)] | None = None
    request_id: Text | None = None


class SpendLogs(msgspec.Struct, frozen=True, omit_defaults=True):
    """`next_page` is the number of the page after this one, if there is one."""

    data: list[UsageRow]
    next_page: int | None = None


@route("GET", "/spend/keys", "master", takes=SpendQuery, answer=SpendList)
async def spend_by_key(exchange: Exchange, asked: SpendQuery) -> SpendList:
    """Spend by key."""
    return await _spend_by(exchange, "key_id", asked)


@route("GET", "/spend/models", "master", takes=SpendQuery, answer=SpendList)
async def spend_by_model(exchange: Exchange, asked: SpendQuery) -> SpendList:
    """Spend by model."""
    return await _spend_by(exchange, "model", asked)


@route("GET", "/spend/logs", "master", takes=LogQuery, answer=SpendLogs)
async def spend_logs(exchange: Exchange, asked: LogQuery) -> SpendLogs:
    """The latest requests, newest first."""
    store = await _up_to_date(exchange)
    wanted = await _wanted(store, asked, asked.key_id or asked.api_key)
    wanted |= {"status": asked.status, "request_id": asked.request_id}
    rows = await store.reports.usage_rows(asked.limit + 1, (asked.page - 1) * asked.limit, **wanted)
    return SpendLogs(rows[: asked.limit], asked.page + 1 if len(rows) > asked.limit else None)


async def _spend_by(exchange: Exchange, column: str, asked: SpendQuery) -> SpendList:
    store = await _up_to_date(exchange)
    wanted = await _wanted(store, asked, asked.key_id)
    rows = await store.reports.spend_by(column, by_day=asked.by == "day", **wanted)
    for row in rows:
        if "day" in row:
            row["day"] = (datetime.date(1970, 1, 1) + datetime.timedelta(int(row["day"]))).isoformat()
    return SpendList([Spend(**row) for row in rows])


async def _wanted(store: Store, asked: SpendQuery | LogQuery, key: str | None) -> dict[str, Any]:
    """The requests of a period, of a key and of a model, as far as these are named."""
    return {
        "start": time_of(asked.start_date, "start_date"),
        "end": time_of(asked.end_date, "end_date", end=True),
        "key_id": None if key is None else await key_id_of(store, key),
        "model": asked.model,
    }


async def _up_to_date(exchange: Exchange) -> Store:
    """The store, with what has been spent until now."""
    store = await exchange.gateway.accounts.store()
    await exchange.gateway.accounts.up_to_date()
    return store
