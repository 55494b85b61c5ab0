"""Running the clients' workers, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from .stand import KEY

ROOT = Path(__file__).resolve().parents[1]
LOOPS = ("uvloop", "asyncio")
TIMEOUT = 300.0
"""Seconds after which a worker is taken for dead."""

T = TypeVar("T")


def begin(
    client: str, scenario: str, *, python: str = sys.executable, api_base: str, key: str = KEY, **given: Any
) -> subprocess.Popen[str]:
    """Starts one client on one scenario; `loop` and `settings` are as in `clients.worker.main`."""
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


def work(client: str, scenario: str, **given: Any) -> dict[str, Any]:
    """One client through one scenario."""
    return end(begin(client, scenario, **given))


def in_turn(clients: Iterable[str], rounds: int, measure: Callable[[str], T]) -> dict[str, list[T]]:
    """What `measure` finds of each client, round by round."""
    found: dict[str, list[T]] = {client: [] for client in clients}
    for _ in range(rounds):
        for client, figures in found.items():
            figures.append(measure(client))
    return found
