"""areplicate's gateway beside LiteLLM's proxy and a bare one: what each costs as a process, how soon it answers.

`python -m benchmarks.gateway` measures areplicate's and the bare proxy alone, and prints the medians.

The gateways' clients speak OpenAI's API. The bare proxy's speak Replicate's own, which it passes on as it is: one
request for a whole answer (`Prefer: wait`), three for a streamed one (the last for its token counts). CPU is that of
the process in the middle, user and system, once its database is open; memory is resident, shared libraries included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import aiohttp

from . import models
from .environments import Environment, found
from .machine import cpu_seconds, free_port, resident_mb
from .stand import ratio, server
from .workers import ROOT, in_turn

T = TypeVar("T")

BARE = "aiohttp"
MASTER_KEY = "sk-benchmark-master"
IN_FLIGHT = 100
START_TIMEOUT = 90.0
FAILURES = (TimeoutError, asyncio.TimeoutError, RuntimeError, aiohttp.ClientError)
SERVED = {"warm": models.WARM, "streamed": models.STREAMED, "held": models.HELD}


def measure(
    client: str, environment: Environment, api_base: str, requests: int, held: int = 0
) -> dict[str, Any]:
    """One start of a gateway, and its figures; with `held` also the memory of so many requests at once."""
    try:
        with _running(client, environment.python, api_base) as gateway:
            return asyncio.run(asyncio.wait_for(_measure(gateway, requests, held), 300))
    except FAILURES as error:
        return _failed(error)


def measure_cpu(
    environments: dict[str, Environment], api_base: str, requests: int, rounds: int, starts: int
) -> dict[str, list[dict[str, Any]]]:
    """CPU seconds of a request and of a stream, round by round. All gateways run at the same time and are asked in
    turn, so that what the machine does meanwhile is the same for all; each is started several times, as where a
    process lies in memory makes it a tenth faster or slower."""
    found: dict[str, list[dict[str, Any]]] = {client: [] for client in environments}
    for _ in range(starts):
        try:
            with ExitStack() as running:
                gateways = {
                    client: running.enter_context(_running(client, environment.python, api_base))
                    for client, environment in environments.items()
                }
                for client, figures in asyncio.run(_cpu_in_turn(gateways, requests, rounds)).items():
                    found[client] += figures
        except FAILURES as error:
            return {client: [_failed(error)] for client in environments}
    return found


class OpenAI:
    """Asks in OpenAI's way."""

    async def whole(self, session: aiohttp.ClientSession, model: str = "warm") -> str:
        async with session.post("/v1/chat/completions", json=self._body(model, False)) as answer:
            body = await _json(answer)
            return str(body["choices"][0]["message"]["content"])

    async def streamed(self, session: aiohttp.ClientSession, model: str = "streamed") -> float:
        """Seconds until the first piece of an answer, which is read to its end."""
        begun, first = time.perf_counter(), 0.0
        async with session.post("/v1/chat/completions", json=self._body(model, True)) as answer:
            async for line in answer.content:
                if not first and line.startswith(b"data: {"):
                    chunk = json.loads(line.removeprefix(b"data: "))
                    if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                        first = time.perf_counter() - begun
        return first

    def _body(self, model: str, stream: bool) -> dict[str, Any]:
        messages = [{"role": "user", "content": "Hello, how are you?"}]
        return {"model": model, "messages": messages, "stream": stream}


class Bare:
    """Asks in Replicate's way."""

    async def whole(self, session: aiohttp.ClientSession, model: str = "warm") -> str:
        return "".join((await self._create(session, model, Prefer="wait"))["output"])

    async def streamed(self, session: aiohttp.ClientSession, model: str = "streamed") -> float:
        begun, first = time.perf_counter(), 0.0
        prediction = await self._create(session, model)
        async with session.get(urlsplit(prediction["urls"]["stream"]).path) as answer:
            async for line in answer.content:
                if not first and line.startswith(b"data:"):
                    first = time.perf_counter() - begun
        async with session.get(f"/v1/predictions/{prediction['id']}") as answer:
            await _json(answer)
        return first

    async def _create(self, session: aiohttp.ClientSession, model: str, **headers: str) -> dict[str, Any]:
        body = {"input": {"prompt": "Hello, how are you?"}}
        path = f"/v1/models/{SERVED[model].full_name}/predictions"
        async with session.post(path, json=body, headers=headers) as answer:
            return await _json(answer)


async def _json(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    body: dict[str, Any] = await answer.json()
    if answer.status >= 300:
        raise RuntimeError(f"{answer.status}: {str(body)[:200]}")
    return body


class Running(NamedTuple):
    """A gateway that was started at `begun`, by `time.monotonic`."""

    caller: OpenAI | Bare
    process: subprocess.Popen[bytes]
    url: str
    begun: float

    def session(self) -> aiohttp.ClientSession:
        headers = {"Authorization": f"Bearer {MASTER_KEY}"}
        return aiohttp.ClientSession(self.url, connector=aiohttp.TCPConnector(limit=0), headers=headers)


async def _measure(gateway: Running, requests: int, held: int) -> dict[str, Any]:
    caller, process = gateway.caller, gateway.process
    async with gateway.session() as session:
        await _answers(session, process, "/health/liveliness")
        start = time.monotonic() - gateway.begun
        await _answers(session, process, "/health/readiness")
        await _load(lambda: _ask(caller, session), IN_FLIGHT)
        latencies = sorted(await _load(lambda: _ask(caller, session), requests))
        alone = [await caller.streamed(session) for _ in range(3)]
        figures = {
            "start": start,
            "first_token": statistics.median(alone),
            "p50": latencies[len(latencies) // 2],
            "p99": latencies[len(latencies) * 99 // 100],
            "memory": resident_mb(process.pid),
        }
        if held:
            figures["memory_held"] = await _memory(process, lambda: caller.whole(session, "held"), held)
            figures["memory_streams"] = await _memory(process, lambda: caller.streamed(session, "held"), held)
    return figures


async def _cpu_in_turn(
    gateways: dict[str, Running], requests: int, rounds: int
) -> dict[str, list[dict[str, Any]]]:
    """First rounds of so many requests, then of half as many streams: one would leave the other cold caches."""
    found: dict[str, list[dict[str, Any]]] = {client: [{} for _ in range(rounds)] for client in gateways}
    async with AsyncExitStack() as open_sessions:
        sessions = {
            client: await open_sessions.enter_async_context(gateway.session())
            for client, gateway in gateways.items()
        }
        for client, gateway in gateways.items():
            await _answers(sessions[client], gateway.process, "/health/readiness")
        for name, ask, count in (
            ("cpu_per_request", _ask, requests),
            ("cpu_per_stream", _streamed, requests // 2),
        ):
            for round in range(-1, rounds):  # at first everything is slower
                for client, gateway in gateways.items():
                    cpu = await _cpu(gateway, partial(ask, gateway.caller, sessions[client]), count)
                    if round >= 0:
                        found[client][round][name] = cpu
    return found


async def _cpu(gateway: Running, ask: Callable[[], Awaitable[float]], count: int) -> float:
    """CPU seconds of each of so many requests."""
    begun = cpu_seconds(gateway.process.pid)
    await _load(ask, count)
    return (cpu_seconds(gateway.process.pid) - begun) / count


async def _load(ask: Callable[[], Awaitable[T]], count: int) -> list[T]:
    left = iter(range(count))

    async def work() -> list[T]:
        return [await ask() for _ in left]

    return [each for gave in await asyncio.gather(*(work() for _ in range(IN_FLIGHT))) for each in gave]


async def _memory(process: subprocess.Popen[bytes], ask: Callable[[], Awaitable[Any]], count: int) -> float:
    """Megabytes while so many requests are in flight."""
    asked = [asyncio.ensure_future(ask()) for _ in range(count)]
    most = 0.0
    while not any(request.done() for request in asked):
        await asyncio.sleep(0.1)
        most = max(most, resident_mb(process.pid))
    await asyncio.gather(*asked)
    return most


async def _answers(session: aiohttp.ClientSession, process: subprocess.Popen[bytes], path: str) -> None:
    """Waits until it answers there; the bare proxy does so with the API's own 404."""
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            async with session.get(path) as answer:
                if answer.status in (200, 404):
                    return
        except aiohttp.ClientConnectionError:
            pass
        if process.poll() is not None:
            raise RuntimeError("it ended at once: is what it needs installed?")
        if time.monotonic() > deadline:
            raise RuntimeError(f"not ready within {START_TIMEOUT:g} s")
        await asyncio.sleep(0.02)


async def _ask(caller: OpenAI | Bare, session: aiohttp.ClientSession) -> float:
    begun = time.perf_counter()
    if (text := await caller.whole(session)) != models.TEXT:
        raise RuntimeError(f"not the model's answer: {text[:200]}")
    return time.perf_counter() - begun


async def _streamed(caller: OpenAI | Bare, session: aiohttp.ClientSession) -> float:
    return await caller.streamed(session)


@contextmanager
def _running(client: str, python: str, api_base: str) -> Iterator[Running]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(json.dumps(_config(client, api_base)), encoding="utf-8")
        with (Path(folder) / "log").open("wb") as output:
            begun = time.monotonic()
            process = subprocess.Popen(
                _command(client, python, config, port, api_base),
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), "BENCHMARK_API_BASE": api_base},
                stdout=output,
                stderr=output,
            )
        try:
            caller = Bare() if client == BARE else OpenAI()
            yield Running(caller, process, f"http://127.0.0.1:{port}", begun)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _failed(error: BaseException) -> dict[str, Any]:
    return {"failed": f"{type(error).__name__}: {error}"[:300]}


def _command(client: str, python: str, config: Path, port: int, api_base: str) -> list[str]:
    """How a gateway is started; each with one worker process, which is what it does by default.

    LiteLLM's closes a connection after 5 s of idling, while the benchmark still uses it, unless told otherwise.
    """
    options = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    if client == BARE:
        return [sys.executable, "-m", "benchmarks.clients.bare_proxy", str(port), api_base]
    if client == "areplicate":
        return [python, "-m", "areplicate", *options]
    return [python, "-m", "benchmarks.clients.litellm_proxy", *options, "--keepalive_timeout", "75"]


def _config(client: str, api_base: str) -> dict[str, Any]:
    """The same file for both, but for what only one of them knows.

    areplicate's is told that the account has no limits; LiteLLM's, not to look up a tokenizer on a model hub
    in every call, which holds up all others.
    """
    params, settings, further = {}, {}, {}
    if client == "areplicate":
        params = {"api_base": api_base}
        settings = {"creations_per_minute": 1_000_000_000, "others_per_minute": 1_000_000_000}
    else:
        further = {"litellm_settings": {"disable_hf_tokenizer_download": True}}
    entries = [
        {
            "model_name": name,
            "litellm_params": {"model": f"replicate/{model.full_name}", "api_key": "r8", **params},
        }
        for name, model in SERVED.items()
    ]
    return {"model_list": entries, "general_settings": {"master_key": MASTER_KEY, **settings}, **further}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=600)
    parser.add_argument("--in-flight", type=int, default=1000, help="requests of which the memory is told")
    parser.add_argument("--rounds", type=int, default=3, help="starts of each")
    parser.add_argument(
        "--cpu-rounds", type=int, default=10, help="of 100 requests and 50 streams, for each of five starts"
    )
    options = parser.parse_args()
    with server(models.all_models()) as local:

        def one(client: str) -> dict[str, Any]:
            return measure(client, environments[client], local.api_base, options.requests, options.in_flight)

        environments = found([BARE, "areplicate"])
        cpu = measure_cpu(environments, local.api_base, 100, options.cpu_rounds, 5)
        rounds = in_turn(environments, options.rounds, one)
    print(f"{'':20}{'bare proxy':>12}{'gateway':>12}{'ratio':>8}")
    for figures in (cpu, rounds):
        for name in figures[BARE][0]:
            a, b = ([of[name] for of in figures[client]] for client in ("areplicate", BARE))
            print(f"{name:20}{statistics.median(b):12.5f}{statistics.median(a):12.5f}{ratio(a, b):8.2f}")


if __name__ == "__main__":
    main()
