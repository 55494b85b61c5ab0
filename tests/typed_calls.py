"""Calls that nobody runs: type checkers find something wrong in the lines that say so, and nowhere else.

`make lint` shows that mypy does, for mypy reports what is ignored in vain; tests/test_signature.py that Pyright does.
"""
# ruff: noqa: F841

from __future__ import annotations

from datetime import timedelta
from typing import Any

import aiohttp
import httpx

import areplicate
from areplicate import (
    AsyncRouter,
    CompletionStream,
    ModelResponse,
    Router,
    SyncCompletionStream,
    acompletion,
    completion,
)

talk: list[dict[str, Any]] = []


async def main(router: AsyncRouter, stream: bool) -> None:
    whole: ModelResponse = await router.acompletion("a/b", talk, temperature=1, top_k=3, stop=["a"])
    other: ModelResponse = await acompletion(model="a/b", messages=talk, stream=False)
    chunks: CompletionStream = await acompletion("a/b", talk, stream=True, max_tokens=3, image="cat.png")
    either: ModelResponse | CompletionStream = await router.acompletion("a/b", talk, stream=stream)
    text: str = await acompletion("a/b", talk)  # type: ignore
    await router.acompletion("a/b", talk, max_tokens="ten")  # type: ignore
    await acompletion("a/b", talk, tools=3)  # type: ignore
    await acompletion("a/b", talk, stream=True, timeout="soon")  # type: ignore
    await acompletion("a/b", 3)  # type: ignore
    await acompletion("a/b")  # type: ignore


def sync() -> None:
    whole: ModelResponse = completion("a/b", talk)
    chunks: SyncCompletionStream = completion("a/b", talk, stream=True)
    completion("a/b", talk, n="two")  # type: ignore
    areplicate.completoin("a/b", talk)  # type: ignore


def habits(router: Router) -> None:
    completion("a/b", talk, timeout=timedelta(minutes=1))
    completion("a/b", talk, timeout=httpx.Timeout(5.0), mock_response={"id": "x"})
    areplicate.request_timeout = httpx.Timeout(5.0)
    AsyncRouter(timeout=aiohttp.ClientTimeout(total=5))
    answer: ModelResponse = router.completion("name", talk, num_retries=2)
    router.completion("name", talk, max_tokens="ten")  # type: ignore
    tokens: int = answer.usage.completion_tokens_details.reasoning_tokens  # type: ignore
