"""A bare HTTP client for the tests of the local stand-in, with none of areplicate in it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp

from areplicate.local import LocalModel, LocalReplicate

LLAMA = "/models/meta/llama/predictions"
"""Where most tests create: they serve a model `meta/llama`."""


def llama(**options: Any) -> LocalModel:
    """`meta/llama`, which says "one two three" at once unless told otherwise."""
    return LocalModel(owner="meta", name="llama", **{"reply": "one two three", **options})


class Answer(NamedTuple):
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Requests to one stand-in, with one token."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.session = session
        self.base = base

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request. `path` follows the base or is a whole URL; `Cancel_After=` is `Cancel-After`."""
        url = path if path.startswith("http") else self.base + path
        data = (
            body if body is None or isinstance(body, bytes | aiohttp.FormData) else json.dumps(body).encode()
        )
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method, url, data=data, headers=named, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.send("GET", path, **headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return await self.send("POST", path, body, **headers)

    async def create(self, prompt: str = "Hi", path: str = LLAMA, **headers: str) -> Answer:
        """Create a prediction of `meta/llama`, or of the model of that path."""
        return await self.post(path, {"input": {"prompt": prompt}}, **headers)


@asynccontextmanager
async def connect(local: LocalReplicate, token: str | None = "r8_test") -> AsyncIterator[Client]:
    """A client of the stand-in that never gives up waiting."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout()) as session:
        yield Client(session, local.api_base)


@asynccontextmanager
async def serving(*models: LocalModel, **options: Any) -> AsyncIterator[tuple[LocalReplicate, Client]]:
    """A stand-in with these models, and a client of it."""
    async with LocalReplicate(models, **options) as local, connect(local) as client:
        yield local, client
