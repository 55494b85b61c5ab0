"""The stand-in's life: on the running loop, in a thread, as a service; alone and under load."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import pytest

from areplicate.local import LocalReplicate
from tests.local.client import connect, llama, serving
from tests.waiting import eventually


def get(url: str) -> int:
    request = urllib.request.Request(url, headers={"Authorization": "Bearer x"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        status: int = answer.status
        return status


def test_in_a_thread() -> None:
    threads = threading.active_count()
    with LocalReplicate([llama()]) as local:
        assert get(local.api_base + "/account") == 200
        assert threading.active_count() > threads
        assert local.counts["account"] == 1
    assert threading.active_count() == threads
    with pytest.raises(urllib.error.URLError):
        get(local.api_base + "/account")


def test_in_a_thread_with_a_caller_still_waiting() -> None:
    with LocalReplicate([llama(boot_seconds=100)]) as local:
        caller = socket.create_connection(("127.0.0.1", int(local.api_base.split(":")[2].partition("/")[0])))
        body = b'{"input": {}}'
        caller.sendall(
            b"POST /v1/models/meta/llama/predictions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n"
            b"Prefer: wait\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        eventually(local.running)
    assert local.running(), "it does not wait for those who wait"
    caller.settimeout(5)
    assert caller.recv(1000) == b""
    caller.close()
    assert len(local.predictions) == 1, "and what happened can still be looked at"


def test_a_port_that_is_taken() -> None:
    with LocalReplicate([]) as local:
        port = int(local.api_base.split(":")[2].partition("/")[0])
        with pytest.raises(OSError), LocalReplicate([], port=port):
            pass


@pytest.mark.anyio
async def test_it_can_be_opened_again() -> None:
    local = LocalReplicate([llama()])
    bases = set()
    for _ in range(2):
        async with local, connect(local) as client:
            bases.add(local.api_base)
            assert (await client.create(Prefer="wait")).json["status"] == "succeeded"
    assert len(local.predictions) == 2
    assert len(bases) == 1, "at the same address"


@pytest.mark.anyio
async def test_it_closes_with_streams_and_waiters_open() -> None:
    async with serving(llama(boot_seconds=1000)) as (local, client):
        created = await client.create()
        waiting = [
            asyncio.ensure_future(client.get(created.json["urls"]["stream"])),
            asyncio.ensure_future(client.create(Prefer="wait")),
        ]
        await asyncio.sleep(1)
        await local.__aexit__(None, None, None)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(outcome, Exception) for outcome in outcomes)
        assert not any(prediction.waiters for prediction in local.predictions.values())


@pytest.mark.anyio
async def test_without_a_log_no_request_is_remembered() -> None:
    async with LocalReplicate([llama()], log_requests=False) as local, connect(local) as client:
        assert (await client.create()).status == 201
        assert local.requests == []
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", int(local.api_base.split(":")[2].partition("/")[0]))


@pytest.mark.anyio
async def test_a_thousand_in_flight_cost_no_tasks() -> None:
    model = llama(boot_seconds=100, run_seconds=100)
    async with serving(model) as (local, client):
        tasks = len(asyncio.all_tasks())
        for _ in range(10):
            await asyncio.gather(*(client.create() for _ in range(100)))
        assert len(local.running()) == 1000
        assert len(asyncio.all_tasks()) - tasks <= 200, "two for each open connection, none for a prediction"
        await asyncio.sleep(201)
        assert local.running() == []


@pytest.mark.anyio
async def test_hundreds_wait_at_once() -> None:
    async with serving(llama(boot_seconds=20)) as (_, client):
        assert client.session.connector is not None
        client.session.connector._limit = 0
        answers = await asyncio.gather(*(client.create(Prefer="wait") for _ in range(500)))
        assert {answer.json["status"] for answer in answers} == {"succeeded"}
        assert len({answer.json["id"] for answer in answers}) == 500


@pytest.mark.anyio
async def test_a_reader_that_is_gone_before_the_first_event(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(llama()) as (local, client):
        url = urlsplit((await client.create()).json["urls"]["stream"])
        caller = socket.create_connection((url.hostname, url.port))
        caller.sendall(
            f"GET {url.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer r8_test\r\n\r\n".encode()
        )
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        caller.close()
        await asyncio.sleep(1)
        assert local.counts["stream"] == 1
    assert not caplog.records


@pytest.mark.anyio
async def test_bytes_that_are_no_request() -> None:
    async with serving(llama()) as (local, client):
        port = int(local.api_base.split(":")[2].partition("/")[0])
        for garbage in (
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"GET\r\n\r\n",
            b"POST /v1/predictions HTTP/1.1\r\n",
        ):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(garbage)
            await asyncio.sleep(0.1)
            writer.close()
        assert (await client.create()).status == 201


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})])
async def test_on_uvloop(anyio_backend: Any) -> None:
    async with serving(llama(run_seconds=0.05)) as (local, client):
        created = await client.create(Prefer="wait=1")
        assert created.json["status"] == "succeeded"
        assert b"event: done" in (await client.get(created.json["urls"]["stream"])).body
        local.faults = type(local.faults)(create_reset=1)
        with pytest.raises(OSError):
            await client.create()
