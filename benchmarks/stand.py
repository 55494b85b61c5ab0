"""What every benchmark stands on: a local server in a process of its own, and ratios to a bare client."""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from areplicate.local import Faults, LocalModel, LocalReplicate
from areplicate.replicate.protocol.predictions import TERMINAL

KEY = "r8_benchmark"


def _serve(models: Sequence[LocalModel], options: dict[str, Any], pipe: Connection) -> None:
    async def run() -> None:
        async with LocalReplicate(models, **{"log_requests": False, **options}) as local:
            pipe.send(local.api_base)
            while True:
                while not pipe.poll():
                    await asyncio.sleep(0.01)
                match pipe.recv():
                    case "stop":
                        return
                    case Faults() as faults:
                        local.faults = faults
                    case ("account", key):
                        pipe.send(_account(local, key))

    asyncio.run(run())


def _account(local: LocalReplicate, key: str) -> dict[str, float]:
    """What one account has asked for, after which that is forgotten."""
    requests: Counter[str] = Counter()
    others = []
    for request in local.requests:
        if request.headers.get("Authorization", "").endswith(key):
            requests[request.kind] += 1
        else:
            others.append(request)
    local.requests[:] = others
    mine = [prediction for prediction in local.predictions.values() if prediction.token == key]
    running = sum(prediction.status not in TERMINAL for prediction in mine)
    ended = max((prediction.clock.wall(prediction.ends).timestamp() for prediction in mine), default=0.0)
    return {
        "requests": requests.total(),
        "created": len(mine),
        "running": running,
        "ended": ended,
        **requests,
    }


class Server:
    """A stand-in for Replicate in another process."""

    def __init__(self, api_base: str, pipe: Connection) -> None:
        self.api_base = api_base
        self._pipe = pipe

    def account(self, key: str) -> dict[str, float]:
        """The requests of one key, all and by kind, and its predictions: `created`, and still `running`.

        `ended` is the time of day when the last of them ends. For a server with `log_requests=True`; the
        requests are counted once.
        """
        self._pipe.send(("account", key))
        account: dict[str, float] = self._pipe.recv()
        return account

    def set_faults(self, faults: Faults) -> None:
        """What goes wrong from here on."""
        self._pipe.send(faults)


@contextmanager
def server(models: Sequence[LocalModel], **options: Any) -> Iterator[Server]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(models, options, there), daemon=True
    )
    process.start()
    try:
        yield Server(here.recv(), here)
    finally:
        here.send("stop")
        process.join(5)
        process.kill()


def ratio(ours: Sequence[float], bare: Sequence[float]) -> float:
    """The median of the ratios, round by round: what both share of a slow moment cancels out."""
    return statistics.median(a / b for a, b in zip(ours, bare, strict=True))
