"""One request on its way through the stand-in, and the routes that answer requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from aiohttp import web

from .faults import Fate, Group, Mishap

if TYPE_CHECKING:
    from .service import Service


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


Handler = Callable[["Service", RouteCall], Awaitable[web.StreamResponse]]


class Route(NamedTuple):
    """A handler, and the requests that it answers.

    Attributes:
        paths: each a method and a path below `/v1`, such as `GET /files/*`, in which `*` stands for any name.
        kind: what its requests are counted as.
        group: which of them share limits and faults.
        open: whether the URL alone is enough, without a token.
    """

    handler: Handler
    paths: tuple[str, ...]
    kind: str
    group: Group
    open: bool


def route(*paths: str, kind: str, group: Group = "other", open: bool = False) -> Callable[[Handler], Route]:
    """Makes a handler a `Route`, which `routes` finds in its module."""
    return lambda handler: Route(handler, paths, kind, group, open)
