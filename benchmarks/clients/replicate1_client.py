"""Replicate's official client, version 1."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import replicate

from . import worker

AT_ONCE = 100
"""Calls in flight, as many as its pool has connections by default.

The time that httpcore's pool takes grows with the square of the requests that queue for a connection, so they
queue here: 3,000 calls would take ten times as long without.
"""


class Client:
    def __init__(self, api_base: str, key: str) -> None:
        self._client: Any = replicate.Client(  # type: ignore[attr-defined,unused-ignore]
            api_token=key, base_url=api_base.removesuffix("/v1"), timeout=httpx.Timeout(120.0)
        )
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def complete(self, model: str, prompt: str) -> str:
        async with self._turns:
            output = await self._client.async_run(model, input={"prompt": prompt})
        return "".join(output)

    async def stream(self, model: str, prompt: str) -> AsyncIterator[str]:
        async for event in await self._client.async_stream(model, input={"prompt": prompt}):
            yield str(event)  # "" for other events than output

    async def aclose(self) -> None:
        await self._client._async_client.aclose()


if __name__ == "__main__":
    worker.main(Client)
