"""What a client of a stream is told when something fails that nobody foresaw: an event, never a second answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from areplicate.calls.streams import CompletionStream
from areplicate.chat.apis.messages_output import MessageBuilder
from areplicate.chat.apis.responses_output import ResponseBuilder
from areplicate.chat.responses import ChunkChoice, Delta, ModelResponseChunk
from areplicate.gateway.accounts.account import Account
from areplicate.gateway.api import messages, model_call, responses
from areplicate.gateway.api.streaming import relay, stream_answers
from areplicate.gateway.http.beats import Beats
from areplicate.gateway.http.events import data_event
from areplicate.gateway.http.exchange import Exchange

CHUNK = ModelResponseChunk(
    id="p",
    object="chat.completion.chunk",
    created=0,
    model="m",
    choices=[ChunkChoice(index=0, delta=Delta(content="Hi"), finish_reason=None)],
)


class _Chunks:
    """A chunk, then what is not one of the errors that a stream may end with."""

    def __init__(self) -> None:
        self._chunks = self._read()

    async def _read(self) -> AsyncIterator[ModelResponseChunk]:
        yield CHUNK
        raise RuntimeError("nobody foresaw this")

    async def next(self) -> ModelResponseChunk | None:
        return await anext(self._chunks)

    def leave(self) -> None: ...
    def cut(self) -> None: ...
    async def interrupt(self) -> None: ...
    def call_soon(self, do: Any) -> None: ...


class _Call(model_call.ModelCall, frozen=True):
    async def stream(self, account: Account, on_status: Any) -> CompletionStream:
        stream = CompletionStream(_Chunks())
        stream.when_ended(lambda error: ENDED.append(account))
        return stream


ENDED: list[Account] = []
"""Those whose streams have ended."""
CALL = _Call("m", "m", [], {}, count=1, entries=[])


async def as_chat(exchange: Exchange) -> web.StreamResponse:
    return await stream_answers(exchange, [CALL], lambda number, chunk: data_event(chunk))


async def as_message(exchange: Exchange) -> Any:
    return await relay(exchange, CALL, MessageBuilder("msg_1", "m", {}), messages._failed)


async def as_response(exchange: Exchange) -> Any:
    builder = ResponseBuilder("resp_1", 0, "m", {}, stored=False)
    return await relay(exchange, CALL, builder, partial(responses._failed, builder))


def exchange_of(request: web.Request) -> Exchange:
    account = Account(SimpleNamespace(costs=None), None, None)  # type: ignore[arg-type]
    account.record.streamed = True
    return Exchange(None, request, account, Beats())  # type: ignore[arg-type]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "last"),
    [(as_chat, '{"error":{'), (as_message, '{"type":"error"'), (as_response, '{"type":"response.failed"')],
)
async def test_a_stream_ends_with_an_event_whatever_fails(answer: Any, last: str) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        exchange = exchange_of(request)
        response: web.StreamResponse = await answer(exchange)
        assert exchange.account.record.status == 500
        return response

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        text = await (await http.get(server.make_url("/"))).text()
    assert "Hi" in text
    event = text.strip().rpartition("data: ")[2]
    assert event.startswith(last) and "nobody foresaw" not in text


@pytest.mark.anyio
@pytest.mark.parametrize("answer", [as_chat, as_message, as_response])
async def test_a_client_that_leaves_before_its_head_is_sent_ends_the_stream(answer: Any) -> None:
    """At once, and not when Python looks for garbage: its prediction would run on."""
    ended: list[bool] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        exchange = exchange_of(request)
        assert request.transport is not None
        request.transport.abort()
        try:
            response: web.StreamResponse = await answer(exchange)
        except ConnectionError:
            ended.append(exchange.account in ENDED)
            raise
        return response

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.get(server.make_url("/"))
    assert ended and all(ended)
