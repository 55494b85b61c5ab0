"""Both transports, on each loop that they run on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from areplicate.replicate.transports.aiohttp import AiohttpTransport
from areplicate.replicate.transports.base import Transport
from areplicate.replicate.transports.httpx import HttpxTransport

Make: TypeAlias = Callable[..., Transport]


@pytest.fixture(params=["asyncio+aiohttp", "uvloop+aiohttp", "asyncio+httpx", "trio+httpx"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def anyio_backend(kind: str) -> Any:
    loop = kind.partition("+")[0]
    return ("asyncio", {"use_uvloop": True}) if loop == "uvloop" else (loop, {})


@pytest.fixture
def make(kind: str) -> Make:
    return AiohttpTransport if kind.endswith("aiohttp") else HttpxTransport
