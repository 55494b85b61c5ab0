"""One request on its way through the stand-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from .faults import Fate, Mishap


class SeenRequest(msgspec.Struct, eq=False):
    """A request as it arrived; `time` is seconds on the stand-in's clock."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    time: float
    kind: str

    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


class RouteCall(msgspec.Struct, eq=False):
    """What a route's handler is given."""

    request: web.BaseRequest
    seen: SeenRequest
    names: list[str]
    """What the path has in the places of its route's placeholders."""
    token: str
    fate: Fate
    mishap: Mishap | None

    @property
    def origin(self) -> str:
        """Where the caller found the server: the URLs it is given lead back there."""
        return f"http://{self.request.host}"
