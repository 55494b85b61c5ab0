"""areplicate's gateway beside LiteLLM's proxy and a bare one: what each costs as a process, how soon it answers.

The gateways' clients speak OpenAI's API. The bare proxy's speak Replicate's own, which it passes on as it is:
one request for a whole answer (`Prefer: wait`), two for a streamed one.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from . import models
from .environments import Environment
from .processes import cpu_seconds, free_port, resident_mb
from .workers import ROOT

BARE = "aiohttp"
MASTER_KEY = "sk-benchmark-master"
IN_FLIGHT = 100
START_TIMEOUT = 90.0
SERVED = {"warm": models.WARM, "streamed": models.STREAMED}


def measure(client: str, environment: Environment, api_base: str, requests: int) -> dict[str, Any]:
    """One start of a gateway, and its figures."""
    try:
        with _running(client, environment.python, api_base) as (process, url, begun):
            caller = Bare() if client == BARE else OpenAI()
            return asyncio.run(asyncio.wait_for(_measure(caller, process, url, begun, requests), 300))
    except (TimeoutError, asyncio.TimeoutError, RuntimeError, aiohttp.ClientError) as error:
        return {"failed": f"{type(error).__name__}: {error}"[:300]}


class OpenAI:
    """Asks in OpenAI's way."""

    async def whole(self, session: aiohttp.ClientSession) -> str:
        async with session.post("/v1/chat/completions", json=self._body("warm", False)) as answer:
            body = await _json(answer)
            return str(body["choices"][0]["message"]["content"])

    async def first_piece(self, session: aiohttp.ClientSession) -> None:
        async with session.post("/v1/chat/completions", json=self._body("streamed", True)) as answer:
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    chunk = json.loads(line.removeprefix(b"data: "))
                    if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                        return

    def _body(self, model: str, stream: bool) -> dict[str, Any]:
        messages = [{"role": "user", "content": "Hello, how are you?"}]
        return {"model": model, "messages": messages, "stream": stream}


class Bare(OpenAI):
    """Asks in Replicate's way."""

    async def whole(self, session: aiohttp.ClientSession) -> str:
        return "".join((await self._create(session, "warm", Prefer="wait"))["output"])

    async def first_piece(self, session: aiohttp.ClientSession) -> None:
        prediction = await self._create(session, "streamed")
        async with session.get(urlsplit(prediction["urls"]["stream"]).path) as answer:
            async for line in answer.content:
                if line.startswith(b"data:"):
                    return

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


async def _measure(
    caller: OpenAI, process: subprocess.Popen[bytes], url: str, begun: float, requests: int
) -> dict[str, Any]:
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"Authorization": f"Bearer {MASTER_KEY}"}
    async with aiohttp.ClientSession(url, connector=connector, headers=headers) as session:
        await _ready(session, process)
        start = time.monotonic() - begun
        await asyncio.gather(*(_ask(caller, session) for _ in range(IN_FLIGHT)))
        cpu = cpu_seconds(process.pid)
        left = iter(range(requests))

        async def work() -> list[float]:
            return [await _ask(caller, session) for _ in left]

        seconds = await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        cpu = cpu_seconds(process.pid) - cpu
        latencies = sorted(took for each in seconds for took in each)
        first = [await _first_token(caller, session) for _ in range(4)]
    return {
        "start": start,
        "cpu_per_request": cpu / requests,
        "first_token": statistics.median(first[1:]),
        "p50": latencies[len(latencies) // 2],
        "p99": latencies[len(latencies) * 99 // 100],
        "memory": resident_mb(process.pid),
    }


async def _ready(session: aiohttp.ClientSession, process: subprocess.Popen[bytes]) -> None:
    """Waits until it answers; the bare proxy does so with the API's own 404."""
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            async with session.get("/health/liveliness") as answer:
                if answer.status in (200, 404):
                    return
        except aiohttp.ClientConnectionError:
            pass
        if process.poll() is not None:
            raise RuntimeError("it ended at once: is what it needs installed?")
        if time.monotonic() > deadline:
            raise RuntimeError(f"not ready within {START_TIMEOUT:g} s")
        await asyncio.sleep(0.02)


async def _ask(caller: OpenAI, session: aiohttp.ClientSession) -> float:
    begun = time.perf_counter()
    if (text := await caller.whole(session)) != models.TEXT:
        raise RuntimeError(f"not the model's answer: {text[:200]}")
    return time.perf_counter() - begun


async def _first_token(caller: OpenAI, session: aiohttp.ClientSession) -> float:
    begun = time.perf_counter()
    await caller.first_piece(session)
    return time.perf_counter() - begun


@contextmanager
def _running(client: str, python: str, api_base: str) -> Iterator[tuple[subprocess.Popen[bytes], str, float]]:
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
            yield process, f"http://127.0.0.1:{port}", begun
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


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
