"""Every transport gives the same answers and the same errors, on each loop it runs on."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Semaphore, Thread

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import SocketAttribute, SocketStream
from trio.testing import MockClock

import areplicate
from areplicate import APIConnectionError, AsyncRouter, BadRequestError
from areplicate.local import Faults, LocalReplicate
from areplicate.replicate.http import exchange
from areplicate.replicate.protocol.requests import Request
from areplicate.replicate.transports.base import Transport
from tests.hostile import HostileReplicate, redirects
from tests.replicate.transports.conftest import Make
from tests.stage import HELLO, KEY, LLAMA, llama


@pytest.fixture
def transport(make: Make) -> Transport:
    return make(20)


@pytest.fixture
def local() -> Iterator[LocalReplicate]:
    with LocalReplicate([llama(reply=["I", " am", " fine."], boot_seconds=0.5)]) as local:
        yield local


@pytest.mark.anyio
@pytest.mark.parametrize("value", ["Zoë 😀", " a\t", ""])
async def test_a_header_s_value_may_be_any_text(
    value: str, transport: Transport, local: LocalReplicate
) -> None:
    async with AsyncRouter(api_key=KEY, api_base=local.api_base, transport=transport) as router:
        await router.acompletion(
            LLAMA, HELLO, extra_headers={"X-Team": value}, default_headers={"X-Own": value}
        )
    seen = local.requests[-1].headers
    assert seen["X-Team"] == seen["X-Own"] == value.strip(" \t")


@pytest.mark.anyio
async def test_a_completion_comes_through(transport: Transport, local: LocalReplicate) -> None:
    async with AsyncRouter(api_key=KEY, api_base=local.api_base, transport=transport) as router:
        response = await router.acompletion(LLAMA, HELLO)
        assert response.choices[0].message.content == "I am fine."


# httpcore leaves a generator of its own to the garbage collector where a body is not read to its end.
@pytest.mark.filterwarnings("ignore:Async generator 'httpcore:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.anyio
async def test_a_stream_comes_through(transport: Transport, local: LocalReplicate) -> None:
    async with AsyncRouter(api_key=KEY, api_base=local.api_base, transport=transport) as router:
        stream = await router.acompletion(LLAMA, HELLO, stream=True)
        response = await areplicate.stream_to_completion(stream)
    assert response.choices[0].message.content == "I am fine."
    assert not local.running()


@pytest.mark.anyio
async def test_a_cancelled_caller_cancels_its_prediction(transport: Transport) -> None:
    with LocalReplicate([llama(boot_seconds=60)]) as local:
        async with AsyncRouter(api_key=KEY, api_base=local.api_base, transport=transport) as router:
            async with anyio.create_task_group() as group:
                group.start_soon(router.acompletion, LLAMA, HELLO)
                while not local.predictions:
                    await anyio.sleep(0.01)
                group.cancel_scope.cancel()
        assert local.predictions and not local.running()


@pytest.mark.filterwarnings("ignore:Async generator 'httpcore:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.anyio
async def test_closing_the_router_ends_a_stream_that_is_being_read(transport: Transport) -> None:
    with LocalReplicate([llama(boot_seconds=60)]) as local:
        router = AsyncRouter(api_key=KEY, api_base=local.api_base, transport=transport)
        read: list[str] = []

        async def read_it() -> None:
            with pytest.raises(APIConnectionError, match="closed"):
                async for _ in await router.acompletion(LLAMA, HELLO, stream=True):
                    read.append("begun")

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(read_it)
                while not (read and any(seen.kind == "stream" for seen in local.requests)):
                    await anyio.sleep(0.01)
                await router.aclose()
                assert not local.running()


@pytest.mark.parametrize(
    "anyio_backend", [("trio", {"clock": MockClock(autojump_threshold=0)})], ids=["trio"]
)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.anyio
async def test_on_trio_a_router_on_aiohttp_says_at_once_what_to_use_instead(stream: bool) -> None:
    began = anyio.current_time()
    with pytest.raises(BadRequestError, match=r"transport=HttpxTransport\(\)"):
        async with AsyncRouter(api_key=KEY, api_base="http://127.0.0.1:9/v1") as router:
            await router.acompletion(LLAMA, HELLO, stream=stream)
    assert anyio.current_time() - began < 1


@pytest.mark.anyio
async def test_a_refused_connection_was_certainly_not_sent(transport: Transport) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(APIConnectionError, match="No connection") as caught:
        await exchange(transport, Request("GET", f"http://127.0.0.1:{port}/", {}), silence=5)
    assert caught.value.request_sent is False
    assert caught.value.url == f"http://127.0.0.1:{port}/"
    await transport.aclose()


async def unanswered(transport: Transport, local: LocalReplicate, silence: float) -> APIConnectionError:
    """The error of a request that gets no answer."""
    request = Request("GET", f"{local.api_base}/predictions", {"Authorization": f"Bearer {KEY}"})
    with pytest.raises(APIConnectionError) as caught:
        await exchange(transport, request, silence=silence)
    await transport.aclose()
    return caught.value


@pytest.mark.anyio
async def test_a_reset_may_have_been_sent(transport: Transport, local: LocalReplicate) -> None:
    local.faults = Faults(get_reset=1.0)
    error = await unanswered(transport, local, silence=5)
    assert error.request_sent is True
    assert KEY not in str(error)


@pytest.mark.anyio
async def test_silence_ends_an_exchange(transport: Transport, local: LocalReplicate) -> None:
    local.faults = Faults(latency=30)
    error = await unanswered(transport, local, silence=0.2)
    assert error.request_sent is True


@pytest.mark.anyio
async def test_requests_share_a_connection_and_no_cookies(transport: Transport) -> None:
    asked = []

    class Noting(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append((self.client_address, self.headers["Cookie"]))
            self.wfile.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\n{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Noting) as server:
        Thread(target=server.serve_forever, args=(0.01,)).start()
        for _ in range(3):
            url = f"http://127.0.0.1:{server.server_port}/v1"
            await exchange(transport, Request("GET", url, {}), silence=10)
        await transport.aclose()
        server.shutdown()
    assert len(asked) == 3 and set(asked) == {(asked[0][0], None)}


@pytest.mark.anyio
@pytest.mark.parametrize("loop_reads_it", [True, False])
@pytest.mark.parametrize("unasked", [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}", b""])
async def test_what_a_server_says_unasked_is_not_the_next_answer(
    unasked: bytes, loop_reads_it: bool, transport: Transport
) -> None:
    """Some say 408 or 400 on an idle connection before they close it; a 4xx would prove that nothing was created.
    A program may keep its loop from reading that, and that the connection is closed, until the next request."""
    asked, said = Semaphore(0), Semaphore(0)

    class Unasked(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.wfile.write(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}")
            asked.acquire()
            self.wfile.write(unasked)
            if not unasked:
                self.connection.shutdown(socket.SHUT_RDWR)
            said.release()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Unasked) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        for _ in range(2):
            request = Request("POST", f"http://127.0.0.1:{server.server_port}/v1", {}, b"")
            assert (await exchange(transport, request, silence=10)).status == 201
            asked.release()
            said.acquire()
            for _ in range(3 if loop_reads_it else 0):
                await anyio.lowlevel.checkpoint()
        await transport.aclose()
        server.shutdown()


@pytest.mark.anyio
async def test_the_head_of_an_answer_may_be_long(transport: Transport) -> None:
    """What stands between adds to it."""

    async def answer(client: SocketStream) -> None:
        async with client:
            await client.receive()
            line = b"Server-Timing: " + b"x" * 20_000 + b"\r\n"
            await client.send(b"HTTP/1.1 200 OK\r\n" + line + b"Content-Length: 2\r\n\r\n{}")

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as group,
    ):
        group.start_soon(listener.serve, answer)
        port = listener.extra(SocketAttribute.local_port)
        response = await exchange(transport, Request("GET", f"http://127.0.0.1:{port}/v1", {}), silence=10)
        assert (response.status, response.body) == (200, b"{}")
        await transport.aclose()
        group.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_redirect_is_not_followed(transport: Transport) -> None:
    with HostileReplicate() as hostile:
        hostile.on("*", redirects())
        request = Request("GET", f"{hostile.api_base}/predictions", {"Authorization": f"Bearer {KEY}"})
        response = await exchange(transport, request, silence=5)
        assert response.status == 307
        assert len(hostile.asked) == 1
    await transport.aclose()


def test_importing_areplicate_imports_none_of_what_it_runs_on() -> None:
    code = "import sys, areplicate; print([m for m in ('aiohttp', 'anyio', 'httpx', 'rich', 'msgspec') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
