"""areplicate's gateway beside LiteLLM's proxy: what each costs as a process, and how soon it answers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from . import models
from .environments import Environment
from .processes import cpu_seconds, free_port, resident_mb
from .workers import ROOT

MASTER_KEY = "sk-benchmark-master"
IN_FLIGHT = 100
START_TIMEOUT = 90.0


def command(client: str, python: str, config: Path, port: int) -> list[str]:
    """How a gateway is started; each with one worker process, which is what it does by default.

    LiteLLM's closes a connection after 5 s of idling, while the benchmark still uses it, unless told otherwise.
    """
    options = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    if client == "areplicate":
        return [python, "-m", "areplicate", *options]
    return [python, "-m", "benchmarks.clients.litellm_proxy", *options, "--keepalive_timeout", "75"]


def measure(client: str, environment: Environment, api_base: str, requests: int) -> dict[str, Any]:
    """One start of a gateway, and its figures."""
    try:
        with _running(client, environment.python, api_base) as (process, url, begun):
            return asyncio.run(asyncio.wait_for(_measure(process, url, begun, requests), 300))
    except (TimeoutError, asyncio.TimeoutError, RuntimeError, aiohttp.ClientError) as error:
        return {"failed": f"{type(error).__name__}: {error}"[:300]}


async def _measure(process: subprocess.Popen[bytes], url: str, begun: float, requests: int) -> dict[str, Any]:
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"Authorization": f"Bearer {MASTER_KEY}"}
    async with aiohttp.ClientSession(url, connector=connector, headers=headers) as session:
        await _ready(session, process)
        start = time.monotonic() - begun
        await asyncio.gather(*(_ask(session) for _ in range(IN_FLIGHT)))
        cpu = cpu_seconds(process.pid)
        left = iter(range(requests))

        async def work() -> list[float]:
            return [await _ask(session) for _ in left]

        seconds = await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        cpu = cpu_seconds(process.pid) - cpu
        latencies = sorted(took for each in seconds for took in each)
        first = [await _first_token(session) for _ in range(4)]
    return {
        "start": start,
        "cpu_per_request": cpu / requests,
        "first_token": statistics.median(first[1:]),
        "p50": latencies[len(latencies) // 2],
        "p99": latencies[len(latencies) * 99 // 100],
        "memory": resident_mb(process.pid),
    }


async def _ready(session: aiohttp.ClientSession, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            async with session.get("/health/liveliness") as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientConnectionError:
            pass
        if process.poll() is not None:
            raise RuntimeError("it ended at once: is what it needs installed?")
        if time.monotonic() > deadline:
            raise RuntimeError(f"not ready within {START_TIMEOUT:g} s")
        await asyncio.sleep(0.02)


async def _ask(session: aiohttp.ClientSession) -> float:
    begun = time.perf_counter()
    async with session.post("/v1/chat/completions", json=_body("warm", False)) as answer:
        body = await answer.json()
        if answer.status != 200 or body["choices"][0]["message"]["content"] != models.TEXT:
            raise RuntimeError(f"{answer.status}: {str(body)[:200]}")
    return time.perf_counter() - begun


async def _first_token(session: aiohttp.ClientSession) -> float:
    begun, first = time.perf_counter(), float("nan")
    async with session.post("/v1/chat/completions", json=_body("streamed", True)) as answer:
        async for line in answer.content:
            if first != first and line.startswith(b"data: {"):
                chunk = json.loads(line.removeprefix(b"data: "))
                if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                    first = time.perf_counter() - begun
    return first


def _body(model: str, stream: bool) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Hello, how are you?"}]
    return {"model": model, "messages": messages, "stream": stream}


@contextmanager
def _running(client: str, python: str, api_base: str) -> Iterator[tuple[subprocess.Popen[bytes], str, float]]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(json.dumps(_config(client, api_base)), encoding="utf-8")
        log = Path(folder) / "log"
        with log.open("wb") as output:
            begun = time.monotonic()
            process = subprocess.Popen(
                command(client, python, config, port),
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
        for name, model in (("warm", models.WARM), ("streamed", models.STREAMED))
    ]
    return {
        "model_list": entries,
        "general_settings": {"master_key": MASTER_KEY, **settings},
        **further,
    }
