"""LiteLLM's provider for Replicate.

It ignores `api_base` and posts to api.replicate.com, so its URL builder is redirected here. Nothing else of
it is changed.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # no download on import
os.environ["AIOHTTP_CONNECTOR_LIMIT"] = os.environ["AIOHTTP_CONNECTOR_LIMIT_PER_HOST"] = "0"  # no limit

import litellm  # type: ignore[import-not-found,unused-ignore]
from litellm.llms.replicate.chat.transformation import (  # type: ignore[import-not-found,unused-ignore]
    ReplicateConfig,
)

from . import worker

REPLICATE = "https://api.replicate.com/v1"


class Client:
    def __init__(self, api_base: str, key: str) -> None:
        litellm.suppress_debug_info = True
        litellm.disable_hf_tokenizer_download = True  # else each call looks one up on a model hub
        self._key = key
        redirect(api_base)

    async def complete(self, model: str, prompt: str) -> str:
        text: str = (await self._ask(model, prompt)).choices[0].message.content
        return text

    async def stream(self, model: str, prompt: str) -> AsyncIterator[str]:
        async for chunk in await self._ask(model, prompt, stream=True):
            if piece := chunk.choices[0].delta.content:
                yield piece

    async def aclose(self) -> None:
        await litellm.close_litellm_async_clients()

    async def _ask(self, model: str, prompt: str, **params: Any) -> Any:
        messages = [{"role": "user", "content": prompt}]
        return await litellm.acompletion(
            model=f"replicate/{model}", messages=messages, api_key=self._key, **params
        )


def redirect(api_base: str) -> None:
    """Makes the provider's URLs begin with `api_base`."""
    complete_url = ReplicateConfig.get_complete_url

    def redirected(self: Any, *args: Any, **kwargs: Any) -> str:
        url: str = complete_url(self, *args, **kwargs)
        return url.replace(REPLICATE, api_base)

    ReplicateConfig.get_complete_url = redirected


if __name__ == "__main__":
    worker.main(Client)
