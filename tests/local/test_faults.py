"""The stand-in's faults: each strikes as it says, and again when the same requests come again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from areplicate.local import Faults, LocalReplicate
from tests.local.client import Client, llama, serving

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def faulty(**faults: Any) -> AsyncIterator[tuple[LocalReplicate, Client]]:
    async with serving(llama(), faults=Faults(**faults)) as both:
        yield both


async def test_without_faults_nothing_goes_wrong() -> None:
    async with faulty() as (local, client):
        assert (await client.create()).status == 201
        assert local.faults == Faults()


async def test_the_edge_fails_before_a_prediction_is_made() -> None:
    async with faulty(create_error=1, limit=1) as (local, client):
        failed = await client.create()
        assert failed.status == 502
        assert failed.headers["Content-Type"].startswith("text/html")
        assert not local.predictions
        assert (await client.create()).status == 201


async def test_a_reset_before_a_prediction_is_made() -> None:
    async with faulty(create_reset=1) as (local, client):
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.create()
        assert not local.predictions


async def test_a_reset_is_a_reset() -> None:
    async with faulty(create_reset=1) as (local, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(local.api_base.split(":")[2][:-3]))
        writer.write(b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


@pytest.mark.parametrize("prefer", [{}, {"Prefer": "wait"}])
async def test_a_reset_after_a_prediction_is_made(prefer: dict[str, str]) -> None:
    async with serving(llama(run_seconds=9), faults=Faults(create_lost=1)) as (local, client):
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.create(**prefer)
        assert len(local.running()) == 1


async def test_throttling() -> None:
    async with faulty(create_throttled=1, get_throttled=1) as (local, client):
        for throttled in (await client.create(), await client.get("/predictions")):
            assert throttled.status == 429
            assert throttled.json == {"detail": "Request was throttled. Your rate limit resets in ~1s."}
            assert throttled.headers["Retry-After"] == throttled.headers["ratelimit-reset"] == "1"
            assert throttled.headers["ratelimit-remaining"] == "0"
        assert not local.predictions


async def test_reading_and_cancelling_fail_by_themselves() -> None:
    async with faulty() as (local, client):
        urls = (await client.create()).json["urls"]
        local.faults = Faults(get_error=1, error_status=504)
        assert (await client.get(urls["get"])).status == 504
        assert (await client.get("/predictions")).status == 504
        assert (await client.post(urls["cancel"])).status == 200
        assert (await client.get("/models/meta/llama")).status == 200
        local.faults = Faults(cancel_error=1, other_error=1)
        assert (await client.get(urls["get"])).status == 200
        assert (await client.post(urls["cancel"])).status == 502
        assert (await client.get("/models/meta/llama")).status == 502
        local.faults = Faults(get_reset=1, cancel_reset=1, other_reset=1)
        for method, url in (("GET", urls["get"]), ("POST", urls["cancel"]), ("GET", "/models/meta/llama")):
            with pytest.raises(aiohttp.ClientConnectionError):
                await client.send(method, url)


async def test_streams_have_faults_of_their_own() -> None:
    async with faulty() as (local, client):
        url = (await client.create()).json["urls"]["stream"]
        local.faults = Faults(get_error=1, other_error=1)
        assert (await client.get(url)).body.startswith(b": hi")


async def test_latency() -> None:
    async with faulty(latency=7) as (_, client):
        start = asyncio.get_running_loop().time()
        await client.get("/predictions")
        assert asyncio.get_running_loop().time() - start == pytest.approx(7, abs=0.1)


async def test_faults_repeat_with_their_seed() -> None:
    async def statuses(seed: int) -> list[int]:
        async with faulty(create_error=0.3, create_throttled=0.3, seed=seed) as (_, client):
            return [(await client.create()).status for _ in range(60)]

    first = await statuses(1)
    assert first == await statuses(1) != await statuses(2)
    assert {201, 429, 502} == set(first)


async def test_faults_stop_at_their_limit() -> None:
    async with faulty(create_error=1, get_error=1, limit=3) as (_, client):
        statuses = [(await client.create()).status, (await client.get("/predictions")).status]
        statuses += [(await client.create()).status for _ in range(3)]
        assert statuses == [502, 502, 502, 201, 201]
