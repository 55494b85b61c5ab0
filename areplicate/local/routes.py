"""From a method and a path to the handler of Replicate's API that answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from . import catalog, discovery, files, prediction_routes
from .calls import RouteCall
from .faults import Group
from .refusals import method_not_allowed, not_found
from .service import Service


class Route(NamedTuple):
    """A handler, and how its requests are counted (`kind`) and limited and damaged (`group`)."""

    kind: str
    group: Group
    handler: Callable[[Service, RouteCall], Awaitable[web.StreamResponse]]
    open: bool = False
    """Whether the URL alone is enough, without a token."""


_ROUTES = {
    "POST /predictions": Route("create", "create", prediction_routes.create_by_version),
    "POST /models/*/*/predictions": Route("create", "create", prediction_routes.create_by_model),
    "POST /deployments/*/*/predictions": Route("create", "create", prediction_routes.create_by_deployment),
    "GET /predictions/*": Route("get", "get", prediction_routes.read),
    "GET /predictions": Route("list", "get", prediction_routes.list_all),
    "POST /predictions/*/cancel": Route("cancel", "cancel", prediction_routes.cancel),
    "GET /streams/*": Route("stream", "stream", prediction_routes.stream, open=True),
    "GET /models": Route("models", "other", catalog.list_models),
    "QUERY /models": Route("models", "other", discovery.query_models),
    "GET /search": Route("search", "other", discovery.search),
    "GET /collections": Route("collections", "other", discovery.list_collections),
    "GET /collections/*": Route("collection", "other", discovery.read_collection),
    "GET /hardware": Route("hardware", "other", discovery.list_hardware),
    "GET /models/*/*": Route("model", "other", catalog.read_model),
    "GET /models/*/*/examples": Route("examples", "other", catalog.list_examples),
    "GET /models/*/*/readme": Route("readme", "other", catalog.read_readme),
    "GET /models/*/*/versions": Route("versions", "other", catalog.list_versions),
    "GET /models/*/*/versions/*": Route("version", "other", catalog.read_version),
    "GET /deployments": Route("deployments", "other", catalog.list_deployments),
    "GET /deployments/*/*": Route("deployment", "other", catalog.read_deployment),
    "GET /account": Route("account", "other", catalog.read_account),
    "GET /webhooks/default/secret": Route("secret", "other", catalog.read_webhook_secret),
    "POST /models/*/*/versions/*/trainings": Route("training", "other", catalog.train),
    "GET /trainings": Route("trainings", "other", catalog.list_trainings),
    "GET /trainings/*": Route("training", "other", catalog.no_training),
    "POST /trainings/*/cancel": Route("training", "other", catalog.no_training),
    "POST /files": Route("upload", "other", files.upload),
    "GET /files": Route("files", "other", files.list_all),
    "GET /files/*": Route("file", "other", files.read),
    "GET /files/*/download": Route("download", "other", files.download, open=True),
    "DELETE /files/*": Route("delete", "other", files.delete),
}

_TABLE: dict[tuple[str, int], list[tuple[list[str], Route]]] = {}
"""By method and number of segments, which leaves but a few patterns to compare."""
for _spelled, _route in _ROUTES.items():
    _method, _path = _spelled.split(" ")
    _pattern = f"/v1{_path}".split("/")
    _TABLE.setdefault((_method, len(_pattern)), []).append((_pattern, _route))


async def _refuse(service: Service, call: RouteCall) -> web.StreamResponse:
    seen = call.seen
    elsewhere = any(
        find_route(method, seen.path)[0] is not _UNKNOWN for method in ("GET", "POST", "DELETE", "QUERY")
    )
    raise method_not_allowed(seen.method) if elsewhere else not_found()


_UNKNOWN = Route("unknown", "other", _refuse)


def find_route(method: str, path: str) -> tuple[Route, list[str]]:
    """The route, and what stands in the places of its stars; a route that refuses if there is none."""
    parts = path.split("/")
    for pattern, route in _TABLE.get((method, len(parts)), ()):
        names = []
        for expected, part in zip(pattern, parts, strict=True):
            if expected == "*":
                names.append(part)
            elif expected != part:
                break
        else:
            return route, names
    return _UNKNOWN, []
