"""A real gateway process on a real port, in front of a stand-in for Replicate."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from areplicate.local import LocalModel, LocalReplicate
from tests.forked import Process

ROOT = Path(__file__).parents[2]
MASTER = "sk-master-of-the-tests"
UPSTREAM_KEY = "r8_the_gateways_own_key"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
WORDS = ["Hello", ", ", "dear ", "world", "!"]
PATH = "/v1/chat/completions"
HI: Any = [{"role": "user", "content": "Hi"}]
ASKED = {"model": "chat", "messages": HI}

MODELS = (
    LocalModel(owner="acme", name="chat", reply=WORDS, run_seconds=0.05),
    LocalModel(owner="acme", name="slow", reply=WORDS, run_seconds=30),
    LocalModel(owner="acme", name="patient", reply=WORDS, run_seconds=1.5),
    LocalModel(owner="acme", name="boots", reply=WORDS, boot_seconds=13),
    LocalModel(owner="acme", name="fails", reply=WORDS, failure="CUDA out of memory", failure_after=2),
)


TRUSTS_EVERYBODY = httpx.create_ssl_context(verify=False)
"""Each client would make one of its own, which takes as long as several requests."""

_LISTENING = re.compile(r'"url": ?"(https?://[\d.:\[\]]+:\d+)"')


class Gateway:
    """A running gateway."""

    def __init__(self, process: Process | subprocess.Popen[bytes], url: str, config: Path, log: Path) -> None:
        self.process = process
        self.url = url
        self.config = config
        self.clients = ExitStack()
        """What is closed at its end."""
        self._log = log

    def http(self, key: str | None = MASTER, timeout: float = 20, **options: Any) -> httpx.Client:
        """A client."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=timeout,
            trust_env=False,
            verify=TRUSTS_EVERYBODY,
            **options,
        )

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.rpartition("/")[2].rsplit(":", 1)
        return host, int(port)

    def connect(self, timeout: float = 10) -> socket.socket:
        return socket.create_connection(self.address, timeout)

    def workers(self) -> list[int]:
        """The process ids of its children."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def kept_for_workers(self) -> Path | None:
        """The folder that it keeps for its workers."""
        return next(Path("/dev/shm").glob(f"areplicate-{self.process.pid}-*"), None)

    def status(self, path: str) -> int:
        """What anybody is answered."""
        with self.http(None, timeout=5) as http:
            return http.get(path).status_code

    def ask(self, key: str | None = MASTER, model: str = "chat", **body: Any) -> httpx.Response:
        """One chat completion."""
        with self.http(key) as http:
            return http.post(PATH, json={"model": model, "messages": HI, **body})

    def new_key(self, **limits: Any) -> str:
        with self.http() as http:
            answer = http.post("/key/generate", json=limits)
        assert answer.status_code == 200, answer.text
        key: str = answer.json()["key"]
        return key

    def get(self, path: str, key: str | None = MASTER) -> Any:
        with self.http(key) as http:
            answer = http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def log(self) -> str:
        return self._log.read_text()

    def wait(self, ready: bool = True) -> None:
        """Returns when it serves, and with `ready` has its database."""
        path = "/health/readiness" if ready else "/health/liveliness"
        deadline = time.monotonic() + 30
        while not self._answers(path):
            if self.process.poll() is not None:
                pytest.fail(f"the gateway ended with {self.process.returncode}:\n{self.log()}")
            if time.monotonic() > deadline:
                pytest.fail(f"the gateway is not ready:\n{self.log()}")
            time.sleep(0.02)

    def _answers(self, path: str) -> bool:
        """Whether it listens, where its log says, and all is well there."""
        listening = _LISTENING.search(self.log())
        if listening is None:
            return False
        self.url = listening[1]
        try:
            return self.status(path) == 200
        except httpx.TransportError:
            return False

    def stop(self, number: int = signal.SIGTERM, timeout: float = 20) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout)


DOLLAR_A_TOKEN = {"output_cost_per_token": 1.0}
"""Makes a completion of five tokens cost five dollars."""
A_SECOND = {"hardware": "gpu-a100-large"}


def entry(
    local: LocalReplicate, name: str, model: str | None = None, *, info: Any = A_SECOND, **params: Any
) -> dict[str, Any]:
    """An entry of `model_list`: a model of acme's, by its bare name if no other is said."""
    upstream = {
        "model": f"replicate/{model or f'acme/{name}'}",
        "api_key": UPSTREAM_KEY,
        "api_base": local.api_base,
    }
    return {"model_name": name, "litellm_params": {**upstream, **params}, "model_info": info}


def config_for(
    local: LocalReplicate, models: Iterable[LocalModel] = MODELS, info: Any = A_SECOND, **general: Any
) -> dict[str, Any]:
    """A configuration with all of these models, by their bare names; `general` are further `general_settings`."""
    rates = {"creations_per_minute": 1_000_000, "others_per_minute": 1_000_000}
    return {
        "model_list": [entry(local, model.name, info=info) for model in models],
        "general_settings": {"master_key": MASTER, **rates, **general},
    }


def priced(local: LocalReplicate, models: Iterable[LocalModel] = MODELS, **general: Any) -> dict[str, Any]:
    """The same, with a price for all models."""
    return config_for(local, models, DOLLAR_A_TOKEN, **general)


@contextmanager
def gateway(
    config: dict[str, Any],
    folder: Path,
    *arguments: str,
    started: bool = True,
    ready: bool = True,
    open_files: tuple[int, int] | None = None,
    before: Callable[[], None] | None = None,
    program: str = "areplicate.gateway",
) -> Iterator[Gateway]:
    """Runs a gateway until the block ends.

    `started` waits until it serves, and `ready` until it has its database; `open_files` are its limits. The process
    is forked, but for one that is not waited for, or in which `before` is called before it is the gateway's. `program`
    is another one that serves, by its path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, log = folder / "config.yaml", folder / "log"
    path.write_text(json.dumps(config))
    # It takes a port itself: one that was looked for beforehand may be somebody else's by now.
    command = (program, "--config", str(path), "--port", "0", "--host", "127.0.0.1", *arguments)
    process: Process | subprocess.Popen[bytes]
    with log.open("wb") as output:
        if started and before is None:
            process = Process(*command, env=ENVIRONMENT, stderr=output, open_files=open_files)
        else:
            python = [sys.executable, "-m"]
            process = subprocess.Popen([*python, *command], env=ENVIRONMENT, stderr=output, preexec_fn=before)
    running = Gateway(process, "", path, log)
    try:
        if started:
            running.wait(ready)
        yield running
    finally:
        running.clients.close()
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def recorded(folder: Path) -> list[int]:
    """The statuses of all requests in the account of a gateway that runs there."""
    with contextlib.closing(sqlite3.connect(folder / "areplicate.db")) as database:
        return [row[0] for row in database.execute("SELECT status FROM areplicate_usage")]


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processors, for its own work and for the system's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
