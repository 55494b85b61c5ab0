"""A request is given up when its server is silent or trickles, and not as long as a large body goes to and fro."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketStream

from areplicate import APIConnectionError
from areplicate.clock import now
from areplicate.replicate.http import exchange
from areplicate.replicate.protocol.requests import Request
from areplicate.replicate.transports.aiohttp import AiohttpTransport

pytestmark = pytest.mark.anyio
SILENCE = 30.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"
Answering = Callable[[SocketStream], Awaitable[None]]


@asynccontextmanager
async def served(answering: Answering) -> AsyncIterator[tuple[AiohttpTransport, str]]:
    """A server that answers each connection in this way."""

    async def handle(client: SocketStream) -> None:
        async with client:
            await answering(client)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        transport = AiohttpTransport(5)
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, handle)
            try:
                yield transport, f"http://127.0.0.1:{port}/"
            finally:
                await transport.aclose()
                group.cancel_scope.cancel()


async def _in_large_pieces(client: SocketStream) -> None:
    await client.receive()
    await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n")
    for _ in range(10):
        await anyio.sleep(SILENCE / 2)
        await client.send(b"x" * 400_000)


async def _trickling(client: SocketStream) -> None:
    await client.receive()
    await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n")
    while True:
        await anyio.sleep(0.7)
        await client.send(b"x")


async def _reading_late(client: SocketStream) -> None:
    await anyio.sleep(100)
    left = 4_000_000
    while left > 0:
        left -= len(await client.receive())
    await client.send(HEAD + b"slowly")


async def _silent_from_the_beginning(client: SocketStream) -> None:
    await client.receive()
    await anyio.sleep(1000)


async def _silent_after_its_head(client: SocketStream) -> None:
    await client.receive()
    await client.send(HEAD)
    await anyio.sleep(1000)


async def _silent_in_the_middle(client: SocketStream) -> None:
    await client.receive()
    await client.send(HEAD + b"slow")
    await anyio.sleep(1000)


async def test_a_large_answer_is_read_in_the_time_that_it_takes() -> None:
    async with served(_in_large_pieces) as (transport, url):
        begun = now()
        response = await exchange(transport, Request("GET", url, {}), silence=SILENCE)
        assert len(response.body) == 4_000_000 and now() - begun > 3 * SILENCE


async def test_a_large_body_is_sent_in_the_time_that_it_takes() -> None:
    async with served(_reading_late) as (transport, url):
        request = Request("POST", url, {}, b"x" * 4_000_000)
        assert (await exchange(transport, request, silence=SILENCE)).body == b"slowly"


@pytest.mark.parametrize(
    "answering", [_silent_from_the_beginning, _silent_after_its_head, _silent_in_the_middle, _trickling]
)
async def test_silence_is_an_error_whenever_it_begins(answering: Answering) -> None:
    async with served(answering) as (transport, url):
        begun = now()
        with pytest.raises(APIConnectionError, match="the server is silent") as caught:
            await exchange(transport, Request("POST", url, {}, b"{}"), silence=SILENCE)
        assert caught.value.request_sent
        assert SILENCE <= now() - begun < SILENCE + 1


async def test_a_caller_who_leaves_meanwhile_is_not_told_of_silence() -> None:
    async with served(_silent_from_the_beginning) as (transport, url):
        with anyio.move_on_after(SILENCE - 1) as left:
            await exchange(transport, Request("POST", url, {}, b"{}"), silence=SILENCE)
        assert left.cancelled_caught
