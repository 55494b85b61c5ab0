"""areplicate, with one router for all calls.

The stand-in enforces no rate limit, so the router is told that there is none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from areplicate import AsyncRouter

from . import worker


class Client:
    def __init__(self, api_base: str, key: str) -> None:
        self._router = AsyncRouter(
            api_key=key, api_base=api_base, creations_per_minute=1e9, others_per_minute=1e9
        )

    async def complete(self, model: str, prompt: str) -> str:
        response = await self._router.acompletion(model, [{"role": "user", "content": prompt}])
        return response.choices[0].message.content or ""

    async def stream(self, model: str, prompt: str) -> AsyncIterator[str]:
        messages = [{"role": "user", "content": prompt}]
        async with await self._router.acompletion(model, messages, stream=True) as chunks:
            async for chunk in chunks:
                if piece := chunk.choices[0].delta.content:
                    yield piece

    async def aclose(self) -> None:
        await self._router.aclose()


if __name__ == "__main__":
    worker.main(Client)
