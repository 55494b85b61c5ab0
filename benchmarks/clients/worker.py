"""What every client's worker does: read a scenario from the command line, run it, print its figures."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import uvloop

from . import scenarios


def main(connect: Callable[[str, str], scenarios.Client]) -> None:
    """Runs the scenario named in the first argument, with the keywords of the second, a JSON object.

    `api_base` and `key` go to the client, which is made on the running event loop, and the rest to the scenario.
    """
    scenario = getattr(scenarios, sys.argv[1])
    given: dict[str, Any] = json.loads(sys.argv[2])
    api_base, key = given.pop("api_base"), given.pop("key")

    async def work() -> Any:
        client = connect(api_base, key)
        try:
            return await scenario(client, **given)
        finally:
            await client.aclose()

    print(json.dumps(uvloop.run(work())))
