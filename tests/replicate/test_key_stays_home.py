"""The key is in no error, wherever a server, or what stands in front of it, echoes it."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

import areplicate
from areplicate import AsyncRouter
from areplicate.replicate.transports.aiohttp import AiohttpTransport
from areplicate.replicate.transports.httpx import HttpxTransport
from tests.stage import HELLO, KEY, LLAMA

pytestmark = pytest.mark.anyio

ESCAPED = "".join(f"\\u{ord(character):04x}" for character in KEY)
PROBLEM = "application/problem+json"


def created(url: str = "/get", **fields: str) -> web.Response:
    """A prediction of which the caller is told."""
    named = {"get": url, "stream": url}
    body = {"id": "a1", "created_at": "2026-01-01T00:00:00Z", "urls": named, **fields}
    return web.json_response(body, status=201)


ECHOES: dict[str, Callable[[], web.Response]] = {
    "detail": lambda: web.Response(status=401, text=json.dumps({"detail": f"No such token: {KEY}"})),
    "title": lambda: web.Response(status=403, text=json.dumps({"title": KEY}), content_type=PROBLEM),
    "invalid field": lambda: web.json_response(
        {"title": "x", "invalid_fields": [{"field": "token", "description": f"bad: Bearer {KEY}"}]},
        status=422,
    ),
    "JSON's escapes": lambda: web.Response(status=400, text=f'{{"detail": "token {ESCAPED}"}}'),
    "a page": lambda: web.Response(
        status=502, text=f"<html><b>Authorization:</b> Bearer {KEY}</html>", content_type="text/html"
    ),
    "the end of a long text": lambda: web.Response(status=400, text="x" * 980 + KEY),
    "a redirect": lambda: web.Response(status=302, headers={"Location": f"https://sso.example/?token={KEY}"}),
    "the end of a long redirect": lambda: web.Response(
        status=302, headers={"Location": f"https://sso.example/?{'x' * 150}={KEY}"}
    ),
    "no JSON": lambda: web.Response(status=201, text=f"token {KEY}"),
    "no prediction": lambda: web.json_response({"id": 7, "echo": KEY}, status=201),
    "the prediction's URLs": lambda: created(f"https://evil.example/{KEY}", status="starting"),
    "a failure": lambda: created(status="failed", error=f"env: {KEY}"),
}


@asynccontextmanager
async def serving(answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


def shown(error: BaseException | None) -> str:
    """All that a log could show of an error and of those behind it."""
    said = ""
    while error is not None:
        said += "".join(traceback.format_exception(type(error), error, error.__traceback__))
        said += f"{error}{error!r}{error.args}{getattr(error, '__dict__', '')}"
        error = error.__cause__ or error.__context__
    return said


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("echo", ECHOES)
async def test_an_error_shows_no_key_that_was_echoed(
    echo: str, stream: bool, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            return web.json_response({"detail": f"not found for {KEY}"}, status=404)
        return ECHOES[echo]()

    with caplog.at_level("DEBUG", logger="areplicate"):
        async with serving(answer) as base, AsyncRouter(api_key=KEY, api_base=base) as router:
            with pytest.raises(areplicate.APIError) as caught:
                answered = await router.acompletion(LLAMA, HELLO, stream=stream, num_retries=0, timeout=5)
                if not isinstance(answered, areplicate.ModelResponse):
                    async for _ in answered:
                        pass
    visible = shown(caught.value) + caplog.text + "".join(capsys.readouterr())
    assert KEY not in visible
    assert KEY[:20] not in visible, "not a part of it either"


@pytest.mark.parametrize("status", [429, 503])
async def test_what_an_answers_headers_say_counts_in_any_case(status: int) -> None:
    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, headers={"Retry-After": "7"})

    async def redirect(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"LOCATION": f"https://sso.example/?{'x' * 150}={KEY}"})

    async with serving(refuse) as base, AsyncRouter(api_key=KEY, api_base=base) as router:
        with pytest.raises(areplicate.APIError) as caught:
            await router.acompletion(LLAMA, HELLO, num_retries=0)
    assert caught.value.retry_after == 7
    async with serving(redirect) as base, AsyncRouter(api_key=KEY, api_base=base) as router:
        with pytest.raises(areplicate.APIError, match=r"a redirect to https://sso\.example/\?x+=\[key\],"):
            await router.acompletion(LLAMA, HELLO, num_retries=0)


@pytest.mark.parametrize("key", ["la", "r8"])
async def test_a_short_key_garbles_no_message(key: str) -> None:
    text = f"The latest r8tings of monkeys: token {key}, '{key}'."

    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"detail": text}, status=401)

    async with serving(refuse) as base, AsyncRouter(api_key=key, api_base=base) as router:
        with pytest.raises(areplicate.AuthenticationError) as caught:
            await router.acompletion(LLAMA, HELLO)
    assert "The latest r8tings of monkeys: token [key], '[key]'. Check the key" in caught.value.message


_LINES = {
    "not HTTP": "Bearer {key}\r\n\r\n",
    "a header": "HTTP/1.1 201 OK\r\nBearer {key}\0: x\r\n\r\n",
    "a length": "HTTP/1.1 201 OK\r\nContent-Length: {key}\r\n\r\n",
    "a chunk": "HTTP/1.1 201 OK\r\nTransfer-Encoding: chunked\r\n\r\n{key}\r\n",
    "half of the headers": "HTTP/1.1 201 OK\r\nX-Seen: {key}\r\n",
    "half of the body": "HTTP/1.1 201 OK\r\nX-Seen: {key}\r\nContent-Length: 99\r\n\r\n{key}",
}


@pytest.mark.parametrize("make", [AiohttpTransport, HttpxTransport])
@pytest.mark.parametrize("answer", _LINES)
async def test_an_answer_that_is_not_http_and_repeats_the_key_is_not_quoted(
    answer: str, make: type[AiohttpTransport | HttpxTransport], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "areplicate")

    async def repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_LINES[answer].format(key=KEY).encode())
        writer.close()

    server = await asyncio.start_server(repeat, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with AsyncRouter(api_key=KEY, api_base=base, transport=make(9)) as router:
        with pytest.raises(areplicate.APIConnectionError) as caught:
            await router.search_models("x")
    server.close()
    assert KEY[:20] not in f"{caught.value} {caught.value!r} {vars(caught.value)} {caplog.text}"
