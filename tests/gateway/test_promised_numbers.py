"""The bounds of connections and bodies that the documentation promises hold to the second and the last part."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import os
import socket
import ssl
import warnings
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from glob import glob
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiohttp import StreamReader, web

from areplicate.errors import AreplicateWarning, BadRequestError
from areplicate.gateway import logs
from areplicate.gateway.accounts.folder import Folder
from areplicate.gateway.accounts.record import Record
from areplicate.gateway.accounts.usage import Overflow, UsageWriter
from areplicate.gateway.api import responses
from areplicate.gateway.api.fields import seconds_of, shown_duration, time_of
from areplicate.gateway.api.files import FileQuery
from areplicate.gateway.config import looks
from areplicate.gateway.config.entries import ModelEntry
from areplicate.gateway.config.settings import GeneralSettings
from areplicate.gateway.errors import GatewayError
from areplicate.gateway.http import bodies, connections, listener, uploads
from tests.gateway import zstandard
from tests.gateway.stores import closed
from tests.lazily import Lazily

trustme: Any = Lazily("trustme")


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (b"[" * 64 + b"]" * 64, ""),
        (b"[" * 65 + b"]" * 65, "more than 64 deep"),
        (b"[" + b"1," * 99_998 + b"1]", ""),
        (b"[" + b"1," * 100_000 + b"1]", "more than 100,000"),
        (json.dumps({f"key {n}": "with, commas" for n in range(100_000)}).encode(), ""),
        (b'["' + b'",' * 300_000 + b'"', "more than 100,000"),
    ],
)
def test_the_bounds_of_a_body_hold_to_the_last_part(body: bytes, refused: str) -> None:
    if refused:
        with pytest.raises(GatewayError, match=refused):
            bodies.held_size(body)
    else:
        assert bodies.decode(body) == json.loads(body)


@asynccontextmanager
async def serving(
    answer: bytes = b"{}",
    handle: connections.Handler | None = None,
    most: int = 100,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[tuple[str, int]]:
    """A server with the usual keep-alive."""

    async def give(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(answer)
        return response

    server = connections.Server(handle or give, keepalive=GeneralSettings().keepalive_seconds)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        listening = listener.Listener(sock, server, most=most, tls=tls)
        listening.start()
        yield sock.getsockname()[:2]
        listening.close()
        await server.shutdown(0.1)


ASKED = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.anyio
@pytest.mark.parametrize(("asked", "seconds"), [(b"", 30), (b"GET / HTTP/1.1\r\nHos", 30), (ASKED, 650)])
async def test_a_silent_connection_is_closed_when_it_is_said_to_be(asked: bytes, seconds: float) -> None:
    async with serving() as address:
        reader, writer = await asyncio.open_connection(*address)
        began = asyncio.get_running_loop().time()
        writer.write(asked)
        await reader.read()
        assert asyncio.get_running_loop().time() - began == pytest.approx(seconds, abs=2)
        writer.close()


@pytest.mark.anyio
async def test_connections_that_are_silent_before_their_handshake_make_room() -> None:
    authority = trustme.CA()
    served, asking = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(served)
    authority.configure_trust(asking)
    async with serving(most=2, tls=served) as address:
        silent = [await asyncio.open_connection(*address) for _ in range(4)]
        began = asyncio.get_running_loop().time()
        reader, writer = await asyncio.open_connection(*address, ssl=asking)
        writer.write(ASKED)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        assert asyncio.get_running_loop().time() - began < 9
        for _, each in (*silent, (reader, writer)):
            each.close()


@pytest.mark.anyio
async def test_who_does_not_read_the_answer_is_gone_after_a_minute() -> None:
    async with serving(b"x" * 50_000_000) as address:
        reader, writer = await asyncio.open_connection(*address, limit=1024)
        began = asyncio.get_running_loop().time()
        writer.write(ASKED)
        await reader.read(1)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(55)
        assert not reader.at_eof() and reader.exception() is None
        await asyncio.sleep(10)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        read = 0
        with contextlib.suppress(OSError):
            while piece := await reader.read(1 << 20):
                read += len(piece)
        assert read < 50_000_000
        assert asyncio.get_running_loop().time() - began < 80
        writer.close()


@pytest.mark.anyio
async def test_who_reads_slowly_gets_the_whole_answer() -> None:
    async with serving(b"x" * 20_000_000) as address:
        reader, writer = await asyncio.open_connection(*address, limit=1024)
        writer.write(ASKED)
        for _ in range(4):
            await reader.readexactly(2_000_000)
            await asyncio.sleep(50)
        assert len(await _all(reader)) > 12_000_000
        writer.close()


@pytest.mark.anyio
async def test_of_those_who_read_nothing_the_longest_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_MOST_UNREAD", 30_000_000)
    async with serving(b"x" * 20_000_000) as address:
        clients = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*address, limit=1024)
            writer.write(ASKED)
            clients.append((reader, writer))
            await asyncio.sleep(1)
        *gone, last = [len(await _all(reader)) for reader, _ in clients]
        assert last > 20_000_000 > max(gone)
        for _, writer in clients:
            writer.close()


async def _all(reader: asyncio.StreamReader) -> bytes:
    read = b""
    with contextlib.suppress(OSError):
        while piece := await reader.read(1 << 20):
            read += piece
    return read


@pytest.mark.anyio
async def test_bodies_that_arrive_slowly_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many connections send, and however slowly, they do not fill the memory."""
    monkeypatch.setattr(bodies, "_MOST_ARRIVING", 250_000)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return web.json_response(len(await bodies._received(request)))
        except GatewayError as refused:
            return web.Response(status=refused.status)

    async with serving(handle=handle) as address:
        slow = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n" + b"x" * 100_000)
            await asyncio.sleep(1)
            slow.append((reader, writer))
        assert (await slow[0][0].readline()).startswith(b"HTTP/1.1 408 ")
        for reader, writer in slow[1:]:
            writer.write(b"x")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        for _, writer in slow:
            writer.close()
    assert not bodies._arriving


@pytest.mark.anyio
@pytest.mark.parametrize(("piece", "status"), [(100, b"408"), (1_100_000, b"200")])
async def test_a_file_that_comes_too_slowly_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, status: bytes
) -> None:
    """Each of its bytes comes in time: 50 s after the one before."""

    async def at_once(work: Any, *arguments: Any) -> Any:
        return work(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", at_once)  # a slow disk would let the test's clock go on

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        (tmp_path / "file").touch()
        try:
            await uploads.read_form(request, tmp_path / "file", 10_000_000)
        except GatewayError as refused:
            return web.Response(status=refused.status)
        return web.Response()

    head = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    async with serving(handle=handle) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n" % (len(head) + 4 * piece + 9) + head)
        answer = asyncio.ensure_future(reader.readline())
        for more in (*[b"x" * piece] * 4, b"\r\n--B--\r\n"):
            if not answer.done():
                writer.write(more)
                await asyncio.sleep(50)
        assert (await answer).split()[1] == status
        writer.close()


@pytest.mark.anyio
async def test_replicate_is_asked_about_each_model_once_in_half_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time, asked = SimpleNamespace(now=1000.0), Counter[str]()
    time.monotonic = lambda: time.now
    monkeypatch.setattr(looks, "time", time)

    async def ask(entry: ModelEntry) -> None:
        asked[entry.model] += 1

    entries = [ModelEntry(name, {"model": model}, None) for name, model in ("ab", "cb", "cd")]
    about = looks.Looks(entries, ask)
    for seconds, looked in ((0, 1), (29, 1), (1, 2)):
        time.now += seconds
        assert await about.latest() == dict.fromkeys(map(id, entries))
        assert asked == {"b": looked, "d": looked}


@pytest.mark.anyio
async def test_usage_waits_in_memory_for_a_minute_and_then_in_a_file(tmp_path: Path) -> None:
    store = closed(f"{tmp_path}/db")
    store.database.trouble = "it is gone"
    usage = UsageWriter(Overflow(tmp_path, "gateway"), 10)
    usage.start(store)
    usage.add(Record().usage_row(at=0.0, key_id=None, answered_by=None, predictions=1, cost=None))
    await asyncio.sleep(58)
    assert usage.waiting and not glob(f"{tmp_path}/areplicate-usage-*.jsonl")
    await asyncio.sleep(6)
    assert not usage.waiting and len(glob(f"{tmp_path}/areplicate-usage-*.jsonl")) == 1
    await usage.aclose()
    await store.database.aclose()


def test_a_request_writes_ten_lines_at_most() -> None:
    lines = logs.bound_lines("req_1")
    written = [logs.within_bounds(logging.makeLogRecord({"name": logs.logger.name})) for _ in range(20)]
    access = logging.makeLogRecord({"name": logs.access_logger.name})
    assert written.count(True) + logs.within_bounds(access) == 10
    lines.left = math.inf
    assert logs.within_bounds(logging.makeLogRecord({})), "what no request writes is not bounded"


def test_a_warning_of_pythons_is_one_line_of_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(warnings, "showwarning", logs.log_warning)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("It may still be running.", AreplicateWarning, stacklevel=1)
    assert [record.getMessage() for record in caplog.records] == ["It may still be running."]


@pytest.mark.parametrize(
    ("duration", "seconds", "shown"),
    [
        ("45s", 45, "45s"),
        ("90m", 5_400, "90m"),
        ("12h", 43_200, "12h"),
        ("30d", 2_592_000, "30d"),
        ("1mo", 2_592_000, "30d"),
        ("120m", 7_200, "2h"),
    ],
)
def test_durations(duration: str, seconds: float, shown: str) -> None:
    assert (seconds_of(duration), shown_duration(seconds)) == (seconds, shown)


def test_a_day_that_ends_a_report_is_in_it() -> None:
    begin, end = time_of("2026-11-25", "x"), time_of("2026-11-25", "x", end=True)
    assert begin == 1_795_564_800 and end == begin + 86_400
    assert time_of("2026-11-25T01:00:00+01:00", "x", end=True) == time_of("2026-11-25T00:00:00", "x") == begin


@pytest.mark.anyio
async def test_a_refused_body_unfolds_no_further_than_an_allowed_one() -> None:
    """A few kilobytes of somebody without a key could keep the processor busy for ten seconds."""
    seen: list[StreamReader] = []

    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.content)
        return web.Response(status=401)

    bomb = zstandard.compress(b" " * 100_000_000)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: zstd\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    async with serving(handle=refuse) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(head + bomb)
        assert (await reader.read()).startswith(b"HTTP/1.1 401 ")
        writer.close()
    assert seen[0].total_bytes < 2 * bodies.MAX_BODY


def test_ten_thousand_files_are_listed_at_most() -> None:
    """As OpenAI's own API has it."""
    assert FileQuery().limit == msgspec.convert({"limit": 10_000}, FileQuery).limit == 10_000
    with pytest.raises(msgspec.ValidationError, match="<= 10000"):
        msgspec.convert({"limit": 10_001}, FileQuery)


def test_an_items_id_has_256_characters_at_most() -> None:
    item = {"type": "message", "id": "x" * 256}
    assert responses._as_kept("input[0]", item)["id"] == item["id"]
    with pytest.raises(BadRequestError, match=r"input\[0\]\.id must have at most 256 characters"):
        responses._as_kept("input[0]", {**item, "id": "x" * 257})


def test_an_upload_that_was_interrupted_is_removed_after_a_day(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for name, age in (("receiving-new", 86_300), ("receiving-old", 86_500), ("kept", 999_999)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    folder.tidy(1e9)
    assert {path.name for path in tmp_path.iterdir()} == {"receiving-new", "kept"}
