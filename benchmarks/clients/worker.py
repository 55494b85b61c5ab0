"""What every client's worker does: read a scenario from the command line, run it, print its figures."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from . import scenarios

Connect = Callable[..., scenarios.Client]
"""A client for an API base, a key, and settings of its own, made on the running event loop."""


def main(connect: Connect) -> None:
    """Runs the scenario named in the first argument, with the keywords of the second, a JSON object.

    `api_base`, `key` and the object `settings` go to the client, `loop` says which event loop it runs on, and
    the rest goes to the scenario.
    """
    scenario = getattr(scenarios, sys.argv[1])
    given: dict[str, Any] = json.loads(sys.argv[2])
    api_base, key = given.pop("api_base"), given.pop("key")
    settings, loop = given.pop("settings", {}), given.pop("loop", "uvloop")

    async def work() -> Any:
        client = connect(api_base, key, **settings)
        try:
            return await scenario(client, **given)
        finally:
            await client.aclose()

    print(json.dumps(runner(loop)(work())))


def runner(loop: str) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """What runs a coroutine on the event loop of that name."""
    if loop == "asyncio":
        return asyncio.run
    import uvloop

    return uvloop.run
