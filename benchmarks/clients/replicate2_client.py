"""Replicate's official client, the beta of version 2, on its own aiohttp transport.

Its `use(model, streaming=True)` makes a new client, with a new pool, for each request; here all share one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import replicate
from replicate.lib._predictions_use import AsyncFunction  # type: ignore[import-not-found,unused-ignore]

from . import worker

TIMEOUT = 120.0
"""Seconds; with its own 60 s it would give up a creation that is held for 60 s, and create another."""


class Client:
    def __init__(self, api_base: str, key: str) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._client: Any = replicate.AsyncReplicate(  # type: ignore[attr-defined,unused-ignore]
            bearer_token=key,
            base_url=api_base,
            http_client=replicate.DefaultAioHttpClient(limits=limits, timeout=TIMEOUT),  # type: ignore[attr-defined,unused-ignore]
        )

    async def complete(self, model: str, prompt: str) -> str:
        return "".join(await self._client.run(model, input={"prompt": prompt}))

    async def stream(self, model: str, prompt: str) -> AsyncIterator[str]:
        function: Any = AsyncFunction(lambda: self._client, model, streaming=True)  # type: ignore[arg-type,return-value,unused-ignore]
        async for piece in await function(prompt=prompt):
            yield piece

    async def aclose(self) -> None:
        await self._client.close()


if __name__ == "__main__":
    worker.main(Client)
