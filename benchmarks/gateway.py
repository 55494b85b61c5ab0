"""What the gateway costs, beside a bare aiohttp.web reverse proxy in the same run.

    python -m benchmarks.gateway [--completions 600] [--in-flight 1000]

Both stand in front of the same stand-in for Replicate and serve the same completions of 20 chunks. The
gateway's clients speak OpenAI's API. The bare proxy's speak Replicate's own, which it passes on as it
is: one request for a whole answer (`Prefer: wait`), three for a streamed one (create, stream, and the
look at its end that gives the token counts). What is compared is the CPU of the process in the
middle, user and system, per completion.

Memory is that of the same process, resident, shared libraries included, in megabytes of 10^6 bytes: idle
after the completions before, with all of `--in-flight` requests on their way, and at the most until the
last of them is answered.

Starts are measured as after an installation, which leaves Python's bytecode beside the sources: the
bytecode of this run lies in a folder of its own, which a first start, not counted, fills. `ready` is the
median of several starts, from the process's start to its first completion, less what the model runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from .processes import cpu_seconds, free_port, resident_mb

ROOT = Path(__file__).resolve().parents[1]
MODEL = "bench/chat"
SLOW = "bench/slow"
KEY = "sk-benchmark-master"
CHUNKS: list[object] = [f" word{i}" for i in range(20)]
RUN_SECONDS = 0.2
SLOW_SECONDS = 4.0
LIMITS = {"cpu whole": 2.5, "cpu streamed": 2.5, "memory MB": 90.0, "ready s": 0.7}

Client = Callable[[aiohttp.ClientSession, str, str], Awaitable[None]]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--completions", type=int, default=600)
    options.add_argument("--concurrency", type=int, default=20)
    options.add_argument("--in-flight", type=int, default=1000)
    options.add_argument("--starts", type=int, default=7)
    options.add_argument("--role", choices=["proxy", "local"], help=argparse.SUPPRESS)
    options.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options.add_argument("--upstream", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.role == "proxy":
        _run_proxy(given.port, given.upstream)
    elif given.role == "local":
        _run_local(given.port)
    else:
        asyncio.run(_compare(given.completions, given.concurrency, given.in_flight, given.starts))


async def _compare(completions: int, concurrency: int, in_flight: int, starts: int) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(_process("local", "--role", "local"))[1]
        figures: dict[str, dict[str, float]] = {}
        for name in ("bare", "gateway"):
            begun = await _starts(name, upstream, folder, starts)
            with _middle(name, upstream, folder) as (pid, url, _):
                figures[name] = begun | await _measure(name, pid, url, completions, concurrency, in_flight)
    _print(figures)


async def _starts(name: str, upstream: str, folder: Path, count: int) -> dict[str, float]:
    """The median of how long several starts take; one more before them is not counted."""
    ready: list[float] = []
    database: list[float] = []
    for _ in range(count + 1):
        with _middle(name, upstream, folder) as (_, url, started):
            async with aiohttp.ClientSession() as session:
                ready.append(await _ready(session, url, _clients(name)[0], started))
                if name == "gateway":
                    database.append(await _database_ready(session, url, started))
    figures = {"ready s": statistics.median(ready[1:]), "ready, best s": min(ready[1:])}
    return figures | ({"database s": statistics.median(database[1:])} if database else {})


def _clients(name: str) -> tuple[Client, Client]:
    return (_whole, _streamed) if name == "gateway" else (_bare_whole, _bare_streamed)


async def _measure(
    name: str, pid: int, url: str, completions: int, concurrency: int, in_flight: int
) -> dict[str, float]:
    whole, streamed = _clients(name)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        await _ready(session, url, whole, 0.0)
        figures = {}
        for label, client in (("cpu whole", whole), ("cpu streamed", streamed)):
            await _load(session, url, client, MODEL, concurrency, concurrency)  # warm connections
            before = cpu_seconds(pid)
            await _load(session, url, client, MODEL, completions, concurrency)
            figures[label] = (cpu_seconds(pid) - before) / completions * 1000
        figures["memory idle MB"] = resident_mb(pid)
        for label, client in (("memory MB", whole), ("memory streamed MB", streamed)):
            figures[label], figures[f"{label}, most"] = await _memory(session, url, client, pid, in_flight)
    return figures


async def _memory(
    session: aiohttp.ClientSession, url: str, client: Client, pid: int, in_flight: int
) -> tuple[float, float]:
    """Resident megabytes while all requests are in flight, and the most until all are answered."""
    asked = [asyncio.ensure_future(client(session, url, SLOW)) for _ in range(in_flight)]
    meanwhile = most = 0.0
    while not all(request.done() for request in asked):
        await asyncio.sleep(0.1)
        most = max(most, resident_mb(pid))
        if not any(request.done() for request in asked):
            meanwhile = most
    await asyncio.gather(*asked)
    return meanwhile, most


async def _load(
    session: aiohttp.ClientSession, url: str, client: Client, model: str, count: int, concurrency: int
) -> None:
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await client(session, url, model)

    await asyncio.gather(*(work() for _ in range(concurrency)))


def _asked(model: str, stream: bool) -> bytes:
    messages = [{"role": "user", "content": "Say twenty words, please."}]
    return json.dumps({"model": model, "messages": messages, "stream": stream}).encode()


async def _whole(session: aiohttp.ClientSession, url: str, model: str) -> None:
    async with session.post(
        f"{url}/v1/chat/completions", data=_asked(model, False), headers={"Authorization": f"Bearer {KEY}"}
    ) as answer:
        body = await answer.json()
        assert body["choices"][0]["message"]["content"].endswith("word19"), body


async def _streamed(session: aiohttp.ClientSession, url: str, model: str) -> None:
    async with session.post(
        f"{url}/v1/chat/completions", data=_asked(model, True), headers={"Authorization": f"Bearer {KEY}"}
    ) as answer:
        text = await answer.text()
        assert text.endswith("data: [DONE]\n\n") and "word19" in text, text


def _create(model: str) -> tuple[str, bytes]:
    return f"/v1/models/{model}/predictions", b'{"input": {"prompt": "Say twenty words, please."}}'


async def _bare_whole(session: aiohttp.ClientSession, url: str, model: str) -> None:
    path, body = _create(model)
    headers = {"Authorization": "Bearer any", "Prefer": "wait=60", "Content-Type": "application/json"}
    async with session.post(url + path, data=body, headers=headers) as answer:
        prediction = await answer.json()
        assert prediction["status"] == "succeeded", prediction


async def _bare_streamed(session: aiohttp.ClientSession, url: str, model: str) -> None:
    path, body = _create(model)
    headers = {"Authorization": "Bearer any", "Content-Type": "application/json"}
    async with session.post(url + path, data=body, headers=headers) as answer:
        prediction = await answer.json()
    stream = url + urlsplit(prediction["urls"]["stream"]).path
    async with session.get(stream, headers={**headers, "Accept": "text/event-stream"}) as answer:
        text = await answer.text()
        assert "event: done" in text, text
    async with session.get(f"{url}/v1/predictions/{prediction['id']}", headers=headers) as answer:
        assert (await answer.json())["metrics"]


async def _ready(session: aiohttp.ClientSession, url: str, client: Client, started: float) -> float:
    """Seconds from the process's start until a completion can be begun: the first that succeeds."""
    while True:
        try:
            await client(session, url, MODEL)
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.005)
        else:
            return time.monotonic() - started - RUN_SECONDS


async def _database_ready(session: aiohttp.ClientSession, url: str, started: float) -> float:
    while True:
        async with session.get(f"{url}/health/readiness") as answer:
            if answer.status == 200:
                return time.monotonic() - started
        await asyncio.sleep(0.005)


@contextmanager
def _middle(name: str, upstream: str, folder: Path) -> Iterator[tuple[int, str, float]]:
    if name == "bare":
        arguments = ("--role", "proxy", "--upstream", upstream)
        with _process("bare", *arguments, wait=False, bytecode=folder) as found:
            yield found
        return
    config = folder / "config.yaml"
    params = {"api_key": "any", "api_base": f"{upstream}/v1"}
    models = [
        {"model_name": model, "litellm_params": {"model": f"replicate/{model}", **params}}
        for model in (MODEL, SLOW)
    ]
    settings = {"master_key": KEY, "creations_per_minute": 1_000_000, "others_per_minute": 1_000_000}
    config.write_text(json.dumps({"model_list": models, "general_settings": settings}))
    port = free_port()
    command = ["-m", "areplicate", "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    with _started(command, port, folder / "log", folder) as found:
        yield found


@contextmanager
def _process(
    name: str, *arguments: str, wait: bool = True, bytecode: Path | None = None
) -> Iterator[tuple[int, str, float]]:
    port = free_port()
    with _started(
        ["-m", "benchmarks.gateway", *arguments, "--port", str(port)], port, Path(os.devnull), bytecode
    ) as found:
        while wait:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.02)
        yield found[0], found[1], found[2]


@contextmanager
def _started(
    command: list[str], port: int, log: Path, bytecode: Path | None
) -> Iterator[tuple[int, str, float]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if bytecode is not None:
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PYTHONPYCACHEPREFIX"] = str(bytecode / "bytecode")
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            env=environment,
            stderr=output,
        )
        try:
            yield process.pid, f"http://127.0.0.1:{port}", started
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _print(figures: dict[str, dict[str, float]]) -> None:
    bare, ours = figures["bare"], figures["gateway"]
    print(f"{'':26}{'bare proxy':>12}{'gateway':>12}{'ratio':>8}{'allowed':>9}")
    for label in ("cpu whole", "cpu streamed"):
        ratio = ours[label] / bare[label]
        print(f"{label + ', ms':26}{bare[label]:12.3f}{ours[label]:12.3f}{ratio:8.2f}{LIMITS[label]:9.2f}")
    for label in (
        "memory idle MB",
        "memory MB",
        "memory MB, most",
        "memory streamed MB",
        "memory streamed MB, most",
        "ready s",
        "ready, best s",
        "database s",
    ):
        allowed = f"{LIMITS[label]:9.2f}" if label in LIMITS else ""
        print(f"{label:26}{bare.get(label, float('nan')):12.2f}{ours[label]:12.2f}{'':8}{allowed}")


def _run_proxy(port: int, upstream: str) -> None:
    """The bare proxy: what aiohttp costs when nothing is added to it."""

    async def start() -> web.Application:
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

        async def pass_on(request: web.Request) -> web.StreamResponse:
            headers = {
                name: value
                for name, value in request.headers.items()
                if name in ("Authorization", "Content-Type", "Prefer", "Accept")
            }
            async with session.request(
                request.method, upstream + request.path, headers=headers, data=await request.read() or None
            ) as answer:
                kind = answer.headers["Content-Type"]
                if not kind.startswith("text/event-stream"):
                    return web.Response(
                        status=answer.status, body=await answer.read(), headers={"Content-Type": kind}
                    )
                response = web.StreamResponse(status=answer.status, headers={"Content-Type": kind})
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                return response

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", pass_on)
        return app

    web.run_app(start(), host="127.0.0.1", port=port, access_log=None, print=None, backlog=4096)


def _run_local(port: int) -> None:
    from areplicate.local import LocalModel, serve

    chat, slow = (
        LocalModel(owner="bench", name=name, reply=CHUNKS, run_seconds=seconds)
        for name, seconds in (("chat", RUN_SECONDS), ("slow", SLOW_SECONDS))
    )
    asyncio.run(serve("127.0.0.1", port, models=[chat, slow]))


if __name__ == "__main__":
    main()
