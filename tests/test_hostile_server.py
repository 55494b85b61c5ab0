"""The hostile server does what it promises."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from areplicate.local import LocalModel
from tests.hostile import (
    INTERRUPTED,
    HostileReplicate,
    date_ahead,
    edge_page,
    fails_first,
    gives_up_after,
    hangs,
    list_behind,
    low_credit,
    problem,
    resets_after,
    rows_late,
    trickles,
    wants_header,
    without_date,
    without_field,
)
from tests.local.client import Client, connect, llama

pytestmark = pytest.mark.anyio


async def rows(client: Client) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await client.get("/predictions")).json["results"]
    return listed


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 524])
@pytest.mark.parametrize("created", [True, False])
async def test_an_edge_answers_in_html_after_the_prediction_exists_or_before(
    status: int, created: bool
) -> None:
    async with HostileReplicate([llama()]) as hostile, connect(hostile) as client:
        hostile.on("create", edge_page(status, created=created), times=1)
        answer = await client.create()
        assert answer.status == status and answer.headers["Content-Type"].startswith("text/html")
        assert len(hostile.predictions) == created
        assert (await client.create()).status == 201


async def test_an_edge_gives_up_on_a_held_request() -> None:
    async with HostileReplicate([llama(run_seconds=60)]) as hostile, connect(hostile) as client:
        hostile.on("create", gives_up_after(10))
        assert (await client.create(Prefer="wait")).status == 504
        assert len(hostile.running()) == 1
        assert (await client.create()).status == 201


async def test_rows_come_late() -> None:
    async with HostileReplicate([llama()]) as hostile, connect(hostile) as client:
        hostile.on("list", rows_late(2))
        await client.create()
        assert await rows(client) == []
        await asyncio.sleep(2.1)
        assert len(await rows(client)) == 1


async def test_the_list_is_behind() -> None:
    async with HostileReplicate([llama(run_seconds=5)]) as hostile, connect(hostile) as client:
        hostile.on("list", list_behind(2))
        created = (await client.create()).json
        await asyncio.sleep(6)
        assert (await client.get(f"/predictions/{created['id']}")).json["status"] == "succeeded"
        [row] = await rows(client)
        assert row["status"] == "processing" and row["output"] is None
        await asyncio.sleep(1.5)
        [row] = await rows(client)
        assert row["status"] == "succeeded" and row["output"] is not None


async def test_the_list_fails_while_single_looks_are_healthy() -> None:
    async with HostileReplicate([llama()]) as hostile, connect(hostile) as client:
        created = (await client.create()).json
        hostile.on("list", problem(500))
        assert (await client.get("/predictions")).status == 500
        hostile.behave()
        hostile.on("list", hangs())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.get("/predictions"), 100)
        hostile.behave()
        hostile.on("list", trickles(1))
        begun = asyncio.get_running_loop().time()
        assert len(await rows(client)) == 1
        assert asyncio.get_running_loop().time() - begun > 100
        assert (await client.get(f"/predictions/{created['id']}")).status == 200


async def test_a_reset_after_the_request_went_through() -> None:
    async with HostileReplicate([llama()]) as hostile, connect(hostile) as client:
        hostile.on("create", resets_after(), times=1)
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.create()
        assert len(hostile.predictions) == 1


async def test_dates_are_dropped_and_shifted() -> None:
    async with HostileReplicate([llama()]) as hostile, connect(hostile) as client:
        hostile.on("*", without_date(), times=1)
        hostile.on("create", edge_page(502), times=1)
        undated = await client.create()
        assert undated.status == 502 and "Date" not in undated.headers
        assert "Date" in (await client.create()).headers
        hostile.on("*", date_ahead(3600))
        answer = await client.create()
        assert answer.json["created_at"][11:13] != answer.headers["Date"][17:19]


async def test_a_field_is_left_out() -> None:
    async with HostileReplicate([llama()]) as hostile, connect(hostile) as client:
        assert "deadline" in (await client.create(Cancel_After="90s")).json
        assert "deadline" in (await rows(client))[0]
        hostile.on("*", without_field("deadline"))
        assert "deadline" not in (await client.create(Cancel_After="90s")).json
        assert all("deadline" not in row for row in await rows(client))


async def test_a_version_is_replaced() -> None:
    old = LocalModel(owner="some", name="body", official=False, version="a" * 64)
    new = LocalModel(owner="some", name="body", official=False, version="b" * 64)
    async with HostileReplicate([old]) as hostile, connect(hostile) as client:
        body = {"version": old.version, "input": {"prompt": "hi"}}
        assert (await client.post("/predictions", body)).status == 201
        hostile.publish(new)
        refused = await client.post("/predictions", body)
        assert (refused.status, refused.json["title"]) == (422, "Invalid version or not permitted")
        assert (await client.get("/models/some/body")).json["latest_version"]["id"] == new.version
        assert (await client.post("/predictions", {**body, "version": new.version})).status == 201


async def test_the_platform_fails_a_prediction() -> None:
    async with HostileReplicate([llama(reply=fails_first(1))]) as hostile, connect(hostile) as client:
        failed = (await client.create(Prefer="wait")).json
        assert (failed["status"], failed["error"]) == ("failed", INTERRUPTED)
        assert (await client.create(Prefer="wait")).json["status"] == "succeeded"
        assert hostile.statuses == {"failed": 1, "succeeded": 1}


async def test_little_credit() -> None:
    async with HostileReplicate([llama()]) as hostile, connect(hostile) as client:
        hostile.on("create", low_credit())
        first = await client.create()
        assert first.status == 201 and "ratelimit-remaining" not in first.headers
        throttled = await client.create()
        assert throttled.status == 429 and throttled.json["retry_after"] == 10
        assert not any(name.lower() in ("retry-after", "ratelimit-reset") for name in throttled.headers)
        await asyncio.sleep(10)
        assert (await client.create()).status == 201


async def test_a_gateway_with_a_path_and_a_header_of_its_own() -> None:
    prefix = "/v1/account/gateway/replicate"
    async with HostileReplicate([llama()], prefix=prefix) as hostile, connect(hostile) as client:
        hostile.on("*", wants_header("cf-aig-authorization", "Bearer aig"))
        assert hostile.api_base.endswith(prefix)
        assert (await client.create()).status == 401
        created = await client.create(cf_aig_authorization="Bearer aig")
        assert created.status == 201
        assert created.json["urls"]["get"].startswith(
            hostile.api_base.removesuffix(prefix) + "/v1/predictions"
        )
        assert [seen.kind for seen in hostile.asked] == ["create", "create"]
