"""From a method and a path to the handler of Replicate's API that answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from . import catalog, files, routes
from .calls import Call
from .refusals import method_not_allowed, not_found
from .service import Service


class Route(NamedTuple):
    """A handler, and how its requests are counted (`kind`) and limited and damaged (`group`)."""

    kind: str
    group: str
    handler: Callable[[Service, Call], Awaitable[web.StreamResponse]]


_ROUTES = {
    "POST /predictions": Route("create", "create", routes.create_by_version),
    "POST /models/*/*/predictions": Route("create", "create", routes.create_by_model),
    "POST /deployments/*/*/predictions": Route("create", "create", routes.create_by_deployment),
    "GET /predictions/*": Route("get", "read", routes.read),
    "GET /predictions": Route("list", "read", routes.list_all),
    "POST /predictions/*/cancel": Route("cancel", "cancel", routes.cancel),
    "GET /streams/*": Route("stream", "stream", routes.stream),
    "GET /models": Route("models", "read", catalog.list_models),
    "GET /models/*/*": Route("model", "read", catalog.read_model),
    "GET /models/*/*/versions": Route("versions", "read", catalog.list_versions),
    "GET /models/*/*/versions/*": Route("version", "read", catalog.read_version),
    "GET /deployments": Route("deployments", "read", catalog.list_deployments),
    "GET /deployments/*/*": Route("deployment", "read", catalog.read_deployment),
    "GET /account": Route("account", "read", catalog.read_account),
    "GET /webhooks/default/secret": Route("secret", "read", catalog.read_webhook_secret),
    "POST /files": Route("upload", "upload", files.upload),
    "GET /files": Route("files", "read", files.list_all),
    "GET /files/*": Route("file", "read", files.read),
    "DELETE /files/*": Route("delete", "upload", files.delete),
}

_TABLE: dict[int, list[tuple[str, list[str], Route]]] = {}
for _spelled, _route in _ROUTES.items():
    _method, _path = _spelled.split(" ")
    _pattern = f"/v1{_path}".split("/")
    _TABLE.setdefault(len(_pattern), []).append((_method, _pattern, _route))


async def _refuse(service: Service, call: Call) -> web.StreamResponse:
    methods = {method for method, _ in _matches(call.seen.path)}
    raise method_not_allowed(call.seen.method) if methods else not_found()


_UNKNOWN = Route("unknown", "other", _refuse)


def find_route(method: str, path: str) -> tuple[Route, list[str]]:
    """The route, and what stands in the places of its stars; a route that refuses where there is none."""
    parts = path.split("/")
    for wanted, pattern, route in _TABLE.get(len(parts), ()):
        if wanted == method and (names := _match(pattern, parts)) is not None:
            return route, names
    return _UNKNOWN, []


def _match(pattern: list[str], parts: list[str]) -> list[str] | None:
    names = []
    for expected, part in zip(pattern, parts, strict=True):
        if expected == "*":
            names.append(part)
        elif expected != part:
            return None
    return names


def _matches(path: str) -> list[tuple[str, Route]]:
    parts = path.split("/")
    return [
        (m, route) for m, pattern, route in _TABLE.get(len(parts), ()) if _match(pattern, parts) is not None
    ]
