"""A local server and a router that calls it: what most tests play on."""

from __future__ import annotations

import random
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from areplicate import AsyncRouter, ModelResponseChunk
from areplicate.local import Faults, LocalDeployment, LocalModel, LocalReplicate
from tests.waiting import eventually

if TYPE_CHECKING:
    import pytest

KEY = "r8_ThisIsTheSecretKeyOfTheTests0123456789"
LLAMA = "meta/meta-llama-3-8b-instruct"
HELLO = [{"role": "user", "content": "Hello, how are you?"}]


def llama(**options: Any) -> LocalModel:
    return LocalModel(owner="meta", name="meta-llama-3-8b-instruct", **options)


def router_of(local: LocalReplicate, **options: Any) -> AsyncRouter:
    return AsyncRouter(**{"api_key": KEY, "api_base": local.api_base, **options})


def in_the_environment(local: LocalReplicate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls without a key and a base of their own, and processes that begin from now on, ask this server."""
    monkeypatch.setenv("REPLICATE_API_KEY", KEY)
    monkeypatch.setenv("REPLICATE_API_BASE", local.api_base)


@asynccontextmanager
async def stage(
    *models: LocalModel,
    deployments: Iterable[LocalDeployment] = (),
    faults: Faults | None = None,
    router: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[tuple[LocalReplicate, AsyncRouter]]:
    """A server with these models and a router for it; afterwards no prediction may be left running."""
    async with LocalReplicate(models or [llama()], deployments, faults=faults, **options) as local:
        async with router_of(local, **(router or {})) as client:
            yield local, client
        assert not local.running(), "predictions were left running"


async def nothing_runs(local: LocalReplicate, within: float = 10.0) -> bool:
    """Whether all predictions have ended, a moment after their callers have left at the latest."""
    with anyio.move_on_after(within):
        while local.running():
            await anyio.sleep(0.05)
    return not local.running()


def wait_until_nothing_runs(local: LocalReplicate) -> None:
    """The same for a server in a thread of its own, where time is real."""
    eventually(lambda: local.predictions and not local.running())


def sent(local: LocalReplicate, kind: str = "create") -> list[dict[str, Any]]:
    """The JSON bodies of the requests of one kind."""
    return [msgspec.json.decode(seen.body) for seen in local.requests if seen.kind == kind]


async def chunks_of(router: AsyncRouter, **options: Any) -> list[ModelResponseChunk]:
    """A whole stream of the usual question to the usual model."""
    return [chunk async for chunk in await router.acompletion(LLAMA, HELLO, stream=True, **options)]


def streamed_text(chunks: Iterable[ModelResponseChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def free_port() -> int:
    """A port below those that outgoing connections are given, so that none of them takes it meanwhile."""
    while True:
        port = random.randrange(20000, 32000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Clock:
    """Seconds on the test's clock since it was made."""

    def __init__(self) -> None:
        self._begun = anyio.current_time()

    def __call__(self) -> float:
        return anyio.current_time() - self._begun
