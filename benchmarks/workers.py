"""Processes: a worker of a client in its own environment, or a function of this one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 300.0
"""Seconds after which a worker is taken for dead."""

T = TypeVar("T")


def begin(
    client: str, scenario: str, *, python: str, api_base: str, key: str, **given: Any
) -> subprocess.Popen[str]:
    """Starts one client on one scenario, with what `clients.worker.main` reads."""
    keywords = json.dumps({"api_base": api_base, "key": key, **given})
    command = [python, "-m", f"benchmarks.clients.{client}_client", scenario, keywords]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


def end(process: subprocess.Popen[str], timeout: float = TIMEOUT) -> dict[str, Any]:
    """The figures of a scenario, or `failed` with the last line of its error."""
    try:
        out, complaints = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return {"failed": f"not done after {timeout:g} s"}
    if process.returncode:
        said = complaints.strip().splitlines() or [f"exit status {process.returncode}"]
        return {"failed": said[-1]}
    figures: dict[str, Any] = json.loads(out.splitlines()[-1])  # clients may print before
    return figures


def in_a_process(work: Callable[..., T], *arguments: Any) -> T:
    """What a function gives in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def in_turn(clients: Iterable[str], rounds: int, measure: Callable[[str], T]) -> dict[str, list[T]]:
    """What `measure` finds of each client, round by round."""
    found: dict[str, list[T]] = {client: [] for client in clients}
    for _ in range(rounds):
        for client, figures in found.items():
            figures.append(measure(client))
    return found
