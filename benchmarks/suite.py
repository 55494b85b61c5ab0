"""What is measured of every client: each figure round by round, the clients in turn."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from areplicate.local import Faults, LocalModel

from . import models
from .environments import INSTALLATIONS, Environment
from .stand import Server
from .workers import begin, end, in_turn

Rounds = dict[str, list[dict[str, Any]]]
"""What was found of each client, round by round."""

FAULTS = Faults(seed=1, create_error=0.05, create_reset=0.03, create_lost=0.03, get_error=0.1)
"""5% of creations are answered 502; 3% are reset before and 3% after they were made; 10% of looks fail."""


class Size(NamedTuple):
    """How much is run."""

    rounds: int = 3
    warm_calls: int = 10
    warm_path: tuple[int, int, int] = (500, 4, 4)
    """Warm calls in a row, rounds of it in a process, and processes."""
    fanouts: tuple[tuple[int, int], ...] = ((300, 3), (3000, 2))
    """Calls at once, and rounds of it."""
    streams: int = 2
    streams_at_once: int = 50
    open_streams: int = 300
    boot_seconds: float = 45.0
    stream_timeout: float = 30.0
    cancelled: int = 50
    afterwards: float = 3.0
    """Seconds after a client's end at which its predictions are counted that still run."""
    asked_in_faults: int = 300
    job: tuple[int, int, int] = (10_000, 100_000, 2)
    """Rows over HTTP, rows in simulated time, and rounds of the former."""
    gateway_requests: int = 400
    gateway_rounds: int = 2
    gateway_cpu: tuple[int, int, int] = (100, 10, 5)
    """Requests, with half as many streams, rounds of them, and starts."""


QUICK = Size(
    rounds=1,
    warm_calls=2,
    warm_path=(20, 2, 1),
    fanouts=((30, 1), (100, 1)),
    streams=1,
    streams_at_once=3,
    open_streams=3,
    boot_seconds=5.0,
    stream_timeout=3.0,
    cancelled=5,
    afterwards=1.0,
    asked_in_faults=30,
    job=(200, 1000, 1),
    gateway_requests=40,
    gateway_rounds=1,
    gateway_cpu=(10, 1, 1),
)


class Suite:
    """The benchmarks of some clients, against one server."""

    def __init__(self, environments: dict[str, Environment], local: Server, size: Size) -> None:
        self._environments = environments
        self._local = local
        self._size = size
        self._keys = 0

    def figures(self) -> Iterator[tuple[str, Rounds]]:
        """Each figure, by its name, as soon as it is measured."""
        size = self._size
        yield "import", self._in_turn(size.rounds, self._import)
        yield "boot", self._boots()
        yield "warm", self._in_turn(size.rounds, self._warm)
        for count, rounds in size.fanouts:
            fanout = {"count": count, "text": models.TEXT, "warm_model": models.WARM.full_name}
            yield f"fanout {count}", self._scenario(rounds, "fanout", models.FAN, **fanout)
        yield "stream", self._scenario(size.rounds, "stream", models.STREAMED, runs=size.streams)
        at_once, opened = size.streams_at_once, size.open_streams
        yield "streams", self._scenario(size.streams, "streams", models.QUICK_STREAM, count=at_once)
        yield "open streams", self._scenario(1, "open_streams", models.ENDLESS, count=opened)
        yield "cancel", self._in_turn(1, self._cancel)
        yield "faults", self._in_turn(1, self._faults)

    def _in_turn(self, rounds: int, measure: Callable[[str], dict[str, Any]]) -> Rounds:
        return in_turn(self._environments, rounds, measure)

    def _scenario(self, rounds: int, scenario: str, model: LocalModel, **given: Any) -> Rounds:
        """The figures that the clients themselves tell of a scenario."""
        return self._in_turn(rounds, lambda client: self._work(client, scenario, model, **given)[1])

    def _import(self, client: str) -> dict[str, Any]:
        python, module = self._environments[client].python, INSTALLATIONS[client].module
        return {"cpu": _cpu_of(python, f"import {module}") - _cpu_of(python, "pass")}

    def _warm(self, client: str) -> dict[str, Any]:
        key, figures = self._work(client, "warm", models.WARM, calls=self._size.warm_calls)
        account = self._local.account(key)
        return {**figures, "requests_per_call": account["requests"] / max(1, account["created"])}

    def _boots(self) -> Rounds:
        """Cold boots of all clients at the same time, whole and streamed: they do little but wait."""
        cold = iter(models.booting(self._size.boot_seconds))
        running: list[tuple[str, bool, str, subprocess.Popen[str]]] = []
        for client in self._environments:
            for streamed in (False, True):
                key = self._key(client)
                given = {"model": next(cold).full_name, "text": models.TEXT, "streamed": streamed}
                running.append((client, streamed, key, self._begin(client, "one", key, **given)))
        rounds: Rounds = {client: [{}] for client in self._environments}
        for client, streamed, key, process in running:
            figures = end(process, timeout=5 * self._size.boot_seconds + 60)
            account = self._local.account(key)
            figures["requests"] = account["requests"]
            if figures.get("outcome") == "right":
                figures["late"] = figures["done"] - account["ended"]
            rounds[client][0]["streamed" if streamed else "whole"] = figures
        return rounds

    def _cancel(self, client: str) -> dict[str, Any]:
        count = self._size.cancelled
        key, figures = self._work(client, "cancel", models.ENDLESS, count=count, after=2.0)
        return {**figures, **self._afterwards(key)}

    def _faults(self, client: str) -> dict[str, Any]:
        count = self._size.asked_in_faults
        self._local.set_faults(FAULTS)
        key, figures = self._work(client, "faults", models.NUMBERED, count=count, concurrency=min(30, count))
        self._local.set_faults(Faults())
        return {**figures, "asked": count, **self._afterwards(key)}

    def _afterwards(self, key: str) -> dict[str, float]:
        """What a client has left behind, a while after its end."""
        time.sleep(self._size.afterwards)
        account = self._local.account(key)
        return {"created": account["created"], "left_running": account["running"]}

    def _work(
        self, client: str, scenario: str, model: LocalModel, **given: Any
    ) -> tuple[str, dict[str, Any]]:
        """The key that a client used, and its figures."""
        key = self._key(client)
        return key, end(self._begin(client, scenario, key, model=model.full_name, **given))

    def _begin(self, client: str, scenario: str, key: str, **given: Any) -> subprocess.Popen[str]:
        python, api_base = self._environments[client].python, self._local.api_base
        return begin(client, scenario, python=python, api_base=api_base, key=key, **given)

    def _key(self, client: str) -> str:
        """A key of its own for each worker, by which the server tells them apart."""
        self._keys += 1
        return f"r8_{client}_{self._keys:04}"


def _cpu_of(python: str, code: str) -> float:
    probe = f"import time\n{code}\nprint(time.process_time())"
    return float(subprocess.check_output([python, "-c", probe], stderr=subprocess.DEVNULL).split()[-1])
